"""Propagators of systems that depend on time: compiles stretches, steps, eigenmodes and the tree."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...errors import ConvergenceError, InvalidInput
from ...model.stretches import Steps, Stretch, polynomial_steps, stretches
from ...model.system import OpenSystem
from ..jump_kernels import Jumps
from ..modes.eigenbasis import eigenbasis
from ..operators import stack_operators
from ..propagator import Propagator, TrajectoryState, bracket_width, check_tolerance
from ..sparse.sparse_action import spectrum_bounds
from ..trajectory_state import new_fields
from .place_kernels import N_PLACE, PulseWorkspace
from .pulse_kernels import advance, start_watch
from .taylor_kernels import (
    BLOCK_ERROR,
    BRACKET,
    COLUMNS,
    LARGEST_DECAY,
    MODES_ERROR,
    MOST_TERMS,
    N_SCALARS,
    PERIOD,
    STEP_ERROR,
    TimedArrays,
    columns_of_leaf,
)

# Length of a step times the spectral radius: the first for tolerances above FINE, the second below. A series loses
# digits in proportion to e^radians.
RADIANS, FINE_RADIANS, FINE = 8.0, 4.0, 1e-11
# Rounding of a state in one step, in one step of a propagator in the tree, and by one passage through eigenmodes
# times their condition; measured, with a factor of two.
ROUNDING_OF_STEP, ROUNDING_IN_TREE, ROUNDING_OF_MODES = 6e-16, 2e-16, 2e-14
# Seed of the random states with which errors of propagators are measured.
PROBES = 20261126
# Largest size of a tree in bytes, and largest number of rungs of a ladder.
TREE_BYTES, MOST_RUNGS = 1.3e8, 24
# A ladder ends where the norm² of every state is below this.
NOTHING_LEFT = 1e-8
# Largest dimension whose constant stretches are diagonalised, and whose propagators are kept in a tree.
LARGEST_DIAGONALISED, LARGEST_TREE = 1000, 512
# Building a tree: measured seconds for an entry of a stacked operator, per column and term of a series; terms of a
# series; and seconds above which propagator="auto" builds no tree.
ENTRY, TERMS, LONGEST_BUILD = 6e-10, 60.0, 60.0


@dataclass(frozen=True)
class Leaf:
    """A leaf while it is made: a constant stretch by its eigenmodes, or some of the steps of a stretch."""

    start: float
    stop: float
    modes: int
    steps: int


class TimedPropagator(Propagator):
    """Taylor steps where envelopes change, eigenmodes where they do not; see `TreePropagator`."""

    name = "steps"
    Arrays = TimedArrays
    with_tree: ClassVar[bool] = False

    def __init__(self, arrays: TimedArrays) -> None:
        contiguous: list[Any] = [np.ascontiguousarray(array) for array in arrays]
        self.arrays = TimedArrays(*contiguous)

    @classmethod
    def compile(cls, system: OpenSystem, tolerance: float, horizon: float | None = None) -> TimedPropagator:
        """Prepare the propagator of a system that depends on time.

        Parameters
        ----------
        system : OpenSystem
            The system.
        tolerance : float
            Bound of |ΔS|/S, the relative error of the no-click probability.
        horizon : float, optional
            How far trajectories are followed; needed where there is no period.

        Raises
        ------
        InvalidInput
            A tolerance out of range, a system that does not depend on time, or an envelope that is not finite.
        ConvergenceError
            A dimension too large for a tree.
        """
        check_tolerance(tolerance)
        if not system.depends_on_time:
            raise InvalidInput(f"propagator={cls.name!r} is for systems that depend on time; use 'auto'")
        if system.period is None and horizon is None:
            raise InvalidInput("a system that depends on time without a period needs a horizon")
        return cls(_Builder(system, tolerance, horizon or np.inf).arrays(cls.with_tree))

    def start(self, ket: NDArray[np.complex128], n_channels: int) -> TrajectoryState:
        """Return the state of a trajectory that begins in `ket`, of norm 1, at t = 0."""
        size, terms = len(ket), self.arrays.coefficients.shape[1:]
        work = PulseWorkspace(
            psi=np.array(ket, np.complex128),
            trial=np.zeros(size, np.complex128),
            watched=np.zeros(size, np.complex128),
            parts=np.zeros((2, size)),
            series=np.zeros((MOST_TERMS, size), np.complex128),
            mixed=np.zeros(size, np.complex128),
            modes=np.zeros(size, np.complex128),
            local=np.zeros(terms),
            rates=np.zeros(n_channels),
            place=np.zeros(N_PLACE, np.int64),
            offset=np.zeros(1),
            watch_place=np.zeros(N_PLACE, np.int64),
            watch_offset=np.zeros(1),
        )
        start_watch(work)
        fields = new_fields()
        fields.threshold, fields.survival = -1.0, 1.0
        return TrajectoryState(fields, work)

    def advance(
        self,
        jumps: Jumps,
        stop: float,
        state: TrajectoryState,
        uniforms: NDArray[np.float64],
        sampling: tuple[Jumps, NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]],
        clicks: tuple[NDArray[np.float64], NDArray[np.int16]],
    ) -> int:
        """Follow a trajectory until it ends or a buffer must be drained; see `pulse_kernels.advance`."""
        observables, sample_times, sampled, kets = sampling
        return advance(  # type: ignore[no-any-return]
            self.arrays,
            jumps,
            stop,
            uniforms,
            observables,
            sample_times,
            state.fields,
            state.work,
            *clicks,
            sampled,
            kets,
        )


class TreePropagator(TimedPropagator):
    """Propagators of dyadic blocks of leaves, up to the whole period and 2, 4, 8, … periods, kept as matrices.

    A block without a click is one product; a click is found by halving. Memory: about 32 N² bytes a leaf, bounded
    by the number of leaves.
    """

    name = "tree"
    with_tree = True


class _Builder:
    """Puts the arrays of one system together."""

    def __init__(self, system: OpenSystem, tolerance: float, horizon: float) -> None:
        self.system, self.tolerance, self.horizon = system, tolerance, horizon
        terms = [term.operator for term in system.terms]
        constant = system.constant_part
        low, high = spectrum_bounds(_hermitian(constant))
        centred = constant - 0.5 * (low + high) * sparse.eye_array(system.dimension, format="csr")
        self.operators = [sparse.csr_array(centred), *terms]
        self.modes: list[tuple[NDArray[Any], ...]] = []
        self.mode_of: dict[bytes, int] = {}
        self.condition = 1.0
        radians = RADIANS if tolerance >= FINE else FINE_RADIANS
        self.radians = radians
        self.widths = [_radius(operator) for operator in terms]

    def arrays(self, with_tree: bool) -> TimedArrays:
        """Return everything, with the tree if there is to be one."""
        system, pieces, leaves = self.system, [], []
        size = system.dimension
        if with_tree and size > LARGEST_TREE:
            raise ConvergenceError(f"N={size} exceeds {LARGEST_TREE}, the most whose propagators are kept")
        found = stretches(system, self.horizon)
        smooth = [(s, self._steps(s)) for s in found]
        total = sum(len(steps.starts) - 1 for (s, steps) in smooth if self._number(s) < 0)
        bytes_of_node = 16.0 * size**2
        most_leaves = max(8, int(TREE_BYTES / (2.0 * bytes_of_node)) - len(found))
        together = max(1, -(-total // most_leaves)) if with_tree else 1
        for stretch, steps in smooth:
            number = self._number(stretch)
            count = len(steps.starts) - 1
            if number >= 0:
                leaves.append(Leaf(stretch.start, stretch.stop, number, 1))
                pieces.append(Steps(steps.starts[[0, -1]], steps.coefficients[:1]))
                continue
            for first in range(0, count, together):
                last = min(first + together, count)
                leaves.append(Leaf(float(steps.starts[first]), float(steps.starts[last]), -1, last - first))
            pieces.append(steps)
        arrays = self._tables(pieces, leaves)
        if not with_tree:
            return arrays
        finite = [leaf for leaf in leaves if np.isfinite(leaf.stop)]
        return self._with_tree(arrays, finite)

    def _number(self, stretch: Stretch) -> int:
        """Return which eigenmodes a constant stretch has; −1 where it is followed in steps."""
        if stretch.values is None:
            return -1
        key = (stretch.values + 0.0).tobytes()
        if key not in self.mode_of:
            self.mode_of[key] = -1
            if self.system.dimension <= LARGEST_DIAGONALISED:
                try:
                    basis = eigenbasis(self.system.at(stretch.middle), self.tolerance)
                except ConvergenceError:
                    return -1
                self.mode_of[key] = len(self.modes)
                self.modes.append((basis.energy, basis.decay, basis.vectors, basis.inverse))
                norms = np.linalg.norm(basis.vectors, 2) * np.linalg.norm(basis.inverse, 2)
                self.condition = max(self.condition, float(norms))
        return self.mode_of[key]

    def _steps(self, stretch: Stretch) -> Steps:
        """Return the steps of a stretch; of a constant one in its eigenmodes a single one, for its values."""
        if self._number(stretch) >= 0:
            assert stretch.values is not None
            return Steps(np.array([stretch.start, stretch.stop]), stretch.values[None, :, None].copy())
        stop = (
            min(stretch.stop, max(self.horizon, stretch.start + 1.0))
            if self.system.period is None
            else stretch.stop
        )
        ends = np.linspace(stretch.start, stop, 65)
        values = np.array([term.values(ends) for term in self.system.terms])
        middle = 0.5 * (values.max(axis=1) + values.min(axis=1))
        half = 0.5 * np.ptp(values, axis=1)
        whole = self.operators[0] + sum(
            (m * operator for m, operator in zip(middle, self.operators[1:], strict=True)), 0.0 * self.operators[0]
        )
        radius = _radius(sparse.csr_array(whole)) + float(half @ np.array(self.widths))
        longest = self.radians / radius if radius > 0.0 else stop - stretch.start
        return polynomial_steps(self.system, stretch, stop, longest)

    def _tables(self, pieces: list[Steps], leaves: list[Leaf]) -> TimedArrays:
        system, size = self.system, self.system.dimension
        stacked = stack_operators([sparse.csr_array(o) for o in self.operators], size)
        degree = max(piece.coefficients.shape[2] for piece in pieces)
        coefficients = np.concatenate(
            [np.pad(p.coefficients, ((0, 0), (0, 0), (0, degree - p.coefficients.shape[2]))) for p in pieces]
        )
        n_drives = len(system.terms) - sum(c.amplitude is not None for c in system.channels)
        amplitude, seen = np.full(len(system.channels), -1, np.int64), n_drives
        for k, channel in enumerate(system.channels):
            if channel.amplitude is not None:
                amplitude[k], seen = seen, seen + 1
        modes = self.modes
        scalars = np.zeros(N_SCALARS)
        scalars[PERIOD] = system.period or np.inf
        largest = max(float(np.abs(p.starts[np.isfinite(p.starts)]).max()) for p in pieces)
        radius = max(_radius(self.operators[0]), 1e-300)
        scalars[BRACKET] = max(bracket_width(radius), 4.0 * np.spacing(largest))
        scalars[LARGEST_DECAY] = self._largest_decay(coefficients)
        scalars[STEP_ERROR] = ROUNDING_OF_STEP * self.radians / RADIANS
        scalars[MODES_ERROR] = ROUNDING_OF_MODES * self.condition
        return TimedArrays(
            stacked.indptr,
            stacked.indices,
            stacked.data,
            starts=np.concatenate([*(p.starts[:-1] for p in pieces), pieces[-1].starts[-1:]]),
            coefficients=coefficients,
            leaf_step=np.cumsum([0, *(leaf.steps for leaf in leaves)]),
            leaf_start=np.array([*(leaf.start for leaf in leaves), leaves[-1].stop]),
            leaf_modes=np.array([leaf.modes for leaf in leaves]),
            amplitude=amplitude,
            energy=np.array([m[0] for m in modes]).reshape(len(modes), -1 if modes else size),
            decay=np.array([m[1] for m in modes]).reshape(len(modes), -1 if modes else size),
            vectors=np.array([_columns(m[2]) for m in modes]).reshape(len(modes), size, 2, size),
            inverse=np.array([_columns(m[3]) for m in modes]).reshape(len(modes), size, 2, size),
            tree=np.zeros((0, size, 2, size)),
            level_node=np.zeros(1, np.int64),
            ladder=np.zeros((0, size, 2, size)),
            rungs=np.zeros((0, 2)),
            scalars=scalars,
        )

    def _largest_decay(self, coefficients: NDArray[np.float64]) -> float:
        """Return a bound of the click rate of any state at any time."""
        total, seen = 0.0, coefficients.shape[1] - sum(c.amplitude is not None for c in self.system.channels)
        for channel in self.system.channels:
            rate = spectrum_bounds(sparse.csr_array(channel.operator.conj().T @ channel.operator))[1]
            if channel.amplitude is not None:
                rate *= float(np.abs(coefficients[:, seen]).sum(axis=1).max())
                seen += 1
            total += rate
        return total

    def _with_tree(self, arrays: TimedArrays, leaves: list[Leaf]) -> TimedArrays:
        """Return the arrays with the propagators of all blocks."""
        if not leaves:
            return arrays
        size = self.system.dimension
        level = [self._leaf_matrix(arrays, i, leaf) for i, leaf in enumerate(leaves)]
        nodes, first = [], [0]
        while True:
            nodes += level
            first.append(len(nodes))
            if len(level) == 1:
                break
            level = [level[i + 1] @ level[i] if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]
        ladder = [nodes[-1]]
        if self.system.period is None:
            ladder = []
        while ladder and len(ladder) < MOST_RUNGS and np.linalg.norm(ladder[-1], 2) > NOTHING_LEFT:
            ladder.append(ladder[-1] @ ladder[-1])
        scalars = arrays.scalars.copy()
        scalars[BLOCK_ERROR] = ROUNDING_IN_TREE
        return arrays._replace(
            rungs=self._rungs(arrays, leaves, ladder),
            scalars=scalars,
            tree=np.array([_columns(node) for node in nodes]),
            level_node=np.array(first),
            ladder=np.array([_columns(rung) for rung in ladder]).reshape(len(ladder), size, 2, size),
        )

    def _rungs(
        self, arrays: TimedArrays, leaves: list[Leaf], ladder: list[NDArray[np.complex128]]
    ) -> NDArray[np.float64]:
        """Return the norm of every rung, and the largest error of a state of norm 1 that passes it.

        Random states are carried through the period step by step, through a constant stretch in thirds, and apart
        from that by the propagator of the whole. With components of variance 1 their mean squared distance is the
        squared Frobenius norm of the propagator's error, which bounds its norm, and as much again by the steps. A
        rung adds the error of its product, measured in the same way, and that of its square root twice, once
        shrunk: U'U' − UU = (U' − U)U' + U(U' − U).
        """
        if not ladder:
            return np.zeros((0, 2))
        random = np.random.default_rng(PROBES)
        size = self.system.dimension
        probes = random.normal(size=(size, COLUMNS, 2)) @ np.array([1.0, 1.0j]) / np.sqrt(2.0)
        carried = probes
        for number, leaf in enumerate(leaves):
            if leaf.modes >= 0:
                third = (leaf.stop - leaf.start) / 3.0
                for length in (third, third, leaf.stop - leaf.start - 2.0 * third):
                    carried = self._modal_matrix(leaf.modes, length) @ carried
            else:
                carried = self._carried(arrays, number, carried)
        # What both have in common: coefficients of steps that are rounded, each on its own.
        steps = int(arrays.leaf_step[-1] - arrays.leaf_step[0])
        error = _distance(ladder[0] @ probes, carried) + ROUNDING_OF_STEP * np.sqrt(steps)
        rungs = [(float(np.linalg.norm(ladder[0], 2)), error)]
        for root, rung in pairwise(ladder):
            norm, before = rungs[-1]
            made = _distance(rung @ probes, root @ (root @ probes))
            rungs.append((float(np.linalg.norm(rung, 2)), 2.0 * min(norm, 1.0) * before + made))
        return np.array(rungs)

    def _modal_matrix(self, number: int, length: float) -> NDArray[np.complex128]:
        """Return the propagator of a constant stretch."""
        energy, decay, vectors, inverse = self.modes[number]
        return np.asarray((vectors * np.exp(-(decay + 1j * energy) * length)) @ inverse)

    def _carried(self, arrays: TimedArrays, number: int, states: NDArray[np.complex128]) -> NDArray[np.complex128]:
        """Return COLUMNS states behind a leaf of steps."""
        size = self.system.dimension
        columns = np.ascontiguousarray(np.stack([states.real, states.imag], axis=1))
        series = np.zeros((MOST_TERMS, size, 2, COLUMNS))
        local, mixed = np.zeros(arrays.coefficients.shape[1:]), np.zeros((size, 2, COLUMNS))
        first, last = int(arrays.leaf_step[number]), int(arrays.leaf_step[number + 1])
        if not columns_of_leaf(arrays, first, last, columns, series, local, mixed):
            raise ConvergenceError("a Taylor series of the no-click propagator does not converge")
        return np.asarray(columns[:, 0] + 1j * columns[:, 1])

    def _leaf_matrix(self, arrays: TimedArrays, number: int, leaf: Leaf) -> NDArray[np.complex128]:
        size = self.system.dimension
        if leaf.modes >= 0:
            return self._modal_matrix(leaf.modes, leaf.stop - leaf.start)
        whole = np.zeros((size, size), np.complex128)
        for column in range(0, size, COLUMNS):
            width = min(COLUMNS, size - column)
            states = np.zeros((size, COLUMNS), np.complex128)
            states[column + np.arange(width), np.arange(width)] = 1.0
            whole[:, column : column + width] = self._carried(arrays, number, states)[:, :width]
        return whole


def _distance(mine: NDArray[np.complex128], other: NDArray[np.complex128]) -> float:
    """Return the root mean square of the norms of the differences of some states."""
    return float(np.sqrt((np.abs(mine - other) ** 2).sum(axis=0).mean()))


def build_seconds(system: OpenSystem, horizon: float) -> float:
    """Return roughly how long the tree of a system takes to build."""
    radius = _radius(system.constant_part)
    values = [np.array([term.values(s.middle) for term in system.terms]) for s in stretches(system, horizon)]
    radius += float(np.abs(values).max(axis=0, initial=0.0) @ [_radius(term.operator) for term in system.terms])
    spans = [s.stop - s.start for s in stretches(system, horizon) if s.values is None]
    entries = system.constant_part.nnz + sum(term.operator.nnz + 8 * system.dimension for term in system.terms)
    return ENTRY * TERMS * entries * system.dimension * sum(spans) * radius / RADIANS


def _columns(matrix: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return a matrix as its columns, real and imaginary parts apart."""
    return np.ascontiguousarray(np.stack([matrix.real.T, matrix.imag.T], axis=1))


def _hermitian(matrix: sparse.csr_array) -> sparse.csr_array:
    return sparse.csr_array(0.5 * (matrix + matrix.conj().T))


def _radius(matrix: sparse.csr_array) -> float:
    """Return a bound of the spectral radius of a matrix with Hermitian and anti-Hermitian part."""
    low, high = spectrum_bounds(_hermitian(matrix))
    skew = sparse.csr_array(0.5j * (matrix - matrix.conj().T))
    least, most = spectrum_bounds(skew) if skew.count_nonzero() else (0.0, 0.0)
    return max(abs(low), abs(high)) + max(abs(least), abs(most))
