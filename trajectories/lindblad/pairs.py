"""Bundles of a pair: gap clusters of exactly one click in each of two channels, their share, order and lag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import bin_edges
from ..detectors import Detector
from ..errors import InvalidInput
from ..results import Estimate, Histogram
from .cluster_maps import ClusterMaps, cluster_maps
from .inputs import bundle_channels, two_of
from .propagation import observe
from .steady_state import SteadyState

Detectors = Mapping[str, Detector] | None
Channels = Sequence[str] | None


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
    maps, names = _maps_of_pair(steady, (first, second), window, channels, detectors)
    return _both_orders(maps, names, np.array([maps.window]))[0]


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


def order_fraction(
    steady: SteadyState,
    first: str,
    second: str,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> Estimate:
    """Return the share of first-before-second among clusters of exactly one `first` and one `second`.

    R(first > second)/(R(first > second) + R(second > first)); parameters and errors as in `pair_bundles`, and a
    pair that is never emitted is refused.
    """
    bundles = pair_bundles(steady, first, second, window, channels, detectors)
    _refuse_absent(bundles, first, second)
    return bundles.order_fraction


def lag_histogram(
    steady: SteadyState,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> Histogram:
    """Return the probability density of the signed lag τ = t_second − t_first inside pair bundles.

    p(τ) = Tr[E 𝒥_second e^{L0 τ} 𝒥_first E ρ]/R for 0 < τ < δ, the same with the channels exchanged and |τ| for
    −δ < τ < 0, and 0 beyond, with R = R(first > second) + R(second > first); averaged over bins.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    first, second : str
        Two different detected channels; positive lags mean that `first` clicked first.
    edges : array_like of shape (n_bins + 1,)
        Ascending lag edges in 1/ω_b.
    window, channels, detectors
        As in `composition_rates`.

    Returns
    -------
    Histogram
        Density in ω_b with zero standard error, normalised to one over all pair bundles, those outside the edges
        included.

    Raises
    ------
    InvalidInput
        As in `pair_bundles`, bad edges, or a pair that is never emitted.
    """
    return bundles_and_lags(steady, first, second, edges, window, channels, detectors)[1]


def bundles_and_lags(
    steady: SteadyState,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> tuple[PairBundles, Histogram]:
    """Return `pair_bundles` and `lag_histogram` for the price of one of them."""
    bins = bin_edges(edges)
    maps, names = _maps_of_pair(steady, (first, second), window, channels, detectors)
    lags = np.clip(bins, -maps.window, maps.window)
    bundles, (forward, backward) = _both_orders(maps, names, np.append(np.abs(lags), maps.window))
    _refuse_absent(bundles, first, second)
    primitive = np.where(lags >= 0.0, forward[:-1], -backward[:-1]) / bundles.rate.value
    nothing = np.zeros(len(bins) - 1)
    value = np.diff(primitive) / np.diff(bins)
    method = "exact probability density of the lag per pair bundle"
    return bundles, Histogram(bins, value, nothing, nothing.astype(np.int64), method)


def _maps_of_pair(
    steady: SteadyState, pair: tuple[str, str], window: float | None, channels: Channels, detectors: Detectors
) -> tuple[ClusterMaps, tuple[str, str]]:
    names = two_of(bundle_channels(steady.system, channels), *pair)
    return cluster_maps(steady, window, channels, detectors), names


def _both_orders(
    maps: ClusterMaps, pair: tuple[str, str], times: NDArray[np.float64]
) -> tuple[PairBundles, NDArray[np.float64]]:
    """Return the rates of pairs closer than each time, shape (2, n_times); the last time is δ."""
    total, within = maps.total_rate, np.empty((2, len(times)))
    for row, (leading, following) in zip(within, (pair, pair[::-1]), strict=True):
        start, effect = maps.after((leading,)), maps.before((following,))[None]
        row[:] = observe(maps.forward, start, effect, times, integrals=1)[1, :, 0]
    return PairBundles(float(within[0, -1]), float(within[1, -1]), total), within


def _refuse_absent(bundles: PairBundles, first: str, second: str) -> None:
    if bundles.rate.value <= 0.0:
        raise InvalidInput(f"no cluster of one {first!r} and one {second!r} is ever emitted; choose others")
