"""Kernels of the resampling units: clicks per cell of time, and observed overlap per lag bin."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel


class UnitColumns(NamedTuple):
    """Which resampling unit a moment of a trajectory belongs to, one entry a trajectory.

    Trajectory r is cut into `blocks[r]` equal blocks of duration `length[r]` from `start[r]` on; they are the
    units `first[r]`, `first[r] + 1`, …
    """

    start: NDArray[np.float64]
    length: NDArray[np.float64]
    first: NDArray[np.int64]
    blocks: NDArray[np.int64]


@kernel()
def unit_at(units: UnitColumns, trajectory: int, time: float) -> int:
    """Return the unit that `time` of `trajectory` belongs to."""
    blocks = units.blocks[trajectory]
    if blocks == 1:
        return units.first[trajectory]
    block = int((time - units.start[trajectory]) / units.length[trajectory])
    return units.first[trajectory] + min(block, blocks - 1)


@kernel()
def cell_counts(
    time: NDArray[np.float64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    units: UnitColumns,
    counts: NDArray[np.int64],
) -> None:
    """Add up the clicks of every unit and channel, counts[unit, channel]."""
    other = np.zeros(counts.shape[1], dtype=np.int64)
    for r in range(len(offsets) - 1):
        begin = offsets[r]
        for block in range(units.blocks[r]):
            end = offsets[r + 1]
            if block < units.blocks[r] - 1:
                boundary = units.start[r] + (block + 1) * units.length[r]
                end = begin + np.searchsorted(time[begin:end], boundary)
            mine = counts[units.first[r] + block]
            # Two tables take turns, so that an increment does not wait for the one before it.
            half = begin + (end - begin) // 2 * 2
            other[:] = 0
            for i in range(begin, half, 2):
                mine[np.uint64(channel[np.uint64(i)])] += 1
                other[np.uint64(channel[np.uint64(i + 1)])] += 1
            if half < end:
                mine[channel[half]] += 1
            mine += other
            begin = end


@kernel()
def overlap_integrals(
    longest: NDArray[np.float64],
    shortest: NDArray[np.float64],
    unit: NDArray[np.int64],
    edges: NDArray[np.float64],
    overlap: NDArray[np.float64],
) -> None:
    """Add ∫_bin [(longest − |τ|)₊ − (shortest − |τ|)₊] dτ of every row to overlap[unit, bin].

    A start that may lie anywhere between `longest` and `shortest` before the end of observation is followed
    for a lag τ during (longest − |τ|)₊ − (shortest − |τ|)₊.
    """
    bins = len(edges) - 1
    repeats = 0
    for r in range(len(unit)):
        repeats += 1
        # Trajectories of one ensemble mostly have equal windows, and are added at once.
        last = r == len(unit) - 1
        if last or unit[r] != unit[r + 1] or longest[r] != longest[r + 1] or shortest[r] != shortest[r + 1]:
            for b in range(bins):
                area = ramp_integral(longest[r], edges[b + 1]) - ramp_integral(longest[r], edges[b])
                area -= ramp_integral(shortest[r], edges[b + 1]) - ramp_integral(shortest[r], edges[b])
                overlap[unit[r], b] += repeats * area
            repeats = 0


@kernel()
def ramp_integral(reach: float, lag: float) -> float:
    """Return ∫₀^lag (reach − |τ|)₊ dτ."""
    inside = min(abs(lag), reach)
    area = inside * (reach - 0.5 * inside)
    return area if lag >= 0 else -area
