"""Corrections of measured clicks before they are analysed: each takes a record and returns another, and says so.

Every step is noted in ``provenance["corrections"]``. A step that takes observed time away (a delay, a gate, a cut)
takes it from the windows too, so that rates and correlations stay right.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import finite_array, finite_number, positive_number, shown
from ..detectors import Detector
from ..errors import InvalidInput, NothingLeft, TickWarning
from ..results import read_only
from .clicks import ClickRecord
from .detection_log import DetectionLog
from .joining import require_joinable
from .ticks import Clock, near_whole, whole_ticks

NOTED = "corrections"


def delayed(record: ClickRecord, delays: Mapping[str, float]) -> ClickRecord:
    """Return the record with the clicks of some channels shifted in time, t → t + delay.

    The windows shrink to the time that every channel was observed in after the shift. Ticks are shifted by whole
    ticks; synced (T3) records by the nearest step within the period.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    delays : mapping of str to float
        What is added to the times of a channel, in the record's unit: minus the delay of its cable.

    Raises
    ------
    InvalidInput
        An unknown channel, or delays that leave a trajectory no window.

    Warns
    -----
    TickWarning
        A delay that is no multiple of the tick is rounded to one.
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
            f"delays={shown(dict(delays))} leave no window that all channels share; give smaller ones"
        )
    moved = record.stamp + steps[record.channel]
    found = _restamped(record, moved, start, stop)
    return _noted(found, "delayed", {name: float(shift[record.channel_number(name)]) for name in delays})


