"""A measurement larger than memory, which is read piece by piece as a run folder is read block by block."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInput, NothingLeft
from ...time_units import TimeUnit
from ..clicks import ClickRecord
from .events import EventFile, Events, Photons
from .measured import (
    FIRST_MARKER,
    MARKERS,
    channels_of,
    lost_note,
    made,
    marker_note,
    name_of,
    note,
    renumber,
    seconds_of,
    seen_in,
    stop_of,
    with_markers,
    without,
)

# Default number of clicks in a piece.
PIECE = 2**21
Step = Callable[[ClickRecord], ClickRecord]


class Survey(NamedTuple):
    """Result of the first pass over a file, which all pieces need."""

    numbers: NDArray[np.int16]
    stop: float
    lost: NDArray[np.int64]
    notes: list[str]


@dataclass(frozen=True)
class MeasuredFile:
    """A measurement larger than memory, which is read piece by piece as a run folder is read block by block.

    `blocks` divides it into pieces of consecutive clicks. Each piece is a trajectory that is observed from one
    division to the next, so that every estimator has the right weights; only pairs across a division are missed.

    Attributes
    ----------
    file : EventFile
        The file.
    unit : TimeUnit
        Unit of time of the pieces.
    piece : int
        Number of clicks in a piece.
    duration : float or None
        Observed time in that unit; as the file states when None.
    markers : bool
        Whether markers are read as channels.
    steps : tuple of callables
        Corrections of each piece, in order.
    """

    file: EventFile
    unit: TimeUnit
    piece: int = PIECE
    duration: float | None = None
    markers: bool = False
    steps: tuple[Step, ...] = field(default=())

    def through(self, steps: Sequence[Step]) -> MeasuredFile:
        """Return the measurement with corrections of every piece; a piece of which nothing remains is left out."""
        return replace(self, steps=(*self.steps, *steps))

    def blocks(self) -> Iterator[ClickRecord]:
        """Yield the pieces in order.

        Raises
        ------
        InvalidInput
            A damaged file, clicks out of order, or corrections that leave nothing.
        """
        empty, lost = True, self._survey.lost
        for piece in self._pieces():
            try:
                if len(lost):
                    piece = without(piece, lost)
                for step in self.steps:
                    piece = step(piece)
            except NothingLeft:
                continue
            empty = False
            yield piece
        if empty:
            raise NothingLeft("the corrections leave nothing of the record; change the gate or the cut")

    @cached_property
    def _survey(self) -> Survey:
        seen = np.zeros(FIRST_MARKER + MARKERS, dtype=bool)
        latest, photons, marked = 0, 0, 0
        lost = [np.zeros((0, 2), dtype=np.int64)]
        for events in self._events():
            seen |= seen_in(events.channel)
            latest, photons, marked = events.latest, photons + len(events.stamp), marked + len(events.marker_stamp)
            lost.append(events.lost)
        notes: list[str] = []
        if marked:
            note(notes, marker_note(marked, self.markers), warn=False)
        stop = stop_of(self.file, latest, photons, self.unit, self.duration, notes)
        gaps = np.concatenate(lost)
        if len(gaps):
            note(notes, lost_note(self.file, gaps, self.unit))
        return Survey(channels_of(self.file, seen), stop, gaps, notes)

    def _events(self) -> Iterator[Events]:
        for events in self.file.events():
            yield with_markers(events, self.file.fine is not None) if self.markers else events

    def _pieces(self) -> Iterator[ClickRecord]:
        survey, tick = self._survey, self.file.tick / seconds_of(self.unit)
        waiting = [Photons.of(0, True)]
        kept, begin = 0, 0
        for events in self._events():
            waiting.append(events.photons)
            kept += len(events.stamp)
            if kept < self.piece:
                continue
            whole = Photons.joined(waiting)
            cut = int(np.searchsorted(whole.stamp, whole.stamp[-1]))  # clicks of one tick stay together
            if not cut:
                continue
            end = int(whole.stamp[cut])
            yield self._piece(whole.part(0, cut), begin, end * tick)
            waiting = [whole.part(cut)]
            kept, begin = len(waiting[0].stamp), end
        if kept or not begin:
            yield self._piece(Photons.joined(waiting), begin, survey.stop)

    def _piece(self, columns: Photons, begin: int, stop: float) -> ClickRecord:
        stamp, channel, within = columns
        file, survey = self.file, self._survey
        if len(stamp) and (stamp[0] < begin or (stamp[1:] < stamp[:-1]).any()):
            raise InvalidInput(f"{file.path} has clicks out of order; use load, which sorts them")
        channel = channel.copy()
        renumber(channel, survey.numbers)
        names = tuple(name_of(file, int(number)) for number in survey.numbers)
        tick = file.tick / seconds_of(self.unit)
        rest = within if file.fine is not None else None
        return made(file, self.unit, (stamp, channel, rest), names, begin * tick, stop, survey.notes)
