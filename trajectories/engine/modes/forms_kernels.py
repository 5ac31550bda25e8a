"""Hermitian forms z†Fz of a state in the eigenbasis of H_eff, with a bound of the omitted terms.

The forms are G = V†V, which gives the survival probability, and V†c_k†c_kV, which give the click rates. Modes are
ordered by importance, so a state falls off from the first mode to the last. Each mode is combined with those after
it, up to the block from which on the norm of its row times the norm of the state is provably below its share of
the error: a few contiguous stretches of a few rows, whatever N is.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import light_kernel
from ..phase_kernels import exact_exponentials, exponentials

# Modes of a block; arrays are padded with modes of no amplitude to whole blocks.
BLOCK = 8
# Rows of a jump map between two entries of its table of tails.
TAIL_STRIDE = 16
# Distance between two sums of a mode in ``ModesWorkspace.sums``, at least the largest dimension. A constant, for
# then the compiler sees that the sums lie apart, which lets it vectorise.
SUMS_STRIDE = 2520
# Where S is known to the tolerance, its cubic Taylor polynomial is as good as itself over this fraction of the
# shortest period: what it leaves out shifts the root by less than 1e-7 of the step.
STRAIGHT = 0.01
# Where the sums begin. Unsigned, as is every index of a loop that does not start at 0: an index that might be
# negative counts from the end in Python, and asking which it is would keep the loop scalar.
SUM = tuple(np.uint64(a * SUMS_STRIDE) for a in range(8))


class ModesArrays(NamedTuple):
    """A compiled eigenmode propagator; modes are ordered by importance, M is their number in whole blocks.

    Form 0 is G, form 1 + k is V†c_k†c_kV; their strict upper triangles are kept, with zeros below. In a reduced
    basis Q, with V in place of QV, ‖R_kz‖² is what a jump leaves outside: R_k†R_k = V†c_k†(1 − QQ†)c_kV with an
    upper triangle R_k. In a full basis there is none.
    """

    energy: NDArray[np.float64]  # Re λ less that of mode 0, (M,)
    energy_rest: NDArray[np.float64]  # what rounding cuts off the energies, where it is known, (M,)
    decay: NDArray[np.float64]  # −Im λ, (M,)
    form: NDArray[np.float64]  # (K + 1, 2, M, M)
    diagonal: NDArray[np.float64]  # (K + 1, M)
    form_tail: NDArray[np.float64]  # norm of a row from BLOCK·b on, (K + 1, M/BLOCK + 1, M)
    corner: NDArray[np.float64]  # norm of all rows from BLOCK·b on, (K + 1, M/BLOCK + 1)
    leak: NDArray[np.float64]  # R_k, (K or 0, column, 2, row)
    leak_size: NDArray[np.float64]  # norms of its columns, (K or 0, M)
    jump: NDArray[np.float64]  # V⁻¹c_kV, (K, column, 2, row)
    jump_single: NDArray[np.float32]  # the same in single precision
    jump_tail: NDArray[np.float64]  # norm of the rows from TAIL_STRIDE·b on, (K, strides + 1, column)
    slowest: NDArray[np.float64]  # least decay of the modes from TAIL_STRIDE·b on, (blocks + 1,)
    jump_corner: NDArray[np.float64]  # norm of all columns from BLOCK·b on, (K, M/BLOCK + 1)
    states: NDArray[np.int64]  # the basis states that modes reach, (n,), all N of them in a full basis
    vectors: NDArray[np.complex128]  # V on these states, (n, modes)
    inverse: NDArray[np.complex128]  # V⁻¹, (modes, n)
    scalars: NDArray[np.float64]  # see the names below


# Norm of V; tolerance; width of a bracket; the largest frequency in S; relative error of S by rounding, for any
# wait, and by the eigenvalues per unit of time; bound of the fourth derivative of S over 24 Σ|z|²; norm of
# V⁻¹; error of a phase per unit of time; time from which phases are computed with the rest of the energies;
# relative error of a state by the eigenvectors; error of its amplitudes by rounding of V and V⁻¹; the largest
# share of the norm² that a jump may leave outside the basis, over the next threshold.
VECTORS_NORM, TOLERANCE, BRACKET, FASTEST, FLOOR, DRIFT, FOURTH, INVERSE_NORM = 0, 1, 2, 3, 4, 5, 6, 7
PHASE_DRIFT, EXACT_FROM, TURNED, ROUNDING, MOST_LEAK = 8, 9, 10, 11, 12
N_SCALARS = 13
# Slots of ``ModesWorkspace.jump``.
CHANNEL, BEFORE_BLOCKS, START_BLOCKS = 0, 1, 2


class ModesWorkspace(NamedTuple):
    """Work arrays of one trajectory; real and imaginary parts are separate, so that loops vectorise."""

    before: NDArray[np.float64]  # z just before the last click, over the norm of the jump, (2, M)
    before_size: NDArray[np.float64]  # its |z|, (M,)
    before_rest: NDArray[np.float64]  # single-precision error of all columns of the jump from each on, (M + 1,)
    rows: NDArray[np.int64]  # how many rows of each column of the jump have been added to `start`, (M,)
    size: NDArray[np.float64]  # 2|z| of the rows of a form, (M,)
    until: NDArray[np.int64]  # up to which block a row of a form counts, or stride a column of the jump, (M,)
    jump: NDArray[np.int64]  # channel of the last click (−1: none yet), blocks of `before`, blocks of `start`
    start: NDArray[np.float64]  # z just after the last click, real and imaginary parts, (2·SUMS_STRIDE,)
    start_square: NDArray[np.float64]  # its |z|², (M,)
    here: NDArray[np.float64]  # z at the time of the evaluation, (2, M)
    square: NDArray[np.float64]  # its |z|², (M,)
    tails: NDArray[np.float64]  # norm of `here` from mode BLOCK·b on, (M/BLOCK + 1,)
    base_tails: NDArray[np.float64]  # the same at the base of the search
    phase: NDArray[np.float64]  # (2, M)
    weight: NDArray[np.float64]  # how far the slowest of the modes from TAIL_STRIDE·b on has decayed
    sums: NDArray[np.float64]  # up to 8 sums of every mode, (8·SUMS_STRIDE,)
    psi: NDArray[np.complex128]  # (N,)


@light_kernel()
def fill_tails(square, blocks, tails):
    """Write the norm of all modes from each block on into `tails`."""
    total = 0.0
    tails[blocks] = 0.0
    for b in range(blocks - 1, -1, -1):
        n = BLOCK * b
        # In a tree, so that the additions do not wait for one another.
        near = (square[n] + square[n + 1]) + (square[n + 2] + square[n + 3])
        total += near + ((square[n + 4] + square[n + 5]) + (square[n + 6] + square[n + 7]))
        tails[b] = np.sqrt(total)


@light_kernel()
def move_to(arrays, blocks, time, work):
    """Make ``work.here`` the state of the first `blocks` blocks of modes at `time` after the last click."""
    start, here, phase, square = work.start, work.here, work.phase, work.square
    count = BLOCK * blocks
    if abs(time) < arrays.scalars[EXACT_FROM]:
        exponentials(arrays.energy, arrays.decay, count, time, phase[0], phase[1])
    else:
        exact_exponentials(arrays.energy, arrays.energy_rest, arrays.decay, count, time, phase[0], phase[1])
    for n in range(count):
        x, y = start[n], start[SUMS_STRIDE + n]
        u, v = phase[0, n], phase[1, n]
        p, q = x * u - y * v, x * v + y * u
        here[0, n] = p
        here[1, n] = q
        square[n] = p * p + q * q
    fill_tails(square, blocks, work.tails)


@light_kernel()
def lane_sum(values, first, count):
    """Return the sum of values[first : first + count], for whole blocks, in eight lanes of fixed order."""
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for n in range(first, first + count, BLOCK):
        a += values[n]
        b += values[n + 1]
        c += values[n + 2]
        d += values[n + 3]
        e += values[n + 4]
        f += values[n + 5]
        g += values[n + 6]
        h += values[n + 7]
    return ((a + e) + (c + g)) + ((b + f) + (d + h))


@light_kernel()
def coupled_blocks(corner, tails, limit, blocks):
    """Return after how many blocks the pairs of modes among those that follow contribute less than `limit`.

    Σ_{i<j} 2Re conj(z_i)F_ij z_j over modes from a block on is at most twice the norm of their corner of F times
    the square of the norm of their state. Returns that bound too.
    """
    for b in range(blocks):
        bound = 2.0 * corner[b] * tails[b] * tails[b]
        if bound <= limit:
            return b, bound
    return blocks, 0.0


@light_kernel()
def cut_rows(row_tail, share, rows, blocks, error, work):
    """Write into ``work.until`` up to which block each row counts; return `error` and a bound of what is cut off.

    Tails decrease, so the blocks that matter are counted, which is faster than a search with its branches.
    """
    square, tails, size, until = work.square, work.tails, work.size, work.until
    for i in range(rows):
        size[i] = 2.0 * np.sqrt(square[i])
        until[i] = i // BLOCK
    for b in range(blocks):
        tail = tails[b]
        for i in range(min(rows, BLOCK * (b + 1))):
            until[i] += size[i] * row_tail[b, i] * tail > share
    for i in range(rows):
        error += size[i] * row_tail[until[i], i] * tails[until[i]]
    return error


@light_kernel()
def form_value(arrays, form, limit, blocks, work):
    """Return z†Fz of ``work.here``, and a bound of its error, which is at most `limit`."""
    here, square, tails, sums = work.here, work.square, work.tails, work.sums
    real, imag, until = arrays.form[form, 0], arrays.form[form, 1], work.until
    count = BLOCK * blocks
    coupled, error = coupled_blocks(arrays.corner[form], tails, 0.5 * limit, blocks)
    rows = BLOCK * coupled
    share = 0.5 * limit / max(1, rows)
    sums[:count] = 0.0
    sums[SUMS_STRIDE : SUMS_STRIDE + count] = 0.0
    error = cut_rows(arrays.form_tail[form], share, rows, blocks, error, work)
    for i in range(rows):
        x, y = here[0, i], here[1, i]
        for m in range(np.uint64(BLOCK * (i // BLOCK)), np.uint64(BLOCK * until[i])):
            u, v = real[i, m], imag[i, m]
            sums[m] += x * u + y * v
            sums[SUM[1] + m] += x * v - y * u
    diagonal = arrays.diagonal[form]
    for m in range(count):
        pairs = sums[m] * here[0, m] - sums[SUMS_STRIDE + m] * here[1, m]
        sums[m] = diagonal[m] * square[m] + 2.0 * pairs
    return lane_sum(sums, 0, count), error


@light_kernel()
def survival(arrays, limit, blocks, work):
    """Return S = z†Gz of ``work.here`` and its first three derivatives; omitted terms of S are at most `limit`.

    With p_a = Σ_i conj(z_i)^{(a)} G_ij z_j and μ = −iλ_j, the derivatives of the products of mode j with those
    before it are p_0, p_1 + μp_0, p_2 + 2μp_1 + μ²p_0 and p_3 + 3μp_2 + 3μ²p_1 + μ³p_0.
    """
    here, square, tails, sums = work.here, work.square, work.tails, work.sums
    real, imag, until = arrays.form[0, 0], arrays.form[0, 1], work.until
    energy, decay = arrays.energy, arrays.decay
    count = BLOCK * blocks
    coupled, _ = coupled_blocks(arrays.corner[0], tails, 0.5 * limit, blocks)
    rows = BLOCK * coupled
    share = 0.5 * limit / max(1, rows)
    for a in range(8):
        sums[a * SUMS_STRIDE : a * SUMS_STRIDE + count] = 0.0
    cut_rows(arrays.form_tail[0], share, rows, blocks, 0.0, work)
    for i in range(rows):
        first, last = i // BLOCK, until[i]
        if last == first:
            continue
        g, w = -decay[i], energy[i]
        x0, y0 = here[0, i], -here[1, i]
        x1, y1 = x0 * g - y0 * w, x0 * w + y0 * g
        x2, y2 = x1 * g - y1 * w, x1 * w + y1 * g
        x3, y3 = x2 * g - y2 * w, x2 * w + y2 * g
        for m in range(np.uint64(BLOCK * first), np.uint64(BLOCK * last)):
            u, v = real[i, m], imag[i, m]
            sums[m] += x0 * u - y0 * v
            sums[SUM[1] + m] += x0 * v + y0 * u
            sums[SUM[2] + m] += x1 * u - y1 * v
            sums[SUM[3] + m] += x1 * v + y1 * u
            sums[SUM[4] + m] += x2 * u - y2 * v
            sums[SUM[5] + m] += x2 * v + y2 * u
            sums[SUM[6] + m] += x3 * u - y3 * v
            sums[SUM[7] + m] += x3 * v + y3 * u
    for m in range(count):
        x, y = here[0, m], here[1, m]
        g, w = -decay[m], -energy[m]
        u, v = sums[m], sums[SUMS_STRIDE + m]
        a0, b0 = u * x - v * y, u * y + v * x
        u, v = sums[2 * SUMS_STRIDE + m], sums[3 * SUMS_STRIDE + m]
        a1, b1 = u * x - v * y, u * y + v * x
        u, v = sums[4 * SUMS_STRIDE + m], sums[5 * SUMS_STRIDE + m]
        a2, b2 = u * x - v * y, u * y + v * x
        a3 = sums[6 * SUMS_STRIDE + m] * x - sums[7 * SUMS_STRIDE + m] * y
        # Horner's scheme, three times: after the first pass the a are the first derivatives, and so on.
        a3 += a2 * g - b2 * w
        a2, b2 = a2 + a1 * g - b1 * w, b2 + a1 * w + b1 * g
        a1, b1 = a1 + a0 * g - b0 * w, b1 + a0 * w + b0 * g
        a3 += a2 * g - b2 * w
        a2, b2 = a2 + a1 * g - b1 * w, b2 + a1 * w + b1 * g
        a3 += a2 * g - b2 * w
        alone = square[m]
        sums[m] = alone + 2.0 * a0
        alone *= 2.0 * g
        sums[SUMS_STRIDE + m] = alone + 2.0 * a1
        alone *= 2.0 * g
        sums[2 * SUMS_STRIDE + m] = alone + 2.0 * a2
        sums[3 * SUMS_STRIDE + m] = alone * 2.0 * g + 2.0 * a3
    s0, s1 = lane_sum(sums, 0, count), lane_sum(sums, SUMS_STRIDE, count)
    return s0, s1, lane_sum(sums, 2 * SUMS_STRIDE, count), lane_sum(sums, 3 * SUMS_STRIDE, count)
