"""Every estimator with its exact counterpart, as tests of a record."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from trajectories import lindblad
from trajectories.checks import forms_bundles
from trajectories.errors import InvalidInput
from trajectories.lindblad.click_statistics.waiting import waiting_time_matrix
from trajectories.lindblad.detector_memory.memory import has_memory, without_memory
from trajectories.names import spelled
from trajectories.records.clicks import ClickRecord
from trajectories.results import Correlation
from trajectories.stages import Steps

from ..clicks.ticks import whole_tick_edges
from ..estimators.correlations import count_pairs
from ..estimators.counting import factorial_moments_pooled, rates_pooled
from ..estimators.waiting import wait_hazards_pooled, waiting_times_pooled
from ..statistics.goodness_of_fit import hotelling, student
from ..statistics.resampling import TestResult
from .exact_bundle_tests import BUNDLE_WEIGHTS, add_bundles
from .exact_setting import (
    FINE_BINS,
    LEAST_EVENTS,
    LEAST_GROUPS,
    Binned,
    Comparisons,
    Setting,
    Test,
    rates_of,
    values_of,
)

# With more channels than the first number, only curves of the most frequent ones are compared, the second number.
MOST_CHANNELS, MOST_COMPARED = 30, 6
# Time without clicks, in mean waits, beyond which its probability is not computed.
DECISIVE = 30.0
# Longest wait for the next click, in units of the reach.
NEXT_REACH = 10.0
# Counting times of the Fano factor, in units of the reach.
FANO_WINDOWS = (0.2, 1.0, 3.0)
# About how long their exact values take beside one another: g², waits, counts.
WEIGHTS = (6.0, 3.0, 0.5)


def compare_rates(setting: Setting) -> Comparisons:
    """Return the tests of the click rates."""
    found = Comparisons()
    for number, (name, rate) in enumerate(rates_of(setting).items()):
        if rate * float(setting.time(0.0)[0]) < LEAST_EVENTS:
            found.add(f"rate {name}", None)
            continue
        groups = setting.groups.of_clicks(name)
        found.add(f"rate {name}", _rate_test(setting, number, rate, groups), groups)
    return found


def compare_curves(setting: Setting) -> Comparisons:
    """Return the tests of g², waiting times, next clicks and counts; bundles where there is a bundle window."""
    found = Comparisons()
    rates = rates_of(setting)
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
    space = setting.steady.system.space
    finite = () if space is None else space.declared_finite
    # A pair that was asked for is always tested.
    bundled = [name for name in setting.names if forms_bundles(name, finite) or name in (setting.pair or ())]
    in_bundles = setting.window is not None and bool(bundled) and len(setting.names) <= MOST_CHANNELS
    steps = Steps("exact values", (*WEIGHTS, *(BUNDLE_WEIGHTS if in_bundles else ())))
    with steps.next("g²"):
        _add_g2(found, setting, rates, clicking)
    if any(has_memory(setting.detectors.get(name)) for name in setting.names):
        found.unknown += ["waits", "next clicks", "bundles"]
        if len(setting.names) == 1 and setting.groups.of_clicks(*setting.names) >= LEAST_GROUPS:
            try:
                _add_fano(found, setting, sum(rates.values()))
            except InvalidInput:  # too many dimensions, or jitter or afterpulses as well
                found.unknown.append("Fano factor")
        else:
            found.unknown.append("Fano factor")
        return found
    with steps.next("waits and next clicks"):
        _add_waits(found, setting, rates, clicking)
    if setting.groups.of_clicks(*setting.names) < LEAST_GROUPS:
        found.grouped += ["Fano factor", "bundles"]
        return found
    with steps.next("counts"):
        _add_fano(found, setting, sum(rates.values()))
    if in_bundles and setting.window is not None:
        add_bundles(found, setting, bundled, setting.window, steps)
    return found


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
        dead = any(has_memory(setting.detectors.get(name), "dead_time") for name in (first, second))
        name = f"g² {spelled((first, second), '–')}"
        edges, curve = both, curves.get((first, second))
        if dead and curve is None:  # above a few dimensions, lags at which the dead detector clicks first
            remembering = has_memory(setting.detectors.get(first), "dead_time")
            edges = half if remembering else -half[::-1]
            try:
                curve = lindblad.g2(setting.steady, first, second, edges, setting.detectors)
            except InvalidInput:
                found.unknown.append(name)
                continue
        # An autocorrelation is even: its negative lags are the same pairs once more.
        chosen = slice(len(half) - 1 if first == second and len(edges) > len(half) else 0, None)
        if curve is None:  # clicks too rarely for an exact curve, beside its fastest decay
            found.add(name, None)
            continue
        often = rates[first] * rates[second]
        binned = setting.bins(edges[chosen], curve.value[chosen], often)
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
    """Return g² of all pairs of channels; of many channels only of those that are compared."""
    if len(setting.names) <= MOST_CHANNELS:
        return lindblad.g2_matrix(setting.steady, edges, setting.detectors)
    alive = [name for name in clicking if not has_memory(setting.detectors.get(name), "dead_time")]
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
    """Add the Fano factors of the counting times in which enough pairs of clicks are expected."""
    shortest = setting.seen.durations[0]
    windows = np.array([x * setting.reach for x in FANO_WINDOWS if x * setting.reach <= shortest / 2.0])
    if not len(windows):
        found.add("Fano factor", None)
        return
    exact = values_of(lindblad.fano(setting.steady, windows.tolist(), setting.names, setting.detectors))
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
