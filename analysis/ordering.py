"""Emission order: which channel of a bundle clicks first, by how much, and whether time has a direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import bin_edges, integer
from trajectories.records.clicks import ClickRecord
from trajectories.results import Estimate, Histogram

from .bundle_rates import order_rates_pooled
from .bundles import find_bundles
from .exposure import exposure_of
from .inputs import bundle_channels, two_of
from .resampling import Pooled, Sums, TestResult, ratio
from .units import Units, choose_units


class PairLags(NamedTuple):
    """Complete bundles of exactly one click in each of two channels, shape (n_pairs,) each."""

    lag: NDArray[np.float64]  # t_second − t_first
    weight: NDArray[np.float64]  # X(0)/X(|lag|): longer pairs fit into the window more rarely
    unit: NDArray[np.int64]
    units: Units


def pair_lags(
    record: ClickRecord,
    first: str,
    second: str,
    window: float | None = None,
    channels: Sequence[str] | None = None,
) -> PairLags:
    """Return the lag t_second − t_first of every complete bundle of exactly one click in each channel.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    first, second : str
        Two different detected channels.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.

    Returns
    -------
    PairLags
        Lags in 1/ω_b, with |lag| < δ, with exposure weights and resampling units.

    Raises
    ------
    InvalidInput
        Bad window, or channels that are unknown, equal or not detected.
    """
    names = bundle_channels(record, channels)
    one, other = two_of(names, first, second)
    bundles = find_bundles(record, window, names)
    # An order's digits are its channels, first click first.
    leads = bundles.order == one * len(names) + other
    follows = bundles.order == other * len(names) + one
    chosen = np.flatnonzero((bundles.size == 2) & (leads | follows))
    chosen = chosen[bundles.complete[chosen]]
    length = bundles.stop[chosen] - bundles.start[chosen]
    units = choose_units(record, reach=bundles.window)
    return PairLags(
        lag=np.where(leads[chosen], length, -length),
        weight=exposure_of(record, bundles.window).weights(length),
        unit=units.at(bundles.trajectory[chosen], bundles.start[chosen]),
        units=units,
    )


def order_fraction(
    record: ClickRecord,
    first: str,
    second: str,
    window: float | None = None,
    channels: Sequence[str] | None = None,
) -> Estimate:
    """Estimate the share of pair bundles in which `first` clicks before `second`: R_fs/(R_fs + R_sf).

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    first, second : str
        Two different detected channels.
    window, channels
        Bundle window δ and detected channels, as in `find_bundles`.

    Returns
    -------
    Estimate
        With the number of complete bundles of exactly one click each behind it. Pairs of clicks at one time
        count half for either order.

    Raises
    ------
    InvalidInput
        Bad window, or channels that are unknown, equal or not detected.
    """
    pairs = pair_lags(record, first, second, window, channels)
    return _order(pairs, ratio)


def order_asymmetry(
    record: ClickRecord,
    first: str,
    second: str,
    window: float | None = None,
    channels: Sequence[str] | None = None,
) -> Estimate:
    """Estimate (N_fs − N_sf)/(N_fs + N_sf), with N_fs pair bundles in which `first` clicks before `second`.

    Parameters, result and errors are those of `order_fraction`, of which this is 2f − 1.
    """
    pairs = pair_lags(record, first, second, window, channels)
    return _order(pairs, lambda sums: 2.0 * ratio(sums) - 1.0)


def asymmetry_by_lag(
    record: ClickRecord,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: Sequence[str] | None = None,
) -> Histogram:
    """Estimate the order asymmetry (H₊ − H₋)/(H₊ + H₋) of pair bundles against |t_second − t_first|.

    Parameters
    ----------
    record : ClickRecord
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
    """
    bins = bin_edges(edges, lowest=0.0)
    pairs = pair_lags(record, first, second, window, channels)
    forward, backward = _by_order(pairs, bins)
    sums = {"numerator": forward - backward, "denominator": forward + backward}
    resampled = Pooled(sums, ratio, pairs.units).jackknife()
    counts = _counts(pairs, np.abs(pairs.lag), bins)
    method = f"order asymmetry of pair bundles by |lag|; {resampled.method}"
    return Histogram(bins, resampled.value, resampled.errors_where(counts), counts, method)


def lag_histogram(
    record: ClickRecord,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: Sequence[str] | None = None,
) -> Histogram:
    """Estimate the probability density of the signed lag t_second − t_first inside pair bundles.

    Parameters
    ----------
    record : ClickRecord
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
    """
    bins = bin_edges(edges)
    pooled, counts = lag_histogram_pooled(record, first, second, bins, window, channels)
    resampled = pooled.jackknife()
    method = f"probability density of the lag per pair bundle; {resampled.method}"
    return Histogram(bins, resampled.value, resampled.errors_where(counts), counts, method)


def lag_histogram_pooled(
    record: ClickRecord,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: Sequence[str] | None = None,
) -> tuple[Pooled, NDArray[np.int64]]:
    """Return `lag_histogram` in a form that can be resampled, with its covariance over bins, and pair counts."""
    bins = bin_edges(edges)
    pairs = pair_lags(record, first, second, window, channels)
    weights = _tally(pairs, pairs.lag, bins, pairs.weight)
    sums = {"numerator": weights, "denominator": pairs.units.total(pairs.unit, pairs.weight)}
    width = np.diff(bins)
    return Pooled(sums, lambda s: ratio(s) / width, pairs.units), _counts(pairs, pairs.lag, bins)


def order_patterns(
    record: ClickRecord, size: int, window: float | None = None, channels: Sequence[str] | None = None
) -> dict[str, Estimate]:
    """Estimate the share of each sequence of channels among the bundles of `size` clicks.

    Parameters
    ----------
    record : ClickRecord
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
    """
    names = bundle_channels(record, channels)
    pooled, counts = order_rates_pooled(record, window, names, integer(size, "size", 1))
    keys = [">".join(members) for members in product(names, repeat=size)]
    sums = {"weight": pooled.sums["numerator"][:, -len(keys) :]}
    shares = Pooled(sums, lambda s: s["weight"] / s["weight"].sum(axis=-1, keepdims=True), pooled.units)
    return dict(zip(keys, shares.jackknife().estimates(counts[-len(keys) :]), strict=True))


def time_reversal_test(
    record: ClickRecord,
    first: str,
    second: str,
    edges: ArrayLike,
    window: float | None = None,
    channels: Sequence[str] | None = None,
    resamples: int = 4000,
    seed: int = 0,
) -> TestResult:
    """Test whether pair bundles look the same with time reversed: Σ_b (H₊ − H₋)²/(H₊ + H₋).

    Under the null hypothesis H₊ (lags of `first` before `second`) and H₋ (the mirrored ones) of every
    resampling unit may be exchanged. The p-value is the share of random exchanges, unit by unit, with a
    statistic at least as large, so that correlations between bundles of one unit are allowed for.

    Parameters
    ----------
    record : ClickRecord
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
        Bad edges or window, or channels that are unknown, equal or not detected.
    """
    bins = bin_edges(edges, lowest=0.0)
    integer(resamples, "resamples", 1)
    pairs = pair_lags(record, first, second, window, channels)
    forward, backward = _by_order(pairs, bins)
    total = (forward + backward).sum(axis=0)
    seen = total > 0
    excess = (forward - backward)[:, seen]
    method = f"time reversal of pair bundles; {resamples} sign changes of {pairs.units.label}"
    n = int(_counts(pairs, np.abs(pairs.lag), bins).sum())
    if not seen.any() or not pairs.units.reliable:
        return TestResult(float("nan"), float("nan"), n, method)
    statistic = float((excess.sum(axis=0) ** 2 / total[seen]).sum())
    signs = 2.0 * np.random.default_rng(seed).integers(0, 2, (resamples, len(excess))) - 1.0
    drawn = ((signs @ excess) ** 2 / total[seen]).sum(axis=1)
    # Equal statistics may differ in their last digits.
    larger = int((drawn >= statistic * (1.0 - 1e-9)).sum())
    return TestResult(statistic, (1.0 + larger) / (1.0 + resamples), n, method)


def _order(pairs: PairLags, function: Callable[[Sums], NDArray[np.float64]]) -> Estimate:
    leads = np.where(pairs.lag > 0, 1.0, np.where(pairs.lag < 0, 0.0, 0.5))
    sums = {
        "numerator": pairs.units.total(pairs.unit, leads * pairs.weight),
        "denominator": pairs.units.total(pairs.unit, pairs.weight),
    }
    return Pooled(sums, function, pairs.units).jackknife().estimates([len(pairs.lag)])[0]


def _by_order(pairs: PairLags, bins: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return H₊ and H₋ per unit and bin of |lag|; a lag of 0 counts half for each."""
    share = np.where(pairs.lag == 0, 0.5, 1.0) * pairs.weight
    forward = _tally(pairs, pairs.lag, bins, np.where(pairs.lag >= 0, share, 0.0))
    backward = _tally(pairs, -pairs.lag, bins, np.where(pairs.lag <= 0, share, 0.0))
    return forward, backward


def _tally(
    pairs: PairLags, lag: NDArray[np.float64], bins: NDArray[np.float64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return Σ weight of every unit and bin, shape (units, n_bins)."""
    number = np.searchsorted(bins, lag, side="right") - 1
    inside = (number >= 0) & (number < len(bins) - 1)
    return pairs.units.tally(pairs.unit[inside], number[inside], len(bins) - 1, weight[inside])


def _counts(pairs: PairLags, lag: NDArray[np.float64], bins: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of pairs in every bin."""
    return _tally(pairs, lag, bins, np.ones(len(lag))).sum(axis=0).astype(np.int64)
