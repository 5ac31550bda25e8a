"""Tables of a system that depends on time for the kernels: stretches, steps, leaves and eigenmodes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...errors import ConvergenceError
from ...model.stretches import Steps, Stretch, polynomial_steps, stretches
from ...model.system import OpenSystem
from ..operators import stack_operators
from ..propagator import bracket_width
from ..sparse.sparse_action import spectrum_bounds
from .propagator_kernels import COLUMNS, columns_of_leaf
from .still import LARGEST_DIAGONALISED, MOST_BYTES, StillModes, stacked_modes
from .taylor_kernels import (
    BRACKET,
    LARGEST_DECAY,
    MOST_TERMS,
    N_SCALARS,
    PARTS,
    PERIOD,
    STEP_ERROR,
    TimedArrays,
)

# Length of a step times the spectral radius: the first for tolerances above FINE, the second below. A series loses
# digits in proportion to e^radians.
RADIANS, FINE_RADIANS, FINE = 8.0, 4.0, 1e-11
# Rounding of a state in one step; measured, with a factor of two.
ROUNDING_OF_STEP = 6e-16
# Operators are stored by diagonals from this dimension on, if that takes at most this many times the elements.
LEAST_BY_DIAGONALS, MOST_PADDED = 40, 4.0
# Numbers that a processor handles together.
LANES = 8
# Density of clicks, over the largest, for which leaves are cut where hardly any fall.
LEAST_DENSITY = 1e-2


@dataclass(frozen=True)
class Leaf:
    """A leaf: a constant stretch with its eigenmodes, or some of the steps of a stretch."""

    start: float
    stop: float
    modes: int
    steps: int


@dataclass(frozen=True)
class ClickDensity:
    """How many clicks fall, relatively, into parts of the period: `density` for a unit of time between `edges`."""

    edges: NDArray[np.float64]
    density: NDArray[np.float64]

    def weights(self, steps: Steps) -> NDArray[np.float64]:
        """Return the relative density of leaves for every step.

        A click costs the steps of its leaf, and leaves cost memory: the length of leaves with the least sum is as
        one over the root of the density.
        """
        middle = 0.5 * (steps.starts[1:] + steps.starts[:-1])
        part = np.clip(np.searchsorted(self.edges, middle, side="right") - 1, 0, len(self.density) - 1)
        return np.sqrt(self.density[part] / self.density.max() + LEAST_DENSITY)


class Builder:
    """Builder of the arrays of a system."""

    def __init__(self, system: OpenSystem, tolerance: float, horizon: float) -> None:
        self.system, self.tolerance, self.horizon = system, tolerance, horizon
        terms = [term.operator for term in system.terms]
        constant = system.constant_part
        low, high = spectrum_bounds(hermitian_part(constant))
        centred = constant - 0.5 * (low + high) * sparse.eye_array(system.dimension, format="csr")
        self.operators = [sparse.csr_array(centred), *terms]
        self.modes: list[StillModes] = []
        self.mode_of: dict[bytes, int] = {}
        radians = RADIANS if tolerance >= FINE else FINE_RADIANS
        self.radians = radians
        self.widths = [spectral_radius(operator) for operator in terms]
        self.constant_width = spectral_radius(self.operators[0])

    def arrays(
        self, most_leaves: int | None = None, clicks: ClickDensity | None = None
    ) -> tuple[TimedArrays, list[Leaf]]:
        """Return tables and leaves; stretches of steps are divided into about `most_leaves`, or single steps.

        Leaves have as many steps as each other, or fewer where there are more clicks.
        """
        pieces, leaves = [], []
        smooth = [(s, self._steps(s)) for s in stretches(self.system, self.horizon)]
        stepped = [steps for (s, steps) in smooth if self.number_of(s) < 0]
        total = sum(len(steps.starts) - 1 for steps in stepped)
        room = max(total, 1) if most_leaves is None else max(8, most_leaves - len(smooth))
        together = max(1, -(-total // room))
        whole = 0.0 if clicks is None else sum(float(clicks.weights(steps).sum()) for steps in stepped)
        for stretch, steps in smooth:
            number = self.number_of(stretch)
            count = len(steps.starts) - 1
            if number >= 0:
                leaves.append(Leaf(stretch.start, stretch.stop, number, 1))
                pieces.append(Steps(steps.starts[[0, -1]], steps.coefficients[:1]))
                continue
            firsts = np.arange(0, count, together)
            if clicks is not None:
                share = clicks.weights(steps) * (room / whole)
                firsts = np.flatnonzero(np.diff(np.floor(np.cumsum(share) - share), prepend=-1.0))
            for first, last in pairwise([*firsts.tolist(), count]):
                leaves.append(Leaf(float(steps.starts[first]), float(steps.starts[last]), -1, last - first))
            pieces.append(steps)
        return self._tables(pieces, leaves), leaves

    def number_of(self, stretch: Stretch) -> int:
        """Return the number of the eigenmodes of a constant stretch; −1 if it is computed in steps."""
        if stretch.values is None:
            return -1
        key = (stretch.values + 0.0).tobytes()
        if key not in self.mode_of:
            self.mode_of[key] = -1
            room = sum(found.bytes for found in self.modes) < MOST_BYTES
            if self.system.dimension <= LARGEST_DIAGONALISED and room:
                try:
                    found = StillModes.of(self.system.at(stretch.middle), self.tolerance)
                except ConvergenceError:
                    return -1
                self.mode_of[key] = len(self.modes)
                self.modes.append(found)
        return self.mode_of[key]

    def _steps(self, stretch: Stretch) -> Steps:
        """Return the steps of a stretch; for a constant one with eigenmodes a single step with its values."""
        if self.number_of(stretch) >= 0:
            assert stretch.values is not None
            return Steps(np.array([stretch.start, stretch.stop]), stretch.values[None, :, None].copy())
        stop = (
            min(stretch.stop, max(self.horizon, stretch.start + 1.0))
            if self.system.period is None
            else stretch.stop
        )
        ends = np.linspace(stretch.start, stop, 65)
        values = np.array([term.values(ends) for term in self.system.terms])
        # Most stretches of sampled envelopes are one step by the coarsest bound, and need no better one.
        largest = self.constant_width + float(np.abs(values).max(axis=1) @ np.array(self.widths))
        length = stop - stretch.start
        if length * largest <= self.radians:
            return polynomial_steps(self.system, stretch, stop, length)
        middle = 0.5 * (values.max(axis=1) + values.min(axis=1))
        half = 0.5 * np.ptp(values, axis=1)
        whole = self.operators[0] + sum(
            (m * operator for m, operator in zip(middle, self.operators[1:], strict=True)), 0.0 * self.operators[0]
        )
        radius = spectral_radius(sparse.csr_array(whole)) + float(half @ np.array(self.widths))
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
        modes = [found.tables for found in self.modes]
        scalars = np.zeros(N_SCALARS)
        scalars[PERIOD] = system.period or np.inf
        largest = max(float(np.abs(p.starts[np.isfinite(p.starts)]).max()) for p in pieces)
        radius = max(self.constant_width, 1e-300)
        scalars[BRACKET] = max(bracket_width(radius), 4.0 * np.spacing(largest))
        scalars[LARGEST_DECAY] = self._largest_decay(coefficients)
        scalars[STEP_ERROR] = ROUNDING_OF_STEP * self.radians / RADIANS
        offsets, first_diagonal, real, imag, has_imag = diagonals_of(self.operators)
        return TimedArrays(
            stacked.indptr,
            stacked.indices,
            stacked.data,
            offsets=offsets,
            first_diagonal=first_diagonal,
            diagonal_real=real,
            diagonal_imag=imag,
            has_imag=has_imag,
            starts=np.concatenate([*(p.starts[:-1] for p in pieces), pieces[-1].starts[-1:]]),
            coefficients=coefficients,
            leaf_step=np.cumsum([0, *(leaf.steps for leaf in leaves)]),
            leaf_start=np.array([*(leaf.start for leaf in leaves), leaves[-1].stop]),
            leaf_modes=np.array([leaf.modes for leaf in leaves]),
            leaf_error=np.zeros(len(leaves) + 1),
            amplitude=amplitude,
            energy=np.array([m.energy[:size] for m in modes]).reshape(len(modes), size),
            decay=np.array([m.decay[:size] for m in modes]).reshape(len(modes), size),
            vectors=np.array([columns_apart(m.vectors) for m in modes]).reshape(len(modes), size, 2, size),
            inverse=np.array([columns_apart(m.inverse) for m in modes]).reshape(len(modes), size, 2, size),
            tree=np.zeros((0, size, 2, size)),
            level_node=np.zeros(1, np.int64),
            ladder=np.zeros((0, size, 2, size)),
            rungs=np.zeros((0, 2)),
            frame=np.zeros((0, 2, size)),
            adjoint=np.zeros((size, 2, 0)),
            near_inverse=np.zeros((len(modes), 0, 2, size)),
            **no_periods(size),
            bridges=no_bridges(len(leaves)),
            still=stacked_modes(self.modes, size, len(system.channels)),
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

    def modal_matrix(self, number: int, length: float) -> NDArray[np.complex128]:
        """Return the propagator of a constant stretch."""
        return self.modes[number].propagator(length)

    def carried(
        self, arrays: TimedArrays, number: int, states: NDArray[np.complex128], cuts: int = PARTS
    ) -> NDArray[np.complex128]:
        """Return states, (N, n), after a leaf of steps, each divided into `cuts` parts."""
        first, last = int(arrays.leaf_step[number]), int(arrays.leaf_step[number + 1])
        return self.carried_parts(arrays, first * cuts, last * cuts, states, cuts)

    @staticmethod
    def carried_parts(
        arrays: TimedArrays, first: int, last: int, states: NDArray[np.complex128], cuts: int
    ) -> NDArray[np.complex128]:
        """Return states, (N, n), after parts `first` … `last` − 1 of the steps, each divided into `cuts` parts."""
        size, count = states.shape
        series = np.zeros((MOST_TERMS, size, 2, COLUMNS))
        local, mixed = np.zeros(arrays.coefficients.shape[1:]), np.zeros((size, 2, COLUMNS))
        found = np.empty((size, count), np.complex128)
        for column in range(0, count, COLUMNS):
            width = min(COLUMNS, count - column)
            columns = np.zeros((size, 2, COLUMNS))
            columns[:, 0, :width] = states[:, column : column + width].real
            columns[:, 1, :width] = states[:, column : column + width].imag
            if not columns_of_leaf(arrays, first, last, cuts, columns, series, local, mixed):
                raise ConvergenceError("a Taylor series of the no-click propagator does not converge")
            found[:, column : column + width] = columns[:, 0, :width] + 1j * columns[:, 1, :width]
        return found


def diagonals_of(operators: list[sparse.csr_array]) -> tuple[NDArray[Any], ...]:
    """Return operators by diagonals in the layout of the kernels, or empty arrays if there are too many."""
    size = operators[0].shape[0]
    by_diagonals = [sparse.dia_array(operator) for operator in operators]
    first = np.cumsum([0, *(len(o.offsets) for o in by_diagonals)])
    if size < LEAST_BY_DIAGONALS or first[-1] * size > MOST_PADDED * max(
        sum(operator.nnz for operator in operators), 1
    ):
        nothing = np.zeros((0, size))
        return np.zeros(0, np.int64), np.zeros_like(first), nothing, nothing, np.zeros(0, np.bool_)
    values = np.zeros((int(first[-1]), size), np.complex128)
    offsets = np.concatenate([o.offsets for o in by_diagonals]).astype(np.int64)
    rows = iter(values)
    for o in by_diagonals:
        for offset, data in zip(o.offsets, o.data, strict=True):
            # SciPy keeps element (i, i + offset) at column i + offset.
            low, high = max(0, -offset), min(size, size - offset, len(data) - offset)
            next(rows)[low:high] = data[low + offset : high + offset]
    return offsets, first, values.real.copy(), values.imag.copy(), (values.imag != 0.0).any(axis=1)


def whole_lanes(count: int) -> int:
    """Return the next multiple of LANES: products of other sizes end in single numbers."""
    return -(-count // LANES) * LANES


def columns_apart(matrix: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return a matrix as its columns, with separate real and imaginary parts."""
    return np.ascontiguousarray(np.stack([matrix.real.T, matrix.imag.T], axis=1))


