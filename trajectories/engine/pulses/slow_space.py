"""The slow space Q: the few vectors that span any state at one time of the period, its *anchor*.

A state that has passed a period, or a constant stretch that is long beside its lifetimes, lies in the span of few
vectors, for any N: the propagators M of a period and of such a stretch have few singular values above rounding.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ...random_streams import system_stream
from .propagator_kernels import COLUMNS
from .tables import Builder, Leaf
from .taylor_kernels import TimedArrays

Matrix = NDArray[np.complex128]

# Part of a state that may lie outside Q, or outside the vectors of a segment, as a share of the tolerance.
LEFT_OUT = 1e-3
# Largest number of vectors of Q as a share of N; columns by which Q is found where M is not known.
MOST_VECTORS, TRIED_COLUMNS = 0.75, 48
# What random numbers are for.
RANGE = 23
# The norm of a matrix is at most this times what random states measure: of 16 of them, whose mean square has the
# law of Γ(16)/16 if one direction is all, the mean is below 1/9 of what is expected with a probability of 9e-11.
SURE = 3.0
# A stretch is long if states are spanned by so many vectors before this share of it has passed; times that are
# tried are shorter by the first factor each, and then by the second.
FEW_VECTORS, EARLY, EARLIER = 4, 0.1, (0.5, 0.8)


class SlowSpace(NamedTuple):
    """Q, and its anchor.

    Attributes
    ----------
    vectors : ndarray of shape (N, q)
        The orthonormal vectors.
    left_out : float
        The part of a state of norm 1 that may lie outside.
    leaf, offset : int, float
        The anchor: the leaf in which it lies, and how long after its beginning.
    periods : int
        A state is in Q at the anchor that comes so many periods after the next one.
    """

    vectors: Matrix
    left_out: float
    leaf: int = 0
    offset: float = 0.0
    periods: int = 1


def span_of(period: Matrix, last: Matrix, tolerance: float) -> SlowSpace | None:
    """Return Q of the propagator of a period, or None if it has too many vectors.

    States that are taken to Q have passed a period and at least its last leaf before, if that is constant: `last`
    is its propagator, or 1.
    """
    left, count, tail = _range(period @ last, tolerance)
    return SlowSpace(left[:, :count], tail) if count <= MOST_VECTORS * len(period) else None


def span_of_stretch(builder: Builder, leaves: list[Leaf]) -> SlowSpace | None:
    """Return Q at an anchor within the longest constant stretch, or None if that is too short.

    The anchor comes as early as few vectors span all states.
    """
    still = [number for number, leaf in enumerate(leaves) if leaf.modes >= 0]
    if not still:
        return None
    leaf = max(still, key=lambda number: leaves[number].stop - leaves[number].start)
    found = _span_behind(builder, leaves, leaf, EARLY * (leaves[leaf].stop - leaves[leaf].start))
    for factor in EARLIER:
        earlier = found
        while earlier is not None:
            found = earlier
            earlier = _span_behind(builder, leaves, leaf, factor * found.offset)
    return found


def _span_behind(builder: Builder, leaves: list[Leaf], leaf: int, offset: float) -> SlowSpace | None:
    """Return Q at an anchor so long after the beginning of a constant stretch, or None if it has many vectors."""
    left, count, tail = _range(builder.modal_matrix(leaves[leaf].modes, offset), builder.tolerance)
    if count > min(FEW_VECTORS, MOST_VECTORS * len(left)):
        return None
    return SlowSpace(left[:, :count], tail, leaf, offset, 0)


def _range(propagator: Matrix, tolerance: float) -> tuple[Matrix, int, float]:
    """Return vectors, how many of them span what a propagator leaves of any state, and the norm of the rest."""
    left, values, _ = linalg.svd(propagator, check_finite=False)
    tails = np.sqrt(np.append(np.cumsum(values[::-1] ** 2)[::-1], 0.0))
    count = max(int(np.argmax(tails <= LEFT_OUT * tolerance)), 1)
    return np.ascontiguousarray(left), count, float(tails[count])


def sampled_span(builder: Builder, arrays: TimedArrays, leaves: list[Leaf]) -> SlowSpace | None:
    """Return Q from random states after a constant last leaf and a period, or None if it has too many vectors.

    The part outside is measured with further random states: with components of variance 1 the expected square of
    its norm is that of the Frobenius norm, which is no smaller than the norm.
    """
    size = builder.system.dimension
    random = system_stream(builder.system.digest, RANGE)
    states = random.normal(size=(size, TRIED_COLUMNS + COLUMNS, 2)) @ np.array([1.0, 1.0j]) / np.sqrt(2.0)
    passed = list(enumerate(leaves))
    for number, leaf in [*(passed[-1:] if leaves[-1].modes >= 0 else []), *passed]:
        states = through_leaf(builder, arrays, number, leaf, states)
    tried, fresh = states[:, :TRIED_COLUMNS], states[:, TRIED_COLUMNS:]
    left, values, _ = linalg.svd(tried, full_matrices=False, check_finite=False)
    for count in range(1, min(TRIED_COLUMNS, int(MOST_VECTORS * size)) + 1):
        if values[count - 1] > 1e3 * LEFT_OUT * builder.tolerance:
            continue
        vectors = left[:, :count]
        outside = fresh - vectors @ (vectors.conj().T @ fresh)
        tail = float(np.sqrt((np.abs(outside) ** 2).sum(axis=0).mean()))
        if SURE * tail <= LEFT_OUT * builder.tolerance:
            return SlowSpace(vectors, SURE * tail)
    return None


def through_leaf(builder: Builder, arrays: TimedArrays, number: int, leaf: Leaf, states: Matrix) -> Matrix:
    """Return states after a leaf."""
    if leaf.modes >= 0:
        return np.asarray(builder.modal_matrix(leaf.modes, leaf.stop - leaf.start) @ states)
    return builder.carried(arrays, number, states)
