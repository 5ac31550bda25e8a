"""Envelopes as polynomials between edges, and their construction from functions of time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

from ..checks import finite_array, finite_number, integer
from ..errors import InvalidInput
from ..results import read_only
from .envelopes import Envelope, Times, Values, outside

# Values of a piece: a polynomial of degree 13, which integrators with 16 points for a step follow exactly.
POINTS = 14
# How far the polynomials may be from a function, over its largest modulus, and where a function is noisy: where
# so many halvings leave more than half of the distance. Of a kink they leave a sixteenth.
FOLLOWED, NOISY, TRIED = 1e-13, 1e-10, 4
# Functions below this are followed to their share of it: the smallest numbers have no thirteen digits.
LEAST_SIZE = 1e-290
# The largest distance over that at the points where it is measured: 2.2 at a kink.
UNSEEN = 4.0
# Halvings after which a piece is taken for a step of the function, and the most pieces.
HALVINGS, MOST_PIECES = 40, 20_000
# Points per piece, apart from those of the polynomial, at which it is compared with the function.
COMPARED = 7


class TooManyPieces(InvalidInput):
    """A function needs more pieces than allowed."""


@dataclass(frozen=True, eq=False)
class Piecewise(Envelope):
    """Polynomials between ascending edges, given by values at Chebyshev points; constant outside.

    The points of the piece from a to b are t_k = (a + b)/2 − (b − a)/2·cos(πk/n), k = 0 … n, both ends included.

    Parameters
    ----------
    edges : array_like of shape (n_pieces + 1,)
        Ascending times.
    values : array_like of shape (n_pieces, n + 1)
        Real or complex values at the points of each piece; taken as real if all imaginary parts vanish.
    sampling_error : float
        Largest distance of the pieces from the sampled function, relative to its largest modulus; 0 if unknown.
        Pieces of 2⁻⁴⁰ of the span that contain a discontinuity do not count.

    Raises
    ------
    InvalidInput
        NaN, edges out of order, or another number of values.

    Notes
    -----
    L. N. Trefethen, Approximation Theory and Approximation Practice (SIAM, 2013).

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> envelope = tj.Piecewise.of(lambda t: np.exp(-t) * np.sin(5.0 * t), 0.0, 8.0)
    >>> bool(abs(envelope(1.03) - np.exp(-1.03) * np.sin(5.15)) < 1e-12), len(envelope.edges) < 40
    (True, True)
    """

    edges: NDArray[np.float64]
    values: NDArray[Any]
    sampling_error: float = 0.0

    def __post_init__(self) -> None:
        edges = finite_array(self.edges, "edges of Piecewise")
        values = finite_array(self.values, "values of Piecewise", np.complex128)
        if edges.ndim != 1 or values.ndim != 2 or len(values) != len(edges) - 1 or values.size == 0:
            raise InvalidInput(
                f"Piecewise has {edges.shape} edges and {values.shape} values; give one row of values a piece"
            )
        if values.shape[1] < 2:
            raise InvalidInput("Piecewise needs at least two values a piece, at its two ends")
        if not (np.diff(edges) > 0.0).all():
            raise InvalidInput(
                f"edges of Piecewise do not ascend at {edges[1:][np.diff(edges) <= 0][0]:g}; sort them"
            )
        object.__setattr__(self, "edges", read_only(edges))
        object.__setattr__(self, "values", read_only(values if values.imag.any() else values.real))
        object.__setattr__(self, "sampling_error", finite_number(self.sampling_error, "sampling_error"))

    @classmethod
    def of(
        cls,
        function: Callable[[float], Any],
        start: float,
        stop: float,
        at: ArrayLike = (),
        most: int = MOST_PIECES,
    ) -> Piecewise:
        """Return a function as pieces of degree 13, accurate to 1e-13 of its largest modulus.

        Pieces are halved until the last Chebyshev coefficients and the comparison with the function between the
        points are small enough; where halving gains little, as for noise, 1e-10 suffices, and
        ``.sampling_error`` is the accuracy reached. A discontinuity is located to 2⁻⁴⁰ of the span.

        Parameters
        ----------
        function : callable
            f(t) of one time, real or complex.
        start, stop : float
            The interval of time.
        at : array_like of float, optional
            Further times at which pieces and function are compared, so that no narrow feature is missed.
        most : int
            Largest number of pieces.

        Raises
        ------
        InvalidInput
            Values that are not finite numbers, an empty interval, or a function that needs too many pieces.
        """
        low, high = finite_number(start, "start"), finite_number(stop, "stop")
        if not low < high:
            raise InvalidInput(f"Piecewise.of runs from {low:g} to {high:g}; stop must be later")
        return _followed(function, low, high, np.sort(finite_array(at, "at")), integer(most, "most", 1))

    @cached_property
    def _series(self) -> NDArray[Any]:
        """Chebyshev coefficients, shape (n + 1, n_pieces); those of constant pieces have no rounding error."""
        series = np.where(self._flat[:, None], 0.0, series_of(self.values))
        series[self._flat, 0] = self.values[self._flat, 0]
        return np.asarray(series.T)

    @cached_property
    def _flat(self) -> NDArray[np.bool_]:
        return np.asarray((self.values == self.values[:, :1]).all(axis=1))

    def _values(self, t: Times) -> Values:
        place = np.clip(np.searchsorted(self.edges, t, side="right") - 1, 0, len(self.values) - 1)
        low, high = self.edges[place], self.edges[place + 1]
        x = np.clip((2.0 * t - low - high) / (high - low), -1.0, 1.0)
        return np.asarray(chebyshev.chebval(x, self._series[:, place], tensor=False))

    def _knots(self) -> tuple[float, ...]:
        return tuple(self.edges.tolist())

    def _steps(self) -> tuple[float, ...]:
        apart = np.abs(self.values[1:, 0] - self.values[:-1, -1])
        return tuple(self.edges[1:-1][apart > FOLLOWED * np.abs(self.values).max()].tolist())

    def _complex(self) -> bool:
        return bool(np.iscomplexobj(self.values))

    def _constant(self, start: float, stop: float) -> bool:
        if outside(start, stop, (float(self.edges[0]), float(self.edges[-1]))):
            return True
        return bool(self._flat[np.searchsorted(self.edges, 0.5 * (start + stop)) - 1])


def points_between(low: float, high: float) -> NDArray[np.float64]:
    """Return the Chebyshev points of a piece, ascending, both ends included exactly."""
    x = -np.cos(np.pi * np.arange(POINTS) / (POINTS - 1))
    times = 0.5 * (low + high) + 0.5 * (high - low) * x
    times[0], times[-1] = low, high
    return times


def series_of(values: NDArray[Any]) -> NDArray[Any]:
    """Return the Chebyshev coefficients of polynomials through values at the Chebyshev points, row by row."""
    n = values.shape[-1] - 1
    k = np.arange(n + 1)
    weights = np.full(n + 1, 1.0)
    weights[[0, n]] = 0.5
    # The points ascend, x_k = −cos(πk/n), so T_j(x_k) = (−1)^j cos(πjk/n).
    transform = 2.0 / n * weights * np.cos(np.pi * np.outer(k, k) / n) * weights[:, None] * (-1.0) ** k[:, None]
    return np.asarray(values @ transform.T)


def _followed(
    function: Callable[[float], Any], low: float, high: float, at: NDArray[np.float64], most: int
) -> Piecewise:
    """Return a function as at most `most` pieces; see `Piecewise.of`."""

    def sampled(times: NDArray[np.float64]) -> NDArray[np.complex128]:
        found = np.array([complex(function(float(t))) for t in times], np.complex128)
        if not np.isfinite(found).all():
            raise InvalidInput(f"the function is not finite at t={times[~np.isfinite(found)][0]:g}")
        return found

    seen = at[(at > low) & (at < high)]
    at_seen = sampled(seen)
    first = np.concatenate([at_seen, sampled(points_between(low, high))])
    largest = max(float(np.abs(first).max()), LEAST_SIZE)
    narrowest = (high - low) * 2.0**-HALVINGS
    edges, rows, worst = [low], [], 0.0
    # Pieces still to be looked at, the first on top, with the distances that those they were cut from left.
    waiting: list[tuple[float, float, tuple[float, ...]]] = [(low, high, ())]
    while waiting:
        a, b, before = waiting.pop()
        values = sampled(points_between(a, b))
        largest = max(largest, float(np.abs(values).max()))
        if b - a <= narrowest:
            spread = float(np.abs(values - values[-1]).max())
            edges.append(b)
            rows.append(np.full(POINTS, values[-1]))
            # Else it is a discontinuity somewhere in this piece.
            worst = max(worst, spread) if spread <= NOISY * largest else worst
            continue
        series = series_of(values)
        inside = slice(*np.searchsorted(seen, [a, b]))
        between = a + (b - a) * (np.arange(COMPARED) + 0.5) / COMPARED
        times = np.concatenate([seen[inside], between])
        there = np.concatenate([at_seen[inside], sampled(between)])
        off = np.abs(chebyshev.chebval((2.0 * times - a - b) / (b - a), series) - there).max()
        rest = float(max(off, np.abs(series[-2:]).sum()))
        noise = len(before) == TRIED and rest > 0.5 * before[0]
        if rest <= FOLLOWED * largest or (rest <= NOISY * largest and noise):
            edges.append(b)
            rows.append(values)
            worst = max(worst, UNSEEN * rest)
            continue
        middle = 0.5 * (a + b)
        before = (*before, rest)[-TRIED:]
        waiting += [(middle, b, before), (a, middle, before)]
        if len(rows) + len(waiting) > most:
            raise TooManyPieces(
                f"{most} polynomials do not approximate the function, which changes too fast between {low:g} and "
                f"{high:g}: give a shorter span, or named shapes"
            )
    return Piecewise(np.array(edges), np.array(rows), worst / largest)
