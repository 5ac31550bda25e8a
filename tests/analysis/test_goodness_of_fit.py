"""Tests of fit on data made to order."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trajectories.analysis.statistics.goodness_of_fit import (
    channel_choice,
    deviation,
    holm,
    merged,
    rescaled_time,
    serial_independence,
    total_hazard,
)
from trajectories.results import Estimate

# Each p-value of right data lies above, each of wrong data far below; the seeds are fixed.
ALARM = 1e-3


def probabilities(rng, n, channels=3):
    drawn = rng.dirichlet(0.5 * np.ones(channels), n)
    cumulative = np.cumsum(drawn, axis=1)
    chosen = (rng.random(n)[:, None] * cumulative[:, -1:] > cumulative).sum(axis=1)
    return drawn, chosen


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]).tolist() == pytest.approx([1.0, 1.0])
    assert holm([0.2]).tolist() == [0.2]


def test_merged_groups_hold_enough_and_keep_their_order():
    assert merged([1, 1, 1, 1, 1], 2.0).tolist() == [0, 0, 1, 1, 1]
    assert merged([5, 0, 0, 5], 5.0).tolist() == [0, 1, 1, 1]
    assert merged([1, 1], 10.0).tolist() == [0, 0]
    assert merged([3, 3, 3], 3.0).tolist() == [0, 1, 2]


def test_deviation_is_students_t():
    result = deviation(Estimate(1.2, 0.1, 50, "jackknife"), 1.0, 20)
    z = (np.sqrt(1.2) - 1.0) / (0.5 * 0.1 / np.sqrt(1.2))  # of the square root, as propagation of error has it
    assert result.statistic == pytest.approx(z)
    assert result.p_value == pytest.approx(2.0 * stats.t.sf(z, 19))


def test_square_roots_keep_the_tail_of_few_counts():
    """Poisson counts of 50 in 256 units, 20000 draws: alarms at 1 % within 4.5σ (7e-6); plain errors exceed it."""
    rng = np.random.default_rng(8)
    counts = rng.poisson(50.0, 20_000).astype(float)
    alarms = [deviation(Estimate(n, np.sqrt(n), int(n), "jackknife"), 50.0, 256).p_value < 0.01 for n in counts]
    plain = 2.0 * stats.t.sf(np.abs(counts - 50.0) / np.sqrt(counts), 255) < 0.01
    allowed = 4.5 * np.sqrt(0.01 * 0.99 / 20_000)
    assert abs(np.mean(alarms) - 0.01) < allowed
    assert np.mean(plain) - 0.01 > allowed


def test_exponential_gaps_pass_and_stretched_ones_do_not():
    gaps = np.random.default_rng(1).exponential(size=20_000)
    assert rescaled_time(gaps).p_value > ALARM
    assert rescaled_time(1.05 * gaps).p_value < 1e-6
    assert total_hazard(gaps, len(gaps)).p_value > ALARM
    assert total_hazard(1.05 * gaps, len(gaps)).p_value < 1e-6


def test_independent_gaps_pass_and_correlated_ones_do_not():
    rng = np.random.default_rng(2)
    gaps = rng.exponential(size=20_000)
    assert serial_independence(gaps).p_value > ALARM
    normal = rng.standard_normal(20_001)
    together = (normal[1:] + 0.1 * normal[:-1]) / np.sqrt(1.01)
    assert serial_independence(-np.log(stats.norm.sf(together))).p_value < 1e-6


def test_channels_drawn_as_predicted_pass():
    rng = np.random.default_rng(3)
    p = [channel_choice(*probabilities(rng, 3000)).p_value for _ in range(200)]
    assert stats.kstest(p, "uniform").pvalue > ALARM


def test_two_channels_are_one_test():
    rng = np.random.default_rng(4)
    p = [channel_choice(*probabilities(rng, 2000, 2)).p_value for _ in range(200)]
    assert stats.kstest(p, "uniform").pvalue > ALARM


def test_channels_drawn_otherwise_are_rejected():
    rng = np.random.default_rng(5)
    drawn, chosen = probabilities(rng, 5000)
    assert channel_choice(drawn, (chosen + 1) % 3).p_value < 1e-6
    # The right shares on the whole, but not click by click.
    shuffled = rng.permutation(chosen)
    assert channel_choice(drawn, shuffled).p_value < 1e-6


def test_one_click_that_cannot_be_rejects():
    drawn, chosen = probabilities(np.random.default_rng(6), 5000)
    drawn[7] = [1.0 - 1e-16, 1e-16, 0.0]
    chosen[7] = 1
    assert channel_choice(drawn, chosen).p_value < 1e-10


def test_clicks_without_doubt_about_their_channel_test_nothing():
    drawn = np.tile([1.0, 0.0], (100, 1))
    assert np.isnan(channel_choice(drawn, np.zeros(100, dtype=int)).p_value)
