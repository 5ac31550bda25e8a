"""A matrix times a vector, column by column, in loops that vectorise; no BLAS.

Such products are computed one at a time, often on several threads at once: a BLAS that divides each among its own
threads takes a hundred times longer.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from .jit import light_kernel

# Amplitudes below this share of a vector's norm add less than rounding to its image.
BELOW_ROUNDING = 1e-17


@light_kernel(apart=True)
def combine(columns, amplitude, image):
    """Write Σ_j amplitude_j · column_j into `image`, both (2, …): real and imaginary parts apart.

    There may be more columns than amplitudes.
    """
    size = amplitude.shape[1]
    square = 0.0
    for j in range(size):
        square += amplitude[0, j] * amplitude[0, j] + amplitude[1, j] * amplitude[1, j]
    floor = BELOW_ROUNDING * np.sqrt(square)
    real, imag = image[0], image[1]
    real[:] = 0.0
    imag[:] = 0.0
    for j in range(size):
        x, y = amplitude[0, j], amplitude[1, j]
        if abs(x) + abs(y) <= floor:
            continue
        a, b = columns[j, 0], columns[j, 1]
        for i in range(len(a)):
            real[i] += a[i] * x - b[i] * y
            imag[i] += a[i] * y + b[i] * x
