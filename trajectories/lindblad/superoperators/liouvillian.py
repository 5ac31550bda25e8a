"""The Liouvillian as an action on Hermitian matrices, from sparse H_eff and jump operators."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...model import OpenSystem

Matrix = NDArray[np.complex128]


def hermitian_part(matrix: Matrix) -> Matrix:
    """Return (X + X†)/2."""
    return 0.5 * (matrix + matrix.conj().T)


def sandwich(operator: sparse.csr_array, matrix: Matrix) -> Matrix:
    """Return c X c† for Hermitian X."""
    right = np.ascontiguousarray((operator @ matrix).conj().T)  # X c†, because X is Hermitian
    return np.asarray(operator @ right)


class Liouvillian:
    """L ρ = −i H_eff ρ + i ρ H_eff† + Σ_k c_k ρ c_k†, applied to Hermitian matrices.

    Every map here preserves Hermiticity, and every input must be Hermitian: half of each product then
    comes from a conjugate transpose.

    Attributes
    ----------
    system : OpenSystem
        What is applied.
    scale : float
        ‖H_eff‖₁, the largest column sum: the frequency against which residuals are measured.
    """

    def __init__(self, system: OpenSystem) -> None:
        self.system = system
        self._generator = sparse.csr_array(-1j * system.centred_H_eff)
        self._adjoint_generator = sparse.csr_array(self._generator.conj().T)
        self._jumps = {channel.name: channel.operator for channel in system.channels}
        self._adjoint_jumps = {name: sparse.csr_array(c.conj().T) for name, c in self._jumps.items()}
        self.scale = float(abs(self._generator).sum(axis=0).max())

    def no_jump(self, rho: Matrix) -> Matrix:
        """Return −i H_eff ρ + i ρ H_eff†."""
        half = np.asarray(self._generator @ rho)
        return half + half.conj().T

    def jump(self, rho: Matrix, weights: Mapping[str, float] | None = None) -> Matrix:
        """Return Σ_k w_k c_k ρ c_k†, over all channels with w = 1, or over those in `weights`."""
        total = np.zeros_like(rho)
        for name, operator in self._jumps.items():
            weight = 1.0 if weights is None else weights.get(name, 0.0)
            if weight != 0.0:
                total += weight * sandwich(operator, rho)
        return total

    def apply(self, rho: Matrix) -> Matrix:
        """Return L ρ."""
        return self.no_jump(rho) + self.jump(rho)

    def adjoint(self, observable: Matrix) -> Matrix:
        """Return L†O = i H_eff† O − i O H_eff + Σ_k c_k† O c_k, the motion of an observable."""
        half = self._adjoint_generator @ observable
        total = half + half.conj().T
        for operator in self._adjoint_jumps.values():
            total += sandwich(operator, observable)
        return total
