"""Start in the periodic state when ρ is too large to solve for: trajectories run for some periods before t = 0.

Every trajectory starts some periods before t = 0 and is recorded from t = 0 on. Its state at t = 0 is distributed
as ρ after these periods, without sampling error. The distance from the periodic state is estimated from a pilot,
by the decay of correlations along trajectories from one period to the next.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engine.blocks import BlockTask, Sampling, run_block
from ..engine.compiled import CompiledSystem
from ..engine.operators import stack_operators
from ..errors import ConvergenceError, SteadyStateNotUnique, TrajectoriesError
from ..lindblad.steady_state import MAX_DIMENSION, steady_state
from ..model.states import InitialStates, initial_states
from ..model.system import OpenSystem
from ..stages import Stage

# Trajectories of the pilot, its periods at first and at most, and its seed.
PILOTS, PILOT_PERIODS, MOST_PERIODS, SEED = 64, 16, 1024, 20261126
# Largest remainder of the start, and the safety of its estimate in standard errors.
LEFT, SURE = 1e-8, 3.0
# Time averages of trajectories that differ by more than this many standard errors show several states.
APART = 5.0
# Variances below this share of the squared mean are rounding.
ROUNDING = 1e-18


@dataclass(frozen=True)
class WarmUp:
    """Periods before t = 0, and the estimated remainder of the start.

    Attributes
    ----------
    periods : int
        Periods before t = 0.
    memory : float
        Remaining correlation after a period: the largest correlation between the ends of consecutive periods, over
        click rates and numbers of quanta, plus three standard errors.
    left : float
        Remainder of the start, ``memory`` to the power ``periods``: an estimate, not a bound.
    clicks_per_pulse : dict of str to float
        Mean clicks of each channel in a period, from the pilot.
    """

    periods: int
    memory: float
    left: float
    clicks_per_pulse: dict[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the entries for the description of a run."""
        return {
            "clicks_per_pulse": self.clicks_per_pulse,
            "warm_up_periods": self.periods,
            "memory": self.memory,
            "left_of_the_start": self.left,
        }


def start_of_warm_up(system: OpenSystem) -> InitialStates:
    """Return the initial states: the steady state of the system as it is at t = 0, or a basis state."""
    try:
        if system.dimension > MAX_DIMENSION:
            raise ConvergenceError("too large")
        return initial_states(steady_state(system.at(0.0)).rho, system.dimension)
    except TrajectoriesError:
        rates = sum(np.abs(c.operator.multiply(c.operator.conj())).sum(axis=0) for c in system.channels)
        return initial_states(np.eye(system.dimension)[int(np.argmin(rates))], system.dimension)


def warmed_up(system: OpenSystem, compiled: CompiledSystem) -> tuple[CompiledSystem, WarmUp]:
    """Return the compiled system with enough periods before t = 0 for the start to decay.

    Raises
    ------
    ConvergenceError
        Correlations decay too slowly.
    SteadyStateNotUnique
        Trajectories remain in different states.
    """
    assert system.period is not None
    periods = PILOT_PERIODS
    with Stage("periods before the start"):
        while True:
            seen, counts, kets = _pilot(system, compiled, periods)
            memory = _memory(seen[:, periods // 2 :])
            wanted = int(np.ceil(np.log(LEFT) / np.log(memory))) if memory < 1.0 else MOST_PERIODS
            if wanted <= periods // 2:
                break
            periods *= 2
            if periods > MOST_PERIODS:
                raise ConvergenceError(
                    f"no periodic state to start from: after {periods // 4} periods trajectories keep a "
                    f"correlation of {memory:.2g} with the period before; give initial=, a state or a mixture"
                )
    _require_one_state(seen[:, periods // 2 :], memory)
    clicks = {name: float(n) for name, n in zip(system.channel_names, counts, strict=True)}
    found = WarmUp(wanted, memory, memory**wanted, clicks)
    return replace(compiled, warm_up=wanted * system.period, start_sample=kets), found


def _pilot(
    system: OpenSystem, compiled: CompiledSystem, periods: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]]:
    """Return click rates and quanta at the ends of periods, (PILOTS, periods, n), clicks per period, and kets.

    The clicks are those of the second half, and the kets, (PILOTS, N), those at the end.
    """
    assert system.period is not None
    watched = [c.operator.conj().T @ c.operator for c in system.channels]
    if system.space is not None:
        watched += [system.space.number(name) for name in system.space.levels]
    operators = stack_operators(watched, system.dimension)
    times = system.period * np.arange(1.0, periods + 1.0)
    sampling = Sampling(len(watched), operators, np.asarray(times, np.float64))
    task = BlockTask(0, PILOTS, SEED, periods * system.period, sampling, final_states=True)
    block = run_block(compiled, task)
    assert block.final_kets is not None
    late = block.channel[block.time > 0.5 * periods * system.period]
    counts = np.bincount(late, minlength=len(system.channels)) / (PILOTS * (periods - periods // 2))
    return block.sampled, counts, block.final_kets


def _memory(seen: NDArray[np.float64]) -> float:
    """Return the remaining correlation after a period, at most 1.

    From one period to the next it is the largest correlation plus SURE standard errors. Over more periods
    significant correlations count too: an undamped rotation may have a small correlation after one period.
    """
    mean = seen.mean(axis=(0, 1))
    apart = seen - mean
    variance = (apart**2).mean(axis=(0, 1))
    moves = variance > ROUNDING * np.maximum(mean**2, 1e-300)
    apart, variance, length = apart[..., moves], variance[moves], seen.shape[1]
    memory = 0.0
    for lag in range(1, max(2, length // 2 + 1)):
        error = SURE / np.sqrt(len(seen) * (length - lag))
        products = (apart[:, lag:] * apart[:, : length - lag]).mean(axis=(0, 1))
        largest = float(np.abs(products / variance).max(initial=0.0))
        memory = max(memory, largest + error if lag == 1 else max(largest - error, 0.0) ** (1.0 / lag))
    return min(memory, 1.0)


def _require_one_state(seen: NDArray[np.float64], memory: float) -> None:
    """Refuse trajectories whose time averages differ by more than their fluctuations explain."""
    means = seen.mean(axis=1)
    within = seen.var(axis=(0, 1)) / seen.shape[1] * (1.0 + memory) / (1.0 - memory)
    between = means.var(axis=0, ddof=1)
    # The relative error of a variance of n normal numbers is √(2/n); that of clicks, not normal, is larger.
    limit = within * (1.0 + APART * np.sqrt(2.0 / len(means))) * 2.0
    if (between > limit + ROUNDING * np.maximum(means.mean(axis=0) ** 2, 1e-300)).any():
        raise SteadyStateNotUnique(
            "the periodic state is not unique: trajectories remain in different states; give initial=, a state "
            "or a density matrix"
        )
