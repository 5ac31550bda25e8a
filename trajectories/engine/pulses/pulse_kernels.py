"""A trajectory of a system that depends on time: blocks of the tree while nothing clicks, steps where it does.

A block without a click is one product of its propagator with the state. Where S(t) falls below its threshold in a
block, the block is halved until one leaf remains, and the click is found in the leaf: in its eigenmodes, or on the
Taylor polynomial of a step. The blocks that are tried depend neither on the end of the observation nor on sample
times nor on how often the kernel returns, so that the bits of a trajectory do not either.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel
from ..jump_kernels import apply_jump, choose_channel, click_rates, expectation, keep_ket, squared_norm
from ..slots import (
    CLICKS_FULL,
    ELAPSED,
    ERROR,
    GAP_START,
    HORIZON,
    N_CLICKS,
    NEED_UNIFORMS,
    NEXT_SAMPLE,
    NEXT_UNIFORM,
    NO_BRACKET,
    PAUSED,
    PRODUCTS,
    SURVIVAL,
    THRESHOLD,
    WORST_ERROR,
)
from .taylor_kernels import (
    BRACKET,
    LARGEST_DECAY,
    MODES_ERROR,
    PERIOD,
    STEP_ERROR,
    evaluate,
    expand,
    multiply,
)

# Slots of a place in time. Integers: number of the period, leaf, step in the leaf; then the level of the block to
# be tried next, and the level of the largest block passed since the last click. The real number: the position in
# the step as a share of it, or in a constant stretch as a time.
CYCLE, LEAF, STEP, BLOCK, LARGEST = 0, 1, 2, 3, 4
N_PLACE = 5
# Work between two returns to the caller, in entries of the state times products.
PAUSE_AFTER = 2**26
# A state does not click when its rate is below this fraction of the largest possible rate: rounding squared.
DARK_FRACTION = 1e-26
# Factor by which a threshold is lowered that was reached by rounding alone.
LOST_TO_ROUNDING = 1e-9
# Largest number of evaluations of a search, and the number after which it only bisects.
MOST_ROUNDS, NEWTON_ROUNDS = 200, 60
# A search ends when a Newton step is shorter than this share of the bracket of clicks.
CLOSE = 1e-4
# First interval that is searched in a constant stretch without an end, in units of 1/(largest rate).
FIRST_LOOK = 4.0

# Outcomes of a leaf.
PASSED, CLICKED, STUCK, BEYOND = 0, 1, 2, 3


class PulseWorkspace(NamedTuple):
    """Scratch of one trajectory."""

    psi: NDArray[np.complex128]  # the state at its place, with norm² SURVIVAL
    trial: NDArray[np.complex128]
    watched: NDArray[np.complex128]  # the state at the place of the last sample
    parts: NDArray[np.float64]  # (2, N)
    series: NDArray[np.complex128]  # (MOST_TERMS, N)
    mixed: NDArray[np.complex128]
    modes: NDArray[np.complex128]  # amplitudes of eigenmodes
    local: NDArray[np.float64]  # (n_terms, n_coefficients)
    rates: NDArray[np.float64]
    place: NDArray[np.int64]
    offset: NDArray[np.float64]  # (1,)
    watch_place: NDArray[np.int64]
    watch_offset: NDArray[np.float64]


@kernel()
def time_of(arrays, place, offset):
    """Return the time of a place."""
    leaf = place[LEAF]
    start = place[CYCLE] * arrays.scalars[PERIOD] if place[CYCLE] > 0 else 0.0
    if leaf == len(arrays.leaf_modes):
        return start + arrays.leaf_start[leaf]
    if arrays.leaf_modes[leaf] >= 0:
        return start + (arrays.leaf_start[leaf] + offset[0])
    step = place[STEP]
    return start + (arrays.starts[step] + offset[0] * (arrays.starts[step + 1] - arrays.starts[step]))


@kernel()
def at_leaf_start(arrays, place, offset):
    """Whether a place is the beginning of a leaf."""
    leaf = place[LEAF]
    return offset[0] == 0.0 and (arrays.leaf_modes[leaf] >= 0 or place[STEP] == arrays.leaf_step[leaf])


@kernel()
def move_to_leaf(arrays, place, offset, leaf):
    """Put a place at the beginning of a leaf; behind the last leaf of a period that is the next period."""
    if leaf == len(arrays.leaf_modes) and arrays.scalars[PERIOD] < np.inf:
        place[CYCLE] += 1
        leaf = 0
    place[LEAF] = leaf
    place[STEP] = arrays.leaf_step[leaf] if leaf < len(arrays.leaf_modes) else 0
    offset[0] = 0.0


@kernel()
def channel_rates(arrays, jumps, psi, place, x, rates):
    """Write g_k²‖c_kψ‖² of every channel into `rates` and return their sum; x is the share of the step."""
    click_rates(jumps, psi, rates)
    total, leaf = 0.0, place[LEAF]
    step = place[STEP] if arrays.leaf_modes[leaf] < 0 else arrays.leaf_step[leaf]
    for k in range(len(rates)):
        term = arrays.amplitude[k]
        if term >= 0:
            square = 0.0
            for m in range(arrays.coefficients.shape[2] - 1, -1, -1):
                square = square * x + arrays.coefficients[step, term, m]
            rates[k] *= max(square, 0.0)
        total += rates[k]
    return total


@kernel()
def modal_state(arrays, number, amplitudes, time, out, parts):
    """Write V e^{−iΛt} z into `out` and return its norm²."""
    size = len(out)
    for j in range(size):
        decayed = np.exp(-arrays.decay[number, j] * time)
        angle = arrays.energy[number, j] * time
        out[j] = amplitudes[j] * complex(decayed * np.cos(angle), -decayed * np.sin(angle))
    norm = multiply(arrays.vectors[number], out, parts)
    for i in range(size):
        out[i] = complex(parts[0, i], parts[1, i])
    return norm


@kernel()
def take(parts, psi):
    """Copy a state with its parts apart into a complex vector."""
    for i in range(len(psi)):
        psi[i] = complex(parts[0, i], parts[1, i])


@kernel()
def search_step(arrays, jumps, count, threshold, after, reals, integers, work):
    """Find the click on the polynomial of a step; `work.trial` becomes the state there. Returns y, or −1."""
    place, offset = work.place, work.offset
    span = (arrays.starts[place[STEP] + 1] - arrays.starts[place[STEP]]) * (1.0 - offset[0])
    bracket = arrays.scalars[BRACKET] / max(span, 1e-300)
    low, high = 0.0, 1.0
    goal, before = np.log(threshold), np.log(reals[SURVIVAL])
    last = np.log(after) if after > 0.0 else -700.0
    y = (before - goal) / max(before - last, 1e-300)
    for rounds in range(MOST_ROUNDS):
        if not low < y < high or rounds > NEWTON_ROUNDS:
            y = 0.5 * (low + high)
        norm = evaluate(work.series, count, y, work.trial)
        integers[PRODUCTS] += 1
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
def search_modes(arrays, jumps, number, threshold, high, reals, integers, work):
    """Find the click in a constant stretch within `high`; `work.trial` becomes the state there. Returns a time.

    The time counts from the place of the trajectory; `work.modes` are its amplitudes. −1 means no bracket.
    """
    place = work.place
    low = 0.0
    goal = np.log(threshold)
    bracket = arrays.scalars[BRACKET]
    after = modal_state(arrays, number, work.modes, high, work.trial, work.parts)
    before, last = np.log(reals[SURVIVAL]), np.log(after) if after > 0.0 else -700.0
    time = high * (before - goal) / max(before - last, 1e-300)
    for rounds in range(MOST_ROUNDS):
        if not low < time < high or rounds > NEWTON_ROUNDS:
            time = 0.5 * (low + high)
        norm = modal_state(arrays, number, work.modes, time, work.trial, work.parts)
        integers[PRODUCTS] += 1
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
def through_leaf(arrays, jumps, stop, reals, integers, work):
    """Follow the trajectory from its place to the end of the leaf, or to a click in it.

    On a click ``work.trial`` is the state at the click, and the place is that of the click.
    """
    place, offset, leaf = work.place, work.offset, work.place[LEAF]
    size, number = len(work.psi), arrays.leaf_modes[leaf]
    threshold = reals[THRESHOLD]
    if number >= 0:
        multiply(arrays.inverse[number], work.psi, work.parts)
        take(work.parts, work.modes)
        integers[PRODUCTS] += 2
        left = arrays.leaf_start[leaf + 1] - (arrays.leaf_start[leaf] + offset[0])
        reals[ERROR] += arrays.scalars[MODES_ERROR] * np.sqrt(reals[SURVIVAL])
        if left < np.inf:
            after = modal_state(arrays, number, work.modes, left, work.trial, work.parts)
        else:
            # The last leaf has no end: S at the end of the observation decides whether to search for a click.
            now = time_of(arrays, place, offset)
            after = modal_state(arrays, number, work.modes, max(stop - now, 0.0), work.trial, work.parts)
            if after >= threshold:
                return BEYOND
            left = FIRST_LOOK / max(arrays.scalars[LARGEST_DECAY], 1e-300)
            for _ in range(2000):
                after = modal_state(arrays, number, work.modes, left, work.trial, work.parts)
                integers[PRODUCTS] += 1
                if after < threshold:
                    break
                left *= 2.0
        if after >= threshold:
            for i in range(size):
                work.psi[i] = work.trial[i]
            reals[SURVIVAL] = after
            move_to_leaf(arrays, place, offset, leaf + 1)
            return PASSED
        time = search_modes(arrays, jumps, number, threshold, left, reals, integers, work)
        if time < 0.0:
            return STUCK
        offset[0] += time
        return CLICKED
    while place[STEP] < arrays.leaf_step[leaf + 1]:
        count = expand(arrays, work.psi, place[STEP], offset[0], work)
        if count < 0:
            return STUCK
        integers[PRODUCTS] += count
        after = evaluate(work.series, count, 1.0, work.trial)
        reals[ERROR] += arrays.scalars[STEP_ERROR] * np.sqrt(reals[SURVIVAL])
        if after < threshold:
            y = search_step(arrays, jumps, count, threshold, after, reals, integers, work)
            if y < 0.0:
                return STUCK
            offset[0] += y * (1.0 - offset[0])
            return CLICKED
        for i in range(size):
            work.psi[i] = work.trial[i]
        reals[SURVIVAL] = after
        place[STEP] += 1
        offset[0] = 0.0
    move_to_leaf(arrays, place, offset, leaf + 1)
    return PASSED


@kernel()
def block_steps(arrays, level, place):
    """Return the approximate number of steps in a block, for its share of the error."""
    leaves = len(arrays.leaf_modes)
    levels = len(arrays.level_node) - 1
    if level >= levels - 1:
        return (len(arrays.starts) - 1.0) * 2.0 ** (level - levels + 1)
    first = place[LEAF]
    last = min(first + (1 << level), leaves)
    return float(arrays.leaf_step[last] - arrays.leaf_step[first])


@kernel()
def highest_block(arrays, place):
    """Return the level of the largest block that begins at a leaf's beginning; −1 where there is none."""
    levels = len(arrays.level_node) - 1
    if levels <= 0:
        return -1
    nodes = arrays.level_node[1] - arrays.level_node[0]
    leaf = place[LEAF]
    if leaf >= nodes:
        return -1
    if leaf == 0:
        return levels - 1 + max(len(arrays.ladder) - 1, 0)
    level = 0
    while leaf % 2 == 0 and level < levels - 1:
        leaf //= 2
        level += 1
    return level


