"""Kernels of the eigenmode propagator: a trajectory in the eigenbasis of H_eff.

With H_eff = VΛV⁻¹ and z = V⁻¹ψ every mode evolves alone, z_j(t) = z_j e^{−iλ_j t}, and the survival probability
is S(t) = z†Gz with G = V†V. A click is found by Newton steps on ln S with three exact derivatives; then come the
channel, by Hermitian forms of z, and the jump, by the maps V⁻¹c_kV. Which modes, pairs of modes and entries count
is decided against the tolerance, so the work follows their number and hardly grows with N.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from .forms_kernels import (
    BRACKET,
    FASTEST,
    FASTEST_DECAY,
    TAIL_STRIDE,
    TOLERANCE,
    VECTORS_NORM,
    form_value,
    list_pairs,
    norm_and_slope,
    settle,
)
from .jit import kernel
from .jump_kernels import expectation
from .phase_kernels import exponentials
from .slots import (
    CLICKS_FULL,
    ERROR,
    GAP_START,
    HORIZON,
    N_CLICKS,
    NEED_UNIFORMS,
    NEXT_SAMPLE,
    NEXT_UNIFORM,
    NO_BRACKET,
    NORM_ERROR,
    PAUSED,
    PRODUCTS,
    THRESHOLD,
    WORST_ERROR,
)

# How far a search may go back without listing its pairs anew, in units of the inverse of the fastest decay; the
# error of what was left out grows by e^{2·RETREAT} at the most, which is allowed for.
RETREAT = 0.25
# Relative accuracy of S that the listed pairs are chosen for; the last digits come from one exact evaluation.
COARSE = 1e-7
# Gaps between two returns to the caller: about half a second.
GAPS_PER_CALL = 4096
# Relative error that rounding adds to S; measured.
ROUNDING = 4e-14
# A column of a jump map is added whole, which vectorises, where that touches at most so many rows for each entry
# that counts.
DENSE_ADVANTAGE = 6


@kernel()
def rotate(energy, decay, count, time, source, target, phase):
    """Write z_j e^{−iλ_j·time} into `target`; `phase` is scratch."""
    exponentials(energy, decay, count, time, phase[0], phase[1])
    for n in range(count):
        x, y = source[0, n], source[1, n]
        target[0, n] = x * phase[0, n] - y * phase[1, n]
        target[1, n] = x * phase[1, n] + y * phase[0, n]


@kernel()
def choose_live(arrays, time, limit, work):
    """Choose the modes that count from `time` on; return their number and the norm of what is left out.

    Every mode only decays, so what is below the limit now stays there. The norm is at most `limit`.
    """
    threshold = 0.25 * limit
    while True:
        live = 0
        dropped = 0.0
        for j in range(len(arrays.energy)):
            x, y = work.start[0, j], work.start[1, j]
            square = x * x + y * y
            if square > threshold * threshold:
                decayed = square * np.exp(-2.0 * arrays.decay[j] * time)
                if decayed > threshold * threshold:
                    work.live[live] = j
                    live += 1
                else:
                    dropped += decayed
            else:
                dropped += square
        if dropped <= limit * limit:
            break
        threshold *= 0.25
    for n in range(live):
        j = work.live[n]
        work.energy[n], work.decay[n] = arrays.energy[j], arrays.decay[j]
        work.begin[0, n], work.begin[1, n] = work.start[0, j], work.start[1, j]
    return live, np.sqrt(dropped)


@kernel()
def open_base(arrays, time, threshold, work):
    """Make `time` the base point of the search; return the live modes, the pairs, and the norm left out.

    The listed pairs give S to a relative COARSE from a little before the base point on.
    """
    scalars = arrays.scalars
    limit = scalars[TOLERANCE] * np.sqrt(threshold) / (8.0 * scalars[VECTORS_NORM])
    earliest = max(0.0, time - RETREAT / (scalars[FASTEST_DECAY] + 1e-300))
    live, dropped = choose_live(arrays, earliest, limit, work)
    move_to(live, time, work)
    listed, pairs = list_pairs(arrays, COARSE * threshold, live, work)
    return live, listed, pairs, dropped


@kernel()
def move_to(live, time, work):
    """Make ``work.here`` the settled state of the live modes at `time`."""
    rotate(work.energy, work.decay, live, time, work.begin, work.here, work.phase)
    settle(live, work)


@kernel()
def survival(listed, pairs, time, work):
    """Return S and its first three derivatives at `time` after the base point, from the listed pairs.

    S = Σ|z_j|² + 2Re Σ_{i<j} conj(z_i) G_ij z_j; every term is an exponential.
    """
    p, q = work.phase[0], work.phase[1]
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    exponentials(work.listed_energy, work.listed_decay, listed, time, p, q)
    for n in range(listed):
        square = work.listed_square[n] * (p[n] * p[n] + q[n] * q[n])
        rate = -2.0 * work.listed_decay[n]
        s0 += square
        square *= rate
        s1 += square
        square *= rate
        s2 += square
        s3 += square * rate
    for k in range(pairs):
        i, j = work.pair_first[k], work.pair_second[k]
        a, b, c, d = p[i], q[i], p[j], q[j]
        turn_real, turn_imag = a * c + b * d, a * d - b * c
        u, v = work.pair_real[k], work.pair_imag[k]
        x, y = u * turn_real - v * turn_imag, u * turn_imag + v * turn_real
        g = -(work.listed_decay[i] + work.listed_decay[j])
        w = work.listed_energy[i] - work.listed_energy[j]
        s0 += x
        x, y = x * g - y * w, x * w + y * g
        s1 += x
        x, y = x * g - y * w, x * w + y * g
        s2 += x
        s3 += x * g - y * w
    return s0, s1, s2, s3


@kernel()
def first_guess(arrays, threshold, work):
    """Guess the waiting time from the decays alone: Σ|z_j|² e^{−2γ_j t} = threshold, by Newton on the logarithm.

    The logarithm of a sum of decays is convex, so that Newton from the left never overshoots. Returns infinity
    when the slowest modes hold more than the threshold for ever.
    """
    count = 0
    for j in range(len(arrays.energy)):
        square = work.start[0, j] * work.start[0, j] + work.start[1, j] * work.start[1, j]
        if square > 1e-3 * threshold:
            work.energy[count] = square
            work.decay[count] = 2.0 * arrays.decay[j]
            count += 1
    time = 0.0
    for _ in range(50):
        total, slope = 0.0, 0.0
        for n in range(count):
            share = work.energy[n] * np.exp(-work.decay[n] * time)
            total += share
            slope += work.decay[n] * share
        if total <= threshold:
            return time
        if slope <= 0.0:
            return np.inf
        step = np.log(total / threshold) * total / slope
        time += step
        if step < 1e-4 * time:
            return time
    return time


@kernel()
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
    return step if abs(step) < 4.0 * abs(newton) else newton


@kernel()
def find_click(arrays, window, reals, integers, work):
    """Find the time since the last click at which S falls to its threshold.

    Cubic Newton steps on ln S from the listed pairs, kept inside the bracket of all values seen, lead to a root
    that is right to COARSE. There S and its slope are computed to the tolerance. The step that they still ask for
    is taken if S is a straight line over it, else carried on as a correction of the listed pairs. The path does
    not depend on `window`; it only tells when a search may be given up, because S is still above the threshold.

    Returns the time (−1: no click within the window; −2: no bracket), the number of live modes, and −dS/dt. On
    return ``work.here`` is the settled state of the live modes at that time.
    """
    threshold = reals[THRESHOLD]
    scalars = arrays.scalars
    reach = RETREAT / (scalars[FASTEST_DECAY] + 1e-300)
    exact_limit = 0.25 * scalars[TOLERANCE] * threshold
    guess = first_guess(arrays, threshold, work)
    low, high = 0.0, np.inf
    base, live, listed, pairs, dropped = np.inf, 0, 0, 0, 0.0
    correction = 0.0
    checked = False
    for _ in range(500):
        if guess > window and not checked:
            checked = True
            live, listed, pairs, dropped = open_base(arrays, window, threshold, work)
            base = np.inf
            s0, s1 = norm_and_slope(arrays, exact_limit, live, work)
            # A click on the very edge of the window is decided by its time.
            if s0 - threshold >= -s1 * max(scalars[BRACKET], 4.0 * np.spacing(window)):
                return -1.0, 0, 0.0
        if guess == np.inf:
            guess = 2.0 * max(low, 1.0 / scalars[FASTEST])
        if guess < base - reach:
            base, correction = guess, 0.0
            live, listed, pairs, dropped = open_base(arrays, base, threshold, work)
        integers[PRODUCTS] += 1
        s0, s1, s2, s3 = survival(listed, pairs, guess - base, work)
        if not s0 > 0.0:
            return -2.0, 0, 0.0
        excess = np.log(s0 / threshold) + correction
        if excess >= 0.0:
            low = max(low, guess)
        else:
            high = min(high, guess)
        step = newton_step(excess, s0, s1, s2, s3)
        # A few ulps are as near as two times can be told apart in slow units.
        bracket = max(scalars[BRACKET], 4.0 * np.spacing(guess))
        if abs(step) < 0.45 * bracket or high - low <= bracket:
            guess += step if abs(step) < bracket else 0.0
            move_to(live, guess, work)
            s0, s1 = norm_and_slope(arrays, exact_limit, live, work)
            offset = np.log(s0 / threshold)
            step = -offset * s0 / s1 if s1 < 0.0 else 0.0
            # The curvature of the listed pairs says how straight S is over the step.
            if abs(s2) * step * step < -0.4 * bracket * s1 or abs(offset) < exact_limit:
                # S − u changes sign within ±bracket/2 of the root of the line.
                guess += step
                move_to(live, guess, work)
                state_error = 2.0 * scalars[VECTORS_NORM] * (dropped + reals[ERROR]) / np.sqrt(threshold)
                bound = 0.25 * scalars[TOLERANCE] + state_error + reals[NORM_ERROR] + ROUNDING
                reals[WORST_ERROR] = max(reals[WORST_ERROR], bound)
                return guess, live, -(s1 + step * s2)
            correction += offset
            low, high = 0.0, np.inf
        target = guess + step
        if not low < target < high:
            target = 0.5 * (low + high)
        guess = target
    return -2.0, 0, 0.0


@kernel()
def choose_channel(arrays, live, target, total, work):
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
            rate, error = form_value(arrays, 1 + k, limit, live, work)
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
            return channels - 1 if arrays.diagonal[channels].max() > 0.0 else last
        if limit < 1e-13 * total:
            return last
        limit *= 1e-3


@kernel()
def bisect_tails(tails, amplitude, budget):
    """Return the first position from which amplitude × tail is within the budget; tails fall to 0."""
    few, many = 0, len(tails) - 1
    while few < many:
        middle = (few + many) // 2
        if amplitude * tails[middle] <= budget:
            many = middle
        else:
            few = middle + 1
    return many


@kernel()
def jump(arrays, channel, live, total, threshold, reals, work):
    """Replace ``work.start`` by V⁻¹c_kV z/‖c_kψ‖ of the settled state.

    reals[ERROR] becomes the error of its direction, reals[NORM_ERROR] the relative error of its norm².

    Of each column only so much is added as can matter for a survival probability down to `threshold`: its first
    rows, or where those are many, its largest entries.
    """
    size = len(arrays.energy)
    scalars = arrays.scalars
    limit = 0.25 * scalars[TOLERANCE] * total / len(arrays.jump)
    rate, error = form_value(arrays, 1 + channel, limit, live, work)
    while error > 0.25 * scalars[TOLERANCE] * rate and limit > 0.0:
        # A rate far below the others needs its own accuracy; a limit of 0 takes all that the form holds.
        limit = 0.25 * scalars[TOLERANCE] * (rate - error) if rate > 2.0 * error else 0.0
        rate, error = form_value(arrays, 1 + channel, limit, live, work)
    scale = 1.0 / np.sqrt(rate)
    budget = scalars[TOLERANCE] * np.sqrt(threshold) / (8.0 * scalars[VECTORS_NORM] * max(1, live))
    real, imag = work.start[0], work.start[1]
    real[:] = 0.0
    imag[:] = 0.0
    left_out = 0.0
    for n in range(live):
        j = work.live[n]
        x, y = work.here[0, n] * scale, work.here[1, n] * scale
        amplitude = np.sqrt(x * x + y * y)
        blocks = bisect_tails(arrays.jump_tail[channel, j], amplitude, budget)
        entries = bisect_tails(arrays.sorted_tail[channel, j], amplitude, budget)
        rows = min(size, blocks * TAIL_STRIDE)
        if rows <= DENSE_ADVANTAGE * entries:
            left_out += amplitude * arrays.jump_tail[channel, j, blocks]
            column_real, column_imag = arrays.jump[channel, j, 0], arrays.jump[channel, j, 1]
            for i in range(rows):
                real[i] += column_real[i] * x - column_imag[i] * y
                imag[i] += column_real[i] * y + column_imag[i] * x
        else:
            left_out += amplitude * arrays.sorted_tail[channel, j, entries]
            order = arrays.sorted_row[channel, j]
            column_real, column_imag = arrays.jump[channel, j, 0], arrays.jump[channel, j, 1]
            for p in range(entries):
                i = order[p]
                real[i] += column_real[i] * x - column_imag[i] * y
                imag[i] += column_real[i] * y + column_imag[i] * x
    reals[ERROR] = left_out
    reals[NORM_ERROR] = error / rate


@kernel()
def _sample(arrays, observables, samples, until, reals, integers, work, sampled):
    """Write ⟨O⟩ at every sample time before `until`."""
    while integers[NEXT_SAMPLE] < len(samples) and samples[integers[NEXT_SAMPLE]] < until:
        here = integers[NEXT_SAMPLE]
        count = len(work.psi)
        time = samples[here] - reals[GAP_START]
        rotate(arrays.energy, arrays.decay, count, time, work.start, work.sampled, work.phase)
        for i in range(count):
            amplitude = 0.0j
            for j in range(count):
                amplitude += arrays.vectors[i, j] * complex(work.sampled[0, j], work.sampled[1, j])
            work.psi[i] = amplitude
        expectation(observables, work.psi, sampled[here])
        integers[NEXT_SAMPLE] += 1


@kernel()
def advance(arrays, stop, uniforms, observables, samples, reals, integers, work, times, channels, sampled):
    """Follow one trajectory until it ends or a buffer has to be drained; return why it came back.

    The arguments are those of `sparse_kernels.advance`; ``work.start`` is the state at GAP_START.
    """
    end = np.nextafter(stop, np.inf)
    for _ in range(GAPS_PER_CALL):
        if integers[N_CLICKS] == len(times):
            return CLICKS_FULL
        # Two for this gap, and a look at the next one's threshold, which says how accurate the jump must be.
        if integers[NEXT_UNIFORM] + 3 > len(uniforms):
            return NEED_UNIFORMS
        reals[THRESHOLD] = 1.0 - uniforms[integers[NEXT_UNIFORM]]
        wait, live, total = find_click(arrays, stop - reals[GAP_START], reals, integers, work)
        if wait == -2.0:
            return NO_BRACKET
        click = np.inf if wait < 0.0 else reals[GAP_START] + wait
        _sample(arrays, observables, samples, min(click, end), reals, integers, work, sampled)
        if click > stop:
            return HORIZON
        chosen = choose_channel(arrays, live, uniforms[integers[NEXT_UNIFORM] + 1] * total, total, work)
        integers[NEXT_UNIFORM] += 2
        times[integers[N_CLICKS]] = click
        channels[integers[N_CLICKS]] = chosen
        integers[N_CLICKS] += 1
        jump(arrays, chosen, live, total, 1.0 - uniforms[integers[NEXT_UNIFORM]], reals, work)
        reals[GAP_START] = click
    return PAUSED
