"""A tree of propagators in a frame of few vectors, for pulsed systems whose dimension is too large for a tree.

Blocks of leaves are passed in the frame. The leaf of a click is computed in all N states, and so is every leaf
before which more than its share of the tolerance lies outside the frame, as after some jumps. Other losses of
blocks are *audited*: further trajectories are computed in the frame and, step by step, in all states, and the
largest |ΔS|/S counts as an error of every gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...errors import ConvergenceError, InvalidInput
from ...model.system import OpenSystem
from ..propagator import check_tolerance
from .bridges import with_bridges
from .frames import AUDIT, LEAK_SHARE, Group, Matrix, click_density, find_frame, squared_norms
from .ladders import distance, ladder_of, probes_of, rungs_of
from .periods import with_periods
from .slow_space import sampled_span, span_of_stretch
from .tables import ROUNDING_OF_STEP, Builder, Leaf, columns_apart
from .taylor_kernels import AUDITED, AUDITED_GAPS, DRIFT, MISSED, MOST_LEAK, PARTS, TimedArrays
from .timed import TimedPropagator
from .trees import blocks_of, leaf_errors, leaves_of, with_blocks

# Largest size of a tree in bytes: leaves are computed in all states, so that they should be short.
TREE_BYTES = 8.4e8
# What states may have outside the frame as a share of what is allowed; a frame whose audit takes more than a share
# of the tolerance is made anew with a smaller one. Above the last share it is refused.
CHOSEN_SHARES, AUDIT_SHARE, MOST_AUDITED = (0.04, 0.01), 0.4, 0.7
# If more than this share of the jumps leave the frame, it saves nothing.
MOST_MISSED = 0.2
# Trajectories of the audit, and their number of periods.
AUDITED_SIDE_BY_SIDE, AUDIT_PERIODS = 16, 2
# Parts of a step in the propagators of leaves.
CUTS = 2
# Products after which the state of a long gap no longer changes.
SETTLED = 200


class ReducedTreePropagator(TimedPropagator):
    """A tree of propagators in a frame; see `trajectories.engine.pulses.reduced_tree`."""

    name = "reduced tree"

    @classmethod
    def compile(
        cls,
        system: OpenSystem,
        tolerance: float,
        horizon: float | None = None,
        initial: tuple[Matrix, NDArray[np.float64]] | None = None,
    ) -> ReducedTreePropagator:
        """Find the frame for trajectories that start from an ensemble, build the tree and audit it.

        Parameters
        ----------
        system : OpenSystem
            The system, with a period.
        tolerance : float
            Bound of |ΔS|/S.
        horizon : float, optional
            Not used: a period is needed.
        initial : ndarrays of shape (n_kets, N) and (n_kets,)
            The initial states of trajectories, and their probabilities; by default any basis state.

        Raises
        ------
        InvalidInput
            A tolerance out of range, or a system without a period.
        ConvergenceError
            The audit finds more than the tolerance, or jumps often leave the frame.
        """
        check_tolerance(tolerance)
        if not system.depends_on_time or system.period is None:
            raise InvalidInput("a reduced tree is for systems with a period; use propagator='auto'")
        if initial is None:
            initial = np.eye(system.dimension, dtype=np.complex128), np.ones(system.dimension)
        builder = Builder(system, tolerance, np.inf)
        for share in CHOSEN_SHARES:
            frame = find_frame(builder, *initial, share)
            tree = _Tree.of(builder, frame, *initial)
            found = tree.audit(builder, *initial)
            if found.worst <= AUDIT_SHARE * tolerance:
                break
        if not found.worst <= MOST_AUDITED * tolerance:
            raise ConvergenceError(
                f"the audit of the frame found |ΔS|/S = {found.worst:.2g}, too much for tolerance={tolerance:g}"
            )
        if found.left > MOST_MISSED * found.jumps:
            raise ConvergenceError(f"{found.left} of {found.jumps} jumps leave the frame (a hot system?)")
        return cls(tree.tables(builder, found))

    @property
    def promise(self) -> str:
        """One line on |ΔS|/S and how it was audited."""
        scalars = self.arrays.scalars
        return (
            f"frame of {len(self.arrays.frame)} vectors, audited: {scalars[AUDITED_GAPS]:.0f} gaps by steps in "
            f"all states, worst |ΔS|/S {scalars[AUDITED]:.1e}, {scalars[DRIFT]:.1e} for each further period; "
            f"{scalars[MISSED]:.1%} of the jumps left the frame"
        )


@dataclass
class _Audit:
    """Result of an audit: |ΔS|/S of gaps and of each further period, and how many jumps left the frame."""

    worst: float = 0.0
    drift: float = 0.0
    gaps: int = 0
    jumps: int = 0
    left: int = 0


@dataclass
class _Tree:
    """A frame, the leaves and their propagators in it, and the blocks made of them."""

    frame: Matrix
    arrays: TimedArrays
    leaves: list[Leaf]
    matrices: list[Matrix]
    nodes: list[Matrix]
    first: list[int]
    ladder: list[Matrix]

    @classmethod
    def of(cls, builder: Builder, frame: Matrix, kets: Matrix, weights: NDArray[np.float64]) -> _Tree:
        """Build the blocks of a frame."""
        density = click_density(builder, kets, weights)
        arrays, leaves = builder.arrays(leaves_of(frame.shape[1], TREE_BYTES), density)
        matrices = [_leaf_matrix(builder, arrays, number, leaf, frame) for number, leaf in enumerate(leaves)]
        nodes, first = blocks_of(matrices)
        return cls(frame, arrays, leaves, matrices, nodes, first, ladder_of(nodes[-1]))

    def audit(self, builder: Builder, kets: Matrix, weights: NDArray[np.float64]) -> _Audit:
        """Return what its audit finds."""
        group = Group.of(builder.system, AUDIT, AUDITED_SIDE_BY_SIDE, kets, weights)
        return _audited(builder, self.arrays, self.leaves, self.matrices, self.frame, self.ladder[-1], group)

    def tables(self, builder: Builder, found: _Audit) -> TimedArrays:
        """Return its tables, with those of whole periods and of bridges, and what its audit found."""
        frame, arrays, leaves, ladder = self.frame, self.arrays, self.leaves, self.ladder
        probes = carried = probes_of(frame.shape[1])
        for matrix in self.matrices:
            carried = matrix @ carried
        steps = int(arrays.leaf_step[-1] - arrays.leaf_step[0])
        rungs = rungs_of(ladder, probes, distance(ladder[0] @ probes, carried) + ROUNDING_OF_STEP * np.sqrt(steps))
        # As errors of states: half the relative error of their norm².
        rungs[:, 1] += 0.5 * found.drift * 2.0 ** np.arange(len(rungs)) * rungs[:, 0]
        errors = leaf_errors(builder, leaves, frame @ probes)
        arrays = with_blocks(arrays, self.nodes, self.first, ladder, rungs, errors)
        slow = span_of_stretch(builder, leaves) or sampled_span(builder, arrays, leaves)
        if slow is not None:
            arrays = with_periods(builder, arrays, leaves, slow, ROUNDING_OF_STEP * np.sqrt(steps))
            arrays = with_bridges(arrays)
        scalars = arrays.scalars.copy()
        scalars[MOST_LEAK] = LEAK_SHARE * builder.tolerance
        scalars[AUDITED], scalars[AUDITED_GAPS], scalars[DRIFT] = found.worst, found.gaps, found.drift
        scalars[MISSED] = found.left / max(found.jumps, 1)
        near = (len(builder.modes), frame.shape[1], 2, len(frame))
        return arrays._replace(
            frame=columns_apart(frame),
            adjoint=columns_apart(np.ascontiguousarray(frame.conj().T)),
            near_inverse=np.array([columns_apart(m.tables.inverse @ frame) for m in builder.modes]).reshape(near),
            scalars=scalars,
        )


def _leaf_matrix(builder: Builder, arrays: TimedArrays, number: int, leaf: Leaf, frame: Matrix) -> Matrix:
    """Return Q†UQ of a leaf."""
    if leaf.modes >= 0:
        modes = builder.modes[leaf.modes]
        motion, tables = modes.motion(leaf.stop - leaf.start), modes.tables
        return np.asarray((frame.conj().T @ tables.vectors) @ motion @ (tables.inverse @ frame))
    return np.asarray(frame.conj().T @ builder.carried(arrays, number, frame, CUTS))


def _audited(
    builder: Builder,
    arrays: TimedArrays,
    leaves: list[Leaf],
    matrices: list[Matrix],
    frame: Matrix,
    last: Matrix,
    group: Group,
) -> _Audit:
    """Compute trajectories in the frame and in all states, leaf by leaf, and compare S."""
    found, adjoint = _Audit(), frame.conj().T
    most = LEAK_SHARE * builder.tolerance
    inside = adjoint @ group.states
    held = 1.0 - squared_norms(inside) <= most
    for _ in range(1 + AUDIT_PERIODS):
        for number, leaf in enumerate(leaves):
            before = squared_norms(group.states)
            group.states = _passed(builder, arrays, number, leaf, group.states)
            after = squared_norms(group.states)
            inside = matrices[number] @ inside / np.sqrt(after)
            if held.any():
                found.worst = max(found.worst, float(np.abs(squared_norms(inside)[held] - 1.0).max()))
            group.click(builder.system, before, 0.5 * (leaf.start + leaf.stop))
            new = adjoint @ group.states
            fits = 1.0 - squared_norms(new) <= most
            found.jumps += int(group.clicked.sum())
            found.gaps += int((group.clicked & held).sum())
            found.left += int((group.clicked & ~fits).sum())
            begins = group.clicked | (fits & ~held)
            inside[:, begins] = new[:, begins]
            held = np.where(begins, fits, held)
        group.adjust()
    # In a long gap the state becomes periodic; from then on each period adds the same error.
    settled = np.full(len(last), 1.0 + 0.0j)
    for _ in range(SETTLED):
        settled = last @ settled
        size = np.linalg.norm(settled)
        if size == 0.0:
            return found
        settled /= size
    state, reduced = (frame @ settled)[:, None], settled[:, None]
    for number, leaf in enumerate(leaves):
        state, reduced = _passed(builder, arrays, number, leaf, state, PARTS), matrices[number] @ reduced
    found.drift = float(abs(squared_norms(reduced)[0] / squared_norms(state)[0] - 1.0))
    return found


def _passed(
    builder: Builder, arrays: TimedArrays, number: int, leaf: Leaf, states: Matrix, cuts: int = 1
) -> Matrix:
    """Return states after a leaf, in all N states."""
    if leaf.modes >= 0:
        return np.asarray(builder.modal_matrix(leaf.modes, leaf.stop - leaf.start) @ states)
    return builder.carried(arrays, number, states, cuts)