@kernel()
def block_matrix(arrays, level, place):
    """Return the propagator of the block of a level that begins at a place."""
    levels = len(arrays.level_node) - 1
    if level >= levels:
        return arrays.ladder[level - levels + 1]
    return arrays.tree[arrays.level_node[level] + (place[LEAF] >> level)]


@kernel()
def pass_block(arrays, level, place, offset):
    """Move a place to the end of the block of a level that begins there."""
    levels = len(arrays.level_node) - 1
    nodes = arrays.level_node[1] - arrays.level_node[0]
    if level >= levels:
        place[CYCLE] += 1 << (level - levels + 1)
        return
    move_to_leaf(arrays, place, offset, min(place[LEAF] + (1 << level), nodes))


@kernel()
def end_of_block(arrays, level, place):
    """Return the time at which the block of a level that begins at a place ends."""
    levels = len(arrays.level_node) - 1
    nodes = arrays.level_node[1] - arrays.level_node[0]
    period = arrays.scalars[PERIOD]
    start = place[CYCLE] * period if place[CYCLE] > 0 else 0.0
    if level >= levels:
        return start + period * 2.0 ** (level - levels + 1)
    return start + arrays.leaf_start[min(place[LEAF] + (1 << level), nodes)]


@kernel()
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
            if level >= 0:
                multiply(block_matrix(arrays, level, place), psi, work.parts)
                take(work.parts, psi)
                pass_block(arrays, level, place, offset)
                continue
        start = place[CYCLE] * arrays.scalars[PERIOD] if place[CYCLE] > 0 else 0.0
        number = arrays.leaf_modes[leaf]
        if number >= 0:
            multiply(arrays.inverse[number], psi, work.parts)
            take(work.parts, work.modes)
            end = start + arrays.leaf_start[leaf + 1]
            now = time_of(arrays, place, offset)
            if end <= time:
                modal_state(arrays, number, work.modes, end - now, psi, work.parts)
                move_to_leaf(arrays, place, offset, leaf + 1)
            else:
                modal_state(arrays, number, work.modes, time - now, psi, work.parts)
                offset[0] += time - now
                return
            continue
        step = place[STEP]
        count = expand(arrays, psi, step, offset[0], work)
        if start + arrays.starts[step + 1] <= time:
            evaluate(work.series, count, 1.0, psi)
            place[STEP] += 1
            offset[0] = 0.0
            if place[STEP] == arrays.leaf_step[leaf + 1]:
                move_to_leaf(arrays, place, offset, leaf + 1)
            continue
        x = (time - start - arrays.starts[step]) / (arrays.starts[step + 1] - arrays.starts[step])
        y = max((x - offset[0]) / (1.0 - offset[0]), 0.0)
        evaluate(work.series, count, y, psi)
        offset[0] = max(x, offset[0])
        return


