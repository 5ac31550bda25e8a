"""Tests of fit on constructed data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from trajectories.analysis.statistics.goodness_of_fit import (
    channel_choice,
    deviation,
    few_groups,
    holm,
    hotelling,
    merged,
    number_of_few,
    rare_clicks,
    rescaled_time,
    serial_independence,
    total_hazard,
)
from trajectories.analysis.statistics.resampling import Pooled, Resampled, ratio
from trajectories.analysis.statistics.resampling_units import choose_resampling_units
from trajectories.group_errors import independent_groups, known_errors
from trajectories.records.clicks import ClickRecord
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


def units(count):
    """Return resampling units that are so many trajectories."""
    record = ClickRecord.from_arrays([], [], [], channel_names=("a",), start=np.zeros(count), stop=np.ones(count))
    return choose_resampling_units(record)


def pooled_counts(counts):
    return Pooled(
        {"numerator": counts, "denominator": np.ones((len(counts), 1))},
        ratio,
        units(len(counts)),
        counts.sum(axis=0),
    )


def test_independent_groups_by_hand():
    rng = np.random.default_rng(31)
    assert independent_groups(rng.normal(size=(4000, 3))) == pytest.approx([4000.0] * 3, rel=0.2)
    # Seven of many deviate, and alike; one deviates; two deviate, one of them three times as much.
    deviations = np.zeros((10_000, 3))
    deviations[:7, 0], deviations[0, 1], deviations[:2, 2] = 1.0, 1.0, (1.0, 3.0)
    assert independent_groups(deviations) == pytest.approx([7.0, 1.0, 100.0 / 82.0], rel=2e-3)
    assert np.isnan(independent_groups(np.zeros((10, 1)))).all()
    errors = known_errors(np.array([1.0, 1.0, 1.0]), np.ones(3), deviations)
    assert np.isnan(errors).tolist() == [False, True, True]
    assert np.isnan(known_errors(np.array([1e-14]), np.ones(1), rng.normal(size=(50, 1)))).all()


def test_p_values_of_few_groups_by_hand():
    """Nothing of 50 expected groups: 2 e^{−50}. Twice as many as expected: the Poisson tail of 100 and more."""
    assert few_groups(0.0, 3.0, 50.0) == pytest.approx(2.0 * np.exp(-50.0))
    assert few_groups(6.0, 3.0, 50.0) == pytest.approx(2.0 * stats.poisson.sf(99, 50.0))
    assert few_groups(3.0, 3.0, 50.0) == pytest.approx(1.0, abs=0.1)
    # Of a share of 99 % it is the missing hundredth that tells.
    assert few_groups(1.0, 0.99, 20.0, shares=True) == pytest.approx(2.0 * np.exp(-20.0))
    assert few_groups(5.0, 1.0, 0.0) == 1.0
    assert np.isnan(few_groups(np.nan, 1.0, 50.0))  # no wait could be followed so far: no value, and no verdict
    assert np.isnan(deviation(Estimate(np.nan, np.nan, 9, ""), 0.5, 100, groups=50.0, share=True).p_value)
    seen = np.random.default_rng(32).poisson(60.0, 20_000)
    assert np.mean(few_groups(seen, 60.0, 60.0) < 0.01) < 0.01  # exact tests of counts are conservative


def test_values_bound_by_a_conservation_law_are_tested_along_the_rest():
    """Shares of 12 cells, 400 records: alarms at 1 % within 4.5σ, and mostly where the stiff direction is kept."""
    rng, alarms, stiff = np.random.default_rng(33), 0, 0
    shares = np.full(12, 1.0 / 12.0)
    for _ in range(400):
        counts = rng.multinomial(rng.poisson(40.0, 100), shares).astype(float)
        sums = {"numerator": counts, "denominator": counts.sum(axis=1, keepdims=True)}
        pooled = Pooled(sums, ratio, units(100), counts.sum(axis=0))
        found = hotelling(pooled, shares, int(counts.sum()), 300.0)
        alarms += found.p_value < 0.01
        assert found.method.startswith("T² of 11 values")
        roots = pooled.mapped(np.sqrt).jackknife()
        strength, directions = np.linalg.eigh(roots.covariance)
        off = directions.T @ (roots.value - np.sqrt(shares))
        statistic = (off**2 / strength).sum() * 88.0 / (12.0 * 99.0)
        stiff += stats.f.sf(statistic, 12, 88) < 0.01
    assert alarms <= 4 + 4.5 * 2.0
    assert stiff > 300


def test_bursts_have_the_degrees_of_freedom_of_their_number():
    """60 bursts of geometric sizes in 200 trajectories, 2000 records at 1e-3: 9 and more by chance with 1e-4."""
    rng, found = np.random.default_rng(34), []
    for _ in range(2000):
        sizes = np.zeros(200)
        struck = rng.integers(0, 200, rng.poisson(60))
        np.add.at(sizes, struck, rng.geometric(0.3, len(struck)))
        counts = np.stack([rng.binomial(sizes.astype(int), 0.5), sizes], axis=1).astype(float)
        pooled = pooled_counts(counts)
        found.append(hotelling(pooled, [0.5, 1.0], int(sizes.sum())).p_value)
    assert np.sum(np.array(found) < 1e-3) <= 9


def test_where_the_error_is_unknown_the_model_tells_how_much_is_too_few():
    """500 events of 60 groups are expected in a cell, and three or none seen: rejected as 60 events would be."""
    counts = np.zeros((100, 2))
    counts[:, 1] = 5.0 + np.arange(100) % 3
    for seen in (0, 3):
        counts[:seen, 0] = 1.0
        result = hotelling(pooled_counts(counts), [5.0, counts[:, 1].mean()], 1000, [60.0, 400.0])
        assert result.p_value < 1e-20
    # As many as a single burst less than expected is nothing.
    assert hotelling(pooled_counts(counts), [0.1, counts[:, 1].mean()], 1000, [0.5, 400.0]).p_value > 0.5


def test_shares_are_tested_on_the_scale_of_the_arcsine():
    """Shares of 400 pairs, one in two: alarms at 1e-3 of 20,000 records within 4.5σ."""
    rng = np.random.default_rng(35)
    seen = rng.binomial(400, 0.5, 20_000) / 400.0
    alarms = 0
    for share in seen:
        error = np.sqrt(share * (1.0 - share) / 400.0)
        alarms += deviation(Estimate(share, error, 400, "binomial"), 0.5, 1e6, share=True).p_value < 1e-3
    assert alarms <= 20 + 4.5 * np.sqrt(20.0)


def test_a_part_of_the_values_keeps_its_errors():
    whole = Resampled(np.arange(3.0), np.random.default_rng(36).normal(size=(50, 3)), np.ones(3, int), "")
    part = whole.only(np.array([True, False, True]))
    np.testing.assert_allclose(part.standard_error, whole.standard_error[[0, 2]])


@pytest.mark.parametrize("predicted", [1e-9, 1e-4, 0.1, 1.0, 10.0, 49.0])
def test_numbers_of_few_clicks_are_never_rejected_too_often(predicted):
    """The probability of a p-value below α is α at the most, summed over the Poisson law."""
    numbers = np.arange(300)
    p_values = np.array([number_of_few(predicted, int(number)) for number in numbers])
    law = stats.poisson.pmf(numbers, predicted)
    for level in (0.5, 0.1, 0.01, 1e-4):
        assert law[p_values <= level].sum() <= level
    assert number_of_few(predicted, 3 + round(4.0 * predicted)) < 0.02 * max(1.0, predicted)
    assert number_of_few(30.0, 0) < 1e-10
    assert number_of_few(np.inf, 3) == 1.0


def test_rare_clicks_count_all_numbers_that_there_can_be():
    """Which numbers are few depends on the clicks, so that those found are not all that were looked at."""
    probability = np.full((200, 3), [0.5, 0.5 - 1e-9, 1e-9])
    channel = np.arange(200) % 2
    channel[7] = 2
    found = rare_clicks(np.ones(200), probability, channel.astype(np.int16))
    assert found.p_value == pytest.approx(4.0 * number_of_few(200e-9, 1), rel=1e-12)


def test_bursts_of_rare_clicks_keep_the_level():
    """Twenty clicks come together once in 1,000 records: none is rejected that the model makes more often."""
    rng = np.random.default_rng(3)
    rejected = 0
    for _ in range(2000):
        gaps = rng.exponential(size=40)
        probability = np.full((40, 2), [1.0 - 1e-3, 1e-3])
        channel = np.zeros(40, np.int16)
        if rng.random() < 1e-3 * 40 / 20.0:  # the burst is predicted once it has begun
            begin = rng.integers(20)
            channel[begin : begin + 20] = 1
            probability[begin + 1 : begin + 20] = [0.05, 0.95]
        found = rare_clicks(gaps, probability, channel)
        rejected += found.p_value < 0.01
    # 20 at the most on average; 35 and more have the probability 1e-3.
    assert rejected < 35
