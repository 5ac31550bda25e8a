"""Interface of kernels and their callers: reasons to return, and the record that is kept between calls."""

from __future__ import annotations

from typing import Any

import numpy as np

# Reasons for which a kernel returns.
HORIZON, NEED_UNIFORMS, CLICKS_FULL, PAUSED, NO_BRACKET, DARK, LEFT_BASIS = 0, 1, 2, 3, 4, 5, 6

# What a search for a click returns in place of a time: S stays above its threshold in the window, or no bracket
# of the time was found.
NO_CLICK, NOT_BRACKETED = -1.0, -2.0

# State of a trajectory, with fields as attributes: ``state.threshold``.
STATE = np.dtype(
    [
        ("gap_start", np.float64),  # time of the last click
        ("elapsed", np.float64),  # time since the last click
        ("threshold", np.float64),  # survival probability at which the next click comes; negative: not drawn yet
        ("survival", np.float64),  # norm² now
        ("error", np.float64),  # error of the state so far
        ("worst_error", np.float64),  # largest |ΔS|/S over the clicks
        ("norm_error", np.float64),  # relative error of the norm² with which the gap began
        ("missing", np.float64),  # error of the state at the start of the gap that more work does not reduce
        ("rounded", np.float64),  # its relative error by rounding
        ("leak", np.float64),  # share of the norm² that the last jump left outside the basis
        ("next_uniform", np.int64),  # place of the next random number in its buffer
        ("n_clicks", np.int64),  # clicks in the buffer
        ("next_sample", np.int64),  # the next time at which averages are taken
        ("steps", np.int64),  # since the last click
        ("next_dark_check", np.int64),  # after so many steps
        ("products", np.int64),  # work done: products with H_eff, or evaluations of S(t)
    ]
)


def new_fields() -> Any:
    """Return a record of type STATE, all zeros, whose fields are attributes in Python and in kernels alike."""
    return np.zeros(1, STATE).view(np.recarray)[0]
