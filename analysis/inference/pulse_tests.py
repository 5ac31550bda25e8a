"""Single pulses of a record against their exact values."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trajectories import lindblad
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord

from ..estimators.pulse_counts import PulsedRecord, pooled_counts, pooled_density
from ..statistics.goodness_of_fit import hotelling
from ..statistics.resampling import TestResult

# Events that a bin, and pulses that a count should expect.
LEAST_EVENTS = 50.0
# Bins of the period before those with few events are merged, and largest count that is resolved.
BINS, MOST = 24, 2
# Channels whose joint counts are compared: the larger number where it takes no more than so many numbers.
CHANNELS, FEWER_CHANNELS, MOST_NUMBERS = 3, 2, 20_000


def pulse_tests(
    record: ClickRecord, periodic: lindblad.PeriodicState, detectors: Mapping[str, Detector], untested: list[str]
) -> dict[str, TestResult]:
    """Return tests of the counts of a pulse, and of when clicks come in it; reasons for none go to `untested`."""
    fine = np.linspace(0.0, periodic.period, BINS + 1)
    try:
        watched = PulsedRecord(record, periodic.period)
        # Before the brightness, which is the sum of the bins.
        densities = {
            name: lindblad.click_density(periodic, name, fine, detectors=detectors)
            for name in record.channel_names
        }
    except InvalidInput as error:
        untested.append(f"pulses: {error}")
        return {}
    pulses, found = float(watched.pulses.sum()), {}
    means = {name: lindblad.brightness(periodic, name, detectors=detectors).value for name in record.channel_names}
    few = (MOST + 1) ** CHANNELS * len(periodic.rho) ** 2 > MOST_NUMBERS
    brightest = sorted(means, key=lambda name: -means[name])[: FEWER_CHANNELS if few else CHANNELS]
    exact = lindblad.pulse_counts(periodic, brightest, MOST, detectors=detectors).probability.reshape(-1)
    kept = exact * pulses >= LEAST_EVENTS
    pooled = pooled_counts(watched, brightest, MOST)
    if kept.sum() > 1:
        # Probabilities sum to 1: the first, of no click, follows from the others.
        kept[0] = False
        name = f"clicks of a pulse: {', '.join(brightest)}"
        found[name] = hotelling(pooled.only(kept), exact[kept], int(pulses), exact[kept] * pulses)
    else:
        untested.append(f"clicks of a pulse: fewer than {LEAST_EVENTS:g} pulses expected of each count")
    for name in record.channel_names:
        expected = densities[name].value * np.diff(fine) * pulses
        edges = [0.0]
        gathered = 0.0
        for stop, amount in zip(fine[1:], expected, strict=True):
            gathered += float(amount)
            if gathered >= LEAST_EVENTS:
                edges.append(float(stop))
                gathered = 0.0
        if len(edges) < 2:
            untested.append(f"times in a pulse: fewer than {LEAST_EVENTS:g} clicks of {name} expected")
            continue
        bins = np.array(edges)
        place = np.searchsorted(bins, fine[:-1], side="right") - 1
        inside = place < len(bins) - 1
        events = np.bincount(place[inside], expected[inside], minlength=len(bins) - 1)
        values = events / pulses / np.diff(bins)
        found[f"times in a pulse: {name}"] = hotelling(
            pooled_density(watched, name, bins), values, int(events.sum()), events
        )
    return found
