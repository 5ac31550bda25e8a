"""Time-tagged (TTTR) records of PicoQuant's instruments, in all their file formats, read in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import InvalidInput
from .events import Events, Photons

# Records decoded at a time: 4 MiB of a file.
CHUNK = 2**20
# The channel of sync events in T2 mode, as `decode` gives it.
SYNC = 63


class Layout(NamedTuple):
    """Layout of the 32 bits of a record."""

    family: int  # 0: HydraHarp and later, 1: PicoHarp 300
    t3: bool
    counted: bool  # overflow records hold a number of overflows
    wrap: int  # ticks, or sync pulses, from one overflow to the next


HYDRAHARP_1 = {False: Layout(0, False, False, 33552000), True: Layout(0, True, False, 1024)}
HYDRAHARP_2 = {False: Layout(0, False, True, 2**25), True: Layout(0, True, True, 1024)}
PICOHARP = {False: Layout(1, False, False, 210698240), True: Layout(1, True, False, 65536)}
# Record types of PTU files.
LAYOUTS = {
    0x00010303: PICOHARP[True],
    0x00010203: PICOHARP[False],
    0x00010304: HYDRAHARP_1[True],
    0x00010204: HYDRAHARP_1[False],
    0x01010304: HYDRAHARP_2[True],
    0x01010204: HYDRAHARP_2[False],
    0x00010305: HYDRAHARP_2[True],  # TimeHarp 260 N
    0x00010205: HYDRAHARP_2[False],
    0x00010306: HYDRAHARP_2[True],  # TimeHarp 260 P
    0x00010206: HYDRAHARP_2[False],
    0x00010307: HYDRAHARP_2[True],  # MultiHarp, PicoHarp 330
    0x00010207: HYDRAHARP_2[False],
}


@dataclass(frozen=True)
class Tagged:
    """A file of time-tagged records, described by its header.

    Attributes
    ----------
    path : pathlib.Path
        The file.
    offset : int
        Byte at which the records begin.
    records : int
        Number that the header states; 0 if it states none.
    layout : Layout
        Layout of a record.
    tick : float
        Length of a tick, or of the sync period in T3 mode, in seconds.
    fine : float or None
        Step of the time within the period, in seconds.
    acquisition : float or None
        Duration of the measurement in seconds.
    header : dict
        Other entries of the header, as plain values.
    """

    path: Path
    offset: int
    records: int
    layout: Layout
    tick: float
    fine: float | None
    acquisition: float | None
    header: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, value in (("tick", self.tick), ("resolution", self.fine)):
            if value is not None and not 0.0 < value < np.inf:
                remedy = "the sync rate may be missing" if self.layout.t3 else "the file is damaged"
                raise InvalidInput(f"{self.path} has a {what} of {value:g} s in its header; {remedy}")

    @property
    def available(self) -> int:
        """Number of complete records in the file, at most the number in its header."""
        there = max(self.path.stat().st_size - self.offset, 0) // 4
        return min(there, self.records) if self.records else there

    @property
    def truncated(self) -> bool:
        """Whether the file holds fewer records than its header states."""
        size = self.path.stat().st_size - self.offset
        return size < 4 * self.records or (not self.records and size % 4 != 0)

    @property
    def capacity(self) -> int:
        """Upper bound of the number of photons: the number of records."""
        return self.available

    @property
    def keeps_time(self) -> bool:
        """Whether events tell the time without photons: overflows do."""
        return True

    def claimed(self, latest: int) -> float | None:
        """Return the acquisition time of the header."""
        return self.acquisition

    def watched(self) -> None:
        """Return None: headers list the inputs of the instrument, not those in use."""

    def named(self, channel: int) -> str:
        """Return the name of a channel."""
        return "sync" if channel == SYNC else f"channel {channel}"

    def events(self, into: Photons | None = None) -> Iterator[Events]:
        """Yield the events of the file, a chunk at a time.

        Raises
        ------
        InvalidInput
            Invalid records: the file is damaged or of another kind.
        """
        from .tttr_kernels import decode

        state = np.zeros(3, dtype=np.int64)
        left, done, kept = self.available, 0, 0
        with self.path.open("rb") as stream:
            stream.seek(self.offset)
            while left > 0:
                words = np.fromfile(stream, dtype="<u4", count=min(CHUNK, left)).astype(np.uint32, copy=False)
                if not len(words):
                    break
                size = len(words)
                into_chunk = Photons.of(size, self.layout.t3) if into is None else into.part(kept)
                markers: Any = (np.empty(size, np.int64), np.empty(size, np.int16))
                photons, marks = decode(words, *self.layout, state, *into_chunk, *markers)
                if state[2]:
                    raise InvalidInput(
                        f"{self.path} has {state[2]} records among its first {done + size} that are neither "
                        "photon, marker nor overflow; it is damaged, or its header names another kind"
                    )
                left, done = left - size, done + size
                kept += photons
                found = into_chunk.part(0, photons)
                at, bits = (column[:marks] for column in markers)
                yield Events(*found, at, bits, int(state[1]))
