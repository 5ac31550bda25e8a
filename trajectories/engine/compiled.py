"""CompiledSystem: the arrays that a worker needs to compute trajectories."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..blas import one_blas_thread
from ..ensembles import strata
from ..errors import ConvergenceError, InvalidInput
from ..model.states import Draws, InitialStates, initial_states
from ..model.system import OpenSystem
from .cost import LONG, SHORT, modes_seconds, most_modes_seconds, predicted_cost
from .jump_kernels import Jumps
from .modes.eigenmodes import ModesPropagator
from .operators import stack_operators
from .propagator import Propagator, named_arrays
from .pulses.reduced_tree import ReducedTreePropagator
from .pulses.timed import TimedPropagator, TreePropagator
from .pulses.trees import LARGEST_TREE, LONGEST_BUILD, build_seconds
from .reduced.reduced_basis import ReducedPropagator
from .sparse.sparse_action import SparsePropagator

# Reason for a propagator that the caller named.
ASKED_FOR = "requested"
PROPAGATORS: dict[str, type[Propagator]] = {
    "modes": ModesPropagator,
    "reduced": ReducedPropagator,
    "sparse": SparsePropagator,
    "tree": TreePropagator,
    "reduced tree": ReducedTreePropagator,
    "steps": TimedPropagator,
}
# Propagators of systems that depend on time, and of constant ones.
TIMED = ("tree", "reduced tree", "steps")
CONSTANT = tuple(name for name in PROPAGATORS if name not in TIMED)


@dataclass(frozen=True, eq=False)
class CompiledSystem:
    """A system prepared for any number of trajectories.

    Attributes
    ----------
    propagator : Propagator
        Propagator of the states between clicks.
    reason : str
        Reason for this propagator.
    jumps : Jumps
        The stacked jump operators.
    kets : ndarray of complex, shape (n_kets, N)
        Pure states of the initial ensemble, normalised.
    cumulative : ndarray of float, shape (n_kets,)
        Their cumulative probabilities; the last is 1.
    draws : {"independent", "stratified", "each"}
        How a trajectory gets its initial state; see `InitialStates`.
    warm_up : float
        Time before t = 0 for which trajectories run unrecorded.
    start_sample : ndarray of complex, shape (n, N)
        With such a time: states of some other trajectories at t = 0, for filters that need a state there.
    """

    propagator: Propagator
    reason: str
    jumps: Jumps
    kets: NDArray[np.complex128]
    cumulative: NDArray[np.float64]
    draws: Draws = "independent"
    warm_up: float = 0.0
    start_sample: NDArray[np.complex128] | None = None

    @property
    def dimension(self) -> int:
        """Dimension N of the Hilbert space."""
        return self.kets.shape[1]

    def initial(self, seed: int, index: int, stream: np.random.Generator) -> int:
        """Return the number of the initial ket of trajectory `index`; always draws one number of its stream."""
        number = stream.random()
        if self.draws == "each":
            return index
        if self.draws == "stratified":
            return int(strata(seed, np.array([index]), self.cumulative)[0])
        return min(int(np.searchsorted(self.cumulative, number, side="right")), len(self.kets) - 1)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays by name, for a pickle-free NPZ."""
        named = {f"propagator.{key}": value for key, value in named_arrays(self.propagator.arrays).items()}
        named |= {f"jumps.{key}": value for key, value in self.jumps._asdict().items()}
        if self.start_sample is not None:
            named["start_sample"] = self.start_sample
        return named | {
            "propagator": np.array(self.propagator.name),
            "reason": np.array(self.reason),
            "kets": self.kets,
            "cumulative": self.cumulative,
            "draws": np.array(self.draws),
            "warm_up": np.array(self.warm_up),
        }

    @classmethod
    def from_arrays(cls, named: Mapping[str, NDArray[Any]]) -> CompiledSystem:
        """Rebuild a system from the arrays of `to_arrays`, without linear algebra."""
        kind = PROPAGATORS[str(named["propagator"])]
        prefix = "propagator."
        arrays = {key.removeprefix(prefix): value for key, value in named.items() if key.startswith(prefix)}
        propagator = kind(kind.restored(arrays))
        jumps = Jumps(**{key: named[f"jumps.{key}"] for key in Jumps._fields})
        draws: Any = str(named["draws"]) if "draws" in named else "independent"
        warm_up = float(named["warm_up"]) if "warm_up" in named else 0.0
        start = named["kets"], named["cumulative"], draws, warm_up
        return cls(propagator, str(named["reason"]), jumps, *start, named.get("start_sample"))


