"""Blocks of leaves and of whole periods: the largest without a click is passed, the one with it is halved.

A block of level l begins at a leaf whose number is a multiple of 2^l and has 2^l leaves, or what is left of
them. The last level of the tree is the whole period, which is also rung 0 of the ladder; levels above it are
the rungs of 2, 4, 8, … periods.

The blocks that are tried depend neither on the end of the observation nor on sample times nor on how often the
kernel returns, so that the bits of a trajectory do not either.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import light_kernel
from ..jump_kernels import squared_norm
from .place_kernels import BLOCK, CYCLE, FRAMED, INSIDE, LARGEST, LEAF, move_to_leaf, outside_of, take
from .product_kernels import multiply_far, tried
from .taylor_kernels import MOST_LEAK, PERIOD


@light_kernel()
def add_error(arrays, level, place, state):
    """Add the error of a block that is passed; over whole periods earlier errors shrink with the norm.

    Errors are those of the state, ‖Δψ‖, where a gap begins with norm 1.
    """
    levels = len(arrays.level_node) - 1
    rung = level - levels + 1
    if 0 <= rung < len(arrays.rungs):
        norm, error = arrays.rungs[rung, 0], arrays.rungs[rung, 1]
        state.error = norm * state.error + error * np.sqrt(state.survival)
        return
    first = place[LEAF]
    last = min(first + (1 << level), len(arrays.leaf_modes))
    state.error += (arrays.leaf_error[last] - arrays.leaf_error[first]) * np.sqrt(state.survival)


@light_kernel()
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


@light_kernel()
def through_block(arrays, level, place, psi, threshold, out):
    """Write ψ behind the block of a level that begins at a place into `out`, parts apart; return its norm².

    Where that is below the threshold, the product may end before the last columns.
    """
    levels = len(arrays.level_node) - 1
    if level >= levels:
        return tried(arrays.ladder[level - levels + 1], psi, threshold, out)
    return tried(arrays.tree[arrays.level_node[level] + (place[LEAF] >> level)], psi, threshold, out)


@light_kernel()
def pass_block(arrays, level, place, offset):
    """Move a place to the end of the block of a level that begins there."""
    levels = len(arrays.level_node) - 1
    nodes = arrays.level_node[1] - arrays.level_node[0]
    if level >= levels:
        place[CYCLE] += 1 << (level - levels + 1)
        return
    move_to_leaf(arrays, place, offset, min(place[LEAF] + (1 << level), nodes))


@light_kernel()
def end_of_block(arrays, level, place):
    """Return the time at which the block of a level that begins at a place ends."""
    levels = len(arrays.level_node) - 1
    nodes = arrays.level_node[1] - arrays.level_node[0]
    period = arrays.scalars[PERIOD]
    start = place[CYCLE] * period if place[CYCLE] > 0 else 0.0
    if level >= levels:
        return start + period * 2.0 ** (level - levels + 1)
    return start + arrays.leaf_start[min(place[LEAF] + (1 << level), nodes)]


@light_kernel()
def carry_block(arrays, level, place, psi, work):
    """Carry a state through the block of a level that begins at a place; return whether the frame holds it."""
    if len(arrays.frame) == 0:
        through_block(arrays, level, place, psi, 0.0, work.parts)
        take(work.parts, psi)
        return True
    norm = squared_norm(psi)
    if outside_of(arrays, psi, norm, work.parts, work.lent) > arrays.scalars[MOST_LEAK] * norm:
        return False
    through_block(arrays, level, place, work.lent, 0.0, work.parts)
    take(work.parts, work.lent)
    multiply_far(arrays.frame, work.lent, work.parts)
    take(work.parts, psi)
    return True


@light_kernel()
def _enter(arrays, state, work):
    """Take the state into the frame of a reduced tree; return whether the frame holds it."""
    if len(arrays.frame) == 0 or work.place[INSIDE] == 1:
        return True
    outside = outside_of(arrays, work.psi, state.survival, work.parts, work.phi)
    within = state.survival - outside
    if outside > arrays.scalars[MOST_LEAK] * state.threshold or within <= state.threshold:
        return False
    # An error of the norm², as one of the state.
    state.error += 0.5 * outside / np.sqrt(state.survival)
    state.survival = within
    work.place[INSIDE], work.place[FRAMED] = 1, 1
    return True


@light_kernel()
def pass_blocks(arrays, state, work):
    """Pass the largest block that the previous blocks suggest, or find the leaf of the click in it.

    Returns whether the next leaf has to be followed. On a failure the place is moved to the leaf where S falls.
    """
    place, offset = work.place, work.offset
    threshold = state.threshold
    level = min(highest_block(arrays, place), place[BLOCK])
    if level < 0 or not _enter(arrays, state, work):
        return True
    psi = work.phi if len(arrays.frame) > 0 else work.psi
    holds = False
    while True:
        after = 0.0
        levels = len(arrays.level_node) - 1
        # Of a block that holds the click the left half is tried; a block without a right half is its left half.
        whole = holds and level < levels - 1 and _alone(arrays, level, place)
        if not whole:
            after = through_block(arrays, level, place, psi, threshold, work.parts)
            state.products += 1
        if not whole and after >= threshold:
            add_error(arrays, level, place, state)
            take(work.parts, psi)
            state.survival = after
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


@light_kernel()
def _alone(arrays, level, place):
    """Whether the parent of the block of a level that begins at a place has no other child."""
    nodes = arrays.level_node[level + 1] - arrays.level_node[level]
    node = place[LEAF] >> level
    return node % 2 == 0 and node + 1 >= nodes
