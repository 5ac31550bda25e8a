"""Resampling units, jackknife, bootstrap, covariances and bands against textbook formulas and known streams."""

from __future__ import annotations

import naive_estimators as naive
import numpy as np
import pytest
from click_streams import TICK, click_records, pair_record, poisson_record
from hypothesis import given, settings
from hypothesis import strategies as st

from trajectories import analysis as an
from trajectories.analysis.statistics.resampling import Pooled, Resampled, ratio
from trajectories.analysis.statistics.resampling_units import MIN_UNITS, choose_resampling_units, correlated_length
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord

quick = settings(max_examples=40, deadline=None, derandomize=True)


def telegraph_record(rng, switching, trajectories, duration):
    """A Poisson stream whose rate is 2 or 0, and switches at the given rate."""
    flips = rng.poisson(switching * duration, trajectories)
    times = []
    for r in range(trajectories):
        edges = np.concatenate([[0.0], np.sort(rng.uniform(0, duration, flips[r])), [duration]])
        time = rng.uniform(0, duration, rng.poisson(2.0 * duration))
        on = (np.searchsorted(edges, time) + rng.integers(2)) % 2 == 0
        times.append(np.sort(time[on]))
    trajectory = np.repeat(np.arange(trajectories), [len(t) for t in times])
    return ClickRecord.from_arrays(
        trajectory,
        np.concatenate(times),
        np.zeros(len(trajectory), int),
        channel_names=("a",),
        start=np.zeros(trajectories),
        stop=np.full(trajectories, duration),
    )


@quick
@given(click_records(), st.sampled_from([0.0, TICK, 1.0]))
def test_units_add_up_to_the_record(record, margin):
    units = choose_resampling_units(record)
    edges = np.array([-4.0, -0.5, 0.0, 0.25, 3.0])
    inside = np.maximum(record.stop - record.start - 2 * margin, 0).sum()
    assert units.time(margin).sum() == pytest.approx(inside)
    np.testing.assert_allclose(
        units.overlap(edges, margin).sum(axis=0), naive.overlap(record, edges, margin), atol=1e-12
    )
    np.testing.assert_array_equal(units.clicks(record).sum(axis=0), record.counts().sum(axis=0))
    number = units.at(record.trajectory, record.time)
    assert ((number >= 0) & (number < units.count)).all()
    windows = units.windows_of(TICK)
    assert units.windows_per_unit(TICK, windows).sum() == windows.sum()


def test_many_trajectories_are_grouped_and_few_are_cut():
    rng = np.random.default_rng(51)
    assert choose_resampling_units(poisson_record(rng, {"a": 1.0}, 20, 5.0)).label == "20 trajectories"
    many = choose_resampling_units(poisson_record(rng, {"a": 1.0}, 1000, 5.0))
    assert many.count == 256
    sizes = np.bincount(many.columns.first)
    assert set(sizes) == {3, 4}
    assert choose_resampling_units(poisson_record(rng, {"a": 1.0}, 1, 3000.0)).count == 100
    assert choose_resampling_units(poisson_record(rng, {"a": 1.0}, 3, 1000.0)).count in (99, 100)


def test_blocks_grow_with_the_correlation_time_and_the_reach():
    """Telegraph of correlation time 1/(2·0.05) = 10: blocks must be much longer, and grow with the lags asked."""
    rng = np.random.default_rng(52)
    slow = telegraph_record(rng, 0.05, 1, 20_000.0)
    fast = poisson_record(rng, {"a": 1.0}, 1, 20_000.0)
    assert correlated_length(slow) > 3 * correlated_length(fast)
    assert 20_000.0 / choose_resampling_units(slow).count > 10 * 10.0
    assert 20_000.0 / choose_resampling_units(fast, reach=100.0).count > 999.0
    short = choose_resampling_units(fast, reach=5000.0)
    assert short.count < MIN_UNITS
    assert not short.reliable


@pytest.mark.parametrize("trajectories", [1, 5, 50])
def test_errors_of_a_correlated_stream_match_the_spread_of_repetitions(trajectories):
    """Telegraph, Fano factor 11: mean squared error bar / variance of 100 records within 1 ± 4·√(2/99).

    Errors that take clicks for independent are 11 times too small in variance, and must fall outside.
    """
    rng = np.random.default_rng(53)
    found = [an.rates(telegraph_record(rng, 0.05, trajectories, 6000.0 / trajectories))["a"] for _ in range(100)]
    spread = np.var([e.value for e in found], ddof=1)
    claimed = np.mean([e.standard_error**2 for e in found])
    poisson = np.mean([e.value / 6000.0 for e in found])
    assert abs(claimed / spread - 1) < 4 * np.sqrt(2 / 99)
    assert abs(poisson / spread - 1) > 4 * np.sqrt(2 / 99)


