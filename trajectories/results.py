"""Values that carry their uncertainty; clicks and the exact solver return the same types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .notebook import Shown, Summary, drawn
from .time_units import NATURAL, TimeUnit

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def read_only(values: ArrayLike, dtype: Any = None) -> NDArray[Any]:
    """Return a private, contiguous, read-only copy of `values`."""
    array = np.array(values, dtype=dtype, order="C")
    array.flags.writeable = False
    return array


def _freeze(result: object, **dtypes: type) -> None:
    """Replace columns of a frozen dataclass by private read-only copies."""
    for name, dtype in dtypes.items():
        object.__setattr__(result, name, read_only(getattr(result, name), dtype))


def in_unit(found: Any, unit: TimeUnit) -> Any:
    """Return a result whose times are in a unit, or a mapping or tuple of results; other values as they are."""
    if isinstance(found, tuple):
        return tuple(in_unit(each, unit) for each in found)
    if isinstance(found, Mapping):
        return {name: in_unit(each, unit) for name, each in found.items()}
    return replace(found, unit=unit) if isinstance(getattr(found, "unit", None), TimeUnit) else found


def _nothing() -> NDArray[np.float64]:
    """Return no numerical errors: none were estimated."""
    return np.zeros(0)


def _freeze_numerical_error(result: Any) -> None:
    """Give a column of zeros to a result whose numerical errors were not estimated."""
    errors = result.numerical_error if len(result.numerical_error) else np.zeros(len(result.value))
    object.__setattr__(result, "numerical_error", read_only(errors, np.float64))


# An estimate is shown with exponents where value and error are below this, or the error ends in more zeros.
SMALL, MOST_ZEROS = 1e-3, 3


@dataclass(frozen=True, repr=False)
class Estimate(Shown):
    """One number and its uncertainty.

    Attributes
    ----------
    value : float
        The estimate; NaN when the data cannot give one.
    standard_error : float
        One standard error; 0 for an exact value, NaN when it cannot be estimated.
    n : int
        How many events (clicks, pairs, bundles) stand behind it; 0 for an exact value.
    method : str
        How value and error were obtained.
    numerical_error : float
        How far the computation of an exact value may be off, as estimated by it.

    Examples
    --------
    >>> import trajectories as tj
    >>> found = tj.Estimate(0.43, standard_error=0.01, n=1000, method="counted")
    >>> print(found)
    0.430 ± 0.010
    >>> round(found.deviation(0.45), 3)
    -2.0
    """

    value: float
    standard_error: float = 0.0
    n: int = 0
    method: str = "exact"
    numerical_error: float = 0.0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Return the normal confidence interval value ± z·standard_error at `level`."""
        from scipy.special import ndtri  # takes longer to load than all else here

        half = float(ndtri(0.5 * (1.0 + level))) * self.standard_error
        return self.value - half, self.value + half

    def deviation(self, exact: Estimate | float) -> float:
        """Return (value − exact)/σ, with σ² the sum of both squared standard errors."""
        other = exact if isinstance(exact, Estimate) else Estimate(float(exact))
        sigma = float(np.hypot(self.standard_error, other.standard_error))
        difference = self.value - other.value
        if sigma == 0.0:
            return 0.0 if difference == 0.0 else float(np.copysign(np.inf, difference))
        return difference / sigma

    def deviation_text(self, exact: Estimate | float) -> str:
        """Return the deviation as text, such as ``+1.2 σ``; "–" where the error is not known."""
        if not np.isfinite(self.standard_error):
            return "–"
        return f"{round(self.deviation(exact), 1) + 0.0:+.1f} σ"  # + 0.0: never −0.0

    def plot(self, exact: Estimate | float | None = None, ax: Axes | None = None) -> Axes:
        """Draw the value with its 95 % interval, and the exact one under it.

        Parameters
        ----------
        exact : Estimate or float, optional
            The exact value.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when not given.
        """
        return drawn("estimate", self, exact, ax)

    def _summary(self) -> Summary:
        events = f", from {self.n} events" if self.n else ""
        return Summary(f"{self}  ({self.method}{events})")

    def __str__(self) -> str:
        if self.standard_error == 0.0:
            return f"{self.value:.6g}"
        if not np.isfinite(self.standard_error):
            return f"{self.value:.4g} ± ?"
        # Two digits of the error decide how many digits of the value are shown.
        value, error = self.value, self.standard_error
        digits = 1 - int(np.floor(np.log10(error)))
        if digits < -MOST_ZEROS or max(abs(value), error) < SMALL:
            size = int(np.floor(np.log10(abs(value) or error)))
            return f"{value:.{max(size + digits, 0)}e} ± {error:.1e}"
        if digits < 0:
            return f"{round(value, digits):.0f} ± {round(error, digits):.0f}"
        return f"{value:.{digits}f} ± {error:.{digits}f}"


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
        How far the computation of exact values may be off, as estimated by it.
    unit : TimeUnit
        Of the edges.

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
    numerical_error: NDArray[np.float64] = field(default_factory=_nothing)
    unit: TimeUnit = NATURAL

    def __post_init__(self) -> None:
        _freeze(self, edges=np.float64, value=np.float64, standard_error=np.float64, counts=np.int64)
        _freeze_numerical_error(self)

    @property
    def tau(self) -> NDArray[np.float64]:
        """Bin centres, shape (n_bins,)."""
        return 0.5 * (self.edges[1:] + self.edges[:-1])

    def plot(self, exact: Correlation | None = None, ax: Axes | None = None) -> Axes:
        """Draw g²(τ) with its 95 % band, and the exact one under it.

        Parameters
        ----------
        exact : Correlation, optional
            The exact correlation, in any bins.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when not given.
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
        How far the computation of exact values may be off, as estimated by it.
    unit : TimeUnit
        Of the edges.
    quantity : {"time", "clicks"}
        What the bins are of.

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
    numerical_error: NDArray[np.float64] = field(default_factory=_nothing)
    unit: TimeUnit = NATURAL
    quantity: str = "time"

    def __post_init__(self) -> None:
        _freeze(self, edges=np.float64, value=np.float64, standard_error=np.float64, counts=np.int64)
        _freeze_numerical_error(self)

    def plot(self, exact: Histogram | None = None, ax: Axes | None = None) -> Axes:
        """Draw the density with its 95 % band, and the exact one under it.

        Parameters
        ----------
        exact : Histogram, optional
            The exact density, in any bins.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when not given.
        """
        return drawn("histogram", self, exact, ax)

    def _summary(self) -> Summary:
        title = f"Histogram: {len(self.value)} bins, {self.counts.sum()} events"
        bins = f"bin{_in(self.unit)}" if self.quantity == "time" else self.quantity
        return Summary(title, (bins, "density", "events"), _bins(self), self.method)


def _in(unit: TimeUnit) -> str:
    """Return a unit in the head of a column; 1/ω_b goes without saying."""
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
        Of the times.
    """

    times: NDArray[np.float64]
    value: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    n: int = 0
    method: str = "exact"
    unit: TimeUnit = NATURAL

    def __post_init__(self) -> None:
        _freeze(self, times=np.float64, value=np.float64, standard_error=np.float64)

    def plot(self, exact: Expectation | None = None, ax: Axes | None = None) -> Axes:
        """Draw ⟨O⟩(t) with its 95 % band, and the exact one under it.

        Parameters
        ----------
        exact : Expectation, optional
            The exact average, at any times.
        ax : matplotlib.axes.Axes, optional
            Where to draw; a new figure when not given.
        """
        return drawn("expectation", self, exact, ax)

    def _summary(self) -> Summary:
        averaged = f", {self.n} trajectories" if self.n else ""
        pairs = zip(self.times.tolist(), self.value.tolist(), self.standard_error.tolist(), strict=True)
        rows = [(f"{t:g}", str(Estimate(value, error))) for t, value, error in pairs]
        title = f"⟨O⟩(t) at {len(self.times)} times{averaged}"
        return Summary(title, (f"t{_in(self.unit)}", "⟨O⟩"), rows, self.method)


