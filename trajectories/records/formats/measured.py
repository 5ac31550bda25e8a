"""From events in a file to a record: channels, the observation window, and remarks about them."""

from __future__ import annotations

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
from .events import EventFile, Events, Room

# A header may claim this many mean waits more than the data reach; e^-20 is the probability of no click in that
# time.
WAITS_AFTER_THE_LAST = 20.0
# Markers 1 to 4 are channels of these numbers and the following, behind those of all photons.
FIRST_MARKER, MARKERS = 256, 4
# Clicks whose channels are renumbered at a time.
PART = 2**20


def note(notes: list[str], said: str, *, loud: bool = True) -> None:
    """Keep a remark about a record, and warn of it."""
    notes.append(said)
    if loud:
        warnings.warn(said, RecordWarning, stacklevel=4)


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
    """Return when the observation ended: as asked, as the header says, or with the last event, whichever is true.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    claimed : float or None
        What the header says, in the record's unit.
    latest : float
        End of the last tick in which there is an event of any kind.
    wait : float
        Mean wait for an event.
    asked : float or None
        What the user says.
    cut : bool
        Whether the file ends before its header says.
    notes : list of str
        Remarks; more are added.
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
                "lengthen it"
            )
        return max(asked, latest)
    if claimed is None:
        note(notes, f"{path.name} does not say how long it was measured; the window ends with its last event "
             f"({measure.of(f'{latest:.6g}')}); give duration= if it lasted longer", loud=False)  # fmt: skip
        return latest
    if cut or (claimed - latest > WAITS_AFTER_THE_LAST * wait and claimed > 1.001 * latest):
        why = "is cut off" if cut else f"claims a measurement of {measure.of(f'{claimed:.6g}')}"
        note(notes, f"{path.name} {why}; its events end at {measure.of(f'{latest:.6g}')}, and so does the window; "
             "give duration= if the rest was observed")  # fmt: skip
        return latest
    return max(claimed, latest)


def stop_of(
    file: EventFile, latest: int, photons: int, measure: TimeUnit, asked: float | None, notes: list[str]
) -> float:
    """Return when the observation of a file ended, after all its events were read."""
    length = seconds_of(measure)
    span = (latest + 1) * (file.tick / length)
    seconds = file.claimed(latest)
    wait = span / max(file.room, photons, 1)
    return observed(
        file.path, None if seconds is None else seconds / length, span, wait, asked, file.truncated, notes, measure
    )


def channels_of(file: EventFile, seen: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Return the numbers of the channels of a record: those that were watched, and those that clicked."""
    chosen = seen.copy()
    chosen[list(file.watched() or ())] = True
    if not chosen.any():
        chosen[0] = True
    return np.flatnonzero(chosen).astype(np.int16)


def name_of(file: EventFile, number: int) -> str:
    """Return the name of a channel of a file, or of a marker that became one."""
    return f"marker {number - FIRST_MARKER + 1}" if number >= FIRST_MARKER else file.named(number)


def seen_in(channel: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return which channel numbers occur, up to those of markers."""
    return np.bincount(channel, minlength=FIRST_MARKER + MARKERS) > 0


def with_markers(events: Events, synced: bool) -> Events:
    """Return events with a click for every bit of every marker, in order of time, behind photons of its tick."""
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
    """Say how many markers a file has, and what became of them."""
    found = counted(count, "marker", "markers")
    if count == 1:
        return f"{found} is {'a channel of its own' if markers else 'no photon'}"
    return f"{found} are {'channels of their own' if markers else 'no photons'}"


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
        How long was observed, in that unit; what the file says when not given.
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
        note(notes, marker_note(marked, markers), loud=False)
    stamp, place, rest = in_order(stamp, place, within if file.fine is not None else None, notes)
    stop = stop_of(file, latest, len(stamp), measure, duration, notes)
    if not len(stamp):
        note(notes, f"{file.path.name} holds no photon")
    if len(lost):
        note(notes, lost_note(file, lost, measure))
    names = tuple(name_of(file, int(k)) for k in numbers)
    record = made(file, measure, (stamp, place, rest), names, 0.0, stop, notes)
    return record if not len(lost) else without(record, lost)


def _all_events(file: EventFile, markers: bool) -> tuple[Room, NDArray[np.bool_], int, int, NDArray[np.int64]]:
    """Return photons, channels seen, the latest time, the number of markers, and where events were lost."""
    synced = file.fine is not None
    into = Room.of(file.room, synced) if file.room and not markers else None
    latest, marked, count = 0, 0, 0
    seen = np.zeros(FIRST_MARKER + MARKERS, dtype=bool)
    lost, chunks = [np.zeros((0, 2), dtype=np.int64)], [Room.of(0, synced)]
    for events in file.events(into):
        latest, marked, count = events.latest, marked + len(events.marker_stamp), count + len(events.stamp)
        lost.append(events.lost)
        if into is None:
            events = with_markers(events, synced) if markers else events
            chunks.append(events.photons)
        seen |= seen_in(events.channel)
    whole = Room.joined(chunks) if into is None else into.part(0, count)
    return whole, seen, latest, marked, np.concatenate(lost)


def renumber(channel: NDArray[np.int16], numbers: NDArray[np.int16]) -> None:
    """Replace numbers of channels by their positions in `numbers`, in place."""
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
    """Return a record of one trajectory; its columns are known to be valid, and checking would copy them."""
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
    """Return a record of one trajectory without the stretches of ticks in which its instrument lost events."""
    assert record.tick is not None
    edges = np.concatenate([record.start, lost.ravel() * record.tick, record.stop])
    edges = np.maximum.accumulate(np.clip(edges, record.start[0], record.stop[0]))
    starts, stops = edges[::2], edges[1::2]
    open_ = starts < stops
    return in_windows(record, np.zeros(int(open_.sum()), dtype=np.int64), starts[open_], stops[open_])


def lost_note(file: EventFile, lost: NDArray[np.int64], measure: TimeUnit) -> str:
    """Say that an instrument lost events, and what is done about it."""
    total = measure.of(f"{float((lost[:, 1] - lost[:, 0]).sum()) * file.tick / seconds_of(measure):.6g}")
    places = counted(len(lost), "stretch", "stretches")
    said = f"the instrument lost events in {places}, {total} in all"
    return f"{file.path.name}: {said}; they are cut out of the windows"


def in_order(
    stamp: NDArray[Any], place: NDArray[Any], within: NDArray[np.int32] | None, notes: list[str]
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int32] | None]:
    """Return events in order of time (and, within a sync period, of the time in it); say how many were not."""
    backward = stamp[1:] < stamp[:-1]
    if within is not None:
        backward |= (stamp[1:] == stamp[:-1]) & (within[1:] < within[:-1])
    if not backward.any():
        return stamp, place, within
    late = counted(int(backward.sum()), "click was", "clicks were")
    note(notes, f"{late} stored after a later one; sorted", loud=False)
    order = np.argsort(stamp, kind="stable") if within is None else np.lexsort((within, stamp))
    return stamp[order], place[order], None if within is None else within[order]


def seconds_of(unit: TimeUnit) -> float:
    """Return the length of a unit; refuse one without."""
    if unit.seconds is None:
        raise InvalidInput(f"unit {unit.name} has no length; give a name such as ns, or 1/ω_b in seconds")
    return unit.seconds
