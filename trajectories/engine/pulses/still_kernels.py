"""Constant stretches of a trajectory that depends on time: its clicks there, by the kernels of `engine.modes`.

A trajectory that enters a stretch is taken to its eigenmodes and normalised, and its threshold with it. From then
on it is one of a constant system, whose search may be given up at the end of the stretch: the path of the search
depends neither on that nor on the end of the observation.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import kernel, light_kernel
from ..jump_kernels import expectation, keep_ket
from ..modes.forms_kernels import (
    BEFORE_BLOCKS,
    BLOCK,
    CHANNEL,
    DRIFT,
    FLOOR,
    ROUNDING,
    START_BLOCKS,
    SUMS_STRIDE,
    TOLERANCE,
    TURNED,
    VECTORS_NORM,
    ModesArrays,
    move_to,
)
from ..modes.modal_jump_kernels import choose_channel, click, drop_limit, extend_jump
from ..modes.modes_kernels import find_resolved_click, gap_start, put_back
from ..trajectory_state import CLICKS_FULL, HORIZON, NEED_UNIFORMS, NO_BRACKET, NOT_BRACKETED, PAUSED
from .period_kernels import clicked
from .place_kernels import BLOCK as NEXT_BLOCK
from .place_kernels import FRAMED, INSIDE, LARGEST, LEAF, STILL, move_to_leaf, start_watch, take, time_of
from .taylor_kernels import AUDITED, multiply

# Gaps between two returns to the caller: a few tenths of a second.
GAPS_PER_CALL = 4096
# What a state may miss at the end of a stretch, as a share of the tolerance: a gap may pass many stretches.
MISSED_AT_END = 1e-3
# The trajectory has passed the stretch; other outcomes are reasons to return.
PASSED = -1


@light_kernel()
def modes_of(still, number):
    """Return the tables of one of the constant values of H_eff."""
    return ModesArrays(
        still.energy[number],
        still.energy_rest[number],
        still.decay[number],
        still.form[number],
        still.diagonal[number],
        still.form_tail[number],
        still.corner[number],
        still.leak[number],
        still.leak_size[number],
        still.jump[number],
        still.jump_single[number],
        still.jump_tail[number],
        still.slowest[number],
        still.jump_corner[number],
        still.states[number],
        still.vectors[number],
        still.inverse[number],
        still.scalars[number],
    )


@light_kernel()
def enter(arrays, number, state, work):
    """Take the trajectory to the eigenmodes of a stretch, normalised, as if its gap began here."""
    place, modal = work.place, work.modal
    if place[INSIDE] == 1:
        multiply(arrays.near_inverse[number], work.phi, work.parts)
        place[INSIDE] = 0
    else:
        multiply(arrays.inverse[number], work.psi, work.parts)
    size, whole = len(work.psi), len(modal.start_square)
    scale = 1.0 / np.sqrt(state.survival)
    for j in range(whole):
        x, y = 0.0, 0.0
        if j < size:
            x, y = scale * work.parts[0, j], scale * work.parts[1, j]
        modal.start[j], modal.start[SUMS_STRIDE + j] = x, y
        modal.start_square[j] = x * x + y * y
        modal.rows[j] = 0
    modal.jump[CHANNEL], modal.jump[BEFORE_BLOCKS], modal.jump[START_BLOCKS] = -1, 0, whole // BLOCK
    # An error of the state so far, as one of its norm² when the click comes.
    state.norm_error = 2.0 * state.error / np.sqrt(state.threshold)
    state.norm_error += place[FRAMED] * arrays.scalars[AUDITED]
    state.threshold = min(state.threshold / state.survival, 1.0)
    state.survival = 1.0
    state.missing, state.rounded, state.error = 0.0, 0.0, 0.0
    state.gap_start = time_of(arrays, place, work.offset)
    state.elapsed = 0.0
    place[STILL] = 1


@light_kernel()
def still_state(arrays, modes, number, time, work, out):
    """Write the state at `time` after the beginning of the gap into `out` and return its norm².

    The jump with which the gap began must have been carried out.
    """
    modal = work.modal
    move_to(modes, len(modal.start_square) // BLOCK, time, modal)
    for j in range(len(out)):
        out[j] = complex(modal.here[0, j], modal.here[1, j])
    norm = multiply(arrays.vectors[number], out, work.parts)
    take(work.parts, out)
    return norm


@light_kernel()
def leave(arrays, modes, number, time, state, work):
    """Give the trajectory the state at the end of the stretch, `time` after the beginning of the gap."""
    scalars = modes.scalars
    limit = MISSED_AT_END * drop_limit(modes, state.threshold, scalars[TOLERANCE])
    missing = state.missing + extend_jump(modes, limit, limit, time, work.modal)
    survival = still_state(arrays, modes, number, time, work, work.psi)
    size = np.sqrt(survival)
    grown = max(1.0, np.exp(-modes.slowest[0] * time) / size)
    relative = state.norm_error * np.sqrt(state.threshold) / size + scalars[FLOOR] + scalars[DRIFT] * time
    relative += 2.0 * scalars[TURNED] + 2.0 * grown * (scalars[ROUNDING] + state.rounded)
    state.error = scalars[VECTORS_NORM] * missing + 0.5 * relative * size
    state.survival = survival
    state.norm_error, state.missing, state.rounded = 0.0, 0.0, 0.0
    state.products += 1
    work.place[STILL] = 0
    move_to_leaf(arrays, work.place, work.offset, work.place[LEAF] + 1)
    start_watch(work)


@kernel()
def sample_still(arrays, modes, number, observables, samples, until, state, work, sampled, kets):
    """Write ⟨O⟩ at every sample time before `until`, and the states at the last ones."""
    if not (state.next_sample < len(samples) and samples[state.next_sample] < until):
        return
    # All of the state is needed from the beginning of the gap, but clicks must not depend on being watched.
    saved = gap_start(work.modal)
    limit = 0.5 * drop_limit(modes, state.threshold, modes.scalars[TOLERANCE])
    extend_jump(modes, limit, limit, 0.0, work.modal)
    while state.next_sample < len(samples) and samples[state.next_sample] < until:
        here = state.next_sample
        still_state(arrays, modes, number, samples[here] - state.gap_start, work, work.trial)
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
    for _ in range(GAPS_PER_CALL):
        if state.next_uniform + 2 > len(uniforms):
            return NEED_UNIFORMS
        if state.n_clicks == len(times):
            return CLICKS_FULL
        left = length - offset[0]
        # The last stretch has no end.
        window = left if left < np.inf else max(stop - state.gap_start, 0.0)
        wait, blocks, dropped, total = find_resolved_click(modes, window, state, work.modal)
        if wait == NOT_BRACKETED:
            return NO_BRACKET
        if not 0.0 <= wait <= left:
            until = end if left == np.inf else min(state.gap_start + left, end)
            sample_still(arrays, modes, number, observables, samples, until, state, work, sampled, kets)
            if until == end:
                return HORIZON
            leave(arrays, modes, number, left, state, work)
            return PASSED
        here = offset[0]
        offset[0] += wait
        time = time_of(arrays, place, offset)
        looked = state.next_sample
        sample_still(arrays, modes, number, observables, samples, min(time, end), state, work, sampled, kets)
        if state.next_sample > looked:
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
