"""Kernels that count clicks of several channels together, and triples by their two waits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel
from ..statistics.lag_bins_kernels import LagKeys, bin_of
from ..statistics.resampling_units_kernels import UnitColumns, unit_at


@kernel()
def count_coincidences(
    time: NDArray[np.float64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    stop: NDArray[np.float64],
    numbers: NDArray[np.int16],
    wanted: int,
    window: float,
    units: UnitColumns,
    counts: NDArray[np.int64],
) -> None:
    """Add up tuples of one click in each of `wanted` channels, all less than `window` after the first of them.

    numbers[channel] is a channel's place in the tuple, −1 for the others. A tuple belongs to the unit of its first
    click, which must be seen with `window` behind it. Clicks at one time stand in the order of the record.
    """
    near = np.zeros(wanted, dtype=np.int64)
    for r in range(len(offsets) - 1):
        near[:] = 0
        end = offsets[r + 1]
        ahead = offsets[r]
        for i in range(offsets[r], end):
            while ahead < end and time[ahead] - time[i] < window:
                if numbers[channel[ahead]] >= 0:
                    near[numbers[channel[ahead]]] += 1
                ahead += 1
            mine = numbers[channel[i]]
            if mine < 0:
                continue
            near[mine] -= 1  # only later clicks are left: not this one, nor those before it
            if stop[r] - time[i] >= window:
                tuples = 1
                for k in range(wanted):
                    if k != mine:
                        tuples *= near[k]
                if tuples > 0:
                    counts[unit_at(units, r, time[i])] += tuples


@kernel()
def count_triples(
    time: NDArray[np.float64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    places: NDArray[np.int64],
    units: UnitColumns,
    edges1: NDArray[np.float64],
    per_width1: float,
    keys1: LagKeys | None,
    edges2: NDArray[np.float64],
    per_width2: float,
    keys2: LagKeys | None,
    counts: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> None:
    """Add up triples of clicks, one after the other, by their waits: counts[b1, b2], weights[unit, b1, b2].

    Clicks at one time have no order: a wait of 0 weighs a half.
    """
    first, second, third = places
    for r in range(len(offsets) - 1):
        begin, end = offsets[r], offsets[r + 1]
        low = begin
        for i in range(begin, end):
            if channel[i] != first:
                continue
            unit = unit_at(units, r, time[i])
            while time[low] < time[i]:
                low += 1
            start2 = low
            for j in range(low, end):
                wait1 = time[j] - time[i]
                if wait1 >= edges1[-1]:
                    break
                if channel[j] != second or j == i or wait1 < edges1[0]:
                    continue
                b1 = bin_of(wait1, edges1, per_width1, keys1)
                while time[start2] < time[j]:
                    start2 += 1
                for k in range(start2, end):
                    wait2 = time[k] - time[j]
                    if wait2 >= edges2[-1]:
                        break
                    if channel[k] != third or k in (i, j) or wait2 < edges2[0]:
                        continue
                    b2 = bin_of(wait2, edges2, per_width2, keys2)
                    weight = (0.5 if wait1 == 0 else 1.0) * (0.5 if wait2 == 0 else 1.0)
                    counts[b1, b2] += 1
                    weights[unit, b1, b2] += weight