@dataclass(frozen=True, repr=False)
class Coincidences(Shown):
    """How often several channels click together, and how often they would by chance.

    Attributes
    ----------
    channels : tuple of str
        The channels, one click in each.
    window : float
        Largest time between the first and the last of them.
    rate : Estimate
        Coincidences per time.
    accidental : Estimate
        What independent channels of the same rates would give.
    ratio : Estimate
        One over the other, the n-fold correlation averaged over the window.
    delays : tuple of float
        What was added to the times of each channel.
    unit : TimeUnit
        Of window and delays; the rates are per unit.
    """

    channels: tuple[str, ...]
    window: float
    rate: Estimate
    accidental: Estimate
    ratio: Estimate
    delays: tuple[float, ...] = ()
    unit: TimeUnit = NATURAL

    def _summary(self) -> Summary:
        title = f"Coincidences of {', '.join(self.channels)} within {self.unit.of(f'{self.window:g}')}"
        rate = self.unit.rate
        rows = [
            (f"rate ({rate})", str(self.rate)),
            (f"accidental ({rate})", str(self.accidental)),
            ("ratio", str(self.ratio)),
        ]
        return Summary(title, ("", "value"), rows)


@dataclass(frozen=True, repr=False)
class TripleCorrelation(Shown):
    """A third-order correlation against the two waits between three clicks in their order of time.

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
        Of the edges.
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
        _freeze(
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
            Where to draw; a new figure when not given.
        """
        return drawn("triple_correlation", self, ax)

    def _summary(self) -> Summary:
        n, m = self.value.shape
        title = f"g³(τ₁, τ₂) of {', '.join(self.channels)}: {n} × {m} bins, {self.counts.sum()} triples"
        return Summary(title, note=self.method)
