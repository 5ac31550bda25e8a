"""Chooses how an exact value is computed, and states its error."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..blas import one_blas_thread
from ..detectors import Detector
from ..errors import ConvergenceError
from ..model import OpenSystem
from ..stages import Stage
from .answers import Answer, scale_of
from .inputs import checked_channels, checked_detectors
from .levels import CORE, FIRST, LARGEST_CORE, OUTSIDE, RESTRICT, Levels, Question, Reduced
from .reduced.essential import STATE_CUT
from .reduced.kept import Kept
from .reduced.model import ReducedModel
from .steady_state import ACCURACY, SteadyState
from .superoperators.detected import DetectedSystem
from .superoperators.full_model import FullModel
from .superoperators.hermitian_vectors import Vector, pack
from .superoperators.inverse import MOST_ELIMINATED
from .superoperators.motions import MOST_DOUBLED

Array = NDArray[np.float64]
Detectors = Mapping[str, Detector] | None

# Up to this dimension all pairs are diagonalised at once, whatever propagation would cost.
TINY = 12
# Condition of the eigenvectors of H_eff above which nothing is reduced.
MAX_MODES_CONDITION = 300.0
# Predicted seconds of one product with L per N².
PRODUCT = 6e-9
# A core is used for this many questions on average.
SHARED = 4.0
# Below the first number of seconds propagation is never replaced; above the second it is refused, unless it was
# asked for by name.
QUICK, TOO_LONG = 0.3, 7200.0
# Up to so many seconds propagation takes over where the finest core states more than 1e-6.
PATIENCE = 120.0
# Relative error of propagation.
PROPAGATED = 1e-9
# Population at which states are cut that are propagated: what lies outside causes less than 1e-6.
FOLLOWED = 0.4 * STATE_CUT
SETTLED = 40.0  # lifetimes of the slowest mode after which nothing moves
EPSILON = float(np.finfo(np.float64).eps)
# Small systems are solved in doubled precision where the rounding of doubles may exceed this. It costs a second up
# to the first dimension, and half a minute at the second. Up to the dimension where it costs milliseconds it is
# always used, because modes cancel at times shorter than all their lifetimes.
DOUBT, CHEAPLY_DOUBLED, GREATER_DOUBT = 1e-10, 16, 1e-6
ALWAYS_DOUBLED = 6
# Relative error above which values are refused.
UNKNOWN = 1e-2
# Relative error in doubled precision: that of ρ, which is given in doubles.
DOUBLED = 1e-13


class Motion(Protocol):
    """e^{Gt} on packed matrices."""

    def observe(self, start: Vector, functionals: Array, times: Array, *, integrals: int = 0) -> Array:
        """Return u·e^{Gt}x and its repeated integrals from 0, shape (integrals + 1, n_times, n)."""
        ...

    def propagate(self, start: Vector, times: Array, *, integral: bool = False, adjoint: bool = False) -> Array:
        """Return e^{Gt}x, or ∫₀ᵗ e^{Gs}x ds, at each time; with G† if `adjoint`."""
        ...

    def solve(self, source: Vector, *, traceless: bool = False) -> Vector:
        """Return X with G X = R."""
        ...


Model = FullModel | ReducedModel


class Solver:
    """Computes exact values for one stationary state; what several of them need is computed once.

    There are five methods, of which the cheapest safe one is taken. *Modes*, where every channel is detected
    ideally: the motion between clicks is then diagonal over the modes of H_eff. *A core of mode pairs*
    (`reduced.pair_core`), diagonalised once for each set of detected channels (`levels`). *All pairs* in small
    systems, where nothing is left out. *Propagation* of the whole space, the reference, which takes over where a
    core fails its checks. Above 300 dimensions all of these work on the essential basis states, unless propagation
    is asked for by name. *Doubling* of the time in doubled precision, in small systems whose time scales or rates
    lie so far apart that rounding of doubles would show.

    The error of a core is estimated from two smaller cores with fewer modes (`answers`): no useful guaranteed
    bound is known.

    Parameters
    ----------
    steady : SteadyState
        The state; its `solver` names a method, or is "auto".
    """

    def __init__(self, steady: SteadyState) -> None:
        self._given = steady
        self.answers: list[Answer] = []
        self.kept: Kept = steady.workspace.setdefault("kept", {})
        self.levels = Levels(steady, self.kept)
        self._full: dict[str, FullModel] = {}

    def answer(
        self,
        compute: Callable[[Model], Array],
        channels: Sequence[str] | None,
        detectors: Detectors,
        *,
        horizon: float,
        starts: int = 1,
        interest: Sequence[str] = (),
        stationary: bool = False,
        curve: bool = False,
        judged: Sequence[str] = (),
        chained: bool = False,
    ) -> Answer:
        """Return `compute(model)` for the cheapest model that is safe, with the error.

        Parameters
        ----------
        compute : callable
            Maps a model to an array of values.
        channels : sequence of str or None
            Detected channels.
        detectors : mapping of str to Detector or None
            Efficiency and dark counts by channel.
        horizon : float
            Longest time that is followed, in 1/ω_b; 0 for linear equations alone.
        starts : int
            How many states are followed that far.
        interest : sequence of str
            Undetected channels whose clicks start or end what is followed.
        stationary : bool
            Whether the motion under L is needed, and not only the motion without clicks.
        curve : bool
            Whether the last axis is a curve, for all of which one error is stated.
        judged : sequence of str
            Channels whose single rates the errors are relative to; when empty, the rate of all detected channels
            together.
        chained : bool
            Whether the values are rates of rare chains of several clicks.

        Raises
        ------
        ConvergenceError
            The values would have fewer than two correct digits.
        """
        names = checked_channels(self._given.system, channels)
        seen = checked_detectors(self._given.system, detectors)
        question = Question(names, seen, tuple(interest), stationary, curve, chained)
        # Cores of pairs are diagonalised side by side.
        with Stage("exact values", whole=True), one_blas_thread():
            return self._answer(compute, question, horizon, starts, tuple(judged))

    def _answer(
        self,
        compute: Callable[[Model], Array],
        question: Question,
        horizon: float,
        starts: int,
        judged: tuple[str, ...],
    ) -> Answer:
        began = time.perf_counter()
        found: Reduced | None = None
        weak = self._rounding_of_rates(question.names, judged)
        phases = EPSILON * self._spread * horizon
        if self._doubles(phases + weak, horizon):
            value = np.asarray(compute(self._full_model(question, doubled=True)), dtype=np.float64)
            found = Reduced(value, max(DOUBLED, self._given.error), "doubling in doubled precision")
        elif self._reduce(question, horizon, starts):
            found = self.levels.answer(compute, question, self._patience(horizon, starts))
            if found is not None and self._better_propagated(found, horizon, starts):
                found = None
            if found is not None:  # the phase of the fastest motion is known to rounding of itself
                found = found._replace(error=found.error + self._rounding(horizon) + weak)
        if found is None:
            model = self._affordable(question, horizon, starts)
            outside, dimensions = self._followed[1], f"{model.system.dimension} dimensions"
            with Stage(f"following {dimensions}", expected=self._propagation_cost(horizon, starts)):
                value = np.asarray(compute(model), dtype=np.float64)
            found = Reduced(value, PROPAGATED + outside + phases + weak, f"propagation of {dimensions}")
            if horizon <= 0.0:  # refined in doubled precision, to a known error
                found = Reduced(value, PROPAGATED + outside, f"equations in {dimensions}")
        value, relative, way = found
        worst = float(np.max(relative, initial=0.0))
        if worst > UNKNOWN:
            rare = ", ".join(dict.fromkeys(judged or question.names))
            raise ConvergenceError(
                f"exact values would be known only to {worst:.1g} of each: {rare} click too rarely beside "
                f"their fastest decay; lower N to {MOST_DOUBLED}, where 32 digits are used"
            )
        method = f"exact, {way}, relative error {worst:.1g}"
        answer = Answer(value, relative * scale_of(value), method, time.perf_counter() - began)
        self.answers.append(answer)
        return answer

    def _affordable(self, question: Question, horizon: float, starts: int) -> FullModel:
        """Return what is propagated; refuse computations of hours."""
        seconds = self._propagation_cost(horizon, starts)
        if self._given.solver == "auto" and seconds > TOO_LONG:
            raise ConvergenceError(
                f"propagating {len(self._followed[0].rho)} dimensions for {horizon:.3g} would take about "
                f"{seconds / 3600.0:.2g} h, and no reduced model is accurate enough; shorten the time, lower the "
                "levels, or accept the time with steady.with_solver('propagation')"
            )
        return self._full_model(question)

    def _rounding_of_rates(self, names: Sequence[str], judged: Sequence[str]) -> float:
        """Return the relative error of rates far below ‖c†c‖_F that rounding of the state in doubles causes."""
        shares = [self._weakness[name] for name in judged or names]
        strong = [share for share in shares if share > 0.0]
        weakness = max(strong, default=0.0) if judged else min(strong, default=0.0)
        return 10.0 * EPSILON * weakness

    @cached_property
    def _weakness(self) -> dict[str, float]:
        """‖c†c‖_F/λ of every channel that clicks: how much a rate magnifies the rounding of the state."""
        found = {}
        for channel in self._given.system.channels:
            rate = self._given.rate(channel.name)
            size = sparse.linalg.norm(channel.operator.conj().T @ channel.operator)
            found[channel.name] = float(size / rate) if rate > 0.0 else 0.0
        return found

    def _doubles(self, doubt: float, horizon: float) -> bool:
        """Return whether doubled precision is needed; linear equations are always refined in it."""
        if self._given.solver != "auto" or horizon <= 0.0:
            return self._given.solver == "doubling"
        dimension = self._given.system.dimension
        if dimension <= ALWAYS_DOUBLED:
            return True
        return dimension <= MOST_DOUBLED and doubt > (DOUBT if dimension <= CHEAPLY_DOUBLED else GREATER_DOUBT)

    def _rounding(self, horizon: float) -> float:
        """Return the rounding of V⁻¹ρV⁻†, and of the phase of the fastest motion while the state changes."""
        decay = -self.levels.system(FIRST).space.motion.real.diagonal()
        slowest = float(decay[decay > 0.0].min(initial=np.inf))
        condition = self.levels.state(FIRST)[1].condition
        return EPSILON * (condition**3 + condition * self._spread * min(horizon, SETTLED / slowest))

    def _reduce(self, question: Question, horizon: float, starts: int) -> bool:
        """Return whether the reduced model is cheaper than propagation."""
        way, levels, dimension = self._given.solver, self.levels, self._given.system.dimension
        if way != "auto":
            return way == "reduced" and levels.state(FIRST)[1].condition <= MAX_MODES_CONDITION
        if horizon <= 0.0 and dimension <= MOST_ELIMINATED:
            return False
        propagating = self._propagation_cost(horizon, starts)
        if propagating < QUICK and dimension > TINY:
            return False
        if levels.state(FIRST)[1].condition > MAX_MODES_CONDITION:
            return False
        if not levels.suffice(question):
            return False
        if dimension <= TINY or (levels.made(question) and not question.stationary):
            return True
        sizes = levels.sizes(question)
        return max(sizes) <= LARGEST_CORE and sum(CORE * size**3 for size in sizes) < SHARED * propagating

    def _better_propagated(self, found: Reduced, horizon: float, starts: int) -> bool:
        """Say whether a core leaves more open than is wanted, where propagation does not and is quick enough."""
        if float(np.max(found.error, initial=0.0)) <= self.levels.wanted:
            return False
        return self._patience(horizon, starts) < np.inf

    def _patience(self, horizon: float, starts: int) -> float:
        """Return the seconds of propagation where that may take over from a core, else infinity."""
        if self._given.solver != "auto":
            return np.inf
        seconds = self._propagation_cost(horizon, starts)
        return seconds if seconds < (PATIENCE if self._given.accuracy >= ACCURACY else TOO_LONG) else np.inf

    @cached_property
    def _followed(self) -> tuple[SteadyState, float]:
        """Return the state whose space is propagated, and the relative error that what lies outside may cause.

        That is the whole space, or above 300 dimensions, unless propagation is asked for by name, the essential
        states: their energies are shifted by what is left out, in proportion to its amplitude. Of a state that was
        found on essential states that holds of the whole.
        """
        if not self._restricts:
            finer = self._given.accuracy < ACCURACY and self._given.method == "essential"
            return self._given, OUTSIDE * STATE_CUT**0.5 if finer else 0.0
        inside = self.levels.inside(FOLLOWED)
        if len(inside.rho) == self._given.system.dimension:
            return self._given, 0.0
        return inside, OUTSIDE * FOLLOWED**0.5

    @property
    def _restricts(self) -> bool:
        """Whether essential states are propagated: they do not allow more digits than usual."""
        usual = self._given.solver == "auto" and self._given.accuracy >= ACCURACY
        return usual and self._given.system.dimension > RESTRICT

    def _propagation_cost(self, horizon: float, starts: int) -> float:
        """Return the predicted seconds of following some states for a time."""
        dimension, spread = self._predicted
        if horizon <= 0.0:  # a few linear solves
            return 40.0 * 4e-10 * dimension**3 * starts
        return horizon * spread * PRODUCT * dimension**2 * starts

    @cached_property
    def _predicted(self) -> tuple[int, float]:
        """Dimension and spread of what would be propagated; the first core has nearly the same states."""
        if not self._restricts:
            return self._given.system.dimension, self._spread
        system = self.levels.state(FIRST)[0].system
        return system.dimension, spread_of(system)

    @cached_property
    def _spread(self) -> float:
        return spread_of(self._given.system)

    def _full_model(self, question: Question, *, doubled: bool = False) -> FullModel:
        key = f"{question.detection} {doubled}"
        if key not in self._full:
            steady = self._followed[0]
            self._full[key] = FullModel(steady.system, steady.rho, question.names, question.seen, doubled=doubled)
        return self._full[key]


def spread_of(system: OpenSystem) -> float:
    """Return a bound of the frequencies in L and of its decays."""
    matrix = abs(system.centred_H_eff)
    centre = system.centred_H_eff.diagonal().real
    other = np.asarray(matrix.sum(axis=1)).reshape(-1) - np.abs(system.centred_H_eff.diagonal())
    decay = float(system.decay.diagonal().real.max(initial=0.0))
    return float((centre + other).max() - (centre - other).min()) + 2.0 * decay


def solver_of(steady: SteadyState) -> Solver:
    """Return the solver of a steady state, made once."""
    found: Solver | None = steady.workspace.get("solver")
    if found is None:  # in another thread it may be made at the same moment
        found = steady.workspace.setdefault("solver", Solver(steady))
    return found


def require_clicks(steady: SteadyState, names: Sequence[str], detectors: Detectors) -> None:
    """Raise `InvalidInput` if one of some channels is unknown or never clicks."""
    detected = DetectedSystem(steady.system, None, detectors)
    rho = pack(steady.rho)
    for name in names:
        steady.system.channel(name)
        detected.rate(name, rho)


def total_rate(steady: SteadyState, names: Sequence[str], detectors: Detectors) -> float:
    """Return the total rate of some channels; raise `InvalidInput` if none of them ever clicks."""
    return DetectedSystem(steady.system, names, detectors).total_rate(pack(steady.rho))
