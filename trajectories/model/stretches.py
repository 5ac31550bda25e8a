"""Stretches: intervals of time without a knot, and polynomials that approximate envelopes on them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev, polynomial
from numpy.typing import NDArray

from ..errors import InvalidInput
from .drives import Term
from .system import OpenSystem

# Points at which an envelope is fitted on a step; the polynomial has what of them is not rounding.
POINTS = 16
# Largest allowed last coefficients of a fit, relative to the largest value; and the same if they do not decrease
# with shorter steps, because a phase of many turns is rounded.
FITTED, ROUNDED = 4e-15, 1e-10
# Largest ratio of the coefficients of a polynomial to its values, so that series built on it converge fast.
TAME = 4.0
# Most halvings of the steps, and a number of steps that no table can hold.
MOST_HALVINGS, MOST_STEPS = 12, 50_000_000


@dataclass(frozen=True, eq=False)
class Stretch:
    """An interval of time without a knot inside.

    Attributes
    ----------
    start, stop : float
        Its ends; the last stretch of a system that becomes constant ends at infinity.
    values : ndarray of shape (n_terms,) or None
        Values of all terms if they are constant, otherwise None.
    """

    start: float
    stop: float
    values: NDArray[np.float64] | None

    @property
    def middle(self) -> float:
        """A time inside the stretch."""
        return 0.5 * (self.start + self.stop) if np.isfinite(self.stop) else self.start + 1.0


def stretches(system: OpenSystem, horizon: float) -> list[Stretch]:
    """Divide one period, or the time up to a horizon (and beyond while terms are constant), into stretches.

    Parameters
    ----------
    system : OpenSystem
        A system that depends on time.
    horizon : float
        Time that the stretches must cover if there is no period.

    Raises
    ------
    InvalidInput
        An envelope that is not finite.
    """
    stop = system.period or horizon
    knots = {knot for envelope in system.envelopes for knot in envelope.knots}
    edges = [0.0, *sorted(knot for knot in knots if 0.0 < knot < stop), stop]
    found: list[Stretch] = []
    for low, high in pairwise(edges):
        values = _values(system.terms, low, high)
        last = found[-1] if found else None
        if last is not None and values is not None and last.values is not None and (values == last.values).all():
            found[-1] = Stretch(last.start, high, values)
        else:
            found.append(Stretch(low, high, values))
    last = found[-1]
    settled = last.values is not None and not any(knot >= stop for knot in knots)
    if system.period is None and settled:
        found[-1] = Stretch(last.start, np.inf, last.values)
    return found


def _values(terms: list[Term], low: float, high: float) -> NDArray[np.float64] | None:
    """Return the values of all terms if they are constant, otherwise None."""
    middle = np.array([0.5 * (low + high)])
    values = np.array([term.values(middle)[0] for term in terms])
    if not np.isfinite(values).all():
        raise InvalidInput(
            f"an envelope is {values[~np.isfinite(values)][0]} at t={middle[0]:g}; it must be finite"
        )
    return values if all(term.envelope.constant_between(low, high) for term in terms) else None


@dataclass(frozen=True, eq=False)
class Steps:
    """Equal steps of a stretch, on each of which every term is a polynomial of x = (t − start)/length from 0 to 1.

    Attributes
    ----------
    starts : ndarray of shape (n_steps + 1,)
        Start of each step, and end of the last.
    coefficients : ndarray of shape (n_steps, n_terms, n_coefficients)
        Σ_l f_l x^l.
    """

    starts: NDArray[np.float64]
    coefficients: NDArray[np.float64]


def polynomial_steps(system: OpenSystem, stretch: Stretch, stop: float, longest: float) -> Steps:
    """Divide a stretch, up to `stop`, into steps no longer than `longest`, and fit its envelopes to rounding.

    Raises
    ------
    InvalidInput
        An envelope that no polynomial approximates, or more steps than memory holds.
    """
    terms, count = system.terms, max(1, int(np.ceil((stop - stretch.start) / longest - 1e-9)))
    if stretch.values is not None:
        starts = np.linspace(stretch.start, stop, _held(count) + 1)
        return Steps(starts, np.broadcast_to(stretch.values[None, :, None], (count, len(terms), 1)).copy())
    nodes, to_chebyshev, to_powers = _fit()
    before = np.inf
    for _ in range(MOST_HALVINGS):
        starts = np.linspace(stretch.start, stop, _held(count) + 1)
        times = starts[:-1, None] + np.diff(starts)[:, None] * nodes
        values = np.stack([term.values(times) for term in terms], axis=1)
        if not np.isfinite(values).all():
            raise InvalidInput("an envelope is not finite everywhere; give finite values only")
        scale = np.abs(values).max(axis=(0, 2), initial=0.0)[None, :, None]
        series = values @ to_chebyshev.T
        size = (np.abs(series).max(axis=0) / np.maximum(scale[0], 1e-300)).max(axis=0)
        rest = float(size[-2:].max())
        if rest <= FITTED or (rest <= ROUNDED and rest > 0.1 * before):
            # Coefficients after the last one above rounding are left out.
            degree = int(np.flatnonzero(size > max(FITTED, 4.0 * rest))[-1]) if size.any() else 0
            powers = np.ascontiguousarray(series[..., : degree + 1] @ to_powers(degree).T)
            if (np.abs(powers).sum(axis=2, keepdims=True) <= TAME * scale).all():
                return Steps(starts, powers)
        before = rest
        count *= 2
    raise InvalidInput(
        f"polynomials do not approximate an envelope between t={stretch.start:g} and {stop:g}; if it has steps or "
        "kinks, make it from tj.Square, tj.Ramp or tj.Sampled"
    )


def _held(count: int) -> int:
    if count > MOST_STEPS:
        raise InvalidInput(f"{count:.2g} steps of integration are more than memory holds; give a shorter duration")
    return count


@cache
def _fit() -> tuple[NDArray[np.float64], NDArray[np.float64], Any]:
    """Return the nodes in (0, 1), the map to Chebyshev coefficients, and that to powers of x for a degree."""
    k = np.arange(POINTS)
    angle = np.pi * (k + 0.5) / POINTS
    to_chebyshev = 2.0 / POINTS * np.cos(np.outer(k, angle))
    to_chebyshev[0] *= 0.5

    @cache
    def to_powers(degree: int) -> NDArray[np.float64]:
        matrix = np.zeros((degree + 1, degree + 1))
        for order in range(degree + 1):
            unit = np.zeros(order + 1)
            unit[order] = 1.0
            powers, shift = chebyshev.cheb2poly(unit), np.array([-1.0, 2.0])
            total = np.zeros(1)
            for c in powers[::-1]:
                total = polynomial.polyadd(polynomial.polymul(total, shift), [c])
            matrix[: len(total), order] = total[: degree + 1]
        return matrix

    return 0.5 * (1.0 + np.cos(angle)), to_chebyshev, to_powers
