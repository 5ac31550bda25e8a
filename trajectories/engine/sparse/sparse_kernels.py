"""Kernels of the sparse propagator: a trajectory by the Chebyshev expansion of exp(−iH_eff t)ψ."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import kernel, light_kernel
from ..jump_kernels import apply_jump, choose_channel, click_rates, copy_ket, expectation, keep_ket, squared_norm
from ..trajectory_state import CLICKS_FULL, DARK, HORIZON, NEED_UNIFORMS, NO_BRACKET, NOT_BRACKETED, PAUSED
from .chebyshev_kernels import BRACKET, DRIFT, LARGEST_DECAY, RADIUS, STEP, TRUNCATION, apply_scaled, propagate

# Work between two returns to the caller, in entries of the state times products: about half a second.
PAUSE_AFTER = 2**26
# A state does not click when its rate is below this fraction of the largest possible rate: rounding squared.
DARK_FRACTION = 1e-26
# A Krylov space is closed when the next vector is this short relative to H; if it does not close it is not dark.
CLOSED = 1e-14
MOST_DARK_VECTORS = 64
# Relative error of a number by rounding.
ROUNDING = 2.0**-52
# Relative errors of the state by rounding, measured: those of whole steps, whose coefficients are right to the
# last bit, add up like random numbers; in a search the coefficients have errors of their own.
STEP_ROUNDING, SEARCH_ROUNDING = 2.0**-51, 2.0**-49
# Radius × time at which the latter was measured.
LONGEST_ANGLE = 256.0
# Factor by which a threshold is lowered that S has reached by rounding alone.
LOST_TO_ROUNDING = 1e-9
# Newton steps before bisection takes over.
MOST_NEWTON_STEPS = 50


@kernel()
def dark_space(arrays, jumps, psi, work):
    """Return an orthonormal basis, as rows, of the Krylov space of a state that can never click; else no rows.

    The state is dark when its Krylov space closes before any vector of it has a click rate. The vectors are
    orthonormal, so that a path to a lossy state counts however weak its links are; a link weaker than rounding
    closes the space. A space that has not closed after MOST_DARK_VECTORS is not called dark.
    """
    size = len(psi)
    basis = np.empty((min(MOST_DARK_VECTORS, size) + 1, size), np.complex128)
    start = np.sqrt(squared_norm(psi))
    for i in range(size):
        basis[0, i] = psi[i] / start
    threshold = DARK_FRACTION * arrays.scalars[LARGEST_DECAY]
    for k in range(len(basis) - 1):
        if click_rates(jumps, basis[k], work.rates) > threshold:
            return basis[:0]
        following = basis[k + 1]
        copy_ket(apply_scaled(arrays, basis[k], work), following)
        # Twice, because one pass of Gram and Schmidt loses orthogonality to rounding.
        for _ in range(2):
            for j in range(k + 1):
                overlap = 0.0j
                for i in range(size):
                    overlap += np.conj(basis[j, i]) * following[i]
                for i in range(size):
                    following[i] -= overlap * basis[j, i]
        norm = np.sqrt(squared_norm(following))
        if norm < CLOSED:
            return basis[: k + 1]
        for i in range(size):
            following[i] /= norm
    return basis[:size] if size <= MOST_DARK_VECTORS else basis[:0]


@kernel()
def is_dark(arrays, jumps, psi, work):
    """Whether a state can never click."""
    return len(dark_space(arrays, jumps, psi, work)) > 0


@light_kernel()
def search_error(arrays, time):
    """Return the relative error of the state after one propagation of a search."""
    scalars = arrays.scalars
    share = np.sqrt(min(1.0, scalars[RADIUS] * time / LONGEST_ANGLE))
    return scalars[TRUNCATION] + ROUNDING + SEARCH_ROUNDING * share


@light_kernel()
def find_click(arrays, jumps, step, state, work):
    """Bracket the time within [0, step] at which the survival probability falls to its threshold.

    Newton steps on ln S, whose slope −Σ‖c_kψ‖²/S is known exactly, kept inside a bracket. On return
    `work.lower` holds the state at the click. Returns the click time, or NOT_BRACKETED.
    """
    # In slow units times are resolved to a few ulps of the step only.
    bracket = max(arrays.scalars[BRACKET], 4.0 * np.spacing(step))
    low = 0.0
    high = step
    copy_ket(work.psi, work.lower)
    goal = np.log(state.threshold)
    # A straight line through both ends of ln S, of which the upper one is in `work.trial`, is the first guess.
    at_start = np.log(state.survival)
    guess = high * (at_start - goal) / (at_start - np.log(squared_norm(work.trial)))
    for iteration in range(200):
        if not low < guess < high or iteration >= MOST_NEWTON_STEPS:
            guess = 0.5 * (low + high)
        state.products += propagate(arrays, work.lower, guess - low, work.trial, work)
        made = search_error(arrays, guess - low) * np.sqrt(state.survival)
        value = squared_norm(work.trial)
        excess = np.log(value) - goal
        slope = -click_rates(jumps, work.trial, work.rates) / value
        newest_low = excess >= 0.0
        if newest_low:
            low = guess
            state.error += made
            copy_ket(work.trial, work.lower)
        else:
            high = guess
        if high - low <= bracket:
            # Within the bracket ln S is a straight line: one more Newton step gives the time and the state.
            refined = guess - excess / slope if slope < 0.0 else low
            refined = min(max(refined, low), high)
            state.products += propagate(arrays, work.lower, refined - low, work.trial, work)
            state.error += search_error(arrays, refined - low) * np.sqrt(state.survival)
            copy_ket(work.trial, work.lower)
            return refined
        newton = -excess / slope if slope < 0.0 else high - low
        if abs(newton) < 0.5 * bracket:
            # Converged from one side: probe just beyond the root so that the bracket closes.
            newton = 0.9 * bracket if newest_low else -0.9 * bracket
        guess = guess + newton
    return NOT_BRACKETED


@kernel()
def turned_by_rounding(arrays, jumps, channel, time, work):
    """Return the relative error of c_kψ, for ψ in ``work.lower``, by rounding of times and energies.

    Both turn phases as a shift of time by an ulp does; sums of whole steps are exact. What a shift does to c_kψ
    beyond a common phase is the part of c_kH_effψ that is orthogonal to it.
    """
    image = apply_scaled(arrays, work.lower, work)
    size = len(image)
    norm, moved, real, imag = 0.0, 0.0, 0.0, 0.0
    for i in range(size):
        before, after = 0.0j, 0.0j
        row = channel * size + i
        for p in range(jumps.indptr[row], jumps.indptr[row + 1]):
            before += jumps.data[p] * work.lower[jumps.indices[p]]
            after += jumps.data[p] * image[jumps.indices[p]]
        norm += before.real * before.real + before.imag * before.imag
        moved += after.real * after.real + after.imag * after.imag
        real += before.real * after.real + before.imag * after.imag
        imag += before.real * after.imag - before.imag * after.real
    beside = max(moved - (real * real + imag * imag) / norm, 0.0) / norm
    shift = 3.0 * ROUNDING * time
    return arrays.scalars[RADIUS] * shift * np.sqrt(beside)


@light_kernel()
def _sample(arrays, observables, samples, start, until, state, work, sampled, kets):
    """Write ⟨O⟩ at every sample time before `until`, and the last states; work.psi is the state at `start`."""
    while state.next_sample < len(samples) and samples[state.next_sample] < until:
        here = state.next_sample
        state.products += propagate(arrays, work.psi, max(samples[here] - start, 0.0), work.trial, work)
        expectation(observables, work.trial, sampled[here])
        keep_ket(work.trial, here, len(samples), kets)
        state.next_sample += 1


@light_kernel()
def advance(arrays, jumps, stop, uniforms, observables, samples, state, work, times, channels, sampled, kets):
    """Follow one trajectory until it ends or a buffer has to be drained; return why it came back.

    The steps are counted from the last click and never shortened, so the record does not depend on the
    horizon, on the sample times, or on how often the kernel returns.

    Parameters
    ----------
    arrays, jumps : SparseArrays, Jumps
        The compiled system.
    stop : float
        End of the observation window.
    uniforms : ndarray
        Random numbers in [0, 1): per click one for the waiting time and one for the channel.
    observables, samples : Jumps, ndarray
        Operators to sample and when (ascending; may be empty).
    state : record
        State that is kept between calls, a record of type `trajectory_state.STATE`.
    work : Workspace
        ``work.psi`` is the state at ``state.gap_start + state.elapsed``, with norm² ``state.survival``.
    times, channels, sampled, kets : ndarray
        Output buffers; `kets` takes the states at as many of the last sample times as it has rows.
    """
    step = arrays.scalars[STEP]
    budget = PAUSE_AFTER // max(1, len(work.psi))
    begun = state.products
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
        now = state.gap_start + state.elapsed
        if now > stop:
            return HORIZON
        state.products += propagate(arrays, work.psi, step, work.trial, work)
        norm = np.sqrt(state.survival)
        state.error += (arrays.scalars[TRUNCATION] + arrays.scalars[DRIFT] * step) * norm
        state.rounded = np.hypot(state.rounded, STEP_ROUNDING * norm)
        after = squared_norm(work.trial)
        if after >= state.threshold:
            # The sampled states need work.trial, so the end of the step is saved first.
            copy_ket(work.trial, work.lower)
            _sample(
                arrays,
                observables,
                samples,
                now,
                min(now + step, np.nextafter(stop, np.inf)),
                state,
                work,
                sampled,
                kets,
            )
            copy_ket(work.lower, work.psi)
            state.elapsed += step
            state.survival = after
            state.steps += 1
            if state.steps == state.next_dark_check:
                state.next_dark_check *= 2
                if is_dark(arrays, jumps, work.psi, work):
                    return DARK
            continue
        wait = find_click(arrays, jumps, step, state, work)
        if wait == NOT_BRACKETED:
            return NO_BRACKET
        total = click_rates(jumps, work.lower, work.rates)
        if total <= DARK_FRACTION * arrays.scalars[LARGEST_DECAY] * state.threshold:
            # Norm that is lost without a click rate is rounding: no click. S may fall on later, unless it is dark.
            if is_dark(arrays, jumps, work.psi, work):
                return DARK
            state.threshold *= 1.0 - LOST_TO_ROUNDING
            state.error += 0.5 * LOST_TO_ROUNDING * np.sqrt(state.threshold)
            continue
        click = state.gap_start + (state.elapsed + wait)
        until = min(click, np.nextafter(stop, np.inf))
        _sample(arrays, observables, samples, now, until, state, work, sampled, kets)
        if click > stop:
            return HORIZON
        chosen = choose_channel(work.rates, total, uniforms[state.next_uniform])
        state.next_uniform += 1
        times[state.n_clicks] = click
        channels[state.n_clicks] = chosen
        state.n_clicks += 1
        made = state.error + state.rounded
        bound = 2.0 * (made + state.missing) / np.sqrt(state.threshold)
        state.worst_error = max(state.worst_error, bound)
        turned = turned_by_rounding(arrays, jumps, chosen, state.elapsed + wait, work)
        # The jump may amplify the error of this gap, the more the less likely it is.
        largest = arrays.jump_norms[chosen] if chosen < len(arrays.jump_norms) else np.inf
        largest = min(largest, np.sqrt(arrays.scalars[LARGEST_DECAY]))
        state.missing = turned + largest * made / np.sqrt(work.rates[chosen])
        apply_jump(jumps, chosen, work.lower, work.psi)
        state.gap_start = click
        state.elapsed = 0.0
        state.threshold = -1.0
        state.survival = 1.0
        state.error, state.rounded = 0.0, 0.0
        state.steps = 0
        state.next_dark_check = 1