def _warned_rounding(
    record: ClickRecord, asked: NDArray[np.float64], made: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the delays that were made; warn where they are not what was asked."""
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
    """Shift clicks of a synced record: by whole periods, and what remains within the period."""
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
            f"delays={shown(dict(delays))} leave no window that all channels share; give smaller ones"
        )
    found = _restamped(replace(record, within=read_only(within)), stamp, start, stop)
    return _noted(found, "delayed", made)


def renamed(record: ClickRecord, names: Mapping[str, str]) -> ClickRecord:
    """Return the record with other names for some channels: {"channel 0": "photon"}.

    Raises
    ------
    InvalidInput
        An unknown channel, or names that would no longer tell channels apart.
    """
    for name in names:
        record.channel_number(name)
    changed = tuple(names.get(name, name) for name in record.channel_names)
    if len(set(changed)) < len(changed) or not all(isinstance(name, str) and name for name in changed):
        raise InvalidInput(f"names={shown(dict(names))} leave channels {changed}; give distinct ones")
    provenance = DetectionLog.of(record).renamed(names).noted_in(record.provenance)
    return _noted(replace(record, channel_names=changed, provenance=provenance), "renamed", dict(names))


def merged(record: ClickRecord, channels: Mapping[str, Sequence[str]]) -> ClickRecord:
    """Return the record with several channels made one: {"both": ["channel 0", "channel 1"]}.

    Raises
    ------
    InvalidInput
        An unknown channel, one that is asked for twice, or a name that another channel has.
    """
    target = {name: name for name in record.channel_names}
    for name, parts in channels.items():
        if isinstance(parts, str) or not parts:
            raise InvalidInput(f"merged[{name!r}]={shown(parts)} must be a sequence of channel names")
        for part in parts:
            record.channel_number(part)
            if target[part] != part:
                raise InvalidInput(f"channel {part!r} is to be merged twice; name it once")
            target[part] = name
    joined = {part for parts in channels.values() for part in parts}
    for name in channels:
        if name in record.channel_names and name not in joined:
            raise InvalidInput(f"{name!r} is another channel's name; give the merged one a new name")
    names = tuple(dict.fromkeys(target[name] for name in record.channel_names))
    numbers = np.array([names.index(target[name]) for name in record.channel_names], dtype=np.int16)
    provenance = DetectionLog.of(record).merged(channels).noted_in(record.provenance)
    channel = read_only(numbers[record.channel])
    found = replace(record, channel_names=names, channel=channel, provenance=provenance)
    return _noted(found, "merged", {name: list(parts) for name, parts in channels.items()})


def cut(record: ClickRecord, intervals: ArrayLike) -> ClickRecord:
    """Return the record without intervals of time, as of a blocked beam; what remains are trajectories.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    intervals : array_like of shape (n, 2)
        Begin and end of each interval, in the record's unit; they are cut from every trajectory.

    Raises
    ------
    InvalidInput
        Intervals that are no pairs, end before they begin, or leave nothing.
    """
    pairs = finite_array(intervals, "intervals").reshape(-1, 2) if np.size(intervals) % 2 == 0 else None
    if pairs is None or not len(pairs) or not (pairs[:, 0] < pairs[:, 1]).all():
        raise InvalidInput(f"intervals={shown(intervals)} must be pairs (begin, end) with begin < end")
    pairs = pairs[np.argsort(pairs[:, 0])]
    rows, starts, stops = [], [], []
    for r in range(record.n_trajectories):
        begin = float(record.start[r])
        for low, high in pairs.tolist():
            if low > begin:
                rows.append(r)
                starts.append(begin)
                stops.append(min(low, float(record.stop[r])))
            begin = max(begin, high)
            if begin >= record.stop[r]:
                break
        if begin < record.stop[r]:
            rows.append(r)
            starts.append(begin)
            stops.append(float(record.stop[r]))
    return _noted(in_windows(record, rows, starts, stops), "cut", pairs.tolist())


def gated(record: ClickRecord, gate: str, after: float, until: float) -> ClickRecord:
    """Return what was observed from `after` to `until` behind each click of a gate channel (or marker).

    Gates that overlap become one. Every gate is a trajectory of its own, whose window is the gate; the gate's
    channel itself is left out.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    gate : str
        Channel whose clicks open the gate.
    after, until : float
        Begin and end of the gate behind each of them, in the record's unit; both may be negative.

    Raises
    ------
    InvalidInput
        An unknown channel, a gate that ends before it begins, or one that is never open.
    """
    low, high = finite_number(after, "after"), finite_number(until, "until")
    if not low < high:
        raise InvalidInput(f"a gate from {low:g} to {high:g} is never open; give until > after")
    opens = record.channel == record.channel_number(gate)
    row = record.trajectory[opens]
    begin = np.maximum(record.time[opens] + low, record.start[row])
    end = np.minimum(record.time[opens] + high, record.stop[row])
    windows = _union(row, begin, end)
    kept = [name for name in record.channel_names if name != gate]
    found = in_windows(record.select(*kept) if kept else record, *windows)
    return _noted(found, "gated", {"gate": gate, "after": low, "until": high})


def gated_between(record: ClickRecord, begin: str, end: str) -> ClickRecord:
    """Return what was observed from each click of one channel (or marker) to the next of another.

    Raises
    ------
    InvalidInput
        Unknown or equal channels, or no stretch between them.
    """
    if begin == end:
        raise InvalidInput(f"begin and end are both {begin!r}; name two channels")
    kinds = record.channel_number(begin), record.channel_number(end)
    rows, starts, stops = [], [], []
    chosen = np.flatnonzero(np.isin(record.channel, kinds))
    opened = None
    time, channel, row = record.time[chosen], record.channel[chosen], record.trajectory[chosen]
    for i in range(len(chosen)):
        if opened is not None and row[i] != row[opened]:
            opened = None
        if channel[i] == kinds[0]:
            opened = i if opened is None else opened
        elif opened is not None:
            if time[i] > time[opened]:
                rows.append(int(row[i]))
                starts.append(float(time[opened]))
                stops.append(float(time[i]))
            opened = None
    kept = [name for name in record.channel_names if name not in (begin, end)]
    found = in_windows(record.select(*kept) if kept else record, rows, starts, stops)
    return _noted(found, "gated_between", {"begin": begin, "end": end})


def gated_within(record: ClickRecord, low: float, high: float) -> ClickRecord:
    """Return the clicks of a synced record whose time since the sync pulse lies in low ≤ t < high.

    The windows stay: the gate is open once in every period, which is the unit that pulsed estimators count in.

    Raises
    ------
    InvalidInput
        A record that is not synced, or a gate that is never open.
    """
    if record.within is None or record.clock is None or record.clock.fine is None:
        raise InvalidInput("only synced (T3) records know the time since the pulse; gate by a channel instead")
    first, last = (int(k) for k in whole_ticks([low, high], record.clock.fine, "gate"))
    if not first < last:
        raise InvalidInput(f"a gate from {low:g} to {high:g} holds no step of {record.clock.fine:g}; widen it")
    kept = (record.within >= first) & (record.within < last)
    return _noted(_kept(record, kept), "gated_within", [float(low), float(high)])


def with_dead_time(record: ClickRecord, dead_times: Mapping[str, float]) -> ClickRecord:
    """Return the record that detectors of a longer, known dead time would have made: afterpulses in it are gone.

    A click less than the dead time after the last one kept in its channel is dropped (non-paralysable). The record
    says so among the detectors that it was seen with.

    Raises
    ------
    InvalidInput
        An unknown channel, or a dead time that is not positive.
    """
    from .corrections_kernels import keep_after_dead_time

    kind = record.stamp.dtype.type
    dead = np.zeros(len(record.channel_names), dtype=record.stamp.dtype)
    for name, value in dead_times.items():
        length = positive_number(value, f"dead time of {name}")
        whole = length if record.tick is None else whole_ticks(length, record.tick, f"dead time of {name}")
        dead[record.channel_number(name)] = kind(whole)
    kept = np.empty(len(record), dtype=np.bool_)
    keep_after_dead_time(record.stamp, record.channel, record.offsets, dead, kept)
    log = DetectionLog.of(record).followed_by({name: Detector(dead_time=v) for name, v in dead_times.items()})
    found = replace(_kept(record, kept), provenance=log.noted_in(record.provenance))
    return _noted(found, "with_dead_time", {name: float(v) for name, v in dead_times.items()})


def unfolded(record: ClickRecord) -> ClickRecord:
    """Return a synced record on the fine scale: ticks of the step within the period, t = sync·T + within·fine.

    A period is mostly no whole number of steps, so that a click lies up to half a step off; the sync numbers are
    lost. Use the synced record for pulse-wise statistics, and this one for delays finer than a period.

    Raises
    ------
    InvalidInput
        A record that is not synced.
    """
    if record.within is None or record.clock is None or record.clock.fine is None:
        raise InvalidInput("only synced (T3) records have a time within the period to unfold")
    clock, fine = record.clock, record.clock.fine
    # Whole and broken steps of a period apart, so that long records lose nothing.
    whole = int(np.floor(clock.tick / fine))
    broken = clock.tick / fine - whole
    stamp = record.stamp * whole + np.round(record.stamp * broken).astype(np.int64) + record.within
    flat = replace(record, within=None, clock=Clock(fine, clock.origin))
    high = np.maximum(record.stop, record.start)
    return _noted(_restamped(flat, stamp, record.start, high), "unfolded", fine)


def joined(records: Sequence[ClickRecord], starts: Sequence[float]) -> ClickRecord:
    """Return the records of one measurement on one axis of time: each is shifted by when it was started.

    Records of different channels, taken side by side, are merged over the time in which both were observed.
    Records of the same channels, taken one after another, become trajectories of their own.

    Parameters
    ----------
    records : sequence of ClickRecord
        One trajectory each, in the same ticks.
    starts : sequence of float
        Time of each record's zero on the common axis, in their unit.

    Raises
    ------
    InvalidInput
        Fewer than two records, other than one trajectory each, ticks that differ, channels that are partly the
        same, windows of the same channels that overlap, or the same clicks twice.
    """
    parts, offsets = list(records), finite_array(starts, "starts")
    if len(parts) < 2 or offsets.shape != (len(parts),):
        raise InvalidInput(f"joined needs at least two records and a start for each, not {shown(starts)}")
    for part in parts:
        if part.n_trajectories != 1:
            raise InvalidInput(f"a record has {part.n_trajectories} trajectories; join measurements of one each")
        if not part.same_time(parts[0]):
            raise InvalidInput(f"records count time differently, in {parts[0].counted_in} and {part.counted_in}")
    moved = [_moved(part, float(offset)) for part, offset in zip(parts, offsets, strict=True)]
    sets = [set(part.channel_names) for part in parts]
    if all(one == sets[0] for one in sets):
        order = np.argsort([part.start[0] for part in moved], kind="stable")
        chosen = [moved[k].select(*parts[0].channel_names) for k in order]
        for one, other in pairwise(chosen):
            if other.start[0] < one.stop[0]:
                raise InvalidInput(
                    f"records of the same channels overlap from {other.start[0]:g} to {one.stop[0]:g}; "
                    "correct starts, or rename the channels"
                )
        require_joinable([*parts])
        return _noted(ClickRecord.concatenate(chosen), "joined", offsets.tolist())
    if sum(map(len, sets)) > len(set().union(*sets)):
        raise InvalidInput("records share some channels and not others; rename or select them first")
    start, stop = max(p.start[0] for p in moved), min(p.stop[0] for p in moved)
    if not start < stop:
        raise InvalidInput("the records were never observed at the same time; correct starts")
    counts = np.cumsum([0] + [len(part.channel_names) for part in moved[:-1]])
    columns = {name: np.concatenate([p.columns()[name] for p in moved]) for name in moved[0].columns()}
    columns["channel"] = np.concatenate([p.channel + k for p, k in zip(moved, counts, strict=True)]).astype(
        np.int16
    )
    whole = replace(
        moved[0],
        channel_names=tuple(name for part in moved for name in part.channel_names),
        **{name: read_only(column) for name, column in columns.items()},  # type: ignore[arg-type]
    )
    found = _restamped(whole, whole.stamp, np.array([start]), np.array([stop]))
    return _noted(found, "joined", offsets.tolist())


def in_windows(record: ClickRecord, rows: ArrayLike, starts: ArrayLike, stops: ArrayLike) -> ClickRecord:
    """Return what a record holds in windows of its trajectories, each a trajectory of its own.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    rows : array_like of int, shape (n,)
        Trajectory of every window, ascending.
    starts, stops : array_like of float, shape (n,)
        Its begin and end, ascending and apart within a trajectory.

    Raises
    ------
    InvalidInput
        No window.
    """
    row, first, last = np.asarray(rows, dtype=np.int64), np.asarray(starts, float), np.asarray(stops, float)
    if not len(row):
        raise NothingLeft("nothing is left of the record: no window is open; change the gate or the cut")
    clock = None if record.clock is None else record.clock.rows(row)
    low, high = (first, last) if clock is None else (clock.elapsed(first), clock.elapsed(last))
    clicks, owner = [], []
    for r in np.unique(row):
        mine = np.flatnonzero(row == r)
        begin, end = record.offsets[r : r + 2]
        stamps = record.stamp[begin:end]
        # A tick is inside if it begins there; times at a common edge belong to the later window.
        window = np.searchsorted(low[mine], stamps, side="right") - 1
        inside = (window >= 0) & (stamps < high[mine][np.maximum(window, 0)])
        clicks.append(begin + np.flatnonzero(inside))
        owner.append(mine[window[inside]])
    kept, trajectory = np.concatenate(clicks), np.concatenate(owner)
    order = np.argsort(trajectory, kind="stable")
    columns: dict[str, Any] = {name: read_only(column[kept[order]]) for name, column in record.columns().items()}
    columns["trajectory"] = read_only(trajectory[order], np.int64)
    windows: dict[str, Any] = {"start": read_only(first), "stop": read_only(last)}
    return replace(record, **columns, **windows, clock=clock, expectations={}, final_states=None)


def _union(row: NDArray[Any], begin: NDArray[Any], end: NDArray[Any]) -> tuple[Any, Any, Any]:
    """Return intervals, ascending within a row, with those that touch made one."""
    open_ = begin < end
    row, begin, end = row[open_], begin[open_], end[open_]
    if not len(row):
        return row, begin, end
    order = np.lexsort((begin, row))
    row, begin, end = row[order], begin[order], end[order]
    latest = np.empty(len(end))
    for r in np.unique(row):
        mine = row == r
        latest[mine] = np.maximum.accumulate(end[mine])
    new = np.ones(len(row), dtype=bool)
    new[1:] = (row[1:] != row[:-1]) | (begin[1:] > latest[:-1])
    first = np.flatnonzero(new)
    last = np.append(first[1:], len(row)) - 1
    return row[first], begin[first], latest[last]


def _moved(record: ClickRecord, offset: float) -> ClickRecord:
    """Return a record that was started at another time, on the ticks of the common axis."""
    if record.clock is None:
        start, stop = record.start + offset, record.stop + offset
        return replace(
            record, stamp=read_only(record.stamp + offset), start=read_only(start), stop=read_only(stop)
        )
    tick = record.clock.tick
    steps = np.round(near_whole((offset + record.clock.origin) / tick)).astype(np.int64)
    made = steps * tick - record.clock.origin
    return replace(
        record,
        stamp=read_only(record.stamp + steps[record.trajectory]),
        start=read_only(record.start + made),
        stop=read_only(record.stop + made),
        clock=replace(record.clock, origin=np.zeros_like(record.clock.origin)),
    )


def _restamped(
    record: ClickRecord, stamp: NDArray[Any], start: NDArray[np.float64], stop: NDArray[np.float64]
) -> ClickRecord:
    """Return a record with other stamps, in order, and only what lies in the windows."""
    keys = (stamp, record.trajectory) if record.within is None else (record.within, stamp, record.trajectory)
    order = np.lexsort(keys)
    windows: dict[str, Any] = {"start": read_only(start), "stop": read_only(stop)}
    moved = replace(record, stamp=read_only(stamp), **windows, final_states=None)
    row = record.trajectory
    inside = (stamp > moved.start_stamp[row] - (record.clock is not None)) & (stamp <= moved.stop_stamp[row])
    if record.clock is None:
        inside = (stamp >= start[row]) & (stamp <= stop[row])
    return _kept(moved, order[inside[order]])


def _kept(record: ClickRecord, kept: NDArray[Any]) -> ClickRecord:
    columns: dict[str, Any] = {name: read_only(column[kept]) for name, column in record.columns().items()}
    return replace(record, **columns)


def _noted(record: ClickRecord, step: str, value: Any) -> ClickRecord:
    log = [*record.provenance.get(NOTED, []), {step: value}]
    return replace(record, provenance=record.provenance | {NOTED: log})
