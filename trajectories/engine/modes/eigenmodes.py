"""The eigenmode propagator: compiles H_eff = VΛV⁻¹ for the kernels that work mode by mode.

Clicks are thousands of oscillations apart; in the eigenbasis of H_eff that time is one exponential. Which modes,
pairs and rows count is decided against the tolerance, with proven bounds, so the cost follows the number of active
modes and hardly grows with N.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ...errors import ConvergenceError
from ...model.system import OpenSystem
from ..jump_kernels import Jumps
from ..propagator import BRACKET_WIDTH, Propagator, TrajectoryState, check_tolerance
from ..slots import N_INTEGERS, N_REALS
from .forms_kernels import BLOCK, SUMS_STRIDE, TAIL_STRIDE, ModesArrays, ModesWorkspace
from .modes_kernels import advance

# Largest dimension that is diagonalised: beyond it V⁻¹c_kV of every channel takes gigabytes.
LARGEST_DIMENSION = 2500
# Rounds of the chain that orders the modes; the order decides speed only.
IMPORTANCE_ROUNDS = 50
# Bytes.
CACHE_LINE = 64
# Rounding to single precision, or of a sum of squares, must not make a bound too small.
ABOVE = 1.0 + 1e-12


class ModesPropagator(Propagator):
    """Waiting times in the eigenbasis of H_eff: time-independent H_eff, N up to a few thousand, well conditioned.

    Memory: about (42K + 49)N² bytes for K channels, for all trajectories together, and 0.2 MB + 110N bytes for
    each trajectory in flight.

    Parameters
    ----------
    arrays : ModesArrays
        What `compile` made.
    """

    name = "modes"
    Arrays = ModesArrays

    def __init__(self, arrays: ModesArrays) -> None:
        self.arrays = ModesArrays(*(_aligned(array) for array in arrays))

    @classmethod
    def compile(cls, system: OpenSystem, tolerance: float) -> ModesPropagator:
        """Diagonalise H_eff and prepare the tables.

        Parameters
        ----------
        system : OpenSystem
            The system.
        tolerance : float
            Bound of |ΔS|/S, the relative error of the no-click probability.

        Raises
        ------
        InvalidInput
            A tolerance outside [1e-13, 1e-2].
        ConvergenceError
            H_eff is too large, or its eigenbasis too ill-conditioned for the tolerance; the message says which.
        """
        check_tolerance(tolerance)
        if system.dimension > LARGEST_DIMENSION:
            raise ConvergenceError(
                f"N={system.dimension} exceeds {LARGEST_DIMENSION}, the most that is diagonalised"
            )
        energy, decay, vectors, inverse = _eigenmodes(system.centred_H_eff)
        _require_accurate(system, energy - 1j * decay, vectors, inverse, tolerance)
        order = _by_importance(decay, [inverse @ (c.operator @ vectors) for c in system.channels])
        energy, decay, vectors, inverse = energy[order], decay[order], vectors[:, order], inverse[order]
        vectors, inverse = np.ascontiguousarray(vectors), np.ascontiguousarray(inverse)
        images = [np.asarray(channel.operator @ vectors) for channel in system.channels]
        forms = _padded(np.stack([vectors.conj().T @ vectors, *(image.conj().T @ image for image in images)]))
        jump = _padded(np.stack([inverse @ image for image in images]))
        upper = np.triu(forms, 1)
        columns = np.ascontiguousarray(jump.transpose(0, 2, 1))
        split = np.ascontiguousarray(np.stack([columns.real, columns.imag], axis=2))
        scale = max(1.0, float(np.abs(energy - energy.mean()).max()))
        fastest = float(np.ptp(energy) + 2.0 * decay.max())
        return cls(
            ModesArrays(
                # The state's phase is nobody's business; that of the mode that matters most need not be computed.
                energy=_padded_vector(energy - energy[0]),
                decay=_padded_vector(decay),
                form=np.ascontiguousarray(np.stack([upper.real, upper.imag], axis=1)),
                diagonal=np.ascontiguousarray(np.diagonal(forms, axis1=1, axis2=2).real),
                form_tail=_tails(upper, BLOCK),
                corner=_corners(upper),
                jump=split,
                jump_single=split.astype(np.float32),
                jump_tail=_tails(columns, TAIL_STRIDE),
                slowest=_slowest(decay, columns.shape[-1]),
                jump_corner=np.minimum(_corners(columns), _norm_bounds(jump)[:, None]),
                vectors=vectors,
                inverse=inverse,
                scalars=np.array([np.linalg.norm(vectors, 2), tolerance, BRACKET_WIDTH / scale, fastest]),
            )
        )

    def start(self, ket: NDArray[np.complex128], n_channels: int) -> TrajectoryState:
        """Return the state of a trajectory that begins in `ket`, of norm 1."""
        amplitudes = _padded_vector(self.arrays.inverse @ ket)
        size = len(amplitudes)
        blocks = size // BLOCK
        start = _aligned(np.zeros(2 * SUMS_STRIDE))
        start[:size], start[SUMS_STRIDE : SUMS_STRIDE + size] = amplitudes.real, amplitudes.imag
        work = ModesWorkspace(
            before=_aligned(np.zeros((2, size))),
            before_size=_aligned(np.zeros(size)),
            before_rest=_aligned(np.zeros(size + 1)),
            rows=np.zeros(size, np.int64),
            jump=np.array([-1, 0, blocks]),
            start=start,
            start_square=_aligned(np.abs(amplitudes) ** 2),
            here=_aligned(np.zeros((2, size))),
            square=_aligned(np.zeros(size)),
            tails=np.zeros(blocks + 1),
            base_tails=np.zeros(blocks + 1),
            phase=_aligned(np.zeros((2, size))),
            weight=np.zeros(-(-size // TAIL_STRIDE) + 1),
            sums=_aligned(np.zeros(8 * SUMS_STRIDE)),
            psi=np.zeros(len(ket), np.complex128),
        )
        return TrajectoryState(np.zeros(N_REALS), np.zeros(N_INTEGERS, np.int64), work)

    def advance(
        self,
        jumps: Jumps,
        stop: float,
        state: TrajectoryState,
        uniforms: NDArray[np.float64],
        sampling: tuple[Jumps, NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]],
        clicks: tuple[NDArray[np.float64], NDArray[np.int16]],
    ) -> int:
        """Follow a trajectory until it ends or a buffer must be drained; see `modes_kernels.advance`."""
        observables, sample_times, sampled, kets = sampling
        return advance(
            self.arrays,
            stop,
            uniforms,
            observables,
            sample_times,
            state.reals,
            state.integers,
            state.work,
            *clicks,
            sampled,
            kets,
        )


def _eigenmodes(
    matrix: sparse.csr_array,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128], NDArray[np.complex128]]:
    """Return Re λ, −Im λ, V with columns of norm 1, and V⁻¹."""
    _, vectors = linalg.eig(matrix.toarray())
    inverse = linalg.inv(vectors)
    # The two-sided Rayleigh quotient is second-order accurate in the error of V; in extended precision it gives
    # eigenvalues that are right to the last digit, which the product of a decay with a long wait needs.
    wide = matrix.astype(np.clongdouble)
    left, right = inverse.astype(np.clongdouble), vectors.astype(np.clongdouble)
    numerator = np.einsum("ij,ji->i", left, wide @ right)
    values = numerator / np.einsum("ij,ji->i", left, right)
    # A decay that rounding made negative is one that is not there.
    decay = np.maximum(-values.imag, 0.0).astype(np.float64)
    return values.real.astype(np.float64), decay, vectors, inverse


def _by_importance(decay: NDArray[np.float64], jumps: list[NDArray[np.complex128]]) -> NDArray[np.int64]:
    """Order the modes by how much of a state after a jump they hold on average, so that live modes lie together.

    Phases left aside, jumps move weight from mode i to mode j at the rate Σ_k|(V⁻¹c_kV)_ji|², and it stays there
    for 1/2γ_j: a Markov chain, whose stationary weights are good enough to sort by.
    """
    rates = sum(np.abs(jump) ** 2 for jump in jumps)
    slowest = 1e-3 * float(decay.max()) + 1e-300
    weight = np.full(len(decay), 1.0 / len(decay))
    for _ in range(IMPORTANCE_ROUNDS):
        weight = rates @ (weight / (2.0 * np.maximum(decay, slowest)))
        total = float(weight.sum())
        if not 0.0 < total < np.inf:
            return np.argsort(decay, kind="stable")
        weight /= total
    return np.argsort(-weight, kind="stable")


def _require_accurate(
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


def _aligned(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array in C order from the start of a cache line, where vector loads are twice as fast."""
    if array.flags.c_contiguous and array.ctypes.data % CACHE_LINE == 0:
        return array
    room = np.empty(array.nbytes + CACHE_LINE, np.uint8)
    first = -room.ctypes.data % CACHE_LINE
    placed = room[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    placed[...] = array
    return placed


def _padded(matrices: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return square matrices with zeros added up to whole blocks."""
    more = -matrices.shape[-1] % BLOCK
    return np.pad(matrices, ((0, 0), (0, more), (0, more)))


def _padded_vector(values: NDArray[Any]) -> NDArray[Any]:
    """Return a vector with zeros added up to whole blocks."""
    return np.pad(values, (0, -len(values) % BLOCK))


def _tails(matrices: NDArray[np.complex128], stride: int) -> NDArray[np.float64]:
    """Return, for each matrix and row, the norm of its entries from column stride·b on."""
    count, rows, size = matrices.shape
    blocks = -(-size // stride)
    padded = np.zeros((count, rows, blocks * stride))
    padded[:, :, :size] = np.abs(matrices) ** 2
    squares = padded.reshape(count, rows, blocks, stride).sum(axis=3)
    tails = np.zeros((count, rows, blocks + 1))
    tails[:, :, :blocks] = np.cumsum(squares[:, :, ::-1], axis=2)[:, :, ::-1]
    return np.asarray(ABOVE * np.sqrt(tails))


def _slowest(decay: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the least decay of the modes from TAIL_STRIDE·b on; beyond the last mode nothing is slow."""
    blocks = -(-size // TAIL_STRIDE)
    padded = np.full(TAIL_STRIDE * (blocks + 1), decay.max())
    padded[: len(decay)] = decay
    least = padded.reshape(-1, TAIL_STRIDE).min(axis=1)
    return np.minimum.accumulate(least[::-1])[::-1].copy()


def _norm_bounds(matrices: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return a bound of the 2-norm of each matrix: ‖A‖₂² ≤ ‖A‖₁‖A‖∞."""
    size = np.abs(matrices)
    return np.asarray(ABOVE * np.sqrt(size.sum(axis=1).max(axis=1) * size.sum(axis=2).max(axis=1)))


def _corners(matrices: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return, for each matrix, the norm of all its rows from BLOCK·b on."""
    whole = matrices.reshape(len(matrices), -1, BLOCK * matrices.shape[-1])
    return _tails(np.linalg.norm(whole, axis=2)[:, None, :].astype(np.complex128), 1)[:, 0]
