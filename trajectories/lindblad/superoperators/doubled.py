"""The Liouvillian in doubled precision: exact residuals, and equations for which a double has too few digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...model import OpenSystem
from .doubled_kernels import (
    ExactMap,
    Rows,
    apply_exactly,
    factorise,
    multiply,
    substitute,
    substitute_transposed,
)

Array = NDArray[np.float64]

# Unit roundoff of the doubled precision, with room for the unnormalised sums of the kernels.
ROUNDOFF = 2.0**-103


class Doubled(NamedTuple):
    """Numbers high + low of about 32 digits; `low` is below half a unit in the last place of `high`."""

    high: Array
    low: Array

    @classmethod
    def of(cls, values: Array) -> Doubled:
        """Return doubles as they are."""
        high = np.array(values, dtype=np.float64)
        return cls(high, np.zeros_like(high))

    def __matmul__(self, other: Doubled) -> Doubled:
        """Return the product of two matrices."""
        shape = (self.high.shape[0], other.high.shape[1])
        result = Doubled(np.empty(shape), np.empty(shape))
        operands = [np.ascontiguousarray(part) for part in (*self, *other)]
        multiply(*operands, *result)
        return result

    @property
    def T(self) -> Doubled:
        """The transpose."""
        return Doubled(np.ascontiguousarray(self.high.T), np.ascontiguousarray(self.low.T))

    def rows(self, chosen: NDArray[np.int64]) -> Doubled:
        """Return some rows."""
        return Doubled(self.high[chosen], self.low[chosen])

    def scaled(self, factors: Array | float) -> Doubled:
        """Return the numbers times powers of two, without rounding."""
        return Doubled(self.high * factors, self.low * factors)


def add(first: Doubled, second: Doubled) -> Doubled:
    """Return the sum, element by element."""
    s = first.high + second.high
    w = s - first.high
    d = (first.high - (s - w)) + (second.high - w) + (first.low + second.low)
    total = s + d
    return Doubled(total, d - (total - s))


def subtract(first: Doubled, second: Doubled) -> Doubled:
    """Return the difference, element by element."""
    return add(first, Doubled(-second.high, -second.low))


def product(first: Doubled, second: Doubled) -> Doubled:
    """Return the product, element by element."""
    splitter = 134217729.0
    high = first.high * second.high
    t, s = splitter * first.high, splitter * second.high
    x1, u1 = t - (t - first.high), s - (s - second.high)
    x2, u2 = first.high - x1, second.high - u1
    low = (((x1 * u1 - high) + x1 * u2 + x2 * u1) + x2 * u2) + (first.high * second.low + first.low * second.high)
    total = high + low
    return Doubled(total, low - (total - high))


class ExactGenerator:
    """X ↦ −i[H, X] + Σ_k ((1 − η_k) c_k X c_k† − ½{c_k†c_k, X}) − dX on packed matrices, in doubled precision.

    H and the c_k are taken as the doubles that were given: nothing derived from them is rounded before it is used.

    Parameters
    ----------
    system : OpenSystem
        The system.
    detected : mapping of str to float, optional
        η_k of the detected channels; without any, this is the Liouvillian.
    dark : float
        d, the total rate of dark counts.
    """

    def __init__(self, system: OpenSystem, detected: Mapping[str, float] | None = None, dark: float = 0.0) -> None:
        self.size = system.dimension
        jumps = [channel.operator for channel in system.channels]
        efficiency = np.array([(detected or {}).get(channel.name, 0.0) for channel in system.channels])
        weight = 1.0 - efficiency
        self._motion = ExactMap(
            _rows([system.hamiltonian]),
            _rows(jumps),
            _rows([sparse.csr_array(c.conj().T) for c in jumps]),
            weight,
            (1.0 - weight) - efficiency,
            float(dark),
            0.0,
        )

    def apply(self, state: Doubled) -> Doubled:
        """Return the packed image of a packed matrix."""
        square = (self.size, self.size)
        high, low = np.empty(square), np.empty(square)
        given = [np.ascontiguousarray(part).reshape(square) for part in state]
        apply_exactly(self._motion, *given, high, low)
        return Doubled(high.reshape(-1), low.reshape(-1))

    def matrix(self) -> Doubled:
        """Return the N² × N² matrix on packed vectors."""
        columns = [self.apply(Doubled.of(unit)) for unit in np.eye(self.size**2)]
        return Doubled(np.array([c.high for c in columns]), np.array([c.low for c in columns])).T


class Elimination:
    """A x = b by Gaussian elimination with partial pivoting in doubled precision, rows scaled by powers of two.

    Parameters
    ----------
    matrix : Doubled of shape (n, n)
        A.
    """

    def __init__(self, matrix: Doubled) -> None:
        self._matrix = matrix
        largest = np.abs(matrix.high).max(axis=1)
        self._scale = np.ldexp(1.0, -np.frexp(np.where(largest > 0.0, largest, 1.0))[1])
        self._factors = matrix.scaled(self._scale[:, None])
        self._order = np.empty(len(largest), dtype=np.int64)
        factorise(*self._factors, self._order)

    @property
    def singular(self) -> bool:
        """Whether a pivot vanished."""
        return not np.diag(self._factors.high).all()

    def solve(self, right: Doubled) -> Doubled:
        """Return x, shape (n, m), for right sides b, shape (n, m), refined once."""
        found = self._substitute(right)
        return add(found, self._substitute(subtract(right, self._matrix @ found)))

    def solve_transposed(self, rows: Doubled) -> Doubled:
        """Return y with yA = u, row by row, shape (m, n)."""
        found = Doubled(rows.high.copy(), rows.low.copy())
        substitute_transposed(*self._factors, *found)
        result = Doubled(np.empty_like(found.high), np.empty_like(found.low))
        result.high[:, self._order], result.low[:, self._order] = found
        return result.scaled(self._scale)

    def error(self, solution: Doubled, right: Doubled, functionals: Array) -> Array:
        """Return a bound of |u·(x̂ − x)| for each functional u, shape (n_functionals,).

        u·(x̂ − x) = y·(Ax̂ − b) with yA = u, so that it is at most |y|·(|Ax̂ − b| + γ|A||x̂|), where γ counts the
        roundings in A and in the residual.
        """
        column = Doubled(solution.high.reshape(-1, 1), solution.low.reshape(-1, 1))
        residual = subtract(self._matrix @ column, Doubled(right.high.reshape(-1, 1), right.low.reshape(-1, 1)))
        size = np.abs(self._matrix.high)
        roundings = ROUNDOFF * (np.count_nonzero(size, axis=1) + 16.0)
        defect = np.abs(residual.high[:, 0]) + roundings * (size @ np.abs(column.high[:, 0]))
        adjoint = self.solve_transposed(Doubled.of(functionals))
        return np.asarray(np.abs(adjoint.high) @ defect)

    def _substitute(self, right: Doubled) -> Doubled:
        found = right.scaled(self._scale[:, None]).rows(self._order)
        substitute(*self._factors, *found)
        return found


def _rows(matrices: Sequence[sparse.csr_array]) -> Rows:
    """Return sparse matrices in compressed rows, one after another."""
    first = np.cumsum([0] + [m.nnz for m in matrices])
    starts = [m.indptr + begin for m, begin in zip(matrices, first[:-1], strict=True)]
    data = np.concatenate([np.zeros(0, dtype=np.complex128), *(m.data for m in matrices)])
    columns = np.concatenate([np.zeros(0, dtype=np.int64), *(m.indices for m in matrices)])
    return Rows(
        np.array(starts, dtype=np.int64),
        columns.astype(np.int64),
        np.ascontiguousarray(data.real),
        np.ascontiguousarray(data.imag),
    )
