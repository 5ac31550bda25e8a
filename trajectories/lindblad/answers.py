"""Exact values with how far each may be off, and how two levels of a reduction tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..results import Estimate

Array = NDArray[np.float64]

# Values of a curve that are smaller than this fraction of its largest are judged beside that fraction.
SMALL_VALUE = 1e-3
# What is stated as the error of a value, or of a curve: SAFETY times the largest relative difference between a
# level and the one below, in the curve itself or, by OTHERS_SHARE, in those asked for with it; and at least
# LEAST_SHARE times the cut, because two levels may agree by chance. Beside the whole space the largest error was
# … of this in … numbers of regimes in tests/lindblad/reduced_study.csv.
SAFETY, OTHERS_SHARE, LEAST_SHARE = 2.5, 0.5, 8.0
# The same without a core, where what the modes leave out is far smaller.
LEAST_OF_MODES = 1e-9


@dataclass(frozen=True, eq=False)
class Answer:
    """Exact values, how they were computed, and how far they may be off.

    Attributes
    ----------
    value, error : ndarray
        The values, and an estimate of how far the computation may be off.
    method : str
        ``"exact, …"`` with the way and the largest relative error.
    seconds : float
        What it took.
    """

    value: Array
    error: Array
    method: str
    seconds: float


def estimates_of(answer: Answer) -> list[Estimate]:
    """Return the values of an answer, one dimension, as estimates."""
    both = zip(answer.value.tolist(), answer.error.tolist(), strict=True)
    return [Estimate(value, method=answer.method, numerical_error=error) for value, error in both]


def scale_of(value: Array, curve: bool) -> Array:
    """Return what an error is relative to: the value, or a fraction of the largest value of a curve."""
    size = np.abs(value)
    return np.maximum(size, SMALL_VALUE * size.max(axis=-1, keepdims=True)) if curve and size.size else size


def stated_errors(value: Array, coarse: Array, curve: bool, cut: float) -> Array:
    """Return the relative errors to be stated, of the shape of the values or one for each curve.

    Parameters
    ----------
    value, coarse : ndarray
        The answers of a level and of the one below.
    curve : bool
        Whether the last axis is a curve.
    cut : float
        Importance below which pairs stay out of the core; 0 without a core.
    """
    scale, difference = scale_of(value, curve), np.abs(value - coarse)
    relative = np.divide(difference, scale, out=np.zeros_like(difference), where=scale > 0.0)
    if curve and relative.size:
        relative = relative.max(axis=-1, keepdims=True)
    least = LEAST_SHARE * cut if cut > 0.0 else LEAST_OF_MODES
    return np.maximum(np.maximum(SAFETY * relative, SAFETY * OTHERS_SHARE * relative.max(initial=0.0)), least)
