"""Sections of an analysis about single pulses, of simulated trains and of synced (T3) measurements."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from trajectories import lindblad
from trajectories.errors import InvalidInput
from trajectories.names import display
from trajectories.pulse_results import PulseCounts
from trajectories.results import Correlation, Estimate

from ..clicks.streams import ClickStream
from ..estimators.pulse_counts import PulsedRecord, brightness, pooled_density, pulse_counts
from ..estimators.pulses import Normalisation, decay_histogram, fit_decay, pulsed_g2
from ..inference.detector_effects import find_delay
from .analysis_results import AnalysisResults, Check, Curve, Number
from .click_sections import resampled_curve
from .exact_values import ExactValues

# Pulses among which the delay of a cable is looked for, and largest distance of correlated pulses.
PULSES_SEARCHED, MOST_APART = 30, 20
# Side peaks that g²[m] of a simulated train is shown for, bins of the period, and largest count that is resolved.
SHOWN_APART, DENSITY_BINS, MOST_COUNTED = 5, 40, 2
Pair = tuple[str, str]


def add_pulses(
    found: AnalysisResults,
    record: ClickStream,
    exact_values: ExactValues,
    clicking: Sequence[str],
    bundled: Sequence[str],
    pair: Pair | None,
) -> None:
    """Add what single pulses emit: brightness, counts of a pair, g²[m] and when clicks come.

    Parameters
    ----------
    found : AnalysisResults
        Numbers, curves, tests and notes are added to it.
    record : ClickStream
        The clicks; without a period nothing is added.
    exact_values : ExactValues
        Of a model with a period, or of none.
    clicking, bundled : sequence of str
        Channels that click, and those that form bundles.
    pair : tuple of two str or None
        Channels whose joint counts are estimated; by default the two brightest, of `bundled` if it has two.
    """
    synced = record.clock is not None and record.clock.fine is not None
    if not synced and (record.clock is not None or record.provenance.get("period") is None):
        return
    try:
        watched = PulsedRecord(record, None)
        if exact_values.period is not None:
            PulsedRecord(record, exact_values.period)
    except InvalidInput as error:
        found.notes.append(f"no statistics of pulses: {error}")
        return
    section = f"pulses, {record.unit.of(f'{watched.period:.6g}')} apart"
    bright = {name: brightness(record, name) for name in clicking}
    for name, estimate in bright.items():
        exact = exact_values.ask_pulses(f"clicks per pulse of {name}", lindblad.brightness, name)
        found.numbers.append(Number(section, f"clicks of {display(name)} per pulse", estimate, exact))
    able = [name for name in clicking if name in bundled]
    chosen = pair or _brightest(able if len(able) > 1 else clicking, bright)
    if chosen is not None:
        _add_counts(found, record, exact_values, section, chosen)
    _add_correlations(found, record, exact_values, section, clicking, watched)
    edges = np.linspace(0.0, watched.period, DENSITY_BINS + 1)
    curves = found.curves.setdefault("pulse", {})
    for name in clicking:
        density = exact_values.ask_pulses(f"times in a pulse of {name}", lindblad.click_density, name, edges)
        words = f"clicks of {display(name)} per pulse"
        curves[(name,)] = resampled_curve(words, pooled_density(watched, name, edges), edges, density)
    if synced and exact_values.period is None:
        _add_measured(found, record, section, clicking)


def _brightest(names: Sequence[str], bright: dict[str, Estimate]) -> Pair | None:
    """Return the two channels with most clicks, in their own order; None where there are no two."""
    if len(names) < 2:
        return None
    kept = sorted(names, key=lambda name: -bright[name].n)[:2]
    first, second = (name for name in names if name in kept)
    return first, second


def _add_counts(
    found: AnalysisResults, record: ClickStream, exact_values: ExactValues, section: str, pair: Pair
) -> None:
    """Add the probabilities of no click, exactly one pair and more, and the purity and heralding of pairs."""
    seen = pulse_counts(record, pair, MOST_COUNTED)
    what = f"counts of a pulse of {' and '.join(pair)}"
    table = exact_values.ask_pulses(what, lindblad.pulse_counts, list(pair), MOST_COUNTED)
    exact = None
    if table is not None:
        probability = np.array(table)
        exact = PulseCounts(pair, probability, np.zeros_like(probability))
    first, second = map(display, pair)
    rows = {
        f"no click of {first} or {second}": lambda counts: counts.no_click,
        f"exactly one {first}–{second} pair": lambda counts: counts.one_each,
        f"more than one {first} or {second}": lambda counts: counts.more,
        f"one-pair purity of {first}–{second}": lambda counts: counts.purity,
        f"{first} heralds {second} in its pulse": lambda counts: counts.heralding(pair[0]),
        f"{second} heralds {first} in its pulse": lambda counts: counts.heralding(pair[1]),
    }
    for name, value in rows.items():
        known = None if exact is None else float(value(exact).value)
        found.numbers.append(Number(section, name, value(seen), known, share=True))


def _add_correlations(
    found: AnalysisResults,
    record: ClickStream,
    exact_values: ExactValues,
    section: str,
    names: Sequence[str],
    watched: PulsedRecord,
) -> None:
    """Add g²[m] of all pairs: of a measurement by its side peaks, of a simulated train by the rates."""
    shortest = int(np.floor((record.stop - record.start).min() / watched.period))
    measured = record.provenance.get("period") is None and exact_values.period is None
    apart = min(MOST_APART if measured else SHOWN_APART, shortest - 1)
    if apart < 1:
        found.notes.append("no g²[m]: a trajectory holds no two whole pulses")
        return
    by: Normalisation = "side peaks" if measured else "rates"
    curves = found.curves.setdefault("pulsed g2", {})
    for first, second in combinations_with_replacement(names, 2):
        peaks = pulsed_g2(record, first, second, apart, normalise=by)
        what = f"g²[m] of {first} and {second}"
        values = exact_values.ask_pulses(what, lindblad.pulsed_g2, first, second, apart, None, 0, by)
        known = None if values is None else _exact_peaks(peaks, np.array(values))
        words = f"{display(first)}, {display(second)}"
        curves[first, second] = Curve(f"g²[m] of {words}", peaks, known, None)
        for m in (0, 1):
            b = apart + m
            value = Estimate(peaks.value[b], peaks.standard_error[b], int(peaks.counts[b]), peaks.method)
            exact = None if known is None else float(known.value[b])
            found.numbers.append(Number(section, f"{words}: g²[{m}] by {by}", value, exact))


def _exact_peaks(peaks: Correlation, values: NDArray[np.float64]) -> Correlation:
    nothing = np.zeros(len(values))
    return Correlation(peaks.first, peaks.second, peaks.edges, values, nothing, nothing.astype(np.int64))


def _add_measured(found: AnalysisResults, record: ClickStream, section: str, names: Sequence[str]) -> None:
    """Add what only synced measurements have: delays by whole pulses, and lifetimes."""
    clock = record.clock
    assert clock is not None
    assert clock.fine is not None
    for first, second in combinations_with_replacement(names, 2):
        if first != second:
            _delay_note(found, record, first, second)
    steps = int(np.ceil(clock.tick / clock.fine))
    for name in names:
        try:
            fit = fit_decay(decay_histogram(record, name, np.arange(steps + 1) * clock.fine))
        except InvalidInput as error:
            found.notes.append(f"no lifetime of {name}: {error}")
            continue
        found.numbers.append(Number(section, f"lifetime of {display(name)}", fit.lifetime, None, record.unit.name))
        found.checks.append(Check("pulses", f"{display(name)} decays exponentially", fit.fit))


def _delay_note(found: AnalysisResults, record: ClickStream, first: str, second: str) -> None:
    """Note where pairs of a synced record dip or peak, if not at the pulse itself."""
    assert record.tick is not None
    try:
        delay = find_delay(record, first, second, PULSES_SEARCHED * record.tick)
    except InvalidInput:  # nothing stands out
        return
    if abs(delay.value) > 0.5 * record.tick and delay.standard_error < record.tick:
        found.notes.append(
            f"{second} lags behind {first} by {delay} {record.unit.name} ({delay.method}); correct it first with "
            f"corrections.delayed, {second}={-delay.value:.6g}"
        )
