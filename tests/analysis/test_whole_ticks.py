"""Records made of ticks: lags are integer differences, decided exactly by every estimator."""

import itertools
import math
import warnings
from fractions import Fraction
from functools import cache

import numpy as np
import pytest

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import InvalidInput, TickWarning
from trajectories.records.ticks import whole_ticks


def ticked(stamps, channels, tick=1e-9, stop=None, names=("a", "b"), **more):
    stamps = np.asarray(stamps, dtype=np.int64)
    stop = (int(stamps.max()) + 1) * tick if stop is None else stop
    rows = np.zeros(len(stamps), dtype=np.int64)
    return tj.ClickRecord.from_arrays(
        rows, stamps, channels, channel_names=names, start=0.0, stop=stop, tick=tick, unit="s", **more
    )


def poisson_ticks(clicks, span, seed=1, channels=2):
    rng = np.random.default_rng(seed)
    return np.sort(rng.integers(0, span, clicks)), rng.integers(0, channels, clicks)


def test_edges_that_are_multiples_of_a_tick_decide_exactly():
    """Stamps 7 and 10 with edges 2, 3, 4 ns: as floating-point seconds this gave [1, 0]."""
    record = ticked([7, 10], [0, 1])
    found = an.g2(record, "a", "b", np.array([2, 3, 4]) * 1e-9)
    assert found.counts.tolist() == [0, 1]


@cache
def pairs_by_lag(step):
    """Count all pairs of a and b by their lag in ticks, and of b and a."""
    stamps, channels = poisson_ticks(3000, 20000)
    lags = stamps[channels == 1][:, None] - stamps[channels == 0][None, :]
    whole = np.arange(-30, 31) * step
    bins = np.append(whole[:-1], whole[-1] - 0.5)
    return np.histogram(lags, bins)[0], np.histogram(-lags, bins)[0]


@pytest.mark.parametrize("tick", [1e-12, 4e-12, 12.495520355952392e-9, 0.1, 1 / 3, 1e-9])
def test_pairs_by_integer_lag_are_counted_to_the_count(tick):
    record = ticked(*poisson_ticks(3000, 20000), tick)
    for step in (1, 3):
        whole = np.arange(-30, 31) * step
        expected, backwards = pairs_by_lag(step)
        for edges in (whole * tick, np.linspace(whole[0] * tick, whole[-1] * tick, len(whole))):
            assert an.g2(record, "a", "b", edges).counts.tolist() == expected.tolist()
            assert an.g2_matrix(record, edges)["a", "b"].counts.tolist() == expected.tolist()
            assert an.g2_matrix(record, edges)["b", "a"].counts.tolist() == backwards.tolist()


def test_logarithmic_edges_are_decided_as_fractions_decide_them():
    tick = 1e-12
    stamps, channels = poisson_ticks(2000, 40000, seed=3)
    record = ticked(stamps, channels, tick)
    edges = np.geomspace(20.5, 5000.5, 25) * tick
    lags = (stamps[channels == 1][:, None] - stamps[channels == 0][None, :]).ravel()
    exact = [math.ceil(Fraction(float(edge)) / Fraction(tick)) for edge in edges]  # the first whole tick beyond it
    at_least = [int((lags >= edge).sum()) for edge in exact]
    expected = [low - high for low, high in itertools.pairwise(at_least)]
    assert an.g2(record, "a", "b", edges).counts.tolist() == expected
    with_zero = np.append(0.0, edges)
    assert an.g2(record, "a", "b", with_zero).counts[1:].tolist() == expected


def test_stamps_beyond_the_integers_of_a_float_stay_distinct():
    far = 2**55
    stamps = np.array([0, far, far + 1, far + 3])
    record = ticked(stamps, [0, 0, 1, 1], 1e-12)
    assert record.stamp.tolist() == stamps.tolist()
    assert float(far) == float(far + 1)
    found = an.g2(record, "a", "b", np.array([0, 1, 2, 3, 4]) * 1e-12)
    assert found.counts.tolist() == [0, 1, 0, 1]
    bundles = an.find_bundles(record, 2e-12)
    assert bundles.size.tolist() == [1, 2, 1]
    assert bundles.length[1] == 1e-12


