"""The eigenmode propagator: tables of H_eff = VΛV⁻¹ for the kernels.

Between two clicks lie thousands of oscillations; in the eigenbasis of H_eff that time is one exponential. Modes,
pairs and rows are omitted according to the tolerance, with proven bounds, so that the cost depends on the number
of active modes and hardly grows with N.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ...errors import ConvergenceError
from ...model.system import OpenSystem
from ..jump_kernels import Jumps
from ..propagator import Propagator, TrajectoryState, bracket_width, check_tolerance
from ..trajectory_state import new_fields
from .eigenbasis import Eigenbasis, eigenbasis, norm_bound
from .forms_kernels import (
    BLOCK,
    BRACKET,
    DRIFT,
    EXACT_FROM,
    FASTEST,
    FLOOR,
    FOURTH,
    INVERSE_NORM,
    N_SCALARS,
    PHASE_DRIFT,
    ROUNDING,
    SUMS_STRIDE,
    TAIL_STRIDE,
    TOLERANCE,
    TURNED,
    VECTORS_NORM,
    ModesArrays,
    ModesWorkspace,
)
from .mode_tables import (
    ABOVE,
    aligned,
    aligned_parts,
    aligned_zeros,
    form_tables,
    map_tables,
    padded,
    padded_vector,
    slowest_decays,
)
from .modes_kernels import advance

# Largest dimension that is diagonalised: beyond it V⁻¹c_kV of every channel takes gigabytes.
LARGEST_DIMENSION = 2500
# Iterations of the Markov chain that orders the modes; the order affects only the speed.
IMPORTANCE_ROUNDS = 50
# Above this angle phases are computed with `energy_rest`, if frequencies are much higher than rates.
EXACT_ANGLE = 1e3


class ModesPropagator(Propagator):
    """Waiting times in the eigenbasis of H_eff: constant H_eff, well conditioned, N up to a few thousand.

    Memory: about (42K + 49)N² bytes for K channels, for all trajectories together, 260N² more while they are
    compiled, and 0.2 MB + 110N bytes for each trajectory in flight.

    Parameters
    ----------
    arrays : ModesArrays
        Arrays that `compile` made.
    """

    name = "modes"
    Arrays = ModesArrays

    def __init__(self, arrays: ModesArrays) -> None:
        self.arrays = ModesArrays(*(aligned(array) for array in arrays))

    @classmethod
    def restored(cls, arrays: dict[str, NDArray[Any]]) -> ModesArrays:
        """Return the arrays of a file; arrays that earlier versions did not have are zeros."""
        scalars = np.zeros(N_SCALARS)
        scalars[INVERSE_NORM], scalars[EXACT_FROM] = 1.0, np.inf
        stored, size = arrays["scalars"], len(arrays["energy"])
        scalars[: len(stored)] = stored
        known = {
            "energy_rest": np.zeros_like(arrays["energy"]),
            "states": np.arange(len(arrays["vectors"])),
            "leak": np.zeros((0, size, 2, size)),
            "leak_size": np.zeros((0, size)),
            **arrays,
            "scalars": scalars,
        }
        # Earlier versions had another layout of the tails.
        for name in ("form_tail", "jump_tail"):
            if known[name].shape[1] == size:
                known[name] = known[name].transpose(0, 2, 1)
        return ModesArrays(**known)

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
        basis = eigenbasis(system, tolerance)
        return cls(modes_arrays(system, basis, tolerance))

    def start(
        self, ket: NDArray[np.complex128], n_channels: int, before: TrajectoryState | None = None
    ) -> TrajectoryState:
        """Return the state of a trajectory that starts in `ket`, of norm 1; see `Propagator.start`."""
        work = self.workspace(len(ket)) if before is None else before.work
        amplitudes = self.arrays.inverse @ ket[self.arrays.states]
        self.restart(work, np.array([amplitudes.real, amplitudes.imag]))
        return TrajectoryState(new_fields(), work)

    def workspace(self, dimension: int) -> ModesWorkspace:
        """Return the work arrays of a trajectory for `restart`; `dimension` is that of the whole space."""
        size = len(self.arrays.energy)
        blocks = size // BLOCK
        pairs, column = (2, size), (size,)
        shapes = (pairs, column, (size + 1,), (2 * SUMS_STRIDE,), column, pairs, column, pairs, (8 * SUMS_STRIDE,))
        parts = aligned_parts((*shapes, column))
        before, before_size, before_rest, start, start_square, here, square, phase, sums, sizes = parts
        return ModesWorkspace(
            before=before,
            before_size=before_size,
            before_rest=before_rest,
            rows=np.zeros(size, np.int64),
            size=sizes,
            until=np.zeros(size, np.int64),
            jump=np.zeros(3, np.int64),
            start=start,
            start_square=start_square,
            here=here,
            square=square,
            tails=np.zeros(blocks + 1),
            base_tails=np.zeros(blocks + 1),
            phase=phase,
            weight=np.zeros(-(-size // TAIL_STRIDE) + 1),
            sums=sums,
            psi=np.zeros(dimension, np.complex128),
        )

    def restart(self, work: ModesWorkspace, amplitudes: NDArray[np.float64]) -> None:
        """Replace the state of a trajectory by one with given amplitudes of all modes, (2, M)."""
        size = amplitudes.shape[1]
        work.start[:size], work.start[SUMS_STRIDE : SUMS_STRIDE + size] = amplitudes
        work.start_square[:size] = np.abs(amplitudes[0] + 1j * amplitudes[1]) ** 2
        work.rows[:] = 0
        work.jump[:] = -1, 0, len(work.start_square) // BLOCK

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
            state.fields,
            state.work,
            *clicks,
            sampled,
            kets,
        )


def modes_arrays(system: OpenSystem, basis: Eigenbasis, tolerance: float, leaks: int = 0) -> ModesArrays:
    """Return the tables of a system whose H_eff has been diagonalised.

    For a system in a reduced basis the last `leaks` channels are the parts of the first ones outside it, see
    `reduced.level`.
    """
    operators = [channel.operator for channel in system.channels]
    jumps, lost = operators[: len(operators) - leaks], operators[len(operators) - leaks :]
    order = _by_importance(basis.decay, [basis.inverse @ (jump @ basis.vectors) for jump in jumps])
    basis = basis.ordered(order)
    return ModesArrays(
        # S does not depend on the phase of the state, so that the phase of the most important mode is set to 0.
        energy=padded_vector(basis.energy - basis.energy[0]),
        energy_rest=padded_vector(_rest(basis.energy, basis.energy_rest)),
        decay=padded_vector(basis.decay),
        **form_tables(_forms(jumps, lost, basis.vectors), 1 + len(jumps), len(basis.decay)),
        **_leaks(lost, basis.vectors),
        **map_tables((basis.inverse @ (c @ basis.vectors) for c in jumps), len(jumps), len(basis.decay)),
        slowest=slowest_decays(basis.decay),
        states=np.arange(system.dimension),
        vectors=basis.vectors,
        inverse=basis.inverse,
        scalars=_scalars(system, basis, tolerance),
    )


def _scalars(system: OpenSystem, basis: Eigenbasis, tolerance: float) -> NDArray[np.float64]:
    """Return the scalars of `ModesArrays`; see their names."""
    energy, vectors, inverse = basis.energy, basis.vectors, basis.inverse
    fastest = float(np.ptp(energy) + 2.0 * basis.decay.max())
    scale = max(1.0, float(np.abs(energy - energy.mean()).max()), 2.0 * float(basis.decay.max()))
    rates = norm_bound(vectors.conj().T @ (system.decay @ vectors))
    scalars = np.zeros(N_SCALARS)
    scalars[VECTORS_NORM], scalars[INVERSE_NORM] = np.linalg.norm(vectors, 2), np.linalg.norm(inverse, 2)
    scalars[TOLERANCE], scalars[BRACKET], scalars[FASTEST] = tolerance, bracket_width(scale), fastest
    scalars[FLOOR], scalars[TURNED], scalars[DRIFT] = basis.floor, basis.turned, basis.drift
    scalars[PHASE_DRIFT] = basis.phase_drift
    condition = float(scalars[VECTORS_NORM] * scalars[INVERSE_NORM])
    scalars[ROUNDING] = float(np.finfo(float).eps) * np.sqrt(len(energy)) * condition
    # Each derivative of a product of two modes adds a factor of their difference; the first adds the rates.
    scalars[FOURTH] = rates * fastest**3 / 24.0
    largest = float(np.abs(energy - energy[0]).max())
    fast = basis.phase_drift > 0.0 and largest > 0.0
    scalars[EXACT_FROM] = EXACT_ANGLE / largest if fast else np.inf
    return scalars


def _rest(energy: NDArray[np.float64], rest: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rounding error of energy − energy[0], for energies known as energy + rest."""
    exact = (energy.astype(np.longdouble) - energy[0]) + (rest.astype(np.longdouble) - rest[0])
    return (exact - (energy - energy[0])).astype(np.float64)


