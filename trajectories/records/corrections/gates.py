"""Corrections that remove observed time: cuts and gates."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...checks import finite_array, finite_number, positive_number, shown
from ...errors import InvalidInput, NothingLeft, TickWarning
from ...results import read_only
from ..clicks import ClickRecord
from ..ticks import Clock, near_whole, whole_ticks
from .shared import noted, with_clicks


def cut(record: ClickRecord, intervals: ArrayLike) -> ClickRecord:
    """Return the record without some intervals of time; each remaining part is a trajectory.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    intervals : array_like of shape (n, 2)
        Start and stop of each interval, in the record's unit; they are cut from every trajectory.

    Raises
    ------
    InvalidInput
        Intervals that are no pairs, stop before they start, or leave nothing.
    """
    pairs = _pairs(intervals)
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
    return noted(in_windows(record, rows, starts, stops), "cut", pairs.tolist())


def kept(record: ClickRecord, intervals: ArrayLike) -> ClickRecord:
    """Return the record of some intervals of time only; each becomes a trajectory.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    intervals : array_like of shape (n, 2)
        Start and stop of each interval, in the record's unit; they are kept of every trajectory.

    Raises
    ------
    InvalidInput
        Intervals that are no pairs, stop before they start, or lie outside the record.
    """
    pairs = _pairs(intervals)
    rows = np.repeat(np.arange(record.n_trajectories), len(pairs))
    begin = np.maximum(np.tile(pairs[:, 0], record.n_trajectories), record.start[rows])
    end = np.minimum(np.tile(pairs[:, 1], record.n_trajectories), record.stop[rows])
    return noted(in_windows(record, *_union(rows, begin, end)), "kept", pairs.tolist())


def without_silences(record: ClickRecord, longer: float) -> ClickRecord:
    """Return the record without the intervals in which no channel clicked for longer than a given time.

    The clicks just before and just after such an interval are cut with it: otherwise clicks would select its ends.
    For independent clicks the rate in the remaining time is then unbiased. Such intervals at the ends of an
    observation window are cut too.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    longer : float
        Length of the shortest interval that is cut, in the record's unit. Take many mean waits: a shorter length
        also cuts true waits.

    Raises
    ------
    InvalidInput
        A length that is not positive, or so short that nothing remains.
    """
    length = positive_number(longer, "longer")
    rows = np.arange(record.n_trajectories)
    row = np.concatenate([rows, record.trajectory, rows])
    stamps = np.concatenate([record.start_stamp, record.stamp, record.stop_stamp])
    order = np.lexsort((np.repeat([0, 1, 2], [len(rows), len(record), len(rows)]), stamps, row))
    row, stamps = row[order], stamps[order]
    tick = 1.0 if record.tick is None else record.tick
    silent = np.flatnonzero((row[1:] == row[:-1]) & (np.diff(stamps) * tick > length))
    # The time between two cut intervals: from just after the click that ends one to the click that begins the
    # next.
    origin = np.zeros(len(rows)) if record.clock is None else record.clock.origin
    behind = stamps[silent + 1]
    begin_of = np.nextafter(behind, np.inf) if record.clock is None else behind + 1
    keys = np.concatenate([rows, row[silent], row[silent], rows])
    times = np.concatenate(
        [
            record.start,
            origin[row[silent]] + stamps[silent] * tick,
            origin[row[silent]] + begin_of * tick,
            record.stop,
        ]
    )
    times = np.clip(times, record.start[keys], record.stop[keys])
    rank = np.concatenate(
        [np.full(len(rows), -1), 2 * silent, 2 * silent + 1, np.full(len(rows), 2 * len(stamps))]
    )
    order = np.lexsort((rank, keys))
    keys, times = keys[order], times[order]
    open_ = times[::2] < times[1::2]
    found = in_windows(record, keys[::2][open_], times[::2][open_], times[1::2][open_])
    return noted(found, "without_silences", length)


def gated(record: ClickRecord, gate: str, after: float, until: float) -> ClickRecord:
    """Return what was observed from `after` to `until` after each click of a gate channel (or marker).

    Gates that overlap become one. Every gate becomes a trajectory, observed while the gate is open; the gate's
    channel itself is left out.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    gate : str
        Channel whose clicks open the gate.
    after, until : float
        Start and stop of the gate relative to each click, in the record's unit; both may be negative.

    Raises
    ------
    InvalidInput
        An unknown channel, a gate that stops before it starts, or one that is never open.

    Warns
    -----
    TickWarning
        Rounding to whole ticks changes the length of the gate by more than 1 %.
    """
    low, high = finite_number(after, "after"), finite_number(until, "until")
    if not low < high:
        raise InvalidInput(f"a gate from {low:g} to {high:g} is never open; give until > after")
    number = record.channel_number(gate)
    if record.tick is not None:
        _warn_of_part_ticks(low, high, record.tick)
    opens = record.channel == number
    row = record.trajectory[opens]
    begin = np.maximum(record.time[opens] + low, record.start[row])
    end = np.minimum(record.time[opens] + high, record.stop[row])
    windows = _union(row, begin, end)
    kept = [name for name in record.channel_names if name != gate]
    found = in_windows(record.select(*kept) if kept else record, *windows)
    return noted(found, "gated", {"gate": gate, "after": low, "until": high})


def gated_between(record: ClickRecord, begin: str, end: str) -> ClickRecord:
    """Return what was observed from each click of one channel (or marker) to the next of another.

    Raises
    ------
    InvalidInput
        Unknown or equal channels, or no interval between them.
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
    return noted(found, "gated_between", {"begin": begin, "end": end})


