"""Kernels that count click pairs: one merged pass over the sorted stream serves all channel pairs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel
from ..statistics.lag_bins_kernels import LagKeys, bin_of
from ..statistics.resampling_units_kernels import UnitColumns, unit_at

# Times and edges are either all floating-point times or all whole ticks; Numba compiles each kernel for both, and
# integers decide exactly. The annotations name the first. Positions that cannot be negative are made unsigned
# where it matters: for signed ones Numba checks at every access whether they count from the end, which takes a
# quarter of the time.


class PairSlots(NamedTuple):
    """Where each pair of an earlier and a later click is counted.

    A pair (first, second) whose second click came later has a positive lag and is counted at
    ahead[first, second]; one whose second click came first, at behind[second, first]. Pairs that were not asked
    for are counted in a spare slot, because a branch that cannot be predicted costs more.
    """

    ahead: NDArray[np.int64]  # (n_channels, n_channels), by earlier and later channel
    behind: NDArray[np.int64]
    any_ahead: bool  # whether any bin holds positive, or any negative lags
    any_behind: bool
    nearest: float  # smallest and largest |lag| that any bin holds
    farthest: float


@kernel()
def sweep_pairs(
    time: NDArray[np.float64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    units: UnitColumns,
    slots: PairSlots,
    edges: NDArray[np.float64],
    per_width: float,
    keys: LagKeys | None,
    counts: NDArray[np.int64],
) -> None:
    """Add up pairs of any channels as counts[unit, slot, bin]; a click is never paired with itself.

    A pair belongs to the unit of its earlier click. Clicks at one time are pairs of lag 0 in either order.
    """
    ahead, behind, any_ahead, any_behind, nearest, farthest = slots
    shortest, longest = edges[0], edges[-1]
    for r in range(len(offsets) - 1):
        end = offsets[r + 1]
        candidate = offsets[r]
        for i in range(offsets[r], end):
            t = time[i]
            earlier = channel[i]
            unit = unit_at(units, r, t)
            candidate = max(candidate, i + 1)
            while candidate < end and time[candidate] - t < nearest:
                candidate += 1
            for j in range(candidate, end):
                lag = time[j] - t
                if lag > farthest:
                    break
                later = channel[j]
                if any_ahead and shortest <= lag < longest:
                    b = bin_of(lag, edges, per_width, keys)
                    counts[np.uint64(unit), np.uint64(ahead[earlier, later]), np.uint64(b)] += 1
                if any_behind and shortest <= -lag < longest:
                    b = bin_of(-lag, edges, per_width, keys)
                    counts[np.uint64(unit), np.uint64(behind[earlier, later]), np.uint64(b)] += 1


@kernel()
def split_stream(
    time: NDArray[np.float64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    numbers: NDArray[np.int64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    rank: NDArray[np.int64],
    bounds: NDArray[np.int64],
) -> None:
    """Copy the times of two channels; numbers[channel] is 1 for the first, 2 for the second, 3 for both.

    rank[i] is the number of second clicks before first click i; trajectory r owns the times from bounds[0, r]
    and bounds[1, r] on. The copies have room for one time more, where clicks of other channels are overwritten;
    those of one channel with itself are one array.
    """
    n_first, n_second = np.uint64(0), np.uint64(0)
    for r in range(len(offsets) - 1):
        bounds[0, r], bounds[1, r] = n_first, n_second
        for i in range(np.uint64(offsets[r]), np.uint64(offsets[r + 1])):
            number = numbers[np.uint64(channel[i])]
            first[n_first] = time[i]
            rank[n_first] = n_second
            second[n_second] = time[i]
            n_first += np.uint64(number & 1)
            n_second += np.uint64(number >> 1)
    bounds[0, -1], bounds[1, -1] = n_first, n_second


@kernel()
def sweep_pair(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    rank: NDArray[np.int64],
    bounds: NDArray[np.int64],
    same: bool,
    units: UnitColumns,
    edges: NDArray[np.float64],
    inside: float,
    per_width: float,
    keys: LagKeys | None,
    counts: NDArray[np.int64],
) -> None:
    """Add up the pairs of one channel pair as counts[unit, bin]: what `sweep_pairs` finds, but faster.

    Takes the columns of `split_stream`; `same` says that both channels are one, whose clicks are not paired
    with themselves. The last column of `counts` is a spare bin for lags beyond the edges, and `inside` the largest
    lag that is not.
    """
    shortest, longest, spare = edges[0], edges[-1], len(edges) - 1
    holds_zero = same and shortest <= 0.0 < longest
    for r in range(bounds.shape[1] - 1):
        begin, end = bounds[1, r], bounds[1, r + 1]
        cut = units.blocks[r] > 1
        low, unit, unit_ends = begin, units.first[r], -np.inf
        for i in range(bounds[0, r], bounds[0, r + 1]):
            t = first[i]
            if t >= unit_ends:
                unit = unit_at(units, r, t)
                # A little too early, so that rounding cannot make it too late.
                unit_ends = units.start[r] + (unit - units.first[r] + 1 - 1e-9) * units.length[r]
            if shortest == 0.0:
                # The pass that split the stream knows where lags of 0 begin, up to clicks at the same time.
                low = rank[i]
                while low > begin and second[low - 1] == t:
                    low -= 1
            while low < end and second[low] - t < shortest:
                low += 1
            # Whether the next two are near enough cannot be predicted, so they are looked up in any case.
            ahead = min(low + 2, end)
            for j in range(low, ahead):
                lag = second[np.uint64(j)] - t
                b = bin_of(min(lag, inside), edges, per_width, keys)
                at = unit_at(units, r, second[j]) if cut and lag < 0 else unit
                counts[np.uint64(at), np.uint64(b if lag < longest else spare)] += 1
            for j in range(ahead, end):
                lag = second[np.uint64(j)] - t
                if lag >= longest:
                    break
                at = unit_at(units, r, second[j]) if cut and lag < 0 else unit
                counts[np.uint64(at), np.uint64(bin_of(lag, edges, per_width, keys))] += 1
            if holds_zero:  # the click with itself
                counts[unit, bin_of(first[i] - t, edges, per_width, keys)] -= 1
