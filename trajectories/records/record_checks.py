"""Checks of a record's columns: order, observation windows, channel names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import finite_array, positions, shown, whole_numbers
from ..errors import InvalidInput
from ..names import can_be_kept
from ..results import read_only
from .ticks import Clock

MAX_CHANNELS = 32767  # channel numbers are stored as int16


def checked_columns(
    trajectory: ArrayLike,
    time: ArrayLike,
    channel: ArrayLike,
    channel_names: Sequence[str],
    start: ArrayLike,
    stop: ArrayLike,
    *,
    tick: float | None,
    origin: ArrayLike,
    within: ArrayLike | None,
    fine: float | None,
) -> dict[str, Any]:
    """Return the columns, observation windows and clock of a `ClickRecord`; refuse what `from_arrays` lists."""
    names = checked_names(channel_names)
    first = np.atleast_1d(finite_array(start, "start"))
    last = np.atleast_1d(finite_array(stop, "stop"))
    if first.shape != last.shape or first.ndim != 1:
        raise InvalidInput(f"start has shape {first.shape} and stop {last.shape}; give both for every trajectory")
    if not (first < last).all():
        worst = int(np.argmin(last - first))
        raise InvalidInput(
            f"trajectory {worst} is observed from {first[worst]:g} to {last[worst]:g}; stop must exceed start"
        )
    row = positions(trajectory, "trajectory", len(first))
    clock = None
    if tick is not None:
        clock = Clock(tick, np.broadcast_to(finite_array(origin, "origin"), first.shape), fine)
    when = finite_array(time, "time") if clock is None else whole_numbers(time, "time")
    which = positions(channel, "channel", len(names))
    if not row.shape == when.shape == which.shape or when.ndim != 1:
        raise InvalidInput(
            f"trajectory, time and channel have shapes {row.shape}, {when.shape}, {which.shape}; must be equal"
        )
    step = np.diff(row)
    unsorted = np.flatnonzero((step < 0) | ((step == 0) & (when[1:] < when[:-1])))
    if len(unsorted):
        raise InvalidInput(
            f"click {int(unsorted[0]) + 1} is out of order; sort by trajectory, then time (np.lexsort)"
        )
    refuse_outside(row, when, first, last, clock)
    rest = None if within is None else positions(within, "within", 2**31)
    if rest is not None and (clock is None or clock.fine is None or rest.shape != when.shape):
        raise InvalidInput("within needs tick= and fine=, and one number for each click")
    return {
        "trajectory": read_only(row, np.int64),
        "stamp": read_only(when),
        "channel": read_only(which, np.int16),
        "channel_names": names,
        "start": read_only(first, np.float64),
        "stop": read_only(last, np.float64),
        "clock": clock,
        "within": None if rest is None else read_only(rest, np.int32),
    }


def refuse_outside(
    row: NDArray[np.int64],
    when: NDArray[Any],
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    clock: Clock | None,
) -> None:
    """Refuse clicks outside the observation windows; a tick is inside if any part of it is."""
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
            f"click {i} at {measure} {when[i]:g} is outside the observation window "
            f"[{low[row[i]]:g}, {high[row[i]]:g}] of trajectory {row[i]}; widen start and stop"
        )


def checked_names(channel_names: Sequence[str]) -> tuple[str, ...]:
    """Return channel names as a tuple; refuse names that are empty, repeat, or cannot be stored."""
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
