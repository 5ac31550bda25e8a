"""What can be tested of a record: lags, windows and bins, and the events that are expected in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trajectories import lindblad
from trajectories.detectors import Detector
from trajectories.lindblad.detector_memory.memory import without_memory
from trajectories.model import OpenSystem
from trajectories.names import printable
from trajectories.records.clicks import ClickRecord
from trajectories.results import Estimate

from ..clicks.exposure import Exposure, exposure_of
from ..statistics.goodness_of_fit import merged
from ..statistics.resampling import TestResult
from .independent_groups import IndependentGroups

# Events that every rate, bin and count must expect, so that its error is nearly normal.
LEAST_EVENTS = 50.0
# Independent groups that every error bar must be expected to rest on, for the same reason.
LEAST_GROUPS = 50.0
# Bins that a curve is cut into before those with few events are merged, and bins left at the most.
FINE_BINS = 48
MOST_BINS = 12
# Resampling units that each value of a curve needs for its share of a covariance.
UNITS_PER_VALUE = 8

Test = Callable[[ClickRecord], TestResult]


class Binned(NamedTuple):
    """A curve over merged bins."""

    edges: NDArray[np.float64]  # (n_bins + 1,)
    value: NDArray[np.float64]  # (n_bins,), averages over the bins
    events: NDArray[np.float64]  # (n_bins,), how many are expected


@dataclass(frozen=True)
class Setting:
    """What exact curves are compared over.

    Attributes
    ----------
    steady : SteadyState
        The hypothesised state of the record.
    names : tuple of str
        Channels of the record.
    detectors : mapping of str to Detector
        Efficiency and dark counts by channel.
    seen : Exposure
        Σ_r (T_r − x)₊ of the record's observation windows.
    groups : IndependentGroups
        How clicks come in groups.
    reach : float
        Longest lag and wait that is tested, in 1/ω_b.
    window : float or None
        Bundle window δ in 1/ω_b; None where there is none to take.
    pair : tuple of two str or None
        Channels whose bundles are tested; the most frequent pair when None.
    trajectories : int
        Number of observation windows.
    tick : float or None
        Length of the ticks of a measured record, of which bins hold whole numbers.
    """

    steady: lindblad.SteadyState
    names: tuple[str, ...]
    detectors: Mapping[str, Detector]
    seen: Exposure
    groups: IndependentGroups
    reach: float
    window: float | None
    pair: tuple[str, str] | None
    trajectories: int
    tick: float | None = None

    @property
    def most_values(self) -> int:
        """How many values the covariance of one curve can hold."""
        units = self.trajectories if self.trajectories >= UNITS_PER_VALUE * 4 else UNITS_PER_VALUE * 4
        return min(MOST_BINS, units // UNITS_PER_VALUE)

    def time(self, lag: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return Σ_r (T_r − |lag|)₊."""
        return self.seen.at(np.abs(np.atleast_1d(lag)))

    def bins(
        self, edges: NDArray[np.float64], value: NDArray[np.float64], rate: float, margin: float = 0.0
    ) -> Binned | None:
        """Merge the bins of a curve until each expects enough of the events that come at rate · value.

        Returns None where the whole of it expects too few.
        """
        centre, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
        expected = np.maximum(value, 0.0) * rate * width * self.time(np.abs(centre) + margin)
        group = merged(expected, max(LEAST_EVENTS, float(expected.sum()) / self.most_values))
        if expected.sum() < LEAST_EVENTS:
            return None
        last = np.flatnonzero(np.append(np.diff(group) > 0, True))
        average = np.bincount(group, value * width) / np.bincount(group, width)
        return Binned(
            np.append(edges[:1], edges[1:][last]), average, np.bincount(group, expected).astype(np.float64)
        )


@dataclass
class Comparisons:
    """Tests of a record by name, and those left out: too few events or groups, no formula, or many channels."""

    tests: dict[str, Test] = field(default_factory=dict)
    scarce: list[str] = field(default_factory=list)
    grouped: list[str] = field(default_factory=list)
    crowded: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, name: str, test: Test | None, groups: float = np.inf) -> None:
        """Add a test, or note that too few events, or independent groups of events, are expected for it."""
        name = printable(name)
        while name in self.tests:  # channel names that make the same label
            name += "′"
        if test is None:
            self.scarce.append(name)
        elif groups < LEAST_GROUPS:
            self.grouped.append(name)
        else:
            self.tests[name] = test


def setting_of(
    record: ClickRecord,
    steady: lindblad.SteadyState,
    detectors: Mapping[str, Detector],
    window: float | None,
    pair: tuple[str, str] | None,
) -> Setting:
    """Return what the curves of a record are compared over."""
    seen, reach = exposure_of(record, 0.0), _reach(steady.system, window)
    return Setting(
        steady=steady,
        names=record.channel_names,
        detectors=detectors,
        seen=seen,
        groups=IndependentGroups(
            steady, without_memory(detectors), record.channel_names, float(seen.total[0]), reach
        ),
        reach=reach,
        window=window,
        pair=pair,
        trajectories=record.n_trajectories,
        tick=record.tick,
    )


def _reach(system: OpenSystem, window: float | None) -> float:
    """Return how far lags are followed: the bundle window, or three lifetimes of the fastest channel."""
    if window is not None:
        return window
    fastest = 0.0
    for channel in system.channels:
        operator = channel.operator.toarray()
        widths = np.linalg.eigvalsh(operator.conj().T @ operator)
        if widths[-1] > 0.0:
            fastest = max(fastest, float(widths[widths > 1e-3 * widths[-1]].min()))
    return 3.0 / fastest


def rates_of(setting: Setting) -> dict[str, float]:
    """Return the exact rates of the record's channels."""
    exact = lindblad.rates(setting.steady, setting.detectors)
    return {name: exact[name].value for name in setting.names}


def values_of(estimates: Sequence[Estimate]) -> NDArray[np.float64]:
    """Return the values of estimates."""
    return np.array([estimate.value for estimate in estimates])
