"""Tables of whole periods: the slow space Q, and the propagators from the marks of a period to it and back.

The propagator M of a period has few singular values above rounding if light leaves within a period: its range is
spanned by the r columns of Q, for any N. Marks are the starts of leaves, and of every few steps in them. Q†M·U(T ←
t) takes a state from a mark at time t to the end of the next period, U(t ← 0)Q from the start of a period to a
mark.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ...random_streams import system_stream
from .ladders import ladder_of, rungs_of
from .tables import Builder, Leaf, columns_apart
from .taylor_kernels import COLUMNS, PARTS, SLOW_ERROR, TimedArrays

Matrix = NDArray[np.complex128]

# Part of a state that may lie outside Q after a period, as a share of the tolerance.
LEFT_OUT = 1e-3
# Largest number of vectors of Q as a share of N, and size of all tables in bytes.
MOST_VECTORS, PERIOD_BYTES = 0.75, 2.5e8
# Columns by which Q is found where M is not known, and what their random numbers are for.
TRIED_COLUMNS, RANGE = 48, 23
# The norm of a matrix is at most this times what random states measure: of 16 of them, whose mean square has the
# law of Γ(16)/16 if one direction is all, the mean is below 1/9 of what is expected with a probability of 9e-11.
SURE = 3.0


class SlowSpace(NamedTuple):
    """Q, and the part of a state that may lie outside it after a period."""

    vectors: Matrix
    left_out: float


def span_of(period: Matrix, tolerance: float) -> SlowSpace | None:
    """Return Q of the propagator of a period, or None if it has too many vectors."""
    left, values, _ = linalg.svd(period, check_finite=False)
    tails = np.sqrt(np.append(np.cumsum(values[::-1] ** 2)[::-1], 0.0))
    count = max(int(np.argmax(tails <= LEFT_OUT * tolerance)), 1)
    if count > MOST_VECTORS * len(period):
        return None
    return SlowSpace(np.ascontiguousarray(left[:, :count]), float(tails[count]))


def sampled_span(builder: Builder, arrays: TimedArrays, leaves: list[Leaf]) -> SlowSpace | None:
    """Return Q from random states after a period, or None if it has too many vectors.

    The part outside is measured with further random states: with components of variance 1 the expected square of
    its norm is that of the Frobenius norm, which is no smaller than the norm.
    """
    size = builder.system.dimension
    random = system_stream(builder.system.digest, RANGE)
    states = random.normal(size=(size, TRIED_COLUMNS + COLUMNS, 2)) @ np.array([1.0, 1.0j]) / np.sqrt(2.0)
    for number, leaf in enumerate(leaves):
        states = through_leaf(builder, arrays, number, leaf, states)
    tried, fresh = states[:, :TRIED_COLUMNS], states[:, TRIED_COLUMNS:]
    left, values, _ = linalg.svd(tried, full_matrices=False, check_finite=False)
    for count in range(1, min(TRIED_COLUMNS, int(MOST_VECTORS * size)) + 1):
        if values[count - 1] > 1e3 * LEFT_OUT * builder.tolerance:
            continue
        vectors = left[:, :count]
        outside = fresh - vectors @ (vectors.conj().T @ fresh)
        tail = float(np.sqrt((np.abs(outside) ** 2).sum(axis=0).mean()))
        if tail <= LEFT_OUT * builder.tolerance:
            return SlowSpace(np.ascontiguousarray(vectors), SURE * tail)
    return None


def through_leaf(
    builder: Builder, arrays: TimedArrays, number: int, leaf: Leaf, states: Matrix, adjoint: bool = False
) -> Matrix:
    """Return states after a leaf, or U† times states if the leaf is constant."""
    if leaf.modes >= 0:
        whole = builder.modal_matrix(leaf.modes, leaf.stop - leaf.start)
        return np.asarray((whole.conj().T if adjoint else whole) @ states)
    return builder.carried(arrays, number, states)


def with_periods(
    builder: Builder,
    arrays: TimedArrays,
    leaves: list[Leaf],
    slow: SlowSpace,
    error: float,
    period: Matrix | None = None,
) -> TimedArrays:
    """Return the tables with those of whole periods.

    Parameters
    ----------
    builder, arrays, leaves
        Builder, tables and leaves of a system with a period.
    slow : SlowSpace
        Its Q.
    error : float
        Error of a state of norm 1 by the steps of a period; the difference of equivalent products is added.
    period : ndarray of shape (N, N), optional
        The propagator of the period, if known.
    """
    size, count = slow.vectors.shape
    bytes_each = 16.0 * (2.0 * size * count + count**2)
    total = int(arrays.leaf_step[-1])
    stride = max(1, -(-int(total * bytes_each) // int(PERIOD_BYTES)))
    places = [
        (number, step)
        for number in range(len(leaves))
        for step in range(int(arrays.leaf_step[number]), int(arrays.leaf_step[number + 1]), stride)
    ]
    ends = [min(step + stride, int(arrays.leaf_step[number + 1])) for number, step in places]
    from_slow, state = [], slow.vectors
    for (number, step), end in zip(places, ends, strict=True):
        from_slow.append(state)
        state = _piece(builder, arrays, leaves[number], step, end, state, adjoint=False)
    once = slow.vectors.conj().T @ (state if period is None else period @ slow.vectors)
    back = backwards(arrays)
    to_slow: list[Matrix] = []
    covector = slow.vectors if period is None else period.conj().T @ slow.vectors
    for _ in range(2 if period is None else 1):
        to_slow = []
        for (number, step), end in zip(reversed(places), reversed(ends), strict=True):
            covector = _piece(builder, back, leaves[number], step, end, covector, adjoint=True)
            to_slow.append(covector)
    ladder = ladder_of(once)
    own = np.eye(count, dtype=np.complex128) * np.sqrt(count)
    twice = once @ once
    products = [back.conj().T @ there for back, there in zip(reversed(to_slow), from_slow, strict=True)]
    apart = max(distance_but_for_phase(product, twice) for product in products)
    if period is None:
        # From two periods forwards and two backwards, with independent rounding errors.
        error += 0.5 * apart
    whole = slow.left_out + error
    scalars = arrays.scalars.copy()
    scalars[SLOW_ERROR] = whole + error + apart
    mark_of_step = np.full(total + 1, -1)
    mark_of_step[[step for _, step in places]] = np.arange(len(places))
    within = [linalg.qr(one, mode="r", check_finite=False)[0][:count] for one in from_slow]
    return arrays._replace(
        mark_of_step=mark_of_step,
        mark_step=np.array([step for _, step in places]),
        mark_leaf=np.array([number for number, _ in places]),
        from_slow=np.array([columns_apart(one) for one in from_slow]),
        to_slow=np.array([columns_apart(one.conj().T) for one in reversed(to_slow)]),
        within=np.array([columns_apart(one) for one in within]),
        slow_ladder=np.array([columns_apart(rung) for rung in ladder]),
        slow_rungs=rungs_of(ladder, own, whole),
        scalars=scalars,
    )


def distance_but_for_phase(one: Matrix, other: Matrix) -> float:
    """Return the norm of the difference of two propagators; a phase that all states share is no error of S."""
    common = complex(np.vdot(one, other))
    phase = common / abs(common) if common != 0.0 else 1.0
    return float(np.linalg.norm(one * phase - other, 2))


def _piece(
    builder: Builder, arrays: TimedArrays, leaf: Leaf, first: int, last: int, states: Matrix, adjoint: bool
) -> Matrix:
    """Return states after some steps of a leaf, or after a constant one; with `adjoint` U† times states."""
    if leaf.modes >= 0:
        whole = builder.modal_matrix(leaf.modes, leaf.stop - leaf.start)
        return np.asarray((whole.conj().T if adjoint else whole) @ states)
    if adjoint:
        total = int(arrays.leaf_step[-1])
        first, last = total - last, total - first
    return builder.carried_steps(arrays, first, last, states, PARTS)


def backwards(arrays: TimedArrays) -> TimedArrays:
    """Return tables whose steps lead backwards: U†(T ← t) for the time T − t, from those of U."""
    n_terms, degree = arrays.coefficients.shape[1:]
    size = (len(arrays.indptr) - 1) // (n_terms + 1)
    rows: list[Any] = []
    for term in range(n_terms + 1):
        pointers = arrays.indptr[term * size : (term + 1) * size + 1]
        inside = slice(pointers[0], pointers[-1])
        operator = sparse.csr_array(
            (arrays.data[inside], arrays.indices[inside], pointers - pointers[0]), shape=(size, size)
        )
        rows.append(sparse.csr_array(-operator.conj().T))
    stacked = sparse.csr_array(sparse.vstack(rows))
    # Σ_m a_m x^m = Σ_m b_m (1 − x)^m
    mirrored = np.zeros((degree, degree))
    for m in range(degree):
        mirrored[m, : m + 1] = np.polynomial.polynomial.polypow([1.0, -1.0], m) if m else [1.0]
    return arrays._replace(
        indptr=stacked.indptr.astype(np.int64),
        indices=stacked.indices.astype(np.int64),
        data=stacked.data.astype(np.complex128),
        starts=(arrays.starts[-1] - arrays.starts[::-1]).copy(),
        coefficients=np.ascontiguousarray(arrays.coefficients[::-1] @ mirrored),
    )
