"""Kernel that looks for a signal click near every herald click."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel
from ..statistics.resampling_units_kernels import UnitColumns, unit_at


@kernel()
def count_heralds(
    time: NDArray[np.float64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    stop: NDArray[np.float64],
    herald: int,
    signal: int,
    window: float,
    units: UnitColumns,
    counts: NDArray[np.int64],
) -> None:
    """Add up herald clicks seen with `window` on both sides, and those with a signal less than that away.

    counts[unit, 0] are the heralds, counts[unit, 1] those with at least one signal click.
    """
    for r in range(len(offsets) - 1):
        low = offsets[r]
        for i in range(offsets[r], offsets[r + 1]):
            if channel[i] != herald:
                continue
            t = time[i]
            if t - units.start[r] < window or stop[r] - t < window:
                continue
            unit = unit_at(units, r, t)
            counts[unit, 0] += 1
            while t - time[low] >= window:
                low += 1
            for j in range(low, offsets[r + 1]):
                if time[j] - t >= window:
                    break
                if channel[j] == signal and j != i:
                    counts[unit, 1] += 1
                    break
