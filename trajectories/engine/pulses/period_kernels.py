"""Whole periods without a click, in the slow space: the few vectors Q that span any state after such a period.

A period without a click damps every state into the span of few vectors Q. For every step of the period the
propagators to the slow space and from it are tabulated. So the time from a click to the end of the next period is
one product; 2, 4, … periods are one product of the size of Q, and so is the survival at each step, among which the
click is found by bisection. Within the step of a click states are followed in few vectors, too.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import light_kernel
from .bridge_kernels import FROM_SLOW, NEXT, begin_stretch, enter_from_slow_space, modes_of
from .leaf_kernels import CLICKED, PASSED, search_step
from .place_kernels import (
    CYCLE,
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
    time_of,
)
from .segment_kernels import expand_within
from .taylor_kernels import AUDITED, BRACKET, LEAVING_ERROR, SLOW_ERROR, evaluate, multiply


@light_kernel()
def enter_slow_space(arrays, state, work):
    """Pass the rest of the period and the next one, unless there is a click; return whether they were passed."""
    place, offset = work.place, work.offset
    place[TRIED] = 1
    step = place[STEP]
    segment = arrays.segment_of_step[step]
    near = work.near[: arrays.to_vectors.shape[3]]
    multiply(arrays.to_vectors[segment], work.psi, work.parts)
    take(work.parts, near)
    # The series of few entries counts as one product.
    state.products += 3
    if arrays.leaf_modes[place[LEAF]] < 0:
        count = expand_within(arrays, arrays.to_operators[segment], step, offset[0], near, work)
        if count < 0:
            return False
        evaluate(work.series, count, 1.0, near)
    after = multiply(arrays.to_slow[step], near, work.parts)
    if after < state.threshold:
        return False
    state.error += arrays.scalars[SLOW_ERROR] * np.sqrt(state.survival)
    state.survival = after
    take(work.parts, work.slow)
    place[IN_SLOW], place[CYCLE] = 1, place[CYCLE] + 2
    place[LEAF], place[STEP] = 0, arrays.leaf_step[0]
    offset[0] = 0.0
    return True


@light_kernel()
def leaving_error(arrays, slow):
    """Return by how much a state of the slow space is off in the vectors of segments, at most."""
    total = 0.0
    for k in range(len(slow)):
        total += arrays.slow_errors[k] * abs(slow[k])
    return total


@light_kernel()
def settle(arrays, state, work):
    """Take the state at the start of a period to the slow space if it lies there; return whether it does.

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
    low, high, survival = 0, len(arrays.segment_of_step), state.survival
    # Most clicks come in a long constant stretch: where there is one, its ends are tried first.
    long = arrays.bridges[0, NEXT]
    tried = arrays.leaf_step[long] if long >= 0 else -1
    while high - low > 1:
        middle = tried if low < tried < high else (low + high) // 2
        tried = tried + 1 if middle == tried else -1
        after = multiply(arrays.from_slow[middle], work.slow, work.parts)
        state.products += 1
        if after >= state.threshold:
            low, survival = middle, after
        else:
            high = middle
    state.error += arrays.scalars[LEAVING_ERROR] * np.sqrt(state.survival) + leaving_error(arrays, work.slow)
    place[IN_SLOW], place[TRIED] = 0, 1
    place[LEAF], place[STEP] = arrays.leaf_of_step[low], low
    work.offset[0] = 0.0
    channel = arrays.bridges[place[LEAF], FROM_SLOW]
    if channel >= 0:
        modes = modes_of(arrays.still, arrays.leaf_modes[place[LEAF]])
        enter_from_slow_space(modes, channel, work.slow, survival, work.modal)
        state.survival = survival
        begin_stretch(time_of(arrays, place, work.offset), state)
        state.norm_error += place[FRAMED] * arrays.scalars[AUDITED]
        place[STILL] = 1
        return PASSED
    place[FOUND] = 1
    return _click_of_step(arrays, state, work)


@light_kernel()
def _click_of_step(arrays, state, work):
    """Find the click in the step of the place; in a constant stretch only its beginning is taken in all states."""
    place, offset, step = work.place, work.offset, work.place[STEP]
    segment = arrays.segment_of_step[step]
    near = work.near[: arrays.from_vectors.shape[1]]
    state.survival = multiply(arrays.from_slow[step], work.slow, work.parts)
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
                    multiply(arrays.from_vectors[segment], moved, work.parts)
                    take(work.parts, work.trial)
                    return CLICKED
    # Rounding contradicts the products of whole steps, or the stretch is constant: on in all states.
    multiply(arrays.from_vectors[segment], near, work.parts)
    take(work.parts, work.psi)
    return PASSED


@light_kernel()
def clicked(place):
    """Reset the place after a click: try the slow space again, with as many periods as the last gap had."""
    place[TRIED], place[FOUND], place[FRAMED] = 0, 0, 0
    place[RUNG] = place[LARGEST_RUNG]
    place[LARGEST_RUNG] = 0
