"""Kernel: a Chebyshev series of a Liouvillian, applied to a Hermitian matrix held as one real matrix.

A Hermitian X = R + iS is held as M = R + S; then Mᵀ = R − S. With G = P + iQ and c = a + ib, the map
X ↦ GX + XG† + Σ cXc† becomes

    M ↦ A + Bᵀ + Σ (aM + bMᵀ)aᵀ + (bM − aMᵀ)bᵀ,  A = PM + QMᵀ,  B = PMᵀ − QM,

in which every product of a sparse row with a matrix is a sum of contiguous real rows.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Rows = tuple[Index, Index, Array]  # compressed rows: start, column, value

# Side of the square blocks that are transposed together: they stay in the innermost cache.
BLOCK = 16
# Marks a layer whose entries lie on no single diagonal.
SCATTERED = np.iinfo(np.int64).max


class Motion(NamedTuple):
    """G and the jump operators as the arrays that the kernel reads.

    P and Q without their diagonals are in compressed rows. Jump operators are in compressed rows, one
    after another, and once more in layers: layer l holds the l-th entry of each row.
    """

    p_diagonal: Array
    q_diagonal: Array
    p_start: Index
    p_column: Index
    p_value: Array
    q_start: Index
    q_column: Index
    q_value: Array
    jump_start: Index  # (n_jumps, N + 1), into the entries
    jump_column: Index
    jump_real: Array
    jump_imaginary: Array
    layer_start: Index  # (n_jumps + 1,), into the layers
    layer_column: Index  # (n_layers, N)
    layer_shift: Index  # (n_layers,): column − row where it is the same in all rows, else SCATTERED
    layer_real: Array
    layer_imaginary: Array
    complex_jump: NDArray[np.bool_]


@kernel
def _transpose(source: Array, target: Array) -> None:
    n = source.shape[0]
    for top in range(0, n, BLOCK):
        for left in range(0, n, BLOCK):
            for j in range(left, min(left + BLOCK, n)):
                for i in range(top, min(top + BLOCK, n)):
                    target[i, j] = source[j, i]


@kernel
def _add_sparse(start: Index, column: Index, value: Array, sign: float, source: Array, target: Array) -> None:
    """Add sign·(sparse matrix)·source to the target."""
    n = source.shape[0]
    for i in range(n):
        for e in range(start[i], start[i + 1]):
            weight, row = sign * value[e], column[e]
            for j in range(n):
                target[i, j] += weight * source[row, j]


@kernel
def _set_diagonal(p: Array, q: Array, center: float, now: Array, turned: Array, target: Array) -> None:
    """Set the target to what the diagonals of G do: (p_i + p_j − center) M_ij + (q_i − q_j) M_ji."""
    n = now.shape[0]
    for i in range(n):
        real, imaginary = p[i] - center, q[i]
        for j in range(n):
            target[i, j] = (real + p[j]) * now[i, j] + (imaginary - q[j]) * turned[i, j]


@kernel
def _mix_rows(motion: Motion, k: int, i: int, now: Array, turned: Array, scratch: Array) -> None:
    """Set the scratch rows to row i of aM + bMᵀ and of bM − aMᵀ."""
    scratch[:] = 0.0
    for e in range(motion.jump_start[k, i], motion.jump_start[k, i + 1]):
        a, b, row = motion.jump_real[e], motion.jump_imaginary[e], motion.jump_column[e]
        for j in range(now.shape[0]):
            scratch[0, j] += a * now[row, j] + b * turned[row, j]
            scratch[1, j] += b * now[row, j] - a * turned[row, j]


@kernel
def _add_jumps(motion: Motion, now: Array, turned: Array, scratch: Array, target: Array) -> None:
    """Add Σ (aM + bMᵀ)aᵀ + (bM − aMᵀ)bᵀ to the target."""
    n = now.shape[0]
    for k in range(motion.jump_start.shape[0]):
        parts = 2 if motion.complex_jump[k] else 1
        for i in range(n):
            begin, end = motion.jump_start[k, i], motion.jump_start[k, i + 1]
            if begin == end:
                continue
            weight, source = motion.jump_real[begin], now[motion.jump_column[begin]]
            if end > begin + 1 or parts == 2:  # else a real ladder operator, for which one row of M is enough
                _mix_rows(motion, k, i, now, turned, scratch)
                weight, source = 1.0, scratch[0]
            for part in range(parts):
                values = motion.layer_real
                if part == 1:
                    values, source = motion.layer_imaginary, scratch[1]
                for layer in range(motion.layer_start[k], motion.layer_start[k + 1]):
                    shift = motion.layer_shift[layer]
                    if shift == SCATTERED:
                        for j in range(n):
                            target[i, j] += weight * values[layer, j] * source[motion.layer_column[layer, j]]
                        continue
                    # Slices, because an index that might be negative keeps the loop from being vectorised.
                    left, right = max(0, -shift), min(n, n - shift)
                    reached, value = target[i, left:right], values[layer, left:right]
                    moved = source[left + shift : right + shift]
                    for j in range(right - left):
                        reached[j] += weight * value[j] * moved[j]


@kernel
def _combine(scale: float, sign: float, target: Array, mirrored: Array, before: Array) -> None:
    """Replace `before` by scale·(target + mirroredᵀ) + sign·before."""
    n = target.shape[0]
    for top in range(0, n, BLOCK):
        for left in range(0, n, BLOCK):
            for i in range(top, min(top + BLOCK, n)):
                for j in range(left, min(left + BLOCK, n)):
                    before[i, j] = scale * (target[i, j] + mirrored[j, i]) + sign * before[i, j]


@kernel
def _advance(
    motion: Motion,
    scale: float,
    center: float,
    sign: float,
    now: Array,
    before: Array,
    work: Array,
    scratch: Array,
) -> None:
    """Replace `before` by scale·(L − center)·now + sign·before."""
    turned, mirrored, target = work[0], work[1], work[2]
    _transpose(now, turned)
    mirrored[:] = 0.0
    _add_sparse(motion.p_start, motion.p_column, motion.p_value, 1.0, turned, mirrored)
    _add_sparse(motion.q_start, motion.q_column, motion.q_value, -1.0, now, mirrored)
    _set_diagonal(motion.p_diagonal, motion.q_diagonal, center, now, turned, target)
    _add_sparse(motion.p_start, motion.p_column, motion.p_value, 1.0, now, target)
    _add_sparse(motion.q_start, motion.q_column, motion.q_value, 1.0, turned, target)
    _add_jumps(motion, now, turned, scratch, target)
    _combine(scale, sign, target, mirrored, before)


@kernel
def _collect(k: int, term: Array, weights: Array, sums: Array, functionals: Rows, moments: Array) -> None:
    """Add weights[:, k]·term to the sums and record the functionals of the term."""
    start, column, value = functionals
    flat = term.reshape(-1)
    for w in range(weights.shape[0]):
        weight, total = weights[w, k], sums[w]
        for e in range(flat.shape[0]):
            total[e] += weight * flat[e]
    for u in range(start.shape[0] - 1):
        moment = 0.0
        for e in range(start[u], start[u + 1]):
            moment += value[e] * flat[column[e]]
        moments[k, u] = moment


@kernel
def chebyshev_series(
    motion: Motion,
    start: Array,
    ellipse: tuple[float, float, float],
    weights: Array,
    functionals: Rows,
    sums: Array,
    moments: Array,
) -> None:
    """Evaluate Σ_k w_k Φ_k x for several rows of weights, and u·Φ_k x for several functionals.

    Φ_0 = 1, Φ_1 = y, Φ_{k+1} = 2yΦ_k + sign·Φ_{k−1}, y = (L − center)/focus.

    Parameters
    ----------
    motion : Motion
        L.
    start : ndarray of shape (N, N)
        x; left alone.
    ellipse : tuple (center, focus, sign)
        The recurrence.
    weights : ndarray of shape (n_weights, K)
        w.
    functionals : tuple (start, column, value)
        u as compressed rows of length N².
    sums : ndarray of shape (n_weights, N²)
        Receives the sums; must be zero.
    moments : ndarray of shape (K, n_functionals)
        Receives u·Φ_k x.
    """
    center, focus, sign = ellipse
    n, order = start.shape[0], weights.shape[1]
    before, now = start.copy(), np.zeros((n, n))
    work, scratch = np.empty((3, n, n)), np.empty((2, n))
    _collect(0, before, weights, sums, functionals, moments)
    _advance(motion, 1.0 / focus, center, 0.0, before, now, work, scratch)
    for k in range(1, order):
        _collect(k, now, weights, sums, functionals, moments)
        _advance(motion, 2.0 / focus, center, sign, now, before, work, scratch)
        before, now = now, before
