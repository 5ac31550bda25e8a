"""A leaf of Taylor steps: it is passed, or its click is found on the polynomial of a step."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import light_kernel
from .place_kernels import LEAF, STEP, move_to_leaf
from .taylor_kernels import BRACKET, STEP_ERROR, evaluate, evaluate_with_slope, expand, join

# Largest number of evaluations of a search, and the number after which it only bisects.
MOST_ROUNDS, NEWTON_ROUNDS = 200, 60
# A search ends when a Newton step is shorter than this share of the bracket of clicks.
CLOSE = 1e-2
# Outcomes of a leaf.
PASSED, CLICKED, STUCK = 0, 1, 2


@light_kernel()
def search_step(series, count, bracket, state, after, out, slopes):
    """Find where the norm² of a polynomial in y, from 0 to 1, falls below the threshold of the trajectory.

    `after` is its value at 1, and `bracket` the allowed error of y. Returns y, or −1 where there is none;
    `out` becomes the state there.
    """
    threshold, low, high = state.threshold, 0.0, 1.0
    goal, before = np.log(threshold), np.log(state.survival)
    last = np.log(after) if after > 0.0 else -700.0
    y = (before - goal) / max(before - last, 1e-300)
    for rounds in range(MOST_ROUNDS):
        if not low < y < high or rounds > NEWTON_ROUNDS:
            y = 0.5 * (low + high)
        norm, slope = evaluate_with_slope(series, count, y, out, slopes)
        state.products += 1
        if norm >= threshold:
            low = y
        else:
            high = y
        step = (threshold - norm) / slope if slope < 0.0 else np.inf
        if abs(step) <= CLOSE * bracket or high - low <= 1e-15:
            return y
        if high - low <= bracket and rounds > NEWTON_ROUNDS:
            return y
        # Newton on ln S, which is straighter than S.
        if slope < 0.0 and norm > 0.0:
            step = norm / slope * (goal - np.log(norm))
        y = y + step
    return -1.0


@light_kernel()
def through_steps(arrays, state, work):
    """Follow the trajectory from its place to the end of the leaf, or to a click in it.

    On a click ``work.trial`` is the state at the click, and the place is that of the click.
    """
    place, offset, leaf = work.place, work.offset, work.place[LEAF]
    size = len(work.psi)
    while place[STEP] < arrays.leaf_step[leaf + 1]:
        count = expand(arrays, work.psi, place[STEP], offset[0], work)
        if count < 0:
            return STUCK
        state.products += count
        after = evaluate(work.series, count, 1.0, work.trial)
        state.error += arrays.scalars[STEP_ERROR] * np.sqrt(state.survival)
        if after < state.threshold:
            span = (arrays.starts[place[STEP] + 1] - arrays.starts[place[STEP]]) * (1.0 - offset[0])
            bracket = arrays.scalars[BRACKET] / max(span, 1e-300)
            y = search_step(work.series, count, bracket, state, after, work.trial, work.mixed)
            if y < 0.0:
                return STUCK
            join(arrays, work.trial, work)
            offset[0] += y * (1.0 - offset[0])
            return CLICKED
        for i in range(size):
            work.psi[i] = work.trial[i]
        join(arrays, work.psi, work)
        state.survival = after
        place[STEP] += 1
        offset[0] = 0.0
    move_to_leaf(arrays, place, offset, leaf + 1)
    return PASSED
