"""Tables of the constant stretches of a system that depends on time: those of `modes`, for each value of H_eff."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.system import OpenSystem
from ..modes.eigenbasis import eigenbasis, wide_H_eff
from ..modes.eigenmodes import modes_arrays
from ..modes.forms_kernels import BLOCK, N_SCALARS, TAIL_STRIDE, ModesArrays

# Largest dimension whose constant stretches are diagonalised, and largest size of all their tables in bytes.
LARGEST_DIAGONALISED, MOST_BYTES = 1000, 1.5e9
# Two modes are degenerate if their phases differ by less than this over a stretch.
NEAR = 1e-4


@dataclass(frozen=True, eq=False)
class StillModes:
    """The eigenmodes of one constant value of H_eff.

    Attributes
    ----------
    tables : ModesArrays
        Tables for the kernels.
    values : ndarray of complex, extended precision, shape (N,)
        Eigenvalues less the energy of mode 0: the phase that all states share is no error of S.
    coupling : ndarray of complex, shape (N, N)
        V⁻¹H_effV less its diagonal, which rounding of V leaves.
    """

    tables: ModesArrays
    values: NDArray[Any]
    coupling: NDArray[np.complex128]

    @classmethod
    def of(cls, system: OpenSystem, tolerance: float) -> StillModes:
        """Diagonalise H_eff of a constant system.

        Raises
        ------
        ConvergenceError
            Its eigenbasis is too ill-conditioned for the tolerance.
        """
        tables = modes_arrays(system, eigenbasis(system, tolerance), tolerance)
        right, left = tables.vectors.astype(np.clongdouble), tables.inverse.astype(np.clongdouble)
        image = wide_H_eff(system) @ right
        values = np.einsum("ij,ji->i", left, image) / np.einsum("ij,ji->i", left, right)
        coupling = tables.inverse @ (image - right * values).astype(np.complex128)
        return cls(tables, values - values[0].real, coupling)

    def motion(self, time: float) -> NDArray[np.complex128]:
        """Return V⁻¹e^{−iH_eff t}V: phases in extended precision, and to first order what the modes' errors do."""
        wide = np.exp(np.minimum(self.values.imag, 0.0) * time - 1j * (self.values.real * np.longdouble(time)))
        phases, values = wide.astype(np.complex128), self.values.astype(np.complex128)
        distance = values[:, None] - values[None, :]
        near = np.abs(distance) * time < NEAR
        with np.errstate(divide="ignore", invalid="ignore"):
            between = (phases[:, None] - phases[None, :]) / distance
        between = np.where(near, -1j * time * phases[:, None], between)
        return np.asarray(np.diag(phases) + self.coupling * between)

    def propagator(self, time: float) -> NDArray[np.complex128]:
        """Return e^{−iH_eff t}."""
        return np.asarray(self.tables.vectors @ self.motion(time) @ self.tables.inverse)

    @property
    def bytes(self) -> int:
        """Size in memory."""
        return sum(part.nbytes for part in self.tables) + self.coupling.nbytes


def stacked_modes(found: list[StillModes], size: int, channels: int) -> ModesArrays:
    """Return the tables of several values of H_eff as arrays whose first index is the value.

    V and V⁻¹ are left out: the kernels of pulses have them by their columns.
    """
    if not found:
        return ModesArrays(*(np.zeros((0, *shape), kind) for shape, kind in _shapes(size, channels)))
    nothing = np.zeros((0, 0), np.complex128)
    light = [one.tables._replace(states=one.tables.states[:0], vectors=nothing, inverse=nothing) for one in found]
    return ModesArrays(*(np.stack(parts) for parts in zip(*light, strict=True)))


def one_of(stacked: ModesArrays) -> ModesArrays:
    """Return the tables of one value, of zeros where there is none; for the scratch of a trajectory."""
    parts: list[NDArray[Any]] = [
        part[0] if len(part) else np.zeros(part.shape[1:], part.dtype) for part in stacked
    ]
    return ModesArrays(*parts)


def _shapes(size: int, channels: int) -> list[tuple[tuple[int, ...], type]]:
    """Return shape and kind of every array of `ModesArrays` for one value, V and V⁻¹ left out."""
    whole = size + -size % BLOCK
    blocks, tails = whole // BLOCK + 1, -(-whole // TAIL_STRIDE) + 1
    forms = channels + 1
    return [
        ((whole,), np.float64),
        ((whole,), np.float64),
        ((whole,), np.float64),
        ((forms, 2, whole, whole), np.float64),
        ((forms, whole), np.float64),
        ((forms, blocks, whole), np.float64),
        ((forms, blocks), np.float64),
        ((0, whole, 2, whole), np.float64),
        ((0, whole), np.float64),
        ((channels, whole, 2, whole), np.float64),
        ((channels, whole, 2, whole), np.float32),
        ((channels, tails, whole), np.float64),
        ((tails,), np.float64),
        ((channels, blocks), np.float64),
        ((0,), np.int64),
        ((0, 0), np.complex128),
        ((0, 0), np.complex128),
        ((N_SCALARS,), np.float64),
    ]
