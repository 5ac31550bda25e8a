"""(L − s)⁻¹ by a sparse factorisation: of chains such as a cavity of many levels, where L0 is not most of L."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import reverse_cuthill_mckee

from ...model import OpenSystem

Matrix = NDArray[np.complex128]

# Below this dimension a few dozen products with dense matrices take no longer.
LEAST_DIMENSION = 100
# Largest N times the bandwidth of the system: factors grow as its square, to 1 GB and some ten seconds.
LARGEST_BAND = 750
# s relative to the slowest decay of a basis state, and at least relative to ‖L‖.
SHIFT, LEAST_SHIFT = 1e-3, 1e-12
# Pivots are taken from the diagonal unless they are smaller than this share of their column.
PIVOT = 0.01


class SparseInverse:
    """(L − s)⁻¹ with a shift of its own, far below all decays; a preconditioner of L as good as L itself.

    Parameters
    ----------
    system : OpenSystem
        The system.
    """

    name = "direct"

    def __init__(self, system: OpenSystem) -> None:
        half = sparse.csr_array(-1j * system.centred_H_eff)
        one = sparse.eye_array(system.dimension, format="csr")
        generator = sparse.kron(half, one) + sparse.kron(one, half.conj())
        for channel in system.channels:
            generator = generator + sparse.kron(channel.operator, channel.operator.conj())
        decay = system.decay.diagonal().real
        slowest = float(decay[decay > 0.0].min(initial=np.inf))
        least = LEAST_SHIFT * float(abs(generator).max())
        shift = max(SHIFT * slowest, least) if np.isfinite(slowest) else least
        shifted = sparse.csc_array(generator - shift * sparse.eye_array(system.dimension**2))
        self._factors = sparse.linalg.splu(
            shifted, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=PIVOT, options={"SymmetricMode": True}
        )

    def solve(self, source: Matrix, shift: float) -> Matrix:
        """Return (L − s)⁻¹R; the shift that L0 would need is not looked at."""
        return np.asarray(self._factors.solve(source.reshape(-1))).reshape(source.shape)

    def slowest(self) -> float:
        """Return infinity: no shift is needed."""
        return float("inf")


def band_of(system: OpenSystem) -> int:
    """Return N times how far apart basis states are that H or a jump links, in the best of their orders."""
    linked = abs(system.hamiltonian) + sum((abs(c.operator) for c in system.channels), start=0 * system.decay.real)
    both = sparse.csr_array(linked + linked.T)
    order = reverse_cuthill_mckee(both, symmetric_mode=True)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    entries = sparse.coo_array(both)
    width = int(np.abs(place[entries.row] - place[entries.col]).max(initial=0))
    return system.dimension * max(width, 1)


def sparse_inverse(system: OpenSystem, least: int = LEAST_DIMENSION) -> SparseInverse | None:
    """Return the factors of a system that is a chain of at least so many states; None of others."""
    if system.dimension < least or band_of(system) > LARGEST_BAND:
        return None
    return SparseInverse(system)
