"""Averages of sampled expectation values over the trajectories, in memory that does not grow with their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..ensembles import Stratification, strata
from ..group_errors import errors_of_groups, groups_of_sums, independent_groups
from ..results import Expectation
from .run_metadata import unit_of

# Up to this number (of all trajectories, times and operators together) samples are kept, else only moments.
SAMPLES_KEPT = 2**22

# Number of the initial state of each trajectory, and the probabilities of the states.
AssignedStates: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]


def assigned_states(metadata: Mapping[str, Any], numbers: NDArray[np.int64]) -> AssignedStates | None:
    """Return which state of a stratified mixture each trajectory starts from; None where there is none."""
    if metadata.get("initial_shares") is None:
        return None
    cumulative = np.array(metadata["initial_shares"])
    return strata(metadata["configuration"]["seed"], numbers, cumulative), np.diff(cumulative, prepend=0.0)


class EnsembleAverages:
    """Averages ⟨O⟩(t) over trajectories whose blocks are added one by one, in any order.

    Trajectories are added one at a time, in the order of their numbers, so that the bits depend neither on the
    blocks nor on the workers. Up to `SAMPLES_KEPT` samples are stored and their deviations computed at the end. Of
    more, only the mean and the sums of the second to fourth powers of the deviations are updated with each value
    (Pébay, Sandia Report SAND2008-6212 (2008)).

    Parameters
    ----------
    metadata : mapping
        What ``run.json`` holds.
    numbers : ndarray of int64
        Numbers of all trajectories that will be added, ascending.
    """

    def __init__(self, metadata: Mapping[str, Any], numbers: NDArray[np.int64]) -> None:
        configuration = metadata["configuration"]
        self._names, self._times = configuration["observables"], configuration["sample_times"]
        # Trajectories from one state are equal before their first click: the average at t = 0 has no error.
        self._certain_start = configuration["initial"] not in ("steady", "periodic")
        self._assigned = assigned_states(metadata, numbers)
        self._unit = unit_of(metadata)
        self._numbers = numbers
        shape = (len(self._times), len(self._names))
        few = len(numbers) * shape[0] * shape[1] <= SAMPLES_KEPT
        self._kept: list[NDArray[np.float64]] | None = [] if few else None
        size = 1 if self._assigned is None else len(self._assigned[1])
        self._counts = np.zeros(size, np.int64)
        self._moments = np.zeros((0, 4, 0, 0) if few else (size, 4, *shape))
        self._next = 0
        self._early: dict[int, NDArray[np.float64]] = {}

    def add(self, first: int, sampled: NDArray[np.float64]) -> None:
        """Add the samples of a block, of shape (trajectories, times, operators), from trajectory `first` on.

        A block is stored until those before it have been added.
        """
        self._early[first] = sampled
        while self._next < len(self._numbers) and int(self._numbers[self._next]) in self._early:
            block = self._early.pop(int(self._numbers[self._next]))
            if self._kept is not None:
                self._kept.append(block)
            else:
                self._stream(block)
            self._next += len(block)

    def _stream(self, block: NDArray[np.float64]) -> None:
        states = np.zeros(len(block), np.int64)
        if self._assigned is not None:
            states = self._assigned[0][self._next : self._next + len(block)]
        for state, values in zip(states, block, strict=True):
            self._counts[state] += 1
            add_value(self._moments[state], float(self._counts[state]), values)

    def result(self) -> dict[str, Expectation]:
        """Return the averages by name, with their standard errors; NaN where the samples do not determine them."""
        count, method = len(self._numbers), "mean over trajectories"
        if self._assigned is not None:
            method += ", stratified by their initial state"
        mean, error, groups = self._of_kept() if self._kept is not None else self._of_moments()
        later = np.array(self._times) > 0.0 if self._certain_start else np.ones(len(self._times), dtype=np.bool_)
        error = np.where(later[:, None], errors_of_groups(error, mean, groups, count), error)
        times = np.array(self._times)
        return {
            name: Expectation(times, mean[:, k], error[:, k], count, method, self._unit)
            for k, name in enumerate(self._names)
        }

    def _of_kept(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return mean, standard error and effective number of groups from the stored samples."""
        assert self._kept is not None
        sampled = np.concatenate(self._kept)
        count, blank = len(sampled), np.full(sampled.shape[1:], np.nan)
        if self._assigned is None:
            mean = sampled.mean(axis=0)
            error = sampled.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else blank
            return mean, error, independent_groups(sampled - mean)
        chosen, probabilities = self._assigned
        counts, means, squares = _by_state(sampled, chosen, len(probabilities))
        states = Stratification.of(probabilities, counts)
        mean, error = states.average(counts, means, squares)
        return mean, error, independent_groups(states.weights[chosen, None, None] * (sampled - means[chosen]))

    def _of_moments(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return mean, standard error and effective number of groups from the moments."""
        means, squares, fourths = self._moments[:, 0], self._moments[:, 1], self._moments[:, 3]
        count = int(self._counts.sum())
        if self._assigned is None:
            error = np.sqrt(squares[0] / (count - 1) / count) if count > 1 else np.full(means.shape[1:], np.nan)
            return means[0], error, groups_of_sums(count, squares[0], fourths[0])
        states = Stratification.of(self._assigned[1], self._counts)
        mean, error = states.average(self._counts, means, squares)
        weights = states.weights[:, None, None]
        groups = groups_of_sums(count, (weights**2 * squares).sum(axis=0), (weights**4 * fourths).sum(axis=0))
        return mean, error, groups


def add_value(moments: NDArray[np.float64], count: float, values: NDArray[np.float64]) -> None:
    """Add the count-th value to a mean and to the sums of powers two to four of its deviations."""
    mean, second, third, fourth = moments
    step = (values - mean) / count
    grown = step * (values - mean) * (count - 1.0)
    square = step * step
    fourth += grown * square * (count * count - 3.0 * count + 3.0) + 6.0 * square * second - 4.0 * step * third
    third += grown * step * (count - 2.0) - 3.0 * step * second
    second += grown
    mean += step


def _by_state(
    sampled: NDArray[np.float64], chosen: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the number of trajectories from each state, their means, and their summed squared deviations."""
    counts = np.bincount(chosen, minlength=size)
    means, squares = np.zeros((2, size, *sampled.shape[1:]))
    np.add.at(means, chosen, sampled)
    means /= np.maximum(counts, 1)[:, None, None]
    np.add.at(squares, chosen, (sampled - means[chosen]) ** 2)
    return counts, means, squares
