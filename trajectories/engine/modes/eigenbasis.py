"""The eigenbasis of H_eff = VΛV⁻¹, bounds of its errors, and its refinement if they are too large.

A backward stable eigensolver is right to rounding of ‖H‖. Where frequencies exceed rates by 1e9, that is a part in
1e7 of a rate. What a residual in extended precision shows is therefore bounded here. Where the bounds are too wide
for the tolerance, the eigenvectors are corrected by first-order perturbation theory, with residuals in extended
precision, until only its rounding is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ...errors import ConvergenceError
from ...model.system import OpenSystem

# An eigenbasis is refined when its error may take more than this share of the tolerance.
SHARE = 0.3
# A decay is refined when, over the waiting time of its mode, its error may take more than this share.
DECAY_SHARE = 2e-4
# Modes that decay more slowly than this share of the fastest do not decide whether decays are refined.
SLOWEST = 1e-10
# First-order theory holds where the coupling of two modes is below this share of their distance.
PERTURBATIVE = 0.1
# Corrections at the most; the error is squared by each.
CORRECTIONS = 4
# Relative error of an amplitude, and ulps by which a sum in extended precision is off; measured.
AMPLITUDE_ERROR, SUM_ULPS = 2e-14, 1.0

# Up to this dimension operators are dense here: a fit compiles a thousand systems of a few states, where one
# operation of sparse matrices takes longer than all of dense ones.
DENSE = 32

Wide = NDArray[Any]


@dataclass(frozen=True)
class Eigenbasis:
    """Eigenvalues and eigenvectors of H_eff, and bounds of their errors.

    Attributes
    ----------
    energy, energy_rest : ndarray of shape (N,)
        Re λ, and its rounding error if known, otherwise 0.
    decay : ndarray of shape (N,)
        −Im λ.
    vectors, inverse : ndarray of shape (N, N)
        V with columns of norm 1, and V⁻¹.
    floor : float
        Relative error of S by rounding and by fast modes, at any time.
    turned : float
        Relative error of a state by the eigenvectors: a bound of the norm of V⁻¹δV, times the condition of V.
    drift : float
        Relative error of S per unit of time, by the eigenvalues.
    phase_drift : float
        Error of a phase per unit of time, where frequencies are so high that phases need the rest of the energies;
        otherwise 0.
    """

    energy: NDArray[np.float64]
    energy_rest: NDArray[np.float64]
    decay: NDArray[np.float64]
    vectors: NDArray[np.complex128]
    inverse: NDArray[np.complex128]
    floor: float
    turned: float
    drift: float
    phase_drift: float

    def ordered(self, order: NDArray[np.int64]) -> Eigenbasis:
        """Return the same modes in another order, in contiguous arrays."""
        return replace(
            self,
            energy=self.energy[order],
            energy_rest=self.energy_rest[order],
            decay=self.decay[order],
            vectors=np.ascontiguousarray(self.vectors[:, order]),
            inverse=np.ascontiguousarray(self.inverse[order]),
        )


def eigenbasis(system: OpenSystem, tolerance: float, decay_share: float | None = None) -> Eigenbasis:
    """Diagonalise H_eff so that S(t) keeps the tolerance, if possible.

    Decays are refined when, over the waiting time of their modes, their errors take more than `decay_share` of the
    tolerance. Frequencies are then exact too, but phases take longer to compute.

    Raises
    ------
    ConvergenceError
        The eigenbasis is too ill-conditioned, as happens near an exceptional point.
    """
    centred = _wide(system, system.centred_H_eff)
    values, vectors, inverse, image = _eigenmodes(system.centred_H_eff.toarray(), centred)
    decay = np.maximum(-values.imag, 0.0).astype(np.float64)
    _require_conditioned(system, values.real.astype(np.float64) - 1j * decay, vectors, inverse, tolerance)
    exact = wide_H_eff(system)
    residual = (image - vectors * values).astype(np.complex128)
    residual += (exact - centred).astype(np.complex128) @ vectors
    noise = _noise(exact, vectors, inverse)
    coupling = inverse @ residual
    errors = _Errors.of(values, coupling, noise)
    condition = float(np.linalg.norm(vectors, 2) * np.linalg.norm(inverse, 2))
    counts = decay > SLOWEST * decay.max(initial=0.0)
    lost = float((errors.decay[counts] / decay[counts]).max(initial=0.0))
    fast = lost > (DECAY_SHARE if decay_share is None else decay_share) * tolerance
    if fast or 2.0 * condition * errors.vectors > SHARE * tolerance:
        return _refined(system, exact, vectors, fast)
    energy = values.real.astype(np.float64)
    phases = 0.5 * np.finfo(float).eps * np.abs(energy - energy.mean())
    bounds = _bounds(vectors, inverse, decay, errors, phases)
    return Eigenbasis(energy, np.zeros(len(energy)), decay, vectors, inverse, *bounds, 0.0)


def _eigenmodes(
    matrix: NDArray[np.complex128], wide: Wide | sparse.csr_array
) -> tuple[Wide, NDArray[np.complex128], NDArray[np.complex128], Wide]:
    """Return λ in extended precision, V with columns of norm 1, V⁻¹, and the matrix times V; it is given twice."""
    _, vectors = linalg.eig(matrix)
    inverse = inverse_of(vectors)
    # The two-sided Rayleigh quotient is second-order accurate in the error of V; in extended precision it gives
    # eigenvalues that are right to the last digit, which the product of a decay with a long wait needs.
    left, right = inverse.astype(np.clongdouble), vectors.astype(np.clongdouble)
    image = wide @ right
    values = np.einsum("ij,ji->i", left, image) / np.einsum("ij,ji->i", left, right)
    return values, vectors, inverse, image


def inverse_of(vectors: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return V⁻¹, for eigenvectors of norm 1.

    Raises
    ------
    ConvergenceError
        V is singular to rounding, as that of an undriven cascade or of a strongly driven empty cavity is.
    """
    # What SciPy's `inv` does, to the last bit: clicks depend on it. That one warns, and how warnings are treated
    # belongs to the process, and changes for all threads.
    factors, pivots, failed = linalg.lapack.zgetrf(vectors)
    if not failed:
        room = int(linalg.lapack.zgetri_lwork(len(vectors))[0].real)
        inverse, failed = linalg.lapack.zgetri(factors, pivots, lwork=room)
    inverse = np.full_like(vectors, np.inf) if failed else np.ascontiguousarray(inverse)
    with np.errstate(over="ignore", invalid="ignore"):
        condition = float(np.linalg.norm(vectors, 1) * np.linalg.norm(inverse, 1))
    if not condition < 1.0 / np.finfo(float).eps:
        raise ConvergenceError("the eigenbasis of H_eff is singular (an exceptional point?)")
    return np.asarray(inverse)


