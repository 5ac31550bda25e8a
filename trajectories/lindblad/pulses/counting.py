"""States resolved by counts, and their motion over constant stretches: power series in counting variables.

With z_i counting the clicks of channel i, ρ(z)′ = [L + Σ(z_i − 1)M_i]ρ(z), and the coefficient of z^n belongs to n
clicks. Either all counts are followed in one cascade, whose last state of a channel gathers all further clicks;
or constant stretches of small systems are passed by dense propagators. That of a short time is a Taylor series,
that of a long one comes by doubling; both are kept as the coefficients of z^n up to the counts that are asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...model.stretches import Stretch
from .motion import Part, TimedMotion

# Norm of the generator times the shortest step, and terms of its series.
SHORTEST, TERMS = 0.5, 14
# Largest N² of dense propagators, and of these times the number of counts.
LARGEST, LARGEST_IN_ALL = 1300, 6000
# Products of sparse matrices with states for a radian of a step, and how many operations of dense matrices take as
# long as one of sparse ones.
PRODUCTS, DENSE_PER_SPARSE = 6.7, 8.0

Counts = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Detected:
    """The detected map of a channel, ηJ + d: its parts, and d."""

    name: str
    efficiency: float
    dark_rate: float


class CountedMotion:
    """Carries ρ_n of some channels through time; all other clicks are not counted.

    n_i are below `size`; if `gathered`, the last one means that many clicks or more.
    """

    def __init__(
        self, motion: TimedMotion, channels: Sequence[Detected], size: int, gathered: bool = False
    ) -> None:
        self.motion, self.channels, self.gathered = motion, tuple(channels), gathered
        self.shape = (size,) * len(self.channels)
        self.counts: list[Counts] = list(product(*(range(size) for size in self.shape)))
        self.parts = self._parts()

    def _parts(self) -> list[Part]:
        """Return Σ(z_i − 1)M_i as couplings of the counts."""
        width, parts = len(self.counts), []
        for axis, channel in enumerate(self.channels):
            coupling = -np.eye(width)
            for n in self.counts:
                above = (*n[:axis], n[axis] + 1, *n[axis + 1 :])
                if above[axis] < self.shape[axis]:
                    coupling[self.counts.index(n), self.counts.index(above)] += 1.0
                elif self.gathered:
                    coupling[self.counts.index(n), self.counts.index(n)] += 1.0
            parts.append(self.motion.jump_part(channel.name, channel.efficiency * coupling))
            if channel.dark_rate:
                parts.append(Part(None, channel.dark_rate * coupling))
        return parts

    def over(self, rho: NDArray[np.float64], start: float, stop: float) -> NDArray[np.float64]:
        """Return Tr ρ_n at `stop` for every n, given ρ at `start`."""
        states = np.zeros((len(rho), len(self.counts)))
        states[:, 0] = rho
        size = len(rho)
        dense = not self.gathered and size <= LARGEST and size * len(self.counts) <= LARGEST_IN_ALL
        for shift, stretch in self.motion.pieces(start, stop):
            if dense and stretch.values is not None:
                states = self._constant(states, stretch)
                continue
            for _, after in self.motion.steps(states, shift + stretch.start, shift + stretch.stop, self.parts):
                states = after
        return np.asarray((self.motion.trace.row @ states).reshape(self.shape))

    def _constant(self, states: NDArray[np.float64], stretch: Stretch) -> NDArray[np.float64]:
        """Return the states behind a constant stretch, by the propagator's coefficients."""
        found = self._coefficients(stretch)
        after = np.zeros_like(states)
        for n, propagator in found.items():
            for column, m in enumerate(self.counts):
                total = tuple(a + b for a, b in zip(n, m, strict=True))
                if total in found:
                    after[:, self.counts.index(total)] += propagator @ states[:, column]
        return after

    def _coefficients(self, stretch: Stretch) -> dict[Counts, NDArray[np.float64]]:
        assert stretch.values is not None
        values, length = stretch.values + 0.0, stretch.stop - stretch.start
        parts = [(1.0 if p.term < 0 else float(values[p.term]), p) for p in self.motion.parts]
        matrices: list[Any] = [f * p.matrix for f, p in parts if p.matrix is not None]
        still = sum(matrices[1:], start=matrices[0])
        size = self.motion.trace.row.shape[0]
        identity = sparse.eye_array(size, format="csr")
        clicks = []
        for channel in self.channels:
            jump = self.motion.jump_part(channel.name, np.eye(1))
            matrix: Any = jump.matrix
            factor = 1.0 if jump.term < 0 else float(values[jump.term])
            clicks.append(sparse.csr_array(channel.efficiency * factor * matrix + channel.dark_rate * identity))
        quiet = sparse.csr_array(still - sum(clicks[1:], start=clicks[0]))
        norm = float(abs(quiet).sum(axis=1).max()) + sum(float(abs(c).sum(axis=1).max()) for c in clicks)
        doublings = max(0, int(np.ceil(np.log2(max(norm * length / SHORTEST, 1.0)))))
        step = length / 2.0**doublings
        zero = (0,) * len(self.channels)
        one = {n: (np.eye(size) if n == zero else np.zeros((size, size))) for n in self.counts}
        total, term = {n: m.copy() for n, m in one.items()}, one
        for k in range(1, TERMS + 1):
            following = {}
            for n in self.counts:
                image = quiet @ term[n]
                for axis, click in enumerate(clicks):
                    if n[axis] > 0:
                        image = image + click @ term[(*n[:axis], n[axis] - 1, *n[axis + 1 :])]
                following[n] = (step / k) * image
                total[n] += following[n]
            term = following
        for _ in range(doublings):
            total = self._squared(total)
        return total

    def _squared(self, found: dict[Counts, NDArray[np.float64]]) -> dict[Counts, NDArray[np.float64]]:
        squared = {n: np.zeros_like(matrix) for n, matrix in found.items()}
        for n, first in found.items():
            for m, second in found.items():
                total = tuple(a + b for a, b in zip(n, m, strict=True))
                if total in squared:
                    squared[total] += second @ first
        return squared


