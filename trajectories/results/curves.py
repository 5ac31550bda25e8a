"""Curves with their uncertainty: correlations, histograms, and expectation values against time."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..notebook import Shown, Summary, drawn
from ..time_units import NATURAL, TimeUnit
from .columns import freeze_columns, freeze_numerical_error, not_estimated
from .estimate import Estimate

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True, repr=False)
class Correlation(Shown):
    """A second-order correlation, averaged over lag bins.

    Attributes
    ----------
    first, second : str
        Channel names; a positive lag means that `second` clicked after `first`.
    edges : ndarray of shape (n_bins + 1,)
        Lag bin edges in 1/ω_b; negative lags mean that `second` clicked first.
    value, standard_error : ndarray of shape (n_bins,)
        g² of each bin and its standard error (0 when exact, NaN when not estimable).
    counts : ndarray of shape (n_bins,)
        Pairs counted in each bin (0 when exact).
    method : str
        How it was obtained.
    numerical_error : ndarray of shape (n_bins,)
        Estimated error of the computation, for exact values.
    unit : TimeUnit
        Unit of the edges.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> found = tj.lindblad.g2(tj.lindblad.steady_state(system), "atom", "atom", [0.0, 1.0, 2.0])
    >>> found.tau, found.standard_error
    (array([0.5, 1.5]), array([0., 0.]))
    """

    first: str
    second: str
    edges: NDArray[np.float64]
    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    counts: NDArray[np.int64]
    method: str = "exact"
    numerical_error: NDArray[np.float64] = field(default_factory=not_estimated)
    unit: TimeUnit = NATURAL

    def __post_init__(self) -> None:
        freeze_columns(self, edges=np.float64, value=np.float64, standard_error=np.float64, counts=np.int64)
        freeze_numerical_error(self)

    @property
    def tau(self) -> NDArray[np.float64]:
        """Bin centres, shape (n_bins,)."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    def plot(self, exact: Correlation | None = None, ax: Axes | None = None) -> Axes:
        """Draw g²(τ) with its 95 % band, and the exact curve.

        Parameters
        ----------
        exact : Correlation, optional
            The exact correlation, in any bins.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure when not given.
        """
        return drawn("correlation", self, exact, ax)

    def _summary(self) -> Summary:
        title = f"g²(τ) of {self.first} and {self.second}: {len(self.value)} bins, {self.counts.sum()} pairs"
        return Summary(title, (f"τ{_in(self.unit)}", "g²", "pairs"), _bins(self), self.method)


@dataclass(frozen=True, repr=False)
class Histogram(Shown):
    """A density over bins with the uncertainty of each bin.

    Attributes
    ----------
    edges : ndarray of shape (n_bins + 1,)
        Bin edges.
    value, standard_error : ndarray of shape (n_bins,)
        The density in each bin (its unit is stated by `method`) and its standard error.
    counts : ndarray of shape (n_bins,)
        Events in each bin (0 when exact).
    method : str
        What is counted, per what, and how the error was obtained.
    numerical_error : ndarray of shape (n_bins,)
        Estimated error of the computation, for exact values.
    unit : TimeUnit
        Unit of the edges.
    quantity : {"time", "clicks"}
        Quantity of the bins.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> found = tj.lindblad.waiting_times(tj.lindblad.steady_state(system), "atom", "atom", [0.0, 20.0, 40.0])
    >>> round(float((found.value * 20.0).sum()), 6)
    1.0
    """

    edges: NDArray[np.float64]
    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    counts: NDArray[np.int64]
    method: str = "exact"
    numerical_error: NDArray[np.float64] = field(default_factory=not_estimated)
    unit: TimeUnit = NATURAL
    quantity: str = "time"

    def __post_init__(self) -> None:
        freeze_columns(self, edges=np.float64, value=np.float64, standard_error=np.float64, counts=np.int64)
        freeze_numerical_error(self)

    def plot(self, exact: Histogram | None = None, ax: Axes | None = None) -> Axes:
        """Draw the density with its 95 % band, and the exact density.

        Parameters
        ----------
        exact : Histogram, optional
            The exact density, in any bins.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure when not given.
        """
        return drawn("histogram", self, exact, ax)

    def _summary(self) -> Summary:
        title = f"Histogram: {len(self.value)} bins, {self.counts.sum()} events"
        bins = f"bin{_in(self.unit)}" if self.quantity == "time" else self.quantity
        return Summary(title, (bins, "density", "events"), _bins(self), self.method)


