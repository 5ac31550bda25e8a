"""From events in a file to a record: channels, the window that was observed, and what is to be said about it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import positive_number
from ...errors import InvalidInput, RecordWarning
from ...results import read_only
from ..clicks import ClickRecord
from ..ticks import Clock, TimeUnit, time_unit
from .tttr import Events, Tagged
from .tttr_kernels import SYNC

# A header may claim this many mean waits more than the data reach; e^-20 is the chance that all is well beyond.
WAITS_AFTER_THE_LAST = 20.0
# Clicks of a piece of a long measurement that is read piece by piece.
PIECE = 2**22
MARKER_BITS = 15


def note(notes: list[str], said: str, *, loud: bool = True) -> None:
    """Keep a remark about a record, and warn of it."""
    notes.append(said)
    if loud:
        warnings.warn(said, RecordWarning, stacklevel=4)


def observed(
    path: Path, claimed: float | None, latest: float, wait: float, asked: float | None, cut: bool, notes: list[str]
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

    Raises
    ------
    InvalidInput
        The user's duration ends before the last event.
    """
    if asked is not None:
        if positive_number(asked, "duration") < latest * (1 - 1e-9):
            raise InvalidInput(
                f"duration={asked:g} ends before the last event of {path} at {latest:g}; lengthen it"
            )
        return max(asked, latest)
    if claimed is None:
        note(notes, f"{path.name} does not say how long it was measured; the window ends with its last event "
             f"({latest:.6g}); give duration= if it lasted longer", loud=False)  # fmt: skip
        return latest
    if cut or (claimed - latest > WAITS_AFTER_THE_LAST * wait and claimed > 1.001 * latest):
        why = "is cut off" if cut else f"claims a measurement of {claimed:.6g}"
        note(notes, f"{path.name} {why}; its events end at {latest:.6g}, and so does the window; "
             "give duration= if the rest was observed")  # fmt: skip
        return latest
    return max(claimed, latest)


def channel_name(number: int) -> str:
    """Return the name of a channel of an instrument."""
    return "sync" if number == SYNC else f"channel {number}"


@dataclass(frozen=True)
class MeasuredFile:
    """A measurement that is read piece by piece, because it is larger than memory; as a run folder is.

    `blocks` cuts it into pieces of consecutive clicks, each a trajectory of its own that was observed from one cut
    to the next. Every estimator therefore weighs it rightly; only the pairs across a cut are not seen.
    """

    tagged: Tagged
    unit: TimeUnit
    piece: int = PIECE

    def blocks(self) -> Iterator[ClickRecord]:
        """Yield the pieces in order."""
        tagged = self.tagged
        channels = _channels(tagged)
        waiting: list[Events] = []
        kept, begin, latest = 0, 0, 0
        for events in tagged.events():
            waiting.append(events)
            kept, latest = kept + len(events.stamp), events.latest
            if kept < self.piece:
                continue
            whole = _joined(waiting)
            cut = int(np.searchsorted(whole[0], whole[0][-1]))  # clicks of one tick stay together
            if not cut:
                continue
            end = int(whole[0][cut])
            yield self._piece([column[:cut] for column in whole], channels, begin, end)
            rest = [column[cut:] for column in whole]
            waiting, kept, begin = (
                [events._replace(stamp=rest[0], channel=rest[1], within=rest[2])],
                len(rest[0]),
                end,
            )
        if waiting and (kept or not begin):
            whole = _joined(waiting)
            notes: list[str] = []
            scale = 1.0 / self.unit.seconds  # type: ignore[operator]
            span = (latest + 1) * tagged.tick * scale
            claimed = None if tagged.acquisition is None else tagged.acquisition * scale
            wait = span / max(tagged.available, 1)
            stop = observed(tagged.path, claimed, span, wait, None, tagged.truncated, notes)
            yield self._piece(whole, channels, begin, stop / (tagged.tick * scale))

    def _piece(
        self, columns: list[NDArray[Any]], channels: NDArray[np.int16], begin: int, end: float
    ) -> ClickRecord:
        stamp, channel, within = columns
        tagged, scale = self.tagged, 1.0 / self.unit.seconds  # type: ignore[operator]
        tick, fine = tagged.tick * scale, None if tagged.fine is None else tagged.fine * scale
        if len(stamp) and (stamp[0] < begin or (np.diff(stamp) < 0).any()):
            raise InvalidInput(f"{tagged.path} has clicks out of order; load it as a whole, which sorts them")
        return ClickRecord.from_arrays(
            np.zeros(len(stamp), dtype=np.int64),
            stamp,
            np.searchsorted(channels, channel),
            channel_names=[channel_name(int(number)) for number in channels],
            start=begin * tick,
            stop=end * tick,
            provenance={"source": tagged.path.name, "header": tagged.header},
            tick=tick,
            unit=self.unit,
            within=within if tagged.layout.t3 else None,
            fine=fine,
        )


def _channels(tagged: Tagged) -> NDArray[np.int16]:
    """Return the channels that clicked, after a pass over the file."""
    seen = np.zeros(256, dtype=bool)
    for events in tagged.events():
        seen |= np.bincount(events.channel, minlength=256) > 0
    return np.flatnonzero(seen if seen.any() else np.arange(256) == 0).astype(np.int16)


