"""Rates, stationarity and counting statistics against definitions and known laws."""

from __future__ import annotations

import naive_estimators as naive
import numpy as np
import pytest
from click_streams import TICK, click_records, pair_record, poisson_record, renewal_record
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from trajectories import analysis as an
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord

quick = settings(max_examples=40, deadline=None, derandomize=True)
# Powers of two, so that windows end exactly on the grid of the records.
windows = st.sampled_from([TICK, 2 * TICK, 4 * TICK, 8 * TICK])


@quick
@given(click_records())
def test_rates_equal_the_definition(record):
    found = an.rates(record)
    for name in record.channel_names:
        assert found[name].value == pytest.approx(naive.rate(record, name))
        assert found[name].n == (record.channel == record.channel_names.index(name)).sum()
        assert np.isnan(found[name].standard_error) or found[name].n > 0


@quick
@given(click_records(), windows, st.sampled_from([None, ("magnon",)]))
def test_counts_equal_the_definition(record, window, channels):
    counts = naive.window_counts(record, window, channels or record.channel_names)
    if len(counts) == 0:
        with pytest.raises(InvalidInput, match="longer than every trajectory"):
            an.fano(record, [window], channels)
        return
    found = an.fano(record, [window], channels)[0]
    assert found.n == len(counts)
    if len(counts) > 1 and counts.any():
        assert found.value == pytest.approx(counts.var(ddof=1) / counts.mean())
        assert an.mandel_q(record, [window], channels)[0].value == pytest.approx(found.value - 1)
    else:
        assert not np.isfinite(found.value)
    distribution = an.count_distribution(record, window, channels)
    np.testing.assert_array_equal(distribution.counts, np.bincount(counts))
    np.testing.assert_allclose(distribution.value, np.bincount(counts) / len(counts))


def test_fano_of_poisson_pairs_and_renewal_streams():
    """F = 1; F = 1 + (1/T)∫(T − |τ|) f(τ) dτ; F → 1/shape. Seven comparisons at 4σ: false alarm 4e-4."""
    scan = [0.5, 2.0, 8.0]
    rng = np.random.default_rng(41)
    for found in an.fano(poisson_record(rng, {"a": 2.0, "b": 1.0}, 200, 80.0), scan):
        assert abs(found.deviation(1.0)) < 4
    pairs = an.fano(pair_record(rng, 1.0, 2.0, 0.7, 200, 80.0), scan)
    for window, found in zip(scan, pairs, strict=True):
        x = 2.0 * window
        assert abs(found.deviation(1 + 1 - (1 - np.exp(-x)) / x)) < 4
    renewal = an.fano(renewal_record(rng, 4, 1.0, 200, 200.0), [50.0])[0]
    assert abs(renewal.deviation(0.25 + (1 - 1 / 16) / (6 * 50))) < 4
    assert abs(renewal.deviation(1.0)) > 4  # the Poisson law must be refused


def test_the_count_distribution_of_a_poisson_stream():
    """10 probabilities at 4σ: false alarm 6e-4; those of a rate 10 % higher must be refused."""
    record = poisson_record(np.random.default_rng(42), {"a": 2.0}, 200, 100.0)
    found = an.count_distribution(record, 2.0)
    n = np.arange(10)
    pulls = (found.value[:10] - stats.poisson(4.0).pmf(n)) / found.standard_error[:10]
    assert np.abs(pulls).max() < 4
    wrong = (found.value[:10] - stats.poisson(4.4).pmf(n)) / found.standard_error[:10]
    assert np.abs(wrong).max() > 6


