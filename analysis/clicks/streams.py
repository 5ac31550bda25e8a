"""ClickStream: clicks read block by block, so that runs larger than memory are analysed like records in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trajectories.checks import integer, shown
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord
from trajectories.records.formats import load
from trajectories.records.joining import OF_ONE_RUN, joined_provenance, require_joinable
from trajectories.records.run import Run
from trajectories.records.ticks import Clock
from trajectories.results import read_only
from trajectories.time_units import NATURAL, TimeUnit

# Bytes of clicks that a stream keeps in memory from one pass to the next, by default.
KEPT_BYTES = 2**28


class Blocks(Protocol):
    """An object that yields its clicks in blocks of whole trajectories, as often as asked: a `Run`."""

    def blocks(self) -> Iterator[ClickRecord]:
        """Yield the blocks in order."""
        ...


@dataclass(frozen=True, eq=False)
class ClickStream:
    """Clicks of independent trajectories in blocks of whole trajectories; make one with `stream`.

    It has the attributes of the `ClickRecord` of all blocks, except the clicks themselves, which are read block by
    block. In memory are the observation windows, one block, and the blocks that `stream` was allowed to keep.

    Attributes
    ----------
    channel_names : tuple of str
        Every channel that was watched.
    start, stop : ndarray of float64, shape (n_trajectories,)
        Observation window of each trajectory.
    provenance : dict
        Where the clicks come from, as far as all blocks share it.
    n_clicks : int
        Number of clicks.
    clock : Clock or None
        The clock whose ticks are the stamps of the clicks.
    unit : TimeUnit
        The unit of all times.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> clicks = tj.analysis.stream(record)
    >>> [len(block) for block in clicks.blocks()]
    [7]
    """

    channel_names: tuple[str, ...]
    start: NDArray[np.float64]
    stop: NDArray[np.float64]
    provenance: dict[str, Any]
    n_clicks: int
    _read: Callable[[], Iterable[ClickRecord]]
    clock: Clock | None = None
    unit: TimeUnit = NATURAL

    def __len__(self) -> int:
        return self.n_clicks

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories observed."""
        return len(self.start)

    @property
    def total_time(self) -> float:
        """Observed time summed over trajectories, Σ_r (stop_r − start_r)."""
        return float((self.stop - self.start).sum())

    @property
    def tick(self) -> float | None:
        """Length of a tick in `unit`; None for clicks that no clock stamped."""
        return None if self.clock is None else self.clock.tick

    def channel_number(self, name: str) -> int:
        """Return the position of a channel in `channel_names`; raise `InvalidInput` if there is none."""
        return ClickRecord.channel_number(self, name)  # type: ignore[arg-type]

    def blocks(self) -> Iterator[ClickRecord]:
        """Yield the blocks in order.

        Raises
        ------
        InvalidInput
            The blocks are not those of the first pass, as of a run that is still being computed.
        """
        trajectories, clicks = 0, 0
        for block in self._read():
            trajectories += block.n_trajectories
            clicks += len(block)
            if trajectories > self.n_trajectories:
                break
            yield block
        if (trajectories, clicks) != (self.n_trajectories, self.n_clicks):
            raise InvalidInput("the blocks of clicks changed while they were read; analyse them again")

    def through(self, change: Callable[[ClickRecord, int], ClickRecord]) -> ClickStream:
        """Return the stream of change(block, number of its first trajectory); observation windows stay."""

        def read() -> Iterator[ClickRecord]:
            first = 0
            for block in self.blocks():
                yield change(block, first)
                first += block.n_trajectories

        return _scanned(read, KEPT_BYTES)

    def __repr__(self) -> str:
        return (
            f"ClickStream({len(self)} clicks, {self.n_trajectories} trajectories, "
            f"channels={list(self.channel_names)}, total_time={self.total_time:g})"
        )


Clicks: TypeAlias = ClickRecord | ClickStream | Blocks | Sequence[ClickRecord] | str | os.PathLike[str]


