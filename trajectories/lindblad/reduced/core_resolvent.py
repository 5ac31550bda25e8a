"""(L − s)⁻¹ to a few digits, from a core of mode pairs: what lets GMRES end after three products."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ...model import OpenSystem
from ..superoperators.hermitian_vectors import pack, unpack
from ..superoperators.inverse import SINGULAR
from ..superoperators.liouvillian import hermitian_part
from .mode_space import ModeSpace, all_modes, mode_space
from .pair_core import core_matrix, importance

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]

# Real dimensions of the core: factors of it take some 30 ms, and more pairs save no product.
CORE_SIZE = 1000
# Condition of the eigenvectors of H_eff above which there is no core.
MAX_CONDITION = 300.0


class CoreResolvent:
    """An approximate (L − s)⁻¹: exact on the most important pairs of modes, without jumps on all others.

    It is computed in single precision, as a preconditioner of flexible GMRES may be.

    Parameters
    ----------
    system : OpenSystem
        The system.
    rho : ndarray of shape (N, N)
        Its stationary state, by which pairs are judged.
    space : ModeSpace
        All its modes.
    size : int
        How many pairs.
    """

    def __init__(self, system: OpenSystem, space: ModeSpace, size: int = CORE_SIZE) -> None:
        names = system.channel_names
        weight = importance(space, names, names)
        least = np.sort(weight, axis=None)[-min(size, weight.size)]
        rows, columns = (side.astype(np.int64) for side in np.nonzero(weight >= least))
        self._index = rows * len(weight) + columns
        no_clicks = np.zeros(weight.size)
        self._core = core_matrix(space, dict.fromkeys(names, 1.0), no_clicks, space.motion, self._index)
        self._rho, self._trace = pack(space.rho)[self._index], pack(space.gram)[self._index]
        self._decay = float(np.abs(space.motion.real).diagonal().mean())
        # Pairs that do not decay are taken to, but for those in the core.
        still = np.abs(space.motion) <= SINGULAR * np.abs(space.motion).max()
        self._motion: Matrix = np.where(still, -0.1 * self._decay, space.motion)
        self._vectors, self._inverse = (m.astype(np.complex64) for m in (space.vectors, space.analysis))
        self._factors: dict[float, tuple[NDArray[np.float32], NDArray[np.int32]]] = {}

    def solve(self, source: Matrix, shift: float, *, adjoint: bool = False) -> Matrix:
        """Return (L − s)⁻¹R, or its adjoint applied to R; for s = 0 that of L without its null space."""
        into, out = (self._vectors.conj().T, self._inverse.conj().T) if adjoint else (self._inverse, self._vectors)
        inner: Matrix = (into @ source.astype(np.complex64) @ into.conj().T).astype(np.complex128)
        motion = self._motion.conj() if adjoint else self._motion
        found = pack(hermitian_part(inner / (motion - shift)))
        right = pack(inner)[self._index].astype(np.float32)
        found[self._index] = linalg.lu_solve(self._factored(shift), right, trans=int(adjoint), check_finite=False)
        moved = out @ unpack(found).astype(np.complex64) @ out.conj().T
        return hermitian_part(moved.astype(np.complex128))

    def _factored(self, shift: float) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        if shift not in self._factors:
            matrix = self._core - shift * np.eye(len(self._core))
            if shift == 0.0:  # ρ is moved from 0 to where the other motions are
                matrix -= self._decay * np.outer(self._rho, self._trace) / float(self._trace @ self._rho)
            self._factors[shift] = linalg.lu_factor(matrix.astype(np.float32), check_finite=False)
        return self._factors[shift]


def core_resolvent(system: OpenSystem, rho: Matrix, size: int = CORE_SIZE) -> CoreResolvent | None:
    """Return the resolvent, given roughly the stationary state, or None where the modes are no basis."""
    modes = all_modes(system)
    if not modes.condition <= MAX_CONDITION:
        return None
    return CoreResolvent(system, mode_space(system, rho, modes, 0.0), size)
