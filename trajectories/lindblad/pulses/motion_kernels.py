"""Kernel of a Taylor step of the master equation: the coefficients of a power series of packed states."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel


class StackedParts(NamedTuple):
    """Parts of a generator: X ↦ Σ_p f_p(t)·(matrix_p X coupling_p); matrices in one CSR layout, rows stacked."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    data: NDArray[np.float64]
    coupling_indptr: NDArray[np.int64]  # couplings in one CSR layout, rows stacked
    coupling_indices: NDArray[np.int64]
    coupling_data: NDArray[np.float64]
    coupled: NDArray[np.bool_]  # (n_parts,): whether the coupling is not the identity
    terms: NDArray[np.int64]  # (n_parts,): which f; −1 means 1


@kernel()
def taylor_series(parts, coefficients, span, enough, series, mixed, image):
    """Fill `series` (n_coefficients, N², n_states), whose first entry is given, with the coefficients of a step.

    Returns how many there are; −1 where they do not become small.
    """
    most, size, width = series.shape
    degree = coefficients.shape[1]
    largest = 0.0
    for i in range(size):
        for s in range(width):
            largest = max(largest, abs(series[0, i, s]))
    small = 0
    for k in range(most - 1):
        following = series[k + 1]
        following[:] = 0.0
        for p in range(len(parts.terms)):
            term = parts.terms[p]
            source = series[k]
            if term >= 0:
                used = False
                for power in range(min(degree, k + 1)):
                    f = coefficients[term, power]
                    if f != 0.0:
                        if not used:
                            mixed[:] = 0.0
                            used = True
                        before = series[k - power]
                        for i in range(size):
                            for s in range(width):
                                mixed[i, s] += f * before[i, s]
                if not used:
                    continue
                source = mixed
            if width == 1:
                scale = 0.0
                for c in range(parts.coupling_indptr[p], parts.coupling_indptr[p + 1]):
                    scale += parts.coupling_data[c]
                for i in range(size):
                    total = 0.0
                    for q in range(parts.indptr[p * size + i], parts.indptr[p * size + i + 1]):
                        total += parts.data[q] * source[parts.indices[q], 0]
                    following[i, 0] += scale * total
                continue
            for i in range(size):
                first, last = parts.indptr[p * size + i], parts.indptr[p * size + i + 1]
                if first == last:
                    continue
                row = image if parts.coupled[p] else following[i]
                if parts.coupled[p]:
                    for s in range(width):
                        image[s] = 0.0
                for q in range(first, last):
                    value, from_row = parts.data[q], source[parts.indices[q]]
                    for s in range(width):
                        row[s] += value * from_row[s]
                if parts.coupled[p]:
                    for r in range(width):
                        at = p * width + r
                        for c in range(parts.coupling_indptr[at], parts.coupling_indptr[at + 1]):
                            following[i, parts.coupling_indices[c]] += image[r] * parts.coupling_data[c]
        factor, here = span / (k + 1.0), 0.0
        for i in range(size):
            for s in range(width):
                following[i, s] *= factor
                here = max(here, abs(following[i, s]))
        if k == 0:
            largest = max(largest, here)
        small = small + 1 if here <= enough * largest else 0
        if small >= 2 and k >= degree:
            return k + 2
    return -1
