"""Kernels of clicks in the eigenbasis of H_eff: which modes count, the channel, and the jump V⁻¹c_kV z.

A jump is not done at once. What a search needs of the new state depends on how far it has come: few modes for a
rough idea of the waiting time, and then all those that will not have decayed by that time. Rows of the jump map
are therefore added on demand, each with a bound of what is still missing.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import light_kernel
from ..phase_kernels import LARGEST_EXPONENT, decayed, exponential
from ..slots import MISSING, NORM_ERROR
from .forms_kernels import (
    BEFORE_BLOCKS,
    BLOCK,
    CHANNEL,
    START_BLOCKS,
    SUM,
    SUMS_STRIDE,
    TAIL_STRIDE,
    TOLERANCE,
    VECTORS_NORM,
    fill_tails,
    form_value,
    move_to,
)

# Relative error of a number in single precision.
SINGLE = 6e-8


@light_kernel()
def open_base(arrays, time, work):
    """Make `time` the base of the search: bound the state from then on, block by block."""
    blocks = work.jump[START_BLOCKS]
    decayed(work.start_square, arrays.decay, BLOCK * blocks, time, work.square)
    fill_tails(work.square, blocks, work.base_tails)
    work.base_tails[blocks:] = 0.0


@light_kernel()
def live_blocks(tails, limit):
    """Return the first position from which `tails`, which fall to 0, are at most `limit`."""
    few, many = 0, len(tails) - 1
    while few < many:
        middle = (few + many) // 2
        if tails[middle] <= limit:
            many = middle
        else:
            few = middle + 1
    return many


@light_kernel()
def drop_limit(arrays, threshold, accuracy):
    """Return the norm of modes that may be dropped for S to be right to a relative `accuracy` at the threshold.

    Of the tolerance this is an eighth, half of which is for the jump that follows.
    """
    return accuracy * np.sqrt(threshold) / (16.0 * arrays.scalars[VECTORS_NORM])


@light_kernel()
def choose_channel(arrays, blocks, target, total, work):
    """Return the channel in which the cumulative click rate first exceeds `target`.

    The rates are first bounded coarsely, and only refined while `target` lies within the bounds.
    """
    channels = len(arrays.jump)
    limit = 1e-3 * total
    while True:
        cumulative, slack = 0.0, 0.0
        decided = True
        last = 0
        for k in range(channels - 1):
            rate, error = form_value(arrays, 1 + k, limit, blocks, work)
            if rate > error:
                last = k
            cumulative += rate
            slack += error
            if target < cumulative - slack:
                return k
            if target < cumulative + slack:
                decided = False
                break
        if decided:
            # The last channel has the rest of the total rate, which S′ gives to far better than one click in 1e9
            # can tell; unless it never clicks at all.
            return channels - 1 if arrays.jump_corner[channels - 1, 0] > 0.0 else last
        if limit < 1e-13 * total:
            return last
        limit *= 1e-3


@light_kernel()
def channel_rate(arrays, channel, blocks, total, work):
    """Return the click rate of a channel to a quarter of the tolerance, and a bound of its relative error."""
    goal = 0.25 * arrays.scalars[TOLERANCE]
    limit = goal * total / len(arrays.jump)
    rate, error = form_value(arrays, 1 + channel, limit, blocks, work)
    while error > goal * rate and limit > 0.0:
        # A rate far below the others needs its own accuracy; a limit of 0 takes all that the form holds.
        limit = goal * (rate - error) if rate > 2.0 * error else 0.0
        rate, error = form_value(arrays, 1 + channel, limit, blocks, work)
    return rate, error / rate


@light_kernel()
def begin_jump(work):
    """Empty ``work.start``, so that `extend_jump` makes it anew."""
    work.start[:] = 0.0
    work.rows[:] = 0


@light_kernel()
def extend_jump(arrays, limit, finest, time, work):
    """Add rows of V⁻¹c_kV z to ``work.start`` until its error from `time` on is at most `limit`; return a bound.

    Of each column only so many rows are added as can matter after so much decay, and in single precision where
    that costs no more than a third of `finest`, the least limit that will be asked for.
    """
    if work.jump[CHANNEL] < 0:
        return 0.0
    # No slices and no calls in the loops: both cost more than a short column.
    before, size, rest, added, weight = work.before, work.before_size, work.before_rest, work.rows, work.weight
    start, start_square = work.start, work.start_square
    channel = work.jump[CHANNEL]
    columns, singles, tails = arrays.jump[channel], arrays.jump_single[channel], arrays.jump_tail[channel]
    count, most = BLOCK * work.jump[BEFORE_BLOCKS], len(start_square)
    strides = tails.shape[1] - 1
    for b in range(strides + 1):
        weight[b] = exponential(-min(arrays.slowest[b] * time, LARGEST_EXPONENT))
    # Of the error a third is for rounding, a sixth for whole columns, and half for the ends of columns.
    single = live_blocks(rest[: count + 1], finest / 3.0)
    last_column = live_blocks(rest[: count + 1], SINGLE * limit / 6.0)
    error = rest[single] + rest[last_column] / SINGLE
    share = 0.5 * limit / max(1, last_column)
    extent = 0
    for j in range(last_column):
        amplitude = size[j]
        kept = 0
        # Counted rather than searched, which no processor could predict.
        for b in range(strides):
            kept += amplitude * (tails[j, b] * weight[b]) > share
        first, last = added[j], min(most, kept * TAIL_STRIDE)
        if last <= first:
            done = -(-first // TAIL_STRIDE)
            error += amplitude * (tails[j, done] * weight[done])
            continue
        error += amplitude * (tails[j, kept] * weight[kept])
        added[j] = last
        extent = max(extent, last)
        x, y = before[0, j], before[1, j]
        if j >= single:
            for i in range(np.uint64(first), np.uint64(last)):
                u, v = singles[j, 0, i], singles[j, 1, i]
                start[i] += u * x - v * y
                start[SUM[1] + i] += u * y + v * x
        else:
            for i in range(np.uint64(first), np.uint64(last)):
                u, v = columns[j, 0, i], columns[j, 1, i]
                start[i] += u * x - v * y
                start[SUM[1] + i] += u * y + v * x
    for i in range(extent):
        x, y = start[i], start[SUMS_STRIDE + i]
        start_square[i] = x * x + y * y
    work.jump[START_BLOCKS] = max(work.jump[START_BLOCKS], extent // BLOCK)
    return error


@light_kernel()
def click(arrays, channel, wait, blocks, dropped, total, next_threshold, reals, work):
    """Take the state found by `find_click` through a click, up to the product V⁻¹c_kV z, left to `extend_jump`.

    reals[MISSING] becomes the error of its direction, reals[NORM_ERROR] the relative error of its norm², so that
    survival probabilities down to `next_threshold` keep the tolerance.
    """
    limit = 0.5 * drop_limit(arrays, next_threshold, arrays.scalars[TOLERANCE])
    rate, norm_error = channel_rate(arrays, channel, blocks, total, work)
    corner = arrays.jump_corner[channel]
    if not dropped * corner[blocks] <= limit * np.sqrt(rate):
        # What was dropped may click more readily than what was kept.
        open_base(arrays, wait, work)
        blocks = 0
        while work.base_tails[blocks] * corner[blocks] > limit * np.sqrt(max(rate, 0.0)):
            blocks += 1
        dropped = work.base_tails[blocks]
        move_to(arrays, blocks, wait, work)
        rate, norm_error = channel_rate(arrays, channel, blocks, total, work)
    scale = 1.0 / np.sqrt(rate)
    # What is missing changes the direction and the norm, each by so much.
    reals[MISSING] = 2.0 * dropped * corner[blocks] * scale
    reals[NORM_ERROR] = norm_error
    work.jump[CHANNEL], work.jump[BEFORE_BLOCKS], work.jump[START_BLOCKS] = channel, blocks, 0
    count = BLOCK * blocks
    for j in range(count):
        work.before[0, j], work.before[1, j] = work.here[0, j] * scale, work.here[1, j] * scale
        work.before_size[j] = np.sqrt(work.square[j]) * scale
    work.before_rest[count] = 0.0
    for j in range(count - 1, -1, -1):
        rounding = SINGLE * work.before_size[j] * arrays.jump_tail[channel, j, 0]
        work.before_rest[j] = work.before_rest[j + 1] + rounding
    begin_jump(work)
