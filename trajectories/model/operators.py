"""Operators of NumPy, SciPy or QuTiP as checked sparse matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from ..errors import InvalidInput
from .qutip_objects import matrix_of

# H is taken for Hermitian when ‖H − H†‖_max is below this fraction of ‖H‖_max.
HERMITICITY = 1e-12
# Larger entries overflow when they are multiplied; no sensible unit has them.
LARGEST_ENTRY = 1e100


def as_operator(operator: Any, what: str) -> sparse.csr_array:
    """Return `operator` (NumPy, SciPy sparse or QuTiP) as a canonical complex CSR array, finite and square.

    Raises
    ------
    InvalidInput
        Not a square matrix of numbers, not finite, or a QuTiP object that is not a constant operator.
    """
    try:
        matrix = sparse.csr_array(matrix_of(operator, what), dtype=np.complex128, copy=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{what} must be a square matrix of numbers, but is {type(operator).__name__}"
        ) from error
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.shape[0] < 1:
        raise InvalidInput(f"{what} must be a square matrix, but has shape {matrix.shape}")
    matrix.sum_duplicates()
    if not np.isfinite(matrix.data).all():
        bad = matrix.data[~np.isfinite(matrix.data)][0]
        raise InvalidInput(f"{what} contains {bad}; give finite numbers only")
    largest = float(np.abs(matrix.data).max(initial=0.0))
    if largest > LARGEST_ENTRY:
        raise InvalidInput(
            f"{what} contains {largest:.3g}, above {LARGEST_ENTRY:g}, whose products overflow; choose another unit"
        )
    matrix.eliminate_zeros()
    for array in (matrix.data, matrix.indices, matrix.indptr):
        array.flags.writeable = False
    return matrix
