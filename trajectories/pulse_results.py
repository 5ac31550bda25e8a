"""Results of pulsed systems with their uncertainty: the same types for clicks and for the exact side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidInput
from .notebook import Shown, Summary
from .results import Estimate, read_only
from .time_units import NATURAL, TimeUnit


@dataclass(frozen=True, eq=False, repr=False)
class PulseCounts(Shown):
    """Joint distribution of the clicks of one pulse, P(n_a, n_b, …).

    Attributes
    ----------
    channels : tuple of str
        The channel of each axis.
    probability, standard_error : ndarray of shape (most + 1, …)
        P and its standard error; the last entry of each axis is for that many clicks or more.
    n : int
        Number of pulses counted (0 when exact).
    method : str
        How it was obtained.
    deviations : ndarray of shape (m, P.size), or None
        Deviations D of m resampled distributions; the covariance of P is DᵀD.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> P = np.array([[0.7, 0.04, 0.0], [0.05, 0.2, 0.0], [0.0, 0.0, 0.01]])
    >>> found = tj.PulseCounts(("photon", "magnon"), P, 0 * P)
    >>> found.no_click.value, found.one_each.value, round(found.purity.value, 3), round(found.more.value, 3)
    (0.7, 0.2, 0.667, 0.01)
    """

    channels: tuple[str, ...]
    probability: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    n: int = 0
    method: str = "exact"
    deviations: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        for name in ("probability", "standard_error"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.float64))

    @property
    def no_click(self) -> Estimate:
        """P(0, 0, …)."""
        return self._estimate(lambda P: P[(0,) * P.ndim])

    @property
    def one_each(self) -> Estimate:
        """P(1, 1, …): for two channels the probability of exactly one pair; needs most ≥ 2."""
        self._require_several()
        return self._estimate(lambda P: P[(1,) * P.ndim])

    @property
    def more(self) -> Estimate:
        """Probability of more than one click in some channel, as of several pairs; needs most ≥ 2."""
        self._require_several()
        return self._estimate(lambda P: P.sum() - P[(slice(0, 2),) * P.ndim].sum())

    @property
    def purity(self) -> Estimate:
        """Probability of exactly one click in each channel, given that the pulse has a click; needs most ≥ 2."""
        self._require_several()
        one_each = (1,) * self.probability.ndim
        return self._estimate(lambda P: P[one_each] / (P.sum() - P[(0,) * P.ndim]))

    def heralding(self, channel: str) -> Estimate:
        """Return P(a click of every other channel | a click of this one)."""
        if channel not in self.channels or len(self.channels) < 2:
            raise InvalidInput(f"channel {channel!r} needs another one of {', '.join(self.channels)}")
        axis = self.channels.index(channel)

        def share(P: NDArray[np.float64]) -> Any:
            given = np.moveaxis(P, axis, 0)[1:]
            return given[(slice(None), *(slice(1, None),) * (given.ndim - 1))].sum() / given.sum()

        return self._estimate(share)

    def _require_several(self) -> None:
        """Refuse counts that do not distinguish one click and several."""
        if min(self.probability.shape) < 3:
            raise InvalidInput("one click and several are not distinguished; count with most=2 or more")

    def _summary(self) -> Summary:
        most = [size - 1 for size in self.probability.shape]
        rows = []
        for counts in np.ndindex(*self.probability.shape):
            spelled = [f"{n}+" if n == last else str(n) for n, last in zip(counts, most, strict=True)]
            error = float(self.standard_error[counts]) if self.n else 0.0
            rows.append((", ".join(spelled), str(Estimate(float(self.probability[counts]), error))))
        counted = f", {self.n} pulses" if self.n else ""
        title = f"Clicks of {', '.join(self.channels)} in a pulse{counted}"
        return Summary(title, (", ".join(self.channels), "P"), rows, self.method)

    def _estimate(self, value: Callable[[NDArray[np.float64]], Any]) -> Estimate:
        """Return a function of P with its standard error to first order."""
        with np.errstate(divide="ignore", invalid="ignore"):
            here = float(value(self.probability))
            if self.n == 0:
                return Estimate(here, method=self.method)
            if self.deviations is None:
                return Estimate(here, float("nan"), self.n, self.method)
            moved = [float(value(self.probability + d.reshape(self.probability.shape))) for d in self.deviations]
        return Estimate(here, float(np.sqrt(((np.array(moved) - here) ** 2).sum())), self.n, self.method)


@dataclass(frozen=True, eq=False, repr=False)
class PulseMap(Shown):
    """g²(t₁, t₂) within a pulse.

    Attributes
    ----------
    first, second : str
        The channels of t₁ (first axis) and t₂.
    edges : ndarray of shape (n_bins + 1,)
        Bin edges of both times, counted from the start of the period.
    value, standard_error : ndarray of shape (n_bins, n_bins)
        Pairs, relative to those of independent clicks with the same densities; NaN where these are 0.
    counts : ndarray of shape (n_bins, n_bins)
        Pairs counted (0 when exact).
    method : str
        How it was obtained.
    unit : TimeUnit
        Unit of the edges.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> one = np.ones((1, 1))
    >>> tj.PulseMap("photon", "magnon", np.array([0.0, 1.0]), one, 0 * one, 0 * one).value.shape
    (1, 1)
    """

    first: str
    second: str
    edges: NDArray[np.float64]
    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    counts: NDArray[np.int64]
    method: str = "exact"
    unit: TimeUnit = NATURAL

    def __post_init__(self) -> None:
        for name in ("edges", "value", "standard_error"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.float64))
        object.__setattr__(self, "counts", read_only(self.counts, np.int64))

    def _summary(self) -> Summary:
        n, m = self.value.shape
        counted = f", {self.counts.sum()} pairs" if self.counts.any() else ""
        return Summary(f"g²(t₁, t₂) of {self.first} and {self.second}: {n} × {m} bins{counted}", note=self.method)