def joint_counts(
    motion: TimedMotion, rho: NDArray[np.float64], channels: Sequence[Detected], most: int, stop: float
) -> NDArray[np.float64]:
    """Return P(n_1, n_2, …) of the clicks from 0 to `stop`; the last entry along each axis is of `most` or more.

    With dense propagators the probability of "most or more" clicks of a channel is that of any number less those
    of fewer. This needs the counts of every subset of the channels; each subset is computed separately.
    """
    count = len(channels)
    if not _dense_pays(motion, count, most, stop):
        return CountedMotion(motion, channels, most + 1, gathered=True).over(rho, 0.0, stop)
    exclusive: dict[tuple[int, ...], NDArray[np.float64]] = {(): np.array(1.0)}
    for chosen in product((False, True), repeat=count):
        axes = tuple(axis for axis in range(count) if chosen[axis])
        if axes:
            exclusive[axes] = CountedMotion(motion, [channels[a] for a in axes], most).over(rho, 0.0, stop)
    found = np.zeros((most + 1,) * count)
    for n in np.ndindex(found.shape):
        many = [axis for axis in range(count) if n[axis] == most]
        for left_out in product((False, True), repeat=len(many)):
            counted = {axis for axis, out in zip(many, left_out, strict=True) if out}
            axes = tuple(axis for axis in range(count) if n[axis] < most or axis in counted)
            place = tuple(slice(None) if axis in counted else n[axis] for axis in axes)
            found[n] += (-1.0) ** len(counted) * float(np.sum(exclusive[axes][place]))
    return np.maximum(found, 0.0)  # differences may be rounding


def _dense_pays(motion: TimedMotion, channels: int, most: int, stop: float) -> bool:
    """Return whether constant stretches go faster by dense propagators of every subset of the channels."""
    size = len(motion.trace.row)
    if size > LARGEST or size * most**channels > LARGEST_IN_ALL:
        return False
    radians, distinct = 0.0, set()
    for _, stretch in motion.pieces(0.0, stop):
        if stretch.values is not None:
            length = stretch.stop - stretch.start
            radians += length * motion.radius(stretch)
            distinct.add((stretch.values.tobytes(), round(length, 9)))
    if not distinct:
        return False
    # Products of two series up to most − 1 of every channel, over all subsets; doublings of the mean stretch.
    pairs = (1.0 + most * (most + 1) / 2) ** channels
    doublings = np.log2(max(radians / len(distinct) / SHORTEST, 2.0)) + TERMS
    dense = len(distinct) * pairs * doublings * float(size) ** 3
    entries = sum(part.matrix.nnz for part in motion.parts if part.matrix is not None)
    stepped = radians * PRODUCTS * (most + 1) ** channels * entries
    return bool(dense < DENSE_PER_SPARSE * stepped)
