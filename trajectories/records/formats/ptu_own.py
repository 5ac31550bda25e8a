"""PTU files of this package, read with trajectories, names and provenance, at once or in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import NothingLeft
from ..clicks import ClickRecord
from .events import Photons
from .pieces import PIECE, Step
from .tttr import Tagged
from .windows import Windows, unpacked_windows


@dataclass(frozen=True)
class OwnPtu:
    """A file of this package whose checksum was verified.

    Attributes
    ----------
    tagged : Tagged
        Its records.
    heading : dict
        Content of its comment.
    piece : int
        Number of clicks in a piece.
    steps : tuple of callables
        Corrections of each piece, in order.
    """

    tagged: Tagged
    heading: dict[str, Any]
    piece: int = PIECE
    steps: tuple[Step, ...] = ()

    def record(self) -> ClickRecord:
        """Return the whole file as a record."""
        return self._record(
            Photons.joined([Photons.of(0, True), *(e.photons for e in self.tagged.events())]), self._windows
        )

    def through(self, steps: Sequence[Step]) -> OwnPtu:
        """Return the file with corrections of every piece; a piece of which nothing remains is left out."""
        return replace(self, steps=(*self.steps, *steps))

    def blocks(self) -> Iterator[ClickRecord]:
        """Yield pieces of whole trajectories; a trajectory with more clicks than a piece is divided.

        Raises
        ------
        InvalidInput
            Corrections that leave nothing.
        """
        empty = True
        for piece in self._pieces():
            try:
                for step in self.steps:
                    piece = step(piece)
            except NothingLeft:
                continue
            empty = False
            yield piece
        if empty:
            raise NothingLeft("the corrections leave nothing of the record; change the gate or the cut")

    @cached_property
    def _windows(self) -> Windows:
        beginnings = [events.marker_stamp.copy() for events in self.tagged.events()]
        slots = np.concatenate([np.zeros(0, dtype=np.int64), *beginnings])
        return unpacked_windows(self.heading["windows"], slots, self.tagged.path)

    def _pieces(self) -> Iterator[ClickRecord]:
        windows = self._windows
        slot = windows.slot
        waiting, begin = Photons.of(0, True), int(slot[0])
        for events in self.tagged.events():
            waiting = Photons.joined([waiting, events.photons])
            if len(waiting.stamp) < self.piece:
                continue
            latest = int(waiting.stamp[-1])
            end = int(slot[np.searchsorted(slot, latest, side="right") - 1])  # where the last trajectory begins
            if end <= begin:
                end = latest  # clicks of one tick stay together
            if end <= begin:
                continue
            cut = int(np.searchsorted(waiting.stamp, end))
            yield self._record(waiting.part(0, cut), windows.between(begin, end, self._tick))
            waiting, begin = waiting.part(cut), end
        yield self._record(waiting, windows.between(begin, None, self._tick))

    @property
    def _tick(self) -> float:
        return float(self.heading["tick"])

    def _record(self, columns: Photons, windows: Windows) -> ClickRecord:
        heading: dict[str, Any] = self.heading
        within: NDArray[np.int32] | None = columns.within if self.tagged.layout.t3 else None
        return windows.record(
            columns.stamp,
            columns.channel,
            within=within,
            fine=heading["fine"],
            channel_names=heading["channel_names"],
            tick=heading["tick"],
            unit=heading["unit"],
            provenance=heading["provenance"],
        )
