"""Correlations and waiting times between bundles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import bin_edges
from trajectories.results import Correlation, Histogram

from ..bundles.table import Bundles, Kind, find_bundles, kind_name
from ..clicks.exposure import exposure_of
from ..clicks.inputs import bundle_channels, bundle_window
from ..clicks.streams import Clicks, stream
from ..clicks.ticks import edges_in_stamps, held_edges, in_stamps
from ..statistics.lag_bins import bin_guess
from ..statistics.resampling import Pooled, Sums
from ..statistics.resampling_units import ResamplingUnits, choose_resampling_units
from .bundle_correlations_kernels import count_bundle_pairs
from .bundle_rates import add_bundle_weights
from .waiting import WaitTally, incidence


def cluster_g2(
    record: Clicks,
    n: Kind,
    m: Kind,
    edges: ArrayLike,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
) -> Correlation:
    """Estimate the correlation g₂(τ) of bundles: from the last click of one to the first click of any later one.

    ĝ₂(B) = Σ_pairs X(τ)/X(τ + ℓ + ℓ') / [R̂_n R̂_m ∫_B X(τ) dτ], X(x) = Σ_r (T_r − 2δ − x)₊: the pair must have
    been seen with δ of click-free observed time on both sides, for which long bundles leave less room. It is
    0 below δ, where two bundles would be one.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    n, m : int, str or sequence of str
        Kind of the earlier and of the later bundle: a number of clicks, or a composition, as
        ("photon", "magnon") or "photon+magnon".
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of τ in 1/ω_b, from 0 up; bins are half-open, edges[b] ≤ τ < edges[b + 1].
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.

    Returns
    -------
    Correlation
        Its `first` and `second` name the kinds of bundle.

    Raises
    ------
    InvalidInput
        Bad edges, window, channels or kinds of bundle.

    Notes
    -----
    Exact for τ ≥ 2δ: Tr[E(𝒥K)^{m−1}𝒥 E e^{L(τ−2δ)} E(𝒥K)^{n−1}𝒥 E ρ]/(R_n R_m), and with E e^{L(τ−2δ)} E
    replaced by e^{L0 τ} for δ ≤ τ < 2δ.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.cluster_g2(record, "a+b", "a+b", [0.0, 2.0, 4.0], window=1.0)
    >>> found.counts
    array([0, 2])
    """
    record = stream(record)
    bins = bin_edges(edges, lowest=0.0)
    resampled = cluster_g2_pooled(record, n, m, bins, window, channels).jackknife()
    columns = (resampled.value, resampled.errors, resampled.counts)
    return Correlation(kind_name(n), kind_name(m), bins, *columns, resampled.method, unit=record.unit)


def cluster_g2_pooled(
    record: Clicks,
    n: Kind,
    m: Kind,
    edges: ArrayLike,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
) -> Pooled:
    """Return `cluster_g2` in a form that can be resampled, with its covariance over bins."""
    bins = bin_edges(edges, lowest=0.0)
    names = bundle_channels(record := stream(record), channels)
    delta = bundle_window(record, window)
    units, exposure = (
        choose_resampling_units(record, reach=max(float(bins[-1]), delta)),
        exposure_of(record, delta),
    )
    counts = np.zeros((units.count, len(bins) - 1), dtype=np.int64)
    weights = np.zeros(counts.shape)
    rates = {"first": np.zeros((units.count, 1)), "second": np.zeros((units.count, 1))}
    stamps = edges_in_stamps(record, bins)
    guess, room = bin_guess(stamps), exposure.in_ticks(record.tick)
    for part, here in units.parts(record):
        bundles = find_bundles(part, delta, names)
        # No margin is needed between the two bundles: the time between them was observed.
        earlier = bundles.of_kind(n) & bundles.seen_from_start
        later = bundles.of_kind(m) & bundles.seen_to_end
        outermost = (bundles.trajectory, bundles.first_stamp, bundles.last_stamp)
        columns = (*outermost, here.at(bundles.trajectory, bundles.stop))
        count_bundle_pairs(*columns, earlier, later, room, stamps, *guess, counts, weights)
        for table, kind in zip(rates.values(), (n, m), strict=True):
            chosen = bundles.complete & bundles.of_kind(kind)
            add_bundle_weights(table, bundles, np.where(chosen, 0, -1), here, exposure)
    sums = {
        "pairs": weights,
        "overlap": units.overlap(held_edges(record, stamps, split=True), margin=delta),
        "exposure": units.time(delta),
        **rates,
    }
    return Pooled(sums, _normalised, units, counts.sum(axis=0))


def bundle_waiting_times(
    record: Clicks,
    n: Kind,
    m: Kind,
    edges: ArrayLike,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
) -> Histogram:
    """Estimate the waiting time from the last click of a bundle to the first click of the next one of a kind.

    The density of the wait from each bundle of kind n to the next of kind m, whatever bundles of other kinds
    lie between; a product-limit (Kaplan–Meier) estimate as in `waiting_times`.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    n, m : int, str or sequence of str
        Kind of the earlier and of the next bundle: a number of clicks, or a composition, as
        ("photon", "magnon") or "photon+magnon".
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of the wait in 1/ω_b, from 0 up; bins are half-open.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.

    Returns
    -------
    Histogram
        Density in ω_b per bundle of kind n; NaN in bins that no wait could be followed through.

    Raises
    ------
    InvalidInput
        Bad edges, window, channels or kinds of bundle.

    Notes
    -----
    Whether a bundle that starts near the end of observation would have been seen whole depends on its length.
    Every wait is therefore followed until the longest bundle of the record would no longer fit.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.bundle_waiting_times(record, 2, 2, [0.0, 2.0, 4.0], window=1.0)
    >>> found.counts
    array([0, 2])
    """
    bins = bin_edges(edges, lowest=0.0)
    names = bundle_channels(record := stream(record), channels)
    delta = bundle_window(record, window)
    longest = max(find_bundles(part, delta, names).length.max(initial=0.0) for part in record.blocks())
    units = choose_resampling_units(record, reach=max(float(bins[-1]), delta))
    skipped = int(bins[0] > 0)
    stamps = edges_in_stamps(record, bins)
    tally = WaitTally(units, np.concatenate([[0], stamps]) if skipped else stamps, 1)
    for part, here in units.parts(record):
        tally.add(_waits(find_bundles(part, delta, names), n, m, delta + longest, here))
    sums = tally.sums()
    width = np.diff(held_edges(record, stamps, split=True))

    def density(s: Sums) -> NDArray[np.float64]:
        return incidence(s)[:, skipped:, 0] / width

    counts = sums["events"][:, skipped:, 0].sum(axis=0).astype(np.int64)
    resampled = Pooled(sums, density, units, counts).jackknife()
    method = (
        f"density of the wait between bundles {kind_name(n)} and {kind_name(m)}, product-limit; {resampled.method}"
    )
    return Histogram(bins, resampled.value, resampled.errors, counts, method, unit=record.unit)


def _waits(
    bundles: Bundles, n: Kind, m: Kind, margin: float, units: ResamplingUnits
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return wait, cause (0, or −1 for none), how long it can be followed (as stamps) and unit of every bundle n.

    A wait is followed until `margin` before the end of observation.
    """
    begins = np.flatnonzero(bundles.of_kind(n) & bundles.seen_from_start)
    ends = np.append(np.flatnonzero(bundles.of_kind(m)), len(bundles))
    following = ends[np.searchsorted(ends, begins, side="right")]
    # No bundle follows the last one of a trajectory.
    trajectory = np.append(bundles.trajectory, -1)
    found = trajectory[following] == bundles.trajectory[begins]
    begun, ended = np.append(bundles.first_stamp, 0), bundles.last_stamp[begins]
    wait = np.where(found, begun[following] - ended, np.inf)
    margin = in_stamps(bundles.record, margin)
    horizon = bundles.record.stop_stamp[bundles.trajectory[begins]] - margin - ended
    cause = np.where(found & (wait < horizon), 0, -1)
    return (
        np.where(cause == 0, wait, np.inf),
        cause.astype(np.int64),
        horizon,
        units.at(bundles.trajectory[begins], bundles.stop[begins]),
    )


def _normalised(sums: Sums) -> NDArray[np.float64]:
    rates = sums["first"] * sums["second"] / sums["exposure"] ** 2
    return sums["pairs"] / (rates * sums["overlap"])