@one_blas_thread()
def compile_system(
    system: OpenSystem,
    initial: ArrayLike | InitialStates,
    *,
    propagator: str = "auto",
    tolerance: float = 1e-10,
    rate: float | None = None,
    horizon: float | None = None,
) -> CompiledSystem:
    """Compile a system for trajectories from given initial states; the same bits for any number of processors.

    Parameters
    ----------
    system : OpenSystem
        The system.
    initial : array_like of complex, or InitialStates
        A ket of shape (N,), or a density matrix of shape (N, N), of which trajectories start from random
        eigenvectors with their probabilities; or the states themselves and how they are drawn.
    propagator : {"auto", "modes", "reduced", "sparse", "tree", "reduced tree", "steps"}
        Propagator of the states between clicks; the last three are for systems that depend on time, for which
        "auto" takes "tree" if it is prepared within a minute, else "reduced tree" if there is a period; "reduced"
        means "reduced tree" there. For constant systems "auto" takes the eigenmodes if they keep the tolerance
        and pay off within 1,000 clicks, and a reduced basis if both they and the sparse action cost more.
    tolerance : float
        Bound of the relative error of the no-click probability.
    rate : float, optional
        Clicks per unit of time, if known; used by "auto".
    horizon : float, optional
        Duration of trajectories; needed for systems that depend on time without a period.

    Raises
    ------
    InvalidInput
        An unknown propagator, one that cannot keep the tolerance, a tolerance out of range, or an invalid initial
        state.
    """
    start = initial_states(initial, system.dimension)
    cumulative = np.cumsum(start.weights)
    cumulative /= cumulative[-1]
    stacked = stack_operators([channel.operator for channel in system.channels], system.dimension)
    if system.depends_on_time:
        chosen = _compile_timed(system, propagator, tolerance, horizon, (start.kets, start.weights))
        return CompiledSystem(*chosen, stacked, start.kets, cumulative, start.draws)
    if propagator in TIMED:
        raise InvalidInput(f"propagator={propagator!r} is for systems that depend on time; use propagator='auto'")
    if propagator == "auto" and most_modes_seconds(system.dimension, len(system.channels)) > SHORT:
        sparse_propagator = SparsePropagator.compile(system, tolerance)
        likeliest = np.ascontiguousarray(start.kets[int(np.argmax(start.weights))])
        cost = predicted_cost(system, sparse_propagator, stacked, likeliest, rate)
        refused = ""
        if cost.favours_reduced:
            try:
                reduced = ReducedPropagator.compile(system, tolerance, (start.kets, start.weights))
            except ConvergenceError as error:
                refused = f"not reduced: {error}; "
            else:
                why = f"auto: {cost}; {reduced.promise}"
                return CompiledSystem(reduced, why, stacked, start.kets, cumulative, start.draws)
        if cost.avoids_modes:
            return CompiledSystem(
                sparse_propagator, f"auto: {refused}{cost}", stacked, start.kets, cumulative, start.draws
            )
    chosen = _compile_propagator(system, propagator, tolerance, (start.kets, start.weights))
    return CompiledSystem(*chosen, stacked, start.kets, cumulative, start.draws)


def may_reduce(system: OpenSystem, propagator: str) -> bool:
    """Return whether `compile_system` may take the reduced propagator, judged by the size of the system."""
    if system.depends_on_time:
        return False
    seconds = modes_seconds(system.dimension, len(system.channels))
    return propagator == "reduced" or (propagator == "auto" and seconds > LONG)


def _compile_timed(
    system: OpenSystem,
    name: str,
    tolerance: float,
    horizon: float | None,
    start: tuple[NDArray[np.complex128], NDArray[np.float64]],
) -> tuple[Propagator, str]:
    """Compile the propagator of a system that depends on time, and return the reason for it."""
    if name == "reduced":
        name = "reduced tree"
    if name not in ("auto", *TIMED):
        raise InvalidInput(
            f"propagator={name!r} is for systems that do not depend on time; use one of auto, {', '.join(TIMED)}"
        )
    if system.period is None and horizon is None:
        raise InvalidInput("a system that depends on time and has no period needs a horizon; give horizon=")
    reason = ASKED_FOR
    automatic = name == "auto"
    if automatic:
        seconds = build_seconds(system, system.period or float(horizon or 0.0))
        whole = seconds <= LONGEST_BUILD and system.dimension <= LARGEST_TREE
        name = "tree" if whole else ("steps" if system.period is None else "reduced tree")
        reason = f"auto: the propagators of all blocks take about {seconds:.2g} s to prepare"
    if name == "reduced tree":
        try:
            reduced = ReducedTreePropagator.compile(system, tolerance, horizon, start)
            return reduced, f"{reason}; {reduced.promise}"
        except ConvergenceError as error:
            if not automatic:
                raise InvalidInput(
                    f"propagator={name!r} cannot be used: {error}; use propagator='steps'"
                ) from error
            name, reason = "steps", f"{reason}; no reduced tree: {error}"
    kind = TreePropagator if name == "tree" else TimedPropagator
    try:
        return kind.compile(system, tolerance, horizon), reason
    except ConvergenceError as error:
        raise InvalidInput(f"propagator={name!r} cannot be used: {error}; use propagator='steps'") from error


def _compile_propagator(
    system: OpenSystem,
    name: str,
    tolerance: float,
    start: tuple[NDArray[np.complex128], NDArray[np.float64]],
) -> tuple[Propagator, str]:
    """Compile the requested propagator, or the fastest that keeps the tolerance, and return the reason for it."""
    if name == "modes":
        try:
            return ModesPropagator.compile(system, tolerance), ASKED_FOR
        except ConvergenceError as error:
            raise InvalidInput(f"propagator='modes' cannot be used: {error}; use propagator='sparse'") from error
    if name == "reduced":
        try:
            reduced = ReducedPropagator.compile(system, tolerance, start)
        except ConvergenceError as error:
            raise InvalidInput(f"propagator='reduced' cannot be used: {error}; use propagator='auto'") from error
        return reduced, f"{ASKED_FOR}; {reduced.promise}"
    if name == "sparse":
        return SparsePropagator.compile(system, tolerance), ASKED_FOR
    if name != "auto":
        raise InvalidInput(f"propagator={name!r} must be one of auto, {', '.join(PROPAGATORS)}")
    try:
        return ModesPropagator.compile(system, tolerance), "auto: the eigenbasis of H_eff keeps the tolerance"
    except ConvergenceError as error:
        return SparsePropagator.compile(system, tolerance), f"auto: {error}"
