"""What is read from a file of an instrument: photons and markers in chunks, on a clock of whole ticks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

NOTHING = np.zeros((0, 2), dtype=np.int64)


class Events(NamedTuple):
    """Photons and markers of a chunk of a file."""

    stamp: NDArray[np.int64]
    channel: NDArray[np.int16]
    within: NDArray[np.int32]
    marker_stamp: NDArray[np.int64]
    marker_bits: NDArray[np.int16]
    latest: int  # the latest time so far in any record, overflows too
    lost: NDArray[np.int64] = NOTHING  # first and last tick of stretches in which the instrument lost events

    @property
    def photons(self) -> Room:
        """The photons alone."""
        return Room(self.stamp, self.channel, self.within)


class Room(NamedTuple):
    """Arrays that photons are decoded into, one after the other; `within` is empty where there is none."""

    stamp: NDArray[np.int64]
    channel: NDArray[np.int16]
    within: NDArray[np.int32]

    @classmethod
    def of(cls, size: int, synced: bool) -> Room:
        """Make room for so many photons; unused room takes no memory."""
        return cls(np.empty(size, np.int64), np.empty(size, np.int16), np.empty(size if synced else 0, np.int32))

    @classmethod
    def joined(cls, rooms: Sequence[Room]) -> Room:
        """Return the photons of several one after the other."""
        if len(rooms) == 1:
            return rooms[0]
        return cls(
            np.concatenate([room.stamp for room in rooms]),
            np.concatenate([room.channel for room in rooms]),
            np.concatenate([room.within for room in rooms]),
        )

    def part(self, first: int, last: int | None = None) -> Room:
        """Return the photons from one place to before another, without a copy."""
        chosen = slice(first, last)
        return Room(self.stamp[chosen], self.channel[chosen], self.within[chosen])


class EventFile(Protocol):
    """A file of an instrument."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def tick(self) -> float:
        """Length of a tick, or of the sync period, in seconds."""
        ...

    @property
    def fine(self) -> float | None:
        """Step of the time within the period in seconds, of synced data."""
        ...

    @property
    def header(self) -> dict[str, Any]:
        """What else is worth keeping, as plain values."""
        ...

    @property
    def room(self) -> int:
        """An upper bound of the photons in the file, if known beforehand; otherwise 0."""
        ...

    @property
    def truncated(self) -> bool:
        """Whether the file ends too early; certain only when its events were read."""
        ...

    def events(self, into: Room | None = None) -> Iterator[Events]:
        """Yield the events a chunk at a time; photons decoded `into` given room follow each other there."""
        ...

    def claimed(self, latest: int) -> float | None:
        """Return how long was measured, in seconds, if the file says; `latest` is that of the last events."""
        ...

    def watched(self) -> tuple[int, ...] | None:
        """Return the numbers of the channels that were recorded, if the file says; clicks or not."""
        ...

    def named(self, channel: int) -> str:
        """Return the name of a channel."""
        ...
