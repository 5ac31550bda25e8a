"""Second-order correlations g²_kl(τ) of any channel pairs, both lag signs, with edge-exact normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import bin_edges
from trajectories.results import Correlation

from ..clicks.streams import Clicks, ClickStream, stream
from ..statistics.resampling import Pooled, Sums
from ..statistics.resampling_units import ResamplingUnits, choose_resampling_units
from .bins import bin_guess
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
        ∫_bin (T_r − |τ|)₊ dτ, in 1/ω_b².
    units : ResamplingUnits
        What the rows are.
    """

    pairs: tuple[tuple[str, str], ...]
    edges: NDArray[np.float64]
    counts: NDArray[np.int64]
    clicks: dict[str, NDArray[np.float64]]
    time: NDArray[np.float64]
    overlap: NDArray[np.float64]
    units: ResamplingUnits

    def pooled(self, first: str, second: str) -> Pooled:
        """Return ĝ² of one pair in a form that can be resampled, with its covariance across bins."""
        sums = {
            "pairs": self.counts[:, self.pairs.index((first, second))].astype(np.float64),
            "first": self.clicks[first],
            "second": self.clicks[second],
            "time": self.time,
            "overlap": self.overlap,
        }
        return Pooled(sums, _normalised, self.units)

    def correlation(self, first: str, second: str) -> Correlation:
        """Return ĝ² of one pair with its jackknife errors."""
        resampled = self.pooled(first, second).jackknife()
        counts = self.counts[:, self.pairs.index((first, second))].sum(axis=0)
        errors = resampled.errors_where(counts)
        return Correlation(first, second, self.edges, resampled.value, errors, counts, resampled.method)


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
        channel are two such pairs, one for each order.

    Returns
    -------
    Correlation
        Value, standard error and pair count of every bin. Bins without a pair have no error (NaN), bins
        longer than every window no value.

    Raises
    ------
    InvalidInput
        An unknown channel, or edges that are not finite and ascending.

    Notes
    -----
    The exact counterpart is Tr[J_second e^{Lτ} J_first ρ]/(λ_first λ_second) averaged over the bin with the
    weight (T − |τ|)₊.
    """
    return count_pairs(record, [(first, second)], edges).correlation(first, second)


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
    """
    bins = bin_edges(edges)
    record = stream(record)
    numbers = [(record.channel_number(first), record.channel_number(second)) for first, second in pairs]
    units = choose_resampling_units(record, reach=float(np.abs(bins).max()))
    alone = len(pairs) == 1
    counts = _count_pair(record, *numbers[0], bins, units) if alone else _count(record, numbers, bins, units)
    clicks = units.clicks(record)
    return PairCounts(
        pairs=tuple(pairs),
        edges=bins,
        counts=counts,
        clicks={name: clicks[:, [k]] for k, name in enumerate(record.channel_names)},
        time=units.time(),
        overlap=units.overlap(bins),
        units=units,
    )


def _count(
    record: ClickStream, numbers: list[tuple[int, int]], edges: NDArray[np.float64], units: ResamplingUnits
) -> NDArray[np.int64]:
    """Count all pairs in one pass over the merged stream."""
    channels, spare = len(record.channel_names), len(numbers)
    ahead = np.full((channels, channels), spare, dtype=np.int64)
    behind = ahead.copy()
    for slot, (first, second) in enumerate(numbers):
        ahead[first, second] = slot
        behind[second, first] = slot
    nearest, farthest = max(0.0, edges[0], -edges[-1]), float(np.abs(edges).max())
    slots = PairSlots(ahead, behind, bool(edges[-1] > 0), bool(edges[0] <= 0), float(nearest), farthest)
    counts = np.zeros((units.count, spare + 1, len(edges) - 1), dtype=np.int64)
    guess = bin_guess(edges)
    for part, here in units.parts(record):
        sweep_pairs(part.time, part.channel, part.offsets, here.columns, slots, edges, *guess, counts)
    return counts[:, :spare]


def _count_pair(
    record: ClickStream, first: int, second: int, edges: NDArray[np.float64], units: ResamplingUnits
) -> NDArray[np.int64]:
    """Count one pair by two pointers on the two channels' own streams."""
    numbers = np.zeros(len(record.channel_names), dtype=np.int64)
    numbers[first] += 1
    numbers[second] += 2
    counts = np.zeros((units.count, len(edges)), dtype=np.int64)
    guess = bin_guess(edges)
    for part, here in units.parts(record):
        # Room for all clicks costs nothing: what is not written to takes no memory.
        room = len(part) + 1
        columns = (np.empty(room), np.empty(room), np.empty(room, dtype=np.int64))
        bounds = np.zeros((2, part.n_trajectories + 1), dtype=np.int64)
        split_stream(part.time, part.channel, part.offsets, numbers, *columns, bounds)
        sweep_pair(*columns, bounds, first == second, here.columns, edges, *guess, counts)
    return counts[:, None, :-1]


def _normalised(sums: Sums) -> NDArray[np.float64]:
    rates = sums["first"] * sums["second"] / sums["time"] ** 2
    return sums["pairs"] / (rates * sums["overlap"])
