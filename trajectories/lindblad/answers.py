"""Exact values with their errors, which are estimated from levels of a reduction."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from ..results import Estimate, in_unit

Array = NDArray[np.float64]
Given = ParamSpec("Given")
Found = TypeVar("Found")

# Errors are relative to the value, or to this fraction of the largest value of the curve or list if that is more:
# much smaller values have fewer correct digits.
SMALL_VALUE = 1e-3
# The stated error of a value or curve. Differences between neighbouring levels fall by a ratio ρ. If the last
# difference is d, the remaining error is d ρ/(1 − ρ). Here d is that of the curve itself or, times OTHERS_SHARE,
# the largest among the curves computed with it. Stated is SAFETY times this, with ρ limited to RATIOS (a quarter
# if errors are proportional to the cuts), and at least LEAST_SHARE times the cut, because levels may agree by
# chance. tests/lindblad/reduced_study.csv compares true and stated errors.
SAFETY, OTHERS_SHARE, LEAST_SHARE, RATIOS = 2.0, 0.5, 12.0, (0.25, 0.75)
# For chains of several clicks, for which the pairs are not optimised: the smallest ratio, and the share of the
# earlier difference that is stated even if the last one is small. At N = 128 two levels agreed by chance on R₄.
CHAINED, EARLIER_SHARE = 0.55, 0.25
# The same without a core: what the modes leave out is far smaller.
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
        Wall time of the computation.
    """

    value: Array
    error: Array
    method: str
    seconds: float


def in_its_unit(function: Callable[Given, Found]) -> Callable[Given, Found]:
    """Decorate a function of a system or a steady state: its result carries the unit of time of that system."""

    @functools.wraps(function)
    def found(*args: Given.args, **kwargs: Given.kwargs) -> Found:
        subject: Any = args[0] if args else kwargs.get("steady", kwargs.get("system"))
        result = function(*args, **kwargs)
        unit = getattr(subject, "system", subject).time_unit
        return cast(Found, in_unit(result, unit))

    return found


def estimates_of(answer: Answer) -> list[Estimate]:
    """Return the values of an answer, one dimension, as estimates."""
    both = zip(answer.value.tolist(), answer.error.tolist(), strict=True)
    return [Estimate(value, method=answer.method, numerical_error=error) for value, error in both]


def scale_of(value: Array) -> Array:
    """Return what an error is relative to: the value, or a fraction of the largest along the last axis."""
    size = np.abs(value)
    return np.maximum(size, SMALL_VALUE * size.max(axis=-1, keepdims=True)) if size.ndim and size.size else size


def stated_errors(levels: Sequence[Array], curve: bool, cut: float, chained: bool = False) -> Array:
    """Return the relative errors to be stated, of the shape of the values or one for each curve.

    Parameters
    ----------
    levels : sequence of ndarray
        The answers of two or more neighbouring levels, the finest last.
    curve : bool
        Whether the last axis is a curve.
    cut : float
        Importance below which pairs stay out of the core; 0 without a core.
    chained : bool
        Whether the values belong to chains of several clicks.
    """
    value = levels[-1]
    scale = scale_of(value)
    last, earlier = (_relative(a, b, scale, curve) for a, b in ((value, levels[-2]), (levels[-2], levels[0])))
    largest = float(last.max(initial=0.0))
    before = float(earlier.max(initial=0.0))
    ratio = float(np.clip(largest / before if before > 0.0 else np.inf, *RATIOS))
    if chained:
        ratio, last = max(ratio, CHAINED), np.maximum(last, EARLIER_SHARE * earlier)
    to_come = SAFETY * ratio / (1.0 - ratio)
    least = LEAST_SHARE * cut if cut > 0.0 else LEAST_OF_MODES
    return np.maximum(to_come * np.maximum(last, OTHERS_SHARE * largest), least)


def _relative(value: Array, other: Array, scale: Array, curve: bool) -> Array:
    """Return relative differences, or the largest of each curve."""
    difference = np.abs(value - other)
    relative = np.divide(difference, scale, out=np.zeros_like(difference), where=scale > 0.0)
    return relative.max(axis=-1, keepdims=True) if curve and relative.size else relative
