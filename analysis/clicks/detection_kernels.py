"""Kernel of the detectors' dead time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel


@kernel()
def alive(time: NDArray[np.float64], dead_time: float, seen: NDArray[np.bool_]) -> None:
    """Mark the events that a non-paralysable detector registers: those `dead_time` or more after the last one."""
    last = -np.inf
    for i in range(len(time)):
        seen[i] = time[i] - last >= dead_time
        if seen[i]:
            last = time[i]
