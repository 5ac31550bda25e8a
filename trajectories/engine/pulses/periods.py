"""Tables of whole periods: the propagators from the steps of a period to the slow space Q, and from Q to them.

Q holds any state at its anchor a, a time of the period (see `slow_space`). P(t) = Q†U(a′ ← t) takes a state at
time t to the anchor a′ where it must lie in Q, F(t) = U(t ← a)Q from an anchor to time t. Both are kept in the few
vectors of a segment; see `segments`. *Positions* count the steps of a period as they follow the anchor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...random_streams import system_stream
from ..operators import stack_operators
from .ladders import ladder_of, rungs_of
from .segments import STEPS, Motion, Segment, from_anchor, operators_of, padded, segments_of, span_of_states
from .slow_space import LEFT_OUT, SlowSpace
from .tables import Builder, Leaf, columns_apart, whole_lanes
from .taylor_kernels import ANCHOR_OFFSET, LEAVING_ERROR, PARTS, SLOW_ERROR, TimedArrays

Matrix = NDArray[np.complex128]

# Least part of a state outside some vectors that can be seen beside rounding.
LEAST_LEFT_OUT = 2e-14
# What the motion in the vectors of a segment may be off by, as a multiple of that or of what may be left out; and
# how many states of a step are tried until its vectors hold it. In between, as many are looked at.
WITHIN, SAMPLES = (3.0, 15.0), (2, PARTS)
# Size in bytes of all vectors of segments, and how many one has, roughly, of both kinds.
PERIOD_BYTES, VECTORS = 2.5e8, 80
# A state is taken back to the anchor from the end of its stretch only if it decays there by less than e to this
# power: what is left out at the anchor counts for more by as much.
LONGEST_DECAY = 3.0
# What random numbers are for.
SEGMENTS = 24


@dataclass
class _Way:
    """The way to the slow space or from it: of every segment its vectors and operators, of every step coordinates.

    `starts` are P† at the beginning of each segment, of the way there. `errors` are what the columns of the way
    are off by, at most, anywhere in a step.
    """

    vectors: list[Matrix] = field(default_factory=list)
    operators: list[list[Matrix]] = field(default_factory=list)
    coordinates: list[list[Matrix]] = field(default_factory=list)
    starts: list[Matrix] = field(default_factory=list)
    errors: NDArray[np.float64] = field(default_factory=lambda: np.zeros(1))

    def add(self, vectors: Matrix, motion: Motion, coordinates: list[Matrix]) -> None:
        """Add a segment."""
        self.vectors.append(vectors)
        self.operators.append(motion.operators)
        self.coordinates.append(coordinates)


def with_periods(
    builder: Builder,
    arrays: TimedArrays,
    leaves: list[Leaf],
    slow: SlowSpace,
    error: float,
    period: Matrix | None = None,
) -> TimedArrays:
    """Return the tables with those of whole periods, or as they are where segments do not hold the motion.

    Parameters
    ----------
    builder, arrays, leaves
        Builder, tables and leaves of a system with a period.
    slow : SlowSpace
        Its Q.
    error : float
        Error of a state of norm 1 by the steps of a period; the difference of equivalent products is added.
    period : ndarray of shape (N, N), optional
        The propagator of the period, if it is known and begins at the anchor.
    """
    size, count = slow.vectors.shape
    total, anchor = int(arrays.leaf_step[-1]), int(arrays.leaf_step[slow.leaf])
    segments = segments_of(arrays, max(STEPS, int(16.0 * size * VECTORS * total / PERIOD_BYTES)))
    segments = from_anchor(segments, anchor, slow.offset)
    random = system_stream(builder.system.digest, SEGMENTS)
    most = max(0.2 * LEFT_OUT * builder.tolerance, LEAST_LEFT_OUT)
    within = max(WITHIN[0] * LEFT_OUT * builder.tolerance, WITHIN[1] * LEAST_LEFT_OUT)
    covector = slow.vectors
    for _ in range(slow.periods):
        if period is not None:
            covector = period.conj().T @ covector
            continue
        back = backwards(arrays)
        for segment in reversed(segments):
            covector = _within(builder, back, segment, covector, 1, adjoint=True)[0][-1]
    to, largest = _way_to(builder, arrays, segments, covector, most, within, random)
    # The components of a state there over its norm: the first ones may be all that is left of it.
    largest = largest / largest.max()
    there, after = _way_from(builder, arrays, segments, slow.vectors, largest, most, within, random)
    if to.errors.max() > within or largest @ there.errors > within:
        return arrays
    if period is not None:
        after = period @ slow.vectors
    once = slow.vectors.conj().T @ after
    outside = float(largest @ np.linalg.norm(after - slow.vectors @ once, axis=0))
    ladder = ladder_of(once)
    apart = _largest_difference(segments, to, there, np.linalg.matrix_power(once, 1 + slow.periods), largest)
    if period is None:
        # From as many periods forwards as backwards, with independent rounding errors.
        error += 0.5 * apart
    left_out = max(slow.left_out, outside)
    scalars = arrays.scalars.copy()
    # `most` is for states that are found to lie in Q, in what they have of its vectors.
    scalars[SLOW_ERROR] = left_out + most + float(to.errors.max())
    scalars[LEAVING_ERROR] = error + apart
    scalars[ANCHOR_OFFSET] = slow.offset
    own = np.eye(count, dtype=np.complex128) * np.sqrt(count)
    widest = (max(each.shape[1] for each in way.vectors) for way in (there, to))
    wide, narrow = (min(whole_lanes(each), size) for each in widest)
    n_operators = arrays.coefficients.shape[1] + 1
    return arrays._replace(
        slow_vectors=columns_apart(slow.vectors),
        slow_errors=there.errors,
        anchor=np.array([anchor, slow.leaf, slow.periods]),
        likely=_likely(arrays, leaves, slow),
        segment_of_position=np.repeat(np.arange(len(segments)), [each.last - each.first for each in segments]),
        leaf_of_step=np.repeat(np.arange(len(leaves)), np.diff(arrays.leaf_step)[: len(leaves)]),
        from_vectors=padded(there.vectors, size, wide),
        to_vectors=padded([vectors.conj().T for vectors in to.vectors], narrow, size),
        from_operators=_operators(there, wide, n_operators),
        to_operators=_operators(to, narrow, n_operators),
        from_slow=padded([each for step in there.coordinates for each in step], wide, count),
        to_slow=padded([each for step in to.coordinates for each in step], count, narrow),
        still_to_slow=_still_to_slow(builder, arrays, segments, to, slow),
        slowest_to_slow=_slowest_to_slow(builder, segments[0], slow, most),
        slow_ladder=np.array([columns_apart(rung) for rung in ladder]),
        slow_rungs=rungs_of(ladder, own, left_out + error),
        scalars=scalars,
    )


def _likely(arrays: TimedArrays, leaves: list[Leaf], slow: SlowSpace) -> NDArray[np.int64]:
    """Return the positions of the ends of the longest constant stretch, or of the anchor where there is none."""
    if slow.offset > 0.0:
        # It ends behind the anchor, and begins again before the next one.
        return np.array([1, int(arrays.leaf_step[-1])])
    still = [number for number, leaf in enumerate(leaves) if leaf.modes >= 0]
    if not still:
        return np.zeros(2, np.int64)
    longest = max(still, key=lambda number: leaves[number].stop - leaves[number].start)
    return int(arrays.leaf_step[longest]) + np.arange(2)


def _still_to_slow(
    builder: Builder, arrays: TimedArrays, segments: list[Segment], to: _Way, slow: SlowSpace
) -> NDArray[np.float64]:
    """Return P(t)V for the end of each constant stretch, leaf by leaf; none if states pass a period before Q."""
    count = slow.vectors.shape[1]
    if slow.periods > 0:
        return np.zeros((0, len(slow.vectors), 2, count))
    found = np.zeros((len(arrays.leaf_modes), len(slow.vectors), 2, count))
    for segment, after in zip(segments, to.starts[1:], strict=False):
        if segment.modes >= 0:
            vectors = builder.modes[segment.modes].tables.vectors
            leaf = int(np.searchsorted(arrays.leaf_step, segment.first))
            found[leaf] = columns_apart(after.conj().T @ vectors)
    return found


def _slowest_to_slow(builder: Builder, segment: Segment, slow: SlowSpace, most: float) -> NDArray[np.complex128]:
    """Return the state at the anchor that is the first mode at the end of its stretch; none if there is none."""
    nothing = np.zeros(0, np.complex128)
    if slow.offset == 0.0:
        return nothing
    modes = builder.modes[segment.modes].tables
    if modes.decay[0] != modes.slowest[0] or modes.decay[0] * segment.duration > LONGEST_DECAY:
        return nothing
    # Its phase is that of all states.
    mode = modes.vectors[:, 0] * np.exp(modes.decay[0] * segment.duration)
    inside = slow.vectors.conj().T @ mode
    return np.asarray(inside) if np.linalg.norm(mode - slow.vectors @ inside) <= most else nothing


def _way_to(
    builder: Builder,
    arrays: TimedArrays,
    segments: list[Segment],
    covector: Matrix,
    most: float,
    within: float,
    random: np.random.Generator,
) -> tuple[_Way, NDArray[np.float64]]:
    """Return the way to the slow space, given P† at the anchor, and the largest components of states of norm 1."""
    back, way, largest = backwards(arrays), _Way(), np.zeros(covector.shape[1])
    for segment in reversed(segments):
        for samples in SAMPLES:
            states, between = _within(builder, back, segment, covector, samples, adjoint=True)
            states = states[::-1]
            # The slow space is entered from the beginning of a constant stretch, and from anywhere in a step.
            reached = states[:1] if segment.modes >= 0 else states
            vectors = span_of_states(np.hstack(reached), most, random)
            motion = Motion(arrays, segment, vectors)
            error = max(float(np.linalg.norm(_outside(vectors, each), 2)) for each in [*reached, *between])
            ends = states[:1] if segment.modes >= 0 else states[samples::samples]
            coordinates = [end.conj().T @ vectors for end in ends]
            if segment.modes < 0:
                own = np.eye(vectors.shape[1], dtype=np.complex128)
                error += max(
                    float(np.linalg.norm(end @ motion.moved(segment.first + step, own) - start, 2))
                    for step, (start, end) in enumerate(pairwise([states[0].conj().T @ vectors, *coordinates]))
                )
            if error <= within:
                break
        covector = states[0]
        way.starts.append(covector)
        # Also at the end of a constant stretch, where a state may be found to lie in Q.
        largest = np.maximum(largest, _largest_norms(states))
        way.errors = np.maximum(way.errors, error)
        way.add(vectors, motion, coordinates)
    return (
        _Way(way.vectors[::-1], way.operators[::-1], way.coordinates[::-1], way.starts[::-1], way.errors),
        largest,
    )


def _way_from(
    builder: Builder,
    arrays: TimedArrays,
    segments: list[Segment],
    state: Matrix,
    largest: NDArray[np.float64],
    most: float,
    within: float,
    random: np.random.Generator,
) -> tuple[_Way, Matrix]:
    """Return the way from the slow space, given Q and what its components are at most, and Q after a period."""
    way = _Way(errors=np.zeros(state.shape[1]))
    for segment in segments:
        for samples in SAMPLES:
            states, between = _within(builder, arrays, segment, state, samples, adjoint=False)
            reached = states[:1] if segment.modes >= 0 else states
            vectors = span_of_states(np.hstack([each * largest for each in reached]), most, random)
            motion = Motion(arrays, segment, vectors)
            errors = _largest_norms([_outside(vectors, each) for each in [*reached, *between]])
            starts = states[:1] if segment.modes >= 0 else states[:-1:samples]
            coordinates = [vectors.conj().T @ start for start in starts]
            if segment.modes < 0:
                errors += _largest_norms(
                    [
                        motion.moved(segment.first + step, start) - vectors.conj().T @ end
                        for step, (start, end) in enumerate(
                            zip(coordinates, states[samples::samples], strict=True)
                        )
                    ]
                )
            if largest @ errors <= within:
                break
        state = states[-1]
        way.errors = np.maximum(way.errors, errors)
        way.add(vectors, motion, coordinates)
    return way, state


def _largest_difference(
    segments: list[Segment], to: _Way, there: _Way, whole: Matrix, largest: NDArray[np.float64]
) -> float:
    """Return by how much P(t)F(t) differs from the periods that it passes, at most, for the start of any step."""
    found = 0.0
    for number, segment in enumerate(segments):
        # A step has the coordinates of P at its end, a constant stretch those at its start.
        at = number if segment.modes >= 0 else number - 1
        for step, start in enumerate(there.coordinates[number]):
            if step > 0:
                at = number
            elif segment.modes < 0 and (at < 0 or segments[at].modes >= 0):
                continue
            back = to.coordinates[at][step - 1 if step > 0 else -1]
            product = back @ ((to.vectors[at].conj().T @ there.vectors[number]) @ start)
            found = max(found, distance_but_for_phase(product * largest, whole * largest))
    return found


def distance_but_for_phase(one: Matrix, other: Matrix) -> float:
    """Return the norm of the difference of two propagators; a phase that all states share is no error of S."""
    common = complex(np.vdot(one, other))
    phase = common / abs(common) if common != 0.0 else 1.0
    return float(np.linalg.norm(one * phase - other, 2))


def _within(
    builder: Builder, arrays: TimedArrays, segment: Segment, states: Matrix, samples: int, adjoint: bool
) -> tuple[list[Matrix], list[Matrix]]:
    """Return states at the beginning of a segment and `samples` times in each step, and those half-way in between.

    Of a constant stretch those at both ends. With `adjoint` the tables are those backwards, and states are those
    of U† from the end of the segment.
    """
    first, last = segment.first, segment.last
    if adjoint:
        total = len(arrays.starts) - 1
        first, last = total - last, total - first
    if segment.modes >= 0:
        whole = builder.modal_matrix(segment.modes, segment.duration)
        return [states, np.asarray((whole.conj().T if adjoint else whole) @ states)], []
    found = [states]
    cuts = max(PARTS, 2 * samples)
    length = cuts // (2 * samples)
    for part in range(cuts * first, cuts * last, length):
        found.append(builder.carried_parts(arrays, part, part + length, found[-1], cuts))
    return found[::2], found[1::2]


def _outside(vectors: Matrix, states: Matrix) -> Matrix:
    """Return the part of some states outside the span of orthonormal vectors."""
    return np.asarray(states - vectors @ (vectors.conj().T @ states))


def _largest_norms(matrices: list[Matrix]) -> NDArray[np.float64]:
    """Return the largest norm of every column."""
    return np.asarray(np.max([np.linalg.norm(each, axis=0) for each in matrices], axis=0))


def _operators(way: _Way, size: int, count: int) -> NDArray[np.float64]:
    """Return the operators of all segments in the layout of the kernels."""
    flat = padded([each for operators in way.operators for each in operators], size, size)
    return flat.reshape(len(way.operators), count, size, 2, size)


def backwards(arrays: TimedArrays) -> TimedArrays:
    """Return tables whose steps lead backwards, of U†(T ← t); at −t, where lengths have the same bits."""
    degree = arrays.coefficients.shape[2]
    operators = [sparse.csr_array(-each.conj().T) for each in operators_of(arrays)]
    stacked = stack_operators(operators, operators[0].shape[0])
    # Σ_m a_m x^m = Σ_m b_m (1 − x)^m
    mirrored = np.zeros((degree, degree))
    for m in range(degree):
        mirrored[m, : m + 1] = np.polynomial.polynomial.polypow([1.0, -1.0], m) if m else [1.0]
    return arrays._replace(
        indptr=stacked.indptr,
        indices=stacked.indices,
        data=stacked.data,
        starts=-arrays.starts[::-1],
        coefficients=np.ascontiguousarray(arrays.coefficients[::-1] @ mirrored),
    )
