"""Photon-HDF5 files of other programs, read in chunks, for files larger than memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InvalidInput
from .events import Events, Photons
from .hdf5_values import column_of, found, opened, part_of, positive_of
from .photon_hdf5_foreign import OVERFLOW_MARK, acquired, duration_of, labels_of, spots_of

# Photons read at a time.
CHUNK = 2**20
MOST_DETECTORS = 256


class PhotonHdf5Events:
    """The photons of a file with one spot, in order of time.

    If time stamps do not count from 0, ticks count from the first photon, whose time stamp the header keeps as
    ``first_tick``.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    duration : float or None
        Observed time in seconds; the acquisition_duration of the file when None.

    Raises
    ------
    InvalidInput
        Several spots, too many detectors, or data that are no valid record.
    """

    truncated = False
    keeps_time = False

    def __init__(self, path: Path, duration: float | None = None) -> None:
        self.path = path
        self.header: dict[str, Any] = {"format": "Photon-HDF5"}
        with opened(path) as file:
            groups = spots_of(file)
            if len(groups) > 1:
                raise InvalidInput(f"{path} has {len(groups)} spots; use load, or store each in a file")
            self._group = groups[0]
            self.tick = positive_of(file, f"{self._group}/timestamps_specs/timestamps_unit")
            self.fine: float | None = None
            if found(file, f"{self._group}/nanotimes") is not None:
                self.fine = positive_of(file, f"{self._group}/nanotimes_specs/tcspc_unit")
            columns = self._columns(file)
            self.capacity = len(columns["timestamps"])
            self._labels = labels_of(file)
            claimed = duration_of(file, 1.0) if found(file, "acquisition_duration") is not None else None
            self._numbers = self._detectors(file, columns.get("detectors"))
            ends = (0, 0)
            if self.capacity:
                first, last = (part_of(file, columns["timestamps"], k, k + 1)[0] for k in (0, self.capacity - 1))
                ends = (int(first), int(last))
        self._first, self._claimed = acquired(path, ends, self.tick, claimed, 1.0, duration, [])
        if self._first:
            self.header["first_tick"] = self._first

    def events(self, into: Photons | None = None) -> Iterator[Events]:
        """Yield the photons a chunk at a time."""
        none = (np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int16))
        latest = 0
        place = {number: k for k, number in enumerate(self._numbers)}
        with opened(self.path) as file:
            columns = self._columns(file)
            for begin in range(0, self.capacity, CHUNK):
                bounds = (begin, min(begin + CHUNK, self.capacity))
                stamp = part_of(file, columns["timestamps"], *bounds) - self._first
                number = np.zeros(len(stamp), dtype=np.int64)
                if "detectors" in columns:
                    number = part_of(file, columns["detectors"], *bounds)
                within = np.zeros(0, dtype=np.int32)
                if "nanotimes" in columns:
                    within = np.clip(part_of(file, columns["nanotimes"], *bounds), 0, 2**31 - 1).astype(np.int32)
                distinct, inverse = np.unique(number, return_inverse=True)
                places = np.array([place.get(int(one), -1) for one in distinct], dtype=np.int16)
                channel = places[inverse]
                kept = channel >= 0
                latest = max(latest, int(stamp.max()))
                rest = within[kept] if len(within) else within
                yield Events(stamp[kept], channel[kept], rest, *none, latest)

    def claimed(self, latest: int) -> float | None:
        """Return the acquisition_duration in seconds."""
        return self._claimed

    def watched(self) -> tuple[int, ...]:
        """Return the positions of the detectors that are listed or have clicks."""
        return tuple(range(len(self._numbers)))

    def named(self, channel: int) -> str:
        """Return the name of a detector."""
        names = [self._labels.get(number) or f"detector {number}" for number in self._numbers]
        distinct = len(set(names)) == len(names)
        return names[channel] if distinct else f"{names[channel]} ({self._numbers[channel]})"

    def _columns(self, file: Any) -> dict[str, Any]:
        """Return the columns of the file, after checking that their lengths are equal."""
        wanted = ["timestamps", *(n for n in ("detectors", "nanotimes") if found(file, f"{self._group}/{n}"))]
        columns = {name: column_of(file, self._group, name) for name in wanted}
        lengths = {len(column) for column in columns.values()}
        if len(lengths) > 1:
            raise InvalidInput(
                f"{self.path}: {', '.join(wanted)} have unequal lengths {sorted(lengths)}; write the file again"
            )
        return columns

    def _detectors(self, file: Any, column: Any) -> list[int]:
        """Return the numbers of the detectors, without the one that converters write for overflows."""
        seen = set() if column is not None else {0}
        for begin in range(0, self.capacity if column is not None else 0, CHUNK):
            seen |= set(np.unique(part_of(file, column, begin, min(begin + CHUNK, self.capacity))).tolist())
        if OVERFLOW_MARK not in self._labels and len(seen) > 1:
            seen.discard(OVERFLOW_MARK)
        numbers = sorted(seen | set(self._labels)) or [0]
        if len(numbers) > MOST_DETECTORS:
            raise InvalidInput(f"{self.path} has more than {MOST_DETECTORS} detectors; use load")
        return [int(number) for number in numbers]
