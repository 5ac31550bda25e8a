"""Gap clusters: detected clicks closer than δ belong together; their rates, purity and correlation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement, permutations, product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import bin_edges, integer, nonnegative_number, positive_numbers
from ..detectors import Detector
from ..errors import InvalidInput
from ..results import Correlation, Estimate
from .cluster_maps import cluster_maps, maps_of_windows
from .inputs import bundle_channels, checked_times
from .propagation import observe
from .steady_state import SteadyState

Detectors = Mapping[str, Detector] | None
Channels = Sequence[str] | None


def composition_rates(
    steady: SteadyState,
    window: float | None = None,
    channels: Channels = None,
    max_size: int = 3,
    detectors: Detectors = None,
) -> dict[str, Estimate]:
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
    dict of str to Estimate
        Rates in ω_b, keyed "photon", "photon+magnon", …: names in channel order, repeated for multiplicity;
        small clusters first.

    Raises
    ------
    InvalidInput
        Bad window, size or channels, or a detector with dead time or jitter.
    """
    ordered = order_rates(steady, window, channels, max_size, detectors)
    return by_composition(ordered, bundle_channels(steady.system, channels), max_size)


def by_composition(ordered: Mapping[str, Estimate], names: Sequence[str], max_size: int) -> dict[str, Estimate]:
    """Return what `order_rates` of these channels gives, summed over the orders."""
    totals = {
        "+".join(members): 0.0
        for size in range(1, max_size + 1)
        for members in combinations_with_replacement(names, size)
    }
    for key, rate in ordered.items():
        totals["+".join(sorted(key.split(">"), key=names.index))] += rate.value
    return {key: Estimate(value) for key, value in totals.items()}


def order_rates(
    steady: SteadyState,
    window: float | None = None,
    channels: Channels = None,
    max_size: int = 3,
    detectors: Detectors = None,
) -> dict[str, Estimate]:
    """Return how often clusters with each sequence of channels are emitted.

    R(k₁ > … > k_n) = Tr[E 𝒥_{k_n} K … K 𝒥_{k₁} E ρ],  E = e^{L0 δ},  K = ∫₀^δ e^{L0 t} dt,  where L0 is the motion
    without detected clicks.

    Parameters
    ----------
    steady, window, channels, max_size, detectors
        As in `composition_rates`.

    Returns
    -------
    dict of str to Estimate
        Rates in ω_b, keyed "photon", "photon>magnon", …, first click first.

    Raises
    ------
    InvalidInput
        As in `composition_rates`.
    """
    integer(max_size, "max_size", 1)
    maps = cluster_maps(steady, window, channels, detectors)
    sequences = [s for size in range(1, max_size + 1) for s in product(maps.names, repeat=size)]
    return {">".join(sequence): Estimate(maps.rate(sequence)) for sequence in sequences}


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


def cluster_g2(
    steady: SteadyState,
    n: int | str,
    m: int | str,
    edges: ArrayLike,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> Correlation:
    """Return the correlation of clusters, averaged over bins of the time between them.

    g₂(τ) = Tr[E(𝒥K)^{m−1}𝒥 E e^{L(τ−2δ)} E(𝒥K)^{n−1}𝒥 E ρ]/(R_n R_m) for τ ≥ 2δ, with E e^{L(τ−2δ)} E
    replaced by e^{L0 τ} for δ ≤ τ < 2δ, and 0 below δ. τ runs from the last click of one cluster to the
    first click of any later one.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    n, m : int or str
        Kind of the earlier and of the later cluster: a number of clicks, or a composition "photon+magnon".
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of τ in 1/ω_b, from 0 up.
    window, channels, detectors
        As in `composition_rates`.

    Returns
    -------
    Correlation
        Exact values; `first` and `second` name the kinds of cluster.

    Raises
    ------
    InvalidInput
        As in `composition_rates`, or a kind that is malformed or never emitted.
    """
    bins = bin_edges(edges, lowest=0.0)
    primitive = _correlation(steady, (n, m), bins, window, channels, detectors)[1]
    nothing = np.zeros(len(bins) - 1)
    value = np.diff(primitive) / np.diff(bins)
    return Correlation(str(n), str(m), bins, value, nothing, nothing.astype(np.int64))


def cluster_g2_at(
    steady: SteadyState,
    n: int | str,
    m: int | str,
    tau: ArrayLike,
    window: float | None = None,
    channels: Channels = None,
    detectors: Detectors = None,
) -> NDArray[np.float64]:
    """Return `cluster_g2` at given times τ ≥ 0, of any shape and order."""
    times = checked_times(tau, "tau")
    values = _correlation(steady, (n, m), times.reshape(-1), window, channels, detectors)[0]
    return values.reshape(times.shape)


def _correlation(
    steady: SteadyState,
    kinds: tuple[int | str, int | str],
    times: NDArray[np.float64],
    window: float | None,
    channels: Channels,
    detectors: Detectors,
) -> NDArray[np.float64]:
    """Return g₂ of two kinds of cluster and its integral from 0 at each time, shape (2, n_times)."""
    names = bundle_channels(steady.system, channels)
    earlier, later = (_sequences(kind, names) for kind in kinds)
    maps = cluster_maps(steady, window, channels, detectors)
    after = np.sum([maps.after(sequence) for sequence in earlier], axis=0)
    before = np.sum([maps.before(sequence) for sequence in later], axis=0)
    rates = [float(maps.survival @ after), float(before @ maps.click_free_state)]
    if min(rates) <= 0.0:
        raise InvalidInput(f"clusters {kinds} have rates {rates}; both kinds must be emitted")
    result = np.zeros((2, len(times)))
    delta = maps.window
    span = np.append(np.clip(times, delta, 2.0 * delta), [delta, 2.0 * delta])
    near = observe(maps.forward, after, before[None], span, integrals=1)[:, :, 0] / (rates[0] * rates[1])
    result[0] = np.where(times >= delta, near[0, :-2], 0.0)
    result[1] = near[1, :-2] - near[1, -2]
    late = times >= 2.0 * delta
    if late.any():
        # Of the earlier cluster's final state only the difference from ρ moves; it decays.
        start = maps.free(after) / rates[0] - maps.rho
        reader = maps.free_adjoint(before)[None] / rates[1]
        expansion = maps.detected.evolution(float((times[late] - 2.0 * delta).max()) or delta)
        far = observe(expansion, start, reader, times[late] - 2.0 * delta, integrals=1)[:, :, 0]
        result[0, late] = 1.0 + far[0]
        result[1, late] += times[late] - 2.0 * delta + far[1]
    return result


def _sequences(kind: int | str, names: tuple[str, ...]) -> list[tuple[str | None, ...]]:
    """Return the sequences of channels that make up a kind of cluster; None stands for any channel."""
    if not isinstance(kind, str):
        return [(None,) * integer(kind, "cluster size", 1)]
    members = kind.split("+")
    for name in members:
        if name not in names:
            raise InvalidInput(f"cluster {kind!r} has channel {name!r}; the detected ones are {', '.join(names)}")
    return sorted(set(permutations(members)))
