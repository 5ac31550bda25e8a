"""From the events of a file to a record: channels, observation window, and notes about them."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import positive_number, time_unit
from ...errors import InvalidInput, RecordWarning
from ...names import counted
from ...results import read_only
from ...time_units import TimeUnit
from ..clicks import ClickRecord
from ..corrections import in_windows
from ..ticks import Clock
from .events import EventFile, Events, Photons

# A header may state a duration this many mean waits beyond the last event; no click in that time has
# probability e^-20.
WAITS_AFTER_THE_LAST = 20.0
# Markers 1 to 4 become channels with numbers from this one on, after those of all photons.
FIRST_MARKER, MARKERS = 256, 4
# Clicks that are renumbered at a time, to bound memory.
PART = 2**20


def note(notes: list[str], remark: str, *, warn: bool = True) -> None:
    """Keep a note about a record, and warn of it."""
    notes.append(remark)
    if warn:
        warnings.warn(remark, RecordWarning, stacklevel=4)


def observed(
    path: Path,
    claimed: float | None,
    latest: float,
    wait: float,
    asked: float | None,
    cut: bool,
    notes: list[str],
    measure: TimeUnit,
) -> float:
    """Return the end of the observation: as given, else as the header states if possible, else the last event.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    claimed : float or None
        Duration that the header states, in the record's unit.
    latest : float
        End of the last tick in which there is an event of any kind.
    wait : float
        Mean wait for an event, in the record's unit.
    asked : float or None
        Duration that the user gives, in the record's unit.
    cut : bool
        Whether the file ends before its stated length.
    notes : list of str
        Notes; more are appended.
    measure : TimeUnit
        The record's unit.

    Raises
    ------
    InvalidInput
        The user's duration ends before the last event.
    """
    if asked is not None:
        if positive_number(asked, "duration") < latest * (1 - 1e-9):
            raise InvalidInput(
                f"duration={asked:g} ends before the last event of {path} at {measure.of(f'{latest:g}')}; "
                "give a longer one"
            )
        return max(asked, latest)
    if claimed is None:
        note(notes, f"{path.name} does not state its duration; the observation ends with its last event "
             f"({measure.of(f'{latest:.6g}')}); give duration= if it lasted longer", warn=False)  # fmt: skip
        return latest
    if cut or (claimed - latest > WAITS_AFTER_THE_LAST * wait and claimed > 1.001 * latest):
        why = "is cut off" if cut else f"states a duration of {measure.of(f'{claimed:.6g}')}"
        note(notes, f"{path.name} {why}; observed until the last event ({measure.of(f'{latest:.6g}')}); "
             "give duration= if the rest was observed")  # fmt: skip
        return latest
    return max(claimed, latest)


def stop_of(
    file: EventFile, latest: int, photons: int, measure: TimeUnit, asked: float | None, notes: list[str]
) -> float:
    """Return the end of the observation of a file whose events were all read; say if none was a photon.

    An instrument writes overflows even without photons: a file without any event was not observed as long as its
    header may claim, and how long is not known.
    """
    length = seconds_of(measure)
    span = (latest + 1) * (file.tick / length)
    seconds = file.claimed(latest)
    if not photons and not latest and asked is None and file.keeps_time:
        note(notes, f"{file.path.name} holds no event, which would tell how long it was observed; "
             f"the window is one tick ({measure.of(f'{span:.6g}')}); give duration=")  # fmt: skip
        return span
    if not photons:
        note(notes, f"{file.path.name} holds no photons")
    wait = span / max(file.capacity, photons, 1) if photons or file.keeps_time else math.inf
    return observed(
        file.path, None if seconds is None else seconds / length, span, wait, asked, file.truncated, notes, measure
    )


def channels_of(file: EventFile, seen: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Return the numbers of the channels of a record: those listed in the file, and those that clicked."""
    chosen = seen.copy()
    chosen[list(file.watched() or ())] = True
    if not chosen.any():
        chosen[0] = True
    return np.flatnonzero(chosen).astype(np.int16)


def name_of(file: EventFile, number: int) -> str:
    """Return the name of a channel, or of a marker that is taken as one."""
    return f"marker {number - FIRST_MARKER + 1}" if number >= FIRST_MARKER else file.named(number)


