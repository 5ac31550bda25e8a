"""Resampling units: whole trajectories, or long time blocks where there are too few of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories.records.clicks import ClickRecord
from trajectories.records.ticks import Clock
from trajectories.results import read_only

from ..clicks.streams import Clicks, ClickStream, stream
from .resampling_units_kernels import UnitColumns, cell_counts, overlap_integrals

# From this many trajectories on, the trajectories themselves are resampled.
MIN_TRAJECTORIES = 20
# More trajectories than this are put into groups of consecutive ones; the error of an error bar is then 4 %.
MAX_UNITS = 256
# A few long trajectories are cut into about this many blocks, and never into fewer than MIN_BLOCKS of them ...
TARGET_BLOCKS, MIN_BLOCKS = 100, 20
# ... unless correlations require longer ones; with fewer units than this no error bar is given.
MIN_UNITS = 10
# Blocks should be this many times longer than the correlations of the clicks and than the lags asked for; the
# later, smaller factors are tried only where the record is too short for the first.
LENGTH_FACTORS = (10.0, 5.0, 3.0)
# The record is counted in this many cells to see how long its correlations last.
CELLS = 4096


@dataclass(frozen=True, eq=False)
class ResamplingUnits:
    """How a record is divided into units that are resampled as wholes.

    Every sum that an estimator needs is additive over units: clicks, pairs and bundles belong to the unit of
    their (earlier) click, observed time to the unit in which it passes. There are at most a few
    hundred of them, chosen from the observation windows (and, where trajectories are few, from the clicks) of the
    whole record, so that sums over a record that is streamed block by block stay small and are those of the record
    in memory.

    Attributes
    ----------
    columns : UnitColumns
        Unit of every moment of every trajectory, as kernels read it.
    stop : ndarray of shape (n_trajectories,)
        End of every trajectory's observation window.
    count : int
        Number of units.
    reliable : bool
        Whether error bars can be estimated: at least 10 units, and blocks long enough.
    label : str
        For the `method` of results.
    clock : Clock or None
        The clock whose ticks are the stamps of the clicks.
    """

    columns: UnitColumns
    stop: NDArray[np.float64]
    count: int
    reliable: bool
    label: str
    clock: Clock | None = None

    @cached_property
    def stamped(self) -> UnitColumns:
        """The columns in units of the clicks' stamps, for kernels."""
        if self.clock is None:
            return self.columns
        start, length = self.clock.elapsed(self.columns.start), self.columns.length / self.clock.tick
        return self.columns._replace(start=read_only(start), length=read_only(length))

    def at(self, trajectory: NDArray[Any], time: NDArray[Any]) -> NDArray[np.int64]:
        """Return the unit of every (trajectory, time)."""
        columns = self.columns
        block = ((time - columns.start[trajectory]) / columns.length[trajectory]).astype(np.int64)
        return columns.first[trajectory] + np.minimum(block, columns.blocks[trajectory] - 1)

    def rows(self, first: int, last: int) -> ResamplingUnits:
        """Return the units of trajectories `first` … `last` − 1, numbered from 0."""
        if (first, last) == (0, len(self.stop)):
            return self
        columns, mine = self.columns, slice(first, last)
        here = UnitColumns(columns.start[mine], columns.length[mine], columns.first[mine], columns.blocks[mine])
        clock = None if self.clock is None else self.clock.rows(mine)
        return replace(self, columns=here, stop=self.stop[mine], clock=clock)

    def parts(self, record: ClickStream) -> Iterator[tuple[ClickRecord, ResamplingUnits]]:
        """Yield every block of a stream with the resampling units of its trajectories."""
        first = 0
        for block in record.blocks():
            last = first + block.n_trajectories
            yield block, self.rows(first, last)
            first = last

    def clicks(self, record: Clicks) -> NDArray[np.float64]:
        """Return the clicks of every unit and channel of the record, shape (count, n_channels)."""
        record = stream(record)
        counts = np.zeros((self.count, len(record.channel_names)), dtype=np.int64)
        for part, here in self.parts(record):
            cell_counts(part.stamp, part.channel, part.offsets, here.stamped, counts)
        return counts.astype(np.float64)

    def total(self, unit: NDArray[np.int64], weights: NDArray[Any]) -> NDArray[np.float64]:
        """Return Σ weights over the events of every unit, shape (count, 1)."""
        return np.bincount(unit, weights, minlength=self.count).astype(np.float64)[:, None]

    def time(self, margin: float = 0.0) -> NDArray[np.float64]:
        """Return the time in every unit at least `margin` from both ends of observation, shape (count, 1)."""
        unit, longest, shortest = self._spans(margin)
        return self.total(unit, longest - shortest)

    def overlap(self, edges: NDArray[np.float64], margin: float = 0.0) -> NDArray[np.float64]:
        """Return ∫_bin (time of starts whose lag τ ends inside the window) dτ, shape (count, n_bins).

        Summed over units this is Σ_r ∫_bin (T_r − 2·margin − |τ|)₊ dτ.
        """
        overlap = np.zeros((self.count, len(edges) - 1))
        unit, longest, shortest = self._spans(margin)
        overlap_integrals(longest, shortest, unit, edges, overlap)
        return overlap

    def time_before_end(self, margin: float) -> NDArray[np.float64]:
        """Return the time in every unit at least `margin` before the end of observation, shape (count, 1)."""
        unit, longest, shortest = self._spans(0.0)
        return self.total(unit, np.maximum(longest - margin, 0.0) - np.maximum(shortest - margin, 0.0))

    def double_overlap(self, edges1: NDArray[np.float64], edges2: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ∬_bins (time of starts whose lag τ₁ + τ₂ ends inside the window) dτ₁dτ₂, shape (count, n, m)."""
        unit, longest, shortest = self._spans(0.0)
        area = np.diff(edges1)[:, None] * np.diff(edges2)
        lag = edges1[:, None] + edges2[None, :]
        spans, where = np.unique(np.stack([unit, longest, shortest]), axis=1, return_counts=True)
        overlap = np.zeros((self.count, len(edges1) - 1, len(edges2) - 1))
        for (number, far, near), repeats in zip(spans.T, where, strict=True):
            whole = _double_ramp_integral(far, lag, area) - _double_ramp_integral(near, lag, area)
            overlap[int(number)] += repeats * whole
        return overlap

    def windows_of(self, duration: float) -> NDArray[np.int64]:
        """Return how many adjoining counting times fit into every trajectory, shape (n_trajectories,)."""
        # 1e-9 keeps a last window that rounding would lose.
        return ((self.stop - self.columns.start) / duration + 1e-9).astype(np.int64)

    def windows_per_unit(self, duration: float, windows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how many of these windows start in every unit, shape (count, 1)."""
        row, block = self._blocks()
        length = self.columns.length[row]
        before = np.minimum(np.ceil(block * length / duration), windows[row])
        after = np.minimum(np.ceil((block + 1) * length / duration), windows[row])
        after = np.where(block == self.columns.blocks[row] - 1, windows[row], after)
        return self.total(self.columns.first[row] + block, after - before)

    def _blocks(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the trajectory of every block and its place in it."""
        blocks = self.columns.blocks
        row = np.repeat(np.arange(len(blocks)), blocks)
        return row, np.arange(len(row)) - np.repeat(np.cumsum(blocks) - blocks, blocks)

    def _spans(self, margin: float) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the unit of every block, and how far before the end its first and last moment lie."""
        columns = self.columns
        row, block = self._blocks()
        # Times are counted from the start of the window: results do not depend on where on the axis of time it
        # lies.
        stop, length = (self.stop - columns.start)[row] - margin, columns.length[row]
        begin = np.maximum(block * length, margin)
        end = np.maximum((block + 1) * length, margin)
        # The last block ends where the observation window does, whatever the rounding of block · length.
        end = np.where(block == columns.blocks[row] - 1, stop, end)
        return columns.first[row] + block, np.maximum(stop - begin, 0.0), np.maximum(stop - end, 0.0)


def _double_ramp_integral(
    reach: float, lag: NDArray[np.float64], area: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return ∬ (reach − τ)₊ over cells with `lag` at their corners, of shape (n + 1, m + 1), and areas (n, m).

    (reach − τ)₊³/6 is a double primitive, whose digits cancel where the reach is long beside a cell. So it is used
    only for cells that the reach divides; in a cell within reach the ramp is linear.
    """
    nearest, farthest = lag[:-1, :-1], lag[1:, 1:]
    divided = np.diff(np.diff(np.maximum(reach - lag, 0.0) ** 3 / 6.0, axis=0), axis=1)
    within = area * (reach - 0.5 * (nearest + farthest))
    return np.where(farthest <= reach, within, np.where(nearest < reach, divided, 0.0))


def add_up(
    table: NDArray[np.float64],
    unit: NDArray[np.int64],
    kind: NDArray[np.int64] | int = 0,
    weights: NDArray[Any] | float = 1.0,
) -> None:
    """Add the weight of every event to table[unit, kind].

    Events are added one after another, so that no digit depends on how a record is divided into blocks.
    """
    np.add.at(table.reshape(-1), unit * table.shape[1] + kind, weights)


def widened(table: NDArray[np.float64], kinds: int) -> NDArray[np.float64]:
    """Return a table with room for at least that many kinds, the new ones empty."""
    return np.pad(table, ((0, 0), (0, max(kinds - table.shape[1], 0))))


def choose_resampling_units(record: Clicks, reach: float = 0.0, multiple: int = 1) -> ResamplingUnits:
    """Choose what is resampled: trajectories, or time blocks whose length the data decide.

    With at least 20 trajectories these are the units (consecutive ones are grouped beyond 256). With fewer,
    every trajectory is cut into blocks of at least max(T/100, 10 L*, 10 `reach`), where T is the total time
    and L* the shortest length at which the Fano factor of every channel agrees, within three standard errors,
    with that of every longer block (blocking: Flyvbjerg and Petersen, J. Chem. Phys. 91, 461 (1989)). Where
    that leaves fewer than 20 units, the factor 10 is lowered to 5, then 3.

    Parameters
    ----------
    record : ClickRecord, Run or ClickStream
        The clicks; they are read only where trajectories are few.
    reach : float
        Longest lag or window of the estimator, in 1/ω_b.
    multiple : int
        Where trajectories are cut, each gets a multiple of this many blocks.

    Returns
    -------
    ResamplingUnits
    """
    record = stream(record)
    duration = record.stop - record.start
    if record.n_trajectories >= MIN_TRAJECTORIES:
        return _groups(record, duration)
    total = float(duration.sum())
    needed = max(correlated_length(record), reach)
    for factor in LENGTH_FACTORS:
        # The ten-thousandth more keeps a block that rounding would lose.
        blocks = duration / max(total / TARGET_BLOCKS, factor * needed) + 1e-4
        whole = np.maximum(blocks, 1.0).astype(np.int64)
        if whole.sum() >= MIN_BLOCKS:
            break
    return _cut(record, duration, -(-whole // multiple) * multiple)


def correlated_length(record: Clicks) -> float:
    """Return the block length L* beyond which the Fano factor of no channel changes any more, in 1/ω_b."""
    record = stream(record)
    duration = record.stop - record.start
    cell = float(duration.sum()) / CELLS
    cells = np.maximum((duration / cell).astype(np.int64), 1)
    units = _cut(record, duration, cells)
    parts = np.split(units.clicks(record), np.cumsum(cells)[:-1])
    root, error = [], []
    while True:
        pooled = np.concatenate(parts)
        if len(pooled) < MIN_BLOCKS:
            break
        with np.errstate(divide="ignore", invalid="ignore"):
            # The cube root of a variance is nearly normal (Wilson and Hilferty).
            root.append(np.cbrt(pooled.var(axis=0, ddof=1) / pooled.mean(axis=0)))
        error.append(np.sqrt(2.0 / 9.0 / (len(pooled) - 1)))
        even = [part[: len(part) // 2 * 2] for part in parts]
        parts = [part.reshape(-1, 2, part.shape[1]).sum(axis=1) for part in even]
    level = 0
    for low in range(len(root)):
        # A channel without clicks has Fano factor NaN and restricts nothing.
        longer = range(low + 1, len(root))
        if any((np.abs(root[high] - root[low]) > 3.0 * error[high] * root[low]).any() for high in longer):
            level = low + 1
    return cell * 2.0**level


def _groups(record: ClickStream, duration: NDArray[np.float64]) -> ResamplingUnits:
    count = record.n_trajectories
    group = np.arange(count, dtype=np.int64)
    label = f"{count} trajectories"
    if count > MAX_UNITS:
        middle = np.cumsum(duration) - 0.5 * duration
        slot = (middle / duration.sum() * MAX_UNITS).astype(np.int64)
        group = np.unique(slot, return_inverse=True)[1].astype(np.int64)
        label = f"{int(group[-1]) + 1} groups of {count} trajectories"
    columns = UnitColumns(record.start, read_only(duration), read_only(group), read_only(np.ones_like(group)))
    units = int(group[-1]) + 1
    return ResamplingUnits(columns, record.stop, units, units >= MIN_UNITS, label, record.clock)


def _cut(record: ClickStream, duration: NDArray[np.float64], blocks: NDArray[np.int64]) -> ResamplingUnits:
    length = duration / blocks
    first = np.cumsum(blocks) - blocks
    columns = UnitColumns(record.start, read_only(length), read_only(first), read_only(blocks))
    count = int(blocks.sum())
    label = f"{count} blocks of {length.mean():.3g}"
    return ResamplingUnits(columns, record.stop, count, count >= MIN_UNITS, label, record.clock)
