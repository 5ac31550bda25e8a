"""The reduced propagator: eigenmodes in a basis of a few hundred vectors, for constant systems of any size.

Conditional states lie in the span of few vectors, for any N. There are three levels: (1) the vectors that span
the states of a pilot; (2) all essential basis states; (3) the sparse action on all N states. After each jump the
share of the state outside the level is computed. If it exceeds its share of the tolerance, the gap that follows is
computed on the next level. What H_eff moves out of a level between jumps is not computed for each gap but
*audited*: gaps chosen before any run are followed on the next level and by the sparse action, and the largest
|ΔS|/S found counts as an error of every gap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import RunFolderError
from ...model.system import OpenSystem
from ..jump_kernels import Jumps, apply_jump
from ..modes.eigenmodes import ModesPropagator
from ..modes.forms_kernels import BEFORE_BLOCKS, BLOCK, CHANNEL, INVERSE_NORM, MOST_LEAK, VECTORS_NORM, ModesArrays
from ..operators import columns_of, stack_operators
from ..propagator import Propagator, TrajectoryState, check_tolerance
from ..sparse.chebyshev_kernels import SparseArrays
from ..sparse.sparse_action import SparsePropagator
from ..trajectory_state import LEFT_BASIS, NEED_UNIFORMS, new_fields
from .audit import LEAST_REPLAYED
from .basis import make_bases
from .levels_kernels import advance_between
from .moves import Move, moves, pairs
from .placement_kernels import ket_of, place

# Slots of ``ReducedArrays.audit``.
AUDITED, REPLAYED, WORST, MISSED, COMPLETE = 0, 1, 2, 3, 4


@dataclass(frozen=True)
class ReducedArrays:
    """The compiled levels: bases, the smallest first; the sparse action; and the result of the audit.

    `moves` holds the jumps from each level into every other, in the order of `pairs`.
    """

    levels: tuple[ModesArrays, ...]
    moves: tuple[Move, ...]
    action: SparseArrays
    audit: NDArray[np.float64]

    def _asdict(self) -> dict[str, NDArray[Any]]:
        named = {"audit": self.audit}
        for number, level in enumerate(self.levels):
            named |= {f"level {number}.{key}": value for key, value in level._asdict().items()}
        for number, made in enumerate(self.moves):
            named |= {f"move {number}.{key}": value for key, value in made._asdict().items()}
        return named | {f"action.{key}": value for key, value in self.action._asdict().items()}


@dataclass
class Position:
    """Level of a trajectory, with the work arrays of each level.

    `ket` is a state that is not placed on a level yet, `error` that of its norm, and `first` the smallest level to
    try.
    """

    ket: NDArray[np.complex128] | None
    first: int = 0
    error: float = 0.0
    level: int = 0
    works: dict[int, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Iterate over all its arrays."""
        return (array for work in self.works.values() for array in work)

    @property
    def work(self) -> Any:
        """The work arrays of the level."""
        return self.works[self.level]


