"""Kernels: matrices in doubled precision, each number the unevaluated sum of two doubles, about 32 digits.

Sums are Knuth's, products Dekker's (T. J. Dekker, Numer. Math. 18, 224 (1971)), so that no fused operation is
needed and the bits are the same on every processor. Every loop runs over contiguous rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# 2²⁷ + 1 splits a double into two halves whose products are exact.
SPLITTER = 134217729.0


class Rows(NamedTuple):
    """Sparse complex matrices of one size, one after another, in compressed rows."""

    start: Index  # (n_matrices, N + 1), into the entries
    column: Index
    real: Array
    imaginary: Array


class ExactMap(NamedTuple):
    """X ↦ −i[H, X] + Σ (w cXc† − ½{c†c, X}) − dX as the arrays that the kernel reads."""

    hamiltonian: Rows  # one matrix
    jumps: Rows
    adjoints: Rows
    weight_high: Array  # (n_jumps,)
    weight_low: Array
    loss_high: float  # d
    loss_low: float


@kernel
def _product(x: float, y: float, u: float, v: float) -> tuple[float, float]:
    """Return (x + y)(u + v)."""
    high = x * u
    t = SPLITTER * x
    x1 = t - (t - x)
    t = SPLITTER * u
    u1 = t - (t - u)
    x2, u2 = x - x1, u - u1
    low = (((x1 * u1 - high) + x1 * u2 + x2 * u1) + x2 * u2) + (x * v + y * u)
    total = high + low
    return total, low - (total - high)


@kernel
def _sum(x: float, y: float, u: float, v: float) -> tuple[float, float]:
    """Return (x + y) + (u + v)."""
    s = x + u
    w = s - x
    d = (x - (s - w)) + (u - w) + (y + v)
    total = s + d
    return total, d - (total - s)


@kernel
def _quotient(x: float, y: float, u: float, v: float) -> tuple[float, float]:
    """Return (x + y)/(u + v)."""
    first = x / u
    p, q = _product(first, 0.0, u, v)
    r, s = _sum(x, y, -p, -q)
    second = r / u
    p, q = _product(second, 0.0, u, v)
    r, s = _sum(r, s, -p, -q)
    third = r / u
    return _sum(*_sum(first, 0.0, second, 0.0), third, 0.0)


@kernel
def _add_row(x: float, y: float, row_high: Array, row_low: Array, high: Array, low: Array, begin: int) -> None:
    """Add (x + y)·row to a row, from column `begin` on."""
    t = SPLITTER * x
    x1 = t - (t - x)
    x2 = x - x1
    for j in range(begin, high.shape[0]):
        u = row_high[j]
        t = SPLITTER * u
        u1 = t - (t - u)
        u2 = u - u1
        q = x * u
        e = ((x1 * u1 - q) + x1 * u2 + x2 * u1) + x2 * u2
        e += x * row_low[j] + y * u
        s = high[j] + q
        w = s - high[j]
        d = (high[j] - (s - w)) + (q - w)
        d += low[j] + e
        total = s + d
        low[j] = d - (total - s)
        high[j] = total


@kernel
def multiply(a_high: Array, a_low: Array, b_high: Array, b_low: Array, high: Array, low: Array) -> None:
    """Set the target to the product A B."""
    for i in range(a_high.shape[0]):
        for j in range(b_high.shape[1]):
            high[i, j] = low[i, j] = 0.0
        for k in range(a_high.shape[1]):
            if a_high[i, k] != 0.0:
                _add_row(a_high[i, k], a_low[i, k], b_high[k], b_low[k], high[i], low[i], 0)


@kernel
def factorise(high: Array, low: Array, order: Index) -> None:
    """Replace a square matrix by its triangular factors, rows exchanged so that the largest entry leads.

    Parameters
    ----------
    high, low : ndarray of shape (n, n)
        The matrix; then U above the diagonal and on it, L (with unit diagonal) below.
    order : ndarray of shape (n,)
        Receives the row that was put in each place; a zero pivot leaves its column alone.
    """
    n = high.shape[0]
    for k in range(n):
        order[k] = k
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(high[i, k]) > abs(high[best, k]):
                best = i
        if best != k:
            order[k], order[best] = order[best], order[k]
            for j in range(n):
                high[k, j], high[best, j] = high[best, j], high[k, j]
                low[k, j], low[best, j] = low[best, j], low[k, j]
        if high[k, k] == 0.0:
            continue
        for i in range(k + 1, n):
            if high[i, k] != 0.0:
                x, y = _quotient(high[i, k], low[i, k], high[k, k], low[k, k])
                high[i, k], low[i, k] = x, y
                _add_row(-x, -y, high[k], low[k], high[i], low[i], k + 1)


@kernel
def substitute(high: Array, low: Array, x_high: Array, x_low: Array) -> None:
    """Replace right sides, shape (n, m) with rows already in order, by the solutions of L U X = R."""
    n = high.shape[0]
    for i in range(n):
        for k in range(i):
            if high[i, k] != 0.0:
                _add_row(-high[i, k], -low[i, k], x_high[k], x_low[k], x_high[i], x_low[i], 0)
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            if high[i, k] != 0.0:
                _add_row(-high[i, k], -low[i, k], x_high[k], x_low[k], x_high[i], x_low[i], 0)
        _divide_row(high[i, i], low[i, i], x_high[i], x_low[i])


@kernel
def substitute_transposed(high: Array, low: Array, x_high: Array, x_low: Array) -> None:
    """Replace right sides, shape (m, n), row by row by solutions of (L U)ᵀ x = r, in the order of the factors."""
    n = high.shape[0]
    for r in range(x_high.shape[0]):
        row_high, row_low = x_high[r], x_low[r]
        for k in range(n):
            row_high[k], row_low[k] = _quotient(row_high[k], row_low[k], high[k, k], low[k, k])
            _add_row(-row_high[k], -row_low[k], high[k], low[k], row_high, row_low, k + 1)
        for k in range(n - 1, -1, -1):
            _add_row(-row_high[k], -row_low[k], high[k, :k], low[k, :k], row_high[:k], row_low[:k], 0)


@kernel
def _divide_row(u: float, v: float, high: Array, low: Array) -> None:
    for j in range(high.shape[0]):
        high[j], low[j] = _quotient(high[j], low[j], u, v)


@kernel
def _add_sparse(
    start: Index, column: Index, value: Array, sign: float, x: tuple[Array, Array], target: tuple[Array, Array]
) -> None:
    """Add sign·(sparse real matrix)·X to the target."""
    for i in range(target[0].shape[0]):
        for e in range(start[i], start[i + 1]):
            if value[e] != 0.0:
                row = column[e]
                _add_row(sign * value[e], 0.0, x[0][row], x[1][row], target[0][i], target[1][i], 0)


@kernel
def _add_complex(
    rows: Rows,
    k: int,
    scale: float,
    real: tuple[Array, Array],
    imaginary: tuple[Array, Array],
    sign: float,
    target_real: tuple[Array, Array],
    target_imaginary: tuple[Array, Array],
) -> None:
    """Add scale·(k-th matrix)·(X_r + i·sign·X_i) to the target."""
    start = rows.start[k]
    _add_sparse(start, rows.column, rows.real, scale, real, target_real)
    _add_sparse(start, rows.column, rows.imaginary, -scale * sign, imaginary, target_real)
    _add_sparse(start, rows.column, rows.imaginary, scale, real, target_imaginary)
    _add_sparse(start, rows.column, rows.real, scale * sign, imaginary, target_imaginary)


@kernel
def _empty(n: int) -> tuple[Array, Array]:
    return np.zeros((n, n)), np.zeros((n, n))


@kernel
def _transposed(x: tuple[Array, Array]) -> tuple[Array, Array]:
    n = x[0].shape[0]
    turned = _empty(n)
    for i in range(n):
        for j in range(n):
            turned[0][i, j], turned[1][i, j] = x[0][j, i], x[1][j, i]
    return turned


@kernel
def _accumulate(
    x: float, y: float, source: tuple[Array, Array], sign: float, mirrored: bool, target: tuple[Array, Array]
) -> None:
    """Add (x + y)·(source + sign·sourceᵀ), or (x + y)·source, to the target."""
    n = target[0].shape[0]
    for i in range(n):
        for j in range(n):
            p, q = source[0][i, j], source[1][i, j]
            if mirrored:
                p, q = _sum(p, q, sign * source[0][j, i], sign * source[1][j, i])
            if x != 1.0 or y != 0.0:
                p, q = _product(x, y, p, q)
            target[0][i, j], target[1][i, j] = _sum(target[0][i, j], target[1][i, j], p, q)


@kernel
def apply_exactly(motion: ExactMap, high: Array, low: Array, out_high: Array, out_low: Array) -> None:
    """Apply the map to a Hermitian X = R + iS that is held as R + S, in and out.

    c†c is never formed: c†(cX) is exact to the last digit of the doubled precision, where rounded entries of c†c
    would make the map create or destroy a trace of 1e-16 of the fastest rate.
    """
    n = high.shape[0]
    given = (high, low)
    real, imaginary = _empty(n), _empty(n)
    _accumulate(0.5, 0.0, given, 1.0, True, real)
    _accumulate(0.5, 0.0, given, -1.0, True, imaginary)
    half_real, half_imaginary = _empty(n), _empty(n)
    # −iHX is half of the commutator; the other half is its adjoint.
    _add_complex(motion.hamiltonian, 0, 1.0, real, imaginary, 1.0, half_imaginary, half_real)
    total_real, total_imaginary = _empty(n), _empty(n)
    _accumulate(-1.0, 0.0, half_imaginary, -1.0, True, total_imaginary)
    _accumulate(1.0, 0.0, half_real, 1.0, True, total_real)
    for k in range(motion.jumps.start.shape[0]):
        moved_real, moved_imaginary = _empty(n), _empty(n)
        _add_complex(motion.jumps, k, 1.0, real, imaginary, 1.0, moved_real, moved_imaginary)  # cX
        half_real, half_imaginary = _empty(n), _empty(n)
        _add_complex(motion.adjoints, k, -0.5, moved_real, moved_imaginary, 1.0, half_real, half_imaginary)
        _accumulate(1.0, 0.0, half_real, 1.0, True, total_real)
        _accumulate(1.0, 0.0, half_imaginary, -1.0, True, total_imaginary)
        if motion.weight_high[k] != 0.0:
            after_real, after_imaginary = _empty(n), _empty(n)  # c(cX)† = cXc†
            _add_complex(
                motion.jumps,
                k,
                1.0,
                _transposed(moved_real),
                _transposed(moved_imaginary),
                -1.0,
                after_real,
                after_imaginary,
            )
            x, y = motion.weight_high[k], motion.weight_low[k]
            _accumulate(x, y, after_real, 1.0, False, total_real)
            _accumulate(x, y, after_imaginary, 1.0, False, total_imaginary)
    target = (out_high, out_low)
    for i in range(n):
        for j in range(n):
            out_high[i, j] = out_low[i, j] = 0.0
    _accumulate(1.0, 0.0, total_real, 1.0, False, target)
    _accumulate(1.0, 0.0, total_imaginary, 1.0, False, target)
    if motion.loss_high != 0.0:
        _accumulate(-motion.loss_high, -motion.loss_low, given, 1.0, False, target)
