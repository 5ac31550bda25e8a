"""Trees of propagators: of dyadic blocks of leaves, up to the whole period, and of 2, 4, 8, … periods."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...errors import ConvergenceError
from ...model.stretches import stretches
from ...model.system import OpenSystem
from .bridges import with_bridges
from .ladders import distance, ladder_of, probes_of, rungs_of
from .periods import with_periods
from .slow_space import span_of, span_of_stretch
from .tables import RADIANS, ROUNDING_OF_STEP, Builder, Leaf, columns_apart, spectral_radius
from .taylor_kernels import TimedArrays

# Rounding of a state in one step of a propagator in the tree; measured, with a factor of two.
ROUNDING_IN_TREE = 2e-16
# Largest size of a tree in bytes.
TREE_BYTES = 1.3e8
# Largest dimension whose propagators are kept in a tree.
LARGEST_TREE = 512
# Building a tree: measured seconds for an entry of a stacked operator, per column and term of a series; terms of a
# series; and seconds above which propagator="auto" builds no tree.
ENTRY, TERMS, LONGEST_BUILD = 6e-10, 60.0, 60.0

Matrix = NDArray[np.complex128]


def tree_arrays(builder: Builder) -> TimedArrays:
    """Return the tables of a system with the propagators of all blocks.

    Raises
    ------
    ConvergenceError
        A dimension too large for a tree.
    """
    size = builder.system.dimension
    if size > LARGEST_TREE:
        raise ConvergenceError(f"N={size} exceeds {LARGEST_TREE}, the most whose propagators are kept")
    arrays, leaves = builder.arrays(leaves_of(size, TREE_BYTES))
    finite = [leaf for leaf in leaves if np.isfinite(leaf.stop)]
    if not finite:
        return arrays
    matrices = [_leaf_matrix(builder, arrays, i, leaf) for i, leaf in enumerate(finite)]
    nodes, first = blocks_of(matrices)
    ladder = [] if builder.system.period is None else ladder_of(nodes[-1])
    probes = probes_of(size)
    errors = leaf_errors(builder, finite, probes)
    rungs = _rungs(builder, arrays, finite, ladder, probes)
    slow, period = None, None
    if ladder:
        slow = span_of_stretch(builder, finite)
        if slow is None:
            period = ladder[0]
            last = matrices[-1] if finite[-1].modes >= 0 else np.eye(size, dtype=np.complex128)
            slow = span_of(period, last, builder.tolerance)
    if slow is not None:
        arrays = with_periods(builder, arrays, finite, slow, float(rungs[0, 1]), period)
    arrays = with_blocks(arrays, nodes, first, ladder, rungs, errors)
    return with_bridges(arrays, nodes, first) if slow is not None else arrays


def leaves_of(size: int, most_bytes: float) -> int:
    """Return the largest number of leaves of a tree of matrices of this size."""
    return max(8, int(most_bytes / (2.0 * 16.0 * size**2)))


def blocks_of(level: list[Matrix]) -> tuple[list[Matrix], list[int]]:
    """Return the propagators of all dyadic blocks of leaves, level by level, and the first of every level."""
    nodes: list[Matrix] = []
    first = [0]
    while True:
        nodes += level
        first.append(len(nodes))
        if len(level) == 1:
            return nodes, first
        level = [level[i + 1] @ level[i] if i + 1 < len(level) else level[i] for i in range(0, len(level), 2)]


def with_blocks(
    arrays: TimedArrays,
    nodes: list[Matrix],
    first: list[int],
    ladder: list[Matrix],
    rungs: NDArray[np.float64],
    errors: NDArray[np.float64],
) -> TimedArrays:
    """Return the tables with a tree and a ladder, and the error that each leaf adds to a state."""
    size = len(nodes[0])
    added = np.zeros(len(arrays.leaf_modes))
    added[: len(errors)] = errors
    return arrays._replace(
        rungs=rungs,
        leaf_error=np.concatenate([[0.0], np.cumsum(added)]),
        tree=np.array([columns_apart(node) for node in nodes]),
        level_node=np.array(first),
        ladder=np.array([columns_apart(rung) for rung in ladder]).reshape(len(ladder), size, 2, size),
    )


def leaf_errors(builder: Builder, leaves: list[Leaf], states: Matrix) -> NDArray[np.float64]:
    """Return the error that the propagator of each leaf adds to a state of norm 1.

    For steps it is their rounding; for a constant stretch the difference between thirds and the whole.
    """
    return np.array(
        [
            ROUNDING_IN_TREE * leaf.steps
            if leaf.modes < 0
            else distance(
                builder.modal_matrix(leaf.modes, leaf.stop - leaf.start) @ states, in_thirds(builder, leaf, states)
            )
            for leaf in leaves
        ]
    )


def in_thirds(builder: Builder, leaf: Leaf, states: Matrix) -> Matrix:
    """Return states after a constant stretch that is passed in three parts."""
    third = (leaf.stop - leaf.start) / 3.0
    for length in (third, third, leaf.stop - leaf.start - 2.0 * third):
        states = builder.modal_matrix(leaf.modes, length) @ states
    return states


def _rungs(
    builder: Builder, arrays: TimedArrays, leaves: list[Leaf], ladder: list[Matrix], probes: Matrix
) -> NDArray[np.float64]:
    """Return the norm of every rung, and the largest error of a state of norm 1 that passes it.

    Random states are carried through the period step by step, through a constant stretch in thirds, and apart
    from that by the propagator of the whole. With components of variance 1 their mean squared distance is the
    squared Frobenius norm of the propagator's error, which bounds its norm, and as much again by the steps.
    """
    if not ladder:
        return np.zeros((0, 2))
    carried = probes
    for number, leaf in enumerate(leaves):
        if leaf.modes >= 0:
            carried = in_thirds(builder, leaf, carried)
        else:
            carried = builder.carried(arrays, number, carried)
    # Not seen in the difference: the rounding of the coefficients of steps, each independent.
    steps = int(arrays.leaf_step[-1] - arrays.leaf_step[0])
    error = distance(ladder[0] @ probes, carried) + ROUNDING_OF_STEP * np.sqrt(steps)
    return rungs_of(ladder, probes, error)


def _leaf_matrix(builder: Builder, arrays: TimedArrays, number: int, leaf: Leaf) -> Matrix:
    if leaf.modes >= 0:
        return builder.modal_matrix(leaf.modes, leaf.stop - leaf.start)
    return builder.carried(arrays, number, np.eye(builder.system.dimension, dtype=np.complex128))


def build_seconds(system: OpenSystem, horizon: float) -> float:
    """Return roughly how long the tree of a system takes to build."""
    radius = spectral_radius(system.constant_part)
    values = [np.array([term.values(s.middle) for term in system.terms]) for s in stretches(system, horizon)]
    radius += float(
        np.abs(values).max(axis=0, initial=0.0) @ [spectral_radius(term.operator) for term in system.terms]
    )
    spans = [s.stop - s.start for s in stretches(system, horizon) if s.values is None]
    entries = system.constant_part.nnz + sum(term.operator.nnz + 8 * system.dimension for term in system.terms)
    return ENTRY * TERMS * entries * system.dimension * sum(spans) * radius / RADIANS
