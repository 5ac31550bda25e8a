"""Kernel of the dead-time correction."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...kernel_cache import cached_kernel


@cached_kernel(nogil=True)
def keep_after_dead_time(
    stamp: NDArray[np.int64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    dead: NDArray[np.int64],
    kept: NDArray[np.bool_],
) -> None:
    """Mark the clicks that come at least dead[channel] after the last one that was kept in their channel."""
    last = np.empty(len(dead), dtype=np.int64)
    for r in range(len(offsets) - 1):
        last[:] = -1
        for i in range(offsets[r], offsets[r + 1]):
            k = channel[i]
            kept[i] = last[k] < 0 or stamp[i] - stamp[last[k]] >= dead[k]
            if kept[i]:
                last[k] = i
