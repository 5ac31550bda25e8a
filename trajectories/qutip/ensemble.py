"""Initial states of the trajectories of `mcsolve`, their numbers, and their seeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import SeedSequence

from ..checks import integer, shown
from ..errors import InvalidInput
from ..model.states import initial_states, is_mixture


@dataclass(frozen=True)
class PureStart:
    """A pure state, its weight in the mixture, and the number of trajectories that start from it."""

    ket: Any
    weight: float
    trajectories: int


def pure_starts(state: Any, ntraj: Any, dimension: int) -> list[PureStart]:
    """Return the pure states of an initial state, and the number of trajectories from each.

    The states of a mixture are assigned to trajectories in proportion to their weights, each to at least one;
    weights in the averages correct for the rounding.

    Raises
    ------
    InvalidInput
        Not a state, fewer trajectories than states, or a list of numbers of another length.
    """
    import qutip

    listed = isinstance(state, list | tuple)
    if not listed and not isinstance(state, qutip.Qobj):
        raise InvalidInput(f"state={shown(state)} must be a Qobj, or a list of pairs (ket, weight)")
    if listed and not is_mixture(state):
        raise InvalidInput(f"state={shown(state)} must be a list of pairs (ket, weight)")
    if not listed and state.isoper:
        trace = state.tr()
        if abs(trace) > 0.0:  # QuTiP takes any positive trace
            state = state / trace
    start = initial_states(state, dimension)
    dims = (state[0][0] if listed else state).dims
    dims = [dims[0], [1] * len(dims[0])]
    kets = [qutip.Qobj(ket[:, None], dims=dims) for ket in start.kets]
    weights = start.weights / start.weights.sum()
    if isinstance(ntraj, list | tuple):
        counts = [integer(count, "ntraj", 1) for count in ntraj]
        if not listed or len(counts) != len(kets):
            raise InvalidInput(f"ntraj={shown(ntraj)} must be one number, or one for each of the states of a list")
    else:
        counts = shares(weights, integer(ntraj, "ntraj", 1))
    return [PureStart(*each) for each in zip(kets, weights.tolist(), counts, strict=True)]


def shares(weights: np.ndarray, total: int) -> list[int]:
    """Return the number of trajectories of each state: at least one, and as close to its weight as possible.

    Raises
    ------
    InvalidInput
        Fewer trajectories than states.
    """
    if total < len(weights):
        raise InvalidInput(f"ntraj={total} is less than the {len(weights)} states of the mixture; give more")
    counts = np.maximum(np.floor(weights * total).astype(int), 1)
    while counts.sum() != total:
        # The state furthest from its share gains one or, if it has several, loses one.
        missing = weights * total - counts
        if counts.sum() < total:
            counts[int(np.argmax(missing))] += 1
        else:
            counts[int(np.argmin(np.where(counts > 1, missing, np.inf)))] -= 1
    return [int(count) for count in counts]


def checked_seeds(seeds: Any, total: int) -> list[SeedSequence]:
    """Return one seed for each trajectory, as QuTiP derives them.

    Raises
    ------
    InvalidInput
        Too few seeds, or objects that are not seeds.
    """
    if isinstance(seeds, list | tuple):
        if len(seeds) < total:
            raise InvalidInput(f"{len(seeds)} seeds are fewer than the {total} trajectories; give one for each")
        return [_one_seed(seed) for seed in seeds[:total]]
    return _one_seed(seeds).spawn(total)


def _one_seed(seed: Any) -> SeedSequence:
    if isinstance(seed, SeedSequence):
        # A copy that has spawned nothing, so that the same seed gives the same trajectories again.
        return SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size)
    if seed is None:
        return SeedSequence()
    return SeedSequence(integer(seed, "seeds", 0))
