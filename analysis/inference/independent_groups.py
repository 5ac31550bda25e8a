"""The expected number of independent groups of clicks in a record, by which its errors are trusted or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trajectories import lindblad
from trajectories.detectors import Detector
from trajectories.errors import ConvergenceError
from trajectories.lindblad.independent_groups.count_groups import CountGroups
from trajectories.lindblad.independent_groups.pair_groups import PairGroups

# A count with the squared skewness of n Poisson events counts as 2 n groups.
SKEWNESS_SHARE = 2.0


@dataclass(frozen=True)
class IndependentGroups:
    """Expected numbers of independent groups of clicks, from the model.

    A burst of n clicks is one event, not n. If clicks come only while a rare state is visited, there are as many
    independent events as visits. The record itself cannot tell this before it holds enough of them.

    Attributes
    ----------
    steady : SteadyState
        The state that the record is tested against.
    detectors : mapping of str to Detector
        Efficiency and dark counts by channel.
    names : tuple of str
        Channels of the record.
    time : float
        Total observed time in 1/ω_b.
    reach : float
        How far apart the clicks of a pair may be, in 1/ω_b.
    """

    steady: lindblad.SteadyState
    detectors: Mapping[str, Detector]
    names: tuple[str, ...]
    time: float
    reach: float

    def of_clicks(self, *channels: str) -> float:
        """Return how many independent groups the clicks of some channels, counted together, are expected to be.

        The smaller one of ⟨N⟩²/Var N and 2 (Var N)³/κ₃², with the cumulants κ = C t of long times: groups of equal
        size have the relative variance and the squared skewness of as many Poisson events.
        """
        if channels not in self._of_clicks:
            self._of_clicks[channels] = self.time * self._rate_of_groups(channels)
        return self._of_clicks[channels]

    def _rate_of_groups(self, channels: tuple[str, ...]) -> float:
        try:
            first, second, third = self._counts.cumulants(channels)
        except ConvergenceError:  # too slow for linear equations: the errors of the record are used
            return float("inf")
        with np.errstate(divide="ignore"):
            spread = np.divide(first**2, second) if second > 0.0 else np.inf
            skewness = SKEWNESS_SHARE * np.divide(max(second, 0.0) ** 3, third**2)
        return float(min(spread, skewness))

    def pairs_in_group(self, first: str, second: str) -> float:
        """Return how many pairs of clicks within the reach one independent group adds, φ ≥ 1 of `PairGroups`."""
        return self._pairs.of_pair(first, second)[1]

    def waits_in_group(self, first: str, second: str) -> float:
        """Return how many waits one independent group adds: n − 1 of n clicks, which are φ = n(n − 1)/2 pairs."""
        return 0.5 * (np.sqrt(1.0 + 8.0 * self.pairs_in_group(first, second)) - 1.0)

    def of_pairs(self, first: str, second: str) -> float:
        """Return how many independent groups the pairs of clicks within the reach are expected to be."""
        often, together = self._pairs.of_pair(first, second)
        return often * self.time / together

    def all_pairs_in_group(self, window: float) -> float:
        """Return `pairs_in_group` for all channels counted together, and clicks within a time of its own."""
        return PairGroups(self.steady, window, self.names, self.detectors).of_all()[1]

    @cached_property
    def _of_clicks(self) -> dict[tuple[str, ...], float]:
        return {}

    @cached_property
    def _counts(self) -> CountGroups:
        return CountGroups(self.steady, self.names, self.detectors)

    @cached_property
    def _pairs(self) -> PairGroups:
        return PairGroups(self.steady, self.reach, self.names, self.detectors)
