"""Observation windows of trajectories that follow one another on the ticks of a file, in compressed form."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInput
from ..clicks import ClickRecord


@dataclass(frozen=True)
class Windows:
    """Observation windows of the trajectories of a file; arrays of shape (n_trajectories,).

    Attributes
    ----------
    slot : ndarray of int64
        Tick of the file at which each trajectory starts.
    base : ndarray of int64
        Tick at which it starts on the clock of the trajectory.
    start, stop, origin : ndarray of float64
        Start and stop of its observation window, and the time of its tick 0.
    """

    slot: NDArray[np.int64]
    base: NDArray[np.int64]
    start: NDArray[np.float64]
    stop: NDArray[np.float64]
    origin: NDArray[np.float64]

    def record(self, stamp: NDArray[np.int64], channel: NDArray[Any], **described: Any) -> ClickRecord:
        """Return the record of clicks with these ticks of the file."""
        row = np.searchsorted(self.slot, stamp, side="right") - 1
        if len(row) and row[0] < 0:
            raise InvalidInput(
                "a click comes before the first observation window: the file is damaged; export it again"
            )
        own = stamp - self.slot[row] + self.base[row]
        windows: dict[str, Any] = {"start": self.start, "stop": self.stop, "origin": self.origin}
        return ClickRecord.from_arrays(row, own, channel, **windows, **described)

    def between(self, begin: int, end: int | None, tick: float) -> Windows:
        """Return the part from tick `begin` to before `end` of the file, or to its end."""
        first = int(np.searchsorted(self.slot, begin, side="right")) - 1
        last = len(self.slot) if end is None else int(np.searchsorted(self.slot, end))
        chosen = slice(first, last)
        slot, base, origin = self.slot[chosen], self.base[chosen], self.origin[chosen]
        start, stop = self.start[chosen].copy(), self.stop[chosen].copy()

        def time(at: int, row: int) -> float:
            return float((at - slot[row] + base[row]) * tick + origin[row])

        if begin > slot[0]:
            start[0] = max(start[0], time(begin, 0))
        if end is not None and (last == len(self.slot) or end < self.slot[last]):
            stop[-1] = min(stop[-1], time(end, -1))
        return Windows(slot, base, start, stop, origin)


def first_ticks(record: ClickRecord) -> NDArray[np.int64]:
    """Return the tick of its own clock at which each trajectory starts; 0 without a clock."""
    if record.clock is None:
        return np.zeros(record.n_trajectories, dtype=np.int64)
    return np.floor(record.start_stamp).astype(np.int64)


def packed_windows(pieces: Iterable[ClickRecord]) -> list[list[float]]:
    """Return [trajectories, start, stop, origin, first tick] for every sequence of equal observation windows."""
    runs: list[list[float]] = []
    for piece in pieces:
        origin = piece.start if piece.clock is None else piece.clock.origin
        base = first_ticks(piece)
        table = np.column_stack([piece.start, piece.stop, origin])
        new = np.flatnonzero((table[1:] != table[:-1]).any(axis=1) | (base[1:] != base[:-1])) + 1
        for first, last in zip([0, *new.tolist()], [*new.tolist(), len(base)], strict=True):
            entry = [*table[first].tolist(), int(base[first])]
            if runs and runs[-1][1:] == entry:
                runs[-1][0] += last - first
            else:
                runs.append([last - first, *entry])
    return runs


def unpacked_windows(runs: Any, slot: NDArray[np.int64], path: Path) -> Windows:
    """Return the observation windows of a file; `slot` holds the ticks at which they start.

    Raises
    ------
    InvalidInput
        The number of windows differs from that of `slot`, or `slot` is not ascending.
    """
    try:
        numbers = [int(run[0]) for run in runs]
        if min(numbers, default=0) < 1 or sum(numbers) != len(slot):
            raise ValueError(f"{sum(numbers)} windows for {len(slot)} trajectories")
        columns = [np.repeat(np.array([run[k] for run in runs], dtype=np.float64), numbers) for k in (1, 2, 3)]
        base = np.repeat(np.array([run[4] for run in runs], dtype=np.int64), numbers)
        if (np.diff(slot) <= 0).any():
            raise ValueError("windows out of order")
    except (ValueError, TypeError, IndexError) as error:
        raise InvalidInput(f"{path} is damaged ({error}); export it again") from error
    return Windows(slot, base, *columns)
