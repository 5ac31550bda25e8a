"""Kernels of waiting times: the next detected click, and the tallies of a product-limit estimate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel


@kernel()
def next_clicks(
    time: NDArray[np.float64],
    channel: NDArray[np.int16],
    offsets: NDArray[np.int64],
    numbers: NDArray[np.int16],
    first: int,
    start: NDArray[np.int64],
    wait: NDArray[np.float64],
    cause: NDArray[np.int64],
) -> int:
    """Fill, for every click of detected channel `first`, its position, the wait for the next and its channel.

    A click that no detected one follows waits forever, with cause −1. Returns the number of waits.
    """
    waits = 0
    for r in range(len(offsets) - 1):
        waiting = False
        for i in range(offsets[r], offsets[r + 1]):
            number = numbers[channel[i]]
            if number < 0:
                continue
            if waiting:
                wait[waits - 1] = time[i] - time[start[waits - 1]]
                cause[waits - 1] = number
            waiting = number == first
            if waiting:
                start[waits] = i
                wait[waits] = np.inf
                cause[waits] = -1
                waits += 1
    return waits


@kernel()
def tally_waits(
    wait: NDArray[np.float64],
    cause: NDArray[np.int64],
    horizon: NDArray[np.float64],
    unit: NDArray[np.int64],
    edges: NDArray[np.float64],
    last_at_risk: NDArray[np.int64],
    events: NDArray[np.int64],
) -> None:
    """Add up last_at_risk[unit, bin] and events[unit, bin, cause] of waits that can be followed up to `horizon`.

    A wait is at risk in a bin if it has lasted to the bin's lower edge and could be followed to its upper one; it
    is counted in the last such bin only.
    """
    bins = len(edges) - 1
    for i in range(len(wait)):
        reached = np.searchsorted(edges, wait[i], side="right") - 1
        followed = bins  # true nearly always, and cheaper to test than a search
        if horizon[i] < edges[-1]:
            followed = np.searchsorted(edges, horizon[i], side="right") - 1
        last = min(reached, followed - 1, bins - 1)
        if last >= 0:
            last_at_risk[unit[i], last] += 1
        if cause[i] >= 0 and 0 <= reached < min(followed, bins):
            events[unit[i], reached, cause[i]] += 1
