"""What trajectories of `mcsolve` start from, how many of each, and their random numbers."""

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
    """A pure state, its weight in the mixture, and the trajectories that start from it."""

    ket: Any
    weight: float
    trajectories: int


def pure_starts(state: Any, ntraj: Any, dimension: int) -> list[PureStart]:
    """Return the pure states of an initial state, and how many trajectories start from each.

    The trajectories of a mixture are dealt out in proportion to the weights, at least one a state; what rounding
    does to the proportion is put right by weights in the averages.

    Raises
    ------
    InvalidInput
        No state, fewer trajectories than states, or a list of numbers that does not fit.
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
    """Return how many of `total` trajectories each state gets: at least one, and as nearly its weight as can be.

    Raises
    ------
    InvalidInput
        Fewer trajectories than states.
    """
    if total < len(weights):
        raise InvalidInput(f"ntraj={total} is less than the {len(weights)} states of the mixture; give more")
    counts = np.maximum(np.floor(weights * total).astype(int), 1)
    while counts.sum() != total:
        # The state that is furthest from its share gains one or, where it has several, loses one.
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
        Too few seeds, or what is no seed.
    """
    if isinstance(seeds, list | tuple):
        if len(seeds) < total:
            raise InvalidInput(f"{len(seeds)} seeds are fewer than the {total} trajectories; give one for each")
        return [_one_seed(seed) for seed in seeds[:total]]
    return _one_seed(seeds).spawn(total)


def _one_seed(seed: Any) -> SeedSequence:
    if isinstance(seed, SeedSequence):
        # A copy, which has spawned nothing: the same seed gives the same trajectories again.
        return SeedSequence(seed.entropy, spawn_key=seed.spawn_key, pool_size=seed.pool_size)
    if seed is None:
        return SeedSequence()
    return SeedSequence(integer(seed, "seeds", 0))
