"""Tables of the bridges between constant stretches, and of the ways to them from the slow space.

From the end of a stretch a to the beginning of the next one b leads V_b⁻¹UV_a, with U the propagator in between;
V_a†U†UV_a gives S there. They are further channels and forms in the tables of the eigenmodes, so that the kernels
of jumps carry them out as far as a search needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..modes.forms_kernels import ModesArrays
from ..modes.mode_tables import form_tables, map_tables, whole_blocks
from .bridge_kernels import ACROSS, DIRECT, FROM_ANCHOR, FROM_SLOW, NEXT, SURVIVAL
from .tables import columns_apart, no_bridges
from .taylor_kernels import ANCHOR_OFFSET, TimedArrays

Matrix = NDArray[np.complex128]

# Of every so many leaves the propagator to the next constant stretch is kept.
DIRECT_STRIDE = 8
# Bridges lead to stretches that are no shorter than this share of the longest.
SHORTER = 0.1
# Largest size of all these tables in bytes, and bytes of an entry of a map and of a form.
BRIDGE_BYTES, MAP_ENTRY, FORM_ENTRY = 1e8, 24.0, 16.0


def with_bridges(
    arrays: TimedArrays, nodes: list[Matrix] | None = None, first: list[int] | None = None
) -> TimedArrays:
    """Return the tables with bridges, or as they are if bridges take too much memory.

    Parameters
    ----------
    arrays : TimedArrays
        Tables of a system with a period, with those of whole periods.
    nodes, first : list of ndarray of shape (N, N), list of int, optional
        The propagators of the blocks of all leaves, and the first of every level. Without them there are only the
        maps from the slow space.
    """
    modes, size = arrays.leaf_modes, arrays.energy.shape[1]
    following = _following(arrays)
    entries = _from_slow(arrays, set(following.values()))
    ends, starts = list(following), [*following.values(), *(leaf for leaf, _ in entries)]
    if nodes is None or first is None:
        ends, starts = [], [leaf for leaf, _ in entries]
    each = MAP_ENTRY * _most(modes[starts]) + FORM_ENTRY * _most(modes[ends])
    if not starts or each * len(arrays.energy) * whole_blocks(size) ** 2 > BRIDGE_BYTES:
        return arrays
    channels = arrays.still.jump.shape[1]
    maps: list[list[Matrix]] = [[] for _ in arrays.energy]
    forms: list[list[Matrix]] = [[] for _ in arrays.energy]
    bridges = no_bridges(len(modes))
    inverse = _matrices(arrays.inverse)
    for (b, column), entry in entries.items():
        there = int(modes[b])
        bridges[b, column] = channels + len(maps[there])
        maps[there].append(np.pad(inverse[there] @ entry, ((0, 0), (0, size - entry.shape[1]))))
    if nodes is not None and first is not None:
        vectors = _matrices(arrays.vectors)
        for a, b in following.items():
            here, there = int(modes[a]), int(modes[b])
            reached = vectors[here]
            for start, stop in ((a + 1, b),) if a < b else ((a + 1, len(modes)), (0, b)):
                reached = _passed(nodes, first, start, stop, reached)
            bridges[a, NEXT], bridges[a, ACROSS] = b, channels + len(maps[there])
            bridges[a, SURVIVAL] = channels + 1 + len(forms[here])
            maps[there].append(inverse[there] @ reached)
            forms[here].append(reached.conj().T @ reached)
        direct = _direct(arrays, nodes, first, sorted(set(following.values())), bridges)
        arrays = arrays._replace(tree=np.concatenate([arrays.tree, *direct]))
    return arrays._replace(still=_extended(arrays.still, maps, forms, size), bridges=bridges)


def _direct(
    arrays: TimedArrays, nodes: list[Matrix], first: list[int], targets: list[int], bridges: NDArray[np.int64]
) -> list[NDArray[np.float64]]:
    """Return the propagators from every DIRECT_STRIDE-th leaf to the constant stretch that follows, as nodes."""
    found: list[NDArray[np.float64]] = []
    for start in range(0, len(arrays.leaf_modes), DIRECT_STRIDE):
        later = [b for b in targets if b > start + 1]
        if arrays.leaf_modes[start] >= 0 or not later:
            continue
        bridges[start, NEXT], bridges[start, DIRECT] = later[0], len(arrays.tree) + len(found)
        whole = _passed(nodes, first, start, later[0], np.eye(len(nodes[0]), dtype=np.complex128))
        found.append(columns_apart(whole)[None])
    return found


def _following(arrays: TimedArrays) -> dict[int, int]:
    """Return the constant stretch to which the bridge of each one leads: the next one that is not much shorter.

    Shorter ones are part of what lies in between.
    """
    still = np.flatnonzero(arrays.leaf_modes >= 0)
    length = np.diff(arrays.leaf_start)[still]
    long = still[length >= SHORTER * length.max(initial=0.0)]
    return {int(a): int(next(iter(long[long > a]), long[0])) for a in still}


def _most(modes: NDArray[np.int64]) -> int:
    """Return how often the most frequent value of H_eff occurs."""
    return int(np.bincount(modes).max(initial=0))


def _passed(nodes: list[Matrix], first: list[int], start: int, stop: int, states: Matrix) -> Matrix:
    """Return states after leaves `start` … `stop` − 1, by the largest blocks."""
    while start < stop:
        level = 0
        while start % (2 << level) == 0 and start + (2 << level) <= stop:
            level += 1
        states = nodes[first[level] + (start >> level)] @ states
        start += 1 << level
    return states


def _from_slow(arrays: TimedArrays, leaves: set[int]) -> dict[tuple[int, int], Matrix]:
    """Return the propagators from the slow space to leaves, and to the anchor, (N, q), by leaf and column."""
    if len(arrays.segment_of_position) == 0:
        return {}
    found = {}
    steps, (step, anchor, _) = len(arrays.leaf_of_step), arrays.anchor.tolist()
    positions = {(leaf, FROM_SLOW): (int(arrays.leaf_step[leaf]) - step) % steps for leaf in leaves}
    if arrays.scalars[ANCHOR_OFFSET] > 0.0:
        # The beginning of its stretch is the last position.
        positions[anchor, FROM_SLOW], positions[anchor, FROM_ANCHOR] = steps, 0
    for way, position in positions.items():
        segment = arrays.segment_of_position[position]
        (vectors,), (coordinates,) = (
            _matrices(arrays.from_vectors[[segment]]),
            _matrices(arrays.from_slow[[position]]),
        )
        found[way] = np.asarray(vectors @ coordinates)
    return found


def _matrices(columns: NDArray[np.float64]) -> Matrix:
    """Return matrices that are given by their columns with parts apart."""
    return (columns[:, :, 0] + 1j * columns[:, :, 1]).transpose(0, 2, 1)


def _extended(still: ModesArrays, maps: list[list[Matrix]], forms: list[list[Matrix]], size: int) -> ModesArrays:
    """Return the tables of all values of H_eff with further channels and forms."""
    most_maps, most_forms = max(len(some) for some in maps), max(len(some) for some in forms)
    names = ("jump", "jump_single", "jump_tail"), ("form", "diagonal", "form_tail", "corner")
    found: dict[str, list[NDArray[Any]]] = {name: [] for group in names for name in group}
    for some, others in zip(maps, forms, strict=True):
        tables = map_tables(some, most_maps, size) | form_tables(others, most_forms, size)
        for name, parts in found.items():
            parts.append(tables[name])
    return still._replace(
        **{name: np.concatenate([getattr(still, name), np.stack(parts)], axis=1) for name, parts in found.items()}
    )
