"""Kernels that decode time-tagged records of 32 bits: photons, markers and overflows, which are added up.

Source: PicoQuant's published descriptions of the record formats.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...kernel_cache import cached_kernel

# What a word can be.
PHOTON, MARKER, OVERFLOW, ILLEGAL = 0, 1, 2, 3
# The channel of sync events in T2 mode.
SYNC = 63
# A decoded record is (kind, number, time, within): the channel of a photon, bits of a marker or number of
# overflows; ticks (T2) or sync pulses (T3) since the last overflow; and steps since the sync pulse (T3).


@cached_kernel(nogil=True)
def hydraharp(word: int, t3: bool, counted: bool) -> tuple[int, int, int, int]:
    """Decode a record of HydraHarp, TimeHarp 260, MultiHarp, PicoHarp 330; `counted`: overflows of version 2."""
    special, channel = word >> 31, (word >> 25) & 63
    time = word & 1023 if t3 else word & 0x1FFFFFF
    within = (word >> 10) & 0x7FFF if t3 else 0
    if special == 0:
        return PHOTON, channel, time, within
    if channel == 63:
        return OVERFLOW, max(time, 1) if counted else 1, 0, 0
    if channel == 0 and not t3:
        return PHOTON, SYNC, time, 0
    if 1 <= channel <= 15:
        return MARKER, channel, time, 0
    return ILLEGAL, channel, time, 0


@cached_kernel(nogil=True)
def picoharp(word: int, t3: bool) -> tuple[int, int, int, int]:
    """Decode a record of a PicoHarp 300."""
    channel = word >> 28
    if t3:
        time, within = word & 0xFFFF, (word >> 16) & 0xFFF
        if channel == 15:
            return (OVERFLOW, 1, 0, 0) if within == 0 else (MARKER, within & 15, time, 0)
        return (PHOTON if 1 <= channel <= 4 else ILLEGAL), channel - 1, time, within
    time = word & 0xFFFFFFF
    if channel == 15:
        return (OVERFLOW, 1, 0, 0) if time & 15 == 0 else (MARKER, time & 15, time, 0)
    return (PHOTON if channel <= 4 else ILLEGAL), channel, time, 0


@cached_kernel(nogil=True)
def decode(
    words: NDArray[np.uint32],
    family: int,
    t3: bool,
    counted: bool,
    wrap: int,
    state: NDArray[np.int64],
    stamp: NDArray[np.int64],
    channel: NDArray[np.int16],
    within: NDArray[np.int32],
    marker_stamp: NDArray[np.int64],
    marker_bits: NDArray[np.int16],
) -> tuple[int, int]:
    """Fill the photons and markers of a chunk of records; return how many there are of each.

    state[0] is what the overflows so far add up to, state[1] the latest time seen, state[2] the number of words
    that are no legal record; they are carried from chunk to chunk.
    """
    photons, markers = 0, 0
    passed, latest, illegal = state[0], state[1], state[2]
    for i in range(len(words)):
        word = np.int64(words[i])
        kind, number, time, rest = hydraharp(word, t3, counted) if family == 0 else picoharp(word, t3)
        if kind == OVERFLOW:
            passed += number * wrap
            latest = max(latest, passed)
            continue
        now = passed + time
        if kind == PHOTON:
            stamp[photons] = now
            channel[photons] = number
            if t3:
                within[photons] = rest
            photons += 1
        elif kind == MARKER:
            marker_stamp[markers] = now
            marker_bits[markers] = number
            markers += 1
        else:
            illegal += 1
            continue
        latest = max(latest, now)
    state[0], state[1], state[2] = passed, latest, illegal
    return photons, markers