def test_every_estimator_of_ticks_agrees_with_times_that_need_no_rounding():
    """With a tick of 1 both ways of counting are exact, and must find the same."""
    stamps, channels = poisson_ticks(4000, 60000, seed=5, channels=3)
    names = ("a", "b", "c")
    record = ticked(stamps, channels, 1.0, names=names)
    times = record.without_ticks()
    assert times.clock is None
    edges = np.array([-7.0, -4.0, -1.0, 2.0, 5.0])
    calls = {
        "g2": lambda r: an.g2(r, "a", "b", edges).counts,
        "all pairs": lambda r: an.count_pairs(r, [("a", "a"), ("c", "b")], edges).counts.sum(axis=0),
        "bundles": lambda r: an.find_bundles(r, 6.0).composition,
        "order": lambda r: [e.n for e in an.order_rates(r, 6.0).values()],
        "cluster": lambda r: an.cluster_g2(r, 1, 2, [0.0, 5.0, 10.0, 40.0], 5.0).counts,
        "bundle waits": lambda r: an.bundle_waiting_times(r, 1, 2, [0.0, 50.0, 100.0], 5.0).counts,
        "waits": lambda r: an.waiting_times(r, "a", "b", [0.0, 3.0, 9.0, 27.0]).counts,
        "next": lambda r: [e.value for e in an.next_click_probabilities(r, "a").values()],
        "herald": lambda r: an.heralding_efficiency(r, "a", "b", 4.0).value,
        "fano": lambda r: [e.value for e in an.fano(r, [100.0, 700.0])],
        "counts": lambda r: an.count_distribution(r, 300.0).counts,
        "lags": lambda r: an.lag_histogram(r, "a", "b", edges, 8.0).counts,
        "fraction": lambda r: an.order_fraction(r, "a", "b", 8.0).value,
        "asymmetry": lambda r: an.asymmetry_by_lag(r, "a", "b", [0.0, 2.0, 4.0], 8.0).value,
        "reversal": lambda r: an.time_reversal_test(r, "a", "b", [0.0, 2.0, 4.0], 8.0).p_value,
        "rates": lambda r: [e.value for e in an.rates(r).values()],
    }
    for name, call in calls.items():
        np.testing.assert_array_equal(call(record), call(times), err_msg=name)


def test_windows_of_whole_ticks_decide_exactly():
    """A gap of exactly δ separates, whatever the rounding of seconds: 3·1e-9 > 3e-9 in floating point."""
    assert 3 * 1e-9 != 3e-9
    record = ticked([0, 3, 5, 1000], [0, 1, 0, 1], stop=2e-6)
    assert an.find_bundles(record, 3e-9).size.tolist() == [1, 2, 1]
    record = ticked([10, 13, 500, 502], [0, 1, 0, 1], stop=2e-6)
    assert an.heralding_efficiency(record, "a", "b", 3e-9).value == 0.5


def test_lag_zero_belongs_to_neither_sign():
    rng = np.random.default_rng(4)
    a, b = np.sort(rng.integers(0, 4000, 900)), np.sort(rng.integers(0, 4000, 900))
    order = np.argsort(np.concatenate([a, b]), kind="stable")
    record = ticked(np.concatenate([a, b])[order], np.repeat([0, 1], 900)[order])
    ties = int((a[:, None] == b[None, :]).sum())
    edges = np.array([-4, 0, 4]) * 1e-9
    pairs = an.count_pairs(record, [("a", "b"), ("b", "a")], edges)
    assert pairs.ties is not None
    assert pairs.ties.sum(axis=0).tolist() == [ties, ties]
    split = pairs.pooled("a", "b").sums["pairs"].sum(axis=0)
    lags = b[:, None] - a[None, :]
    assert split[0] == ((lags >= -4) & (lags < 0)).sum() + 0.5 * ties
    assert split[1] == ((lags > 0) & (lags < 4)).sum() + 0.5 * ties
    assert f"{ties} pairs of lag 0" in an.g2(record, "a", "b", edges).method
    alone = an.g2(record, "a", "b", np.array([-1, 0, 1]) * 1e-9)
    assert alone.counts[1] == ties
    assert "lag 0" not in alone.method
    fraction = an.order_fraction(record, "a", "b", 2e-9)
    assert "ties count half each" in fraction.method


def test_ties_are_split_evenly_between_the_signs_of_the_lag_histogram():
    stamps = np.arange(40) * 1000
    record = ticked(np.repeat(stamps, 2), np.tile([0, 1], 40), stop=4.1e-5)
    found = an.lag_histogram(record, "a", "b", np.array([-2, 0, 2]) * 1e-9, 10e-9)
    # Forty ties, twenty a side: over the 2.5 ticks of −2 … 0 and the 1.5 of 0 … 2 that hold half a tick of them.
    np.testing.assert_allclose(found.value, [0.5 / 2.5e-9, 0.5 / 1.5e-9])
    assert an.order_fraction(record, "a", "b", 10e-9).value == 0.5


