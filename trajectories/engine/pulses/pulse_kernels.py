"""A trajectory of a system that depends on time: blocks of the tree while nothing clicks, steps where it does.

A block without a click is one product of its propagator with the state. Where S(t) falls below its threshold in a
block, the block is halved until one leaf remains, and the click is found in the leaf.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import light_kernel
from ..jump_kernels import apply_jump, choose_channel, expectation, keep_ket, squared_norm
from ..trajectory_state import CLICKS_FULL, HORIZON, NEED_UNIFORMS, NO_BRACKET, PAUSED
from .block_kernels import carry_block, end_of_block, highest_block, pass_block, pass_blocks
from .bridge_kernels import pass_to_stretch
from .leaf_kernels import CLICKED, PASSED, STUCK, through_steps
from .period_kernels import clicked, enter_slow_space, pass_periods
from .place_kernels import (
    BLOCK,
    CYCLE,
    FOUND,
    FRAMED,
    IN_SLOW,
    INSIDE,
    LARGEST,
    LEAF,
    STEP,
    STILL,
    TRIED,
    at_leaf_start,
    channel_rates,
    modal_amplitudes,
    modal_state,
    move_to_leaf,
    start_watch,
    take,
    time_of,
)
from .product_kernels import multiply_far
from .still_kernels import PASSED as PASSED_STILL
from .still_kernels import through_still
from .taylor_kernels import AUDITED, LARGEST_DECAY, PERIOD, evaluate, expand, join

# Work between two returns to the caller, in entries of the state times products.
PAUSE_AFTER = 2**26
# A state does not click when its rate is below this fraction of the largest possible rate: rounding squared.
DARK_FRACTION = 1e-26
# Factor by which a threshold is lowered that was reached by rounding alone.
LOST_TO_ROUNDING = 1e-9


@light_kernel()
def watch_until(arrays, time, work):
    """Carry the watched state to a time that is not before its place, by whole blocks and then within a leaf."""
    place, offset, psi = work.watch_place, work.watch_offset, work.watched
    while time_of(arrays, place, offset) < time:
        leaf = place[LEAF]
        if leaf >= len(arrays.leaf_modes):
            return
        if at_leaf_start(arrays, place, offset):
            level = highest_block(arrays, place)
            while level >= 0 and end_of_block(arrays, level, place) > time:
                level -= 1
            if level >= 0 and carry_block(arrays, level, place, psi, work):
                pass_block(arrays, level, place, offset)
                continue
        start = place[CYCLE] * arrays.scalars[PERIOD] if place[CYCLE] > 0 else 0.0
        number = arrays.leaf_modes[leaf]
        if number >= 0:
            modal_amplitudes(arrays, number, psi, work)
            end = start + arrays.leaf_start[leaf + 1]
            now = time_of(arrays, place, offset)
            if end <= time:
                modal_state(arrays, number, end - now, psi, work)
                move_to_leaf(arrays, place, offset, leaf + 1)
            else:
                modal_state(arrays, number, time - now, psi, work)
                offset[0] += time - now
                return
            continue
        step = place[STEP]
        count = expand(arrays, psi, step, offset[0], work)
        if start + arrays.starts[step + 1] <= time:
            evaluate(work.series, count, 1.0, psi)
            join(arrays, psi, work)
            place[STEP] += 1
            offset[0] = 0.0
            if place[STEP] == arrays.leaf_step[leaf + 1]:
                move_to_leaf(arrays, place, offset, leaf + 1)
            continue
        x = (time - start - arrays.starts[step]) / (arrays.starts[step + 1] - arrays.starts[step])
        y = max((x - offset[0]) / (1.0 - offset[0]), 0.0)
        evaluate(work.series, count, y, psi)
        join(arrays, psi, work)
        offset[0] = max(x, offset[0])
        return


@light_kernel()
def sample(arrays, observables, samples, until, state, work, sampled, kets):
    """Write ⟨O⟩ at every sample time before `until`, and the states at the last ones."""
    while state.next_sample < len(samples) and samples[state.next_sample] < until:
        here = state.next_sample
        watch_until(arrays, samples[here], work)
        expectation(observables, work.watched, sampled[here])
        keep_ket(work.watched, here, len(samples), kets)
        state.next_sample += 1


@light_kernel()
def advance(arrays, jumps, stop, uniforms, observables, samples, state, work, times, channels, sampled, kets):
    """Follow one trajectory until it ends or a buffer has to be drained; return why it came back.

    The arguments are those of `sparse_kernels.advance`; ``work.psi`` is the state at the place in ``work``.
    """
    size, place, offset = len(work.psi), work.place, work.offset
    budget = PAUSE_AFTER // max(1, size)
    begun = state.products
    end = np.nextafter(stop, np.inf)
    while True:
        if state.threshold < 0.0:
            if state.next_uniform + 2 > len(uniforms):
                return NEED_UNIFORMS
            state.threshold = 1.0 - uniforms[state.next_uniform]
            state.next_uniform += 1
        if state.n_clicks == len(times):
            return CLICKS_FULL
        if state.products - begun > budget:
            return PAUSED
        now = time_of(arrays, place, offset)
        over = now > stop or place[LEAF] == len(arrays.leaf_modes)
        if state.next_sample < len(samples):
            sample(arrays, observables, samples, end if over else now, state, work, sampled, kets)
        if over:
            return HORIZON
        outcome = PASSED
        if place[STILL] == 0:
            state.elapsed = now - state.gap_start
            if place[IN_SLOW] == 1:
                outcome = pass_periods(arrays, state, work)
                if outcome == PASSED:
                    continue
            else:
                found = place[FOUND]
                untried = found == 0 and place[TRIED] == 0 and place[INSIDE] == 0
                if untried and len(arrays.segment_of_position) > 0 and enter_slow_space(arrays, state, work):
                    continue
                place[FOUND] = 0
                if found == 0 and at_leaf_start(arrays, place, offset):
                    if not pass_to_stretch(arrays, state, work):
                        # Blocks may have been passed to the leaf of the click: samples come first.
                        place[FOUND] = 1 if pass_blocks(arrays, state, work) else 0
                    continue
        if outcome != CLICKED:
            if arrays.leaf_modes[place[LEAF]] >= 0:
                outcome = through_still(
                    arrays, stop, uniforms, observables, samples, state, work, times, channels, sampled, kets
                )
                if outcome != PASSED_STILL:
                    return outcome
                continue
            if place[INSIDE] == 1:
                multiply_far(arrays.frame, work.phi, work.parts)
                take(work.parts, work.psi)
                place[INSIDE] = 0
            outcome = through_steps(arrays, state, work)
            if outcome == STUCK:
                return NO_BRACKET
            if outcome == PASSED:
                continue
        total = channel_rates(arrays, jumps, work.trial, place, offset[0], work.rates)
        click = time_of(arrays, place, offset)
        if total <= DARK_FRACTION * arrays.scalars[LARGEST_DECAY] * state.threshold:
            # Norm that is lost without a click rate is rounding: no click. S may fall on later.
            for i in range(size):
                work.psi[i] = work.trial[i]
            state.survival = squared_norm(work.psi)
            state.threshold = min(state.threshold, state.survival) * (1.0 - LOST_TO_ROUNDING)
            state.error += 0.5 * LOST_TO_ROUNDING * np.sqrt(state.threshold)
            continue
        sample(arrays, observables, samples, min(click, end), state, work, sampled, kets)
        if click > stop:
            return HORIZON
        chosen = choose_channel(work.rates, total, uniforms[state.next_uniform])
        state.next_uniform += 1
        times[state.n_clicks] = click
        channels[state.n_clicks] = chosen
        state.n_clicks += 1
        here = 2.0 * state.error / np.sqrt(state.threshold) + place[FRAMED] * arrays.scalars[AUDITED]
        state.worst_error = max(state.worst_error, here)
        apply_jump(jumps, chosen, work.trial, work.psi)
        state.gap_start = click
        state.elapsed = 0.0
        state.threshold = -1.0
        state.survival = 1.0
        state.error = 0.0
        place[BLOCK] = place[LARGEST]
        place[LARGEST] = 0
        clicked(place)
        start_watch(work)
