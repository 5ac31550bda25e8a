"""Second-order correlations g²_kl(τ) of any channel pairs, both lag signs, with edge-exact normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import bin_edges, channels_among
from trajectories.results import Correlation
from trajectories.time_units import NATURAL, TimeUnit

from ..clicks.streams import Clicks, ClickStream, stream
from ..clicks.ticks import edges_in_stamps, held_edges
from ..statistics.lag_bins import bin_guess
from ..statistics.resampling import Pooled, Sums
from ..statistics.resampling_units import ResamplingUnits, choose_resampling_units
from .correlations_kernels import PairSlots, split_stream, sweep_pair, sweep_pairs


@dataclass(frozen=True, eq=False)
class PairCounts:
    """Click pairs per resampling unit: additive, so that blocks of a long run add up.

    Attributes
    ----------
    pairs : tuple of (str, str)
        The channel pairs counted, (first, second).
    edges : ndarray of shape (n_bins + 1,)
        Lag bin edges in 1/ω_b.
    counts : ndarray of shape (units, n_pairs, n_bins)
        Pairs by lag t_second − t_first.
    clicks : dict of str to ndarray of shape (units, 1)
        Clicks of every channel.
    time : ndarray of shape (units, 1)
        Observed time in 1/ω_b.
    overlap : ndarray of shape (units, n_bins)
        ∫_bin (T_r − |τ|)₊ dτ, in 1/ω_b²; of whole ticks, over the lags that the bin can hold.
    units : ResamplingUnits
        What the rows are.
    ties : ndarray of shape (units, n_pairs), or None
        Pairs of lag 0 of a record made of ticks, where 0 is an edge between wider bins: they belong to neither
        sign, and the values count half of them on either side. `counts` has them in the bin that begins at 0.
    zero : int
        The number of that bin.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> counted = tj.analysis.count_pairs(record, [("a", "b")], [-1.0, 0.0, 1.0])
    >>> counted.correlation("a", "b").value.round(3)
    array([ 8.375, 16.75 ])
    """

    pairs: tuple[tuple[str, str], ...]
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    clicks: dict[str, NDArray[np.float64]]
    time: NDArray[np.float64]
    overlap: NDArray[np.float64]
    units: ResamplingUnits
    ties: NDArray[np.int64] | None = None
    zero: int = 0
    unit: TimeUnit = NATURAL

    def pooled(self, first: str, second: str) -> Pooled:
        """Return ĝ² of one pair in a form that can be resampled, with its covariance across bins."""
        number = self.pairs.index((first, second))
        pairs = self.counts[:, number].astype(np.float64)
        if self.ties is not None:
            pairs[:, self.zero] -= 0.5 * self.ties[:, number]
            pairs[:, self.zero - 1] += 0.5 * self.ties[:, number]
        sums = {
            "pairs": pairs,
            "first": self.clicks[first],
            "second": self.clicks[second],
            "time": self.time,
            "overlap": self.overlap,
        }
        return Pooled(sums, _normalised, self.units, self.counts[:, number].sum(axis=0))

    def correlation(self, first: str, second: str) -> Correlation:
        """Return ĝ² of one pair with its jackknife errors."""
        resampled = self.pooled(first, second).jackknife()
        number = self.pairs.index((first, second))
        method = resampled.method
        if self.ties is not None and (tied := int(self.ties[:, number].sum())):
            method = f"{method}; {tied} pairs of lag 0 counted half on either side"
        columns = resampled.value, resampled.errors, resampled.counts
        return Correlation(first, second, self.edges, *columns, method, unit=self.unit)


def g2(record: Clicks, first: str, second: str, edges: ArrayLike) -> Correlation:
    """Estimate the second-order correlation of two channels.

    ĝ²(B) = Σ_r #{pairs with t_second − t_first in B} / [λ̂_first λ̂_second Σ_r ∫_B (T_r − |τ|)₊ dτ],
    pooled over trajectories before dividing; λ̂ = clicks/total time. A click is never paired with itself.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        Channel names; a positive lag means that `second` clicked after `first`.
    edges : array_like of shape (n_bins + 1,)
        Ascending lag bin edges in 1/ω_b, of either sign, with any spacing. Bins are half-open: bin b holds
        the lags with edges[b] ≤ lag < edges[b + 1]. Two clicks at one time are a pair of lag 0; two of one
        channel are two such pairs, one for each order. A record made of ticks is decided in whole ticks: edges
        that are multiples of the tick are exact.

    Returns
    -------
    Correlation
        Value, standard error and pair count of every bin. Bins without a pair have no error (NaN), bins
        longer than every observation window no value.

    Raises
    ------
    InvalidInput
        An unknown channel, or edges that are not finite and ascending.

    Notes
    -----
    The exact counterpart is Tr[J_second e^{Lτ} J_first ρ]/(λ_first λ_second) averaged over the bin with the
    weight (T − |τ|)₊.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.g2(record, "a", "b", [-1.0, 0.0, 1.0])
    >>> found.counts, found.value.round(3)
    (array([1, 2]), array([ 8.375, 16.75 ]))
    """
    return count_pairs(record, [(first, second)], edges).correlation(first, second)


def g2_of_halves(record: Clicks, first: str, second: str, edges: ArrayLike) -> Correlation:
    """Estimate the correlation of light from two detectors that each see a half of it, without their memory.

    ĝ²(|τ|) from pairs of one click in each detector, in either order. Dead time and afterpulses act
    within one detector and make no such pair.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    first, second : str
        The two detectors behind a beam splitter, their delays corrected before.
    edges : array_like of shape (n_bins + 1,)
        Ascending edges of |lag|, from 0 up, as in `g2`.

    Returns
    -------
    Correlation

    Raises
    ------
    InvalidInput
        Unknown or equal channels, or bad edges.

    Notes
    -----
    Exact: the mean of g² of the two orders.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.g2_of_halves(record, "a", "b", [0.0, 1.0])
    >>> found.counts, found.value.round(3)
    (array([3]), array([12.563]))
    """
    bins = bin_edges(edges, lowest=0.0)
    record = stream(record)
    names = channels_among((first, second), record.channel_names, least=2)
    counted = count_pairs(record, [(first, second), (second, first)], bins)
    one, other = (counted.pooled(*pair) for pair in counted.pairs)
    both = {"pairs": one.sums["pairs"] + other.sums["pairs"], "overlap": 2.0 * one.sums["overlap"]}
    sums = {**one.sums, **both}
    counts = counted.counts.sum(axis=(0, 1))
    found = Pooled(sums, _normalised, counted.units, counts).jackknife()
    method = f"pairs of {names[0]} and {names[1]} in either order; {found.method}"
    return Correlation(first, second, bins, found.value, found.errors, found.counts, method, unit=record.unit)


def g2_matrix(record: Clicks, edges: ArrayLike) -> dict[tuple[str, str], Correlation]:
    """Estimate the second-order correlations of all channel pairs in one pass over the clicks.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    edges : array_like of shape (n_bins + 1,)
        Lag bin edges as in `g2`.

    Returns
    -------
    dict of (str, str) to Correlation
        `g2` of every ordered pair (first, second), autocorrelations included.

    Raises
    ------
    InvalidInput
        Edges that are not finite and ascending.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> found = tj.analysis.g2_matrix(record, [0.0, 1.0])
    >>> {pair: int(curve.counts[0]) for pair, curve in found.items()}
    {('a', 'a'): 0, ('a', 'b'): 2, ('b', 'a'): 1, ('b', 'b'): 0}
    """
    record = stream(record)
    names = record.channel_names
    counted = count_pairs(record, [(k, m) for k in names for m in names], edges)
    return {pair: counted.correlation(*pair) for pair in counted.pairs}


def count_pairs(record: Clicks, pairs: Sequence[tuple[str, str]], edges: ArrayLike) -> PairCounts:
    """Count the click pairs of several channel pairs in one pass, per resampling unit.

    Parameters
    ----------
    record : ClickRecord or Run
        The clicks.
    pairs : sequence of (str, str)
        Channel pairs (first, second), each at most once.
    edges : array_like of shape (n_bins + 1,)
        Lag bin edges as in `g2`.

    Returns
    -------
    PairCounts
        Sums that are additive over units.

    Raises
    ------
    InvalidInput
        An unknown channel, or edges that are not finite and ascending.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> counted = tj.analysis.count_pairs(record, [("a", "b")], [-1.0, 0.0, 1.0])
    >>> counted.counts.sum(axis=0)
    array([[1, 2]])
    """
    bins = bin_edges(edges)
    record = stream(record)
    numbers = [(record.channel_number(first), record.channel_number(second)) for first, second in pairs]
    units = choose_resampling_units(record, reach=float(np.abs(bins).max()))
    stamps = edges_in_stamps(record, bins)
    ties = None
    zero = int(np.searchsorted(stamps, 0))
    if record.tick is not None and 0 < zero < len(stamps) - 1 and stamps[zero] == 0 and stamps[zero + 1] > 1:
        ties = _counts(record, numbers, np.array([0, 1]), units)[:, :, 0]
    clicks = units.clicks(record)
    return PairCounts(
        pairs=tuple(pairs),
        edges=bins,
        counts=_counts(record, numbers, stamps, units),
        clicks={name: clicks[:, [k]] for k, name in enumerate(record.channel_names)},
        time=units.time(),
        overlap=units.overlap(held_edges(record, stamps, split=ties is not None)),
        units=units,
        ties=ties,
        zero=zero,
        unit=record.unit,
    )


def _counts(
    record: ClickStream, numbers: list[tuple[int, int]], edges: NDArray[Any], units: ResamplingUnits
) -> NDArray[np.int64]:
    """Count pairs by lag in units of the stamps."""
    return (
        _count_pair(record, *numbers[0], edges, units)
        if len(numbers) == 1
        else _count(record, numbers, edges, units)
    )


def _count(
    record: ClickStream, numbers: list[tuple[int, int]], edges: NDArray[Any], units: ResamplingUnits
) -> NDArray[np.int64]:
    """Count all pairs in one pass over the merged stream."""
    channels, spare = len(record.channel_names), len(numbers)
    ahead = np.full((channels, channels), spare, dtype=np.int64)
    behind = ahead.copy()
    for slot, (first, second) in enumerate(numbers):
        ahead[first, second] = slot
        behind[second, first] = slot
    number = edges.dtype.type  # of times, or of whole ticks
    nearest, farthest = number(max(0, edges[0], -edges[-1])), number(np.abs(edges).max())
    slots = PairSlots(ahead, behind, bool(edges[-1] > 0), bool(edges[0] <= 0), nearest, farthest)
    counts = np.zeros((units.count, spare + 1, len(edges) - 1), dtype=np.int64)
    guess = bin_guess(edges)
    for part, here in units.parts(record):
        sweep_pairs(part.stamp, part.channel, part.offsets, here.stamped, slots, edges, *guess, counts)
    return counts[:, :spare]


def _count_pair(
    record: ClickStream, first: int, second: int, edges: NDArray[Any], units: ResamplingUnits
) -> NDArray[np.int64]:
    """Count one pair by two pointers on the two channels' own streams."""
    numbers = np.zeros(len(record.channel_names), dtype=np.int64)
    numbers[first] += 1
    numbers[second] += 2
    counts = np.zeros((units.count, len(edges)), dtype=np.int64)
    guess = bin_guess(edges)
    inside = edges[-1] - 1 if edges.dtype.kind == "i" else np.nextafter(edges[-1], -np.inf)
    for part, here in units.parts(record):
        sizes = [np.count_nonzero(part.channel == number) + 1 for number in (first, second)]
        kind, place = part.stamp.dtype, np.int32 if len(part) < 2**31 else np.int64
        times = np.empty(sizes[0], kind)
        columns = (times, times if first == second else np.empty(sizes[1], kind), np.empty(sizes[0], place))
        bounds = np.zeros((2, part.n_trajectories + 1), dtype=np.int64)
        split_stream(part.stamp, part.channel, part.offsets, numbers, *columns, bounds)
        sweep_pair(*columns, bounds, first == second, here.stamped, edges, inside, *guess, counts)
    return counts[:, None, :-1]


def _normalised(sums: Sums) -> NDArray[np.float64]:
    rates = sums["first"] * sums["second"] / sums["time"] ** 2
    return sums["pairs"] / (rates * sums["overlap"])
