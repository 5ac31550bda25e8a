"""Every estimator with its exact counterpart: what is expected of a record, and the test that it was so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trajectories import lindblad
from trajectories.detectors import Detector
from trajectories.lindblad.click_statistics.detector_memory import remembers, without_memory
from trajectories.lindblad.click_statistics.ordering import bundles_and_lags
from trajectories.lindblad.click_statistics.waiting import waiting_time_matrix
from trajectories.model import OpenSystem
from trajectories.names import printable, spelled
from trajectories.records.clicks import ClickRecord
from trajectories.results import Correlation, Estimate
from trajectories.stages import staged

from ..clicks.exposure import Exposure, exposure_of
from ..clicks.ticks import whole_tick_edges
from ..estimators.bundle_correlations import cluster_g2_pooled
from ..estimators.bundle_rates import order_rates_pooled, pair_purity, purity_pooled
from ..estimators.correlations import count_pairs
from ..estimators.counting import factorial_moments_pooled, rates_pooled
from ..estimators.ordering import lag_histogram_pooled, order_fraction
from ..estimators.waiting import wait_hazards_pooled, waiting_times_pooled
from ..statistics.goodness_of_fit import deviation, hotelling, merged, student
from ..statistics.resampling import TestResult
from .independent_groups import IndependentGroups

# Above so many channels, curves of so many are compared: the busiest.
MOST_CHANNELS, MOST_COMPARED = 30, 6
# Events that every rate, bin and count must expect, so that its error is nearly normal.
LEAST_EVENTS = 50.0
# Independent groups that every error bar must be expected to rest on, for the same reason.
LEAST_GROUPS = 50.0
# Bins that a curve is cut into before those with few events are merged, and bins left at the most.
FINE_BINS = 48
MOST_BINS = 12
# Resampling units that each value of a curve needs for its share of a covariance.
UNITS_PER_VALUE = 8
# Time without clicks, in mean waits, beyond which its probability is not computed.
DECISIVE = 30.0
# Longest wait for the next click, in units of the reach.
NEXT_REACH = 10.0
# Windows of the Fano factor and of the purity, in units of the reach and of the bundle window.
FANO_WINDOWS = (0.2, 1.0, 3.0)
PURITY_WINDOWS = (0.5, 1.0)
# Bins of the correlation of bundles, in units of the bundle window.
CLUSTER_EDGES = (1.0, 1.5, 2.0, 3.0, 4.0)

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
        Σ_r (T_r − x)₊ of the record's windows.
    groups : IndependentGroups
        How clicks come in groups.
    reach : float
        Longest lag and wait that is looked at, in 1/ω_b.
    window : float or None
        Bundle window δ in 1/ω_b; None where there is none to take.
    pair : tuple of two str or None
        Channels whose bundles are looked at; the most frequent pair when None.
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
        while name in self.tests:  # names of channels that read alike
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


def compare_rates(setting: Setting) -> Comparisons:
    """Return the tests of the click rates."""
    found = Comparisons()
    for number, (name, rate) in enumerate(_rates(setting).items()):
        if rate * float(setting.time(0.0)[0]) < LEAST_EVENTS:
            found.add(f"rate {name}", None)
            continue
        groups = setting.groups.of_clicks(name)
        found.add(f"rate {name}", _rate_test(setting, number, rate, groups), groups)
    return found


@staged("exact values of the curves")
def compare_curves(setting: Setting) -> Comparisons:
    """Return the tests of g², waiting times, next clicks and counts; bundles where there is a window for them."""
    found = Comparisons()
    rates = _rates(setting)
    clicking = [n for n in setting.names if rates[n] * float(setting.time(0.0)[0]) >= LEAST_EVENTS]
    if not clicking:
        return found
    # Clicks of a channel that come in too few groups have no error, nor have quantities that are computed from
    # them.
    few = [name for name in clicking if setting.groups.of_clicks(name) < LEAST_GROUPS]
    found.grouped += [f"curves {name}" for name in few]
    clicking = [name for name in clicking if name not in few]
    if len(setting.names) > MOST_CHANNELS:  # pairs grow as n², and orders of bundles too
        busiest = sorted(clicking, key=lambda name: -rates[name])[:MOST_COMPARED]
        found.crowded += [f"curves of {len(clicking) - len(busiest)} channels", "bundles"]
        clicking = [name for name in clicking if name in busiest]
    _add_g2(found, setting, rates, clicking)
    if any(remembers(setting.detectors.get(name)) for name in setting.names):
        found.unknown += ["waits", "next clicks", "Fano factor", "bundles"]
        return found
    _add_waits(found, setting, rates, clicking)
    if setting.groups.of_clicks(*setting.names) < LEAST_GROUPS:
        found.grouped += ["Fano factor", "bundles"]
        return found
    _add_fano(found, setting, sum(rates.values()))
    bundled = [name for name in setting.names if not name.startswith("atom")]
    if setting.window is not None and bundled and len(setting.names) <= MOST_CHANNELS:
        _add_bundles(found, setting, bundled, setting.window)
    return found


def _rates(setting: Setting) -> dict[str, float]:
    exact = lindblad.rates(setting.steady, setting.detectors)
    return {name: exact[name].value for name in setting.names}


def _rate_test(setting: Setting, number: int, rate: float, groups: float) -> Test:
    def test(record: ClickRecord) -> TestResult:
        if not (record.channel == number).any():  # many were expected: no error bar, but a probability
            silent = lindblad.no_click_probability(
                setting.steady, setting.names[number], _seen(record, rate), without_memory(setting.detectors)
            )
            p_value = float(np.exp(np.log(silent).sum()))
            return TestResult(-rate * record.total_time, p_value, 0, "probability of no click at all")
        return student(rates_pooled(record).only(np.array([number])), rate, groups)

    return test


def _seen(record: ClickRecord, rate: float) -> NDArray[np.float64]:
    """Return the windows, cut to a length after which no click at all is decisive."""
    return np.minimum(record.stop - record.start, DECISIVE / rate)


def _add_g2(found: Comparisons, setting: Setting, rates: dict[str, float], clicking: list[str]) -> None:
    half = whole_tick_edges(setting, setting.reach * (np.arange(FINE_BINS // 2 + 1) / (FINE_BINS // 2)) ** 2)
    both = np.concatenate([-half[:0:-1], half])
    curves = _g2_curves(setting, both, clicking)
    for first, second in combinations_with_replacement(clicking, 2):
        if any(remembers(setting.detectors.get(name), "dead_time") for name in (first, second)):
            found.unknown.append(f"g² {spelled((first, second), '–')}")
            continue
        # An autocorrelation is even: its negative lags are the same pairs once more.
        chosen = slice(len(half) - 1 if first == second else 0, None)
        name = f"g² {spelled((first, second), '–')}"
        if (first, second) not in curves:  # clicks too rarely beside its decay for an exact curve
            found.add(name, None)
            continue
        often = rates[first] * rates[second]
        binned = setting.bins(both[chosen], curves[first, second].value[chosen], often)
        if binned is None:
            found.add(name, None)
            continue
        test = _g2_test(first, second, binned, setting.groups.pairs_in_group(first, second))
        found.add(name, test, setting.groups.of_pairs(first, second))


def _g2_test(first: str, second: str, binned: Binned, together: float) -> Test:
    def test(record: ClickRecord) -> TestResult:
        counted = count_pairs(record, [(first, second)], binned.edges)
        groups = binned.events / together
        return hotelling(counted.pooled(first, second), binned.value, int(counted.counts.sum()), groups)

    return test


def _g2_curves(
    setting: Setting, edges: NDArray[np.float64], clicking: list[str]
) -> Mapping[tuple[str, str], Correlation]:
    """Return g² of all pairs of channels; of many channels only of those that are looked at."""
    if len(setting.names) <= MOST_CHANNELS:
        return lindblad.g2_matrix(setting.steady, edges, setting.detectors)
    alive = [name for name in clicking if not remembers(setting.detectors.get(name), "dead_time")]
    pairs = combinations_with_replacement(alive, 2)
    return {pair: lindblad.g2(setting.steady, *pair, edges, setting.detectors) for pair in pairs}


def _add_waits(found: Comparisons, setting: Setting, rates: dict[str, float], clicking: list[str]) -> None:
    edges = whole_tick_edges(setting, setting.reach * (np.arange(FINE_BINS // 2 + 1) / (FINE_BINS // 2)) ** 2)
    # The ends of long waits are not observed: shares are compared over a time that can be followed.
    within = min(NEXT_REACH * setting.reach, 0.5 * float(setting.seen.durations[-1]))
    grid = np.union1d(edges, within)  # one propagation gives both shares and densities
    width, place = np.diff(grid), np.searchsorted(grid, edges)
    density = waiting_time_matrix(setting.steady, clicking, grid, setting.names, setting.detectors)
    for first in clicking:
        ended = {second: width * density[first, second] for second in setting.names}
        waiting = 1.0 - np.append(0.0, np.cumsum(sum(ended.values())))[place]
        often = rates[first] * float(setting.time(within)[0])
        for second in clicking:
            mass = ended[second]
            label = f"{spelled((first,), '→')} → {spelled((second,), '→')}"
            together = setting.groups.waits_in_group(first, second)
            share = float(mass[grid[1:] <= within].sum())
            least = often * min(share, 1.0 - share)
            if least < LEAST_EVENTS:
                found.add(f"next click {label}", None)
            else:
                groups = least / together
                found.add(f"next click {label}", _next_test(first, second, share, within, groups), groups)
            reached = np.append(0.0, np.cumsum(mass))[place]
            binned = setting.bins(edges, np.diff(reached) / np.diff(edges), rates[first])
            if binned is None:
                found.add(f"wait {label}", None)
                continue
            bins = binned.edges
            at_risk = waiting[np.searchsorted(edges, bins[:-1])]
            hazard = binned.value * np.diff(bins) / at_risk
            expected = binned.events * np.minimum(1.0, 1.0 / hazard - 1.0)
            kept = expected >= LEAST_EVENTS
            test = _wait_test(first, second, bins, hazard, kept, expected / together) if kept.any() else None
            found.add(f"wait {label}", test, float(binned.events.sum()) / together)


def _next_test(first: str, second: str, exact: float, within: float, groups: float) -> Test:
    def test(record: ClickRecord) -> TestResult:
        edges = whole_tick_edges(record, np.append(0.0, within * 2.0 ** (np.arange(-80, 1) / 4.0)))
        waits = waiting_times_pooled(record, first, second, edges)
        together = waits.counts.sum(keepdims=True)
        share = waits.mapped(lambda density: (density * np.diff(edges)).sum(axis=1, keepdims=True), together)
        return student(share, exact, groups, share=True)

    return test


def _wait_test(
    first: str,
    second: str,
    edges: NDArray[np.float64],
    hazard: NDArray[np.float64],
    kept: NDArray[np.bool_],
    groups: NDArray[np.float64],
) -> Test:
    def test(record: ClickRecord) -> TestResult:
        chosen = wait_hazards_pooled(record, first, second, edges).only(kept)
        return hotelling(chosen, hazard[kept], int(chosen.counts.sum()), groups[kept], shares=True)

    return test


def _add_fano(found: Comparisons, setting: Setting, rate: float) -> None:
    """Add the Fano factors of the windows in which enough pairs of clicks are expected."""
    shortest = setting.seen.durations[0]
    windows = np.array([x * setting.reach for x in FANO_WINDOWS if x * setting.reach <= shortest / 2.0])
    if not len(windows):
        found.add("Fano factor", None)
        return
    exact = _values(lindblad.fano(setting.steady, windows.tolist(), setting.names, setting.detectors))
    # ⟨N(N − 1)⟩/⟨N⟩²
    moments = 1.0 + (exact - 1.0) / (rate * windows)
    pairs = 0.5 * float(setting.time(0.0)[0]) / windows * (rate * windows) ** 2 * moments
    kept = pairs >= LEAST_EVENTS
    if not kept.any():
        found.add("Fano factor", None)
        return
    groups = pairs[kept] / np.array([setting.groups.all_pairs_in_group(window) for window in windows[kept]])
    kept[kept] = groups >= LEAST_GROUPS
    groups, windows, moments = groups[groups >= LEAST_GROUPS], windows[kept], moments[kept]

    def test(record: ClickRecord) -> TestResult:
        pooled = factorial_moments_pooled(record, windows.tolist())
        return hotelling(pooled, moments, int(pooled.counts.max()), groups)

    found.add("Fano factor", test, LEAST_GROUPS if kept.any() else 0.0)


def _add_bundles(found: Comparisons, setting: Setting, names: list[str], window: float) -> None:
    """Add the statistics of bundles: their rates by order, purity, and the pair's share, order, lags and g₂."""
    time = float(setting.time(3.0 * window)[0])
    exact = lindblad.order_rates(setting.steady, window, names, 2, setting.detectors)
    often = np.array([estimate.value * time for estimate in exact.values()])
    strongest = np.argsort(-often, kind="stable")[: setting.most_values]
    kept = np.sort(strongest[often[strongest] >= LEAST_EVENTS])
    if not len(kept):
        found.add("bundles", None)
        return
    rates = _values(list(exact.values()))[kept]
    found.add("bundle rates by order", _order_rates_test(window, names, kept, rates, often[kept]))
    _add_purity(found, setting, names, window)
    pair = setting.pair or _commonest_pair(exact, names)
    if pair is not None:
        _add_pair(found, setting, names, window, pair)


