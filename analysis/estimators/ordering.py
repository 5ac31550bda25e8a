"""Emission order: which channel of a bundle clicks first, by how much, and whether time has a direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import bin_edges, integer
from trajectories.results import Estimate, Histogram

from ..bundles.pair_bundles import PairStream, add_binned, counted
from ..clicks.inputs import bundle_channels
from ..clicks.streams import Clicks, stream
from ..clicks.ticks import edges_in_stamps, held_edges
from ..statistics.resampling import Pooled, Sums, TestResult, ratio
from ..statistics.resampling_units import add_up
from .bundle_rates import order_rates_pooled


def order_fraction(
    record: Clicks,
    first: str,
    second: str,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
) -> Estimate:
    """Estimate the share of pair bundles in which `first` clicks before `second`: R_fs/(R_fs + R_sf).

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        Two different detected channels.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.

    Returns
    -------
    Estimate
        With the number of complete bundles of exactly one click each behind it. Pairs of clicks at one time
        count half for either order, and `method` says how many there are.

    Raises
    ------
    InvalidInput
        Bad window, or channels that are unknown, equal or not detected.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.order_fraction(record, "a", "b", window=1.0)
    >>> round(found.value, 3), found.n
    (0.665, 3)
    """
    return _order(PairStream(record, first, second, window, channels), ratio)


def order_asymmetry(
    record: Clicks,
    first: str,
    second: str,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
) -> Estimate:
    """Estimate (N_fs − N_sf)/(N_fs + N_sf), with N_fs pair bundles in which `first` clicks before `second`.

    Parameters, result and errors are those of `order_fraction`, of which this is 2f − 1.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> round(tj.analysis.order_asymmetry(record, "a", "b", window=1.0).value, 3)
    0.331
    """
    pairs = PairStream(record, first, second, window, channels)
    return _order(pairs, lambda sums: 2.0 * ratio(sums) - 1.0)


def asymmetry_by_lag(
    record: Clicks,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
) -> Histogram:
    """Estimate the order asymmetry (H₊ − H₋)/(H₊ + H₋) of pair bundles against |t_second − t_first|.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        Two different detected channels; H₊ counts pairs in which `first` clicks first.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of |lag| in 1/ω_b, from 0 up; bins are half-open, edges[b] ≤ |lag| < edges[b + 1].
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.

    Returns
    -------
    Histogram
        The asymmetry of every bin (NaN without pairs) and its error.

    Raises
    ------
    InvalidInput
        Bad edges or window, or channels that are unknown, equal or not detected.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> tj.analysis.asymmetry_by_lag(record, "a", "b", [0.0, 0.6, 1.0], window=1.0).value
    array([ 1., -1.])
    """
    record = stream(record)
    bins = bin_edges(edges, lowest=0.0)
    pairs = PairStream(record, first, second, window, channels)
    forward, backward, counts = pairs.by_order(bins)
    sums = {"numerator": forward - backward, "denominator": forward + backward}
    resampled = Pooled(sums, ratio, pairs.units, counts).jackknife()
    method = f"order asymmetry of pair bundles by |lag|; {resampled.method}"
    return Histogram(bins, resampled.value, resampled.errors, resampled.counts, method, unit=record.unit)


def lag_histogram(
    record: Clicks,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
) -> Histogram:
    """Estimate the probability density of the signed lag t_second − t_first inside pair bundles.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        Two different detected channels; positive lags mean that `first` clicked first.
    edges : array_like of shape (n_bins + 1,)
        Ascending lag edges in 1/ω_b; bins are half-open, edges[b] ≤ lag < edges[b + 1]. Lags lie between −δ
        and δ.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.

    Returns
    -------
    Histogram
        Density in ω_b, normalised to one over all pair bundles, those outside the edges included.

    Raises
    ------
    InvalidInput
        Bad edges or window, or channels that are unknown, equal or not detected.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> tj.analysis.lag_histogram(record, "a", "b", [-1.0, 0.0, 1.0], window=1.0).counts
    array([1, 2])
    """
    record = stream(record)
    bins = bin_edges(edges)
    resampled = lag_histogram_pooled(record, first, second, bins, window, channels).jackknife()
    method = f"probability density of the lag per pair bundle; {resampled.method}"
    return Histogram(bins, resampled.value, resampled.errors, resampled.counts, method, unit=record.unit)


def lag_histogram_pooled(
    record: Clicks,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
) -> Pooled:
    """Return `lag_histogram` in a form that can be resampled, with its covariance over bins."""
    bins = bin_edges(edges)
    bundles = PairStream(record, first, second, window, channels)
    weights, total = np.zeros((bundles.units.count, len(bins) - 1)), np.zeros((bundles.units.count, 1))
    counts = np.zeros(len(bins) - 1, dtype=np.int64)
    bins = edges_in_stamps(bundles.record, bins)
    # Ties of a record made of ticks belong to neither sign: half of each counts on either side of an edge at 0.
    zero = int(np.searchsorted(bins, 0))
    inner = bundles.record.tick is not None and 0 < zero < len(bins) - 1
    split = inner and bins[zero] == 0 and bins[zero + 1] > 1
    for pairs in bundles.lags():
        share = np.where(pairs.lag == 0, 0.5, 1.0) * pairs.weight if split else pairs.weight
        add_binned(weights, pairs.unit, pairs.lag, bins, share)
        if split:
            tied = pairs.lag == 0
            add_up(weights, pairs.unit[tied], zero - 1, share[tied])
        add_up(total, pairs.unit, weights=pairs.weight)
        counts += counted(pairs.lag, bins)
    width = np.diff(held_edges(bundles.record, bins, split=split))
    sums = {"numerator": weights, "denominator": total}
    return Pooled(sums, lambda s: ratio(s) / width, bundles.units, counts)


def order_patterns(
    record: Clicks, size: int, window: float | None = None, channels: str | Sequence[str] | None = None
) -> dict[str, Estimate]:
    """Estimate the share of each sequence of channels among the bundles of `size` clicks.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    size : int
        Number of clicks in a bundle.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.

    Returns
    -------
    dict of str to Estimate
        Shares keyed "photon>magnon>photon", …, every sequence whether seen or not; they sum to one.

    Raises
    ------
    InvalidInput
        Bad window or channels, or a size below 1 or too large for a table.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.order_patterns(record, size=2, window=1.0)
    >>> {order: round(share.value, 3) for order, share in found.items()}
    {'a>a': 0.0, 'a>b': 0.665, 'b>a': 0.335, 'b>b': 0.0}
    """
    names = bundle_channels(record := stream(record), channels)
    pooled = order_rates_pooled(record, window, names, integer(size, "size", 1))
    keys = [">".join(members) for members in product(names, repeat=size)]
    sums = {"weight": pooled.sums["numerator"][:, -len(keys) :]}
    counts = pooled.counts[-len(keys) :]
    shares = Pooled(sums, lambda s: s["weight"] / s["weight"].sum(axis=-1, keepdims=True), pooled.units, counts)
    return dict(zip(keys, shares.jackknife().estimates(), strict=True))


def time_reversal_test(
    record: Clicks,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: str | Sequence[str] | None = None,
    resamples: int = 4000,
    seed: int = 0,
) -> TestResult:
    """Test whether pair bundles look the same with time reversed: Σ_b (H₊ − H₋)²/(H₊ + H₋).

    Under the null hypothesis H₊ (lags of `first` before `second`) and H₋ (the mirrored ones) of every
    resampling unit may be exchanged. The p-value is the share of random exchanges, unit by unit, with a
    statistic at least as large, so that correlations between bundles of one unit are allowed for.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        Two different detected channels.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of |lag| in 1/ω_b, from 0 up.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.
    resamples, seed : int
        Number of random exchanges and the seed that draws them.

    Returns
    -------
    TestResult
        NaN where there are no pairs, or too few units to resample.

    Raises
    ------
    InvalidInput
        Bad edges or window, channels that are unknown, equal or not detected, no resamples or a negative seed.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> found = tj.analysis.time_reversal_test(record, "a", "b", [0.0, 0.5, 1.0], window=1.0, resamples=200)
    >>> found.p_value > 0.01
    True
    """
    bins = bin_edges(edges, lowest=0.0)
    integer(resamples, "resamples", 1)
    integer(seed, "seed", 0)
    pairs = PairStream(record, first, second, window, channels)
    forward, backward, counts = pairs.by_order(bins)
    total = (forward + backward).sum(axis=0)
    seen = total > 0
    excess = (forward - backward)[:, seen]
    method = f"time reversal of pair bundles; {resamples} sign changes of {pairs.units.label}"
    n = int(counts.sum())
    if not seen.any() or not pairs.units.reliable:
        return TestResult(float("nan"), float("nan"), n, method)
    statistic = float((excess.sum(axis=0) ** 2 / total[seen]).sum())
    signs = 2.0 * np.random.default_rng(seed).integers(0, 2, (resamples, len(excess))) - 1.0
    drawn = ((signs @ excess) ** 2 / total[seen]).sum(axis=1)
    # Equal statistics may differ in their last digits.
    larger = int((drawn >= statistic * (1.0 - 1e-9)).sum())
    return TestResult(statistic, (1.0 + larger) / (1.0 + resamples), n, method)


def _order(bundles: PairStream, function: Callable[[Sums], NDArray[np.float64]]) -> Estimate:
    shape, count, ties = (bundles.units.count, 1), 0, 0
    sums = {"numerator": np.zeros(shape), "denominator": np.zeros(shape)}
    for pairs in bundles.lags():
        leads = np.where(pairs.lag > 0, 1.0, np.where(pairs.lag < 0, 0.0, 0.5))
        add_up(sums["numerator"], pairs.unit, weights=leads * pairs.weight)
        add_up(sums["denominator"], pairs.unit, weights=pairs.weight)
        count += len(pairs.lag)
        ties += int((pairs.lag == 0).sum())
    found = Pooled(sums, function, bundles.units, np.array([count])).jackknife().estimates()[0]
    return replace(found, method=f"{found.method}; {ties} ties count half each") if ties else found
