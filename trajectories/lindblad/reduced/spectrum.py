"""The eigenpairs of a real matrix, in real form and refined where some are far slower than others."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ..superoperators.hermitian_vectors import Vector

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]

# Rounding: a growth rate below this fraction of the fastest motion is set to zero.
ROUNDING = 1e-13
# Eigenvalues are refined where rates lie this far below the fastest motion.
SLOW = 1e-5


class Spectrum:
    """Eigenvalues and eigenvectors of a real matrix, factored: G = P B P⁻¹ with real P.

    Of two complex conjugate eigenvectors Re v and Im v are columns of P, next to each other, and only one of the
    two is followed: x(t) = Re Σ_k γ_k v_k e^{μ_k t} over real eigenvalues and the first of each two.

    Attributes
    ----------
    values : ndarray of shape (R,)
        μ, growth by rounding cleared; of conjugates that with Im μ > 0 comes first.
    basis : ndarray of shape (R, R)
        P.
    condition : float
        Estimated condition number of P in the 1-norm.
    growth : float
        Largest real part of μ relative to the largest modulus.
    paired : ndarray of bool, shape (R,)
        Whether the next eigenpair is the complex conjugate of this one.
    """

    def __init__(self, matrix: Array) -> None:
        # NumPy's, because SciPy's keeps other threads waiting until it is done.
        values, vectors = np.linalg.eig(matrix)
        self.values: Complex = values.astype(np.complex128)
        self.paired: NDArray[np.bool_] = self.values.imag > 0.0
        self._second = np.roll(self.paired, 1)
        self.basis: Array = vectors.real.copy()
        self.basis[:, self._second] = vectors[:, self.paired].imag
        fastest = float(np.abs(self.values).max(initial=0.0))
        decaying = np.abs(self.values.real[np.abs(self.values.real) > ROUNDING * fastest])
        self._factor()
        if np.isfinite(self.condition) and decaying.min(initial=fastest) < SLOW * fastest:
            self._refine(matrix)
            self._factor()
        self.growth = float(self.values.real.max(initial=0.0)) / max(fastest, 1e-300)
        if self.growth <= ROUNDING:
            self.values = np.minimum(self.values.real, 0.0) + 1j * self.values.imag

    @property
    def exponents(self) -> Complex:
        """μ_k, without the second of each two."""
        return self.values[~self._second]

    def coefficients(self, vector: Vector) -> Complex:
        """Return γ of x(0)."""
        real = self.solved(vector)
        return self._joined(real, -1.0)

    def readers(self, functionals: Array) -> Complex:
        """Return u·v_k for rows u."""
        return self._joined((functionals @ self.basis).T, 1.0).T

    def state(self, amplitudes: Complex) -> Vector:
        """Return Re Σ_k z_k v_k."""
        return np.asarray(self.basis @ self._parted(amplitudes, -1.0))

    def functional(self, amplitudes: Complex) -> Vector:
        """Return the u with u·x = Re Σ_k z_k γ_k(x) for all x."""
        return self.solved(self._parted(amplitudes, 1.0), adjoint=True)

    def solved(self, vector: NDArray[Any], *, adjoint: bool = False) -> NDArray[Any]:
        """Return P⁻¹x, or P⁻ᵀx."""
        factors, pivots = self._lu
        # LAPACK's wrapper shifts the pivots to count from 1 during the call, in place: another thread must not see
        # it.
        return np.asarray(
            linalg.lu_solve((factors, pivots.copy()), vector, trans=int(adjoint), check_finite=False)
        )

    def _joined(self, real: Array, sign: float) -> Complex:
        """Return α ± iβ of the two rows of each complex pair, α of a real one."""
        joined = real.astype(np.complex128)
        joined[self.paired] += sign * 1j * real[self._second]
        return joined[~self._second]

    def _parted(self, joined: Complex, sign: float) -> Array:
        """Return the real coordinates Re z and ± Im z of complex ones."""
        real = np.empty(len(self.paired))
        real[~self._second] = joined.real
        real[self._second] = sign * joined.imag[self.paired[~self._second]]
        return real

    def _factor(self) -> None:
        norm = float(np.abs(self.basis).sum(axis=0).max(initial=0.0))
        self._lu = linalg.lu_factor(self.basis, check_finite=False)
        reciprocal = float(linalg.lapack.dgecon(self._lu[0], norm)[0])
        self.condition = 1.0 / reciprocal if reciprocal > 0.0 else float("inf")

    def _refine(self, matrix: Array) -> None:
        """Make one Newton step on all eigenpairs: slow ones have the rounding errors of the fastest.

        The residual of a slow pair is computed row by row, and its rows of fast motion are weighed down by the
        left eigenvectors, so that what remains is rounding of the slow motion itself.
        """
        first, values = ~self._second, self.exponents
        vectors = self.basis[:, first] + 0j
        places = self.paired[first]
        vectors[:, places] += 1j * self.basis[:, self._second]
        residual = (matrix @ vectors.real) + 1j * (matrix @ vectors.imag) - vectors * values
        real = self.solved(residual.real) + 1j * self.solved(residual.imag)
        step = real.copy()  # along the complex eigenvectors
        step[self.paired] = 0.5 * (real[self.paired] - 1j * real[self._second])
        step[self._second] = 0.5 * (real[self.paired] + 1j * real[self._second])
        gap = values[None, :] - self.values[:, None]
        close = np.abs(gap) <= 1e3 * np.abs(step)
        turn = np.where(close, 0.0, step / np.where(close, 1.0, gap))
        along = turn.copy()  # and back to the columns of P
        along[self.paired] = turn[self.paired] + turn[self._second]
        along[self._second] = 1j * (turn[self.paired] - turn[self._second])
        values = values + step[np.flatnonzero(first), np.arange(len(values))]
        vectors = vectors + (self.basis @ along.real) + 1j * (self.basis @ along.imag)
        self.values[first], self.values[self._second] = values, values[places].conj()
        self.basis[:, first] = vectors.real
        self.basis[:, self._second] = vectors[:, places].imag
