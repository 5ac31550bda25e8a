"""What a record refuses: names that cannot tell channels apart, clicks outside their windows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import shown
from ..errors import InvalidInput
from ..names import can_be_kept
from .ticks import Clock

MAX_CHANNELS = 32767  # channel numbers are stored as int16


def refuse_outside(
    row: NDArray[np.int64],
    when: NDArray[Any],
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    clock: Clock | None,
) -> None:
    """Refuse clicks outside the windows of their trajectories; a tick is inside if any part of it is."""
    if clock is None:
        outside = np.flatnonzero((when < first[row]) | (when > last[row]))
    else:
        low, high = clock.elapsed(first), clock.elapsed(last)
        outside = np.flatnonzero((when <= low[row] - 1.0) | (when > high[row]))
    if len(outside):
        i = int(outside[0])
        measure = "time" if clock is None else "tick"
        low, high = (first, last) if clock is None else (clock.elapsed(first), clock.elapsed(last))
        raise InvalidInput(
            f"click {i} at {measure} {when[i]:g} is outside the window [{low[row[i]]:g}, {high[row[i]]:g}] "
            f"of trajectory {row[i]}; widen start and stop"
        )


def checked_names(channel_names: Sequence[str]) -> tuple[str, ...]:
    """Return channel names as a tuple; refuse any that cannot tell channels apart."""
    names = tuple(channel_names) if isinstance(channel_names, Iterable) else ()
    strings = not isinstance(channel_names, str) and all(map(can_be_kept, names))
    if not names or not strings or len(set(names)) != len(names):
        raise InvalidInput(
            f"channel_names={shown(channel_names)} must be distinct non-empty strings, at least one, each of at "
            "most 255 characters without NUL"
        )
    if len(names) > MAX_CHANNELS:
        raise InvalidInput(f"{len(names)} channels are more than the {MAX_CHANNELS} a record can hold")
    return names
