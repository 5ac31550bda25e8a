"""Sections of an analysis about clicks: rates, g², counts and waits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories import lindblad
from trajectories.names import display, spelled
from trajectories.results import Correlation, Estimate, Histogram

from ..clicks.streams import ClickStream
from ..clicks.ticks import whole_tick_edges
from ..estimators.correlations import count_pairs
from ..estimators.counting import fano_estimates, fano_pooled, rate_history, rates
from ..estimators.waiting import next_click_probabilities, waiting_times_pooled
from ..statistics.resampling import Pooled
from ..statistics.stationarity import stationarity
from .analysis_results import AnalysisResults, Check, Curve, Number, Scan
from .exact_values import ExactValues

# Bins of g² and of the lags on each side of 0, of the waiting times, and counting times of the Fano curve.
SIDE_BINS, WAIT_BINS, FANO_WINDOWS = 20, 30, 10
# Windows from which on the variance of their counts, which bursts make skew, is judged by its error.
LEAST_WINDOWS = 1000
# Counting times of the Fano curve, shortest in units of the reach, longest of the shortest trajectory.
SHORTEST_COUNT, LONGEST_COUNT = 0.2, 0.05
# Channels of which all g² have exact values in one call, and channels whose stationarity is tested.
MOST_TOGETHER, MOST_TESTED = 30, 30
# Mean waits that an observation window must hold for practically every wait to be seen to its end.
LONG = 30.0


def add_rates(found: AnalysisResults, record: ClickStream, exact_values: ExactValues) -> dict[str, Estimate]:
    """Add the click rates, their tests and their histories; return the rate of every channel."""
    exact = _exact_rates(exact_values, record)
    counted = rates(record)
    tested = sorted(counted, key=lambda name: -counted[name].n)[:MOST_TESTED]
    if len(tested) < len(counted):
        found.notes.append(f"stationarity of the {MOST_TESTED} most frequent of {len(counted)} channels")
    for name, estimate in counted.items():
        found.numbers.append(Number("click rates", display(name), estimate, exact.get(name), record.unit.rate))
        if estimate.n and name in tested:
            found.checks.append(Check("click rates", f"{display(name)} stationary", stationarity(record, name)))
    time, history = rate_history(record)
    points = tuple(time.tolist())
    found.scans["rates"] = {
        (name,): Scan(f"rate of {display(name)}", points, tuple(values), _repeated(exact.get(name), points), None)
        for name, values in history.items()
        if values[-1].n
    }
    return counted


def _exact_rates(exact_values: ExactValues, record: ClickStream) -> dict[str, float]:
    """Return the exact click rates, of a pulsed system clicks per pulse over the period."""
    if exact_values.period is None:
        return exact_values.ask("click rates", lindblad.rates) or {}
    means = {
        name: exact_values.ask_pulses(f"clicks per pulse of {name}", lindblad.brightness, name)
        for name in record.channel_names
    }
    return {name: mean / exact_values.period for name, mean in means.items() if mean is not None}


def add_correlations(
    found: AnalysisResults, record: ClickStream, exact_values: ExactValues, names: Sequence[str], reach: float
) -> None:
    """Add g² of all pairs of channels that click, and its values next to lag 0."""
    edges = lag_edges(record, reach)
    pairs = list(combinations_with_replacement(names, 2))
    counted = count_pairs(record, pairs, edges)
    exact: dict[str, Any] = {}
    if len(record.channel_names) <= MOST_TOGETHER:
        exact = exact_values.ask("g² of all pairs", lindblad.g2_matrix, edges) or {}
    else:
        for pair in pairs:
            exact[spelled(pair, "|")] = exact_values.ask("g²", lindblad.g2, *pair, edges)
    curves = found.curves.setdefault("g2", {})
    for first, second in pairs:
        key, estimate = spelled((first, second), "|"), counted.correlation(first, second)
        known = None
        if exact.get(key) is not None:
            values = np.array(exact[key])
            nothing = np.zeros(len(values))
            known = Correlation(first, second, edges, values, nothing, nothing.astype(np.int64))
        words = (display(first), display(second))
        critical = counted.pooled(first, second).jackknife().critical_value()
        curves[first, second] = Curve(f"g² of {words[0]} and {words[1]}", estimate, known, finite(critical))
        for b, sign in ((SIDE_BINS, "⁺"),) if first == second else ((SIDE_BINS - 1, "⁻"), (SIDE_BINS, "⁺")):
            value = Estimate(
                estimate.value[b], estimate.standard_error[b], int(estimate.counts[b]), estimate.method
            )
            name = f"{words[0]}, {words[1]}: 0{sign}"
            section = f"g², first {record.unit.of(f'{edges[SIDE_BINS + 1]:g}')} on either side of 0"
            found.numbers.append(Number(section, name, value, None if known is None else float(known.value[b])))


def add_counting(
    found: AnalysisResults, record: ClickStream, exact_values: ExactValues, names: tuple[str, ...], reach: float
) -> None:
    """Add the Fano factor against the counting time."""
    shortest, longest = SHORTEST_COUNT * reach, LONGEST_COUNT * float((record.stop - record.start).min())
    if not shortest < longest:
        return
    windows = np.geomspace(shortest, longest, FANO_WINDOWS).tolist()
    pooled = fano_pooled(record, windows, names)
    estimates = tuple(fano_estimates(pooled))
    exact = exact_values.ask("Fano factor", lindblad.fano, windows, names)
    critical = finite(pooled.jackknife().critical_value())
    known = None if exact is None else tuple(exact)
    found.scans["fano"] = {("fano",): Scan("Fano factor", tuple(windows), estimates, known, critical)}
    section = f"counts of {', '.join(map(display, names))}"
    for k in (0, FANO_WINDOWS // 2, FANO_WINDOWS - 1):
        value = None if known is None else known[k]
        found.numbers.append(
            Number(
                section,
                f"Fano factor, T = {record.unit.of(f'{windows[k]:.4g}')}",
                estimates[k],
                value,
                least=LEAST_WINDOWS,
            )
        )


def add_waits(
    found: AnalysisResults,
    record: ClickStream,
    exact_values: ExactValues,
    pair: tuple[str, str],
    names: tuple[str, ...],
    reach: float,
    rate: float,
) -> None:
    """Add where the click after one of the pair's first channel falls, and when."""
    first = pair[0]
    exact: dict[str, Any] = {}
    if (
        rate * float((record.stop - record.start).max()) > LONG
    ):  # else long waits are cut off, but the exact ones are not
        exact = exact_values.ask("next clicks", lindblad.next_click_probabilities, first, names) or {}
    for name, estimate in next_click_probabilities(record, first, names).items():
        number = Number(
            f"next click after one of {display(first)}", display(name), estimate, exact.get(name), share=True
        )
        found.numbers.append(number)
    edges = whole_tick_edges(record, np.geomspace(0.01 * reach, max(10.0 / rate, reach), WAIT_BINS + 1))
    curves = found.curves.setdefault("waits", {})
    for second in dict.fromkeys(pair):
        pooled = waiting_times_pooled(record, first, second, edges, names)
        known = exact_values.ask("waiting times", lindblad.waiting_times, first, second, edges, names)
        words = f"wait for {display(second)} after {display(first)}"
        curves[(second,)] = resampled_curve(words, pooled, edges, known)


def lag_edges(record: ClickStream, reach: float) -> NDArray[np.float64]:
    """Return bins on both sides of 0, multiples of the tick where there is one."""
    return whole_tick_edges(record, np.linspace(-reach, reach, 2 * SIDE_BINS + 1))


def resampled_curve(name: str, pooled: Pooled, edges: NDArray[np.float64], exact: Any | None) -> Curve:
    """Return a histogram with its errors, beside its exact values where they are known."""
    resampled = pooled.jackknife()
    estimate = Histogram(edges, resampled.value, resampled.errors, resampled.counts, f"{name}; {resampled.method}")
    known = None if exact is None else exact_histogram(edges, np.array(exact))
    return Curve(name, estimate, known, finite(resampled.critical_value()))


def exact_histogram(edges: NDArray[np.float64], value: NDArray[np.float64]) -> Histogram:
    """Return exact values as a histogram without errors."""
    nothing = np.zeros(len(value))
    return Histogram(edges, value, nothing, nothing.astype(np.int64))


def finite(value: float) -> float | None:
    """Return a value, or None where it is not finite."""
    return value if np.isfinite(value) else None


def _repeated(value: float | None, points: Sequence[float]) -> tuple[float, ...] | None:
    return None if value is None else (value,) * len(points)