def _in(unit: TimeUnit) -> str:
    """Return the unit in brackets for the head of a column; nothing for 1/ω_b, the default."""
    return "" if unit == NATURAL else f" ({unit.name})"


def _bins(binned: Correlation | Histogram) -> list[tuple[str, str, str]]:
    """Return a row for each bin: its edges, the value with its error, and the events."""
    pairs = zip(binned.value.tolist(), binned.standard_error.tolist(), strict=True)
    values = [str(Estimate(value, error)) for value, error in pairs]
    edges = [f"{low:g} … {high:g}" for low, high in pairwise(binned.edges.tolist())]
    counts = [str(count) if count else "" for count in binned.counts.tolist()]
    return list(zip(edges, values, counts, strict=True))


@dataclass(frozen=True, repr=False)
class Expectation(Shown):
    """An expectation value against time.

    Attributes
    ----------
    times : ndarray of shape (n_times,)
        Sample times in 1/ω_b.
    value, standard_error : ndarray of shape (n_times,)
        ⟨O⟩(t), the ensemble mean over trajectories with its standard error (0 when exact).
    n : int
        Number of trajectories averaged (0 when exact).
    method : str
        How it was obtained.
    unit : TimeUnit
        Unit of the times.
    """

    times: NDArray[np.float64]
    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    n: int = 0
    method: str = "exact"
    unit: TimeUnit = NATURAL

    def __post_init__(self) -> None:
        freeze_columns(self, times=np.float64, value=np.float64, standard_error=np.float64)

    def plot(self, exact: Expectation | None = None, ax: Axes | None = None) -> Axes:
        """Draw ⟨O⟩(t) with its 95 % band, and the exact average.

        Parameters
        ----------
        exact : Expectation, optional
            The exact average, at any times.
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure when not given.
        """
        return drawn("expectation", self, exact, ax)

    def _summary(self) -> Summary:
        averaged = f", {self.n} trajectories" if self.n else ""
        pairs = zip(self.times.tolist(), self.value.tolist(), self.standard_error.tolist(), strict=True)
        rows = [(f"{t:g}", str(Estimate(value, error))) for t, value, error in pairs]
        title = f"⟨O⟩(t) at {len(self.times)} times{averaged}"
        return Summary(title, (f"t{_in(self.unit)}", "⟨O⟩"), rows, self.method)


@dataclass(frozen=True, repr=False)
class TripleCorrelation(Shown):
    """A third-order correlation as a function of the two times between three clicks in order.

    Attributes
    ----------
    channels : tuple of three str
        The channels in the order in which they click.
    edges1, edges2 : ndarray of shape (n + 1,) and (m + 1,)
        Bin edges of τ₁ = t₂ − t₁ and τ₂ = t₃ − t₂.
    value, standard_error : ndarray of shape (n, m)
        g³ of each bin and its standard error (0 when exact, NaN when not estimable).
    counts : ndarray of shape (n, m)
        Triples counted in each bin (0 when exact).
    method : str
        How it was obtained.
    unit : TimeUnit
        Unit of the edges.
    """

    channels: tuple[str, str, str]
    edges1: NDArray[np.float64]
    edges2: NDArray[np.float64]
    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    counts: NDArray[np.int64]
    method: str = "exact"
    unit: TimeUnit = NATURAL

    def __post_init__(self) -> None:
        freeze_columns(
            self,
            edges1=np.float64,
            edges2=np.float64,
            value=np.float64,
            standard_error=np.float64,
            counts=np.int64,
        )

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw g³(τ₁, τ₂) as a map.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Axes to draw on; a new figure when not given.
        """
        return drawn("triple_correlation", self, ax)

    def _summary(self) -> Summary:
        n, m = self.value.shape
        title = f"g³(τ₁, τ₂) of {', '.join(self.channels)}: {n} × {m} bins, {self.counts.sum()} triples"
        return Summary(title, note=self.method)