def _order_rates_test(
    window: float,
    names: list[str],
    kept: NDArray[np.int64],
    exact: NDArray[np.float64],
    groups: NDArray[np.float64],
) -> Test:
    def test(record: ClickRecord) -> TestResult:
        chosen = order_rates_pooled(record, window, names, 2).only(kept)
        return hotelling(chosen, exact, int(chosen.counts.sum()), groups)

    return test


def _add_purity(found: Comparisons, setting: Setting, names: list[str], window: float) -> None:
    windows = [x * window for x in PURITY_WINDOWS]
    exact = lindblad.purity(setting.steady, 2, windows, names, setting.detectors)
    total = sum(rate for name, rate in _rates(setting).items() if name in names)
    expected = 0.5 * _values(exact) * total * float(setting.time(3.0 * window)[0])

    def test(record: ClickRecord) -> TestResult:
        pooled = purity_pooled(record, 2, windows, names)
        return hotelling(pooled, _values(exact), int(pooled.counts.max()), expected)

    found.add("purity π₂(δ)", test if expected.min() >= LEAST_EVENTS else None)


def _commonest_pair(exact: Mapping[tuple[str, ...], Estimate], names: list[str]) -> tuple[str, str] | None:
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    rates = [exact[a, b].value + exact[b, a].value for a, b in pairs]
    return pairs[int(np.argmax(rates))] if pairs else None


