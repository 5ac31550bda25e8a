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

from ..errors import ConvergenceError
from ..model.system import OpenSystem
from .forms_kernels import TAIL_STRIDE, ModesArrays, ModesWorkspace
from .jump_kernels import Jumps
from .modes_kernels import advance
from .propagator import BRACKET_WIDTH, Propagator, TrajectoryState, check_tolerance
from .slots import N_INTEGERS, N_REALS

# Largest dimension that is diagonalised: beyond it V⁻¹c_kV of every channel takes gigabytes.
LARGEST_DIMENSION = 2500
# Rounds of the chain that orders the modes; the order decides speed only.
IMPORTANCE_ROUNDS = 50
# Entries of a form that are this small beside its largest never matter in double precision.
NEGLIGIBLE = 1e-17


class ModesPropagator(Propagator):
    """Waiting times in the eigenbasis of H_eff: time-independent H_eff, N up to a few thousand, well conditioned.

    Memory: about (54K + 62)N² bytes for K channels, for all trajectories together, and 24N² bytes, of which few
    are touched, for each trajectory in flight.

    Parameters
    ----------
    arrays : ModesArrays
        What `compile` made.
    """

    name = "modes"
    Arrays = ModesArrays

    def __init__(self, arrays: ModesArrays) -> None:
        self.arrays = arrays

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
        forms = np.stack([vectors.conj().T @ vectors, *(image.conj().T @ image for image in images)])
        jump = np.stack([inverse @ image for image in images])
        scale = max(1.0, float(np.abs(energy - energy.mean()).max()))
        fastest = float(np.ptp(energy) + 2.0 * decay.max())
        return cls(
            ModesArrays(
                energy=energy,
                decay=decay,
                form=np.ascontiguousarray(np.stack([forms.real, forms.imag], axis=1)),
                diagonal=np.ascontiguousarray(np.diagonal(forms, axis1=1, axis2=2).real),
                **_sorted_rows(forms),
                jump=np.ascontiguousarray(np.stack([jump.real, jump.imag], axis=2).transpose(0, 3, 2, 1)),
                jump_tail=_block_tails(jump),
                **_sorted_columns(jump),
                vectors=vectors,
                inverse=inverse,
                scalars=np.array(
                    [np.linalg.norm(vectors, 2), tolerance, BRACKET_WIDTH / scale, fastest, decay.max()]
                ),
            )
        )

    def start(self, ket: NDArray[np.complex128], n_channels: int) -> TrajectoryState:
        """Return the state of a trajectory that begins in `ket`, of norm 1."""
        size = len(ket)
        amplitudes = self.arrays.inverse @ ket
        # Room for every pair, pairs of strong modes twice, and one to write beyond the last.
        pairs = size * size + 1
        work = ModesWorkspace(
            start=np.ascontiguousarray([amplitudes.real, amplitudes.imag]),
            sampled=np.zeros((2, size)),
            live=np.zeros(size, np.uint32),
            energy=np.zeros(size),
            decay=np.zeros(size),
            begin=np.zeros((2, size)),
            here=np.zeros((2, size)),
            weight=np.zeros(size),
            bounds=np.zeros(size),
            weak=np.zeros((2, size)),
            position=np.zeros(size, np.int64),
            place=np.zeros(size, np.int64),
            listed_energy=np.zeros(size),
            listed_decay=np.zeros(size),
            listed_square=np.zeros(size),
            phase=np.zeros((2, size)),
            pair_first=np.zeros(pairs, np.uint32),
            pair_second=np.zeros(pairs, np.uint32),
            pair_real=np.zeros(pairs),
            pair_imag=np.zeros(pairs),
            psi=np.zeros(size, np.complex128),
        )
        return TrajectoryState(np.zeros(N_REALS), np.zeros(N_INTEGERS, np.int64), work)

    def advance(
        self,
        jumps: Jumps,
        stop: float,
        state: TrajectoryState,
        uniforms: NDArray[np.float64],
        sampling: tuple[Jumps, NDArray[np.float64], NDArray[np.float64]],
        clicks: tuple[NDArray[np.float64], NDArray[np.int16]],
    ) -> int:
        """Follow a trajectory until it ends or a buffer must be drained; see `modes_kernels.advance`."""
        observables, sample_times, sampled = sampling
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


def _sorted_rows(forms: NDArray[np.complex128]) -> dict[str, NDArray[Any]]:
    """Return the strict upper triangles of Hermitian forms, each row sorted by falling size, with its tails."""
    starts, columns, values, tails = [0], [], [], []
    for form in forms:
        smallest = NEGLIGIBLE * float(np.abs(form).max())
        for i in range(len(form)):
            row = form[i, i + 1 :]
            size = np.abs(row)
            order = np.argsort(-size, kind="stable")[: int(np.count_nonzero(size > smallest))]
            columns.append((order + i + 1).astype(np.uint32))
            values.append(row[order])
            tails.append(np.cumsum(size[order][::-1])[::-1])
            starts.append(starts[-1] + len(order))
    return {
        "row_start": np.array(starts, np.int64),
        "column": np.concatenate(columns),
        "value": np.concatenate(values),
        "tail": np.concatenate(tails),
    }


def _sorted_columns(jump: NDArray[np.complex128]) -> dict[str, NDArray[Any]]:
    """Return, for each column of V⁻¹c_kV, its rows by falling size and the norm of all entries from each on."""
    size = np.abs(jump).transpose(0, 2, 1)
    order = np.argsort(-size, axis=2, kind="stable")
    squares = np.take_along_axis(size, order, axis=2) ** 2
    tails = np.zeros((*squares.shape[:2], squares.shape[2] + 1))
    tails[:, :, :-1] = np.cumsum(squares[:, :, ::-1], axis=2)[:, :, ::-1]
    # Rounding to single precision must not make a bound too small.
    return {"sorted_row": order.astype(np.uint32), "sorted_tail": (1.0000002 * np.sqrt(tails)).astype(np.float32)}


def _block_tails(jump: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return, for each channel and column of V⁻¹c_kV, the norm of all rows from TAIL_STRIDE·b on."""
    channels, size, _ = jump.shape
    blocks = -(-size // TAIL_STRIDE)
    padded = np.zeros((channels, blocks * TAIL_STRIDE, size))
    padded[:, :size] = np.abs(jump) ** 2
    squares = padded.reshape(channels, blocks, TAIL_STRIDE, size).sum(axis=2)
    tails = np.zeros((channels, blocks + 1, size))
    tails[:, :blocks] = np.cumsum(squares[:, ::-1], axis=1)[:, ::-1]
    return np.ascontiguousarray(np.sqrt(tails).transpose(0, 2, 1))
