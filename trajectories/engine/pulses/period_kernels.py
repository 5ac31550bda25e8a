"""Whole periods without a click, in the slow space: the few vectors Q that span any state after such a period.

A period without a click damps every state into the span of few vectors Q, and so does the beginning of a long
constant stretch. For every step of the period the propagators to the slow space, at its anchor, and from it are
tabulated. So the time from a click to the anchor is one product; 2, 4, … periods are one product of the size of Q,
and so is the survival at each step, among which the click is found by bisection. Within the step of a click states
are followed in few vectors, too.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import light_kernel
from ..modes.forms_kernels import BLOCK
from .bridge_kernels import FROM_ANCHOR, FROM_SLOW
from .leaf_kernels import CLICKED, PASSED, search_step
from .place_kernels import (
    CYCLE,
    ENTERING,
    FOUND,
    FRAMED,
    IN_SLOW,
    LARGEST_RUNG,
    LEAF,
    RUNG,
    STEP,
    STILL,
    TRIED,
    take,
)
from .product_kernels import multiply, multiply_far
from .segment_kernels import expand_within
from .taylor_kernels import ANCHOR_OFFSET, BRACKET, LEAVING_ERROR, SLOW_ERROR, evaluate


@light_kernel()
def position_of(arrays, step):
    """Return the position of a step: how many steps begin from the anchor on until it begins."""
    steps = len(arrays.leaf_of_step)
    position = (step - arrays.anchor[0]) % steps
    return steps if position == 0 and arrays.scalars[ANCHOR_OFFSET] > 0.0 else position


@light_kernel()
def _arrive(arrays, after, state, work):
    """Put the trajectory at the anchor, in the slow space, unless there is a click before; return whether it is.

    ``work.parts`` is the state there, `after` its norm², and the place is still the one before.
    """
    work.place[TRIED] = 1
    state.products += 1
    if after < state.threshold:
        return False
    place, anchor = work.place, arrays.anchor[0]
    state.error += arrays.scalars[SLOW_ERROR] * np.sqrt(state.survival)
    state.survival = after
    take(work.parts, work.slow)
    behind = place[STEP] > anchor or (place[STEP] == anchor and arrays.scalars[ANCHOR_OFFSET] == 0.0)
    place[IN_SLOW], place[CYCLE] = 1, place[CYCLE] + behind + arrays.anchor[2]
    place[LEAF], place[STEP] = arrays.anchor[1], anchor
    work.offset[0] = arrays.scalars[ANCHOR_OFFSET]
    return True


@light_kernel()
def enter_slow_space(arrays, state, work):
    """Pass the time up to the anchor, unless there is a click; return whether it was passed."""
    place, offset = work.place, work.offset
    step = place[STEP]
    position = position_of(arrays, step)
    segment = arrays.segment_of_position[position]
    near = work.near[: arrays.to_vectors.shape[3]]
    multiply_far(arrays.to_vectors[segment], work.psi, work.parts)
    take(work.parts, near)
    # The series of few entries counts as one product.
    state.products += 2
    if arrays.leaf_modes[place[LEAF]] < 0:
        count = expand_within(arrays, arrays.to_operators[segment], step, offset[0], near, work)
        if count < 0:
            place[TRIED] = 1
            return False
        evaluate(work.series, count, 1.0, near)
    return _arrive(arrays, multiply(arrays.to_slow[position], near, work.parts), state, work)


@light_kernel()
def enter_from_still(arrays, leaf, blocks, state, work):
    """Pass the time from the end of a constant stretch up to the anchor, unless there is a click; see above.

    The amplitudes of the first blocks of modes are those of ``work.modal.here``.
    """
    count = min(BLOCK * blocks, len(work.modes))
    here, modes = work.modal.here, work.modes[:count]
    for j in range(count):
        modes[j] = complex(here[0, j], here[1, j])
    return _arrive(arrays, multiply(arrays.still_to_slow[leaf], modes, work.parts), state, work)


@light_kernel()
def leaving_error(arrays, slow):
    """Return by how much a state of the slow space is off in the vectors of segments, at most."""
    total = 0.0
    for k in range(len(slow)):
        total += arrays.slow_errors[k] * abs(slow[k])
    return total


@light_kernel()
def settle(arrays, state, work):
    """Take the state at the anchor to the slow space if it lies there; return whether it does.

    Segments keep of each vector of the slow space what counts for states that have passed a period: this one may
    have no more of any.
    """
    psi, slow, vectors = work.psi, work.slow, arrays.slow_vectors
    for k in range(len(slow)):
        total = 0.0j
        for i in range(len(psi)):
            total += complex(vectors[k, 0, i], -vectors[k, 1, i]) * psi[i]
        slow[k] = total
    most = arrays.scalars[SLOW_ERROR] * np.sqrt(state.survival)
    if not leaving_error(arrays, slow) <= most:
        return False
    multiply(vectors, slow, work.parts)
    outside = 0.0
    for i in range(len(psi)):
        x, y = psi[i].real - work.parts[0, i], psi[i].imag - work.parts[1, i]
        outside += x * x + y * y
    if not outside <= most * most:
        return False
    state.error += np.sqrt(outside) + most
    work.place[IN_SLOW], work.place[TRIED] = 1, 1
    return True


@light_kernel()
def settle_back(arrays, blocks, state, work):
    """Take the state at the end of the anchor's stretch to the slow space if only its slowest mode is left.

    It is then what a state at the anchor would have become, from which the trajectory goes on. The place is the
    beginning of the next leaf. Returns whether it was taken.
    """
    there, modal = arrays.slowest_to_slow, work.modal
    others, most = 0.0, arrays.scalars[SLOW_ERROR]
    for j in range(1, BLOCK * blocks):
        others += np.sqrt(modal.square[j])
    if len(there) == 0 or not others <= most * np.sqrt(state.survival):
        return False
    z, norm = complex(modal.here[0, 0], modal.here[1, 0]), 0.0
    for k in range(len(there)):
        work.slow[k] = z * there[k]
        norm += work.slow[k].real * work.slow[k].real + work.slow[k].imag * work.slow[k].imag
    # What is left out here, and of the mode outside the slow space.
    state.error += others + most * np.sqrt(norm)
    state.survival = norm
    place = work.place
    if place[LEAF] <= arrays.anchor[1]:
        place[CYCLE] -= 1
    place[IN_SLOW], place[TRIED] = 1, 1
    place[LEAF], place[STEP] = arrays.anchor[1], arrays.anchor[0]
    work.offset[0] = arrays.scalars[ANCHOR_OFFSET]
    return True


@light_kernel()
def pass_periods(arrays, state, work):
    """Pass 1, 2, 4, … periods in Q while nothing clicks; then find the click, or the step where it must be.

    Each call tries one rung upwards, or all rungs downwards from the first that holds the click. On a click
    ``work.trial`` is the state at the click, and the place is that of the click.
    """
    place = work.place
    rung, holds = min(place[RUNG], len(arrays.slow_ladder) - 1), False
    while rung >= 0:
        after = multiply(arrays.slow_ladder[rung], work.slow, work.parts)
        state.products += 1
        if after >= state.threshold:
            norm, error = arrays.slow_rungs[rung, 0], arrays.slow_rungs[rung, 1]
            state.error = norm * state.error + error * np.sqrt(state.survival)
            state.survival = after
            take(work.parts, work.slow)
            place[CYCLE] += 1 << rung
            if not holds:
                place[RUNG] = rung + 1
                place[LARGEST_RUNG] = max(place[LARGEST_RUNG], rung)
                return PASSED
        holds = True
        rung -= 1
    low, survival, ending = _position_of_click(arrays, state, work)
    state.error += arrays.scalars[LEAVING_ERROR] * np.sqrt(state.survival) + leaving_error(arrays, work.slow)
    step = arrays.anchor[0] + low
    if step >= len(arrays.leaf_of_step):
        step -= len(arrays.leaf_of_step)
        place[CYCLE] += 1
    place[IN_SLOW], place[TRIED], place[FOUND] = 0, 1, 1
    place[LEAF], place[STEP] = arrays.leaf_of_step[step], step
    if low > 0:
        work.offset[0] = 0.0
    channel = arrays.bridges[place[LEAF], FROM_ANCHOR if work.offset[0] > 0.0 else FROM_SLOW]
    if channel >= 0:
        state.survival, place[STILL] = survival, ENTERING
        # From the anchor on there are slow modes only, and S falls nearly as an exponential.
        work.guess[0] = -1.0
        if work.offset[0] > 0.0 and ending > 0.0:
            left = arrays.starts[step + 1] - arrays.starts[step] - work.offset[0]
            work.guess[0] = left * np.log(survival / state.threshold) / np.log(survival / ending)
        return PASSED
    return _click_of_step(arrays, low, state, work)


@light_kernel()
def _position_of_click(arrays, state, work):
    """Return the position behind whose beginning the click comes, at most a period away, and S there.

    Third comes S at the end of its step, or 0 if it was not needed.
    """
    low, high, survival, ending = 0, len(arrays.segment_of_position), state.survival, 0.0
    trial = 0
    while high - low > 1:
        # Most clicks come in a long constant stretch: where there is one, its ends are tried first.
        middle = (low + high) // 2
        if trial < 2:
            likely = arrays.likely[trial]
            trial += 1
            if not low < likely < high:
                continue
            middle = likely
        after = multiply(arrays.from_slow[middle], work.slow, work.parts)
        state.products += 1
        if after >= state.threshold:
            low, survival = middle, after
        else:
            high, ending = middle, after
    return low, survival, ending


@light_kernel()
def _click_of_step(arrays, position, state, work):
    """Find the click in the step of the place; in a constant stretch only its beginning is taken in all states."""
    place, offset, step = work.place, work.offset, work.place[STEP]
    segment = arrays.segment_of_position[position]
    near = work.near[: arrays.from_vectors.shape[1]]
    state.survival = multiply(arrays.from_slow[position], work.slow, work.parts)
    state.products += 3
    take(work.parts, near)
    if arrays.leaf_modes[place[LEAF]] < 0:
        count = expand_within(arrays, arrays.from_operators[segment], step, 0.0, near, work)
        if count > 0:
            span = arrays.starts[step + 1] - arrays.starts[step]
            moved = work.modes[: len(near)]
            after = evaluate(work.series, count, 1.0, moved)
            if after < state.threshold:
                bracket = arrays.scalars[BRACKET] / max(span, 1e-300)
                y = search_step(work.series, count, bracket, state, after, moved, work.mixed[: len(near)])
                if y >= 0.0:
                    offset[0] = y
                    multiply_far(arrays.from_vectors[segment], moved, work.parts)
                    take(work.parts, work.trial)
                    return CLICKED
    # Rounding contradicts the products of whole steps, or the stretch is constant: on in all states.
    multiply_far(arrays.from_vectors[segment], near, work.parts)
    take(work.parts, work.psi)
    return PASSED


@light_kernel()
def clicked(place):
    """Reset the place after a click: try the slow space again, with as many periods as the last gap had."""
    place[TRIED], place[FOUND], place[FRAMED] = 0, 0, 0
    place[RUNG] = place[LARGEST_RUNG]
    place[LARGEST_RUNG] = 0
