"""The reduction level by level: cores of mode pairs, each finer than the one before, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from threading import RLock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..detectors import Detector
from ..processors import beside
from .answers import LEAST_SHARE, stated_errors
from .reduced.essential import STATE_CUT
from .reduced.kept import Kept
from .reduced.mode_space import MODE_CUT, AllModes, all_modes, mode_space
from .reduced.model import ReducedModel, ReducedSystem
from .reduced.pair_core import CORE
from .reduced.stationary import cut_out
from .steady_state import ACCURACY, SteadyState

Array = NDArray[np.float64]

# Importance below which pairs of modes are left out of the core, level by level; errors fall in proportion. The
# cuts of modes and of states are multiplied by the factors beside. An answer takes three neighbouring levels. The
# finest of them is FIRST; one level coarser where its core would be too large; one level finer where the error is
# too large. The last takes all pairs, where they are few enough: nothing is left out then.
PAIR_CUTS = (5e-6, 7e-7, 1e-7, 2.5e-8, 6e-9, 1.5e-9, 5e-10, 0.0)
MODE_CUTS = (100.0, 10.0, 1.0, 0.1, 0.1, 0.01, 0.01, 0.0)
STATE_CUTS = (100.0, 100.0, 10.0, 1.0, 1.0, 1.0, 1.0, 1.0)
FIRST = 3
# Where every click is detected ideally nothing is neglected outside the modes, and one level coarser suffices.
FIRST_OF_MODES = 2
# Stated relative error above which a finer core is made, and above which the reduction is replaced by propagation.
REFINE, GIVE_UP = 1e-6, 2.5e-4
# Largest real dimension of a core that a question begins with, and of one that its error asks for: diagonalising
# them takes some ten seconds, and some twenty.
LARGEST_CORE, LARGEST_FINER = 2600, 3300
# Up to this dimension all pairs of modes are taken, and nothing is left out.
COMPLETE = 30
# Above this dimension the system is first restricted to essential states.
RESTRICT = 300
# Largest condition number of the core's eigenvectors, and largest growth rate relative to the fastest motion;
# typical values are 1e5 and 1e-16.
MAX_CONDITION, MAX_GROWTH = 1e9, 1e-9
# Relative error on essential states per root of the population at which they are cut: energies are shifted by what
# is left out, in proportion to its amplitude.
OUTSIDE = 40.0
# Relative error of a diagonalisation per condition of its eigenvectors.
ROUNDING = 1e-15


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a model; see `Solver.answer`.

    Attributes
    ----------
    names : tuple of str
        Detected channels.
    seen : mapping of str to Detector
        Their detectors.
    interest : tuple of str
        Undetected channels whose clicks start or end what is followed.
    stationary, curve, chained : bool
        Whether the motion under L is needed; whether the last axis is a curve; whether values are of chains of
        clicks.
    """

    names: tuple[str, ...]
    seen: Mapping[str, Detector]
    interest: tuple[str, ...]
    stationary: bool
    curve: bool
    chained: bool

    @cached_property
    def detection(self) -> str:
        """The detected channels and their detectors, as a key."""
        return repr((self.names, sorted((name, sorted(asdict(d).items())) for name, d in self.seen.items())))

    @cached_property
    def key(self) -> str:
        """What the models of a question depend on, as a key."""
        return self.detection + repr(self.interest)


class Reduced(NamedTuple):
    """Values, their stated relative errors, and how they were computed."""

    value: Array
    error: Array | float
    way: str


