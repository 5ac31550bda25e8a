"""Convergence with the truncation: how far each number moves when a mode is given one level more."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..blas import one_blas_thread
from ..checks import integer, positive_number, shown
from ..displays import bar as progress_bar
from ..errors import InvalidInput
from ..model import OpenSystem, SpinningResonator
from ..stages import Stage, call, is_interactive
from .convergence import Convergence, Levels, TruncationStep
from .moments.steady import SteadyMoments
from .pulses.periodic import PeriodicState, periodic_state
from .spectra import resonance
from .steady_state import SteadyState, steady_state

if TYPE_CHECKING:
    from tqdm import tqdm

Made = OpenSystem | SteadyMoments
Observable = Callable[[SteadyState], float] | Callable[[PeriodicState], float] | Callable[[SteadyMoments], float]

# A move below this counts as none. A parity rule may be the reason, so the next level is tried too.
NO_MOVE = 1e-10
# Values below this are rounding noise of the steady state, and none of their moves counts.
NOISE = 1e-13


def at_resonance(resonator: SpinningResonator, pair: str) -> Callable[[Levels], OpenSystem]:
    """Return a system factory for `converge` that follows a resonance, which moves with the truncation.

    Parameters
    ----------
    resonator : SpinningResonator
        Parameters and direction; its own Δ_ad is ignored.
    pair : {"photon-phonon", "photon-magnon"}
        At each truncation, Δ_ad is set to `resonance` of this pair.

    Returns
    -------
    callable
        From levels of photon, phonon and magnon to an OpenSystem. Each call takes about ten steady states, and
        raises what `resonance` raises.

    Raises
    ------
    InvalidInput
        By the factory: an unknown pair or a bad truncation.

    Examples
    --------
    >>> import trajectories as tj
    >>> resonator = tj.SpinningResonator("left")
    >>> factory = tj.lindblad.at_resonance(resonator, "photon-magnon")
    >>> round(factory((3, 2, 3)).parameters["detuning"], 3)
    1.34
    """

    def factory(levels: Levels) -> OpenSystem:
        chosen = cast(tuple[int, int, int], levels)  # any other length is refused below
        return replace(resonator, detuning=resonance(resonator, pair, chosen)).system(chosen)

    return factory


def converge(
    system_factory: Callable[[Levels], Made],
    observables: Mapping[str, Observable],
    *,
    start: Sequence[int] = (3, 3, 3),
    tolerance: float = 1e-3,
    maximum: Sequence[int] | None = None,
    max_dimension: int = 600,
    progress: bool = True,
) -> Convergence:
    """Raise the truncation until no observable moves, |x' − x|/max(|x'|, |x|) ≤ tolerance, on one level more.

    At each truncation every level count is raised by one in turn; the one that moves an observable most
    is kept raised. A level that changes nothing at all is followed by the next one, because a
    parity rule leaves every other level empty. A number that counts levels of a finite factor, such as an atom,
    is never raised.

    Parameters
    ----------
    system_factory : callable
        From a tuple of level counts to an OpenSystem, e.g. ``resonator.system`` at fixed Δ_ad,
        ``at_resonance(resonator, pair)``, or, with one number, a cut-off of the total excitation:
        ``lambda n: resonator.system((n[0] + 1,) * 3, max_quanta=n[0])``. Or to SteadyMoments, with an order
        for the levels: ``lambda n: lindblad.steady_moments(system, 2 * n[0])``.
    observables : mapping of str to callable
        Functions of a SteadyState, of the PeriodicState of a system that depends on time, or of SteadyMoments,
        that give a finite real number.
    start : sequence of int
        The first truncation.
    tolerance : float
        Largest relative move allowed, positive.
    maximum : sequence of int, optional
        Never go beyond these level counts.
    max_dimension : int
        Never go beyond this N; of moments only `maximum` limits the order.
    progress : bool
        Whether to count steady states in a progress bar, at a terminal and in a notebook.

    Returns
    -------
    Convergence
        All truncations tried, the moves, and whether the limits stopped the search before it converged.

    Raises
    ------
    InvalidInput
        No observable, one that is not finite, a factory that gives neither OpenSystem nor SteadyMoments, a
        tolerance that is not positive, or a start outside the limits.

    Examples
    --------
    >>> import trajectories as tj
    >>> def cavity(levels):
    ...     space = tj.HilbertSpace(photon=levels[0])
    ...     a = space.lower("photon")
    ...     return tj.OpenSystem(0.1 * (a + a.T), [tj.Channel("photon", a)], space)
    >>> found = tj.lindblad.converge(cavity, {"rate": lambda steady: steady.rate("photon")}, start=(2,))
    >>> found.converged, found.levels
    (True, (4,))

    Of pulses, functions of the periodic state:

    >>> def pulsed(levels):
    ...     space = tj.HilbertSpace(photon=levels[0])
    ...     a = space.lower("photon")
    ...     drive = tj.Drive(a + a.T, tj.Gaussian(6.0, 0.5, 0.2))
    ...     return tj.OpenSystem(0 * a, [tj.Channel("photon", a)], space, drives=[drive], period=12.0)
    >>> bright = lambda state: tj.lindblad.brightness(state, "photon").value
    >>> tj.lindblad.converge(pulsed, {"clicks per pulse": bright}, start=(2,)).levels
    (3,)
    """
    first = _checked(system_factory, observables, start, tolerance, maximum, max_dimension)
    drawn = progress and is_interactive()
    with (
        call("convergence", progress),
        one_blas_thread(),
        progress_bar(unit="state", disable=not drawn) as bar,
    ):
        truncations = _Truncations(system_factory, observables, maximum, max_dimension, bar)
        levels = first
        if truncations.at(levels) is None:
            raise InvalidInput(f"start={levels} has more than max_dimension={max_dimension} states; lower it")
        while True:
            moves = truncations.moves(levels)
            largest = int(np.nanargmax([-1.0, *moves])) - 1
            if largest < 0 or moves[largest] <= tolerance:
                break
            levels = _raised(levels, largest)
        steps = truncations.steps()
    converged = bool(np.all(np.array(moves) <= tolerance))
    reason = _reason(converged, tolerance, maximum, max_dimension)
    return Convergence(converged, levels, steps, float(tolerance), reason)


class _Truncations:
    """Steady states by truncation, each solved once."""

    def __init__(
        self,
        factory: Callable[[Levels], Made],
        observables: Mapping[str, Observable],
        maximum: Sequence[int] | None,
        max_dimension: int,
        bar: tqdm[Any],
    ) -> None:
        self.factory = factory
        self.observables: Mapping[str, Callable[[Any], float]] = observables
        self.maximum, self.max_dimension, self.bar = maximum, max_dimension, bar
        self.tried: dict[Levels, TruncationStep | None] = {}
        self.labels: tuple[str, ...] = ()
        self.finite: dict[str, int] = {}  # level counts of finite factors, if there are more numbers than modes
        self.held: dict[int, bool] = {}  # which numbers are level counts of finite factors

    def at(self, levels: Levels) -> TruncationStep | None:
        """Return the observables at a truncation, or None beyond the limits."""
        if levels not in self.tried:
            self.tried[levels] = self._solve(levels)
        return self.tried[levels]

    def _solve(self, levels: Levels) -> TruncationStep | None:
        if self._beyond(levels):
            return None
        made = self._made(levels)
        if isinstance(made, SteadyMoments):
            state: Any = made
            self.labels = ("order",) if len(levels) == 1 else tuple(f"order[{i}]" for i in range(len(levels)))
            dimension, top = made.unknowns, made.top_order
        elif made.dimension > self.max_dimension:
            return None
        else:
            state = self._stationary(made, levels)
            dimension, top = made.dimension, max(state.top_level.values(), default=np.nan)
            modes = made.space.modes if made.space is not None else ()
            self.finite = _finite_levels(made) if len(levels) > len(modes) else {}
            self.labels = modes if len(modes) == len(levels) else tuple(f"levels[{i}]" for i in range(len(levels)))
        self.bar.update()
        values = {name: _finite(name, observable(state), levels) for name, observable in self.observables.items()}
        return TruncationStep(levels, dimension, MappingProxyType(values), top, MappingProxyType({}))

    def _stationary(self, system: OpenSystem, levels: Levels) -> SteadyState | PeriodicState:
        truncation = f"truncation {', '.join(map(str, levels))}, N={system.dimension}"
        self.bar.set_description(truncation, refresh=False)
        with Stage(truncation, covers=True, shown=bool(self.bar.disable)):
            return periodic_state(system) if system.depends_on_time else steady_state(system)

    def _beyond(self, levels: Levels) -> bool:
        return self.maximum is not None and any(n > most for n, most in zip(levels, self.maximum, strict=True))

    def _made(self, levels: Levels) -> Made:
        made = self.factory(levels)
        if not isinstance(made, OpenSystem | SteadyMoments):
            kind = type(made).__name__
            raise InvalidInput(f"system_factory gave {kind} at {levels}, not an OpenSystem or SteadyMoments")
        return made

    def moves(self, levels: Levels) -> list[float]:
        """Return the relative move for each level count, recorded with the step; NaN beyond the limits."""
        here = self.at(levels)
        assert here is not None
        moves = [self._move(here, i) for i in range(len(levels))]
        recorded = MappingProxyType(dict(zip(self.labels, moves, strict=True)))
        self.tried[levels] = replace(here, moves=recorded)
        return moves

    def _move(self, here: TruncationStep, position: int) -> float:
        if self._holds(here.levels, position):
            return 0.0
        raised = _raised(here.levels, position)
        move = _relative_move(here, self.at(raised))
        if move < NO_MOVE:
            move = _relative_move(here, self.at(_raised(raised, position)))
        return move

    def _holds(self, levels: Levels, position: int) -> bool:
        """Return whether a number counts levels of a finite factor, which has no more of them."""
        if not self.finite:
            return False
        if position not in self.held:
            raised = _raised(levels, position)
            try:
                self.held[position] = _finite_levels(self._made(raised)) != self.finite
            except InvalidInput as error:  # such as that a spin of three levels has no lowering operator
                if self._beyond(raised):
                    return False
                raise InvalidInput(
                    f"system_factory takes levels={levels} but not {raised}: {error}; in start, count levels of "
                    f"modes alone, not of the finite {', '.join(self.finite)}"
                ) from error
        return self.held[position]

    def steps(self) -> tuple[TruncationStep, ...]:
        """Return what was solved, in order."""
        return tuple(step for step in self.tried.values() if step is not None)


def _finite_levels(system: Made) -> dict[str, int]:
    """Return the level counts of a system's finite factors, where numbers may count them."""
    if isinstance(system, SteadyMoments) or system.space is None:
        return {}
    return {name: system.space.levels[name] for name in system.space.finite}


