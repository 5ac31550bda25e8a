"""The eigenbasis of L for matrices that need not be Hermitian."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...model import OpenSystem
from .spectrum import Spectrum

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]


class MatrixModes:
    """Eigenvalues and eigenmatrices of L, all N² of them.

    L maps Hermitian matrices to Hermitian ones: a real matrix over their packed numbers x, with X = ½[(1 + i)x +
    (1 − i)xᵀ]. Any X is a complex combination of Hermitian matrices: the same formula with complex x serves
    for all. Diagonalising a real matrix takes a quarter of the time.

    Parameters
    ----------
    system : OpenSystem
        The system, of a dimension whose fourth power fits into memory.

    Attributes
    ----------
    values : ndarray of shape (N²,)
        μ_k.
    condition : float
        Estimated condition number of the eigenvectors, in the 1-norm.
    """

    def __init__(self, system: OpenSystem) -> None:
        self._shape = (system.dimension, system.dimension)
        self._spectrum = Spectrum(packed_matrix(system))
        self._second = np.roll(self._spectrum.paired, 1)
        self.values: Matrix = self._spectrum.values
        self.condition = self._spectrum.condition

    def coefficients(self, matrices: Matrix) -> Matrix:
        """Return γ_k of X = Σ_k γ_k V_k, for matrices of shape (…, N, N)."""
        x = _packed(matrices).reshape(-1, len(self.values)).T
        real = (self._spectrum.solved(x.real) + 1j * self._spectrum.solved(x.imag)).T
        first, second = real[:, self._spectrum.paired], real[:, self._second]
        real[:, self._spectrum.paired] = 0.5 * (first - 1j * second)
        real[:, self._second] = 0.5 * (first + 1j * second)
        return real.reshape(*matrices.shape[:-2], -1)

    def matrices(self, coefficients: Matrix) -> Matrix:
        """Return Σ_k γ_k V_k, shape (…, N, N)."""
        real = coefficients.reshape(-1, len(self.values)).copy()
        first, second = real[:, self._spectrum.paired], real[:, self._second]
        real[:, self._spectrum.paired] = first + second
        real[:, self._second] = 1j * (first - second)
        x = real.real @ self._spectrum.basis.T + 1j * (real.imag @ self._spectrum.basis.T)
        return _unpacked(x.reshape(*coefficients.shape[:-1], *self._shape))

    def functionals(self, observables: Matrix) -> Matrix:
        """Return Tr(O V_k), for observables of shape (…, N, N)."""
        rows = _unpacked(observables.swapaxes(-1, -2)).reshape(-1, len(self.values))
        real = rows.real @ self._spectrum.basis + 1j * (rows.imag @ self._spectrum.basis)
        first, second = real[:, self._spectrum.paired], real[:, self._second]
        real[:, self._spectrum.paired] = first + 1j * second
        real[:, self._second] = first - 1j * second
        return real.reshape(*observables.shape[:-2], -1)

    def observables(self, functionals: Matrix) -> Matrix:
        """Return the O with Tr(O V_k) = u_k, shape (…, N, N)."""
        real = functionals.reshape(-1, len(self.values)).copy()
        first, second = real[:, self._spectrum.paired], real[:, self._second]
        real[:, self._spectrum.paired] = 0.5 * (first + second)
        real[:, self._second] = -0.5j * (first - second)
        solved = (self._spectrum.solved(part.T, adjoint=True).T for part in (real.real, real.imag))
        rows = sum(factor * part for factor, part in zip((1.0, 1j), solved, strict=True))
        return _packed(np.asarray(rows).reshape(*functionals.shape[:-1], *self._shape)).swapaxes(-1, -2)


def packed_matrix(system: OpenSystem) -> Array:
    """Return L as a real matrix over packed Hermitian matrices, shape (N², N²)."""
    size = system.dimension
    one = sparse.eye_array(size, format="csr")
    h = system.centred_H_eff
    # Matrices are taken row by row: A X B is A ⊗ Bᵀ.
    whole: Any = -1j * sparse.kron(h, one) + 1j * sparse.kron(one, h.conj())
    for channel in system.channels:
        whole = whole + sparse.kron(channel.operator, channel.operator.conj())
    whole = sparse.csc_array(whole)
    turned = whole[:, np.arange(size**2).reshape(size, size).T.reshape(-1)]
    image = (0.5 * ((1.0 + 1j) * whole + (1.0 - 1j) * turned)).toarray()
    return np.asarray(image.real + image.imag)


def _packed(matrices: Matrix) -> Matrix:
    """Return x = ½[(1 − i)X + (1 + i)Xᵀ]: of Hermitian X the packed numbers, and linear in any X."""
    return np.asarray(0.5 * ((1.0 - 1j) * matrices + (1.0 + 1j) * matrices.swapaxes(-1, -2)))


def _unpacked(vectors: Matrix) -> Matrix:
    """Return X = ½[(1 + i)x + (1 − i)xᵀ]."""
    return np.asarray(0.5 * ((1.0 + 1j) * vectors + (1.0 - 1j) * vectors.swapaxes(-1, -2)))
