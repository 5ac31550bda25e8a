"""Projection of a state on a basis, and jumps into another: amplitudes, and the share outside the basis."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..column_kernels import combine
from ..jit import kernel


@kernel()
def place(states, vectors, inverse, ket):
    """Return the share of the norm² of a normalised ket that lies outside a basis, and its amplitudes, (2, modes).

    Row i of the vectors belongs to basis state ``states[i]``, which ascend; vectors and inverse are given by their
    columns, see `column_kernels`. As many vectors as states span them all.
    """
    inside = np.empty((2, len(states)))
    missed, position = 0.0, 0
    for i in range(len(ket)):
        if position < len(states) and states[position] == i:
            inside[0, position], inside[1, position] = ket[i].real, ket[i].imag
            position += 1
        else:
            missed += ket[i].real * ket[i].real + ket[i].imag * ket[i].imag
    amplitudes = np.empty((2, len(vectors)))
    combine(inverse, inside, amplitudes)
    if len(states) > len(vectors):
        # The norm of the difference, not the difference of the norms, so that small shares are accurate.
        projected = np.empty((2, len(states)))
        combine(vectors, amplitudes, projected)
        for i in range(len(states)):
            x, y = inside[0, i] - projected[0, i], inside[1, i] - projected[1, i]
            missed += x * x + y * y
    return missed, amplitudes


@kernel()
def move(columns, before, size, count):
    """Return the share of the norm² that a jump leaves outside another basis, and the amplitudes in it.

    The columns are those of a `Move` for one channel, `before` the amplitudes before the jump, (2, …), over its
    norm, of which the first `size` are taken. The first `count` entries of the image are amplitudes.
    """
    image = np.empty((2, columns.shape[2]))
    combine(columns, before[:, :size], image)
    outside = 0.0
    for i in range(count, columns.shape[2]):
        outside += image[0, i] * image[0, i] + image[1, i] * image[1, i]
    return outside, image


@kernel()
def ket_of(states, vectors, amplitudes, dimension):
    """Return the ket of shape (N,) of the first modes, as many as amplitudes are given, (2, modes)."""
    inside = np.empty((2, len(states)))
    combine(vectors, amplitudes, inside)
    ket = np.zeros(dimension, np.complex128)
    for i in range(len(states)):
        ket[states[i]] = complex(inside[0, i], inside[1, i])
    return ket
