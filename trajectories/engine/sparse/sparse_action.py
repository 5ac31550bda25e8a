"""The sparse propagator: Chebyshev expansion for H_eff of any size, with an a-priori error bound.

Between clicks a state evolves under exp(−iH_eff t). The field of values of H_eff lies in the rectangle given by
the spectra of H and of Γ = Σ c†c, hence in an ellipse. On an ellipse the Chebyshev expansion has a bound that also
holds for non-normal matrices, so that the degree is chosen before the step and its error is bounded, not
estimated.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse.linalg import eigsh

from ...model.system import OpenSystem
from ..jump_kernels import Jumps, expectation, keep_ket
from ..propagator import Propagator, TrajectoryState, bracket_width, check_tolerance
from ..trajectory_state import DARK, HORIZON, new_fields
from .chebyshev_kernels import (
    FIELD_OF_VALUES_CONSTANT,
    N_SCALARS,
    RADIUS,
    RHO,
    STEP,
    TRUNCATION,
    SparseArrays,
    Workspace,
    apply_scaled,
)
from .sparse_kernels import advance, dark_space

# Up to this dimension the extreme eigenvalues are computed densely; beyond it by Lanczos with a margin.
DENSE_SPECTRUM = 800
# Share of the tolerance that the expansion of a step may leave out; 1e5 steps of a long gap add it up, and a jump
# may amplify it. Each factor of ten costs a term of some three hundred.
TRUNCATION_SHARE, LEAST_TRUNCATION = 1e-8, 2.0**-60
# Bits of a step: few, so that sums of steps are exact.
STEP_BITS = 24
# Digits in which the coefficients of a step are computed.
DIGITS = 50
# Longest step as radius × time: longer steps need fewer products a unit of time, but waste more at a click.
LONGEST_STEP = 256.0
# Longest step in units of the longest mean wait.
MOST_DECAY = 32.0
# Largest logarithm of the ratio of a term of the expansion to its sum; it bounds cancellation.
LARGEST_AMPLIFICATION = 1.5
# A diagonal is stored as such when at least this fraction of it is filled.
FILLED_DIAGONAL = 0.25


class SparsePropagator(Propagator):
    """exp(−iH_eff t)ψ by Chebyshev expansion: any size, any H_eff.

    Memory: 13 diagonals or so of the matrix for all trajectories together, and seven state vectors for each
    trajectory in progress.

    Parameters
    ----------
    arrays : SparseArrays
        What `compile` made.
    """

    name = "sparse"
    Arrays = SparseArrays

    def __init__(self, arrays: SparseArrays) -> None:
        self.arrays = arrays
        scalars = arrays.scalars
        self._coefficients = coefficient_count(
            float(scalars[RADIUS] * scalars[STEP]), float(scalars[RHO]), float(scalars[TRUNCATION])
        )

    @classmethod
    def compile(cls, system: OpenSystem, tolerance: float) -> SparsePropagator:
        """Prepare the propagator of a system.

        Parameters
        ----------
        system : OpenSystem
            The system, of any dimension.
        tolerance : float
            Bound of |ΔS|/S, the relative error of the no-click probability; a step has 1e-8 of it.

        Raises
        ------
        InvalidInput
            A tolerance outside [1e-13, 1e-2].
        """
        check_tolerance(tolerance)
        truncation = max(TRUNCATION_SHARE * tolerance, LEAST_TRUNCATION)
        low, high = spectrum_bounds(system.hamiltonian)
        slow, fast = spectrum_bounds(system.decay)
        slow = max(slow, 0.0)
        centre = 0.5 * (low + high) - 0.25j * (slow + fast)
        radius, rho, step = _best_ellipse(0.5 * (high - low), 0.25 * (fast - slow), slow, truncation)
        step = _of_few_bits(step)
        terms = step_terms(radius, rho, step, centre.imag, truncation)
        norms = np.array([_norm_bound(channel.operator) for channel in system.channels])
        identity = sparse.eye_array(system.dimension)
        scaled = sparse.csr_array((system.H_eff - centre * identity) * (2.0 / radius))
        bracket = bracket_width(radius)
        drift = _lost_decay(system, scaled, centre, radius)
        scalars = np.array([centre.real, centre.imag, radius, rho, step, truncation, bracket, fast, drift])
        parts = _split_diagonals(scaled)
        return cls(SparseArrays(**parts, step_terms=terms, jump_norms=norms, scalars=scalars))

    @classmethod
    def restored(cls, arrays: dict[str, NDArray[Any]]) -> SparseArrays:
        """Return the arrays of a file; arrays that earlier versions did not have are zeros."""
        scalars = np.zeros(N_SCALARS)
        scalars[: len(arrays["scalars"])] = arrays["scalars"]
        unknown = {"step_terms": np.zeros(0), "jump_norms": np.zeros(0)}
        return SparseArrays(**{**unknown, **arrays, "scalars": scalars})

    def start(
        self, ket: NDArray[np.complex128], n_channels: int, before: TrajectoryState | None = None
    ) -> TrajectoryState:
        """Return the state of a trajectory that begins in `ket`, of norm 1."""
        size = len(ket)
        work = Workspace(
            psi=np.array(ket, np.complex128),
            trial=np.zeros(size, np.complex128),
            lower=np.zeros(size, np.complex128),
            older=np.zeros((2, size)),
            newer=np.zeros((2, size)),
            total=np.zeros((2, size)),
            bessel=np.zeros(self._coefficients),
            rates=np.zeros(n_channels),
        )
        fields = new_fields()
        fields.threshold, fields.survival = -1.0, 1.0
        fields.next_dark_check = 1
        return TrajectoryState(fields, work)

    def advance(
        self,
        jumps: Jumps,
        stop: float,
        state: TrajectoryState,
        uniforms: NDArray[np.float64],
        sampling: tuple[Jumps, NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]],
        clicks: tuple[NDArray[np.float64], NDArray[np.int16]],
    ) -> int:
        """Follow a trajectory until it ends or a buffer must be drained; see `sparse_kernels.advance`."""
        observables, sample_times, sampled, kets = sampling
        status = advance(
            self.arrays,
            jumps,
            stop,
            uniforms,
            observables,
            sample_times,
            state.fields,
            state.work,
            *clicks,
            sampled,
            kets,
        )
        if status != DARK:
            return int(status)
        self._sample_dark(jumps, state, *sampling)
        return HORIZON

    def _sample_dark(
        self,
        jumps: Jumps,
        state: TrajectoryState,
        observables: Jumps,
        sample_times: NDArray[np.float64],
        sampled: NDArray[np.float64],
        kets: NDArray[np.complex128],
    ) -> None:
        """Write the samples of a dark state, however late: in its small Krylov space H is diagonalised."""
        first = int(state.fields.next_sample)
        basis = dark_space(self.arrays, jumps, state.work.psi, state.work)
        images = np.array([apply_scaled(self.arrays, row, state.work) for row in basis])
        projected = 1j * self.arrays.scalars[RADIUS] * (basis.conj() @ images.T)
        energies, vectors = linalg.eigh(0.5 * (projected + projected.conj().T))
        start = vectors.conj().T @ (basis.conj() @ state.work.psi)
        now = state.fields.gap_start + state.fields.elapsed
        for k in range(first, len(sample_times)):
            evolved = vectors @ (np.exp(-1j * energies * (sample_times[k] - now)) * start)
            expectation(observables, evolved @ basis, sampled[k])
            keep_ket(evolved @ basis, k, len(sample_times), kets)
        state.fields.next_sample = len(sample_times)


def coefficient_count(x: float, rho: float, truncation: float) -> int:
    """Return the number of Bessel coefficients that the kernel needs for steps up to `x`, with its recurrence."""
    from scipy.special import jv  # slow to import

    size = 32
    while size <= x:  # up to there the coefficients do not fall
        size = int(1.05 * size) + 8
    while True:
        first, last = size, 2 * size + 200  # beyond, they are zero to rounding
        k = np.arange(first, last)
        terms = np.abs(jv(k, x)) * (rho**k + rho ** -k.astype(float))
        tails = FIELD_OF_VALUES_CONSTANT * np.cumsum(terms[::-1])[::-1]
        while size < (first + last) // 2:
            if tails[size - first] < 1e-3 * truncation:
                return size + 16
            size = int(1.05 * size) + 8


def step_terms(radius: float, rho: float, step: float, rate: float, truncation: float) -> NDArray[np.float64]:
    """Return J_k(radius·step) e^{rate·step} up to the degree of a whole step, each rounded once.

    The recurrence J_{k−1} = (2k/x) J_k − J_{k+1} runs downwards and is normalised with J₀ + 2ΣJ₂ₖ = 1.
    """
    size = coefficient_count(radius * step, rho, truncation)
    with localcontext(prec=DIGITS):
        x = Decimal(radius) * Decimal(step)
        values = [Decimal(0), Decimal(1)]
        for k in range(size - 2, 0, -1):
            values.append(2 * k / x * values[-1] - values[-2])
        values.reverse()
        scale = (Decimal(rate) * Decimal(step)).exp() / (values[0] + 2 * sum(values[2::2]))
        terms = np.array([float(value * scale) for value in values])
    orders = np.arange(size)
    growth = np.exp(-rate * step) * np.abs(terms) * (rho**orders + rho ** -orders.astype(float))
    left_out = FIELD_OF_VALUES_CONSTANT * np.cumsum(growth[::-1])[::-1]
    return terms[: int(np.count_nonzero(left_out > truncation))]


def _of_few_bits(value: float) -> float:
    """Return the next lower number of STEP_BITS significant bits."""
    mantissa, exponent = np.frexp(value)
    return float(np.ldexp(np.floor(np.ldexp(mantissa, STEP_BITS)), exponent - STEP_BITS))


def _norm_bound(operator: sparse.csr_array) -> float:
    """Return √(‖c‖₁‖c‖_∞) ≥ ‖c‖."""
    size = abs(sparse.csr_array(operator))
    return float(np.sqrt(size.sum(axis=0).max() * size.sum(axis=1).max()))


def spectrum_bounds(matrix: sparse.csr_array) -> tuple[float, float]:
    """Return bounds of the spectrum of a Hermitian matrix, exact or a little wider."""
    if sparse.csr_array(matrix - sparse.diags_array(matrix.diagonal())).count_nonzero() == 0:
        diagonal = matrix.diagonal().real
        return float(diagonal.min()), float(diagonal.max())
    if matrix.shape[0] <= DENSE_SPECTRUM:
        values = linalg.eigvalsh(matrix.toarray())
        return float(values[0]), float(values[-1])
    start = np.random.default_rng(0).standard_normal(matrix.shape[0])
    low, high = (
        float(eigsh(matrix, k=1, which=which, tol=1e-4, v0=start, return_eigenvectors=False)[0])
        for which in ("SA", "LA")
    )
    # Ritz values lie inside the spectrum; their error at this tolerance is far below the margin.
    margin = 1e-2 * (high - low)
    return low - margin, high + margin


def _best_ellipse(alpha: float, beta: float, slow: float, truncation: float) -> tuple[float, float, float]:
    """Choose the ellipse around the rectangle ±alpha ± i·beta, and the step, with the fewest products.

    No step is longer than MOST_DECAY waiting times at the least click rate `slow`: nearly all clicks come much
    sooner. Returns the half distance of the foci, ρ, and the step.
    """
    longest = MOST_DECAY / slow if slow > 0.0 else np.inf
    if alpha == 0.0 and beta == 0.0:
        # H_eff is a multiple of the identity: any ellipse is right, and a small one needs few products.
        alpha = 1e-3 / longest if longest < np.inf else 1e-3
    best = (np.inf, 0.0, 0.0, 0.0)
    for excess in np.geomspace(1e-3, 40.0, 60):
        semi_axis = max(alpha, 0.1 * beta) * (1.0 + excess)
        minor = beta / np.sqrt(1.0 - (alpha / semi_axis) ** 2)
        if semi_axis < 1.25 * minor:
            continue
        radius = float(np.sqrt(semi_axis**2 - minor**2))
        rho = float((semi_axis + minor) / radius)
        step = min(LONGEST_STEP / radius, longest)
        if minor > 0.0:
            step = min(step, LARGEST_AMPLIFICATION / minor)
        cost = _estimated_degree(radius * step, rho, truncation) / step
        if cost < best[0]:
            best = (cost, radius, rho, step)
    return best[1:]


def _lost_decay(system: OpenSystem, scaled: sparse.csr_array, centre: complex, radius: float) -> float:
    """Return a bound of the anti-Hermitian part of the rounding error of 2(H_eff − c)/r."""
    half = sparse.csr_array(0.5 * (system.hamiltonian + sparse.csr_array(system.hamiltonian.conj().T)))
    exact = half.astype(np.clongdouble) - np.clongdouble(0.5j) * system.decay.astype(np.clongdouble)
    kept = scaled.astype(np.clongdouble) * (np.longdouble(radius) / 2)
    shift = sparse.eye_array(system.dimension, dtype=np.clongdouble) * np.clongdouble(centre)
    lost = sparse.csr_array(exact - kept - shift).astype(np.complex128)
    skew = 0.5 * (lost - sparse.csr_array(lost.conj().T))
    # No effect on machines whose long double is a double.
    unseen = 2.0 * float(np.finfo(np.longdouble).eps) * abs(system.decay).max()
    return float(abs(skew).sum(axis=1).max() + unseen)


def _estimated_degree(x: float, rho: float, truncation: float) -> float:
    """Estimate the degree: J_k(x) falls like exp(−(2/3)√(2/x)(k − x)^{3/2}) beyond k = x, against a growth ρ^k."""
    k = x + np.arange(0.0, 80.0 + 2.0 * x)
    log_term = -(2.0 / 3.0) * np.sqrt(2.0 / max(x, 1.0)) * (k - x) ** 1.5 + k * np.log(rho)
    below = np.flatnonzero(log_term < np.log(truncation))
    return float(k[below[0]]) if len(below) else float(k[-1])


def _split_diagonals(matrix: sparse.csr_array) -> dict[str, NDArray[Any]]:
    """Split a matrix into well-filled real diagonals, well-filled imaginary diagonals, and the rest as CSR."""
    size = matrix.shape[0]
    coo = matrix.tocoo()
    offset = coo.col.astype(np.int64) - coo.row
    rest = coo.data.copy()
    parts: dict[str, NDArray[Any]] = {}
    for name, part in (("real", rest.real), ("imag", rest.imag)):
        entries = np.flatnonzero(part)
        offsets, position, filled = np.unique(offset[entries], return_inverse=True, return_counts=True)
        kept = filled >= FILLED_DIAGONAL * (size - np.abs(offsets))
        entries, position = entries[kept[position]], (np.cumsum(kept) - 1)[position[kept[position]]]
        diagonals = np.zeros((int(kept.sum()), size))
        diagonals[position, coo.row[entries]] = part[entries]
        part[entries] = 0.0
        parts |= {f"{name}_offsets": offsets[kept], f"{name}_diagonals": diagonals}
    remainder = sparse.csr_array((rest, (coo.row, coo.col)), shape=matrix.shape)
    remainder.eliminate_zeros()
    return parts | {
        "indptr": remainder.indptr.astype(np.int64),
        "indices": remainder.indices.astype(np.int64),
        "data": remainder.data,
    }
