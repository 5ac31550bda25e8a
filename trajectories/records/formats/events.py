"""Events of a file of an instrument: photons and markers in chunks, in whole ticks."""

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
    latest: int  # the latest tick so far of any event, overflows included
    lost: NDArray[np.int64] = NOTHING  # first and last tick of intervals in which the instrument lost events

    @property
    def photons(self) -> Photons:
        """The photons without the markers."""
        return Photons(self.stamp, self.channel, self.within)


class Photons(NamedTuple):
    """Columns of photons in order; `within` is empty for data without a sync."""

    stamp: NDArray[np.int64]
    channel: NDArray[np.int16]
    within: NDArray[np.int32]

    @classmethod
    def of(cls, size: int, synced: bool) -> Photons:
        """Return uninitialised columns for `size` photons; pages that are never written take no memory."""
        return cls(np.empty(size, np.int64), np.empty(size, np.int16), np.empty(size if synced else 0, np.int32))

    @classmethod
    def joined(cls, parts: Sequence[Photons]) -> Photons:
        """Return the photons of all parts, in order."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            np.concatenate([part.stamp for part in parts]),
            np.concatenate([part.channel for part in parts]),
            np.concatenate([part.within for part in parts]),
        )

    def part(self, first: int, last: int | None = None) -> Photons:
        """Return photons `first` … `last` − 1, without a copy."""
        chosen = slice(first, last)
        return Photons(self.stamp[chosen], self.channel[chosen], self.within[chosen])


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
        """Step of the time within the period in seconds; None without a sync."""
        ...

    @property
    def header(self) -> dict[str, Any]:
        """Other entries of the file's header, as plain values."""
        ...

    @property
    def capacity(self) -> int:
        """Upper bound of the number of photons in the file; 0 if it is not known before reading."""
        ...

    @property
    def truncated(self) -> bool:
        """Whether the file ends too early; known only after its events were read."""
        ...

    @property
    def keeps_time(self) -> bool:
        """Whether events tell how long was observed without photons too, as overflows do."""
        ...

    def events(self, into: Photons | None = None) -> Iterator[Events]:
        """Yield the events a chunk at a time; `into` given columns, photons are decoded one after the other."""
        ...

    def claimed(self, latest: int) -> float | None:
        """Return the duration in seconds that the file states, or None; `latest` is that of its last events."""
        ...

    def watched(self) -> tuple[int, ...] | None:
        """Return the numbers of the recorded channels, with and without clicks; None if the file has no list."""
        ...

    def named(self, channel: int) -> str:
        """Return the name of a channel."""
        ...
