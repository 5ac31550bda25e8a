"""Gap clusters: detected clicks closer than δ belong together; rates by size, order and composition, purity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import numpy as np
from numpy.typing import NDArray

from ...checks import integer, nonnegative_number, positive_numbers
from ...detectors import Detector
from ...errors import InvalidInput
from ...names import ByChannels
from ...results import Estimate
from ..answers import estimates_of
from ..inputs import bundle_channels, bundle_window, two_of
from ..solver import Model, solver_of, total_rate
from ..steady_state import SteadyState
from .cluster_maps import ClusterMaps, cluster_maps, maps_of_windows

Detectors = Mapping[str, Detector] | None
Channels = str | Sequence[str] | None


def composition_rates(
    steady: SteadyState,
    window: float | None = None,
    channels: Channels = None,
    max_size: int | None = None,
    detectors: Detectors = None,
) -> ByChannels[Estimate]:
    """Return how often clusters of each composition are emitted: `order_rates` summed over the orders.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    window : float, optional
        δ in 1/ω_b; 3/κ when not given and the system's parameters name κ.
    channels : str or sequence of str, optional
        Detected channels; all but those of atoms and other finite factors when not given, because the atom's
        photon is at another frequency.
    max_size : int, optional
        Largest number of clicks in a cluster; 3 when not given.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Returns
    -------
    ByChannels of Estimate
        Rates in ω_b, keyed ("photon",), ("photon", "magnon"), …: names in channel order, repeated for their
        multiplicity; small clusters first. They are found as ``["photon+magnon"]`` too.

    Raises
    ------
    InvalidInput
        Bad window, size or channels, or a detector with dead time or jitter.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> found = tj.lindblad.composition_rates(steady, window=2.0, max_size=2)
    >>> round(found["a"].value, 5), round(found["a+b"].value, 5)
    (0.00085, 0.00691)
    """
    names = bundle_channels(steady.system, channels)
    size = 3 if max_size is None else max_size
    return by_composition(order_rates(steady, window, names, size, detectors), names, size)


def by_composition(
    ordered: Mapping[tuple[str, ...], Estimate], names: Sequence[str], max_size: int
) -> ByChannels[Estimate]:
    """Return what `order_rates` of these channels gives, summed over the orders."""
    totals = {
        members: 0.0 for size in range(1, max_size + 1) for members in combinations_with_replacement(names, size)
    }
    errors = dict.fromkeys(totals, 0.0)
    for order, rate in ordered.items():
        members = tuple(sorted(order, key=names.index))
        totals[members] += rate.value
        errors[members] += rate.numerical_error
    found = ((m, Estimate(value, numerical_error=errors[m])) for m, value in totals.items())
    return ByChannels(found, separator="+")


def order_rates(
    steady: SteadyState,
    window: float | None = None,
    channels: Channels = None,
    max_size: int = 3,
    detectors: Detectors = None,
) -> ByChannels[Estimate]:
    """Return how often clusters with each sequence of channels are emitted.

    R(k₁ > … > k_n) = Tr[E 𝒥_{k_n} K … K 𝒥_{k₁} E ρ],  E = e^{L0 δ},  K = ∫₀^δ e^{L0 t} dt,  where L0 is the motion
    without detected clicks.

    Parameters
    ----------
    steady, window, channels, max_size, detectors
        As in `composition_rates`.

    Returns
    -------
    ByChannels of Estimate
        Rates in ω_b, keyed ("photon",), ("photon", "magnon"), …, first click first, found as ``["photon>magnon"]``
        too.

    Raises
    ------
    InvalidInput
        As in `composition_rates`.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> found = tj.lindblad.order_rates(steady, window=2.0, max_size=2)
    >>> round(found["b>a"].value, 5), round(found["a>b"].value, 5)
    (0.00536, 0.00155)
    """
    integer(max_size, "max_size", 1)
    names, delta = bundle_channels(steady.system, channels), bundle_window(steady.system, window)
    sequences = [s for size in range(1, max_size + 1) for s in product(names, repeat=size)]

    def compute(model: Model) -> NDArray[np.float64]:
        maps = cluster_maps(model, delta)
        return np.array([maps.rate(sequence) for sequence in sequences])

    # Every sequence is cut in the middle, and each half is followed for a window.
    starts = 2 + 2 * sum(len(names) ** n for n in range(1, max_size // 2 + 1))
    answer = solver_of(steady).answer(
        compute, names, detectors, horizon=delta, starts=starts, chained=max_size > 2
    )
    return ByChannels(zip(sequences, estimates_of(answer), strict=True), separator=">")


def cluster_rates(
    steady: SteadyState,
    window: float | None = None,
    channels: Channels = None,
    max_size: int = 3,
    detectors: Detectors = None,
) -> list[Estimate]:
    """Return how often clusters of n clicks are emitted, R_n = Tr[E (𝒥K)^{n−1} 𝒥 E ρ] for n = 1 … max_size.

    Over all n, Σ n R_n is the total rate of detected clicks.

    Parameters
    ----------
    steady, window, channels, max_size, detectors
        As in `composition_rates`.

    Raises
    ------
    InvalidInput
        As in `composition_rates`.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> [round(rate.value, 5) for rate in tj.lindblad.cluster_rates(steady, window=2.0)]
    [0.0017, 0.00691, 2e-05]
    """
    integer(max_size, "max_size", 1)
    names, delta = bundle_channels(steady.system, channels), bundle_window(steady.system, window)

    def compute(model: Model) -> NDArray[np.float64]:
        maps = cluster_maps(model, delta)
        return np.array([maps.rate((None,) * n) for n in range(1, max_size + 1)])

    answer = solver_of(steady).answer(
        compute, names, detectors, horizon=delta, starts=1 + max_size, chained=max_size > 2
    )
    return estimates_of(answer)


def purity(
    steady: SteadyState, n: int, windows: Sequence[float], channels: Channels = None, detectors: Detectors = None
) -> list[Estimate]:
    """Return the purity π_n(δ) = n R_n(δ)/Σλ for each window δ: the share of quanta in clusters of exactly n.

    Sánchez Muñoz et al., Nat. Photon. 8, 550 (2014). It depends on δ, so that a scan is asked for; compare it
    with `accidental_purity`.

    Parameters
    ----------
    steady, channels, detectors
        As in `composition_rates`.
    n : int
        Number of clicks in a cluster.
    windows : sequence of float
        Values of δ in 1/ω_b.

    Raises
    ------
    InvalidInput
        As in `composition_rates`, or channels that never click.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> [round(found.value, 3) for found in tj.lindblad.purity(steady, 2, [0.5, 2.0])]
    [0.487, 0.872]
    """
    integer(n, "n", 1)
    deltas = positive_numbers(windows, "windows")
    names = bundle_channels(steady.system, channels)
    total_rate(steady, names, detectors)

    def compute(model: Model) -> NDArray[np.float64]:
        scan = maps_of_windows(model, deltas)
        return np.array([n * maps.rate((None,) * n) / maps.total_rate for maps in scan])

    horizon = float(deltas.max() + (n - 1) * deltas.sum())
    return estimates_of(
        solver_of(steady).answer(compute, names, detectors, horizon=horizon, starts=2, chained=n > 2)
    )


def accidental_purity(rate: float, n: int, windows: Sequence[float]) -> list[Estimate]:
    """Return the purity of independent clicks: π_n = n q² (1 − q)^{n−1}, q = e^{−λδ}.

    Parameters
    ----------
    rate : float
        Total rate λ of the detected clicks in ω_b.
    n : int
        Number of clicks in a cluster.
    windows : sequence of float
        Values of δ in 1/ω_b.

    Raises
    ------
    InvalidInput
        A rate that is negative or not finite, n below 1, or a window that is not positive.

    Examples
    --------
    >>> import trajectories as tj
    >>> [round(found.value, 4) for found in tj.lindblad.accidental_purity(0.1, 2, [1.0, 5.0])]
    [0.1558, 0.2895]
    """
    integer(n, "n", 1)
    together = -np.expm1(-nonnegative_number(rate, "rate") * positive_numbers(windows, "windows"))
    return [Estimate(float(n * (1.0 - p) ** 2 * p ** (n - 1)), method="exact (Poisson)") for p in together]


@dataclass(frozen=True)
class PairBundles:
    """How often the two orders of a pair are emitted, and what follows from that.

    Attributes
    ----------
    forward, backward : float
        R(first > second) and R(second > first) in ω_b.
    total : float
        Rate Σλ of all detected clicks in ω_b.
    errors : tuple of two floats
        How far the computation of `forward` and of `backward` may be off.

    Examples
    --------
    >>> import trajectories as tj
    >>> found = tj.lindblad.PairBundles(forward=0.3, backward=0.1, total=1.0)
    >>> round(found.order_fraction.value, 6), round(found.purity.value, 6)
    (0.75, 0.8)
    """

    forward: float
    backward: float
    total: float
    errors: tuple[float, float] = (0.0, 0.0)

    @property
    def rate(self) -> Estimate:
        """R(first > second) + R(second > first)."""
        return Estimate(self.forward + self.backward, numerical_error=sum(self.errors))

    @property
    def purity(self) -> Estimate:
        """2 (R(first > second) + R(second > first))/Σλ."""
        rate = self.rate
        return Estimate(2.0 * rate.value / self.total, numerical_error=2.0 * rate.numerical_error / self.total)

    @property
    def order_fraction(self) -> Estimate:
        """R(first > second)/(R(first > second) + R(second > first)); NaN if the pair is never emitted."""
        rate = self.rate.value
        if rate <= 0.0:
            return Estimate(float("nan"))
        error = (self.backward * self.errors[0] + self.forward * self.errors[1]) / rate**2
        return Estimate(self.forward / rate, numerical_error=error)


def pair_bundles(
    steady: SteadyState,
    first: str,
    second: str,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> PairBundles:
    """Return the rates of both orders of a pair, from which purity and order follow.

    R(k > l) = ∫₀^δ Tr[E 𝒥_l e^{L0 τ} 𝒥_k E ρ] dτ,  E = e^{L0 δ},  where L0 is the motion without detected clicks.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second : str
        Two different detected channels.
    window, channels, detectors
        As in `composition_rates`.

    Raises
    ------
    InvalidInput
        As in `composition_rates`, or channels that are equal, not detected or never click.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> found = tj.lindblad.pair_bundles(steady, "b", "a", window=2.0)
    >>> round(found.purity.value, 3), round(found.order_fraction.value, 3)
    (0.872, 0.776)
    """
    return bundles_of_pair(steady, (first, second), np.zeros(1), window, channels, detectors)[0]


def pair_purity(
    steady: SteadyState,
    first: str,
    second: str,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> Estimate:
    """Return the share of quanta in clusters of two clicks, exactly one of `first` and one of `second`.

    2 (R(first > second) + R(second > first))/Σλ; parameters and errors as in `pair_bundles`, which gives the order
    too for the same work.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> steady = tj.lindblad.steady_state(system)
    >>> round(tj.lindblad.pair_purity(steady, "a", "b", window=2.0).value, 3)
    0.872
    """
    return pair_bundles(steady, first, second, window, channels, detectors).purity


def bundles_of_pair(
    steady: SteadyState,
    pair: tuple[str, str],
    bins: NDArray[np.float64],
    window: float | None,
    channels: Channels,
    detectors: Detectors,
) -> tuple[PairBundles, NDArray[np.float64], NDArray[np.float64]]:
    """Return both orders of a pair, and its rate per signed lag, averaged over bins, with the numerical error."""
    names = bundle_channels(steady.system, channels)
    both = two_of(names, *pair)
    delta = bundle_window(steady.system, window)
    total = total_rate(steady, names, detectors)
    lags = np.clip(bins, -delta, delta)
    times = np.append(np.abs(lags), delta)

    def compute(model: Model) -> NDArray[np.float64]:
        maps = cluster_maps(model, delta)
        forward, backward = (_within(maps, order, times) for order in (both, both[::-1]))
        primitive = np.where(lags >= 0.0, forward[:-1], -backward[:-1])
        # In units of 1/δ densities are about as large as the rates, so that errors are judged beside both.
        return np.concatenate([[forward[-1], backward[-1]], delta * np.diff(primitive) / np.diff(bins)])

    answer = solver_of(steady).answer(compute, names, detectors, horizon=delta, starts=4)
    forward, backward = (float(value) for value in answer.value[:2])
    errors = (float(answer.error[0]), float(answer.error[1]))
    return PairBundles(forward, backward, total, errors), answer.value[2:] / delta, answer.error[2:] / delta


def _within(maps: ClusterMaps, order: tuple[str, str], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rate of pairs in one order whose second click comes within each time."""
    start, effect = maps.after(order[:1]), maps.before(order[1:])
    return maps.motion.observe(start, effect[None], times, integrals=1)[1, :, 0]


def refuse_absent(bundles: PairBundles, first: str, second: str) -> None:
    """Refuse a pair that is never emitted."""
    if bundles.rate.value <= 0.0:
        raise InvalidInput(f"no cluster of one {first!r} and one {second!r} is ever emitted; choose others")
