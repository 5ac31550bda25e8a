"""Kernels of clicks in the eigenbasis of H_eff: which modes count, the channel, and the jump V⁻¹c_kV z.

A jump is not computed at once. A search first needs few modes of the new state, for a rough waiting time, and then
all modes that will not have decayed by that time. Rows of the jump map are therefore added on demand, with a bound
of the missing part.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import light_kernel
from ..phase_kernels import LARGEST_EXPONENT, decayed, exponential
from .forms_kernels import (
    BEFORE_BLOCKS,
    BLOCK,
    CHANNEL,
    EXACT_FROM,
    FASTEST,
    FOURTH,
    MOST_LEAK,
    PHASE_DRIFT,
    START_BLOCKS,
    STRAIGHT,
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
# Below the first share of their sum rates may be rounding; below the second a rate is computed separately.
UNRESOLVED, SMALL_SHARE = 1e-12, 1e-6
# Relative error that the sum of all rates may have, for the choice of a channel.
RATE_ERROR = 1e-3
# Error of the norm of what a jump leaves outside, over the most that it may.
LEAK_ERROR = 0.05
# Relative errors of an amplitude z_j(t), and of a form by rounding of its sum; measured.
AMPLITUDE_ERROR, FORM_ERROR = 2e-14, 1e-15
ULP = 2.0**-53
# Up to this ratio of its parts to a click rate, its square root is the norm of the jump.
MOST_CANCELLED = 1e4


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
def resolved(arrays, blocks, total, work):
    """Whether the total click rate of ``work.here`` is more than rounding of the parts that it is a sum of."""
    if total > UNRESOLVED * arrays.scalars[FASTEST] * work.tails[0] * work.tails[0]:
        return True
    parts = 0.0
    for j in range(BLOCK * blocks):
        parts += 2.0 * arrays.decay[j] * work.square[j]
    return total > UNRESOLVED * parts


@light_kernel()
def total_error(arrays, threshold, work):
    """Return a bound of the error of −S′ as a click rate.

    What is left out of S changes at the largest frequency at the most; a Taylor step leaves out less than its next
    term; and rounding is that of the sum.
    """
    scalars = arrays.scalars
    taylor = 4.0 * scalars[FOURTH] * (STRAIGHT / scalars[FASTEST]) ** 3
    rounding = UNRESOLVED * scalars[FASTEST]
    missing = 0.25 * scalars[TOLERANCE] * threshold * scalars[FASTEST]
    return missing + (taylor + rounding) * work.tails[0] * work.tails[0]


@light_kernel()
def checked_total(arrays, threshold, blocks, total, work):
    """Return the total click rate of ``work.here``: −S′, or the sum of the rates where −S′ may be wrong."""
    slack = total_error(arrays, threshold, work)
    if slack < RATE_ERROR * total:
        return total
    limit = RATE_ERROR * max(total, slack)
    while True:
        rates, errors = 0.0, 0.0
        for k in range(len(arrays.jump_corner)):
            rate, error = form_value(arrays, 1 + k, limit, blocks, work)
            rates += rate
            errors += error
        if errors <= RATE_ERROR * rates or limit == 0.0:
            break
        limit = limit * RATE_ERROR if limit > 1e-60 else 0.0
    share = max(2.0 * RATE_ERROR, 100.0 * arrays.scalars[TOLERANCE])
    return total if abs(rates - total) <= errors + share * rates else rates


@light_kernel()
def parts_of_rate(arrays, channel, blocks, work):
    """Return the sum of the click rates of all modes of ``work.here``, each alone."""
    parts = 0.0
    for j in range(BLOCK * blocks):
        parts += arrays.diagonal[1 + channel, j] * work.square[j]
    return parts


@light_kernel()
def phase_error(arrays, channel, wait, blocks, parts, work):
    """Return the error of c_kψ by errors of the phases of all modes of ``work.here``."""
    scalars = arrays.scalars
    if wait >= scalars[EXACT_FROM]:
        return scalars[PHASE_DRIFT] * wait * np.sqrt(parts)
    turned = 0.0
    for j in range(BLOCK * blocks):
        turned += arrays.energy[j] * arrays.energy[j] * arrays.diagonal[1 + channel, j] * work.square[j]
    return ULP * wait * np.sqrt(turned)


@light_kernel()
def choose_channel(arrays, threshold, blocks, target, total, work):
    """Return the channel in which the cumulative click rate first exceeds `target`.

    The rates are first bounded coarsely, and only refined while `target` lies within the bounds. A channel whose
    rate may be rounding is never chosen.
    """
    channels = len(arrays.jump_corner)
    limit = 1e-3 * total
    while True:
        cumulative, slack = 0.0, 0.0
        decided = True
        last = -1
        for k in range(channels - 1):
            rate, error = form_value(arrays, 1 + k, limit, blocks, work)
            if rate < SMALL_SHARE * total and not rate > UNRESOLVED * parts_of_rate(arrays, k, blocks, work):
                continue
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
            # The last channel has the rest of the total rate, unless there is next to none: then its own decides.
            if total - cumulative - slack > max(SMALL_SHARE * total, total_error(arrays, threshold, work)):
                return channels - 1 if arrays.jump_corner[channels - 1, 0] > 0.0 or last < 0 else last
            rate, error = form_value(arrays, channels, 0.1 * UNRESOLVED * total, blocks, work)
            parts = parts_of_rate(arrays, channels - 1, blocks, work)
            return channels - 1 if rate > max(error + UNRESOLVED * parts, 1e-15 * total) or last < 0 else last
        if limit < 1e-13 * total and last >= 0:
            return last
        limit *= 1e-3


@light_kernel()
def channel_rate(arrays, channel, blocks, total, work):
    """Return the click rate of a channel to a quarter of the tolerance, and a bound of its relative error."""
    goal = 0.25 * arrays.scalars[TOLERANCE]
    limit = goal * total / len(arrays.jump_corner)
    rate, error = form_value(arrays, 1 + channel, limit, blocks, work)
    while error > goal * rate and limit > 0.0:
        # A rate far below the others needs its own accuracy; a limit of 0 takes all that the form holds.
        limit = goal * (rate - error) if rate > 2.0 * error else 0.0
        rate, error = form_value(arrays, 1 + channel, limit, blocks, work)
    return rate, error / rate


@light_kernel()
def leak(arrays, channel, blocks, next_threshold, work):
    """Return a bound of the share of the norm² after the jump that lies outside the basis; 0 in a full one.

    ``work.before`` is the state before the jump. The norm is bounded to within twice LEAK_ERROR of the most that
    may lie outside.
    """
    if channel >= len(arrays.leak):
        return 0.0
    columns, length, size, before = arrays.leak[channel], arrays.leak_size[channel], work.before_size, work.before
    sums = work.sums
    limit = LEAK_ERROR * np.sqrt(arrays.scalars[MOST_LEAK] * next_threshold)
    # The modes that matter most leave almost nothing outside, and the amplitudes of the others are small.
    error, few = 0.0, blocks
    while few > 0:
        n = BLOCK * (few - 1)
        more = (length[n] * size[n] + length[n + 1] * size[n + 1]) + (
            length[n + 2] * size[n + 2] + length[n + 3] * size[n + 3]
        )
        more += (length[n + 4] * size[n + 4] + length[n + 5] * size[n + 5]) + (
            length[n + 6] * size[n + 6] + length[n + 7] * size[n + 7]
        )
        if not error + more <= limit:
            break
        error += more
        few -= 1
    for i in range(BLOCK * few):
        sums[i], sums[SUMS_STRIDE + i] = 0.0, 0.0
    for j in range(BLOCK * few):
        x, y = before[0, j], before[1, j]
        # The rows of a triangle end at its diagonal.
        for i in range(np.uint64(0), np.uint64(BLOCK * (j // BLOCK + 1))):
            u, v = columns[j, 0, i], columns[j, 1, i]
            sums[i] += u * x - v * y
            sums[SUM[1] + i] += u * y + v * x
    outside = 0.0
    for i in range(BLOCK * few):
        outside += sums[i] * sums[i] + sums[SUMS_STRIDE + i] * sums[SUMS_STRIDE + i]
    return (np.sqrt(outside) + error) ** 2


@light_kernel()
def begin_jump(work):
    """Empty ``work.start``, so that `extend_jump` makes it anew."""
    for j in range(len(work.start_square)):
        work.start[j], work.start[SUMS_STRIDE + j], work.rows[j] = 0.0, 0.0, 0


@light_kernel()
def extend_jump(arrays, limit, finest, time, work):
    """Add rows of V⁻¹c_kV z to ``work.start`` until its error from `time` on is at most `limit`; return a bound.

    Of each column only so many rows are added as can matter after so much decay, and in single precision where
    that costs no more than a third of `finest`, the least limit that will be asked for.
    """
    if work.jump[CHANNEL] < 0:
        return 0.0
    # No slices and no calls in the loops, because both cost more than a short column.
    before, size, rest, added, weight = work.before, work.before_size, work.before_rest, work.rows, work.weight
    start, start_square = work.start, work.start_square
    channel = work.jump[CHANNEL]
    columns, singles, tails = arrays.jump[channel], arrays.jump_single[channel], arrays.jump_tail[channel]
    count, most = BLOCK * work.jump[BEFORE_BLOCKS], len(start_square)
    until, strides = work.until, len(tails) - 1
    for b in range(strides + 1):
        weight[b] = exponential(-min(arrays.slowest[b] * time, LARGEST_EXPONENT))
    # Of the error a third is for rounding, a sixth for whole columns, and half for the ends of columns.
    single = live_blocks(rest[: count + 1], finest / 3.0)
    last_column = live_blocks(rest[: count + 1], SINGLE * limit / 6.0)
    error = rest[single] + rest[last_column] / SINGLE
    share = 0.5 * limit / max(1, last_column)
    extent = 0
    # Counted, which is faster than a search with its branches.
    for j in range(last_column):
        until[j] = 0
    for b in range(strides):
        for j in range(last_column):
            until[j] += size[j] * (tails[b, j] * weight[b]) > share
    for j in range(last_column):
        done = max(until[j], -(-added[j] // TAIL_STRIDE))
        error += size[j] * (tails[done, j] * weight[done])
    for j in range(last_column):
        first, last = added[j], min(most, until[j] * TAIL_STRIDE)
        if last <= first:
            continue
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
def click(arrays, channel, wait, blocks, dropped, total, next_threshold, state, work):
    """Take the state found by `find_click` through a click, up to the product V⁻¹c_kV z, left to `extend_jump`.

    state.missing becomes the error of its direction, state.norm_error the relative error of its norm², so that
    survival probabilities down to `next_threshold` keep the tolerance.
    """
    limit = 0.5 * drop_limit(arrays, next_threshold, arrays.scalars[TOLERANCE])
    rate, norm_error = channel_rate(arrays, channel, blocks, total, work)
    corner = arrays.jump_corner[channel]
    if not dropped * corner[blocks] <= limit * np.sqrt(rate):
        # The dropped part may have a larger click rate than the kept part.
        open_base(arrays, wait, work)
        blocks = 0
        while work.base_tails[blocks] * corner[blocks] > limit * np.sqrt(max(rate, 0.0)):
            blocks += 1
        dropped = work.base_tails[blocks]
        move_to(arrays, blocks, wait, work)
        rate, norm_error = channel_rate(arrays, channel, blocks, total, work)
    scale = 1.0 / np.sqrt(rate)
    # The missing part changes the direction and the norm, each by this much.
    parts = parts_of_rate(arrays, channel, blocks, work)
    # Rounding matters more for a click that is rarer than those of the modes in the state.
    rounding = (AMPLITUDE_ERROR * np.sqrt(parts) + phase_error(arrays, channel, wait, blocks, parts, work)) * scale
    state.missing = 2.0 * dropped * corner[blocks] * scale
    state.norm_error = norm_error + FORM_ERROR * parts / rate
    state.rounded = rounding
    take_over(channel, blocks, scale, work)
    count = BLOCK * blocks
    state.leak = leak(arrays, channel, blocks, next_threshold, work)
    sum_rounding(arrays, channel, count, work)
    begin_jump(work)
    if parts > MOST_CANCELLED * rate:
        normalise_jump(arrays, channel, count, work)
        state.norm_error = 2.0 * rounding


@light_kernel()
def take_over(channel, blocks, scale, work):
    """Make ``work.here`` times `scale` the state before a jump, or another map, of the number `channel`."""
    work.jump[CHANNEL], work.jump[BEFORE_BLOCKS], work.jump[START_BLOCKS] = channel, blocks, 0
    for j in range(BLOCK * blocks):
        work.before[0, j], work.before[1, j] = work.here[0, j] * scale, work.here[1, j] * scale
        work.before_size[j] = np.sqrt(work.square[j]) * scale


@light_kernel()
def sum_rounding(arrays, channel, count, work):
    """Fill ``work.before_rest`` for the first `count` modes."""
    work.before_rest[count] = 0.0
    for j in range(count - 1, -1, -1):
        rounding = SINGLE * work.before_size[j] * arrays.jump_tail[channel, 0, j]
        work.before_rest[j] = work.before_rest[j + 1] + rounding


@light_kernel()
def normalise_jump(arrays, channel, count, work):
    """Divide ``work.before`` by the norm of the jump, taken from the jump itself.

    As a form of the state before, a small rate is a small difference of large parts, and its square root has a
    larger relative error than the jump.
    """
    extend_jump(arrays, 0.0, 0.0, 0.0, work)
    open_base(arrays, 0.0, work)
    blocks = work.jump[START_BLOCKS]
    move_to(arrays, blocks, 0.0, work)
    square, _ = form_value(arrays, 0, 0.0, blocks, work)
    scale = 1.0 / np.sqrt(square)
    for j in range(count):
        work.before[0, j] *= scale
        work.before[1, j] *= scale
        work.before_size[j] *= scale
    sum_rounding(arrays, channel, count, work)
    work.jump[START_BLOCKS] = 0
    begin_jump(work)