def _joined(chunks: list[Events]) -> list[NDArray[Any]]:
    return [np.concatenate([chunk[k] for chunk in chunks]) for k in range(3)]


def record_of(
    tagged: Tagged, unit: Any = "s", duration: float | None = None, markers: bool = False
) -> ClickRecord:
    """Read a whole file of time-tagged records.

    Parameters
    ----------
    tagged : Tagged
        The file.
    unit : str, float or TimeUnit
        Unit of time of the record.
    duration : float, optional
        How long was observed, in that unit; the header's acquisition time when not given.
    markers : bool
        Whether markers become channels "marker 1" … "marker 4"; they are left out otherwise.

    Raises
    ------
    InvalidInput
        A damaged file, or a duration that ends before the last event.
    """
    measure = time_unit(unit)
    scale = 1.0 / _seconds(measure)
    # Room for as many photons as there are records: what is not written to takes no memory.
    room, count, latest = tagged.available, 0, 0
    stamp, channel = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.int16)
    within = np.empty(room, dtype=np.int32) if tagged.layout.t3 else None
    marked: list[NDArray[np.int64]] = []
    bits: list[NDArray[np.int16]] = []
    for events in tagged.events():
        here = slice(count, count + len(events.stamp))
        stamp[here], channel[here] = events.stamp, events.channel
        if within is not None:
            within[here] = events.within
        if len(events.marker_stamp):
            marked.append(events.marker_stamp.copy())
            bits.append(events.marker_bits.copy())
        count, latest = here.stop, events.latest
    stamp, channel = stamp[:count], channel[:count]
    within = None if within is None else within[:count]
    mark, bit = _column(marked, np.int64), _column(bits, np.int16)
    notes: list[str] = []
    numbers = np.flatnonzero(np.bincount(channel, minlength=1)) if len(channel) else np.zeros(1, dtype=np.int64)
    names = [channel_name(int(number)) for number in numbers]
    lookup = np.zeros(int(numbers.max()) + 1, dtype=np.int16)
    lookup[numbers] = np.arange(len(numbers))
    place = lookup[channel]
    if len(mark):
        kinds = [k for k in range(4) if (bit & (1 << k)).any()]
        note(
            notes,
            f"{len(mark)} markers " + ("are channels of their own" if markers else "are no photons"),
            loud=False,
        )
        if markers:
            hits = [np.flatnonzero(bit & (1 << k)) for k in kinds]
            stamp = np.concatenate([stamp, *(mark[hit] for hit in hits)])
            place = np.concatenate(
                [place, *(np.full(len(h), len(names) + i, np.int16) for i, h in enumerate(hits))]
            )
            if within is not None:
                within = np.concatenate([within, *(np.zeros(len(hit), dtype=np.int32) for hit in hits)])
            names += [f"marker {k + 1}" for k in kinds]
    stamp, place, within = in_order(stamp, place, within, notes)
    span = (latest + 1) * tagged.tick * scale
    claimed = None if tagged.acquisition is None else tagged.acquisition * scale
    wait = span / max(tagged.available, 1)
    stop = observed(tagged.path, claimed, span, wait, duration, tagged.truncated, notes)
    if not len(stamp):
        note(notes, f"{tagged.path.name} holds no photon")
    # The columns are made here and right, so that checking copies of them would only take memory.
    stamp.flags.writeable = place.flags.writeable = False
    if within is not None:
        within.flags.writeable = False
    window = np.array([0.0, stop])
    return ClickRecord(
        trajectory=np.broadcast_to(np.int64(0), len(stamp)),
        stamp=stamp,
        channel=place,
        channel_names=tuple(names),
        start=read_only(window[:1]),
        stop=read_only(window[1:]),
        provenance={"source": tagged.path.name, "header": tagged.header} | ({"notes": notes} if notes else {}),
        clock=Clock(tagged.tick * scale, np.zeros(1), None if tagged.fine is None else tagged.fine * scale),
        unit=measure,
        within=within,
    )


def in_order(
    stamp: NDArray[np.int64], place: NDArray[Any], within: NDArray[np.int32] | None, notes: list[str]
) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.int32] | None]:
    """Return events in order of time (and, within a sync period, of the time in it); say how many were not."""
    backward = stamp[1:] < stamp[:-1]
    if within is not None:
        backward |= (stamp[1:] == stamp[:-1]) & (within[1:] < within[:-1])
    if not backward.any():
        return stamp, place, within
    note(notes, f"{int(backward.sum())} clicks stood behind a later one; sorted", loud=False)
    order = np.argsort(stamp, kind="stable") if within is None else np.lexsort((within, stamp))
    return stamp[order], place[order], None if within is None else within[order]


def _column(chunks: list[NDArray[Any]], kind: Any) -> NDArray[Any]:
    return np.concatenate(chunks) if chunks else np.zeros(0, dtype=kind)


def _seconds(unit: TimeUnit) -> float:
    if unit.seconds is None:
        raise InvalidInput(f"unit {unit.name} has no length; give a name such as ns, or 1/ω_b in seconds")
    return unit.seconds
