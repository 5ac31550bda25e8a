"""Constant stretches of a trajectory that depends on time: its clicks there, by the kernels of `engine.modes`.

A trajectory that enters a stretch is taken to its eigenmodes and normalised, and its threshold with it. From then
on it is one of a constant system, whose search may be given up at the end of the stretch. Where the first guess of
the waiting time lies beyond, S at the end decides whether there is anything to search. The path of the search does
not depend on the end of the observation.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import kernel, light_kernel
from ..jump_kernels import expectation, keep_ket
from ..modes.forms_kernels import BLOCK, BRACKET, FASTEST, TOLERANCE, move_to
from ..modes.modal_jump_kernels import choose_channel, click, drop_limit, extend_jump
from ..modes.modes_kernels import begin_search, find_resolved_click, gap_start, put_back
from ..trajectory_state import CLICKS_FULL, HORIZON, NEED_UNIFORMS, NO_BRACKET, NOT_BRACKETED, PAUSED
from .bridge_kernels import cross, end_gap, enter, enter_from_slow_space, ket_of, modes_of, move_to_end
from .period_kernels import clicked, enter_from_still, enter_slow_space, settle, settle_back
from .place_kernels import BLOCK as NEXT_BLOCK
from .place_kernels import ENTERING, FOUND, LARGEST, LEAF, STILL, TRIED, move_to_leaf, start_watch, time_of

# Gaps between two returns to the caller: a few tenths of a second.
GAPS_PER_CALL = 4096
# The trajectory has passed the stretch; other outcomes are reasons to return.
PASSED = -1


@light_kernel()
def pass_end(arrays, modes, leaf, time, survival, missing, blocks, watched, state, work):
    """Take the trajectory on from the end of a stretch, `time` after the beginning of the gap; see `move_to_end`.

    To the slow space, over the bridge to the next stretch, or as a state to the next leaf.
    """
    place, number = work.place, arrays.leaf_modes[leaf]
    end_gap(modes.scalars, modes.slowest[0], time, survival, missing, state)
    place[STILL], place[FOUND] = 0, 0
    move_to_leaf(arrays, place, work.offset, leaf + 1)
    at_once = len(arrays.still_to_slow) > 0
    at_anchor = not at_once and place[LEAF] == 0
    slow = len(arrays.segment_of_position) > 0 and not at_once and (place[TRIED] == 0 or at_anchor)
    # Samples before the next stretch are taken from the state here.
    if slow or watched:
        ket_of(arrays.vectors[number], blocks, work.modal.here, work.parts, work.psi)
    if watched:
        start_watch(work)
    if at_once and place[TRIED] == 0:
        if leaf == arrays.anchor[1] and settle_back(arrays, blocks, state, work):
            return
        if enter_from_still(arrays, leaf, blocks, state, work):
            return
    if slow and at_anchor and settle(arrays, state, work):
        return
    if slow and place[TRIED] == 0 and enter_slow_space(arrays, state, work):
        return
    if not cross(arrays, modes, leaf, blocks, state, work) and not (slow or watched):
        ket_of(arrays.vectors[number], blocks, work.modal.here, work.parts, work.psi)


@light_kernel()
def sample_before(samples, until, state):
    """Whether there is a sample time before `until`."""
    return state.next_sample < len(samples) and samples[state.next_sample] < until


@kernel()
def sample_still(arrays, modes, number, observables, samples, until, state, work, sampled, kets):
    """Write ⟨O⟩ at every sample time before `until`, and the states at the last ones."""
    # All of the state is needed from the beginning of the gap, but clicks must not depend on being watched.
    saved = gap_start(work.modal)
    limit = 0.5 * drop_limit(modes, state.threshold, modes.scalars[TOLERANCE])
    extend_jump(modes, limit, limit, 0.0, work.modal)
    while state.next_sample < len(samples) and samples[state.next_sample] < until:
        here = state.next_sample
        blocks = len(work.modal.start_square) // BLOCK
        move_to(modes, blocks, samples[here] - state.gap_start, work.modal)
        ket_of(arrays.vectors[number], blocks, work.modal.here, work.parts, work.trial)
        expectation(observables, work.trial, sampled[here])
        keep_ket(work.trial, here, len(samples), kets)
        state.next_sample += 1
    put_back(saved, work.modal)


@light_kernel()
def through_still(arrays, stop, uniforms, observables, samples, state, work, times, channels, sampled, kets):
    """Follow a trajectory from click to click through a constant stretch; return PASSED or why it came back.

    The arguments are those of `pulse_kernels.advance`; the threshold of the gap has been drawn.
    """
    place, offset, end = work.place, work.offset, np.nextafter(stop, np.inf)
    leaf = place[LEAF]
    number = arrays.leaf_modes[leaf]
    modes = modes_of(arrays.still, number)
    length = arrays.leaf_start[leaf + 1] - arrays.leaf_start[leaf]
    if place[STILL] == 0:
        enter(arrays, number, state, work)
    elif place[STILL] == ENTERING:
        enter_from_slow_space(arrays, modes, state, work)
    for _ in range(GAPS_PER_CALL):
        if state.next_uniform + 2 > len(uniforms):
            return NEED_UNIFORMS
        if state.n_clicks == len(times):
            return CLICKS_FULL
        left, sampled_before = length - offset[0], state.next_sample
        wait, blocks, dropped, total = np.inf, 0, 0.0, 0.0
        survival, missing = 0.0, 0.0
        passed, window = False, left
        # S at the end is below what the slowest mode leaves.
        if place[FOUND] == 0 and state.threshold < np.exp(-2.0 * modes.slowest[0] * left):
            survival, blocks, missing = move_to_end(modes, left, 0.5 * state.threshold, state, work.modal)
            # Where S falls to its threshold that close to the end, the search decides.
            close = modes.scalars[FASTEST] * max(modes.scalars[BRACKET], 4.0 * np.spacing(left))
            passed = survival * (1.0 - close) >= state.threshold
            window = np.inf
        if not passed:
            near = place[FOUND] == 1 and work.guess[0] >= 0.0
            guess = work.guess[0] if near else begin_search(modes, state.threshold, work.modal)
            # The last stretch has no end.
            window = window if left < np.inf else max(stop - state.gap_start, 0.0)
            wait, blocks, dropped, total = find_resolved_click(modes, guess, near, window, state, work.modal)
            if wait == NOT_BRACKETED:
                return NO_BRACKET
        if not 0.0 <= wait <= left:
            until = end if left == np.inf else min(state.gap_start + left, end)
            if sample_before(samples, until, state):
                sample_still(arrays, modes, number, observables, samples, until, state, work, sampled, kets)
            if until == end:
                return HORIZON
            if not passed or state.next_sample > sampled_before:
                survival, blocks, missing = move_to_end(modes, left, 0.0, state, work.modal)
            watched = state.next_sample < len(samples)
            pass_end(arrays, modes, leaf, left, survival, missing, blocks, watched, state, work)
            return PASSED
        here = offset[0]
        offset[0] += wait
        time = time_of(arrays, place, offset)
        if sample_before(samples, min(time, end), state):
            sample_still(arrays, modes, number, observables, samples, min(time, end), state, work, sampled, kets)
            # The state at the click has made room for those at the samples.
            move_to(modes, blocks, wait, work.modal)
        if time > stop:
            offset[0] = here
            return HORIZON
        target = uniforms[state.next_uniform] * total
        chosen = choose_channel(modes, state.threshold, blocks, target, total, work.modal)
        times[state.n_clicks] = time
        channels[state.n_clicks] = chosen
        state.n_clicks += 1
        threshold = 1.0 - uniforms[state.next_uniform + 1]
        state.next_uniform += 2
        click(modes, chosen, wait, blocks, dropped, total, threshold, state, work.modal)
        state.threshold = threshold
        state.gap_start, state.elapsed, state.error = time, 0.0, 0.0
        place[NEXT_BLOCK] = place[LARGEST]
        place[LARGEST] = 0
        clicked(place)
    return PAUSED