def _add_pair(
    found: Comparisons, setting: Setting, names: list[str], window: float, pair: tuple[str, str]
) -> None:
    """Add share, order, lags and correlation of the bundles of exactly one click in each channel of a pair."""
    label = spelled(pair, "–")
    edges = whole_tick_edges(setting, np.linspace(-window, window, FINE_BINS + 1))
    first, second = pair
    bundles, lags = bundles_and_lags(setting.steady, first, second, edges, window, names, setting.detectors)
    binned = setting.bins(edges, lags.value, bundles.rate.value, 2.0 * window)
    if binned is None:
        found.add(f"{label} bundles", None)
        return
    share = bundles.order_fraction.value
    time = float(setting.time(3.0 * window)[0])
    often, least = bundles.rate.value * time, min(share, 1.0 - share) * bundles.rate.value * time
    found.add(f"purity {label}", _estimate_test(pair_purity, bundles.purity, pair, window, names, often))
    order = _estimate_test(order_fraction, bundles.order_fraction, pair, window, names, least)
    found.add(f"order {label}", order if least >= LEAST_EVENTS else None)

    def lag_test(record: ClickRecord) -> TestResult:
        pooled = lag_histogram_pooled(record, *pair, binned.edges, window, names)
        # One bin is left out, because all bins sum to one.
        fewer = pooled.only(np.arange(1, len(pooled.counts)))
        return hotelling(fewer, binned.value[1:], int(pooled.counts.sum()), binned.events[1:])

    found.add(f"lag {label}", lag_test if len(binned.value) > 1 else None)
    _add_cluster_g2(found, setting, names, window, pair, bundles.rate.value)