@pytest.mark.parametrize("trajectories", [1, 100])
def test_stationarity_p_values_are_uniform_and_a_drift_is_seen(trajectories):
    """60 stationary records: mean p within 0.5 ± 4·0.289/√60 (false alarm 6e-5); a drift of 20 % is rejected."""
    rng = np.random.default_rng(43)
    duration = 6000.0 / trajectories
    values = [
        an.stationarity(poisson_record(rng, {"a": 1.0}, trajectories, duration), "a", 5).p_value for _ in range(60)
    ]
    assert abs(np.mean(values) - 0.5) < 4 * 0.289 / np.sqrt(60)
    assert min(values) > 1e-4
    steady = poisson_record(rng, {"a": 1.0}, trajectories, duration)
    kept = rng.random(len(steady)) > 0.2 * steady.time / duration
    drifting = ClickRecord.from_arrays(
        steady.trajectory[kept],
        steady.time[kept],
        steady.channel[kept],
        channel_names=("a",),
        start=steady.start,
        stop=steady.stop,
    )
    assert an.stationarity(drifting, "a", 5).p_value < 0.01


@pytest.mark.parametrize("clicks", [0, 1])
def test_records_with_hardly_a_click(clicks):
    record = ClickRecord.from_arrays(
        [0] * clicks, [1.0] * clicks, [0] * clicks, channel_names=("a", "b"), start=[0.0], stop=[10.0]
    )
    assert an.rates(record)["b"].value == 0.0
    assert np.isnan(an.rates(record)["b"].standard_error)
    assert an.count_distribution(record, 1.0).counts.tolist() == [10 - clicks, 1][: clicks + 1]
    if not clicks:
        assert np.isnan(an.fano(record, [1.0])[0].value)
        assert np.isnan(an.stationarity(record, "a").p_value)


def test_bad_input_is_refused():
    record = ClickRecord.from_arrays([0], [1.0], [0], channel_names=("a",), start=[0.0], stop=[10.0])
    with pytest.raises(InvalidInput, match="longer than every trajectory"):
        an.fano(record, [1.0, 20.0])
    with pytest.raises(InvalidInput, match=r"windows\[0\]=-1.0"):
        an.mandel_q(record, [-1.0])
    with pytest.raises(InvalidInput, match="n_parts=1"):
        an.stationarity(record, "a", 1)
    with pytest.raises(InvalidInput, match="no channel named 'b'"):
        an.stationarity(record, "b")
    with pytest.raises(InvalidInput, match="window=True"):
        an.count_distribution(record, True)


@pytest.mark.parametrize("clicks", [6, 12, 25])
def test_the_error_of_a_fano_factor_is_unknown_where_hardly_a_window_holds_two_clicks(clicks):
    """Of Poisson records with 12 clicks in 200 windows F was 0.94 ± 0.01, and 7 % of the intervals held 1."""
    rng = np.random.default_rng(5)
    records = [poisson_record(rng, {"a": clicks / 200.0}, 20, 10.0) for _ in range(100)]
    found = [an.fano(record, [1.0])[0] for record in records]
    known = [e for e in found if np.isfinite(e.standard_error)]
    # At the most 1 of 100 beyond three of its errors: 0.3 % for each, and fatter tails of few groups.
    assert sum(abs(e.value - 1.0) > 3.0 * e.standard_error for e in known) <= 2
    assert all(e.value == an.mandel_q(r, [1.0])[0].value + 1.0 for e, r in zip(found[:3], records, strict=False))
    many = poisson_record(rng, {"a": 3.0}, 20, 10.0)
    assert np.isfinite(an.fano(many, [1.0])[0].standard_error)


@pytest.mark.parametrize("window", [1e-16, 1e-300, 5e-324])
def test_windows_too_short_to_be_numbered_are_refused(window):
    """F was NaN, after warnings of an overflow."""
    record = poisson_record(np.random.default_rng(1), {"a": 1.0}, 5, 10.0)
    for function in (lambda: an.fano(record, [window]), lambda: an.count_distribution(record, window)):
        with pytest.raises(InvalidInput, match=r"fits more than .* times into 10; lengthen it"):
            function()
    assert np.isfinite(an.fano(record, [1e-14])[0].value)
