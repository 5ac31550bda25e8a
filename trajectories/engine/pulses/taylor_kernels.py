"""Taylor steps of dψ/dt = −iH_eff(t)ψ: envelopes are polynomials on a step, so the solution is a power series.

With x = (t − start)/h from 0 to 1 and H_eff = A + Σ_j B_j Σ_l f_jl x^l, the coefficients of ψ = Σ_k ψ_k x^k follow
from (k+1)ψ_{k+1} = −ih[Aψ_k + Σ_j B_j Σ_l f_jl ψ_{k−l}].
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import light_kernel
from ..modes.forms_kernels import ModesArrays
from .product_kernels import inner

# Largest number of terms of a series; steps of ‖H‖h ≤ 8 need about 36.
MOST_TERMS = 96
# A series ends when two terms in a row are below this share of the state; each further one is smaller by half.
ENOUGH = 2.0**-54
# A state is expanded about its mean energy, unless a term gets longer than this many times the state: rounding
# grows with the longest term. About the middle of the spectrum it is e^radians at most.
LONGEST_TERM = 16.0
# Parts of a step in the computation of a propagator, whose errors add up over all periods of a gap: the shorter
# a part, the smaller the largest term of its series, whose rounding stays.
PARTS = 4


class TimedArrays(NamedTuple):
    """A compiled system that depends on time.

    The time axis, of one period if there is one, is cut into leaves: runs of Taylor steps, or one constant stretch
    in its eigenmodes. Node i of level l of the tree is the propagator over leaves i·2^l … (i+1)·2^l − 1; its top
    is the whole. Rung q of the ladder is the propagator over 2^q periods.
    """

    indptr: NDArray[np.int64]  # A and then every B_j, rows stacked
    indices: NDArray[np.int64]
    data: NDArray[np.complex128]
    # The same by diagonals, where there are few: those of A, of B_0, …
    offsets: NDArray[np.int64]  # (n_diagonals,): column less row; none if there are many
    first_diagonal: NDArray[np.int64]  # (n_operators + 1,)
    diagonal_real: NDArray[np.float64]  # (n_diagonals, N)
    diagonal_imag: NDArray[np.float64]
    has_imag: NDArray[np.bool_]  # (n_diagonals,)
    starts: NDArray[np.float64]  # (n_steps + 1,)
    coefficients: NDArray[np.float64]  # (n_steps, n_terms, n_coefficients)
    leaf_step: NDArray[np.int64]  # (n_leaves + 1,) first step of every leaf
    leaf_start: NDArray[np.float64]  # (n_leaves + 1,)
    leaf_modes: NDArray[np.int64]  # (n_leaves,) which eigenmodes; −1: Taylor steps
    leaf_error: NDArray[np.float64]  # (n_leaves + 1,) error of a state of norm 1 by the nodes of all leaves before
    amplitude: NDArray[np.int64]  # (n_channels,) term that is g² of the channel; −1: constant
    energy: NDArray[np.float64]  # (n_modes, N)
    decay: NDArray[np.float64]
    vectors: NDArray[np.float64]  # (n_modes, N, 2, N): columns of V, real and imaginary parts
    inverse: NDArray[np.float64]  # (n_modes, N, 2, N): columns of V⁻¹
    tree: NDArray[np.float64]  # (n_nodes, N, 2, N): columns of propagators, level by level
    level_node: NDArray[np.int64]  # (n_levels + 1,) first node of every level
    ladder: NDArray[np.float64]  # (n_rungs, N, 2, N)
    rungs: NDArray[np.float64]  # (n_rungs, 2) norm of each rung, and the error of a state of norm 1 that passes it
    # Of a reduced tree, whose nodes and rungs are r×r; empty otherwise.
    frame: NDArray[np.float64]  # (r, 2, N): its orthonormal vectors Q as columns
    adjoint: NDArray[np.float64]  # (N, 2, r): columns of Q†
    near_inverse: NDArray[np.float64]  # (n_modes, r, 2, N): columns of V⁻¹Q
    # Whole periods in the slow space, of q vectors, see `periods`; empty if it is too large. States from it or to
    # it are followed within segments of steps, see `segments`; a constant stretch is one step. Positions count
    # the steps as they follow the anchor; if that lies within a stretch, its beginning is one more position.
    slow_vectors: NDArray[np.float64]  # (q, 2, N): those of the slow space, as columns
    slow_errors: NDArray[np.float64]  # (q,): what each of them is off by, at most, in the vectors of a segment
    anchor: NDArray[np.int64]  # (3,): step and leaf of the anchor, and the periods that a state passes first
    likely: NDArray[np.int64]  # (2,): positions between which most clicks fall
    segment_of_position: NDArray[np.int64]  # (n_positions,)
    leaf_of_step: NDArray[np.int64]  # (n_steps,)
    from_vectors: NDArray[np.float64]  # (n_segments, a, 2, N): columns of A, which spans states from Q
    to_vectors: NDArray[np.float64]  # (n_segments, N, 2, b): columns of B†; B spans what gets to Q
    from_operators: NDArray[np.float64]  # (n_segments, n_operators, a, 2, a): columns of A†OA, O of H_eff as above
    to_operators: NDArray[np.float64]  # (n_segments, n_operators, b, 2, b): columns of B†OB
    from_slow: NDArray[np.float64]  # (n_positions, q, 2, a): from the anchor to a step's start, in A
    to_slow: NDArray[np.float64]  # (n_positions, b, 2, q): from a step's end, in B, to the anchor
    still_to_slow: NDArray[np.float64]  # (n_leaves or 0, N, 2, q): from the modes at a stretch's end to the anchor
    slowest_to_slow: NDArray[np.complex128]  # (q or 0,): what the anchor's stretch turns into its first mode
    slow_ladder: NDArray[np.float64]  # (n_rungs, q, 2, q): of 2^k periods
    slow_rungs: NDArray[np.float64]  # (n_rungs, 2) as `rungs`
    bridges: NDArray[np.int64]  # (n_leaves, 6): ways between constant stretches, see `bridge_kernels`; −1: none
    still: ModesArrays  # tables of the constant stretches, the first index which; V and V⁻¹ are those above
    scalars: NDArray[np.float64]  # see the names below


# MOST_LEAK: what may lie outside a frame, as norm² over the threshold; AUDITED: |ΔS|/S that its audit found.
PERIOD, BRACKET, LARGEST_DECAY, STEP_ERROR, MOST_LEAK, AUDITED = 0, 1, 2, 3, 4, 5
# Further results of the audit: gaps, the share of jumps that left the frame, |ΔS|/S of each further period.
AUDITED_GAPS, MISSED, DRIFT = 6, 7, 8
# Error of a state of norm 1 that enters the slow space, by what is left out there and in the vectors of
# segments; and of one that leaves it, by rounding. What segments leave out then is in `slow_errors`.
SLOW_ERROR, LEAVING_ERROR = 9, 10
# Time of the anchor after the beginning of its step.
ANCHOR_OFFSET = 11
N_SCALARS = 12


@light_kernel()
def local_coefficients(arrays, step, offset, length, out):
    """Write the polynomials of part of a step in y, x = offset + length·y, into `out`, one row a term.

    Σ_m a_m x^m = Σ_p y^p length^p Σ_m a_m binomial(m, p) offset^(m−p).
    """
    terms, size = arrays.coefficients.shape[1], arrays.coefficients.shape[2]
    for j in range(terms):
        scale = 1.0
        for power in range(size):
            total, binomial, reach = 0.0, 1.0, 1.0
            for m in range(power, size):
                total += arrays.coefficients[step, j, m] * binomial * reach
                binomial *= (m + 1.0) / (m + 1.0 - power)
                reach *= offset
            out[j, power] = total * scale
            scale *= length


@light_kernel(apart=True)
def apply_rows(arrays, term, psi, factor, out):
    """Add factor × (stacked operator number `term`) × ψ to `out`."""
    size = len(psi)
    for i in range(size):
        row = term * size + i
        real, imag = 0.0, 0.0
        for p in range(arrays.indptr[row], arrays.indptr[row + 1]):
            value, z = arrays.data[p], psi[arrays.indices[p]]
            real += value.real * z.real
            imag += value.real * z.imag
            if value.imag != 0.0:
                real -= value.imag * z.imag
                imag += value.imag * z.real
        out[i] += complex(factor * real, factor * imag)


@light_kernel(apart=True)
def apply_diagonals(arrays, operator, padded, first, out):
    """Add a stacked operator times ψ to `out`; both have all real parts first.

    ψ begins at `first` in an array that has any numbers before and behind it, for the ends of diagonals.
    """
    size = len(out) // 2
    real, imag = out[:size], out[size:]
    d, last = arrays.first_diagonal[operator], arrays.first_diagonal[operator + 1]
    while d < last:
        values, start = arrays.diagonal_real[d], first + arrays.offsets[d]
        x, y = padded[start : start + size], padded[start + size : start + 2 * size]
        if arrays.has_imag[d]:
            others = arrays.diagonal_imag[d]
            for i in range(size):
                real[i] += values[i] * x[i] - others[i] * y[i]
            for i in range(size):
                imag[i] += values[i] * y[i] + others[i] * x[i]
            d += 1
        elif d + 2 < last and not arrays.has_imag[d + 1] and not arrays.has_imag[d + 2]:
            # Three at a time: the result is read and written a third as often.
            second, third = first + arrays.offsets[d + 1], first + arrays.offsets[d + 2]
            more, most = arrays.diagonal_real[d + 1], arrays.diagonal_real[d + 2]
            u, v = padded[second : second + size], padded[third : third + size]
            for i in range(size):
                real[i] = real[i] + values[i] * x[i] + more[i] * u[i] + most[i] * v[i]
            u, v = padded[second + size : second + 2 * size], padded[third + size : third + 2 * size]
            for i in range(size):
                imag[i] = imag[i] + values[i] * y[i] + more[i] * u[i] + most[i] * v[i]
            d += 3
        else:
            for i in range(size):
                real[i] += values[i] * x[i]
            for i in range(size):
                imag[i] += values[i] * y[i]
            d += 1


@light_kernel(apart=True)
def mix(series, k, count, factors, mixed):
    """Write Σ_l f_l ψ_{k−l}, of the first so many terms, into `mixed`; states as 2N numbers."""
    whole = len(mixed)
    # Slices of a view, whose loops take a third of the time of those over the view.
    source = series[k].view(np.float64)[:whole]
    f = factors[0]
    for t in range(whole):
        mixed[t] = f * source[t]
    for power in range(1, count - 1, 2):
        f, g = factors[power], factors[power + 1]
        source = series[k - power].view(np.float64)[:whole]
        other = series[k - power - 1].view(np.float64)[:whole]
        for t in range(whole):
            mixed[t] = mixed[t] + f * source[t] + g * other[t]
    if count % 2 == 0:
        f, source = factors[count - 1], series[k - count + 1].view(np.float64)[:whole]
        for t in range(whole):
            mixed[t] += f * source[t]


@light_kernel(apart=True)
def _expand_by_diagonals(arrays, psi, step, offset, centred, work):
    """See `expand`; for systems whose operators have few diagonals. Coefficients have all real parts first.

    The series is about the mean energy of ψ, or if `centred` about the middle of the spectrum.
    """
    size, whole, degree = len(psi), 2 * len(psi), arrays.coefficients.shape[2]
    terms = arrays.coefficients.shape[1]
    local, series, image = work.local, work.series, work.sums[0]
    at = (len(work.padded_series) - 2 * series.size) // 2
    at_mixed = (len(work.padded_mixed) - whole) // 2
    mixed = work.padded_mixed[at_mixed : at_mixed + whole]
    local_coefficients(arrays, step, offset, 1.0 - offset, local)
    span = (arrays.starts[step + 1] - arrays.starts[step]) * (1.0 - offset)
    first = series[0].view(np.float64)
    for i in range(size):
        first[i], first[size + i] = psi[i].real, psi[i].imag
    norm = inner(first, first, whole)
    # Squares of norms: a series ends when two terms are below the first, and is given up above the second.
    limit, longest, small = ENOUGH * ENOUGH * norm, LONGEST_TERM * LONGEST_TERM * norm, 0
    energy = 0.0
    for k in range(MOST_TERMS - 1):
        for t in range(whole):
            image[t] = 0.0
        apply_diagonals(arrays, 0, work.padded_series, at + k * whole, image)
        for j in range(terms):
            mix(series, k, min(degree, k + 1), local[j], mixed)
            apply_diagonals(arrays, 1 + j, work.padded_mixed, at_mixed, image)
        source, following = series[k].view(np.float64)[:whole], series[k + 1].view(np.float64)[:whole]
        if k == 0 and not centred and norm > 0.0:
            energy = inner(source, image, whole) / norm
        factor = span / (k + 1.0)
        # −i(O − energy)ψ
        for i in range(size):
            following[i] = factor * (image[size + i] - energy * source[size + i])
        for i in range(size):
            following[size + i] = -factor * (image[i] - energy * source[i])
        norm = inner(following, following, whole)
        small = small + 1 if norm <= limit else 0
        if small >= 2 and k >= degree:
            return k + 2
        if not centred and norm > longest:
            return -1
    return -1


@light_kernel(apart=True)
def expand(arrays, psi, step, offset, work):
    """Write the Taylor coefficients of the solution from `offset` of a step to its end; return their number.

    The solution is that of H_eff less an energy: a phase of the whole state is of no account. Returns −1 where the
    coefficients do not become small, which cannot happen on a step of the right length. What `evaluate` makes of
    them becomes a state by `join`.
    """
    if len(arrays.offsets) > 0:
        # Most states of a large space are near its lowest energy: fewer and shorter terms about their own.
        count = _expand_by_diagonals(arrays, psi, step, offset, False, work)
        return count if count >= 0 else _expand_by_diagonals(arrays, psi, step, offset, True, work)
    size, degree = len(psi), arrays.coefficients.shape[2]
    terms = arrays.coefficients.shape[1]
    local, series, mixed = work.local, work.series, work.mixed
    local_coefficients(arrays, step, offset, 1.0 - offset, local)
    span = (arrays.starts[step + 1] - arrays.starts[step]) * (1.0 - offset)
    whole = 0.0
    for i in range(size):
        series[0, i] = psi[i]
        whole += psi[i].real * psi[i].real + psi[i].imag * psi[i].imag
    limit, small = ENOUGH * ENOUGH * whole, 0
    for k in range(MOST_TERMS - 1):
        following = series[k + 1]
        for i in range(size):
            following[i] = 0.0
        apply_rows(arrays, 0, series[k], 1.0, following)
        for j in range(terms):
            for i in range(size):
                mixed[i] = 0.0
            used = False
            for power in range(min(degree, k + 1)):
                f = local[j, power]
                if f != 0.0:
                    used = True
                    source = series[k - power]
                    for i in range(size):
                        mixed[i] += f * source[i]
            if used:
                apply_rows(arrays, 1 + j, mixed, 1.0, following)
        factor = complex(0.0, -span / (k + 1.0))
        norm = 0.0
        for i in range(size):
            following[i] *= factor
            norm += following[i].real * following[i].real + following[i].imag * following[i].imag
        small = small + 1 if norm <= limit else 0
        if small >= 2 and k >= degree:
            return k + 2
    return -1


@light_kernel(apart=True)
def join(arrays, psi, work):
    """Make a state of a sum of coefficients of `expand`, which may have all real parts first."""
    if len(arrays.offsets) == 0:
        return
    size, parts, apart = len(psi), psi.view(np.float64), work.sums[0]
    for t in range(2 * size):
        apart[t] = parts[t]
    for i in range(size):
        psi[i] = complex(apart[i], apart[size + i])


@light_kernel(apart=True)
def evaluate(series, count, y, out):
    """Write Σ_k ψ_k y^k into `out` and return its norm²."""
    whole = 2 * len(out)
    parts, source = out.view(np.float64)[:whole], series[count - 1].view(np.float64)[:whole]
    for t in range(whole):
        parts[t] = source[t]
    for k in range(count - 2, 0, -2):
        source, other = series[k].view(np.float64)[:whole], series[k - 1].view(np.float64)[:whole]
        for t in range(whole):
            parts[t] = (parts[t] * y + source[t]) * y + other[t]
    if count % 2 == 0:
        source = series[0].view(np.float64)[:whole]
        for t in range(whole):
            parts[t] = parts[t] * y + source[t]
    return inner(parts, parts, whole)


@light_kernel(apart=True)
def evaluate_with_slope(series, count, y, out, slopes):
    """Write Σ_k ψ_k y^k into `out` and its derivative into `slopes`; return the norm² and its derivative."""
    whole = 2 * len(out)
    parts, rates = out.view(np.float64)[:whole], slopes.view(np.float64)[:whole]
    source = series[count - 1].view(np.float64)[:whole]
    for t in range(whole):
        parts[t] = source[t]
        rates[t] = 0.0
    for k in range(count - 2, -1, -1):
        source = series[k].view(np.float64)[:whole]
        for t in range(whole):
            rates[t] = rates[t] * y + parts[t]
            parts[t] = parts[t] * y + source[t]
    return inner(parts, parts, whole), 2.0 * inner(parts, rates, whole)
