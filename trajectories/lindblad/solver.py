"""One place that chooses how an exact question is answered, and says how far the answer may be off."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..detectors import Detector
from ..errors import ConvergenceError
from .answers import Answer, scale_of, stated_errors
from .blas import one_blas_thread
from .inputs import checked_channels, checked_detectors
from .reduced.essential import STATE_CUT
from .reduced.kept import Kept
from .reduced.mode_space import MODE_CUT, AllModes, all_modes, mode_space
from .reduced.model import ReducedModel, ReducedSystem
from .reduced.stationary import cut_out
from .steady_state import SteadyState
from .superoperators.detected import DetectedSystem
from .superoperators.full_model import FullModel
from .superoperators.hermitian_vectors import Vector, pack
from .superoperators.inverse import MOST_ELIMINATED
from .superoperators.motions import MOST_DOUBLED

Array = NDArray[np.float64]
Detectors = Mapping[str, Detector] | None

# Importance below which pairs of modes stay out of the core, level by level; errors fall in proportion. Modes and
# states are cut as many times more coarsely, or more finely, as is said beside. An answer takes two neighbouring
# levels: the finer FIRST at first, one below where that would be too large, and the one above where the error asks
# for it.
PAIR_CUTS = (5e-6, 7e-7, 1e-7, 2.5e-8, 6e-9)
MODE_CUTS, STATE_CUTS = (100.0, 10.0, 1.0, 0.1, 0.1), (100.0, 100.0, 10.0, 1.0, 1.0)
FIRST = 3
# Where every click is seen nothing lies outside the modes, and a level coarser does.
FIRST_OF_MODES = 2
# Stated relative error above which a finer core is made, and that beyond which the reduction is given up for
# propagation.
REFINE, GIVE_UP = 1e-6, 2.5e-4
# Most real dimensions of a core: its diagonalisation takes some fifteen seconds.
LARGEST_CORE = 2600
# Up to this dimension all pairs of modes are taken, and nothing is left out.
COMPLETE = 30
# Up to this dimension all pairs are diagonalised at once, whatever propagation would cost.
TINY = 12
# Above this dimension the system is first restricted to essential states.
RESTRICT = 300
# Worst condition of the core's eigenvectors, and fastest growth beside the fastest motion; healthy: 1e5 and 1e-16.
MAX_CONDITION, MAX_GROWTH = 1e9, 1e-9
# Condition of the eigenvectors of H_eff above which nothing is reduced.
MAX_MODES_CONDITION = 300.0
# Predicted costs in seconds: of one product with L per N², and of a core per R³.
PRODUCT, CORE = 6e-9, 6e-10
# A core serves this many questions on average.
SHARED = 4.0
# Below this many seconds propagation is not worth replacing; beyond, it is refused unless asked for by name.
QUICK, TOO_LONG = 0.3, 7200.0
# Relative error of propagation, and of a diagonalisation per condition of its eigenvectors.
PROPAGATED, ROUNDING = 1e-9, 1e-15
SETTLED = 40.0  # lifetimes of the slowest mode after which nothing moves
EPSILON = float(np.finfo(np.float64).eps)
# Small systems go to doubled precision where the rounding of doubles may exceed this: it costs a second up to the
# first dimension, and half a minute at the second. Where it costs milliseconds they always do: modes cancel at
# times that are short beside all of them.
DOUBT, CHEAPLY_DOUBLED, GREATER_DOUBT = 1e-10, 16, 1e-6
ALWAYS_DOUBLED = 6
# Values that are less accurate than this are refused.
UNKNOWN = 1e-2
# Relative error of what is followed in doubled precision: that of ρ, which is given in doubles.
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
    """Answers exact questions about one stationary state; whatever serves several is made once.

    Five ways, the cheapest that is safe. *Modes*, where every channel is detected ideally: the motion between
    clicks is then diagonal over the modes of H_eff. *A core of mode pairs* (`reduced.pair_core`), diagonalised
    once for each set of detected channels. *All pairs* in small systems, where nothing is left out. *Propagation*
    of the whole space, the reference, which takes over where a core fails its checks. Above 300 dimensions the
    first two work on the essential basis states. *Doubling* of the time in doubled precision, in small systems
    whose time scales or rates lie so far apart that rounding of doubles would show.

    The error of a core is estimated by two smaller ones with fewer modes (`answers`): no useful bound that is
    guaranteed is known.

    Parameters
    ----------
    steady : SteadyState
        The state; its `solver` names a way, or "auto".
    """

    def __init__(self, steady: SteadyState) -> None:
        self._given = steady
        self.answers: list[Answer] = []
        self.kept: Kept = steady.workspace.setdefault("kept", {})
        self._full: dict[str, FullModel] = {}
        self._models: dict[tuple[str, int], ReducedModel] = {}
        self._reduced: dict[int, ReducedSystem] = {}
        self._essential: dict[int, tuple[SteadyState, AllModes]] = {}

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
        """Return what `compute` makes of the best model.

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
            Whether the motion under L is wanted, and not only that without clicks.
        curve : bool
            Whether the last axis is a curve, for all of which one error is stated.
        judged : sequence of str
            Channels whose rates, one by one, the values are relative to; without, all detected ones together.
        chained : bool
            Whether the values belong to chains of several clicks that are rare together.

        Raises
        ------
        ConvergenceError
            The values would be known to less than two digits.
        """
        with one_blas_thread():  # two cores of pairs are diagonalised side by side
            return self._answer(
                compute, channels, detectors, horizon, starts, interest, stationary, curve, judged, chained
            )

    def _answer(
        self,
        compute: Callable[[Model], Array],
        channels: Sequence[str] | None,
        detectors: Detectors,
        horizon: float,
        starts: int,
        interest: Sequence[str],
        stationary: bool,
        curve: bool,
        judged: Sequence[str],
        chained: bool,
    ) -> Answer:
        began = time.perf_counter()
        names = checked_channels(self._given.system, channels)
        seen = checked_detectors(self._given.system, detectors)
        found: tuple[Array, Array | float, str] | None = None
        weak = self._rounding_of_rates(names, judged)
        phases = EPSILON * self._spread * horizon
        if self._doubles(phases + weak, horizon):
            value = np.asarray(compute(self._full_model(names, seen, doubled=True)), dtype=np.float64)
            found = value, max(DOUBLED, self._given.error), "doubling in doubled precision"
        elif self._reduce(names, seen, horizon, starts, interest, stationary):
            found = self._from_reduced(compute, names, seen, tuple(interest), stationary, curve, chained)
            if found is not None:  # the phase of the fastest motion is known to rounding of itself
                found = found[0], found[1] + self._rounding(horizon) + weak, found[2]
        if found is None:
            model = self._affordable(names, seen, horizon, starts)
            value = np.asarray(compute(model), dtype=np.float64)
            dimensions = f"{self._given.system.dimension} dimensions"
            found = value, PROPAGATED + phases + weak, f"propagation of {dimensions}"
            if horizon <= 0.0:  # refined in doubled precision, to an error that is looked at
                found = value, PROPAGATED, f"equations in {dimensions}"
        value, relative, way = found
        worst = float(np.max(relative, initial=0.0))
        if worst > UNKNOWN:
            rare = ", ".join(dict.fromkeys(judged or names))
            raise ConvergenceError(
                f"exact values would be known only to {worst:.1g} of each: {rare} click too rarely beside "
                f"their fastest decay; lower N to {MOST_DOUBLED}, where 32 digits are used"
            )
        method = f"exact, {way}, relative error {worst:.1g}"
        answer = Answer(value, relative * scale_of(value), method, time.perf_counter() - began)
        self.answers.append(answer)
        return answer

    def _affordable(
        self, names: tuple[str, ...], seen: Mapping[str, Detector], horizon: float, starts: int
    ) -> FullModel:
        """Return the whole space for propagation; refuse computations of hours."""
        seconds = self._propagation_cost(horizon, starts)
        if self._given.solver == "auto" and seconds > TOO_LONG:
            raise ConvergenceError(
                f"propagating {self._given.system.dimension} dimensions for {horizon:.3g} would take about "
                f"{seconds / 3600.0:.2g} h, and no small model serves; shorten the time, lower the levels, or "
                "insist with steady.with_solver('propagation')"
            )
        return self._full_model(names, seen)

    def _rounding_of_rates(self, names: Sequence[str], judged: Sequence[str]) -> float:
        """Return what rounding of a state in doubles makes of rates that are weak beside ‖c†c‖_F."""
        shares = [self._weakness[name] for name in judged or names]
        strong = [share for share in shares if share > 0.0]
        weakness = max(strong, default=0.0) if judged else min(strong, default=0.0)
        return 10.0 * EPSILON * weakness

    @cached_property
    def _weakness(self) -> dict[str, float]:
        """‖c†c‖_F/λ of every channel that clicks: the share of a state's rounding in a rate."""
        found = {}
        for channel in self._given.system.channels:
            rate = self._given.rate(channel.name)
            size = sparse.linalg.norm(channel.operator.conj().T @ channel.operator)
            found[channel.name] = float(size / rate) if rate > 0.0 else 0.0
        return found

    def _doubles(self, doubt: float, horizon: float) -> bool:
        """Say whether the question is one for doubled precision; linear equations are refined in it anyway."""
        if self._given.solver != "auto" or horizon <= 0.0:
            return self._given.solver == "doubling"
        dimension = self._given.system.dimension
        if dimension <= ALWAYS_DOUBLED:
            return True
        return dimension <= MOST_DOUBLED and doubt > (DOUBT if dimension <= CHEAPLY_DOUBLED else GREATER_DOUBT)

    def _rounding(self, horizon: float) -> float:
        """Return the rounding of V⁻¹ρV⁻†, and of the fastest motion's phase as long as anything moves."""
        decay = -self._system(FIRST).space.motion.real.diagonal()
        slowest = float(decay[decay > 0.0].min(initial=np.inf))
        condition = self._state(FIRST)[1].condition
        return EPSILON * (condition**3 + condition * self._spread * min(horizon, SETTLED / slowest))

    def _reduce(
        self,
        names: tuple[str, ...],
        seen: Mapping[str, Detector],
        horizon: float,
        starts: int,
        interest: Sequence[str],
        stationary: bool,
    ) -> bool:
        """Say whether the reduced model is the cheaper way."""
        way = self._given.solver
        if way != "auto":
            return way == "reduced" and self._state(FIRST)[1].condition <= MAX_MODES_CONDITION
        if horizon <= 0.0 and self._given.system.dimension <= MOST_ELIMINATED:
            return False
        propagating = self._propagation_cost(horizon, starts)
        if propagating < QUICK and self._given.system.dimension > TINY:
            return False
        if self._state(FIRST)[1].condition > MAX_MODES_CONDITION:
            return False
        if self._given.system.dimension <= TINY:
            return True
        if self._complete:
            sizes = [len(self._state(FIRST)[0].rho) ** 2]
        else:
            fine = self._finer_level(names, seen, interest, stationary)
            sizes = [self._size(level, names, seen, interest, stationary) for level in (fine - 1, fine)]
        if max(sizes) > LARGEST_CORE:
            return False
        reducing = sum(CORE * size**3 for size in sizes)
        return reducing < SHARED * propagating

    def _size(
        self,
        level: int,
        names: tuple[str, ...],
        seen: Mapping[str, Detector],
        interest: Sequence[str],
        stationary: bool,
    ) -> int:
        """Return the real dimensions of the largest core that a question needs at a level."""
        every, system = self._given.system.channel_names, self._system(level)
        ideal = all(name in names and seen[name].efficiency == 1.0 for name in every)
        sizes = [system.core_size(every, False)] if stationary else []
        if not ideal:
            sizes.append(system.core_size(tuple(dict.fromkeys([*names, *interest])), True))
        return max(sizes, default=0)

    def _finer_level(
        self, names: tuple[str, ...], seen: Mapping[str, Detector], interest: Sequence[str], stationary: bool
    ) -> int:
        """Return the finer of the two levels that a question begins with."""
        if self._size(FIRST_OF_MODES, names, seen, interest, stationary) == 0:
            return FIRST_OF_MODES
        level = FIRST
        while level > 1 and self._size(level, names, seen, interest, stationary) > LARGEST_CORE:
            level -= 1
        return level

    def _propagation_cost(self, horizon: float, starts: int) -> float:
        """Return the predicted seconds of following some states for a time."""
        dimension = self._given.system.dimension
        if horizon <= 0.0:  # a few linear solves
            return 40.0 * 4e-10 * dimension**3 * starts
        return horizon * self._spread * PRODUCT * dimension**2 * starts

    @cached_property
    def _spread(self) -> float:
        """Bound of the frequencies in L and of its decays."""
        system = self._given.system
        matrix = abs(system.centred_H_eff)
        centre = system.centred_H_eff.diagonal().real
        other = np.asarray(matrix.sum(axis=1)).reshape(-1) - np.abs(system.centred_H_eff.diagonal())
        decay = float(system.decay.diagonal().real.max(initial=0.0))
        return float((centre + other).max() - (centre - other).min()) + 2.0 * decay

    def _from_reduced(
        self,
        compute: Callable[[Model], Array],
        names: tuple[str, ...],
        seen: Mapping[str, Detector],
        interest: tuple[str, ...],
        stationary: bool,
        curve: bool,
        chained: bool,
    ) -> tuple[Array, Array | float, str] | None:
        """Return values, their relative errors and the way; None where the core fails its checks."""
        if self._complete:
            model = self._reduced_model(FIRST, names, seen, interest)
            value = np.asarray(compute(model), dtype=np.float64)
            sound, condition = self._sound(model)
            return (value, ROUNDING * condition, "all pairs of modes") if sound else None
        level = self._finer_level(names, seen, interest, stationary)
        if self._size(level, names, seen, interest, stationary) > LARGEST_CORE:
            return None
        numbers = range(max(level - 2, 0), level + 1)
        models = [self._reduced_model(number, names, seen, interest) for number in numbers]
        with ThreadPoolExecutor(2) as pool:  # the finest takes about as long as the others together
            found = pool.map(compute, models[::-1])
            values = [np.asarray(value, dtype=np.float64) for value in found][::-1]
        while True:
            sound, condition = self._sound(models[-1])
            cut = PAIR_CUTS[level] if models[-1].size else 0.0
            error = stated_errors(values[-3:], curve, cut, chained) + ROUNDING * condition
            worst = float(error.max(initial=0.0))
            if not sound or not np.isfinite(worst) or worst > GIVE_UP:
                return None
            last = level + 1 == len(PAIR_CUTS)
            if worst <= REFINE or last or self._size(level + 1, names, seen, interest, stationary) > LARGEST_CORE:
                way = f"core of {models[-1].size} mode pairs" if models[-1].size else "modes"
                return values[-1], error, way
            level += 1
            models.append(self._reduced_model(level, names, seen, interest))
            values.append(np.asarray(compute(models[-1]), dtype=np.float64))

    def _sound(self, model: ReducedModel) -> tuple[bool, float]:
        """Say whether all motions of a model pass the checks, and return their worst condition."""
        condition = max((motion.condition for motion in model.used), default=1.0)
        growth = max((motion.growth for motion in model.used), default=0.0)
        return condition <= MAX_CONDITION and growth <= MAX_GROWTH, condition

    @property
    def _complete(self) -> bool:
        return self._given.system.dimension <= COMPLETE

    def _reduced_model(
        self, level: int, names: tuple[str, ...], seen: Mapping[str, Detector], interest: tuple[str, ...]
    ) -> ReducedModel:
        key = (_key(names, seen) + repr(interest), level)
        if key not in self._models:
            self._models[key] = ReducedModel(self._system(level), names, seen, interest)
        return self._models[key]

    def _system(self, level: int) -> ReducedSystem:
        """Return the modes of a level."""
        if level not in self._reduced:
            steady, modes = self._state(level)
            cut = 0.0 if self._complete else MODE_CUT * MODE_CUTS[level]
            space = mode_space(steady.system, steady.rho, modes, cut)
            pairs = 0.0 if self._complete else PAIR_CUTS[level]
            self._reduced[level] = ReducedSystem(steady.system, space, pairs, self.kept)
        return self._reduced[level]

    def _state(self, level: int) -> tuple[SteadyState, AllModes]:
        """Return the stationary state, on the essential states where there are many, and all modes."""
        which = min(level, FIRST) if self._given.system.dimension > RESTRICT else FIRST
        if which not in self._essential:
            steady = self._given
            if self._given.system.dimension > RESTRICT:
                cut = STATE_CUT * STATE_CUTS[which]
                found = cut_out(self._given.system, self._given.rho, cut)
                steady = SteadyState(found.rho, found.system, 0.0)
            self._essential[which] = steady, all_modes(steady.system)
        return self._essential[which]

    def _full_model(
        self, names: tuple[str, ...], seen: Mapping[str, Detector], *, doubled: bool = False
    ) -> FullModel:
        key = f"{_key(names, seen)} {doubled}"
        if key not in self._full:
            self._full[key] = FullModel(self._given.system, self._given.rho, names, seen, doubled=doubled)
        return self._full[key]


def solver_of(steady: SteadyState) -> Solver:
    """Return the solver of a steady state, made once."""
    if "solver" not in steady.workspace:
        steady.workspace["solver"] = Solver(steady)
    solver: Solver = steady.workspace["solver"]
    return solver


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


def _key(names: tuple[str, ...], seen: Mapping[str, Detector]) -> str:
    return repr((names, sorted((name, sorted(asdict(detector).items())) for name, detector in seen.items())))
