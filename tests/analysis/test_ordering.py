"""Emission order against its definition, its symmetry, and a stream whose order is known."""

from __future__ import annotations

import naive_estimators as naive
import numpy as np
import pytest
from click_streams import TICK, click_records, pair_record
from hypothesis import given, settings
from hypothesis import strategies as st

from trajectories import analysis as an
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord

quick = settings(max_examples=40, deadline=None, derandomize=True)
windows = st.integers(2, 24).map(lambda ticks: ticks * TICK)
PAIR = ("photon", "magnon")


@quick
@given(click_records(), windows)
def test_fraction_asymmetry_and_histogram_equal_the_definition(record, window):
    lags = naive.pair_lags(record, *PAIR, window, PAIR)
    total = sum(w for _, w in lags)
    leads = sum(w * (1.0 if lag > 0 else 0.5 if lag == 0 else 0.0) for lag, w in lags)
    fraction = an.order_fraction(record, *PAIR, window)
    asymmetry = an.order_asymmetry(record, *PAIR, window)
    edges = np.array([-3.0, -0.75, -0.25, 0.0, 0.5, 2.0])
    histogram = an.lag_histogram(record, *PAIR, edges, window)
    expected = np.zeros(5)
    for lag, w in lags:
        b = naive.bin_number(lag, edges)
        if b is not None:
            expected[b] += w
    assert fraction.n == len(lags)
    assert histogram.counts.sum() == sum(naive.bin_number(lag, edges) is not None for lag, _ in lags)
    if total > 0:
        assert fraction.value == pytest.approx(leads / total)
        assert asymmetry.value == pytest.approx(2 * leads / total - 1)
        np.testing.assert_allclose(histogram.value, expected / np.diff(edges) / total, atol=1e-12)
    else:
        assert np.isnan(fraction.value)


@quick
@given(click_records(), windows)
def test_exchanging_the_channels_mirrors_the_order(record, window):
    forward, backward = an.order_fraction(record, *PAIR, window), an.order_fraction(record, *PAIR[::-1], window)
    assert forward.value == pytest.approx(1 - backward.value, nan_ok=True)
    assert forward.standard_error == pytest.approx(backward.standard_error, nan_ok=True)


@quick
@given(click_records(trajectories=(22,)), windows)
def test_order_patterns_of_two_agree_with_the_order_fraction(record, window):
    patterns = an.order_patterns(record, 2, window)
    assert list(patterns) == ["photon>photon", "photon>magnon", "magnon>photon", "magnon>magnon"]
    if sum(e.n for e in patterns.values()) and np.isfinite(patterns["photon>magnon"].value):
        assert sum(e.value for e in patterns.values()) == pytest.approx(1.0)
    both = patterns["photon>magnon"].n + patterns["magnon>photon"].n
    assert both == an.order_fraction(record, *PAIR, window).n


def test_ties_count_half_for_either_order():
    record = ClickRecord.from_arrays(
        [0, 0, 0, 0], [2.0, 2.0, 6.0, 6.5], [1, 0, 0, 1], channel_names=PAIR, start=0, stop=10
    )
    assert an.order_fraction(record, *PAIR, 1.0).value == pytest.approx(0.75, rel=0.05)  # up to the exposure
    assert an.lag_histogram(record, *PAIR, [-1.0, 0.0, 1.0], 1.0).counts.tolist() == [0, 2]


def test_a_stream_of_known_order_and_lags():
    """70 % photon first, exponential lags; 12 comparisons at 4σ: false alarm 8e-4."""
    decay, window = 4.0, 4.0
    record = pair_record(np.random.default_rng(21), 0.005, decay, 0.7, 400, 2000.0)
    assert abs(an.order_fraction(record, *PAIR, window).deviation(0.7)) < 4
    assert abs(an.order_asymmetry(record, *PAIR, window).deviation(0.4)) < 4
    edges = np.linspace(-1.0, 1.0, 9)
    found = an.lag_histogram(record, *PAIR, edges, window)
    mass = np.where(edges[1:] > 0, 0.7, 0.3) * np.abs(np.diff(np.exp(-decay * np.abs(edges))))
    # accidental pairs of two emissions are rarer than 2e-3 of all and lie anywhere
    assert (np.abs(found.value - mass / 0.25) < 4 * found.standard_error + 2e-3).all()
    by_lag = an.asymmetry_by_lag(record, *PAIR, [0.0, 0.5], window)
    assert abs(by_lag.value[0] - 0.4) < 4 * by_lag.standard_error[0] + 2e-3


def test_time_reversal_is_rejected_only_where_there_is_an_order():
    """p of a symmetric stream is uniform: below 1e-3 with probability 1e-3; the planted order must be seen."""
    edges = np.linspace(0.0, 1.0, 11)
    symmetric = pair_record(np.random.default_rng(22), 0.02, 4.0, 0.5, 100, 1000.0)
    directed = pair_record(np.random.default_rng(22), 0.02, 4.0, 0.6, 100, 1000.0)
    assert an.time_reversal_test(symmetric, *PAIR, edges, 4.0).p_value > 1e-3
    assert an.time_reversal_test(directed, *PAIR, edges, 4.0).p_value < 1e-3


def test_p_values_of_the_time_reversal_test_are_uniform():
    """40 symmetric records: the mean of uniform p-values lies within 0.5 ± 4·0.289/√40; false alarm 6e-5."""
    rng = np.random.default_rng(23)
    edges = np.linspace(0.0, 1.0, 6)
    records = (pair_record(rng, 0.05, 4.0, 0.5, 40, 100.0) for _ in range(40))
    tests = [an.time_reversal_test(record, *PAIR, edges, 2.0, resamples=199) for record in records]
    values = [test.p_value for test in tests]
    assert abs(np.mean(values) - 0.5) < 4 * 0.289 / np.sqrt(40)
    assert min(values) < 0.2 < 0.8 < max(values)


def test_without_pairs_there_is_no_order():
    record = ClickRecord.from_arrays([0], [1.0], [0], channel_names=PAIR, start=[0.0], stop=[10.0])
    assert np.isnan(an.order_fraction(record, *PAIR, 1.0).value)
    assert np.isnan(an.lag_histogram(record, *PAIR, [-1.0, 1.0], 1.0).value).all()
    assert np.isnan(an.time_reversal_test(record, *PAIR, [0.0, 1.0], 1.0).p_value)


def test_bad_input_is_refused():
    record = ClickRecord.from_arrays([0], [1.0], [0], channel_names=PAIR, start=[0.0], stop=[10.0])
    with pytest.raises(InvalidInput, match="different"):
        an.order_fraction(record, "photon", "photon", 1.0)
    with pytest.raises(InvalidInput, match="not detected"):
        an.lag_histogram(record, *PAIR, [-1.0, 1.0], 1.0, channels=["photon"])
    with pytest.raises(InvalidInput, match="below 0"):
        an.asymmetry_by_lag(record, *PAIR, [-1.0, 1.0], 1.0)
    with pytest.raises(InvalidInput, match="size=0"):
        an.order_patterns(record, 0, 1.0)
