"""The maximum of a likelihood: damped Newton steps on finite differences, curvature and profile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, optimize, special

from trajectories.errors import ConvergenceError
from trajectories.results import read_only

# Steps of the derivatives: at first as a fraction of the parameter, later as one of its error, far enough that
# rounding of ln L does not matter and near enough for a parabola.
FIRST_STEP = 1e-4
STEP = 0.25
# The search ends when one more step would gain less than this in ln L, a hundredth of a standard error.
GAIN = 5e-5
# A step that gains less than this part of what was predicted is shortened.
FAIR = 0.1
MOST_STEPS = 40
# Steps of the derivatives that lead to where there is no model are shortened so, at the most so many times.
SHORTENED, MOST_SHORTENED = 0.25, 6
DAMPING = 1e-2
# Least curvature that is assumed where ln L is not concave, beside that of the information known last.
STEEP = 0.03
# The same along a profile, and how closely its ends are located, in standard errors: either moves one by 0.01.
PROFILE_GAIN = 5e-3
PROFILE_STEP = 1e-2
# How many standard errors from the maximum a profile is searched for its end.
FARTHEST = 12.0

Vector = NDArray[np.float64]
# What each gap and the click that ends it add to ln L, as a function of the parameters; −∞ where there is no
# model. Derived by a parameter, these parts are uncorrelated: each has mean 0 given all before.


class Likelihood(Protocol):
    """A likelihood by its parts, and the ranges of its parameters."""

    def __call__(self, at: Vector) -> Vector:
        """Return what each part adds to ln L."""
        ...

    def room(self, at: Vector) -> Vector:
        """Return how far each parameter is from the end of its range."""
        ...


# Share of the way to the end of a parameter's range that a step of the derivatives may take, and the distance from
# it, in widths, at which a maximum lies there.
INSIDE, AT_END = 0.9, 1e-2
# Two scores are the same but for their size if the smallest eigenvalue of their correlations is below this.
FLAT = 1e-9


class FlatError(Exception):
    """The likelihood does not change along a direction.

    Attributes
    ----------
    direction : ndarray of shape (n_parameters,)
        How the parameters move together.
    """

    def __init__(self, direction: Vector) -> None:
        super().__init__("the likelihood does not change along a direction")
        self.direction = direction


@dataclass(frozen=True)
class Point:
    """Where the search is: the parameters, ln L there, and about the information, which scales its steps."""

    at: Vector
    total: float
    information: Vector

    @property
    def widths(self) -> Vector:
        """How far each parameter goes for half a unit of ln L, if the others stay."""
        return np.asarray(np.diag(self.information) ** -0.5)


@dataclass(frozen=True)
class Expansion:
    """Derivatives of ln L at a point along the chosen parameters.

    Attributes
    ----------
    scores : ndarray of shape (n_parameters, n_parts)
        ∂ln L_n/∂θ of all parts n; their sum is the slope.
    information : ndarray of shape (n_parameters, n_parameters)
        Minus the second derivatives of ln L.
    """

    scores: Vector
    information: Vector


def information_at(likelihood: Likelihood, at: Vector) -> Vector:
    """Return the information from the scores at a first point."""
    steps = np.minimum(FIRST_STEP * np.maximum(np.abs(at), FIRST_STEP), INSIDE * likelihood.room(at))
    squares = squared_scores(scores_of(likelihood, at, steps))
    require_slopes(squares)
    return squares


def climb(likelihood: Likelihood, first: Vector, information: Vector, gain: float) -> tuple[Point, Expansion]:
    """Climb to the maximum over all parameters; return it and the derivatives there."""
    start = Point(first, float(likelihood(first).sum()), information)
    return climb_from(likelihood, start, np.ones(len(first), dtype=bool), gain)


def squared_scores(scores: Vector) -> Vector:
    """Return Σ_n s_n s_nᵀ of the scores of all parts, whose mean is the Fisher information."""
    return np.asarray(scores @ scores.T)


def scores_of(likelihood: Likelihood, at: Vector, steps: Vector) -> Vector:
    """Return s_n = ∂ln L_n/∂θ of all parts n, shape (n_parameters, n_parts)."""
    scores = []
    for i, shift in enumerate(np.diag(steps)):
        score = (likelihood(at + shift) - likelihood(at - shift)) / (2.0 * shift[i])
        if not np.isfinite(score).all():
            raise ConvergenceError(
                f"the likelihood does not depend smoothly on parameter {i}; fit fewer, or start elsewhere"
            )
        scores.append(score)
    return np.array(scores)


def require_slopes(squares: Vector) -> None:
    """Raise `ConvergenceError` where ln L does not depend on a parameter, `FlatError` where some act alike."""
    size = np.diag(squares)
    for i in np.flatnonzero(~(size > 0.0)):
        raise ConvergenceError(f"the likelihood does not depend on parameter {i}; fit fewer, or start elsewhere")
    values, vectors = np.linalg.eigh(squares / np.sqrt(np.outer(size, size)))
    if values[0] < FLAT:
        raise FlatError(vectors[:, 0] / np.sqrt(size))


def climb_from(
    likelihood: Likelihood, point: Point, chosen: NDArray[np.bool_], gain: float
) -> tuple[Point, Expansion]:
    """Climb over the chosen parameters by damped Newton steps, until one more would gain less than `gain`."""
    damping = 0.0
    for _ in range(MOST_STEPS if chosen.any() else 0):
        here = _expansion(likelihood, point, chosen)
        slope, information = here.scores.sum(axis=1), here.information
        concave = is_concave(information)
        # Where ln L is not concave its scores, whose squares are positive, tell about how far it varies.
        known = information if concave else squared_scores(here.scores)
        if is_concave(known - FLAT * np.diag(np.diag(known))):
            whole = point.information.copy()
            whole[np.ix_(chosen, chosen)] = known
            point = Point(point.at, point.total, whole)
        scale = np.diag(1.0 / np.square(point.widths[chosen]))
        hill = information if concave else _turned_down(information, scale)
        while True:
            step = np.linalg.solve(hill + damping * scale, slope)
            predicted = float(slope @ step)
            if predicted < gain:
                return point, here
            trial = _with(point.at, chosen, point.at[chosen] + step)
            total = float(likelihood(trial).sum())
            if total - point.total > FAIR * predicted:
                point, damping = Point(trial, total, point.information), 0.1 * damping
                break
            damping = max(4.0 * damping, DAMPING)
    if not chosen.any():
        return point, Expansion(np.zeros((0, 0)), np.zeros((0, 0)))
    raise ConvergenceError(f"no maximum of the likelihood after {MOST_STEPS} steps; start nearer, or fit fewer")


def require_inside(likelihood: Likelihood, point: Point) -> None:
    """Raise `ConvergenceError` where a parameter is at the end of its range."""
    for i in np.flatnonzero(likelihood.room(point.at) < AT_END * point.widths):
        raise ConvergenceError(
            f"the likelihood grows up to the end of the range of parameter {i}, at {point.at[i]:.3g}; leave it out"
        )


def _turned_down(information: Vector, scale: Vector) -> Vector:
    """Return the information as if ln L curved downwards as much wherever it curves upwards.

    A step then leaves a saddle uphill in every direction, as far as a parabola of this size would reach (Dauphin
    et al., Advances in Neural Information Processing Systems 27, 2933 (2014)).
    """
    size = np.sqrt(np.diag(scale))
    values, vectors = np.linalg.eigh(information / np.outer(size, size))
    return np.asarray((vectors * np.maximum(np.abs(values), STEEP)) @ vectors.T * np.outer(size, size))


def is_concave(information: Vector) -> bool:
    """Whether ln L curves downwards in every direction."""
    size = np.diag(information)
    return bool((size > 0.0).all() and np.linalg.eigvalsh(information / np.sqrt(np.outer(size, size)))[0] > 0.0)


def _steps(likelihood: Likelihood, point: Point, chosen: NDArray[np.bool_]) -> Vector:
    """Return steps of the derivatives, by row: inside the ranges, also two together, and of like effect on ln L.

    The parameters of a step move together as they are correlated. With one parameter a step, what is determined
    least would be a difference of second derivatives that are nearly equal, and known to some 1e-4.
    """
    require_inside(likelihood, point)
    widths, room = point.widths[chosen], likelihood.room(point.at)[chosen]
    order = np.argsort(-room / widths, kind="stable")  # what is near the end of its range moves in the last only
    shapes = point.information[np.ix_(chosen, chosen)] * np.outer(widths, widths)
    triangle = np.linalg.cholesky(shapes[np.ix_(order, order)])
    steps = np.zeros_like(shapes)
    steps[:, order] = STEP * widths[order] * linalg.solve_triangular(triangle, np.eye(len(order)), lower=True)
    for i in range(len(steps)):
        reach = np.sort(np.abs(steps[:, i]))[-2:].sum()
        if reach > INSIDE * room[i]:
            steps[steps[:, i] != 0.0] *= INSIDE * room[i] / reach
    return steps


def _expansion(likelihood: Likelihood, point: Point, chosen: NDArray[np.bool_]) -> Expansion:
    """Return the derivatives of ln L along the chosen parameters, by central differences on steps of `_steps`."""
    among = _steps(likelihood, point, chosen)
    for _ in range(MOST_SHORTENED):
        slopes, curved, outside = _differences(likelihood, point, chosen, among)
        if not outside.any():
            information = np.linalg.solve(among, np.linalg.solve(among, curved).T)
            scores = np.asarray(np.linalg.solve(among, slopes), dtype=np.float64)
            return Expansion(scores, np.asarray(0.5 * (information + information.T), dtype=np.float64))
        among[outside] *= SHORTENED
    raise ConvergenceError("the model has no likelihood beside this point; start elsewhere, or fit fewer")


def _differences(
    likelihood: Likelihood, point: Point, chosen: NDArray[np.bool_], among: Vector
) -> tuple[Vector, Vector, NDArray[np.bool_]]:
    """Return first and second differences along the steps, and which steps lead to where there is no model.

    ∂²/∂x∂y is had from two values beside those along the axes: f(x,y) + f(−x,−y) + 2f(0) less the four of the
    steps is 2xy ∂²f/∂x∂y to second order (Abramowitz and Stegun, 25.3.27).
    """
    steps = np.zeros((len(among), len(point.at)))
    steps[:, chosen] = among
    sides = [(likelihood(point.at + step), likelihood(point.at - step)) for step in steps]
    both = np.array([float(above.sum()) + float(below.sum()) for above, below in sides])
    outside = ~np.isfinite(both)
    curved = np.diag(2.0 * point.total - both)
    if outside.any():
        return curved, curved, outside
    for i in range(len(steps)):
        for j in range(i):
            diagonal = steps[i] + steps[j]
            same = sum(float(likelihood(point.at + sign * diagonal).sum()) for sign in (1.0, -1.0))
            outside[[i, j]] |= not np.isfinite(same)
            curved[i, j] = curved[j, i] = -0.5 * (same + 2.0 * point.total - both[i] - both[j])
    return np.array([0.5 * (above - below) for above, below in sides]), curved, outside


def profile_ends(likelihood: Likelihood, peak: Point, covariance: Vector, confidence: float) -> Vector:
    """Return where the profile of each parameter has fallen by half the quantile of χ²₁."""
    farthest = np.sqrt(float(special.chdtri(1, 1.0 - confidence)))
    errors = np.sqrt(np.diag(covariance))
    ends = np.full((len(errors), 2), np.nan)
    for i, error in enumerate(errors):
        along = error * covariance[:, i] / covariance[i, i]  # how the others change when this one does
        free = np.arange(len(errors)) != i

        def fallen(distance: float, along: Vector = along, free: NDArray[np.bool_] = free) -> float:
            """How far the profile has fallen at so many standard errors; its square root is nearly linear."""
            moved = peak.at + distance * along
            there = Point(moved, float(likelihood(moved).sum()), peak.information)
            best = climb_from(likelihood, there, free, PROFILE_GAIN)[0].total
            return float(np.sqrt(2.0 * max(peak.total - best, 0.0))) - farthest

        for side, sign in enumerate((-1.0, 1.0)):
            ends[i, side] = peak.at[i] + error * _root(fallen, sign * farthest)
    return read_only(ends)


def _root(function: Callable[[float], float], guess: float) -> float:
    """Return where a function, negative at 0, passes through zero near the guess; NaN if not within `FARTHEST`."""
    near, far = 0.0, 1.05 * guess
    try:
        while function(far) < 0:
            near, far = far, 1.3 * far
            if abs(far) > FARTHEST:
                return np.nan
        return float(optimize.brentq(function, near, far, xtol=PROFILE_STEP))
    except (ConvergenceError, ValueError):  # the model has no system there, or no climb succeeded
        return np.nan


def inverse(information: Vector) -> Vector:
    """Return the covariance; refuse a maximum without curvature in some direction."""
    size = np.sqrt(np.maximum(np.diag(information), 1e-300))
    values, vectors = np.linalg.eigh(information / np.outer(size, size))
    if values[0] <= 0:
        raise FlatError(vectors[:, 0] / size)
    return read_only(np.linalg.inv(information))


def _with(values: Vector, chosen: NDArray[np.bool_], new: Vector) -> Vector:
    changed = values.copy()
    changed[chosen] = new
    return changed