def seen_in(channel: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return which channel numbers occur, up to those of markers."""
    return np.bincount(channel, minlength=FIRST_MARKER + MARKERS) > 0


def with_markers(events: Events, synced: bool) -> Events:
    """Return events with a click for every bit of every marker, in order of time; photons first within a tick."""
    if not len(events.marker_stamp):
        return events
    hits = [np.flatnonzero(events.marker_bits & (1 << k)) for k in range(MARKERS)]
    stamp = np.concatenate([events.stamp, *(events.marker_stamp[hit] for hit in hits)])
    added = [np.full(len(hit), FIRST_MARKER + k, dtype=np.int16) for k, hit in enumerate(hits)]
    channel = np.concatenate([events.channel, *added])
    within = events.within
    if synced:
        within = np.concatenate([within, *(np.zeros(len(hit), dtype=np.int32) for hit in hits)])
    order = np.argsort(stamp, kind="stable")
    return events._replace(stamp=stamp[order], channel=channel[order], within=within[order] if synced else within)


def marker_note(count: int, markers: bool) -> str:
    """Return a note on the number of markers and whether they are channels."""
    found = counted(count, "marker", "markers")
    if count == 1:
        return f"{found} was {'read as a channel' if markers else 'left out'}"
    return f"{found} were {'read as channels' if markers else 'left out'}"


def record_of(
    file: EventFile, unit: Any = "s", duration: float | None = None, markers: bool = False
) -> ClickRecord:
    """Read a whole file of an instrument.

    Parameters
    ----------
    file : EventFile
        The file.
    unit : str, float or TimeUnit
        Unit of time of the record.
    duration : float, optional
        Observed time in that unit; as the file states when not given.
    markers : bool
        Whether markers become channels "marker 1" … "marker 4"; they are left out otherwise.

    Raises
    ------
    InvalidInput
        A damaged file, or a duration that ends before the last event.
    """
    measure = time_unit(unit)
    notes: list[str] = []
    columns, seen, latest, marked, lost = _all_events(file, markers)
    stamp, place, within = columns
    numbers = channels_of(file, seen)
    renumber(place, numbers)
    if marked:
        note(notes, marker_note(marked, markers), warn=False)
    stamp, place, rest = in_order(stamp, place, within if file.fine is not None else None, notes)
    stop = stop_of(file, latest, len(stamp), measure, duration, notes)
    if len(lost):
        note(notes, lost_note(file, lost, measure))
    names = tuple(name_of(file, int(k)) for k in numbers)
    record = made(file, measure, (stamp, place, rest), names, 0.0, stop, notes)
    return record if not len(lost) else without(record, lost)


def _all_events(file: EventFile, markers: bool) -> tuple[Photons, NDArray[np.bool_], int, int, NDArray[np.int64]]:
    """Return photons, channels seen, latest tick, number of markers, and intervals of lost events."""
    synced = file.fine is not None
    into = Photons.of(file.capacity, synced) if file.capacity and not markers else None
    latest, marked, count = 0, 0, 0
    seen = np.zeros(FIRST_MARKER + MARKERS, dtype=bool)
    lost, chunks = [np.zeros((0, 2), dtype=np.int64)], [Photons.of(0, synced)]
    for events in file.events(into):
        latest, marked, count = events.latest, marked + len(events.marker_stamp), count + len(events.stamp)
        lost.append(events.lost)
        if into is None:
            events = with_markers(events, synced) if markers else events
            chunks.append(events.photons)
        seen |= seen_in(events.channel)
    whole = Photons.joined(chunks) if into is None else into.part(0, count)
    return whole, seen, latest, marked, np.concatenate(lost)


def renumber(channel: NDArray[np.int16], numbers: NDArray[np.int16]) -> None:
    """Replace channel numbers by their positions in `numbers`, in place."""
    if (numbers == np.arange(len(numbers))).all():
        return
    lookup = np.zeros(int(numbers.max()) + 1, dtype=np.int16)
    lookup[numbers] = np.arange(len(numbers))
    for first in range(0, len(channel), PART):
        part = channel[first : first + PART]
        part[:] = lookup[part]


def made(
    file: EventFile,
    measure: TimeUnit,
    columns: tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.int32] | None],
    names: tuple[str, ...],
    start: float,
    stop: float,
    notes: list[str],
) -> ClickRecord:
    """Return a record of one trajectory, without the checks, which would copy the columns."""
    length = seconds_of(measure)
    stamp, place, within = columns
    for column in columns:
        if column is not None:
            column.flags.writeable = False
    return ClickRecord(
        trajectory=np.broadcast_to(np.int64(0), len(stamp)),
        stamp=stamp,
        channel=place,
        channel_names=names,
        start=read_only(np.array([start])),
        stop=read_only(np.array([stop])),
        provenance={"source": file.path.name, "header": file.header} | ({"notes": notes} if notes else {}),
        clock=Clock(file.tick / length, np.zeros(1), None if file.fine is None else file.fine / length),
        unit=measure,
        within=within,
    )


def without(record: ClickRecord, lost: NDArray[np.int64]) -> ClickRecord:
    """Return a record of one trajectory without the intervals in which its instrument lost events."""
    assert record.tick is not None
    edges = np.concatenate([record.start, lost.ravel() * record.tick, record.stop])
    edges = np.maximum.accumulate(np.clip(edges, record.start[0], record.stop[0]))
    starts, stops = edges[::2], edges[1::2]
    open_ = starts < stops
    return in_windows(record, np.zeros(int(open_.sum()), dtype=np.int64), starts[open_], stops[open_])


def lost_note(file: EventFile, lost: NDArray[np.int64], measure: TimeUnit) -> str:
    """Return a note on lost events and the intervals that are cut because of them."""
    total = measure.of(f"{float((lost[:, 1] - lost[:, 0]).sum()) * file.tick / seconds_of(measure):.6g}")
    places = counted(len(lost), "stretch", "stretches")
    remark = f"the instrument lost events in {places}, {total} in all"
    return f"{file.path.name}: {remark}; the observation leaves these intervals out"


def in_order(
    stamp: NDArray[Any], place: NDArray[Any], within: NDArray[np.int32] | None, notes: list[str]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int32] | None]:
    """Return events sorted by time (and, within a sync period, by the time in it); note how many were not."""
    backward = stamp[1:] < stamp[:-1]
    if within is not None:
        backward |= (stamp[1:] == stamp[:-1]) & (within[1:] < within[:-1])
    if not backward.any():
        return stamp, place, within
    late = counted(int(backward.sum()), "click was", "clicks were")
    note(notes, f"{late} stored after a later one; they were sorted", warn=False)
    order = np.argsort(stamp, kind="stable") if within is None else np.lexsort((within, stamp))
    return stamp[order], place[order], None if within is None else within[order]


def seconds_of(unit: TimeUnit) -> float:
    """Return the length of a unit in seconds; refuse one without a length."""
    if unit.seconds is None:
        raise InvalidInput(f"unit {unit.name} has no length; give a name such as ns, or 1/ω_b in seconds")
    return unit.seconds