class Levels:
    """Reduced models of one stationary state, level by level, each made once.

    Parameters
    ----------
    steady : SteadyState
        The state.
    kept : dict of str to ndarray
        What cores gave, see `PairMotion`.
    """

    def __init__(self, steady: SteadyState, kept: Kept) -> None:
        self._given, self._kept = steady, kept
        self._models: dict[tuple[str, int], ReducedModel] = {}
        self._systems: dict[int, ReducedSystem] = {}
        self._states: dict[float, tuple[SteadyState, AllModes]] = {}
        self._lock = RLock()  # questions may be asked side by side

    @property
    def complete(self) -> bool:
        """Whether all pairs of modes are taken: of small systems, and where more digits than usual are wanted."""
        dimension = self._given.system.dimension
        return dimension <= COMPLETE or (self._given.accuracy < ACCURACY and dimension**2 <= LARGEST_FINER)

    @property
    def wanted(self) -> float:
        """The relative error above which finer cores are made."""
        return min(REFINE, self._given.accuracy)

    def suffice(self, question: Question) -> bool:
        """Return whether a core that is not too large can state the error that is wanted."""
        if self.complete or self.wanted >= REFINE:
            return True
        level = self._sufficient()
        return level is not None and self._size(level, question) <= LARGEST_CORE

    def made(self, question: Question) -> bool:
        """Return whether a question can be answered by models that are already made."""
        return any(key == question.key for key, _ in self._models)

    def sizes(self, question: Question) -> list[int]:
        """Return the real dimensions of the cores that a question begins with."""
        if self.complete:
            return [len(self.state(FIRST)[0].rho) ** 2]
        finest = self._finest(question)
        return [self._size(level, question) for level in range(max(finest - 2, 0), finest + 1)]

    def answer(
        self, compute: Callable[[ReducedModel], Array], question: Question, patience: float = np.inf
    ) -> Reduced | None:
        """Return values, their relative errors and the method; None where the core fails its checks.

        A finer core that would take longer than `patience` seconds, the time of propagation, is not made.
        """
        if self.complete:
            model = self._model(FIRST, question)
            value = np.asarray(compute(model), dtype=np.float64)
            sound, condition = _sound(model)
            return Reduced(value, ROUNDING * condition, "all pairs of modes") if sound else None
        level = self._finest(question)
        if self._size(level, question) > LARGEST_CORE:
            return None
        models = [self._model(number, question) for number in range(max(level - 2, 0), level + 1)]
        # The finest takes about as long as the others together.
        found = beside([partial(compute, model) for model in models[::-1]])
        values = [np.asarray(value, dtype=np.float64) for value in found][::-1]
        while True:
            sound, condition = _sound(models[-1])
            size = self._size(level, question)
            cut = PAIR_CUTS[level] if size else 0.0
            error = stated_errors(values[-3:], question.curve, cut, question.chained) + ROUNDING * condition
            if self.system(level).cut == 0.0:  # all pairs: of the states that were kept
                error = np.full(error.shape, ROUNDING * condition + OUTSIDE * self._state_cut(level) ** 0.5)
            worst = float(error.max(initial=0.0))
            if not sound or not np.isfinite(worst) or worst > GIVE_UP:
                return None
            if worst <= self.wanted or not self._finer(level + 1, question, patience):
                way = f"core of {size} mode pairs" if size else "modes"
                return Reduced(values[-1], error, way if self.system(level).cut else "all pairs of modes")
            level += 1
            models.append(self._model(level, question))
            values.append(np.asarray(compute(models[-1]), dtype=np.float64))

    def system(self, level: int) -> ReducedSystem:
        """Return the modes of a level."""
        with self._lock:
            if level not in self._systems:
                steady, modes = self.state(level)
                cut = 0.0 if self.complete else MODE_CUT * MODE_CUTS[level]
                space = mode_space(steady.system, steady.rho, modes, cut)
                pairs = 0.0 if self.complete else PAIR_CUTS[level]
                self._systems[level] = ReducedSystem(steady.system, space, pairs, self._kept)
            return self._systems[level]

    def state(self, level: int) -> tuple[SteadyState, AllModes]:
        """Return the stationary state, on the essential states where there are many, and all modes."""
        cut = self._state_cut(level)
        with self._lock:
            if cut not in self._states:
                steady = self.inside(cut)
                self._states[cut] = steady, all_modes(steady.system)
            return self._states[cut]

    def _state_cut(self, level: int) -> float:
        """Return the population below which states are left out at a level."""
        return STATE_CUT * STATE_CUTS[level] if self._given.system.dimension > RESTRICT else 0.0

    def inside(self, cut: float) -> SteadyState:
        """Return the stationary state on the basis states that hold more than a cut; on all with 0."""
        if cut == 0.0:
            return self._given
        found = cut_out(self._given.system, self._given.rho, cut)
        return SteadyState(found.rho, found.system, 0.0)

    def _model(self, level: int, question: Question) -> ReducedModel:
        key = (question.key, level)
        with self._lock:
            if key not in self._models:
                system = self.system(level)
                self._models[key] = ReducedModel(system, question.names, question.seen, question.interest)
            return self._models[key]

    def _finer(self, level: int, question: Question, patience: float) -> bool:
        """Return whether there is such a level, whose core can be made in time."""
        if level >= len(PAIR_CUTS):
            return False
        size = self._size(level, question)
        made = (question.key, level) in self._models
        return size <= LARGEST_FINER and (made or CORE * size**3 <= patience)

    def _size(self, level: int, question: Question) -> int:
        """Return the real dimensions of the largest core that a question needs at a level."""
        every, system = self._given.system.channel_names, self.system(level)
        ideal = all(name in question.names and question.seen[name].efficiency == 1.0 for name in every)
        sizes = [system.core_size(every, False)] if question.stationary else []
        if not ideal:
            sizes.append(system.core_size(tuple(dict.fromkeys([*question.names, *question.interest])), True))
        return max(sizes, default=0)

    def _sufficient(self) -> int | None:
        """Return the first level whose least stated error is what is wanted; None above 300 dimensions.

        There it is the essential states that limit the accuracy.
        """
        if self._given.system.dimension > RESTRICT:
            return None
        return next(level for level, cut in enumerate(PAIR_CUTS) if LEAST_SHARE * cut <= self.wanted)

    def _finest(self, question: Question) -> int:
        """Return the finest of the levels that a question begins with."""
        if self._size(FIRST_OF_MODES, question) == 0:
            return FIRST_OF_MODES
        level = FIRST
        if self.wanted < REFINE:
            level = max(self._sufficient() or FIRST, FIRST)
        while level > 1 and self._size(level, question) > LARGEST_CORE:
            level -= 1
        return level


def _sound(model: ReducedModel) -> tuple[bool, float]:
    """Return whether all motions of a model pass the checks, and their largest condition number."""
    condition = max((motion.condition for motion in model.used), default=1.0)
    growth = max((motion.growth for motion in model.used), default=0.0)
    return condition <= MAX_CONDITION and growth <= MAX_GROWTH, condition
