"""(1/π) Re u·(−iω − L)⁻¹x for matrices that are not Hermitian: the spectrum of a field, at any frequency."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, linalg, sparse

from ...errors import ConvergenceError
from ...model import OpenSystem
from ..superoperators.krylov import gmres
from ..superoperators.no_jump import solve_lyapunov_triangular
from .mode_space import WELL_CONDITIONED, AllModes

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]

# Importance below which modes are left out, relative to that below which pairs of modes are left out.
MODES_BESIDE_PAIRS = 1e-3
# Largest residual of the equation of one frequency, and largest number of products with L for it.
SOLVED, MAX_PRODUCTS = 1e-10, 400
# Overlap with ρ above which an eigenvector of L is taken to be ρ.
LIKE = 0.7


class FieldResolvent(Protocol):
    """S(ω) = (1/π) Re u·(−iω − L)⁻¹x."""

    method: str

    def density(self, omega: Array) -> Array:
        """Return S at each frequency."""
        ...

    def integral(self, low: float, high: float) -> float:
        """Return ∫S dω between two frequencies."""
        ...


class Poles:
    """S(ω) as a sum over eigenvalues of L: (1/π) Re Σ_i a_i/(−iω − μ_i).

    Only the pairs (j, k) of modes of H_eff that matter to this field are taken: apart from the jumps L is diagonal
    over the pairs, and a field involves few of them.

    Parameters
    ----------
    system : OpenSystem
        The system.
    modes : AllModes
        The modes of its H_eff.
    rho, start : ndarray of shape (N, N)
        ρ, and x = ρc† − ⟨c†⟩ρ.
    operator : sparse array of shape (N, N)
        c.
    size : float
        Rate of the channel; the importance of pairs is relative to it.
    cut : float
        Importance below which a pair is left out; 0 takes all pairs.

    Attributes
    ----------
    values, weights : ndarray of shape (R,)
        μ and a.
    condition : float
        Of the eigenvectors.
    """

    def __init__(
        self,
        system: OpenSystem,
        modes: AllModes,
        rho: Matrix,
        start: Matrix,
        operator: sparse.csr_array,
        size: float,
        cut: float,
    ) -> None:
        vectors, inverse = modes.vectors, modes.inverse
        begun, still = (inverse @ state @ inverse.conj().T for state in (start, rho))
        read = (vectors.conj().T @ (operator @ vectors)).T
        motion = -1j * (modes.values[:, None] - modes.values.conj()[None, :])
        kept = np.arange(len(vectors))
        if cut > 0.0:
            weight = np.abs(begun) * np.abs(read) / size
            strongest = np.maximum(weight.max(axis=0), weight.max(axis=1))
            kept = np.flatnonzero(strongest > MODES_BESIDE_PAIRS * cut)
        square = np.ix_(kept, kept)
        begun, read, motion, still = begun[square], read[square], motion[square], still[square]
        jumps = [(inverse[kept] @ (c.operator @ vectors[:, kept])) for c in system.channels]
        self.pairs = importance(begun, read, motion, jumps, size)
        first, second = np.nonzero(self.pairs > cut) if cut > 0.0 else np.nonzero(np.ones_like(self.pairs))
        self.size = len(first)
        self._parts = tuple(matrix[first, second] for matrix in (begun, read, motion, still))
        self._jumps, self._places = jumps, (first, second)
        self.method = f"core of {self.size} mode pairs" if cut > 0.0 else "all pairs of modes"

    def diagonalise(self) -> Poles:
        """Compute the poles; the size of the core is known before this call."""
        begun, read, motion, still = self._parts
        first, second = self._places
        matrix = np.diag(motion)
        for jump in self._jumps:
            matrix += jump[np.ix_(first, first)] * jump[np.ix_(second, second)].conj()
        self.values, right = linalg.eig(matrix, check_finite=False)
        singular = linalg.svdvals(right)
        self.condition = float(singular[0] / singular[-1]) if singular[-1] > 0.0 else float("inf")
        self.weights = np.zeros(self.size, np.complex128)
        if np.isfinite(self.condition):
            self.weights = (read @ right) * np.linalg.solve(right, begun)
        # x has no component along ρ, which is constant. In a core it has one because of the pairs left out; it
        # would be a line of zero width.
        likeness = np.abs(still.conj() @ right) / np.linalg.norm(right, axis=0)
        same = int(np.argmax(likeness))
        if likeness[same] > LIKE * np.linalg.norm(still) and same == int(np.argmin(np.abs(self.values))):
            self.weights[same] = 0.0
        return self

    def density(self, omega: Array) -> Array:
        """Return S at each frequency."""
        found = np.empty(omega.shape)
        for place in np.ndindex(omega.shape):
            found[place] = float(np.sum(self.weights / (-1j * omega[place] - self.values)).real) / np.pi
        return found

    def integral(self, low: float, high: float) -> float:
        """Return ∫S dω between two frequencies, exactly: ∫dω/(−iω − μ) = i ln(−iω − μ).

        At ω = ±∞ only the phase ∓π/2 of the logarithm counts, because the sum of all weights is real.
        """
        # Re μ ≤ 0 keeps the logarithm on its principal branch.
        poles = np.minimum(self.values.real, 0.0) + 1j * self.values.imag
        below, above = (
            np.log(-1j * edge - poles) if np.isfinite(edge) else np.full(len(poles), -0.5j * np.pi * np.sign(edge))
            for edge in (low, high)
        )
        return float(np.sum(self.weights * 1j * (above - below)).real) / np.pi


def importance(begun: Matrix, read: Matrix, motion: Matrix, jumps: list[Matrix], size: float) -> Array:
    """Return the importance of each pair of modes: what starts in it or is fed into it, times its weight in S.

    What one jump feeds into a pair is multiplied with the lifetime of the pair; the same backwards in time.
    """
    decay = np.maximum(np.abs(motion.real), 1e-300)
    fed = sum((jump @ begun @ jump.conj().T for jump in jumps), start=np.zeros_like(begun))
    seen = sum((jump.T @ read @ jump.conj() for jump in jumps), start=np.zeros_like(read))
    starts = np.maximum(np.abs(begun), np.abs(fed) / decay)
    reads = np.maximum(np.abs(read), np.abs(seen) / decay)
    return np.asarray(starts * reads / size)


class FrequencyByFrequency:
    """S(ω) by one linear equation for each frequency: slow, but never ill-conditioned.

    (L + iω − ρ Tr) X = −x, whose solution is traceless as x is, and which has one at ω = 0 too. The motion between
    clicks is inverted over the modes of H_eff, or over its Schur vectors where those are ill-conditioned.
    """

    method = "one equation a frequency"

    def __init__(
        self, system: OpenSystem, modes: AllModes, rho: Matrix, start: Matrix, operator: sparse.csr_array
    ) -> None:
        if modes.condition < WELL_CONDITIONED:
            self.triangle, vectors, inverse = None, modes.vectors, modes.inverse
            self.rates = -1j * (modes.values[:, None] - modes.values.conj()[None, :])
        else:
            self.triangle, vectors = linalg.schur(-1j * system.centred_H_eff.toarray(), output="complex")
            inverse = vectors.conj().T
        self.start, self.rho = (inverse @ state @ inverse.conj().T for state in (start, rho))
        self.read, self.trace = ((vectors.conj().T @ moved).T for moved in (operator @ vectors, vectors))
        self.jumps = [inverse @ (c.operator @ vectors) for c in system.channels]

    def density(self, omega: Array) -> Array:
        """Return S at each frequency."""
        found = np.empty(omega.shape)
        for place in np.ndindex(omega.shape):
            found[place] = self._at(float(omega[place]))
        return found

    def integral(self, low: float, high: float) -> float:
        """Return ∫S dω between two frequencies by adaptive quadrature."""
        found, _ = integrate.quad(self._at, low, high, epsrel=1e-6, limit=200)
        return float(found)

    def _at(self, omega: float) -> float:
        def precondition(source: Matrix) -> Matrix:
            if self.triangle is None:
                return np.asarray(source / (self.rates + 1j * omega))
            left = self.triangle + 1j * omega * np.eye(len(self.triangle))
            return solve_lyapunov_triangular(left, self.triangle, source)

        def action(source: Matrix) -> Matrix:
            state = precondition(source)
            moved = sum((c @ state @ c.conj().T for c in self.jumps), start=source)
            return np.asarray(moved - np.sum(self.trace * state) * self.rho)

        solved = gmres(action, -self.start, tolerance=SOLVED, max_products=MAX_PRODUCTS)
        if solved.relative > 1e3 * SOLVED:
            raise ConvergenceError(
                f"the spectrum at omega={omega:g} was left with residual={solved.relative:.2g}; leave it out"
            )
        return float(np.sum(self.read * precondition(solved.solution)).real) / np.pi
