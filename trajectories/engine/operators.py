"""Operators in the layout of the kernels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from .jump_kernels import Jumps


def stack_operators(operators: Sequence[sparse.csr_array], dimension: int) -> Jumps:
    """Stack N×N operators into one CSR layout for the kernels."""
    if not operators:
        return Jumps(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.complex128))
    stacked = sparse.csr_array(sparse.vstack([sparse.csr_array(o, dtype=np.complex128) for o in operators]))
    stacked.sort_indices()
    return Jumps(stacked.indptr.astype(np.int64), stacked.indices.astype(np.int64), stacked.data)


def columns_of(matrix: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the columns of a matrix one after another, real and imaginary parts apart: (column, 2, row)."""
    return np.ascontiguousarray(np.stack([matrix.T.real, matrix.T.imag], axis=1))