@kernel()
def sample(arrays, observables, samples, until, integers, work, sampled, kets):
    """Write ⟨O⟩ at every sample time before `until`, and the states at the last ones."""
    while integers[NEXT_SAMPLE] < len(samples) and samples[integers[NEXT_SAMPLE]] < until:
        here = integers[NEXT_SAMPLE]
        watch_until(arrays, samples[here], work)
        expectation(observables, work.watched, sampled[here])
        keep_ket(work.watched, here, len(samples), kets)
        integers[NEXT_SAMPLE] += 1


@kernel()
def start_watch(work):
    """Set the watched state to the state of the trajectory."""
    work.watched[:] = work.psi
    work.watch_place[:] = work.place
    work.watch_offset[:] = work.offset


@kernel()
def pass_blocks(arrays, reals, integers, work):
    """Pass the largest block that the previous blocks suggest, or find the leaf of the click in it.

    Returns whether the next leaf has to be followed. On a failure the place is moved to the leaf where S falls.
    """
    place, offset = work.place, work.offset
    threshold = reals[THRESHOLD]
    level = min(highest_block(arrays, place), place[BLOCK])
    if level < 0:
        return True
    holds = False
    while True:
        after = 0.0
        levels = len(arrays.level_node) - 1
        # Of a block that holds the click the left half is tried; a block without a right half is its left half.
        whole = holds and level < levels - 1 and _alone(arrays, level, place)
        if not whole:
            after = multiply(block_matrix(arrays, level, place), work.psi, work.parts)
            integers[PRODUCTS] += 1
        if not whole and after >= threshold:
            reals[ERROR] += (
                arrays.scalars[STEP_ERROR] * block_steps(arrays, level, place) * np.sqrt(reals[SURVIVAL])
            )
            take(work.parts, work.psi)
            reals[SURVIVAL] = after
            pass_block(arrays, level, place, offset)
            if not holds:
                place[BLOCK] = level + 1
                place[LARGEST] = max(place[LARGEST], level)
                return False
            # The right half holds the click; where rounding contradicts, the leaf finds no click and the
            # trajectory goes on.
        holds = True
        if level == 0:
            place[BLOCK] = 0
            return True
        level -= 1


