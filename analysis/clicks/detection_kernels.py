"""Kernels of what detectors remember: dead time and afterpulses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel


@kernel()
def alive(time: NDArray[np.float64], dead_time: float, paralysable: bool, seen: NDArray[np.bool_]) -> None:
    """Mark the events that a detector registers: those `dead_time` or more after the last registered one.

    After the last one, registered or not, if it is paralysable.
    """
    last = -np.inf
    for i in range(len(time)):
        seen[i] = time[i] - last >= dead_time
        if seen[i] or paralysable:
            last = time[i]


@kernel()
def with_afterpulses(
    time: NDArray[np.float64],
    dead_time: float,
    probability: float,
    chance: NDArray[np.float64],
    delay: NDArray[np.float64],
    stop: float,
    seen: NDArray[np.float64],
    source: NDArray[np.int64],
) -> int:
    """Follow a detector through its events and afterpulses, in the order of time.

    Parameters
    ----------
    time : ndarray of shape (n,)
        Events that come from outside, ascending.
    dead_time : float
        As in `alive`; it holds for afterpulses too, and begins with each registered event.
    probability : float
        That a registered event has an afterpulse.
    chance, delay : ndarray of shape (m,)
        Uniform numbers, and the delays of afterpulses, one for each registered event.
    stop : float
        Nothing later is followed.
    seen, source : ndarray of shape (m,)
        Are written: times of the registered events, and which event of `time` each is, −1 for afterpulses.

    Returns
    -------
    int
        Number of registered events; −1 where they were more than random numbers.
    """
    waiting = np.empty(len(seen))
    first, last_waiting, count, i, last = 0, 0, 0, 0, -np.inf
    while True:
        outside = time[i] if i < len(time) else np.inf
        after = waiting[first] if first < last_waiting else np.inf
        now = min(outside, after)
        if now > stop or now == np.inf:
            return count
        origin = -1
        if outside <= after:
            origin = i
            i += 1
        else:
            first += 1
        if now - last < dead_time:
            continue
        if count == len(chance):
            return -1
        seen[count], source[count], last = now, origin, now
        if chance[count] < probability:  # afterpulses that are still to come stay in the order of time
            place = last_waiting
            while place > first and waiting[place - 1] > now + delay[count]:
                waiting[place] = waiting[place - 1]
                place -= 1
            waiting[place] = now + delay[count]
            last_waiting += 1
        count += 1
