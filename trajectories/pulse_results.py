"""What single pulses emit, with uncertainties: the same types for clicks and for the exact solver."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidInput
from .results import read_only


@dataclass(frozen=True, eq=False)
class PulseCounts:
    """Joint distribution of the clicks of one pulse, P(n_a, n_b, …).

    Attributes
    ----------
    channels : tuple of str
        The channel of each axis.
    probability, standard_error : ndarray of shape (most + 1, …)
        P and its standard error; the last entry along each axis is of that many clicks or more.
    n : int
        Pulses that were counted (0 when exact).
    method : str
        How it was obtained.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> P = np.array([[0.7, 0.04, 0.0], [0.05, 0.2, 0.0], [0.0, 0.0, 0.01]])
    >>> found = tj.PulseCounts(("photon", "magnon"), P, 0 * P)
    >>> found.no_click, found.one_each, round(found.purity, 3), round(found.heralding("photon"), 3)
    (0.7, 0.2, 0.667, 0.808)
    """

    channels: tuple[str, ...]
    probability: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    n: int = 0
    method: str = "exact"

    def __post_init__(self) -> None:
        for name in ("probability", "standard_error"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.float64))

    @property
    def no_click(self) -> float:
        """P(0, 0, …)."""
        return float(self.probability[(0,) * self.probability.ndim])

    @property
    def one_each(self) -> float:
        """P(1, 1, …): of two channels the probability of exactly one pair, if two or more are told apart."""
        return float(self.probability[(1,) * self.probability.ndim])

    @property
    def purity(self) -> float:
        """Share of the pulses with a click that hold exactly one click of each channel."""
        clicked = 1.0 - self.no_click
        return self.one_each / clicked if clicked > 0.0 else float("nan")

    def heralding(self, channel: str) -> float:
        """Return P(a click of every other channel | a click of this one)."""
        if channel not in self.channels or len(self.channels) < 2:
            raise InvalidInput(f"channel {channel!r} heralds no other of {', '.join(self.channels)}")
        axis = self.channels.index(channel)
        given = np.moveaxis(self.probability, axis, 0)[1:]
        both = given[(slice(None), *(slice(1, None),) * (given.ndim - 1))].sum()
        return float(both / given.sum()) if given.sum() > 0.0 else float("nan")


@dataclass(frozen=True, eq=False)
class PulseMap:
    """g²(t₁, t₂) within a pulse.

    Attributes
    ----------
    first, second : str
        The channels at t₁ (first axis) and t₂.
    edges : ndarray of shape (n_bins + 1,)
        Edges of both times since the period began.
    value, standard_error : ndarray of shape (n_bins, n_bins)
        Pairs over what independent clicks of the same densities would make; NaN where there are none.
    counts : ndarray of shape (n_bins, n_bins)
        Pairs counted (0 when exact).
    method : str
        How it was obtained.

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

    def __post_init__(self) -> None:
        for name in ("edges", "value", "standard_error"):
            object.__setattr__(self, name, read_only(getattr(self, name), np.float64))
        object.__setattr__(self, "counts", read_only(self.counts, np.int64))