def _forms(
    jumps: list[sparse.csr_array], lost: list[sparse.csr_array], vectors: NDArray[np.complex128]
) -> Iterator[NDArray[np.complex128]]:
    """Yield the forms of `ModesArrays`: V†V, and V†c†cV of every channel."""
    yield vectors.conj().T @ vectors
    for k, jump in enumerate(jumps):
        # In a reduced basis the part of a jump outside it belongs to its rate.
        images = [operator @ vectors for operator in (jump, *lost[k : k + 1])]
        yield np.asarray(sum(image.conj().T @ image for image in images))


def _leaks(lost: list[sparse.csr_array], vectors: NDArray[np.complex128]) -> dict[str, NDArray[Any]]:
    """Return the triangles R whose product with a state has the norm of the part of the jump outside the basis."""
    size = len(vectors) + -len(vectors) % BLOCK
    tables: dict[str, NDArray[Any]] = {
        "leak": aligned_zeros((len(lost), size, 2, size), np.float64),
        "leak_size": np.zeros((len(lost), size)),
    }
    for k, operator in enumerate(lost):
        triangle = padded(linalg.qr(operator @ vectors, mode="r", check_finite=False)[0][None])[0]
        tables["leak"][k, :, 0], tables["leak"][k, :, 1] = triangle.T.real, triangle.T.imag
        tables["leak_size"][k] = ABOVE * np.linalg.norm(triangle, axis=0)
    return tables


def _by_importance(decay: NDArray[np.float64], jumps: list[NDArray[np.complex128]]) -> NDArray[np.int64]:
    """Order the modes by their mean weight in states after jumps, so that modes that matter are contiguous.

    Without phases, jumps move weight from mode i to mode j at the rate Σ_k|(V⁻¹c_kV)_ji|², where it stays for
    1/2γ_j: a Markov chain, whose stationary weights are sufficient for sorting.
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
