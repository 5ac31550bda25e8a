"""Products of a basis and a state, for the moment at which a trajectory changes its level.

They are short and come one at a time, often in several threads at once: a BLAS that shares each of them out over
threads of its own takes a hundred times longer than the product.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import kernel, light_kernel


@light_kernel()
def multiply(matrix, vector, out):
    """Write matrix·vector into `out`; columns beyond the length of the vector count nothing."""
    rows, columns = len(out), len(vector)
    whole = rows - rows % 4
    for i in range(0, whole, 4):
        # Four sums at once, so that the additions of one need not wait for each other.
        a, b, c, d = 0.0j, 0.0j, 0.0j, 0.0j
        for j in range(columns):
            value = vector[j]
            a += matrix[i, j] * value
            b += matrix[i + 1, j] * value
            c += matrix[i + 2, j] * value
            d += matrix[i + 3, j] * value
        out[i], out[i + 1], out[i + 2], out[i + 3] = a, b, c, d
    for i in range(whole, rows):
        total = 0.0j
        for j in range(columns):
            total += matrix[i, j] * vector[j]
        out[i] = total


@kernel()
def share_outside(states, vectors, inverse, ket):
    """Return the share of the norm² of a normalised ket that lies outside the span of the vectors.

    Row i of `vectors` belongs to basis state ``states[i]``; ``inverse`` gives amplitudes. As many vectors as
    states span them all.
    """
    inside = np.empty(len(states), np.complex128)
    missed = 0.0
    position = 0
    for i in range(len(ket)):
        if position < len(states) and states[position] == i:
            inside[position] = ket[i]
            position += 1
        else:
            missed += ket[i].real * ket[i].real + ket[i].imag * ket[i].imag
    if len(states) == len(inverse):
        return missed
    amplitudes = np.empty(len(inverse), np.complex128)
    projected = np.empty(len(states), np.complex128)
    multiply(inverse, inside, amplitudes)
    multiply(vectors, amplitudes, projected)
    for i in range(len(states)):
        rest = inside[i] - projected[i]
        missed += rest.real * rest.real + rest.imag * rest.imag
    return missed
