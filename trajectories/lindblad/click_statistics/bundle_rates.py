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
from ..inputs import bundle_channels, two_of
from ..steady_state import SteadyState
from ..superoperators.propagation import observe
from .cluster_maps import ClusterMaps, cluster_maps, maps_of_windows

Detectors = Mapping[str, Detector] | None
Channels = Sequence[str] | None


def composition_rates(
    steady: SteadyState,
    window: float | None = None,
    channels: Channels = None,
    max_size: int = 3,
    detectors: Detectors = None,
) -> ByChannels[Estimate]:
    """Return how often clusters of each composition are emitted: `order_rates` summed over the orders.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    window : float, optional
        δ in 1/ω_b; 3/κ when not given and the system's parameters name κ.
    channels : sequence of str, optional
        Detected channels; all whose name does not start with "atom" when not given, because the atom's
        photon is at another frequency.
    max_size : int
        Largest number of clicks in a cluster.
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
    """
    ordered = order_rates(steady, window, channels, max_size, detectors)
    return by_composition(ordered, bundle_channels(steady.system, channels), max_size)


def by_composition(
    ordered: Mapping[tuple[str, ...], Estimate], names: Sequence[str], max_size: int
) -> ByChannels[Estimate]:
    """Return what `order_rates` of these channels gives, summed over the orders."""
    totals = {
        members: 0.0 for size in range(1, max_size + 1) for members in combinations_with_replacement(names, size)
    }
    for order, rate in ordered.items():
        totals[tuple(sorted(order, key=names.index))] += rate.value
    return ByChannels(((members, Estimate(value)) for members, value in totals.items()), separator="+")


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
    """
    integer(max_size, "max_size", 1)
    maps = cluster_maps(steady, window, channels, detectors)
    sequences = [s for size in range(1, max_size + 1) for s in product(maps.names, repeat=size)]
    return ByChannels(((sequence, Estimate(maps.rate(sequence))) for sequence in sequences), separator=">")


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
    """
    integer(max_size, "max_size", 1)
    maps = cluster_maps(steady, window, channels, detectors)
    return [Estimate(maps.rate((None,) * n)) for n in range(1, max_size + 1)]


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
    """
    integer(n, "n", 1)
    deltas = positive_numbers(windows, "windows")
    scan = maps_of_windows(steady, deltas, channels, detectors)
    return [Estimate(n * maps.rate((None,) * n) / maps.total_rate) for maps in scan]


def accidental_purity(rate: float, n: int, windows: Sequence[float]) -> list[Estimate]:
    """Return the purity of clicks that know nothing of each other: π_n = n q² (1 − q)^{n−1}, q = e^{−λδ}.

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
    """

    forward: float
    backward: float
    total: float

    @property
    def rate(self) -> Estimate:
        """R(first > second) + R(second > first)."""
        return Estimate(self.forward + self.backward)

    @property
    def purity(self) -> Estimate:
        """2 (R(first > second) + R(second > first))/Σλ."""
        return Estimate(2.0 * self.rate.value / self.total)

    @property
    def order_fraction(self) -> Estimate:
        """R(first > second)/(R(first > second) + R(second > first)); NaN if the pair is never emitted."""
        return Estimate(self.forward / self.rate.value if self.rate.value > 0.0 else float("nan"))


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
    """
    maps, names = maps_of_pair(steady, (first, second), window, channels, detectors)
    return both_orders(maps, names, np.array([maps.window]))[0]


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
    """
    return pair_bundles(steady, first, second, window, channels, detectors).purity


def maps_of_pair(
    steady: SteadyState, pair: tuple[str, str], window: float | None, channels: Channels, detectors: Detectors
) -> tuple[ClusterMaps, tuple[str, str]]:
    """Return the cluster maps for two different detected channels, and their checked names."""
    names = two_of(bundle_channels(steady.system, channels), *pair)
    return cluster_maps(steady, window, channels, detectors), names


def both_orders(
    maps: ClusterMaps, pair: tuple[str, str], times: NDArray[np.float64]
) -> tuple[PairBundles, NDArray[np.float64]]:
    """Return the rates of pairs closer than each time, shape (2, n_times); the last time is δ."""
    total, within = maps.total_rate, np.empty((2, len(times)))
    for row, (leading, following) in zip(within, (pair, pair[::-1]), strict=True):
        start, effect = maps.after((leading,)), maps.before((following,))[None]
        row[:] = observe(maps.forward, start, effect, times, integrals=1)[1, :, 0]
    return PairBundles(float(within[0, -1]), float(within[1, -1]), total), within


def refuse_absent(bundles: PairBundles, first: str, second: str) -> None:
    """Refuse a pair that is never emitted."""
    if bundles.rate.value <= 0.0:
        raise InvalidInput(f"no cluster of one {first!r} and one {second!r} is ever emitted; choose others")