def hermitian_part(matrix: sparse.csr_array) -> sparse.csr_array:
    """Return (A + A†)/2."""
    return sparse.csr_array(0.5 * (matrix + matrix.conj().T))


def spectral_radius(matrix: sparse.csr_array) -> float:
    """Return a bound of the spectral radius of a matrix with Hermitian and anti-Hermitian part."""
    low, high = spectrum_bounds(hermitian_part(matrix))
    skew = sparse.csr_array(0.5j * (matrix - matrix.conj().T))
    least, most = spectrum_bounds(skew) if skew.count_nonzero() else (0.0, 0.0)
    return max(abs(low), abs(high)) + max(abs(least), abs(most))


def no_bridges(leaves: int) -> NDArray[np.int64]:
    """Return the table of bridges of leaves that have none."""
    return np.full((leaves, 6), -1)


def no_periods(size: int) -> dict[str, NDArray[Any]]:
    """Return empty tables of whole periods, by name."""
    nothing = np.zeros(0, np.int64)
    return {
        "slow_vectors": np.zeros((0, 2, size)),
        "slow_errors": np.zeros(0),
        "anchor": np.zeros(3, np.int64),
        "likely": np.zeros(2, np.int64),
        "segment_of_position": nothing,
        "leaf_of_step": nothing,
        "from_vectors": np.zeros((0, 0, 2, size)),
        "to_vectors": np.zeros((0, size, 2, 0)),
        "from_operators": np.zeros((0, 0, 0, 2, 0)),
        "to_operators": np.zeros((0, 0, 0, 2, 0)),
        "from_slow": np.zeros((0, 0, 2, 0)),
        "to_slow": np.zeros((0, 0, 2, 0)),
        "still_to_slow": np.zeros((0, size, 2, 0)),
        "slowest_to_slow": np.zeros(0, np.complex128),
        "slow_ladder": np.zeros((0, 0, 2, 0)),
        "slow_rungs": np.zeros((0, 2)),
    }
