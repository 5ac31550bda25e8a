"""Do nominal 95 % intervals cover the exact value in 95 % of records?"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from click_streams import pair_record, poisson_record
from coverage_checks import RECORDS, check, covers, limits

from trajectories import analysis as an

RATE, DECAY, FORWARD, WINDOW = 0.02, 4.0, 0.7, 3.0  # of the pair stream
PAIR = ("photon", "magnon")
# Records by default: as many as notice an error a third too small.
FEW = 40
sizes = pytest.mark.parametrize("count", [FEW, pytest.param(RECORDS, marks=pytest.mark.slow)])


def pair_quantities(record):
    """Every estimate of a pair stream with its exact value: (value, error, exact)."""
    found = [(e.value, e.standard_error, RATE) for e in an.rates(record).values()]
    edges = np.concatenate([np.linspace(-0.5, 0.5, 5), [6.0, 7.0, 9.0, 12.0]])
    found += curve(an.g2(record, *PAIR, edges), 1 + lag_mass(edges) / RATE / np.diff(edges))
    long = np.array([-14.0, -10.0, -6.0])
    for pair in (PAIR, ("photon", "photon")):
        found += curve(an.g2(record, *pair, long), np.ones(2))
    purity = np.exp(-RATE * (2 * WINDOW + 1 / DECAY)) * DECAY / (DECAY + RATE)
    found.append(interval(an.pair_purity(record, *PAIR, WINDOW), purity))
    found.append(interval(an.order_fraction(record, *PAIR, WINDOW), FORWARD))
    lags = np.linspace(-0.4, 0.4, 5)
    shape = lag_mass(lags, DECAY + RATE) / np.diff(lags)
    found += curve(an.lag_histogram(record, *PAIR, lags, WINDOW), shape)
    windows = [1.0, 10.0, 100.0]
    for window, fano in zip(windows, an.fano(record, windows), strict=True):
        x = DECAY * window
        found.append(interval(fano, 2 - (1 - np.exp(-x)) / x))
    return np.array(found)


def poisson_quantities(record):
    windows = [0.3, 1.0]
    found = []
    for n in (1, 2, 3):
        exact = an.accidental_purity(1.0, n, windows)
        found += [interval(e, x.value) for e, x in zip(an.purity(record, n, windows), exact, strict=True)]
    edges = np.linspace(0.0, 2.0, 5)
    found += curve(an.waiting_times(record, "a", "a", edges), -np.diff(np.exp(-edges)) / np.diff(edges))
    found.append(interval(an.heralding_efficiency(record, "a", "a", 0.5), 1 - np.exp(-1.0)))
    return np.array(found)


def lag_mass(edges, decay=DECAY):
    return np.where(edges[1:] > 0, FORWARD, 1 - FORWARD) * np.abs(np.diff(np.exp(-decay * np.abs(edges))))


def interval(estimate, exact):
    return (estimate.value, estimate.standard_error, exact)


def curve(found, exact):
    return list(zip(found.value, found.standard_error, exact, strict=True))


@cache
def of_pair_streams(count):
    """100 trajectories and 2e4 clicks a record; bins expect more than 100 pairs."""
    rng = np.random.default_rng(91)
    return np.array([pair_quantities(pair_record(rng, RATE, DECAY, FORWARD, 100, 5000.0)) for _ in range(count)])


@sizes
def test_intervals_of_a_pair_stream_cover_their_exact_values(count):
    check(np.mean([covers(*found.T) for found in of_pair_streams(count)], axis=0), count)


def test_intervals_a_third_too_short_would_be_noticed():
    """The twin of the fewer records."""
    shorter = of_pair_streams(FEW) * [1.0, 2.0 / 3.0, 1.0]
    with pytest.raises(AssertionError):
        check(np.mean([covers(*found.T) for found in shorter], axis=0), FEW)


@sizes
def test_intervals_of_a_poisson_stream_cover_their_exact_values(count):
    rng = np.random.default_rng(92)
    records = (poisson_record(rng, {"a": 1.0}, 100, 200.0) for _ in range(count))
    check(np.mean([covers(*poisson_quantities(record).T) for record in records], axis=0), count)


def test_errors_that_forget_correlations_fail_the_same_check():
    """The total rate of photons and magnons that come in pairs: with their covariance it passes, without not."""
    rng = np.random.default_rng(93)
    honest, naive = [], []
    for _ in range(RECORDS):
        found = an.pooled(an.rates, pair_record(rng, RATE, DECAY, FORWARD, 100, 5000.0)).jackknife()
        off = abs(found.value.sum() - 2 * RATE)
        honest.append(off < 1.959964 * np.sqrt(found.covariance.sum()))
        naive.append(off < 1.959964 * np.sqrt(np.trace(found.covariance)))
    low, high = limits(1)
    assert low <= np.mean(honest) <= high
    assert not low <= np.mean(naive) <= high