def opened(record: Clicks) -> ClickRecord | ClickStream | Blocks | Sequence[ClickRecord]:
    """Return the run or the clicks at a path, and anything else as it is."""
    if not isinstance(record, str | os.PathLike):
        return record
    return Run.open(record) if Path(record).is_dir() else load(record)


def stream(record: Clicks, memory: int = KEPT_BYTES) -> ClickStream:
    """Return clicks as a stream of blocks, which every estimator takes instead of a record.

    Estimators do this by themselves. Doing it once before several of them saves a pass each: the windows and the
    counts are known, and as much as fits into `memory` is not read again.

    Parameters
    ----------
    record : ClickRecord, Run, ClickStream, sequence of ClickRecord, or path
        The clicks, or the run folder or file that holds them; records of a sequence follow each other as in
        `ClickRecord.concatenate`.
    memory : int
        Bytes of clicks to keep from one pass to the next, where all fit; else nothing is kept.

    Returns
    -------
    ClickStream

    Raises
    ------
    InvalidInput
        An object of another type, no clicks at all, records that `ClickRecord.concatenate` refuses, or a negative
        memory.
    RunFolderError
        No run at the path, or a damaged block of a run.

    Examples
    --------
    >>> import trajectories as tj
    >>> times = [1.0, 1.5, 4.0, 4.2, 7.0, 7.9, 50.0]
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 7, times, [0, 1, 0, 1, 1, 0, 0], channel_names=["a", "b"], start=0.0, stop=100.0
    ... )
    >>> clicks = tj.analysis.stream(record)
    >>> clicks.n_clicks, clicks.total_time
    (7, 100.0)
    """
    integer(memory, "memory", 0)
    given = opened(record)
    if isinstance(given, ClickStream):
        return given
    if isinstance(given, ClickRecord):
        whole = (given,)
        described = (given.channel_names, given.start, given.stop, given.provenance, len(given))
        return ClickStream(*described, lambda: whole, given.clock, given.unit)
    if isinstance(given, Sequence):
        parts = tuple(given)
        if all(isinstance(part, ClickRecord) for part in parts):
            require_joinable(parts)
            return replace(_scanned(lambda: iter(parts), 0), provenance=joined_provenance(parts))
    elif hasattr(given, "blocks"):
        return _scanned(given.blocks, memory)
    raise InvalidInput(
        f"record={shown(given)} must be a ClickRecord, a Run, their path, or a sequence of ClickRecords"
    )


def _scanned(read: Callable[[], Iterator[ClickRecord]], memory: int) -> ClickStream:
    """Read the blocks once for observation windows and counts, and keep them if they fit into memory."""
    kept: list[ClickRecord] = []
    start: list[NDArray[np.float64]] = []
    stop: list[NDArray[np.float64]] = []
    names: tuple[str, ...] = ()
    provenance: dict[str, Any] = {}
    clicks, size = 0, 0
    origins: list[NDArray[np.float64]] = []
    first: ClickRecord | None = None
    for block in read():
        if first is None:
            first, names, provenance = block, block.channel_names, block.provenance
        elif block.channel_names != names:
            raise InvalidInput(
                f"records watch different channels, {names} and {block.channel_names}; select the same ones first"
            )
        elif not block.same_time(first):
            raise InvalidInput(
                f"records count time differently, in {first.counted_in} and {block.counted_in}; load them with "
                "the same unit"
            )
        if block.clock is not None:
            origins.append(block.clock.origin)
        start.append(block.start)
        stop.append(block.stop)
        clicks += len(block)
        size += sum(column.nbytes for column in block.columns().values())
        kept.append(block)
        if size > memory:
            kept.clear()
    if first is None:
        raise InvalidInput("there is no block of clicks yet; give a run with a finished block, or a record")
    whole = tuple(kept)
    shared = {key: value for key, value in provenance.items() if key not in OF_ONE_RUN}
    windows = (read_only(np.concatenate(start)), read_only(np.concatenate(stop)))
    clock = first.clock and replace(first.clock, origin=np.concatenate(origins))
    return ClickStream(names, *windows, shared, clicks, (lambda: whole) if whole else read, clock, first.unit)