def _estimate_test(
    estimator: Callable[..., Estimate],
    exact: Estimate,
    pair: tuple[str, str],
    window: float,
    names: list[str],
    groups: float,
) -> Test:
    def test(record: ClickRecord) -> TestResult:
        units = purity_pooled(record, 2, [window], names).units.count
        return deviation(estimator(record, *pair, window, names), exact, units, groups, share=True)

    return test


def _add_cluster_g2(
    found: Comparisons, setting: Setting, names: list[str], window: float, pair: tuple[str, str], rate: float
) -> None:
    kind, name = pair, f"bundle g₂ {spelled(pair, '–')}"
    edges = whole_tick_edges(setting, window * np.array(CLUSTER_EDGES))
    # The exact curve takes long to compute and is rarely far from 1; whether it can be tested is decided from 1.
    if setting.bins(edges, np.ones(len(edges) - 1), rate**2, 4.0 * window) is None:
        found.add(name, None)
        return
    exact = lindblad.cluster_g2(setting.steady, kind, kind, edges, window, names, setting.detectors)
    binned = setting.bins(edges, exact.value, rate**2, 4.0 * window)

    def test(record: ClickRecord) -> TestResult:
        assert binned is not None
        pooled = cluster_g2_pooled(record, kind, kind, binned.edges, window, names)
        return hotelling(pooled, binned.value, int(pooled.counts.sum()), binned.events)

    found.add(name, None if binned is None else test)


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


def _values(estimates: Sequence[Estimate]) -> NDArray[np.float64]:
    return np.array([estimate.value for estimate in estimates])
