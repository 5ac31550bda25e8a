"""Kernel: which sets of detectors are dead at the same time somewhere in a record."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel


@kernel()
def mark_dead_sets(
    offsets: NDArray[np.int64],
    time: NDArray[np.float64],
    channel: NDArray[np.int64],
    dead_time: NDArray[np.float64],
    bit: NDArray[np.int64],
    met: NDArray[np.bool_],
) -> None:
    """Mark every set of dead detectors that trajectories go through, after clicks and between them.

    Parameters
    ----------
    offsets, time, channel : ndarray
        Clicks of trajectories.
    dead_time : ndarray of shape (K,)
        By channel.
    bit : ndarray of shape (K,)
        The bit of each channel in the number of a set; 0 for one that is never dead.
    met : ndarray of bool, shape (number of sets,)
        Is written.
    """
    alive_at = np.empty(len(dead_time))
    met[0] = True
    for r in range(len(offsets) - 1):
        alive_at[:] = -np.inf
        dead = 0
        for n in range(offsets[r], offsets[r + 1] + 1):
            last = n == offsets[r + 1]
            now = np.inf if last else time[n]
            while True:
                first = -1
                for k in range(len(dead_time)):
                    is_dead = (dead & bit[k]) > 0
                    if is_dead and alive_at[k] <= now and (first < 0 or alive_at[k] < alive_at[first]):
                        first = k
                if first < 0:
                    break
                dead &= ~bit[first]
                met[dead] = True
            if last:
                break
            k = channel[n]
            if bit[k] > 0:
                met[dead & ~bit[k]] = True  # it may see again a little early, by rounding of the record
                dead |= bit[k]
                alive_at[k] = time[n] + dead_time[k]
                met[dead] = True
