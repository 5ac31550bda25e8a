"""Essential basis states: those that trajectories reach, found step by step from modes on the known ones.

A neighbour i of the known states is mixed into a mode m of energy λ_m with the population
|⟨i|H_eff|m⟩|²/|λ_m − ⟨i|H_eff|i⟩|², or is fed by jumps at the rate |⟨i|c_k|m⟩|² and decays at its own rate. These
populations are weighted with the time that trajectories spend in the mode. Neighbours of sufficient population are
added, and the step is repeated with the larger set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ...errors import ConvergenceError
from ...model.system import OpenSystem
from ..modes.eigenbasis import inverse_of

# Factor on populations that jumps feed: jumps are rare, but the state is normalised after each.
FED = 1e4
# If there are fewer new states than this share of the known ones, they are added and the search ends.
FEW = 0.02
# Populations below this are rounding of a given density matrix.
GIVEN = 1e-15
# Largest number of states; with more, the pilot and the check in all of them take too long.
MOST_STATES = 1000
# Rounds of the chain of jumps between modes, one by one and then by squaring.
CHAIN_ROUNDS, SQUARINGS = 60, 16
# Smallest decay of a mode, as a share of the fastest: without decay a chain of jumps would never end.
SLOWEST = 1e-3


def essential_states(
    system: OpenSystem,
    kets: NDArray[np.complex128],
    weights: NDArray[np.float64],
    negligible: float,
) -> NDArray[np.int64]:
    """Return the essential basis states of trajectories that start from an ensemble, ascending.

    `negligible` is the population from which on a state is essential.

    Raises
    ------
    ConvergenceError
        There are more than MOST_STATES.
    """
    population = weights @ (kets.real**2 + kets.imag**2)
    given = population > GIVEN * population.sum()
    links = _Links.of(system)
    if len(weights) == 1 or given.all():
        return _grown(system, links, given, (kets, weights), negligible)
    # From the states of a mixture alone the search would end before it reaches the states after clicks.
    likeliest = int(np.argmax(weights))
    one = kets[likeliest : likeliest + 1], weights[likeliest : likeliest + 1]
    few = np.abs(kets[likeliest]) ** 2 > GIVEN
    given[_grown(system, links, few, one, negligible)] = True
    return _grown(system, links, given, (kets, weights), negligible)


def _grown(
    system: OpenSystem,
    links: _Links,
    given: NDArray[np.bool_],
    start: tuple[NDArray[np.complex128], NDArray[np.float64]],
    negligible: float,
) -> NDArray[np.int64]:
    """Return given basis states and those that trajectories from an ensemble reach."""
    chosen = given.copy()
    while True:
        states = np.flatnonzero(chosen)
        if len(states) > MOST_STATES:
            raise ConvergenceError(
                f"trajectories reach more than {MOST_STATES} of the {system.dimension} basis states, too many for "
                "a reduced basis"
            )
        if len(states) == system.dimension:
            return states
        more = _neighbours(system, links, states, start, negligible)
        chosen |= more
        if more.sum() <= FEW * len(states):
            return np.flatnonzero(chosen)


@dataclass(frozen=True)
class _Links:
    """Connections of basis states by H_eff and the jumps, from `source` to `target`, and their strengths."""

    energy: NDArray[np.complex128]
    lifetime: NDArray[np.float64]
    coupled: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]
    fed: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]

    @classmethod
    def of(cls, system: OpenSystem) -> _Links:
        matrix = system.centred_H_eff
        rates = system.decay.diagonal().real
        fed = sum(abs(channel.operator).power(2) for channel in system.channels)
        return cls(
            matrix.diagonal(),
            1.0 / np.maximum(rates, SLOWEST * float(rates.max()) + 1e-300),
            _entries(abs(matrix).power(2)),
            _entries(fed),
        )

    def beyond(
        self,
        population: NDArray[np.float64],
        energy: NDArray[np.complex128],
        known: NDArray[np.bool_],
        negligible: float,
    ) -> NDArray[np.bool_]:
        """Follow the links from newly found states, with the same estimate, until no new state is essential."""
        population, energy = np.where(known, 0.0, population), energy.copy()
        found = population > negligible
        new = found.copy()
        while new.any():
            reached = np.zeros(len(population))
            strongest = np.zeros(len(population))
            for (target, source, strength), by_jump in ((self.coupled, False), (self.fed, True)):
                kept = new[source] & ~known[target] & ~found[target]
                i, j, size = source[kept], target[kept], strength[kept]
                if by_jump:
                    flow, at = population[i] * size * self.lifetime[j], self.energy[j]
                else:
                    gap = np.abs(energy[i] - self.energy[j])
                    flow, at = population[i] * size / np.maximum(gap, np.sqrt(size)) ** 2, energy[i]
                np.add.at(reached, j, flow)
                np.maximum.at(strongest, j, flow)
                leads = flow >= strongest[j]
                energy[j[leads]] = at[leads]
            new = reached > negligible
            population = np.where(new, reached, population)
            found |= new
        return found


def _entries(matrix: sparse.csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    coo = sparse.coo_array(matrix)
    off = coo.row != coo.col
    return coo.row[off], coo.col[off], coo.data[off].real


def _neighbours(
    system: OpenSystem,
    links: _Links,
    states: NDArray[np.int64],
    initial: tuple[NDArray[np.complex128], NDArray[np.float64]],
    negligible: float,
) -> NDArray[np.bool_]:
    """Return which further states are essential, according to the modes on the known ones."""
    matrix, (kets, weights) = system.centred_H_eff, initial
    known = np.zeros(system.dimension, dtype=np.bool_)
    known[states] = True
    values, vectors = linalg.eig(matrix[states][:, states].toarray(), check_finite=False)
    try:
        inverse = inverse_of(vectors)
    except ConvergenceError:  # for an estimate of populations the pseudo-inverse is good enough
        inverse = linalg.pinv(vectors)
    operators = [channel.operator for channel in system.channels]
    jumps = [inverse @ (operator[states][:, states] @ vectors) for operator in operators]
    start = (np.abs(inverse @ kets[:, states].T) ** 2) @ weights
    weight = _occupation(-values.imag, jumps, start)
    reached, energy = np.zeros(system.dimension), links.energy.copy()
    link = sparse.csr_array(matrix[:, states])
    rows = np.flatnonzero((np.diff(link.indptr) > 0) & ~known)
    if len(rows):
        mixed = np.abs(link[rows] @ vectors) ** 2
        gap = np.abs(values[None, :] - links.energy[rows, None])
        # A share of a mode is at most 1.
        shares = mixed / np.maximum(gap**2, mixed + 1e-300) * weight
        reached[rows] = shares.sum(axis=1)
        energy[rows] = values[shares.argmax(axis=1)]
    for operator in operators:
        link = sparse.csr_array(operator[:, states])
        rows = np.flatnonzero((np.diff(link.indptr) > 0) & ~known)
        reached[rows] += FED * links.lifetime[rows] * (np.abs(link[rows] @ vectors) ** 2 @ weight)
    return links.beyond(reached, energy, known, negligible)


def _occupation(
    decay: NDArray[np.float64], jumps: list[NDArray[np.complex128]], start: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the share of its time that a trajectory spends in each mode, or that starts there if that is more.

    Phases left aside, a jump moves weight from mode i to mode j at the rate Σ_k|(V⁻¹c_kV)_ji|².
    """
    rates = sum(np.abs(jump) ** 2 for jump in jumps)
    slow = 2.0 * np.maximum(decay, SLOWEST * float(decay.max(initial=0.0)) + 1e-300)
    weight = start / slow
    total = weight / weight.sum()
    for _ in range(CHAIN_ROUNDS):
        weight = rates @ weight / slow
        size = float(weight.sum())
        if not 0.0 < size < np.inf:
            break
        weight /= size
        total = np.maximum(total, weight)
    else:
        # Many jumps by squaring, averaged over two jumps in a row: jumps may alternate between two sets of modes.
        power = 0.5 * (rates / slow[:, None] + np.eye(len(slow)))
        for _ in range(SQUARINGS):
            power = power @ power
            size = float(power.sum(axis=0).max())
            if not 0.0 < size < np.inf:
                break
            power /= size
            weight = power @ weight
            weight /= max(float(weight.sum()), 1e-300)
            total = np.maximum(total, weight)
    return np.asarray(np.maximum(total, start / start.sum()))
