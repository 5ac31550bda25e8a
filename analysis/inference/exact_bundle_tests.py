"""Tests of bundles against their exact values: rates by order, purity, and the bundles of one pair of channels."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from trajectories import lindblad
from trajectories.lindblad.click_statistics.ordering import bundles_and_lags
from trajectories.names import spelled
from trajectories.records.clicks import ClickRecord
from trajectories.results import Estimate
from trajectories.stages import Steps

from ..clicks.ticks import whole_tick_edges
from ..estimators.bundle_correlations import cluster_g2_pooled
from ..estimators.bundle_rates import order_rates_pooled, pair_purity, purity_pooled
from ..estimators.ordering import lag_histogram_pooled, order_fraction
from ..statistics.goodness_of_fit import deviation, hotelling
from ..statistics.resampling import TestResult
from .exact_setting import FINE_BINS, LEAST_EVENTS, Comparisons, Setting, Test, rates_of, values_of

# About how long the exact values take beside those of `exact_tests`: bundle rates, purity, and the pair.
BUNDLE_WEIGHTS = (3.0, 2.0, 2.0)
# Windows of the purity and bins of the correlation of bundles, in units of the bundle window.
PURITY_WINDOWS = (0.5, 1.0)
CLUSTER_EDGES = (1.0, 1.5, 2.0, 3.0, 4.0)


def add_bundles(found: Comparisons, setting: Setting, names: list[str], window: float, steps: Steps) -> None:
    """Add the statistics of bundles: their rates by order, purity, and the pair's share, order, lags and g₂."""
    time = float(setting.time(3.0 * window)[0])
    with steps.next("bundle rates by order"):
        exact = lindblad.order_rates(setting.steady, window, names, 2, setting.detectors)
    often = np.array([estimate.value * time for estimate in exact.values()])
    strongest = np.argsort(-often, kind="stable")[: setting.most_values]
    kept = np.sort(strongest[often[strongest] >= LEAST_EVENTS])
    if not len(kept):
        found.add("bundles", None)
        return
    rates = values_of(list(exact.values()))[kept]
    found.add("bundle rates by order", _order_rates_test(window, names, kept, rates, often[kept]))
    with steps.next("purity"):
        _add_purity(found, setting, names, window)
    pair = setting.pair or _most_common_pair(exact, names)
    if pair is not None:
        with steps.next("order, lags and correlation of bundles"):
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
    total = sum(rate for name, rate in rates_of(setting).items() if name in names)
    expected = 0.5 * values_of(exact) * total * float(setting.time(3.0 * window)[0])

    def test(record: ClickRecord) -> TestResult:
        pooled = purity_pooled(record, 2, windows, names)
        return hotelling(pooled, values_of(exact), int(pooled.counts.max()), expected)

    found.add("purity π₂(δ)", test if expected.min() >= LEAST_EVENTS else None)


def _most_common_pair(exact: Mapping[tuple[str, ...], Estimate], names: list[str]) -> tuple[str, str] | None:
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
