"""Minimum of a function of one variable between two bounds, without importing an optimisation library."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

# Share of an interval by which a golden section steps into it, and √(rounding), below which steps are noise.
GOLDEN, NOISE = 0.5 * (3.0 - math.sqrt(5.0)), math.sqrt(2.2e-16)
MOST_CALLS = 500


class Point(NamedTuple):
    """An argument and the function's value there."""

    x: float
    value: float


def minimum_between(function: Callable[[float], float], low: float, high: float, tolerance: float) -> Point:
    """Return a local minimum of a function in [low, high], to `tolerance` in its argument.

    Steps go to the minimum of the parabola through the three best points, or by golden sections if that step is
    not acceptable (Brent, Algorithms for Minimization without Derivatives, 1973, chapter 5). The arithmetic is
    that of SciPy's ``minimize_scalar(method="bounded")``, to the last bit; its import takes a tenth of a second,
    more than locating a resonance.
    """
    x = low + GOLDEN * (high - low)
    best = second = third = Point(x, function(x))
    step = former = 0.0
    for _ in range(MOST_CALLS - 1):
        middle = 0.5 * (low + high)
        least = NOISE * abs(best.x) + tolerance / 3.0
        if abs(best.x - middle) <= 2.0 * least - 0.5 * (high - low):
            break
        parabola = _parabola(best, second, third) if abs(former) > least else None
        previous, former = former, step
        if parabola is not None and _acceptable(*parabola, best.x, (low, high), previous):
            step = (parabola[0] + 0.0) / parabola[1]
            x = best.x + step
            if x - low < 2.0 * least or high - x < 2.0 * least:
                step = math.copysign(least, middle - best.x) if middle != best.x else least
        else:
            former = low - best.x if best.x >= middle else high - best.x
            step = GOLDEN * former
        x = best.x + (1.0 if step >= 0.0 else -1.0) * max(abs(step), least)
        new = Point(x, function(x))
        if new.value <= best.value:
            low, high = (best.x, high) if x >= best.x else (low, best.x)
            best, second, third = new, best, second
            continue
        low, high = (x, high) if x < best.x else (low, x)
        if new.value <= second.value or second.x == best.x:
            second, third = new, second
        elif new.value <= third.value or third.x in (best.x, second.x):
            third = new
    return best


def _parabola(best: Point, second: Point, third: Point) -> tuple[float, float]:
    """Return numerator and denominator (not negative) of the step from the best point to the parabola's vertex."""
    r = (best.x - second.x) * (best.value - third.value)
    q = (best.x - third.x) * (best.value - second.value)
    p = (best.x - third.x) * q - (best.x - second.x) * r
    q = 2.0 * (q - r)
    return (-p if q > 0.0 else p), abs(q)


def _acceptable(p: float, q: float, x: float, bounds: tuple[float, float], former: float) -> bool:
    """Whether the step p/q stays within the bounds and is less than half the step before the last."""
    low, high = bounds
    return abs(p) < abs(0.5 * q * former) and q * (low - x) < p < q * (high - x)