def _relative_move(old: TruncationStep, new: TruncationStep | None) -> float:
    if new is None:
        return float("nan")
    pairs = [(old.values[name], new.values[name]) for name in old.values]
    scales = [max(abs(x), abs(y)) for x, y in pairs]
    return max(abs(y - x) / s if s > NOISE else 0.0 for (x, y), s in zip(pairs, scales, strict=True))


def _raised(levels: Levels, position: int) -> Levels:
    return (*levels[:position], levels[position] + 1, *levels[position + 1 :])


def _finite(name: str, value: float, levels: Levels) -> float:
    if np.iscomplexobj(value) or not np.isfinite(value):
        raise InvalidInput(f"observable {name!r} is {value} at levels {levels}; it must be a finite real number")
    return float(value)


def _reason(converged: bool, tolerance: float, maximum: Sequence[int] | None, max_dimension: int) -> str:
    if converged:
        return f"converged: one level more moves nothing by more than {tolerance:g}"
    limits = f"max_dimension={max_dimension}" + (f" and maximum={tuple(maximum)}" if maximum is not None else "")
    return f"not converged to {tolerance:g} within {limits}; raise the limits"


def _checked(
    system_factory: Callable[[Levels], Made],
    observables: Mapping[str, Observable],
    start: Sequence[int],
    tolerance: float,
    maximum: Sequence[int] | None,
    max_dimension: int,
) -> Levels:
    """Refuse bad arguments; return `start` as a tuple of int."""
    if not callable(system_factory):
        raise InvalidInput(f"system_factory must be callable, but is {type(system_factory).__name__}")
    if not isinstance(observables, Mapping) or not observables or not all(map(callable, observables.values())):
        raise InvalidInput(
            "observables must map at least one name to a function of a SteadyState, PeriodicState or SteadyMoments"
        )
    positive_number(tolerance, "tolerance")
    first = _counts(start, "start")
    integer(max_dimension, "max_dimension", 1)
    if maximum is not None:
        most = _counts(maximum, "maximum")
        if len(most) != len(first) or any(np.less(most, first)):
            raise InvalidInput(f"maximum={most} must be at least start={first}, number by number")
    return first


def _counts(levels: Any, name: str) -> Levels:
    if not isinstance(levels, Sequence) or isinstance(levels, str) or not levels:
        raise InvalidInput(f"{name}={shown(levels)} must be a sequence of positive integers")
    return tuple(integer(n, f"{name}[{i}]", 1) for i, n in enumerate(levels))