@kernel()
def _alone(arrays, level, place):
    """Whether the parent of the block of a level that begins at a place has no other child."""
    nodes = arrays.level_node[level + 1] - arrays.level_node[level]
    node = place[LEAF] >> level
    return node % 2 == 0 and node + 1 >= nodes


@kernel()
def advance(
    arrays, jumps, stop, uniforms, observables, samples, reals, integers, work, times, channels, sampled, kets
):
    """Follow one trajectory until it ends or a buffer has to be drained; return why it came back.

    The arguments are those of `sparse_kernels.advance`; ``work.psi`` is the state at the place in ``work``.
    """
    size, place, offset = len(work.psi), work.place, work.offset
    budget = PAUSE_AFTER // max(1, size)
    begun = integers[PRODUCTS]
    end = np.nextafter(stop, np.inf)
    while True:
        if reals[THRESHOLD] < 0.0:
            if integers[NEXT_UNIFORM] + 2 > len(uniforms):
                return NEED_UNIFORMS
            reals[THRESHOLD] = 1.0 - uniforms[integers[NEXT_UNIFORM]]
            integers[NEXT_UNIFORM] += 1
        if integers[N_CLICKS] == len(times):
            return CLICKS_FULL
        if integers[PRODUCTS] - begun > budget:
            return PAUSED
        now = time_of(arrays, place, offset)
        reals[ELAPSED] = now - reals[GAP_START]
        over = now > stop or place[LEAF] == len(arrays.leaf_modes)
        sample(arrays, observables, samples, end if over else now, integers, work, sampled, kets)
        if over:
            return HORIZON
        if at_leaf_start(arrays, place, offset) and not pass_blocks(arrays, reals, integers, work):
            continue
        if place[LEAF] == len(arrays.leaf_modes):
            continue
        outcome = through_leaf(arrays, jumps, stop, reals, integers, work)
        if outcome == STUCK:
            return NO_BRACKET
        if outcome == BEYOND:
            sample(arrays, observables, samples, end, integers, work, sampled, kets)
            return HORIZON
        if outcome == PASSED:
            continue
        x = offset[0] if arrays.leaf_modes[place[LEAF]] < 0 else 0.0
        total = channel_rates(arrays, jumps, work.trial, place, x, work.rates)
        click = time_of(arrays, place, offset)
        if total <= DARK_FRACTION * arrays.scalars[LARGEST_DECAY] * reals[THRESHOLD]:
            # Norm that is lost without a click rate is rounding: no click. S may fall on later.
            for i in range(size):
                work.psi[i] = work.trial[i]
            reals[SURVIVAL] = squared_norm(work.psi)
            reals[THRESHOLD] = min(reals[THRESHOLD], reals[SURVIVAL]) * (1.0 - LOST_TO_ROUNDING)
            reals[ERROR] += 0.5 * LOST_TO_ROUNDING * np.sqrt(reals[THRESHOLD])
            continue
        sample(arrays, observables, samples, min(click, end), integers, work, sampled, kets)
        if click > stop:
            return HORIZON
        chosen = choose_channel(work.rates, total, uniforms[integers[NEXT_UNIFORM]])
        integers[NEXT_UNIFORM] += 1
        times[integers[N_CLICKS]] = click
        channels[integers[N_CLICKS]] = chosen
        integers[N_CLICKS] += 1
        reals[WORST_ERROR] = max(reals[WORST_ERROR], 2.0 * reals[ERROR] / np.sqrt(reals[THRESHOLD]))
        apply_jump(jumps, chosen, work.trial, work.psi)
        reals[GAP_START] = click
        reals[ELAPSED] = 0.0
        reals[THRESHOLD] = -1.0
        reals[SURVIVAL] = 1.0
        reals[ERROR] = 0.0
        place[BLOCK] = place[LARGEST]
        place[LARGEST] = 0
        start_watch(work)
