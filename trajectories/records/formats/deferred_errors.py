"""A file for HDF5 that keeps the errors of the disk until HDF5 has closed it.

HDF5 1.14 ends the process with a segmentation fault if a dataset cannot be flushed, as on a full disk. So `write`
never fails: bytes that the disk refuses stay in memory, and the caller asks `check` for the error between pieces
and after closing.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any


class DeferredErrorFile(io.RawIOBase):
    """A new file for reading and writing at any position, whose errors `check` raises.

    Parameters
    ----------
    path : pathlib.Path
        An existing file, which is emptied.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_TRUNC)
        self._place = self._size = 0
        self._error: OSError | None = None
        self._refused: list[tuple[int, bytes]] = []

    def check(self) -> None:
        """Raise the first error of the disk, if there was one."""
        if self._error is not None:
            raise self._error

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position."""
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def tell(self) -> int:
        """Return the position."""
        return self._place

    def write(self, content: Any) -> int:
        """Write to the disk; keep in memory what it refuses."""
        view = memoryview(content).cast("B")
        place, left = self._place, view
        try:
            while left and self._error is None:
                written = os.pwrite(self._descriptor, left, place)
                place, left = place + written, left[written:]
        except OSError as error:
            self._error = error
        if left:
            self._refused.append((place, bytes(left)))
        self._place += len(view)
        self._size = max(self._size, self._place)
        return len(view)

    def readinto(self, buffer: Any) -> int:
        """Read what was written, from the disk or from memory."""
        view = memoryview(buffer).cast("B")
        count = max(0, min(len(view), self._size - self._place))
        there = os.pread(self._descriptor, count, self._place)
        view[:count] = there.ljust(count, b"\0")
        for place, kept in self._refused:
            first, last = max(place, self._place), min(place + len(kept), self._place + count)
            if first < last:
                view[first - self._place : last - self._place] = kept[first - place : last - place]
        self._place += count
        return count

    def truncate(self, size: int | None = None) -> int:
        """Set the size."""
        self._size = self._place if size is None else size
        try:
            if self._error is None:
                os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            self._error = error
        return self._size

    def flush(self) -> None:
        """Do nothing: nothing is buffered here."""

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def writable(self) -> bool:
        """Whether it can be written."""
        return True

    def seekable(self) -> bool:
        """Whether a position can be set."""
        return True

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            os.close(self._descriptor)
        super().close()
