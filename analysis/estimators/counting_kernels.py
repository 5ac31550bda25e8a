"""Kernel that counts detected clicks in adjoining time windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel
from ..statistics.resampling_units_kernels import UnitColumns, unit_at


@kernel()
def window_counts(
    time: NDArray[np.float64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    numbers: NDArray[np.int16],
    windows: NDArray[np.int64],
    duration: float,
    units: UnitColumns,
    unit: NDArray[np.int64],
    count: NDArray[np.int64],
) -> int:
    """Fill unit and click count of every window that is not empty; return how many these are.

    Trajectory r has windows[r] windows of `duration` from its start on; clicks behind them are left out.
    """
    filled = 0
    for r in range(len(offsets) - 1):
        current = -1
        for i in range(offsets[r], offsets[r + 1]):
            if numbers[channel[i]] < 0:
                continue
            window = int((time[i] - units.start[r]) / duration)
            if window >= windows[r]:
                break
            if window != current:
                current = window
                unit[filled] = unit_at(units, r, units.start[r] + window * duration)
                count[filled] = 0
                filled += 1
            count[filled - 1] += 1
    return filled