def _wide(system: OpenSystem, operator: sparse.csr_array) -> Wide | sparse.csr_array:
    """Return an operator of a system in extended precision, dense if the system is small."""
    chosen = operator.toarray() if system.dimension <= DENSE else operator
    return chosen.astype(np.clongdouble)


def wide_H_eff(system: OpenSystem) -> Wide | sparse.csr_array:
    """Return the centred H_eff in extended precision, of the Hermitian part of H; dense if the system is small."""
    dense = system.dimension <= DENSE
    hamiltonian = _wide(system, system.hamiltonian)
    hamiltonian = 0.5 * (hamiltonian + hamiltonian.conj().T)
    constant = np.longdouble(system.hamiltonian.diagonal().real.mean())
    one = np.eye(system.dimension) if dense else sparse.eye_array(system.dimension, dtype=np.clongdouble)
    total = hamiltonian - constant * one
    for channel in system.channels:
        jump = _wide(system, channel.operator)
        total = total - np.clongdouble(0.5j) * (jump.conj().T @ jump)
    return total if dense else sparse.csr_array(total)


def _noise(matrix: Wide | sparse.csr_array, vectors: NDArray[Any], inverse: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rounding errors of V⁻¹H_effV in extended precision."""
    size = abs(matrix).astype(np.float64)
    ulp = float(np.finfo(np.longdouble).eps)
    return np.asarray(SUM_ULPS * ulp * (np.abs(inverse) @ (size @ np.abs(vectors).astype(np.float64))))


@dataclass(frozen=True)
class _Errors:
    """Errors of eigenvalues and eigenvectors from V⁻¹H_effV − Λ, to first order.

    `decay` holds the error of every decay, `vectors` bounds the norm of the error of V in its own basis, and
    `mixing` the rate at which modes mix that are too close for perturbation theory, or than any decay.
    """

    decay: NDArray[np.float64]
    vectors: float
    mixing: float
    rotation: NDArray[np.complex128]

    @classmethod
    def of(cls, values: Wide, coupling: NDArray[np.complex128], noise: NDArray[np.float64]) -> _Errors:
        distance = (values[None, :] - values[:, None]).astype(np.complex128)
        np.fill_diagonal(distance, np.inf)
        size = np.abs(coupling) + noise
        near = size >= PERTURBATIVE * np.abs(distance)
        # Whatever their distance, two modes mix by at most size × time (Duhamel). For modes that are closer than
        # the slowest decay that is less than size/distance, which of degenerate ones means nothing.
        slow = near | (np.abs(distance) < max(float((-values.imag).min()), 0.0))
        with np.errstate(divide="ignore", invalid="ignore"):
            rotation = np.where(near, 0.0, coupling / distance)
            turned = np.where(slow, 0.0, size / np.abs(distance))
        np.fill_diagonal(slow, False)
        second = (turned * size.T).sum(axis=0)
        decay = np.abs(np.diag(coupling).imag) + np.diag(noise) + second
        return cls(decay, norm_bound(turned), norm_bound(np.where(slow, size, 0.0)), rotation)


def _refined(
    system: OpenSystem, exact: Wide | sparse.csr_array, vectors: NDArray[np.complex128], fast: bool
) -> Eigenbasis:
    """Correct the eigenvectors until no error is left in extended precision.

    With v right, Im λ = −Σ_k‖c_kv‖²/2‖v‖², since H is Hermitian: a sum of squares, without the digits that the
    two-sided quotient loses to ‖H‖. Of the two the one with the smaller bound is taken, mode by mode.
    """
    wide = vectors.astype(np.clongdouble)
    for _ in range(CORRECTIONS):
        inverse = inverse_of(wide.astype(np.complex128))
        image = exact @ wide
        left = inverse.astype(np.clongdouble)
        values = np.einsum("ij,ji->i", left, image) / np.einsum("ij,ji->i", left, wide)
        coupling = inverse @ (image - wide * values).astype(np.complex128)
        noise = _noise(exact, wide, inverse)
        errors = _Errors.of(values, coupling, noise)
        wide = wide + wide.astype(np.complex128) @ errors.rotation
        wide = wide / np.sqrt((wide.real**2 + wide.imag**2).sum(axis=0))
        if np.abs(errors.rotation).max() < np.finfo(float).eps:
            break
    # The remaining couplings are rounding, and the square of the last correction.
    last = float(np.abs(errors.rotation).max())
    left_over = _Errors.of(values, np.diag(np.diag(coupling)) + last * np.abs(coupling), noise)
    decay, decay_error = _decays(system, wide, values, left_over, noise)
    vectors = wide.astype(np.complex128)
    inverse = inverse_of(vectors)
    inverse = inverse + inverse @ (np.eye(len(vectors)) - vectors @ inverse)
    energy = values.real.astype(np.float64)
    rest = (values.real - energy).astype(np.float64)
    bounds = _bounds(vectors, inverse, decay, replace(left_over, decay=decay_error), np.diag(noise))
    return Eigenbasis(energy, rest, decay, vectors, inverse, *bounds, float(np.diag(noise).max()) if fast else 0.0)


def _decays(
    system: OpenSystem, wide: Wide, values: Wide, errors: _Errors, noise: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return −Im λ of refined modes and its error."""
    norm = (wide.real**2 + wide.imag**2).sum(axis=0)
    lost = np.zeros(len(norm), np.longdouble)
    for channel in system.channels:
        after = _wide(system, channel.operator) @ wide
        lost += (after.real**2 + after.imag**2).sum(axis=0)
    one_sided = (0.5 * lost / norm).astype(np.float64)
    distance = np.abs((values[None, :] - values[:, None]).astype(np.complex128))
    np.fill_diagonal(distance, np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        turned = np.where(noise > 0.0, np.minimum(noise / distance, 1.0), 0.0).sum(axis=0) + errors.vectors
    largest = float(abs(system.decay).sum(axis=1).max())
    rounding = 2.0 * float(np.finfo(np.longdouble).eps) * len(norm) + 0.5 * float(np.finfo(float).eps)
    one_error = turned * np.sqrt(2.0 * largest * one_sided) + largest * turned**2 + rounding * one_sided
    two_sided = np.maximum(-values.imag, 0.0).astype(np.float64)
    better = one_error < errors.decay
    return np.where(better, one_sided, two_sided), np.where(better, one_error, errors.decay)


def _bounds(
    vectors: NDArray[np.complex128],
    inverse: NDArray[np.complex128],
    decay: NDArray[np.float64],
    errors: _Errors,
    phases: NDArray[np.float64],
) -> tuple[float, float, float]:
    """Return the relative error of S at any time, of a state by the eigenvectors, and of S per unit of time.

    Wrong decays, and wrong phases of modes that overlap, count for as long as the modes are there. Beside the
    slowest, a product of two modes is there for 1/(γ_i + γ_j − 2γ_min).
    """
    inverse_norm = float(np.linalg.norm(inverse, 2))
    condition = float(np.linalg.norm(vectors, 2)) * inverse_norm
    wrong = np.abs(vectors.conj().T @ vectors) * (phases[:, None] + phases[None, :]) * inverse_norm**2
    np.fill_diagonal(wrong, 2.0 * errors.decay)
    least = float(decay.min())
    both = decay[:, None] + decay[None, :]
    lasting = both <= 4.0 * least
    with np.errstate(divide="ignore"):
        passing = np.where(lasting, 0.0, wrong / np.where(lasting, 1.0, both - 2.0 * least))
    drift = norm_bound(np.where(lasting, wrong, 0.0)) + 2.0 * condition * errors.mixing
    # Rounding errors of amplitudes, and of the sums over them.
    floor = 2.0 * AMPLITUDE_ERROR * condition + 2.0 * float(np.finfo(float).eps) * condition**2
    return floor + norm_bound(passing), condition * errors.vectors, drift


def norm_bound(matrix: NDArray[Any]) -> float:
    """Return a bound of the 2-norm of a matrix: ‖A‖₂² ≤ ‖A‖₁‖A‖∞."""
    size = np.abs(matrix)
    return float(np.sqrt(size.sum(axis=0).max() * size.sum(axis=1).max()))


def _require_conditioned(
    system: OpenSystem,
    values: NDArray[np.complex128],
    vectors: NDArray[np.complex128],
    inverse: NDArray[np.complex128],
    tolerance: float,
) -> None:
    """Refuse an eigenbasis that cannot keep the tolerance, as happens near an exceptional point."""
    inverse_norm = float(np.linalg.norm(inverse, 2))
    scale = float(np.abs(values).max())
    residual = float(np.linalg.norm(system.centred_H_eff @ vectors - vectors * values, 2)) / max(scale, 1e-300)
    identity = float(np.linalg.norm(vectors @ inverse - np.eye(len(values)), 2))
    error = residual * inverse_norm + identity
    if not error < 0.01 * max(tolerance, 1e-11):
        condition = float(np.linalg.norm(vectors, 2)) * inverse_norm
        raise ConvergenceError(
            f"the eigenbasis of H_eff has condition {condition:.2g} and error {error:.2g}, too much for "
            f"tolerance {tolerance:g} (an exceptional point?)"
        )
