"""Kernel: the jump map between chosen pairs of modes as a real matrix."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel


@kernel
def add_jumps(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    jump: NDArray[np.complex128],
    weight: float,
    target: NDArray[np.float64],
) -> None:
    """Add w·(X ↦ CXC†) between packed entries of Hermitian matrices to the target.

    A Hermitian X = R + iS is held as M = R + S. The entry (a, b) of the image's M takes
    Re(C_aj C̄_bk) + Im(C_ak C̄_bj) times the entry (j, k) of M.

    Parameters
    ----------
    rows, columns : ndarray of shape (R,)
        a and b, and j and k, of the entries; the set holds (b, a) with (a, b).
    jump : ndarray of shape (r, r)
        C.
    weight : float
        w.
    target : ndarray of shape (R, R)
        Is added to.
    """
    size = rows.shape[0]
    for p in range(size):
        left, right = jump[rows[p]], jump[columns[p]]
        for q in range(size):
            j, k = rows[q], columns[q]
            straight = left[j].real * right[k].real + left[j].imag * right[k].imag
            crossed = left[k].imag * right[j].real - left[k].real * right[j].imag
            target[p, q] += weight * (straight + crossed)