def test_a_comb_is_normalised_and_said():
    """Bins of 2.5 ticks hold 2 or 3 lags: uncorrelated clicks have g² = 1 in all of them, with a warning."""
    stamps, channels = poisson_ticks(60000, 500000, seed=8)
    record = ticked(stamps, channels)
    edges = np.arange(-10, 11) * 2.5e-9
    with pytest.warns(TickWarning, match="bins of equal width hold 2 to 3 ticks") as said:
        found = an.g2(record, "a", "b", edges)
    assert np.abs(found.value - 1.0).max() < 5 * found.standard_error.max()
    naive = found.counts / found.counts.mean()
    assert np.ptp(naive) > 0.3  # the comb that would be seen without
    proposed = str(said[0].message).split("edges ")[1].split(" hold")[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.ptp(an.g2(record, "a", "b", eval(proposed, {"np": np})).value) < 0.1


def test_bins_narrower_than_a_tick_are_said_and_have_no_value():
    stamps, channels = poisson_ticks(5000, 50000)
    with pytest.warns(TickWarning, match="narrower than a tick"):
        found = an.g2(ticked(stamps, channels), "a", "b", np.arange(1, 9) * 0.5e-9)
    assert np.isnan(found.value[found.counts == 0]).any()
    with pytest.raises(InvalidInput, match="no bin of edges holds a whole tick"):
        an.g2(ticked(stamps, channels), "a", "b", [0.2e-9, 0.3e-9, 0.4e-9])


def test_rates_of_uncorrelated_ticks_have_g2_of_one_beside_zero_too():
    """Lag 0 counted whole on one side would show here as 10 % in the two bins of five ticks beside 0."""
    stamps, channels = poisson_ticks(200000, 1000000, seed=11)
    record = ticked(stamps, channels)
    found = an.g2(record, "a", "b", np.arange(-4, 5) * 5e-9)
    assert np.abs((found.value - 1.0) / found.standard_error).max() < 4.5


def test_waits_from_lag_zero_on_have_the_density_of_true_lags():
    """A bin of two ticks from 0 on holds one and a half ticks of true waits; two would show here as 10 σ."""
    stamps, channels = poisson_ticks(40000, 4000000, seed=12)
    edges = np.array([0, 2, 4, 8, 16]) * 1e-9
    found = an.waiting_times(ticked(stamps, channels), "a", "b", edges)
    rate = 20000 / 4e-3
    expected = rate * -np.diff(np.exp(-2 * rate * edges)) / (2 * rate * np.diff(edges))
    assert np.abs((found.value - expected) / found.standard_error).max() < 4.0


def test_whole_ticks_takes_the_least_number_that_is_no_shorter():
    assert whole_ticks([3e-9, 2.5e-9, -2.5e-9, 0.0], 1e-9, "x").tolist() == [3, 3, -2, 0]
    assert whole_ticks(np.arange(1000) * 12.495520355952392e-9, 12.495520355952392e-9, "x").tolist() == list(
        range(1000)
    )


def test_a_simulated_record_in_ticks_tells_the_same_to_within_a_tick():
    rng = np.random.default_rng(2)
    rows = np.repeat(np.arange(25), 200)
    times = np.sort(rng.random((25, 200)) * 1e3 + 7.3, axis=1).ravel()
    record = tj.ClickRecord.from_arrays(
        rows,
        times,
        rng.integers(0, 2, 5000),
        channel_names=["a", "b"],
        start=np.full(25, 7.3),
        stop=np.full(25, 1007.3),
    )
    coarse = record.in_ticks(1e-3)
    assert np.abs(coarse.time - record.time).max() <= 1e-3
    edges = np.arange(-5, 6) * 2.0
    one, other = an.g2(record, "a", "b", edges), an.g2(coarse, "a", "b", edges)
    assert np.abs(one.counts - other.counts).max() <= 3
    np.testing.assert_allclose(other.value, one.value, rtol=0.02)
    for name, estimate in an.rates(record).items():
        assert an.rates(coarse)[name].value == estimate.value
    with pytest.raises(InvalidInput, match="ticks of"):
        coarse.in_ticks(1.0)


def test_records_that_count_differently_are_not_joined():
    one, other = ticked([1, 2], [0, 1]), ticked([1, 2], [0, 1], 2e-9)
    with pytest.raises(InvalidInput, match="count time in"):
        tj.ClickRecord.concatenate([one, other])
    with pytest.raises(InvalidInput, match="count time in"):
        an.stream([one, other])
    both = tj.ClickRecord.concatenate([one.without_ticks(), other.without_ticks()])
    assert both.n_trajectories == 2
    again = tj.ClickRecord.concatenate([one, one])
    assert again.stamp.tolist() == [1, 2, 1, 2]
    assert again.clock.origin.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"time": [0.5, 1.0]}, "whole numbers"),
        ({"time": np.array([0, 2**63], dtype=np.uint64)}, "62 bits"),
        ({"tick": 0.0}, "tick"),
        ({"unit": "fortnight"}, "unit"),
        ({"stop": 3e-9}, "outside the observation window"),
        ({"within": [1, 2]}, "within needs"),
    ],
)
def test_ticks_that_make_no_record_are_refused(change, match):
    given = {
        "trajectory": [0, 0],
        "time": [0, 7],
        "channel": [0, 0],
        "channel_names": ["a"],
        "start": 0.0,
        "stop": 1e-8,
        "tick": 1e-9,
        "unit": "s",
    } | change
    with pytest.raises(InvalidInput, match=match):
        tj.ClickRecord.from_arrays(**given)
