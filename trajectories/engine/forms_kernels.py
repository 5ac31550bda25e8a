"""Hermitian forms z†Fz of few live modes, with a bound of what is left out.

The forms are G = V†V, which gives the survival probability, and V†c_k†c_kV, which give the click rates. A handful
of strong modes is combined with every live mode directly. For the rest the rows of F are sorted by size and carry
the sum of all that follows, so that a loop stops as soon as what remains is provably below its share of the error.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .jit import kernel

# Rows of a jump map between two entries of its table of tails.
TAIL_STRIDE = 16
# A mode is strong when |z_j| exceeds this fraction of the largest.
STRONG = 0.02


class ModesArrays(NamedTuple):
    """A compiled eigenmode propagator; modes are ordered by importance.

    `row_start`, `column`, `value` and `tail` hold the strict upper triangles of the K + 1 forms, row by row: form
    0 is G, form 1 + k is V†c_k†c_kV. Within a row entries fall in size, and `tail` is the sum of |value| from an
    entry on. `sorted_row` lists the rows of each column of the jump maps V⁻¹c_kV by falling size, `sorted_tail` is
    the norm of all entries from there on.
    """

    energy: NDArray[np.float64]  # Re λ, (N,)
    decay: NDArray[np.float64]  # −Im λ, (N,)
    form: NDArray[np.float64]  # (K + 1, 2, N, N)
    diagonal: NDArray[np.float64]  # (K + 1, N)
    row_start: NDArray[np.int64]  # ((K + 1)·N + 1,)
    column: NDArray[np.uint32]
    value: NDArray[np.complex128]
    tail: NDArray[np.float64]
    jump: NDArray[np.float64]  # (K, column, 2, row)
    jump_tail: NDArray[np.float64]  # norm of the rows from TAIL_STRIDE·b on, (K, column, blocks + 1)
    sorted_row: NDArray[np.uint32]  # (K, column, N)
    sorted_tail: NDArray[np.float32]  # (K, column, N + 1)
    vectors: NDArray[np.complex128]  # V, (N, N)
    inverse: NDArray[np.complex128]  # V⁻¹, (N, N)
    scalars: NDArray[np.float64]  # see the names below


VECTORS_NORM, TOLERANCE, BRACKET, FASTEST, FASTEST_DECAY = 0, 1, 2, 3, 4


class ModesWorkspace(NamedTuple):
    """Scratch of one trajectory; real and imaginary parts lie apart, so that loops vectorise.

    ``start``, ``sampled``, ``weak`` and ``position`` are indexed by mode, ``listed_…`` and ``phase`` by position
    in the list of modes that occur in pairs, the others by position in ``live``.
    """

    start: NDArray[np.float64]  # z at the last click, (2, N)
    sampled: NDArray[np.float64]  # z at a sample time, (2, N)
    live: NDArray[np.uint32]  # modes that count in the present search, ascending
    energy: NDArray[np.float64]  # their energies and decays
    decay: NDArray[np.float64]
    begin: NDArray[np.float64]  # their z at the last click, (2, N)
    here: NDArray[np.float64]  # their z at the base point or the click, (2, N)
    weight: NDArray[np.float64]  # 1 where they are strong, 2 where they are weak
    bounds: NDArray[np.float64]  # largest |z_j| among the weak live modes after each
    weak: NDArray[np.float64]  # `here` of the weak modes, zero elsewhere, (2, N)
    position: NDArray[np.int64]  # position of a live mode in ``live``, by mode
    place: NDArray[np.int64]  # their position in the list, −1 if they are not there
    listed_energy: NDArray[np.float64]
    listed_decay: NDArray[np.float64]
    listed_square: NDArray[np.float64]  # |z|² at the base point
    phase: NDArray[np.float64]  # (2, N)
    pair_first: NDArray[np.uint32]
    pair_second: NDArray[np.uint32]
    pair_real: NDArray[np.float64]  # 2 conj(z_i) G_ij z_j at the base point
    pair_imag: NDArray[np.float64]
    psi: NDArray[np.complex128]


@kernel()
def settle(live, work):
    """Prepare ``work.here`` for the forms: tell strong modes from weak, and bound the weak partners of each."""
    largest = 0.0
    for n in range(live):
        x, y = work.here[0, n], work.here[1, n]
        largest = max(largest, x * x + y * y)
    work.weak[:] = 0.0
    partner = 0.0
    for n in range(live - 1, -1, -1):
        x, y = work.here[0, n], work.here[1, n]
        square = x * x + y * y
        work.bounds[n] = np.sqrt(partner)
        # Pairs of a strong mode and a weak one are met once, pairs of strong modes twice.
        work.weight[n] = 1.0
        if square <= STRONG * STRONG * largest:
            work.weight[n] = 2.0
            work.weak[0, work.live[n]], work.weak[1, work.live[n]] = x, y
            partner = max(partner, square)


@kernel()
def form_value(arrays, form, limit, live, work):
    """Return z†Fz of the settled state, and a bound of its error, which is at most `limit`."""
    size = len(arrays.energy)
    here, weak, weight = work.here, work.weak, work.weight
    total = 0.0
    share = limit / max(1, live)
    error = 0.0
    for n in range(live):
        i = work.live[n]
        x, y = here[0, n], here[1, n]
        square = x * x + y * y
        total += arrays.diagonal[form, i] * square
        if weight[n] == 1.0:
            real, imag = arrays.form[form, 0, i], arrays.form[form, 1, i]
            weight[n] = 0.0
            for m in range(live):
                j = work.live[m]
                u, v = here[0, m], here[1, m]
                total += weight[m] * (real[j] * (x * u + y * v) - imag[j] * (x * v - y * u))
            weight[n] = 1.0
            continue
        bound = 2.0 * np.sqrt(square) * work.bounds[n]
        row = form * size + i
        for p in range(arrays.row_start[row], arrays.row_start[row + 1]):
            if bound * arrays.tail[p] < share:
                error += bound * arrays.tail[p]
                break
            value = arrays.value[p]
            u, v = weak[0, arrays.column[p]], weak[1, arrays.column[p]]
            total += 2.0 * (value.real * (x * u + y * v) - value.imag * (x * v - y * u))
    return total, error


@kernel()
def norm_and_slope(arrays, limit, live, work):
    """Return S = z†Gz of the settled state and dS/dt; what is left out of S is at most `limit`."""
    here, weak, weight = work.here, work.weak, work.weight
    total, slope = 0.0, 0.0
    share = limit / max(1, live)
    for n in range(live):
        i = work.live[n]
        x, y = here[0, n], here[1, n]
        energy, decay = work.energy[n], work.decay[n]
        square = x * x + y * y
        total += square
        slope -= 2.0 * decay * square
        if weight[n] == 1.0:
            gram_real, gram_imag = arrays.form[0, 0, i], arrays.form[0, 1, i]
            weight[n] = 0.0
            for m in range(live):
                j = work.live[m]
                u, v = here[0, m], here[1, m]
                c, s = weight[m] * (x * u + y * v), weight[m] * (x * v - y * u)
                real, imag = gram_real[j] * c - gram_imag[j] * s, gram_real[j] * s + gram_imag[j] * c
                total += real
                slope -= (decay + work.decay[m]) * real + (energy - work.energy[m]) * imag
            weight[n] = 1.0
            continue
        bound = 2.0 * np.sqrt(square) * work.bounds[n]
        for p in range(arrays.row_start[i], arrays.row_start[i + 1]):
            if bound * arrays.tail[p] < share:
                break
            j = arrays.column[p]
            u, v = weak[0, j], weak[1, j]
            c, s = 2.0 * (x * u + y * v), 2.0 * (x * v - y * u)
            value = arrays.value[p]
            real, imag = value.real * c - value.imag * s, value.real * s + value.imag * c
            total += real
            slope -= (decay + arrays.decay[j]) * real + (energy - arrays.energy[j]) * imag
    return total, slope


@kernel()
def list_pairs(arrays, limit, live, work):
    """List the pairs of live modes whose products count in S = z†Gz of the settled state.

    What is left out of S is at most `limit`. Returns the number of listed modes, which are all live ones that
    count alone or in a pair, and the number of pairs.
    """
    # No call in the loops, which would copy the whole workspace record, and no branch on the size of a product,
    # which no processor can predict: every product is written, and the next overwrites it if it was too small.
    here, weak, weight, place, modes = work.here, work.weak, work.weight, work.place, work.live
    pair_first, pair_second = work.pair_first, work.pair_second
    pair_real, pair_imag = work.pair_real, work.pair_imag
    share = 0.5 * limit / max(1, live)
    small = limit / 2048.0
    for n in range(live):
        work.position[modes[n]] = n
    pairs = 0
    while True:
        left_out = 0.0
        pairs = 0
        for n in range(live):
            i = modes[n]
            x, y = here[0, n], here[1, n]
            if weight[n] == 1.0:
                gram_real, gram_imag = arrays.form[0, 0, i], arrays.form[0, 1, i]
                weight[n] = 0.0
                for m in range(live):
                    j = modes[m]
                    u, v = here[0, m], here[1, m]
                    c, s = weight[m] * (x * u + y * v), weight[m] * (x * v - y * u)
                    real, imag = gram_real[j] * c - gram_imag[j] * s, gram_real[j] * s + gram_imag[j] * c
                    largest = abs(real) + abs(imag)
                    pair_first[pairs], pair_second[pairs] = n, m
                    pair_real[pairs], pair_imag[pairs] = real, imag
                    kept = largest > small
                    pairs += kept
                    left_out += largest * (1 - kept)
                weight[n] = 1.0
                continue
            bound = 2.0 * np.sqrt(x * x + y * y) * work.bounds[n]
            for p in range(arrays.row_start[i], arrays.row_start[i + 1]):
                if bound * arrays.tail[p] < share:
                    break
                j = arrays.column[p]
                u, v = weak[0, j], weak[1, j]
                c, s = 2.0 * (x * u + y * v), 2.0 * (x * v - y * u)
                value = arrays.value[p]
                real, imag = value.real * c - value.imag * s, value.real * s + value.imag * c
                largest = abs(real) + abs(imag)
                pair_first[pairs], pair_second[pairs] = n, work.position[j]
                pair_real[pairs], pair_imag[pairs] = real, imag
                kept = largest > small
                pairs += kept
                left_out += largest * (1 - kept)
        for n in range(live):
            x, y = here[0, n], here[1, n]
            square = x * x + y * y
            place[n] = 0 if square > small else -1
            left_out += 0.0 if square > small else square
        if left_out <= 0.5 * limit:
            break
        small *= 0.0625
    for k in range(pairs):
        place[pair_first[k]] = place[pair_second[k]] = 0
    listed = 0
    for n in range(live):
        if place[n] == 0:
            place[n] = listed
            x, y = here[0, n], here[1, n]
            work.listed_energy[listed], work.listed_decay[listed] = work.energy[n], work.decay[n]
            work.listed_square[listed] = x * x + y * y
            listed += 1
    for k in range(pairs):
        pair_first[k], pair_second[k] = place[pair_first[k]], place[pair_second[k]]
    return listed, pairs
