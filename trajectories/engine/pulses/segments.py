"""Segments of steps, and the few vectors that span in one what comes from the slow space or becomes it.

What the slow space is at some time, U(t ← 0)Q, has few directions that matter: a state that enters it has almost
nothing of most vectors of Q, because it has been damped for more than a period. Over some steps these directions
turn little, so that they span some thirty vectors, for any N.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ..operators import stack_operators
from .tables import Builder, columns_apart
from .taylor_kernels import TimedArrays

Matrix = NDArray[np.complex128]

# Fewest steps of a segment. More take less memory, but more vectors.
STEPS = 8
# Columns with which vectors are sought at first.
TRIED_COLUMNS = 64


@dataclass(frozen=True)
class Segment:
    """Steps `first` … `last` − 1, or one constant stretch of some modes (−1: steps), or part of it."""

    first: int
    last: int
    modes: int
    duration: float


def segments_of(arrays: TimedArrays, length: int) -> list[Segment]:
    """Cut a period into segments of at most so many steps, and constant stretches."""
    kinds = np.repeat(arrays.leaf_modes, np.diff(arrays.leaf_step))
    found: list[Segment] = []
    for step, (modes, duration) in enumerate(zip(kinds, np.diff(arrays.starts).tolist(), strict=True)):
        last = found[-1] if found else None
        if modes < 0 and last is not None and last.modes < 0 and last.last - last.first < length:
            found[-1] = Segment(last.first, step + 1, -1, last.duration + duration)
        else:
            found.append(Segment(step, step + 1, int(modes), duration))
    return found


def from_anchor(segments: list[Segment], step: int, offset: float) -> list[Segment]:
    """Return the segments in the order in which they follow an anchor, `offset` after the beginning of a step.

    If it lies within a constant stretch, the rest of that comes first, and the part before the anchor last.
    """
    number = next(number for number, segment in enumerate(segments) if segment.first == step)
    if offset == 0.0:
        return segments[number:] + segments[:number]
    own = segments[number]
    rest, begun = replace(own, duration=own.duration - offset), replace(own, duration=offset)
    return [rest, *segments[number + 1 :], *segments[:number], begun]


def span_of_states(states: Matrix, most: float, random: np.random.Generator) -> Matrix:
    """Return orthonormal vectors that span some states but for a part whose Frobenius norm is at most `most`.

    They are sought among random combinations of the states, which takes a tenth of the time of a decomposition.
    """
    size, given = states.shape
    count = min(TRIED_COLUMNS, size, given)
    while True:
        mixed = states if count == given else states @ random.normal(size=(given, count))
        left = linalg.svd(mixed, full_matrices=False, check_finite=False)[0]
        inside = left.conj().T @ states
        outside = (np.abs(states - left @ inside) ** 2).sum()
        tails = np.sqrt(outside + np.append(np.cumsum((np.abs(inside) ** 2).sum(axis=1)[::-1])[::-1], 0.0))
        if tails[-1] <= most or count == min(size, given):
            enough = np.flatnonzero(tails <= most)
            return np.ascontiguousarray(left[:, : max(int(enough[0]), 1) if len(enough) else count])
        count = min(2 * count, size, given)


class Motion:
    """H_eff in the vectors of a segment, less an energy near that of the first vector."""

    def __init__(self, arrays: TimedArrays, segment: Segment, vectors: Matrix) -> None:
        operators = [np.asarray(vectors.conj().T @ (each @ vectors)) for each in operators_of(arrays)]
        values = np.array([1.0, *arrays.coefficients[segment.first, :, 0]])
        # States are mostly along the first vector: less its energy, series are short.
        self.energy = float(sum(f * each[0, 0].real for f, each in zip(values, operators, strict=True)))
        operators[0] = operators[0] - self.energy * np.eye(len(operators[0]))
        self.operators = operators
        stacked = stack_operators([sparse.csr_array(each) for each in operators], len(operators[0]))
        self._arrays = arrays._replace(indptr=stacked.indptr, indices=stacked.indices, data=stacked.data)

    def moved(self, step: int, coordinates: Matrix) -> Matrix:
        """Return coordinates after a step, with the phase that the kernels leave out."""
        after = Builder.carried_parts(self._arrays, step, step + 1, coordinates, 1)
        return after * np.exp(-1j * self.energy * (self._arrays.starts[step + 1] - self._arrays.starts[step]))


def operators_of(arrays: TimedArrays) -> list[sparse.csr_array]:
    """Return A and every B_j of H_eff."""
    count = arrays.coefficients.shape[1] + 1
    size = (len(arrays.indptr) - 1) // count
    return [sparse.csr_array(each) for each in _rows(arrays, count, size)]


def _rows(arrays: TimedArrays, count: int, size: int) -> Iterator[Any]:
    for number in range(count):
        pointers = arrays.indptr[number * size : (number + 1) * size + 1]
        inside = slice(pointers[0], pointers[-1])
        yield sparse.csr_array(
            (arrays.data[inside], arrays.indices[inside], pointers - pointers[0]), shape=(size, size)
        )


def padded(matrices: list[Matrix], rows: int, columns: int) -> NDArray[np.float64]:
    """Return matrices in the layout of the kernels, with zeros up to a size that they share."""
    found = np.zeros((len(matrices), columns, 2, rows))
    for out, matrix in zip(found, matrices, strict=True):
        out[: matrix.shape[1], :, : matrix.shape[0]] = columns_apart(matrix)
    return found