def test_the_jackknife_of_a_mean_is_the_textbook_error():
    x = np.random.default_rng(54).normal(size=(30, 2))
    units = choose_resampling_units(poisson_record(np.random.default_rng(54), {"a": 1.0}, 30, 5.0))
    pooled = Pooled({"numerator": x, "denominator": np.ones((30, 1))}, ratio, units, np.full(x.shape[1], 30))
    found = pooled.jackknife()
    np.testing.assert_allclose(found.value, x.mean(axis=0))
    np.testing.assert_allclose(found.covariance, np.cov(x.T) / 30)
    drawn = pooled.bootstrap(resamples=4000, seed=1)
    # the bootstrap variance has the divisor n instead of n − 1; its own relative error is √(2/4000) = 2.2 %
    np.testing.assert_allclose(drawn.standard_error**2, np.diag(found.covariance) * 29 / 30, rtol=0.09)
    np.testing.assert_array_equal(drawn.deviations, pooled.bootstrap(resamples=4000, seed=1).deviations)


def test_simultaneous_bands_of_independent_and_of_equal_values():
    """c of k independent values is that of Šidák, of k equal ones that of a single one; to 3 % of 4000 draws."""
    rng = np.random.default_rng(55)
    deviations = rng.normal(size=(2000, 20)) / np.sqrt(2000)
    independent = Resampled(np.zeros(20), deviations, np.ones(20, int), "")
    assert independent.critical_value() == pytest.approx(3.02, rel=0.03)
    equal = Resampled(np.zeros(20), np.repeat(deviations[:, :1], 20, axis=1), np.ones(20, int), "")
    assert equal.critical_value() == pytest.approx(1.96, rel=0.03)


def test_chi_squared_uses_the_covariance():
    rng = np.random.default_rng(56)
    deviations = rng.normal(size=(500, 3)) @ np.array([[1.0, 0.9, 0.0], [0.0, 0.4, 0.0], [0.0, 0.0, 2.0]])
    found = Resampled(np.array([1.0, 0.0, 2.0]), deviations, np.ones(3, int), "")
    statistic, rank = found.chi_squared([0.0, 0.0, 1.0])
    difference = np.array([1.0, 0.0, 1.0])
    assert statistic == pytest.approx(difference @ np.linalg.solve(found.covariance, difference))
    assert rank == 3
    # a value that is the sum of two others adds nothing
    doubled = np.hstack([deviations, deviations[:, :1] + deviations[:, 1:2]])
    value = np.array([1.0, 0.0, 2.0, 1.0])
    assert Resampled(value, doubled, np.ones(4, int), "").chi_squared([0.0, 0.0, 1.0, 0.0]) == (
        pytest.approx(statistic),
        3,
    )


def test_neighbouring_bins_of_a_bunched_stream_are_correlated():
    """Bins share the rates of a telegraph stream: their errors must be correlated, those of pairs need not."""
    record = telegraph_record(np.random.default_rng(57), 0.05, 100, 500.0)
    counted = an.count_pairs(record, [("a", "a")], np.linspace(0.0, 4.0, 5))
    covariance = counted.pooled("a", "a").jackknife().covariance
    errors = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(errors, errors)
    assert (correlation[np.triu_indices(4, 1)] > 0.5).all()


def test_without_enough_units_there_is_no_error_but_a_value():
    record = pair_record(np.random.default_rng(58), 1.0, 1.0, 0.5, 1, 30.0)
    found = an.g2(record, "photon", "magnon", [-20.0, 0.0, 20.0])
    assert np.isfinite(found.value).all()
    assert np.isnan(found.standard_error).all()
    assert "too little for an error" in found.method


def test_a_bootstrap_of_one_draw_is_refused():
    record = poisson_record(np.random.default_rng(59), {"a": 1.0}, 30, 5.0)
    with pytest.raises(InvalidInput, match="resamples=1"):
        an.pooled(an.rates, record).bootstrap(resamples=1)


def test_pooled_sums_are_those_of_the_estimate():
    record = pair_record(np.random.default_rng(3), 2.0, 1.0, 0.5, 40, 60.0)
    found = an.pooled(an.g2, record, "photon", "magnon", [-1.0, 0.0, 1.0])
    expected = an.g2(record, "photon", "magnon", [-1.0, 0.0, 1.0])
    np.testing.assert_array_equal(found.value, expected.value)
    np.testing.assert_array_equal(found.counts, expected.counts)
    with pytest.raises(InvalidInput, match="estimator='stationarity' must be one of cluster_g2, fano"):
        an.pooled(an.stationarity, record, "photon")
