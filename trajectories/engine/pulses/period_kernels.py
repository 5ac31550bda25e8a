"""Whole periods without a click, in the slow space: the few vectors Q that span any state after such a period.

A period without a click damps every state into the span of few vectors Q. Marks are places in the period for which
the propagators to the slow space and from it are tabulated. So the time from a click to the end of the next period
is one product; 2, 4, … periods are one product of the size of Q, and so is the survival at each mark, among which
the click is found by bisection.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import light_kernel
from .bridge_kernels import FROM_SLOW, NEXT, begin_stretch, enter_from_slow_space, modes_of
from .place_kernels import (
    CROSSED,
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
from .taylor_kernels import SLOW_ERROR, multiply


@light_kernel()
def mark_at(arrays, place):
    """Return the mark at the beginning of the step or constant stretch of a place; −1 where there is none."""
    if len(arrays.mark_step) == 0 or place[LEAF] >= len(arrays.leaf_modes):
        return -1
    return arrays.mark_of_step[place[STEP]]


@light_kernel()
def enter_slow_space(arrays, mark, state, work):
    """Pass the rest of the period and the next one from a mark, unless there is a click; return whether passed."""
    place = work.place
    place[TRIED] = 1
    after = multiply(arrays.to_slow[mark], work.psi, work.parts)
    state.products += 1
    if after < state.threshold:
        return False
    state.error += arrays.scalars[SLOW_ERROR] * np.sqrt(state.survival)
    state.survival = after
    take(work.parts, work.slow)
    place[IN_SLOW], place[CYCLE] = 1, place[CYCLE] + 2
    place[LEAF], place[STEP] = 0, arrays.leaf_step[0]
    work.offset[0] = 0.0
    return True


@light_kernel()
def settle(vectors, most, psi, slow, parts, state):
    """Write the state at the start of a period as one in the slow space, if at most `most` lies outside.

    Returns whether it does; the vectors of the slow space are columns.
    """
    for k in range(len(slow)):
        total = 0.0j
        for i in range(len(psi)):
            total += complex(vectors[k, 0, i], -vectors[k, 1, i]) * psi[i]
        slow[k] = total
    multiply(vectors, slow, parts)
    outside = 0.0
    for i in range(len(psi)):
        x, y = psi[i].real - parts[0, i], psi[i].imag - parts[1, i]
        outside += x * x + y * y
    if not outside <= most * most * state.survival:
        return False
    state.error += np.sqrt(outside)
    return True


@light_kernel()
def pass_periods(arrays, state, work):
    """Pass 1, 2, 4, … periods in Q while nothing clicks; then go to the mark before the click.

    Each call tries one rung upwards, or all rungs downwards from the first that holds the click.
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
                return
        holds = True
        rung -= 1
    low, high, survival = 0, len(arrays.mark_step), state.survival
    # Most clicks come in a long constant stretch: where there is one, its ends are tried first.
    long = arrays.bridges[0, NEXT]
    tried = arrays.mark_of_step[arrays.leaf_step[long]] if long >= 0 else -1
    while high - low > 1:
        middle = tried if low < tried < high else (low + high) // 2
        tried = tried + 1 if middle == tried else -1
        after = multiply(arrays.within[middle], work.slow, work.parts)
        state.products += 1
        if after >= state.threshold:
            low, survival = middle, after
        else:
            high = middle
    state.error += arrays.scalars[SLOW_ERROR] * np.sqrt(state.survival)
    place[IN_SLOW], place[TRIED] = 0, 1
    place[LEAF], place[STEP] = arrays.mark_leaf[low], arrays.mark_step[low]
    work.offset[0] = 0.0
    channel = arrays.bridges[place[LEAF], FROM_SLOW]
    if channel >= 0:
        modes = modes_of(arrays.still, arrays.leaf_modes[place[LEAF]])
        enter_from_slow_space(modes, channel, work.slow, survival, work.modal)
        state.survival = survival
        begin_stretch(time_of(arrays, place, work.offset), state)
        place[STILL] = 1
        return
    state.survival = multiply(arrays.from_slow[low], work.slow, work.parts)
    state.products += 1
    take(work.parts, work.psi)
    place[FOUND] = 1


@light_kernel()
def clicked(place):
    """Reset the place after a click: try the slow space again, with as many periods as the last gap had."""
    place[TRIED], place[FRAMED], place[CROSSED] = 0, 0, 0
    place[RUNG] = place[LARGEST_RUNG]
    place[LARGEST_RUNG] = 0
