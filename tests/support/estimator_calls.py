"""One call of every public estimator, for tests that hold for all of them."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from trajectories import analysis as an

EDGES = np.array([-4.0, -1.0, -0.25, 0.0, 0.375, 1.0, 3.0])
LAGS = np.array([0.0, 0.25, 0.5, 1.0, 2.0, 4.0])
WITHIN = np.array([0.0, 0.0625, 0.125])
PAIR = ("photon", "magnon")
CHANNELS = ("photon", "magnon")
WINDOW = 0.75

# Keyed by public name; each takes the clicks.
CALLS = {
    "asymmetry_by_lag": lambda r: an.asymmetry_by_lag(r, *PAIR, LAGS, WINDOW),
    "bundle_waiting_times": lambda r: an.bundle_waiting_times(r, 1, 1, LAGS, WINDOW),
    "cluster_g2": lambda r: an.cluster_g2(r, 1, 1, LAGS, WINDOW),
    "cluster_g2, pooled": lambda r: an.pooled(an.cluster_g2, r, 1, "photon+magnon", LAGS, WINDOW),
    "coincidence_to_accidental": lambda r: an.coincidence_to_accidental(r, *PAIR, WINDOW),
    "coincidences": lambda r: an.coincidences(r, ("photon", "magnon", "atom"), WINDOW),
    "composition_rates": lambda r: an.composition_rates(r, WINDOW),
    "composition_rates, all": lambda r: an.composition_rates(r, WINDOW, max_size=3),
    "count_distribution": lambda r: an.count_distribution(r, 0.125),
    "count_pairs": lambda r: an.count_pairs(r, [PAIR, ("atom", "atom")], EDGES),
    "fano": lambda r: an.fano(r, [0.125, 0.0625]),
    "fano, pooled": lambda r: an.pooled(an.fano, r, [0.125], CHANNELS),
    "g2": lambda r: an.g2(r, *PAIR, EDGES),
    "g2_matrix": lambda r: an.g2_matrix(r, EDGES),
    "g2_of_halves": lambda r: an.g2_of_halves(r, *PAIR, LAGS),
    "decay_histogram": lambda r: an.decay_histogram(r, "magnon", LAGS, "photon"),
    "detector_memory": lambda r: an.detector_memory(r, "photon", 2.0),
    "g3": lambda r: an.g3(r, "photon", "magnon", "atom", LAGS, LAGS[1:]),
    "heralding_efficiency": lambda r: an.heralding_efficiency(r, *PAIR, WINDOW),
    "lag_histogram": lambda r: an.lag_histogram(r, *PAIR, EDGES, WINDOW),
    "lag_histogram, pooled": lambda r: an.pooled(an.lag_histogram, r, *PAIR, EDGES, WINDOW),
    "mandel_q": lambda r: an.mandel_q(r, [0.125]),
    "next_click_probabilities": lambda r: an.next_click_probabilities(r, "photon"),
    "order_asymmetry": lambda r: an.order_asymmetry(r, *PAIR, WINDOW),
    "order_fraction": lambda r: an.order_fraction(r, *PAIR, WINDOW),
    "order_patterns": lambda r: an.order_patterns(r, 3, WINDOW),
    "order_rates": lambda r: an.order_rates(r, WINDOW),
    "pair_purity": lambda r: an.pair_purity(r, *PAIR, WINDOW),
    "brightness": lambda r: an.brightness(r, "photon", 0.125),
    "click_density": lambda r: an.click_density(r, "photon", WITHIN, 0.125),
    "pulse_counts": lambda r: an.pulse_counts(r, CHANNELS, 2, 0.125),
    "pulse_map": lambda r: an.pulse_map(r, *PAIR, WITHIN, 0.125),
    "pulsed_g2": lambda r: an.pulsed_g2(r, *PAIR, 3, 0.5),
    "purity": lambda r: an.purity(r, 2, [WINDOW, 0.25]),
    "purity, pooled": lambda r: an.pooled(an.purity, r, 1, [WINDOW], CHANNELS),
    "rate_history": lambda r: an.rate_history(r),
    "rates": lambda r: an.rates(r),
    "rates, pooled": lambda r: an.pooled(an.rates, r),
    "stationarity": lambda r: an.stationarity(r, "photon", 3),
    "time_reversal_test": lambda r: an.time_reversal_test(r, *PAIR, LAGS, WINDOW, resamples=50),
    "waiting_times": lambda r: an.waiting_times(r, *PAIR, LAGS),
    "waiting_times, pooled": lambda r: an.pooled(an.waiting_times, r, *PAIR, LAGS[1:], CHANNELS),
}


def plain(result: Any) -> Any:
    """Return a result as nested lists of (name, array), to be compared to the last bit."""
    if isinstance(result, an.Pooled):
        return [(name, rows) for name, rows in result.sums.items()] + plain(result.jackknife())
    if isinstance(result, dict):
        return [pair for key, value in result.items() for pair in [(str(key), len(result)), *plain(value)]]
    if isinstance(result, list | tuple):
        return [pair for value in result for pair in plain(value)]
    if is_dataclass(result) and not isinstance(result, type):
        return [pair for field in fields(result) for pair in plain(getattr(result, field.name))]
    return [(type(result).__name__, result)]


def assert_same(found: Any, expected: Any) -> None:
    """Every number, word and array of two results is equal to the last bit."""
    ours, theirs = plain(found), plain(expected)
    assert [name for name, _ in ours] == [name for name, _ in theirs]
    for (name, one), (_, other) in zip(ours, theirs, strict=True):
        if callable(one):
            continue
        np.testing.assert_array_equal(one, other, err_msg=name)
