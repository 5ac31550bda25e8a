"""Kernels of the eigenmode propagator: a trajectory in the eigenbasis of H_eff.

With H_eff = VΛV⁻¹ and z = V⁻¹ψ the modes evolve independently, z_j(t) = z_j e^{−iλ_j t}, and the survival
probability is S(t) = z†Gz with G = V†V. A click is found by Newton steps on ln S with three exact derivatives,
first from the few modes that give S roughly, then from more and more; then come the channel, by Hermitian forms of
z, and the jump, by the maps V⁻¹c_kV. Which modes, pairs of modes and entries count is decided against the
tolerance, so the work follows their number and hardly grows with N.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import kernel, light_kernel
from ..jump_kernels import expectation, keep_ket
from ..phase_kernels import exponentials
from ..trajectory_state import (
    CLICKS_FULL,
    HORIZON,
    LEFT_BASIS,
    NEED_UNIFORMS,
    NO_BRACKET,
    NO_CLICK,
    NOT_BRACKETED,
    PAUSED,
)
from .forms_kernels import (
    BLOCK,
    BRACKET,
    DRIFT,
    FASTEST,
    FLOOR,
    FOURTH,
    MOST_LEAK,
    ROUNDING,
    STRAIGHT,
    SUMS_STRIDE,
    TOLERANCE,
    TURNED,
    VECTORS_NORM,
    move_to,
    survival,
)
from .modal_jump_kernels import (
    checked_total,
    choose_channel,
    click,
    drop_limit,
    extend_jump,
    live_blocks,
    open_base,
    resolved,
)

# A search goes through these relative accuracies of S, and then the tolerance.
LEVELS = (1e-3, 1e-6)
# A search on few modes may go back by this share of the waiting time before its modes are chosen anew.
ROOM = 0.25
# Evaluations at one level; more than one or two are rare.
ROUNDS = 30
# A search to the tolerance chooses its modes for a time before the guess, by this over the fastest frequency, so
# that it can take a small step back.
RETREAT = 0.5
# Error of the polynomial for S, as a share of the tolerance.
TAYLOR_SHARE = 0.125
# Gaps between two returns to the caller: a few tenths of a second.
GAPS_PER_CALL = 4096
# Evaluations of a search, and after how many of them it only halves its bracket.
MOST_ROUNDS, NEWTON_ROUNDS = 2000, 100
# From this ratio of its ends on a bracket is halved on a logarithmic scale.
WIDE = 16.0
# A threshold that lies within rounding of where S is flat is lowered: at first by this, or an eighth of the
# tolerance, and then by so many times more.
LOWERED, LOWERED_MORE = 1e-12, 4.0
MOST_LOWERINGS = 60


@light_kernel()
def first_guess(arrays, threshold, work):
    """Guess the waiting time from the decays alone: Σ|z_j|² e^{−2γ_j t} = threshold, by Newton on the logarithm.

    The logarithm of a sum of decays is convex, so that Newton from the left never overshoots. Returns infinity
    when the slowest modes hold more than the threshold for ever.
    """
    share, rate = work.phase[0], work.phase[1]
    blocks = live_blocks(work.base_tails, np.sqrt(1e-2 * threshold))
    count = 0
    for j in range(BLOCK * blocks):
        share[count], rate[count] = work.start_square[j], 2.0 * arrays.decay[j]
        count += share[count] > 1e-2 * threshold
    time = 0.0
    for _ in range(50):
        total, slope = 0.0, 0.0
        for n in range(count):
            left = share[n] * np.exp(-rate[n] * time)
            total += left
            slope += rate[n] * left
        if total <= threshold:
            return time
        if slope <= 0.0:
            return np.inf
        step = np.log(total / threshold) * total / slope
        time += step
        if step < 1e-2 * time:
            return time
    return time


@light_kernel()
def newton_step(excess, s0, s1, s2, s3):
    """Return the δ at which the cubic Taylor polynomial of ln S falls by `excess`, which is ln S(0) − ln u."""
    first = s1 / s0
    if not first < 0.0:
        return np.inf
    second = s2 / s0 - first * first
    third = s3 / s0 - 3.0 * first * s2 / s0 + 2.0 * first * first * first
    newton = -excess / first
    step = newton
    for _ in range(4):
        slope = first + step * (second + 0.5 * step * third)
        if not slope < 0.0:
            return newton
        step -= (excess + step * (first + step * (0.5 * second + step * third / 6.0))) / slope
    # A step in the wrong direction, or far beyond, is a failed extrapolation.
    return step if step * newton > 0.0 and abs(step) < 4.0 * abs(newton) else newton


@light_kernel()
def open_exact(arrays, time, state, work):
    """Open the base for a search to the tolerance; return the live blocks and the norm of what is left out.

    state.error becomes the error of the state with which the gap began, as far as it is felt from `time` on.
    """
    limit = drop_limit(arrays, state.threshold, arrays.scalars[TOLERANCE])
    state.error = state.missing + extend_jump(arrays, 0.5 * limit, 0.5 * limit, time, work)
    open_base(arrays, time, work)
    blocks = live_blocks(work.base_tails, limit)
    return blocks, work.base_tails[blocks]


@kernel()
def gap_start(work):
    """Return a copy of the state at the start of the gap, as far as the jump has been carried out."""
    size = len(work.start_square)
    start = np.empty(2 * size)
    for j in range(size):
        start[j], start[size + j] = work.start[j], work.start[SUMS_STRIDE + j]
    return start, work.start_square.copy(), work.rows.copy(), work.jump.copy()


@light_kernel()
def put_back(saved, work):
    """Undo what has been done to the start of the gap since `saved` was taken."""
    start, square, rows, jump = saved
    # No slices, because their checks of shapes include code that formats text, which takes long to compile.
    for j in range(len(square)):
        work.start[j], work.start[SUMS_STRIDE + j] = start[j], start[len(square) + j]
        work.start_square[j], work.rows[j] = square[j], rows[j]
    for k in range(len(jump)):
        work.jump[k] = jump[k]


@kernel()
def survives(arrays, window, state, work):
    """Whether there is no click before the end of the window. Leaves the start of the gap as it found it."""
    scalars, threshold = arrays.scalars, state.threshold
    saved, error = gap_start(work), state.error
    blocks, _ = open_exact(arrays, window, state, work)
    move_to(arrays, blocks, window, work)
    s0, s1, _, _ = survival(arrays, 0.25 * scalars[TOLERANCE] * threshold, blocks, work)
    put_back(saved, work)
    state.error = error
    # A click at the end of the observation window is decided by its time.
    return s0 - threshold >= -s1 * max(scalars[BRACKET], 4.0 * np.spacing(window))


@light_kernel()
def begin_search(arrays, threshold, work):
    """Carry out as much of the jump as a rough search needs, and return the first guess of the waiting time."""
    tolerance = arrays.scalars[TOLERANCE]
    finest = 0.5 * drop_limit(arrays, threshold, tolerance)
    extend_jump(arrays, drop_limit(arrays, threshold, max(tolerance, LEVELS[-1])), finest, 0.0, work)
    open_base(arrays, 0.0, work)
    return first_guess(arrays, threshold, work)


@light_kernel()
def approach(arrays, guess, state, work):
    """Return roughly the time since the last click at which S falls to its threshold; infinity where it may never.

    From the guess of `begin_search` cubic Newton steps on ln S, kept inside the bracket of all values seen at one
    level of accuracy, lead from level to level. A level is left when its error is all that is left of ln S − ln u.
    """
    threshold, tolerance = state.threshold, arrays.scalars[TOLERANCE]
    for level in range(len(LEVELS)):
        accuracy = max(tolerance, LEVELS[level])
        limit = drop_limit(arrays, threshold, accuracy)
        low, high, base, blocks = 0.0, np.inf, np.inf, 0
        for _ in range(ROUNDS):
            if not guess < np.inf:
                return np.inf
            if guess < base:
                base = (1.0 - ROOM) * guess
                open_base(arrays, base, work)
                blocks = live_blocks(work.base_tails, limit)
            state.products += 1
            move_to(arrays, blocks, guess, work)
            s0, s1, s2, s3 = survival(arrays, 0.25 * accuracy * threshold, blocks, work)
            if not s0 > 0.0:
                break
            excess = np.log(s0 / threshold)
            if excess >= 0.0:
                low = max(low, guess)
            else:
                high = min(high, guess)
            target = guess + newton_step(excess, s0, s1, s2, s3)
            done = abs(excess) < 4.0 * accuracy
            if low < target < high:
                guess = target
            elif not done:
                guess = 0.5 * (low + high)
            if done:
                break
    return guess


@light_kernel()
def between(low, high, shortest):
    """Return a time within a bracket, whose ends may be many orders of magnitude apart."""
    near = max(low, shortest)
    return np.sqrt(near) * np.sqrt(high) if high > WIDE * near else 0.5 * (low + high)


@light_kernel()
def find_click(arrays, guess, window, state, work):
    """Find the time since the last click at which S falls to its threshold, from a good guess as of `approach`.

    Takes Newton steps with S to the tolerance, until the step is so short that the Taylor polynomial is S itself.
    The path does not depend on `window`; it only tells when the search may be given up, because S is still above
    the threshold there.

    Returns the time, or NO_CLICK or NOT_BRACKETED, the number of live blocks, the norm of what is left out of
    them, and −dS/dt. On return ``work.here`` is the state of the live blocks at that time.
    """
    threshold, scalars = state.threshold, arrays.scalars
    tolerance = scalars[TOLERANCE]
    low, high, base = 0.0, np.inf, np.inf
    blocks, dropped = 0, 0.0
    checked, underflowed = False, False
    shortest = 1.0 / scalars[FASTEST]
    for rounds in range(MOST_ROUNDS):
        if not guess < np.inf:
            guess = 2.0 * max(low, shortest)
        if guess > window and not checked:
            checked = True
            if survives(arrays, window, state, work):
                return NO_CLICK, 0, 0.0, 0.0
        if guess < base:
            base = max(0.0, guess - RETREAT / scalars[FASTEST])
            blocks, dropped = open_exact(arrays, base, state, work)
        state.products += 1
        move_to(arrays, blocks, guess, work)
        s0, s1, s2, s3 = survival(arrays, 0.25 * tolerance * threshold, blocks, work)
        if not s0 > 0.0:
            # What is left is below all that was kept: the click has been before.
            high, underflowed = min(high, guess), True
            guess = between(low, high, shortest)
            continue
        excess = np.log(s0 / threshold)
        if excess >= 0.0:
            low = max(low, guess)
        else:
            high = min(high, guess)
        step = newton_step(excess, s0, s1, s2, s3)
        # The Taylor polynomial leaves out less than the fourth derivative allows.
        left_out = scalars[FOURTH] * (step * step * work.tails[0]) ** 2
        straight = abs(step) * scalars[FASTEST] < STRAIGHT and left_out < TAYLOR_SHARE * tolerance * threshold
        # In slow units times are resolved to a few ulps only.
        closed = high - low <= max(scalars[BRACKET], 4.0 * np.spacing(guess))
        if straight or closed:
            step = max(step, -guess) if straight else 0.0
            guess += step
            move_to(arrays, blocks, guess, work)
            # Back from the base by so little, what is left out is larger by a factor of less than this.
            missing = (1.0 + STRAIGHT) * (dropped + state.error)
            bound = 0.25 * tolerance + 2.0 * scalars[VECTORS_NORM] * missing / np.sqrt(threshold)
            bound += state.norm_error + scalars[FLOOR] + scalars[DRIFT] * guess
            # An error of the state never grows, but its part in the slowest mode may decay less than the state.
            grown = max(1.0, np.exp(-arrays.slowest[0] * guess) / np.sqrt(threshold))
            bound += 2.0 * scalars[TURNED] + 2.0 * grown * (scalars[ROUNDING] + state.rounded)
            bound += left_out / threshold if straight else abs(excess)
            state.worst_error = max(state.worst_error, bound)
            return guess, blocks, dropped, -(s1 + step * (s2 + 0.5 * step * s3))
        target = guess + step
        if not low < target < high or rounds > NEWTON_ROUNDS:
            target = between(low, high, shortest) if underflowed or rounds > NEWTON_ROUNDS else 0.5 * (low + high)
        guess = target
    return NOT_BRACKETED, 0, 0.0, 0.0


@light_kernel()
def find_resolved_click(arrays, guess, near, window, state, work):
    """Find a click from the guess of `begin_search`, or one that is `near`, but later where it cannot come yet.

    Just after a jump the click rate may be zero. With a threshold within rounding of 1, or of a level at which S
    stays, S alone cannot tell when it falls. Then the threshold is lowered, by what the tolerance allows at first,
    until the rates at the click are more than rounding.
    """
    lower, lowered = min(LOWERED, 0.125 * arrays.scalars[TOLERANCE]), 0.0
    wait, blocks, dropped, total = NOT_BRACKETED, 0, 0.0, 0.0
    for _ in range(MOST_LOWERINGS):
        if not near:
            guess = approach(arrays, guess, state, work)
        near = False
        wait, blocks, dropped, total = find_click(arrays, guess, window, state, work)
        if wait < 0.0:
            break
        total = checked_total(arrays, state.threshold, blocks, total, work)
        if resolved(arrays, blocks, total, work):
            break
        state.threshold *= 1.0 - lower
        lowered += lower
        lower = min(LOWERED_MORE * lower, 0.5)
        guess = begin_search(arrays, state.threshold, work)
    if lowered > 0.0 and wait >= 0.0:
        state.worst_error = max(state.worst_error, 0.25 * arrays.scalars[TOLERANCE] + lowered)
    return wait, blocks, dropped, total


@kernel()
def _sample(arrays, observables, samples, until, state, work, sampled, kets):
    """Write ⟨O⟩ at every sample time before `until`, and the states at the last ones."""
    if not (state.next_sample < len(samples) and samples[state.next_sample] < until):
        return
    # The whole state is needed from the start of the gap, but sampling must not change the clicks.
    saved = gap_start(work)
    limit = 0.5 * drop_limit(arrays, state.threshold, arrays.scalars[TOLERANCE])
    extend_jump(arrays, limit, limit, 0.0, work)
    while state.next_sample < len(samples) and samples[state.next_sample] < until:
        here = state.next_sample
        count = arrays.vectors.shape[1]
        time = samples[here] - state.gap_start
        p, q = work.phase[0], work.phase[1]
        exponentials(arrays.energy, arrays.decay, count, time, p, q)
        for i in range(len(arrays.states)):
            amplitude = 0.0j
            for j in range(count):
                z = complex(work.start[j], work.start[SUMS_STRIDE + j])
                amplitude += arrays.vectors[i, j] * (z * complex(p[j], q[j]))
            work.psi[arrays.states[i]] = amplitude
        expectation(observables, work.psi, sampled[here])
        keep_ket(work.psi, here, len(samples), kets)
        state.next_sample += 1
    put_back(saved, work)


@light_kernel()
def advance(arrays, stop, uniforms, observables, samples, state, work, times, channels, sampled, kets):
    """Follow one trajectory until it ends or a buffer has to be drained; return why it came back.

    The arguments are those of `sparse_kernels.advance`; ``work.start`` is the ket at ``state.gap_start``.
    """
    end = np.nextafter(stop, np.inf)
    for _ in range(GAPS_PER_CALL):
        if state.n_clicks == len(times):
            return CLICKS_FULL
        # Two for this gap, and the threshold of the next one, which sets the accuracy of the jump.
        if state.next_uniform + 3 > len(uniforms):
            return NEED_UNIFORMS
        state.threshold = 1.0 - uniforms[state.next_uniform]
        window = stop - state.gap_start
        guess = begin_search(arrays, state.threshold, work)
        wait, blocks, dropped, total = find_resolved_click(arrays, guess, False, window, state, work)
        if wait == NOT_BRACKETED:
            return NO_BRACKET
        time = np.inf if wait < 0.0 else state.gap_start + wait
        _sample(arrays, observables, samples, min(time, end), state, work, sampled, kets)
        if time > stop:
            return HORIZON
        chosen = choose_channel(
            arrays, state.threshold, blocks, uniforms[state.next_uniform + 1] * total, total, work
        )
        state.next_uniform += 2
        times[state.n_clicks] = time
        channels[state.n_clicks] = chosen
        state.n_clicks += 1
        next_threshold = 1.0 - uniforms[state.next_uniform]
        click(arrays, chosen, wait, blocks, dropped, total, next_threshold, state, work)
        state.gap_start = time
        state.norm_error += state.leak
        if state.leak > arrays.scalars[MOST_LEAK] * next_threshold:
            return LEFT_BASIS
    return PAUSED
