"""What kernels and their callers agree on: reasons to return, and slots of the state that survives a call."""

from __future__ import annotations

# Why a kernel came back to its caller.
HORIZON, NEED_UNIFORMS, CLICKS_FULL, PAUSED, NO_BRACKET, DARK, LEFT_BASIS = 0, 1, 2, 3, 4, 5, 6

# What a search for a click returns in place of a time: S stays above its threshold in the window, or no bracket
# of the time was found.
NO_CLICK, NOT_BRACKETED = -1.0, -2.0

# Slots of the array of reals: time of the last click; time since then; drawn survival probability (negative: to be
# drawn); norm² now; error of the state so far; largest |ΔS|/S over the clicks; relative error of the norm² with
# which the gap began; error of the state with which it began, as far as no more work could make it smaller; its
# relative error by rounding; share of the norm² that the last jump left outside the basis.
GAP_START, ELAPSED, THRESHOLD, SURVIVAL, ERROR, WORST_ERROR, NORM_ERROR, MISSING = 0, 1, 2, 3, 4, 5, 6, 7
ROUNDED, LEAK = 8, 9
N_REALS = 10

# Slots of the array of integers. PRODUCTS counts the work: products with H_eff, or evaluations of S(t).
NEXT_UNIFORM, N_CLICKS, NEXT_SAMPLE, STEPS, NEXT_DARK_CHECK, PRODUCTS = 0, 1, 2, 3, 4, 5
N_INTEGERS = 6