def gated_within(record: ClickRecord, low: float, high: float) -> ClickRecord:
    """Return the clicks of a synced record whose time since the sync pulse lies in low ≤ t < high.

    Observation windows stay as they are: estimators for pulsed records count periods, and each has one gate.

    Raises
    ------
    InvalidInput
        A record that is not synced, or a gate that is never open.
    """
    if record.within is None or record.clock is None or record.clock.fine is None:
        raise InvalidInput("only synced (T3) records have a time since the pulse; gate by a channel instead")
    first, last = (int(k) for k in whole_ticks([low, high], record.clock.fine, "gate"))
    if not first < last:
        raise InvalidInput(f"a gate from {low:g} to {high:g} holds no step of {record.clock.fine:g}; widen it")
    kept = (record.within >= first) & (record.within < last)
    return noted(with_clicks(record, kept), "gated_within", [float(low), float(high)])


def in_windows(record: ClickRecord, rows: ArrayLike, starts: ArrayLike, stops: ArrayLike) -> ClickRecord:
    """Return the parts of a record in given observation windows, each of which becomes a trajectory.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    rows : array_like of int, shape (n,)
        Trajectory of each observation window, ascending.
    starts, stops : array_like of float, shape (n,)
        Its start and stop, ascending and without overlap within a trajectory.

    Raises
    ------
    NothingLeft
        There is no observation window.

    Notes
    -----
    For a record of ticks, an observation window holds the ticks that begin in it. Its ends are moved to the
    beginnings of the first of these ticks and of the first one after it, so that observed time and ticks agree.
    """
    row, first, last = np.asarray(rows, dtype=np.int64), np.asarray(starts, float), np.asarray(stops, float)
    clock = None if record.clock is None else record.clock.rows(row)
    low, high = first, last
    if clock is not None:
        low, first = _whole(record.start[row], first, clock)
        high, last = _whole(record.stop[row], last, clock)
        open_ = first < last
        row, first, last, low, high = row[open_], first[open_], last[open_], low[open_], high[open_]
        clock = record.clock.rows(row) if record.clock is not None else None
    if not len(row):
        raise NothingLeft("the corrections leave nothing of the record; change the gate or the cut")
    clicks, owner = [], []
    for r in np.unique(row):
        mine = np.flatnonzero(row == r)
        begin, end = record.offsets[r : r + 2]
        stamps = record.stamp[begin:end]
        # A tick is inside if it begins there; a time at a common end belongs to the later window.
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


def _warn_of_part_ticks(low: float, high: float, tick: float) -> None:
    """Warn if rounding to whole ticks changes the length of a gate by more than 1 %."""
    held = float(np.ceil(near_whole(high / tick)) - np.ceil(near_whole(low / tick)))
    if abs(held * tick - (high - low)) > 0.01 * (high - low):
        warnings.warn(
            f"a gate from {low:g} to {high:g} holds {held:g} ticks of {tick:g}; give multiples of the tick, "
            "or unfold a synced record first",
            TickWarning,
            stacklevel=3,
        )


def _pairs(intervals: ArrayLike) -> NDArray[np.float64]:
    """Return intervals as pairs (start, stop), ascending."""
    pairs = finite_array(intervals, "intervals").reshape(-1, 2) if np.size(intervals) % 2 == 0 else None
    if pairs is None or not len(pairs) or not (pairs[:, 0] < pairs[:, 1]).all():
        raise InvalidInput(f"intervals={shown(intervals)} must be pairs (start, stop) with start < stop")
    return pairs[np.argsort(pairs[:, 0])]


def _whole(
    bound: NDArray[np.float64], time: NDArray[np.float64], clock: Clock
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ends of observation windows in ticks and in time, at whole ticks except at the record's own ends.

    A tick is inside if it begins there, so that an observation from 0.4 to 2.4 ticks holds ticks 1 and 2.
    """
    ticks = clock.elapsed(time)
    own = time == bound
    whole = np.where(own, ticks, np.ceil(ticks))
    return whole, np.where(own, time, clock.origin + whole * clock.tick)


def _union(row: NDArray[Any], begin: NDArray[Any], end: NDArray[Any]) -> tuple[Any, Any, Any]:
    """Return intervals, ascending within a row, with touching ones merged."""
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
