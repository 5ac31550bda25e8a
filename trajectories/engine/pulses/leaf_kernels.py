"""A leaf of a trajectory that depends on time: it is passed, or its click is found.

In a constant stretch the click is found in eigenmodes, elsewhere on the Taylor polynomial of a step.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import kernel
from .place_kernels import (
    LEAF,
    STEP,
    channel_rates,
    keep_active,
    modal_amplitudes,
    modal_state,
    move_to_leaf,
    state_of_active,
    time_of,
)
from .taylor_kernels import BRACKET, LARGEST_DECAY, MODES_ERROR, MOST_LEAK, STEP_ERROR, evaluate, expand

# Largest number of evaluations of a search, and the number after which it only bisects.
MOST_ROUNDS, NEWTON_ROUNDS = 200, 60
# A search ends when a Newton step is shorter than this share of the bracket of clicks.
CLOSE = 1e-2
# In a constant stretch modes above a share of the largest amplitude tell where to search, in so many rounds or
# until ln S is that near; and they alone tell that S falls below the threshold where it does by this share.
ACTIVE, GUESS_ROUNDS, GUESSED, SURE = 1e-4, 12, 1e-3, 1e-2
# First interval that is searched in a constant stretch without an end, in units of 1/(largest rate).
FIRST_LOOK = 4.0

# Outcomes of a leaf.
PASSED, CLICKED, STUCK, BEYOND = 0, 1, 2, 3


@kernel()
def search_step(arrays, jumps, count, threshold, after, state, work):
    """Find the click on the polynomial of a step; `work.trial` becomes the state there. Returns y, or −1."""
    place, offset = work.place, work.offset
    span = (arrays.starts[place[STEP] + 1] - arrays.starts[place[STEP]]) * (1.0 - offset[0])
    bracket = arrays.scalars[BRACKET] / max(span, 1e-300)
    low, high = 0.0, 1.0
    goal, before = np.log(threshold), np.log(state.survival)
    last = np.log(after) if after > 0.0 else -700.0
    y = (before - goal) / max(before - last, 1e-300)
    for rounds in range(MOST_ROUNDS):
        if not low < y < high or rounds > NEWTON_ROUNDS:
            y = 0.5 * (low + high)
        norm = evaluate(work.series, count, y, work.trial)
        state.products += 1
        x = offset[0] + y * (1.0 - offset[0])
        slope = -channel_rates(arrays, jumps, work.trial, place, x, work.rates) * span
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


@kernel()
def first_guess(arrays, jumps, number, near, count, threshold, high, after, state, work):
    """Return where S falls below the threshold as far as the active modes tell; see `search_modes`."""
    place, low, end = work.place, 0.0, high
    goal = np.log(threshold)
    before, last = np.log(state.survival), np.log(after) if after > 0.0 else -700.0
    time = high * (before - goal) / max(before - last, 1e-300)
    for _ in range(GUESS_ROUNDS):
        if not low < time < end:
            time = 0.5 * (low + end)
        norm = state_of_active(arrays, number, near, count, time, work.trial, work)
        slope = -channel_rates(arrays, jumps, work.trial, place, 0.0, work.rates)
        if norm >= threshold:
            low = time
        else:
            end = time
        if not (slope < 0.0 and norm > 0.0):
            continue
        step = norm / slope * (goal - np.log(norm))
        time += step
        if abs(step * slope) <= GUESSED * norm:
            break
    return time


@kernel()
def search_modes(arrays, jumps, number, near, threshold, high, time, state, work):
    """Find the click in a constant stretch within `high`; `work.trial` becomes the state there. Returns a time.

    The time counts from the place of the trajectory and begins with a guess. −1 means no bracket.
    """
    place = work.place
    low = 0.0
    goal = np.log(threshold)
    bracket = arrays.scalars[BRACKET]
    for rounds in range(MOST_ROUNDS):
        if not low < time < high or rounds > NEWTON_ROUNDS:
            time = 0.5 * (low + high)
        norm = modal_state(arrays, number, near, time, work.trial, work)
        state.products += 1
        slope = -channel_rates(arrays, jumps, work.trial, place, 0.0, work.rates)
        if norm >= threshold:
            low = time
        else:
            high = time
        step = (threshold - norm) / slope if slope < 0.0 else np.inf
        if abs(step) <= max(CLOSE * bracket, np.spacing(time)) or high - low <= 4.0 * np.spacing(time):
            return time
        if high - low <= bracket and rounds > NEWTON_ROUNDS:
            return time
        if slope < 0.0 and norm > 0.0:
            step = norm / slope * (goal - np.log(norm))
        time = time + step
    return -1.0


@kernel()
def through_leaf(arrays, jumps, stop, state, work):
    """Follow the trajectory from its place to the end of the leaf, or to a click in it.

    On a click ``work.trial`` is the state at the click, and the place is that of the click.
    """
    place, offset, leaf = work.place, work.offset, work.place[LEAF]
    size, number = len(work.psi), arrays.leaf_modes[leaf]
    threshold = state.threshold
    if number >= 0:
        outside = modal_amplitudes(arrays, number, work.psi, arrays.scalars[MOST_LEAK] * threshold, work)
        near = outside >= 0.0
        if near:
            # An error of the norm², as one of the state.
            state.error += 0.5 * outside / np.sqrt(state.survival)
        state.products += 2
        left = arrays.leaf_start[leaf + 1] - (arrays.leaf_start[leaf] + offset[0])
        state.error += arrays.scalars[MODES_ERROR] * np.sqrt(state.survival)
        active = keep_active(work.near if near else work.modes, ACTIVE, work.active)
        if left < np.inf:
            after = state_of_active(arrays, number, near, active, left, work.trial, work)
            if after >= threshold * (1.0 - SURE):
                after = modal_state(arrays, number, near, left, work.trial, work)
        else:
            # The last leaf has no end: S at the end of the observation decides whether to search for a click.
            now = time_of(arrays, place, offset)
            after = modal_state(arrays, number, near, max(stop - now, 0.0), work.trial, work)
            if after >= threshold:
                return BEYOND
            left = FIRST_LOOK / max(arrays.scalars[LARGEST_DECAY], 1e-300)
            for _ in range(2000):
                after = modal_state(arrays, number, near, left, work.trial, work)
                state.products += 1
                if after < threshold:
                    break
                left *= 2.0
        if after >= threshold:
            for i in range(size):
                work.psi[i] = work.trial[i]
            state.survival = after
            move_to_leaf(arrays, place, offset, leaf + 1)
            return PASSED
        time = first_guess(arrays, jumps, number, near, active, threshold, left, after, state, work)
        time = search_modes(arrays, jumps, number, near, threshold, left, time, state, work)
        if time < 0.0:
            return STUCK
        offset[0] += time
        return CLICKED
    while place[STEP] < arrays.leaf_step[leaf + 1]:
        count = expand(arrays, work.psi, place[STEP], offset[0], work)
        if count < 0:
            return STUCK
        state.products += count
        after = evaluate(work.series, count, 1.0, work.trial)
        state.error += arrays.scalars[STEP_ERROR] * np.sqrt(state.survival)
        if after < threshold:
            y = search_step(arrays, jumps, count, threshold, after, state, work)
            if y < 0.0:
                return STUCK
            offset[0] += y * (1.0 - offset[0])
            return CLICKED
        for i in range(size):
            work.psi[i] = work.trial[i]
        state.survival = after
        place[STEP] += 1
        offset[0] = 0.0
    move_to_leaf(arrays, place, offset, leaf + 1)
    return PASSED