class ReducedPropagator(Propagator):
    """Waiting times in a reduced basis, for constant systems of any size whose states few vectors span.

    Parameters
    ----------
    arrays : ReducedArrays
        What `compile` made.
    """

    name = "reduced"
    Arrays = ReducedArrays

    def __init__(self, arrays: ReducedArrays) -> None:
        self._bases = [ModesPropagator(level) for level in arrays.levels]
        self.action = SparsePropagator(arrays.action)
        levels = tuple(basis.arrays for basis in self._bases)
        self.arrays = ReducedArrays(levels, arrays.moves, arrays.action, arrays.audit)
        # The vectors and the inverse of each level by their columns, for changes of level.
        self._columns = [(columns_of(level.vectors), columns_of(level.inverse)) for level in arrays.levels]

    @classmethod
    def compile(
        cls,
        system: OpenSystem,
        tolerance: float,
        initial: tuple[NDArray[np.complex128], NDArray[np.float64]] | None = None,
    ) -> ReducedPropagator:
        """Make the bases for trajectories that start from an ensemble, and audit them.

        Parameters
        ----------
        system : OpenSystem
            The system.
        tolerance : float
            Bound of |ΔS|/S.
        initial : ndarrays of shape (n_kets, N) and (n_kets,), optional
            The initial states of trajectories, and their probabilities; by default any basis state.

        Raises
        ------
        InvalidInput
            A tolerance outside [1e-13, 1e-2].
        ConvergenceError
            No basis of acceptable size keeps the tolerance; the message says why.
        """
        check_tolerance(tolerance)
        if initial is None:
            initial = np.eye(system.dimension, dtype=np.complex128), np.ones(system.dimension)
        jumps = stack_operators([channel.operator for channel in system.channels], system.dimension)
        bases = make_bases(system, jumps, *initial, tolerance)
        audit = np.array([bases.audited, bases.replayed, bases.worst, bases.missed, float(bases.complete)])
        levels = bases.levels
        action = SparsePropagator.compile(system, tolerance).arrays
        return cls(ReducedArrays(levels, moves(system, levels), action, audit))

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]]) -> ReducedArrays:
        """Return the arrays of a file.

        Raises
        ------
        RunFolderError
            The file is of a development version.
        """
        if "level 0.leak" not in arrays:
            raise RunFolderError(
                "the compiled system has no tables of what jumps leave outside its basis (made by a development "
                "version); start the run anew"
            )
        levels: list[ModesArrays] = []
        while any(key.startswith(f"level {len(levels)}.") for key in arrays):
            levels.append(ModesPropagator.restored(_part(arrays, f"level {len(levels)}.")))
        made = tuple(Move(**_part(arrays, f"move {number}.")) for number in range(len(pairs(len(levels)))))
        return ReducedArrays(
            tuple(levels), made, SparsePropagator.restored(_part(arrays, "action.")), arrays["audit"]
        )

    @property
    def promise(self) -> str:
        """One line on |ΔS|/S and how it was audited."""
        audit, levels = self.arrays.audit, self.arrays.levels
        sizes = " and ".join(str(level.vectors.shape[1]) for level in levels)
        made = f"basis {self.digest[:12]} of {sizes} vectors"
        if audit[COMPLETE] and len(levels) == 1:
            return f"{made}, a complete basis"
        checked = [f"{_gaps(int(audit[AUDITED]))} in the larger basis"] * int(len(levels) > 1)
        few = "only " * int(audit[REPLAYED] < LEAST_REPLAYED)
        checked += [f"{few}{_gaps(int(audit[REPLAYED]))} by the sparse action"] * int(audit[REPLAYED] > 0)
        return f"{made}, audited: {', '.join(checked)}, worst |ΔS|/S {audit[WORST]:.1e}"

    @property
    def digest(self) -> str:
        """SHA-256 of the first basis."""
        level = self.arrays.levels[0]
        return hashlib.sha256(level.states.tobytes() + level.vectors.tobytes()).hexdigest()

    def start(
        self, ket: NDArray[np.complex128], n_channels: int, before: TrajectoryState | None = None
    ) -> TrajectoryState:
        """Return the state of a trajectory that begins in `ket`, of norm 1; see `Propagator.start`."""
        works = {0: self._bases[0].workspace(len(ket))} if before is None else before.work.works
        return TrajectoryState(new_fields(), Position(np.array(ket, np.complex128), works=works))

    def advance(
        self,
        jumps: Jumps,
        stop: float,
        state: TrajectoryState,
        uniforms: NDArray[np.float64],
        sampling: tuple[Jumps, NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]],
        clicks: tuple[NDArray[np.float64], NDArray[np.int16]],
    ) -> int:
        """Follow a trajectory until it ends or a buffer must be drained; see `Propagator.advance`."""
        position, fields = state.work, state.fields
        while True:
            if position.ket is not None:
                if fields.next_uniform + 3 > len(uniforms):
                    return NEED_UNIFORMS
                self._place(state, 1.0 - uniforms[fields.next_uniform], jumps)
            if position.level < len(self._bases):
                status = self._advance_in_bases(jumps, stop, state, uniforms, sampling, clicks)
                if status != LEFT_BASIS:
                    return status
                self._leave(state, jumps)
                continue
            before = int(fields.n_clicks)
            # One gap at a time; then the bases are tried again.
            one = (clicks[0][: before + 1], clicks[1][: before + 1])
            inner = TrajectoryState(fields, position.work)
            status = self.action.advance(jumps, stop, inner, uniforms, sampling, one)
            if fields.n_clicks == before:
                return int(status)
            # The kernel has drawn the next threshold already, unless the buffer of random numbers was empty.
            fields.next_uniform -= fields.threshold >= 0.0
            position.ket, position.error = position.work.psi.copy(), float(fields.missing)

    def _advance_in_bases(
        self,
        jumps: Jumps,
        stop: float,
        state: TrajectoryState,
        uniforms: NDArray[np.float64],
        sampling: tuple[Jumps, NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]],
        clicks: tuple[NDArray[np.float64], NDArray[np.int16]],
    ) -> int:
        """Compute a trajectory as long as one of the bases holds it."""
        position = state.work
        if len(self._bases) == 1:
            inner = TrajectoryState(state.fields, position.work)
            return self._bases[0].advance(jumps, stop, inner, uniforms, sampling, clicks)
        observables, sample_times, sampled, kets = sampling
        (small, large), (up, down) = self.arrays.levels, self.arrays.moves
        works = [self._workspace(position, number, len(position.work.psi)) for number in range(2)]
        level = np.array([position.level])
        status = advance_between(
            small,
            large,
            up,
            down,
            stop,
            uniforms,
            observables,
            sample_times,
            state.fields,
            *works,
            level,
            *clicks,
            sampled,
            kets,
        )
        position.level = int(level[0])
        return int(status)

    def _leave(self, state: TrajectoryState, jumps: Jumps) -> None:
        """Continue with the whole state after the last jump, which no basis holds."""
        position, fields = state.work, state.fields
        source = self._bases[position.level].arrays
        position.error = float(source.scalars[VECTORS_NORM] * fields.missing + fields.rounded)
        position.ket = self._after_jump(jumps, position.level, position.work)
        position.first = len(self._bases)

    def _place(self, state: TrajectoryState, threshold: float, jumps: Jumps) -> None:
        """Continue from ``state.work.ket`` on the smallest level that holds it to its share of the tolerance."""
        position, fields = state.work, state.fields
        ket, position.ket = position.ket, None
        first, position.first = position.first, 0
        error, position.error = position.error, 0.0
        fields.elapsed = fields.error = fields.rounded = fields.norm_error = 0.0
        fields.missing = error
        for number, basis in enumerate(self._bases[first:], first):
            outside, amplitudes = place(basis.arrays.states, *self._columns[number], ket)
            if outside <= basis.arrays.scalars[MOST_LEAK] * threshold:
                fields.norm_error = outside
                fields.missing = basis.arrays.scalars[INVERSE_NORM] * error
                self._begin(position, number, amplitudes, len(ket))
                return
        position.level = len(self._bases)
        n_channels = (len(jumps.indptr) - 1) // len(ket)
        position.works[position.level] = self.action.start(ket, n_channels).work
        fields.threshold, fields.survival = -1.0, 1.0
        fields.steps, fields.next_dark_check = 0, 1

    def _begin(self, position: Position, number: int, amplitudes: NDArray[np.float64], dimension: int) -> None:
        """Start a gap in a basis, from amplitudes of its modes, (2, modes)."""
        position.level = number
        self._bases[number].restart(self._workspace(position, number, dimension), amplitudes)

    def _workspace(self, position: Position, number: int, dimension: int) -> Any:
        """Return the work arrays of a trajectory in a basis."""
        if number not in position.works:
            position.works[number] = self._bases[number].workspace(dimension)
        return position.works[number]

    def _after_jump(self, jumps: Jumps, number: int, work: Any) -> NDArray[np.complex128]:
        """Return the whole state after the last jump, including the part outside the basis."""
        arrays = self._bases[number].arrays
        size = min(BLOCK * int(work.jump[BEFORE_BLOCKS]), arrays.vectors.shape[1])
        before = ket_of(arrays.states, self._columns[number][0], work.before[:, :size].copy(), len(work.psi))
        after = np.empty_like(before)
        apply_jump(jumps, int(work.jump[CHANNEL]), before, after)
        return after


def _part(named: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(prefix): value for key, value in named.items() if key.startswith(prefix)}


def _gaps(count: int) -> str:
    return f"{count} gap{'s' if count != 1 else ''}"
