"""Kernel of a Taylor step of the master equation: the coefficients of a power series of packed states.

A Hermitian X = R + iS is kept as Y = R + S, so that Yᵀ = R − S. With −iH_eff = −i(P + iQ), P and Q real matrices,
X ↦ −iH_effX + h.c. is Y ↦ (QY − PYᵀ) + (PY + QYᵀ)ᵀ: products of sparse matrices with rows that lie together.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel

# Numbers of a row that are followed together, so that they stay in the cache.
TILE = 192
# A power of an envelope counts where what it adds is above this share of what a series ends at.
COUNTS = 2.0**-6


class StackedParts(NamedTuple):
    """A generator: X ↦ Σ_j f_j(t)(−iB_jX + h.c.) + Σ_p f_p(t)·(matrix_p X coupling_p), B_0 the constant part.

    Matrices lie in one CSR layout, rows stacked; parts are ordered by their term.
    """

    half_indptr: NDArray[np.int64]  # (n_terms + 1) N + 1: A, then every B_j
    half_indices: NDArray[np.int64]
    real: NDArray[np.float64]
    imag: NDArray[np.float64]
    indptr: NDArray[np.int64]  # n_parts N² + 1
    indices: NDArray[np.int64]
    data: NDArray[np.float64]
    coupling_indptr: NDArray[np.int64]  # couplings in one CSR layout, rows stacked
    coupling_indices: NDArray[np.int64]
    coupling_data: NDArray[np.float64]
    coupled: NDArray[np.bool_]  # (n_parts,): whether the coupling is not the identity
    first_part: NDArray[np.int64]  # (n_terms + 2,): the first part of the constant, of term 0, …


class SeriesRoom(NamedTuple):
    """Scratch of a step."""

    mixed: NDArray[np.float64]  # (N², n_states)
    flipped: NDArray[np.float64]
    left: NDArray[np.float64]
    right: NDArray[np.float64]
    image: NDArray[np.float64]  # (n_states,)
    largest: NDArray[np.float64]  # (n_coefficients,): largest element of every coefficient


@kernel(apart=True)
def _flip(source, size, out):
    """Write the transposed states into `out`, rows of N·n_states numbers."""
    width = source.shape[1]
    if width == 1:
        for i in range(size):
            for j in range(size):
                out[i * size + j, 0] = source[j * size + i, 0]
        return
    for i in range(size):
        for j in range(size):
            for s in range(width):
                out[j * size + i, s] = source[i * size + j, s]


@kernel(apart=True)
def _add_half(parts, term, size, source, flipped, left, right):
    """Add QY − PYᵀ to `left` and PY + QYᵀ to `right`; all (N, N·n_states)."""
    whole = source.shape[1]
    for low in range(0, whole, TILE):
        high = min(low + TILE, whole)
        for i in range(size):
            row = term * size + i
            u, v = left[i, low:high], right[i, low:high]
            for q in range(parts.half_indptr[row], parts.half_indptr[row + 1]):
                column, p, r = parts.half_indices[q], parts.real[q], parts.imag[q]
                y, z = source[column, low:high], flipped[column, low:high]
                if r == 0.0:
                    for t in range(high - low):
                        u[t] -= p * z[t]
                        v[t] += p * y[t]
                elif p == 0.0:
                    for t in range(high - low):
                        u[t] += r * y[t]
                        v[t] += r * z[t]
                else:
                    for t in range(high - low):
                        u[t] += r * y[t] - p * z[t]
                        v[t] += p * y[t] + r * z[t]


@kernel(apart=True)
def _add_part(parts, p, source, image, out):
    """Add matrix_p X coupling_p to `out`."""
    size, width = source.shape
    if width == 1:
        scale = 1.0
        if parts.coupled[p]:
            scale = 0.0
            for c in range(parts.coupling_indptr[p], parts.coupling_indptr[p + 1]):
                scale += parts.coupling_data[c]
        for i in range(size):
            total = 0.0
            for q in range(parts.indptr[p * size + i], parts.indptr[p * size + i + 1]):
                total += parts.data[q] * source[parts.indices[q], 0]
            out[i, 0] += scale * total
        return
    for i in range(size):
        first, last = parts.indptr[p * size + i], parts.indptr[p * size + i + 1]
        if first == last:
            continue
        if not parts.coupled[p]:
            for q in range(first, last):
                value, column = parts.data[q], parts.indices[q]
                for s in range(width):
                    out[i, s] += value * source[column, s]
            continue
        for s in range(width):
            image[s] = 0.0
        for q in range(first, last):
            value, column = parts.data[q], parts.indices[q]
            for s in range(width):
                image[s] += value * source[column, s]
        for r in range(width):
            at = p * width + r
            for c in range(parts.coupling_indptr[at], parts.coupling_indptr[at + 1]):
                out[i, parts.coupling_indices[c]] += image[r] * parts.coupling_data[c]


@kernel(apart=True)
def _mix(term, coefficients, k, series, largest, least, out):
    """Write Σ_l f_l X_{k−l} into `out`; return whether anything is in it."""
    total = out.reshape(-1)
    used = False
    for power in range(min(coefficients.shape[1], k + 1)):
        f = coefficients[term, power]
        if abs(f) * largest[k - power] <= least:
            continue
        before = series[k - power].reshape(-1)
        if not used:
            for i in range(len(total)):
                total[i] = f * before[i]
        else:
            for i in range(len(total)):
                total[i] += f * before[i]
        used = True
    return used


@kernel(apart=True)
def _clear(array):
    """Set an array to zero."""
    flat = array.reshape(-1)
    for i in range(len(flat)):
        flat[i] = 0.0


@kernel(apart=True)
def _finish(left, right, size, factor, following):
    """Write factor × (following + left + rightᵀ) into `following` and return the largest element."""
    width, here = following.shape[1], 0.0
    for i in range(size):
        for j in range(size):
            a, b = i * size + j, j * size + i
            for s in range(width):
                value = factor * (following[a, s] + left[a, s] + right[b, s])
                following[a, s] = value
                here = max(here, abs(value))
    return here


@kernel()
def taylor_series(parts, coefficients, span, enough, series, room):
    """Fill `series` (n_coefficients, N², n_states), whose first entry is given, with the coefficients of a step.

    Returns how many there are; −1 where they do not become small.
    """
    most, squared, width = series.shape
    size = int(np.sqrt(squared) + 0.5)
    degree, terms = coefficients.shape[1], coefficients.shape[0]
    largest = 0.0
    for i in range(squared):
        for s in range(width):
            largest = max(largest, abs(series[0, i, s]))
    room.largest[0] = largest
    flat = (size, size * width)
    small = 0
    for k in range(most - 1):
        following = series[k + 1]
        _clear(following)
        _clear(room.left)
        _clear(room.right)
        for term in range(-1, terms):
            halves = parts.half_indptr[(term + 2) * size] > parts.half_indptr[(term + 1) * size]
            first, last = parts.first_part[term + 1], parts.first_part[term + 2]
            if not halves and first == last:
                continue
            source = series[k]
            if term >= 0:
                if not _mix(term, coefficients, k, series, room.largest, COUNTS * enough * largest, room.mixed):
                    continue
                source = room.mixed
            if halves:
                _flip(source, size, room.flipped)
                _add_half(
                    parts,
                    term + 1,
                    size,
                    source.reshape(flat),
                    room.flipped.reshape(flat),
                    room.left.reshape(flat),
                    room.right.reshape(flat),
                )
            for p in range(first, last):
                _add_part(parts, p, source, room.image, following)
        here = _finish(room.left, room.right, size, span / (k + 1.0), following)
        room.largest[k + 1] = here
        if k == 0:
            largest = max(largest, here)
        small = small + 1 if here <= enough * largest else 0
        if small >= 2 and k >= degree:
            return k + 2
    return -1
