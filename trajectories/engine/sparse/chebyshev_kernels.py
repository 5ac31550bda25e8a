"""Kernels of exp(−iH_eff t)ψ by Chebyshev expansion, for H_eff of any size."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel, light_kernel

# ‖p(A)‖ ≤ (1 + √2) max |p| on a set that holds the field of values (Crouzeix and Palencia, 2017).
FIELD_OF_VALUES_CONSTANT = 1.0 + np.sqrt(2.0)


class SparseArrays(NamedTuple):
    """A compiled sparse propagator.

    H_eff = centre + radius·Â, where the field of values of Â lies in the ellipse with foci ±1 and
    |z + √(z²−1)| ≤ rho. 2Â is kept in three parts: the well-filled diagonals of its real and of its imaginary
    part, which vectorise (tensor products have few diagonals), and all other entries as CSR.
    """

    real_offsets: NDArray[np.int64]
    real_diagonals: NDArray[np.float64]  # (n_diagonals, N), by row
    imag_offsets: NDArray[np.int64]
    imag_diagonals: NDArray[np.float64]
    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    data: NDArray[np.complex128]
    step_terms: NDArray[np.float64]  # J_k(radius·step) e^{Im(centre)·step}, rounded from more digits
    jump_norms: NDArray[np.float64]  # a bound of ‖c_k‖, (K,)
    scalars: NDArray[np.float64]  # see the names below


CENTRE_REAL, CENTRE_IMAG, RADIUS, RHO, STEP, TRUNCATION, BRACKET, LARGEST_DECAY = 0, 1, 2, 3, 4, 5, 6, 7
# Relative error of the state per unit of time, by rounding of H_eff where H and Γ share entries.
DRIFT = 8
N_SCALARS = 9


class Workspace(NamedTuple):
    """Work arrays of one trajectory; (2, N) arrays hold real and imaginary parts, so that loops vectorise."""

    psi: NDArray[np.complex128]
    trial: NDArray[np.complex128]
    lower: NDArray[np.complex128]
    older: NDArray[np.float64]
    newer: NDArray[np.float64]
    total: NDArray[np.float64]
    bessel: NDArray[np.float64]
    rates: NDArray[np.float64]


@light_kernel()
def bessel_coefficients(x, values):
    """Fill `values` with J₀(x), J₁(x), …, by downward recurrence normalised with J₀ + 2ΣJ₂ₖ = 1.

    The recurrence starts at the end of `values`, whose length must be well above x for an exact result.
    """
    size = len(values)
    if x < 1e-60:
        # The recurrence would overflow; J₁ = x/2 and all higher ones are below rounding.
        values[:] = 0.0
        values[0] = 1.0
        values[1] = 0.5 * x
        return
    values[size - 1] = 0.0
    values[size - 2] = 1e-280
    for k in range(size - 2, 0, -1):
        values[k - 1] = (2.0 * k / x) * values[k] - values[k + 1]
        if abs(values[k - 1]) > 1e200:
            for j in range(k - 1, size):
                values[j] *= 1e-220
    total = values[0]
    for k in range(2, size, 2):
        total += 2.0 * values[k]
    for k in range(size):
        values[k] /= total


@light_kernel()
def expansion_degree(bessel, rho, truncation):
    """Return the smallest degree whose dropped terms sum to less than `truncation`.

    ‖Σ_{k>K} 2J_k T_k(Â)‖ ≤ (1 + √2) Σ_{k>K} |J_k| (ρ^k + ρ^−k).
    """
    size = len(bessel)
    power = rho ** (size - 1)
    tail = 0.0
    for k in range(size - 1, 0, -1):
        tail += abs(bessel[k]) * (power + 1.0 / power)
        if tail * FIELD_OF_VALUES_CONSTANT > truncation:
            return k
        power /= rho
    return 0


@light_kernel(apart=True)
def _next_term(arrays, current, previous):
    """Overwrite `previous` with the next term of the recurrence, −2iÂ·current + previous."""
    size = current.shape[1]
    for d in range(len(arrays.real_offsets)):
        offset = arrays.real_offsets[d]
        low = max(0, -offset)
        high = min(size, size - offset)
        h = arrays.real_diagonals[d, low:high]
        real, imag = previous[0, low:high], previous[1, low:high]
        x, y = current[0, low + offset : high + offset], current[1, low + offset : high + offset]
        for i in range(high - low):
            real[i] += h[i] * y[i]
            imag[i] -= h[i] * x[i]
    for d in range(len(arrays.imag_offsets)):
        offset = arrays.imag_offsets[d]
        low = max(0, -offset)
        high = min(size, size - offset)
        h = arrays.imag_diagonals[d, low:high]
        real, imag = previous[0, low:high], previous[1, low:high]
        x, y = current[0, low + offset : high + offset], current[1, low + offset : high + offset]
        for i in range(high - low):
            real[i] += h[i] * x[i]
            imag[i] += h[i] * y[i]
    if len(arrays.data) > 0:
        for i in range(size):
            real_sum, imag_sum = 0.0, 0.0
            for p in range(arrays.indptr[i], arrays.indptr[i + 1]):
                j = arrays.indices[p]
                h = arrays.data[p]
                real_sum += h.real * current[1, j] + h.imag * current[0, j]
                imag_sum += h.imag * current[1, j] - h.real * current[0, j]
            previous[0, i] += real_sum
            previous[1, i] += imag_sum


@light_kernel(apart=True)
def _add_scaled(total, coefficient, term):
    """Add coefficient × term to `total`."""
    for part in range(2):
        out, source = total[part], term[part]
        for i in range(len(out)):
            out[i] += coefficient * source[i]


@light_kernel()
def _first_terms(arrays, psi, work):
    """Put w₀ = ψ into `work.older` and w₁ = −iÂψ into `work.newer`."""
    older, newer = work.older, work.newer
    for i in range(len(psi)):
        older[0, i] = psi[i].real
        older[1, i] = psi[i].imag
    newer[:] = 0.0
    _next_term(arrays, older, newer)
    for part in range(2):
        for i in range(len(psi)):
            newer[part, i] *= 0.5


@light_kernel()
def propagate(arrays, psi, time, out, work):
    """Write exp(−iH_eff·time)ψ into `out` and return the number of products with H_eff.

    e^{−iH_eff t} = e^{−i·centre·t} [J₀(x) + 2 Σ_k J_k(x) (−i)^k T_k(Â)], x = radius·t. With w_k = (−i)^k T_k ψ the
    recurrence is w_{k+1} = −2iÂ w_k + w_{k−1}, so that the coefficients stay real.
    """
    scalars = arrays.scalars
    if time == scalars[STEP] and len(arrays.step_terms) > 0:
        # The error of a coefficient is the same in every step, so that those of a long gap would add up.
        degree, decay = len(arrays.step_terms) - 1, 1.0
        for k in range(degree + 1):
            work.bessel[k] = arrays.step_terms[k]
    else:
        bessel_coefficients(scalars[RADIUS] * time, work.bessel)
        degree = expansion_degree(work.bessel, scalars[RHO], scalars[TRUNCATION])
        decay = np.exp(scalars[CENTRE_IMAG] * time)
    _first_terms(arrays, psi, work)
    older, newer, total = work.older, work.newer, work.total
    total[:] = 0.0
    _add_scaled(total, work.bessel[0], older)
    for k in range(1, degree + 1):
        _add_scaled(total, 2.0 * work.bessel[k], newer)
        if k < degree:
            _next_term(arrays, newer, older)
            newer, older = older, newer
    angle = -scalars[CENTRE_REAL] * time
    phase = complex(decay * np.cos(angle), decay * np.sin(angle))
    for i in range(len(psi)):
        out[i] = complex(total[0, i], total[1, i]) * phase
    return degree


@kernel()
def apply_scaled(arrays, psi, work):
    """Return −iÂψ."""
    _first_terms(arrays, psi, work)
    image = np.empty(len(psi), np.complex128)
    for i in range(len(psi)):
        image[i] = complex(work.newer[0, i], work.newer[1, i])
    return image
