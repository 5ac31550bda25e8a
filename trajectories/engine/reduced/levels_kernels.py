"""Trajectories that change between a small basis and a larger one, without a return to Python."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from ..jit import kernel, light_kernel
from ..modes.forms_kernels import BEFORE_BLOCKS, BLOCK, CHANNEL, MOST_LEAK, START_BLOCKS, SUMS_STRIDE
from ..modes.modes_kernels import advance
from ..trajectory_state import LEFT_BASIS, PAUSED
from .placement_kernels import move

# Gaps in the larger basis between two returns to the caller: a few tenths of a second.
GAPS_PER_CALL = 4096


@light_kernel()
def restart(work, amplitudes, count):
    """Begin a gap from the amplitudes of `count` modes."""
    for j in range(count):
        x, y = amplitudes[0, j], amplitudes[1, j]
        work.start[j], work.start[SUMS_STRIDE + j] = x, y
        work.start_square[j] = x * x + y * y
    for j in range(len(work.rows)):
        work.rows[j] = 0
    work.jump[CHANNEL], work.jump[BEFORE_BLOCKS], work.jump[START_BLOCKS] = -1, 0, len(work.start_square) // BLOCK


@kernel()
def moved(made, source, target, threshold, state, work, target_work):
    """Take the state after the last jump to another basis and return True, if that holds it to its share."""
    channel, blocks = work.jump[CHANNEL], work.jump[BEFORE_BLOCKS]
    size, count = min(BLOCK * blocks, source.vectors.shape[1]), target.vectors.shape[1]
    outside, image = move(made.columns[channel], work.before, size, count)
    if not outside <= target.scalars[MOST_LEAK] * threshold:
        return False
    state.norm_error += outside - state.leak
    state.missing *= made.carried[channel, blocks]
    state.elapsed, state.error = 0.0, 0.0
    restart(target_work, image, count)
    return True


@light_kernel()
def advance_between(
    small,
    large,
    up,
    down,
    stop,
    uniforms,
    observables,
    samples,
    state,
    small_work,
    large_work,
    level,
    times,
    channels,
    sampled,
    kets,
):
    """Follow one trajectory on two levels until it ends, leaves both, or a buffer has to be drained.

    A state that the small basis does not hold is taken to the large one, and after each click there back again if
    it can be. `up` and `down` are the moves, ``level[0]`` is 0 or 1; the other arguments are those of
    `modes_kernels.advance`. LEFT_BASIS means that neither basis holds the state after the last jump.
    """
    for _ in range(GAPS_PER_CALL):
        if level[0] == 0:
            status = advance(
                small, stop, uniforms, observables, samples, state, small_work, times, channels, sampled, kets
            )
            if status != LEFT_BASIS:
                return status
            threshold = 1.0 - uniforms[state.next_uniform]
            if not moved(up, small, large, threshold, state, small_work, large_work):
                return LEFT_BASIS
            level[0] = 1
        before = state.n_clicks
        # One gap at a time; then the small basis is tried again.
        some, kinds = times[: before + 1], channels[: before + 1]
        status = advance(
            large, stop, uniforms, observables, samples, state, large_work, some, kinds, sampled, kets
        )
        if state.n_clicks == before:
            return status
        threshold = 1.0 - uniforms[state.next_uniform]
        if moved(down, large, small, threshold, state, large_work, small_work):
            level[0] = 0
        elif status == LEFT_BASIS:
            return LEFT_BASIS
    return PAUSED
