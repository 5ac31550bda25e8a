"""GMRES for linear maps of Hermitian matrices, over the real numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.complex128]

# A cycle that lowers the residual by less than this fraction is the last.
STAGNATION = 0.1


class KrylovSolution(NamedTuple):
    """What GMRES reached: x, the residual b − Ax, its relative norm, and the number of products."""

    solution: Matrix
    residual: Matrix
    relative: float
    products: int


def gmres(
    action: Callable[[Matrix], Matrix],
    source: Matrix,
    *,
    tolerance: float,
    max_products: int,
    restart: int = 80,
    precondition: Callable[[Matrix], Matrix] | None = None,
) -> KrylovSolution:
    """Solve A x = b by restarted GMRES, minimising ‖b − A x‖_F.

    Hermitian matrices are a real vector space with the inner product Tr(XY), so the Hessenberg matrix
    is real. Saad and Schultz, SIAM J. Sci. Stat. Comput. 7, 856 (1986). With P the search is among the vectors P v
    of a basis of A P, which are kept (Saad, SIAM J. Sci. Comput. 14, 461 (1993)): P may then be known to a few
    digits only, as L0⁻¹ in an ill-conditioned eigenbasis, and x is still right to rounding of A.

    Parameters
    ----------
    action : callable
        Maps a Hermitian matrix to A times it, Hermitian again.
    source : ndarray of shape (N, N)
        b.
    tolerance : float
        Stop when ‖b − Ax‖ ≤ tolerance·‖b‖.
    max_products, restart : int
        Most products with A in all, and in one cycle.
    precondition : callable, optional
        P, roughly the inverse of A; maps a Hermitian matrix to another.
    """
    norm = float(np.linalg.norm(source))
    solution, residual = np.zeros_like(source), source
    products, relative = 0, 1.0 if norm > 0 else 0.0
    while relative > tolerance and products < max_products:
        length = min(restart, max_products - products)
        step, used = _cycle(action, precondition, residual, tolerance * norm, length)
        solution = solution + step
        residual = residual - action(step)
        products += used + 1
        previous, relative = relative, float(np.linalg.norm(residual)) / norm
        if relative > (1.0 - STAGNATION) * previous:  # the best there is
            break
    return KrylovSolution(solution, residual, relative, products)


def _cycle(
    action: Callable[[Matrix], Matrix],
    precondition: Callable[[Matrix], Matrix] | None,
    source: Matrix,
    target: float,
    length: int,
) -> tuple[Matrix, int]:
    """Return the GMRES correction after at most `length` Arnoldi steps, and how many were made."""
    beta = float(np.linalg.norm(source))
    basis = np.empty((length + 1, 2 * source.size))
    searched = basis if precondition is None else np.empty((length, 2 * source.size))
    hessenberg = np.zeros((length + 1, length))
    basis[0] = (source / beta).reshape(-1).view(np.float64)
    # Rotations make the Hessenberg matrix triangular. What they do to its last row tells the residual.
    last = np.ones(1)
    for j in range(length):
        if precondition is not None:
            found = precondition(basis[j].view(np.complex128).reshape(source.shape))
            searched[j] = found.reshape(-1).view(np.float64)
        vector = action(searched[j].view(np.complex128).reshape(source.shape)).reshape(-1).view(np.float64)
        for _ in range(2):  # orthogonalising twice is enough
            overlap = basis[: j + 1] @ vector
            vector = vector - overlap @ basis[: j + 1]
            hessenberg[: j + 1, j] += overlap
        hessenberg[j + 1, j] = np.linalg.norm(vector)
        diagonal, below = float(last @ hessenberg[: j + 1, j]), float(hessenberg[j + 1, j])
        size = np.hypot(diagonal, below)
        if size > 0.0:
            last = np.append(-below / size * last, diagonal / size)
        missed = beta * abs(float(last[0]))
        if missed <= target or not below > 1e-15 * np.linalg.norm(hessenberg[: j + 1, j]):
            break
        basis[j + 1] = vector / below
    right = np.zeros(j + 2)
    right[0] = beta
    weights = np.linalg.lstsq(hessenberg[: j + 2, : j + 1], right, rcond=None)[0]
    correction = weights @ searched[: len(weights)]
    return correction.view(np.complex128).reshape(source.shape), len(weights)
