"""Channels shifted in time, and synced records on their fine scale."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import finite_number, shown
from ...errors import InvalidInput, TickWarning
from ...results import read_only
from ..clicks import ClickRecord
from ..ticks import Clock, near_whole
from .shared import noted, restamped


def delayed(record: ClickRecord, delays: Mapping[str, float]) -> ClickRecord:
    """Return the record with the clicks of some channels shifted in time, t → t + delay.

    Observation windows shrink to the time in which every channel was observed after the shift. Ticks are shifted
    by whole ticks; synced (T3) records by the nearest step within the period.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    delays : mapping of str to float
        Time added to the clicks of a channel, in the record's unit; minus a cable's delay undoes it.

    Raises
    ------
    InvalidInput
        An unknown channel, or delays after which a trajectory has no observed time.

    Warns
    -----
    TickWarning
        A delay is not a multiple of the tick and is rounded to one.
    """
    if record.clock is not None and record.within is not None:
        return _delayed_in_periods(record, delays)
    shift = np.zeros(len(record.channel_names))
    for name, delay in delays.items():
        shift[record.channel_number(name)] = finite_number(delay, f"delay of {name}")
    if record.clock is None:
        steps: NDArray[Any] = shift
    else:
        steps = np.round(near_whole(shift / record.clock.tick)).astype(np.int64)
        shift = _warned_rounding(record, shift, steps * record.clock.tick)
    start = record.start + max(float(shift.max()), 0.0)
    stop = record.stop + min(float(shift.min()), 0.0)
    if not (start < stop).all():
        raise InvalidInput(
            f"delays={shown(dict(delays))} leave no time in which all channels were observed; give smaller ones"
        )
    moved = record.stamp + steps[record.channel]
    found = restamped(record, moved, start, stop)
    return noted(found, "delayed", {name: float(shift[record.channel_number(name)]) for name in delays})


def _warned_rounding(
    record: ClickRecord, asked: NDArray[np.float64], made: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the delays in whole ticks; warn where rounding changes them."""
    assert record.clock is not None
    off = np.abs(asked - made) > 1e-6 * record.clock.tick + 1e-12 * np.abs(asked)
    if off.any():
        k = int(np.flatnonzero(off)[0])
        warnings.warn(
            f"delay of {record.channel_names[k]} rounded from {asked[k]:g} to {made[k]:g}, a multiple of the tick "
            f"{record.clock.tick:g}",
            TickWarning,
            stacklevel=3,
        )
    return made


def _delayed_in_periods(record: ClickRecord, delays: Mapping[str, float]) -> ClickRecord:
    """Shift the clicks of a synced record by whole periods and by steps within the period."""
    clock = record.clock
    assert clock is not None
    assert clock.fine is not None
    assert record.within is not None
    fine = clock.fine
    period = clock.tick / fine
    stamp, within = record.stamp.copy(), record.within.astype(np.float64)
    made = {}
    for name, delay in delays.items():
        mine = record.channel == record.channel_number(name)
        total = finite_number(delay, f"delay of {name}") / clock.tick
        whole = np.round(near_whole(total)) if abs(total - np.round(total)) < 1e-6 else np.floor(total)
        rest = np.round((total - whole) * period)
        stamp[mine] += int(whole)
        within[mine] += rest
        made[name] = float(whole * clock.tick + rest * fine)
    over = np.floor(np.where(within >= period, within / period, 0.0))
    stamp = stamp + over.astype(np.int64)
    within = np.maximum(np.round(within - over * period), 0.0).astype(np.int32)
    shifts = [0.0, *made.values()]
    start, stop = record.start + max(shifts), record.stop + min(shifts)
    if not (start < stop).all():
        raise InvalidInput(
            f"delays={shown(dict(delays))} leave no time in which all channels were observed; give smaller ones"
        )
    found = restamped(replace(record, within=read_only(within)), stamp, start, stop)
    return noted(found, "delayed", made)


def unfolded(record: ClickRecord) -> ClickRecord:
    """Return a synced record in ticks of the step within the period: t = sync·T + within·fine.

    A period is in general not a whole number of steps, so that times are rounded by up to half a step, and the
    numbers of the sync pulses are lost. Use the synced record for statistics per pulse, and this one for delays
    shorter than a period.

    Raises
    ------
    InvalidInput
        A record that is not synced.
    """
    if record.within is None or record.clock is None or record.clock.fine is None:
        raise InvalidInput("only synced (T3) records can be unfolded; leave this correction out")
    fine = record.clock.fine
    flat = replace(record, within=None, clock=Clock(fine, record.clock.origin))
    return noted(restamped(flat, fine_stamps(record), record.start, record.stop), "unfolded", fine)


def fine_stamps(record: ClickRecord) -> NDArray[np.int64]:
    """Return the times of a synced record in whole steps of the time within the period."""
    assert record.clock is not None
    assert record.clock.fine is not None
    assert record.within is not None
    # Whole and fractional steps of a period are summed separately, so that long records are not rounded.
    steps = record.clock.tick / record.clock.fine
    whole = int(np.floor(steps))
    broken = np.round(record.stamp * (steps - whole)).astype(np.int64)
    return np.asarray(record.stamp * whole + broken + record.within, dtype=np.int64)
