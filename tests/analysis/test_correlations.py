"""g² against its O(n²) definition, its invariances, its bins, and faults that must be caught."""

from __future__ import annotations

import naive_estimators as naive
import numpy as np
import pytest
from click_streams import TICK, click_records, poisson_record
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from trajectories import Detector
from trajectories import analysis as an
from trajectories.analysis.estimators import correlations
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord

quick = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def lag_edges(draw):
    """Edges of either sign on the half tick, so that lags meet edges: equal, uneven, or far apart."""
    ticks = draw(st.lists(st.integers(-80, 80), min_size=2, max_size=9, unique=True))
    uneven = np.array(sorted(ticks)) * 0.5 * TICK
    equal = uneven[0] + 0.5 * TICK * np.arange(draw(st.integers(2, 12)))
    geometric = TICK * np.geomspace(1.0, 40.0, draw(st.integers(2, 9)))
    mirrored = np.concatenate([-geometric[::-1], geometric])
    return draw(st.sampled_from([uneven, equal, geometric, mirrored]))


@quick
@given(click_records(), lag_edges())
def test_all_pairs_in_one_pass_equal_the_definition(record, edges):
    for (first, second), found in an.g2_matrix(record, edges).items():
        assert np.array_equal(found.counts, naive.pair_counts(record, first, second, edges))
        np.testing.assert_allclose(found.value, naive.g2(record, first, second, edges), rtol=1e-12)


@quick
@given(click_records(), lag_edges())
def test_one_pair_alone_equals_the_matrix(record, edges):
    matrix = an.g2_matrix(record, edges)
    for pair in (("photon", "magnon"), ("magnon", "magnon")):
        alone = an.g2(record, *pair, edges)
        np.testing.assert_array_equal(alone.counts, matrix[pair].counts)
        np.testing.assert_array_equal(alone.value, matrix[pair].value)
        np.testing.assert_array_equal(alone.standard_error, matrix[pair].standard_error)


@quick
@given(click_records(), lag_edges(), st.integers(-1000, 1000))
def test_shifting_all_times_changes_nothing(record, edges, ticks):
    shift = ticks * TICK
    shifted = ClickRecord.from_arrays(
        record.trajectory,
        record.time + shift,
        record.channel,
        channel_names=record.channel_names,
        start=record.start + shift,
        stop=record.stop + shift,
    )
    before, after = (an.g2(r, "photon", "magnon", edges) for r in (record, shifted))
    np.testing.assert_array_equal(before.counts, after.counts)
    np.testing.assert_allclose(before.value, after.value, rtol=1e-12)


@quick
@given(click_records(), click_records(), lag_edges())
def test_counts_and_overlap_of_merged_records_add_up(one, other, edges):
    assume(one.stamp.tobytes() != other.stamp.tobytes())  # the same clicks twice are refused
    whole = correlations.count_pairs(ClickRecord.concatenate([one, other]), [("photon", "magnon")], edges)
    parts = [correlations.count_pairs(r, [("photon", "magnon")], edges) for r in (one, other)]
    for name in ("counts", "overlap", "time"):
        merged = sum(getattr(part, name).sum(axis=0) for part in parts)
        np.testing.assert_allclose(getattr(whole, name).sum(axis=0), merged, rtol=1e-12, atol=1e-12)


@quick
@given(click_records(), lag_edges())
def test_relabelled_channels_give_relabelled_correlations(record, edges):
    relabelled = record.select("atom", "photon", "magnon")
    before, after = an.g2_matrix(record, edges), an.g2_matrix(relabelled, edges)
    for pair, found in before.items():
        np.testing.assert_array_equal(found.counts, after[pair].counts)
        np.testing.assert_array_equal(found.value, after[pair].value)


def test_negative_lags_are_those_of_the_exchanged_pair():
    record = poisson_record(np.random.default_rng(1), {"a": 2.0, "b": 3.0}, 30, 20.0)
    edges = np.linspace(-3.0, 3.0, 41)  # no lag of random times falls on an edge
    forward, backward = an.g2(record, "a", "b", edges), an.g2(record, "b", "a", edges)
    np.testing.assert_array_equal(forward.counts, backward.counts[::-1])
    np.testing.assert_allclose(forward.value, backward.value[::-1], rtol=1e-12)


@pytest.mark.parametrize(
    "edges",
    [
        np.linspace(-1.0, 2.0, 1001),
        np.geomspace(1e-6, 5.0, 300),
        np.concatenate([-np.geomspace(5.0, 1e-6, 90), np.geomspace(1e-6, 5.0, 90)]),
        np.sort(np.random.default_rng(2).uniform(-3, 3, 500)),
        np.array([0.5, 0.5 + 1e-9, 0.5 + 2e-9, 0.5 + 1e-6, 4.0]),
        np.array([-1e-300, 1e-300]),
    ],
    ids=["equal", "log", "log both signs", "arbitrary", "crowded", "tiny"],
)
def test_bins_agree_with_binary_search(edges):
    rng = np.random.default_rng(3)
    record = poisson_record(rng, {"a": 20.0, "b": 15.0}, 5, 20.0)
    parts = [record.trajectory == r for r in range(5)]
    columns = [(record.time[part], record.channel[part]) for part in parts]
    lags = np.concatenate([np.subtract.outer(t[c == 1], t[c == 0]).ravel() for t, c in columns])
    # numpy's last bin is closed, ours is not; no lag of this record is equal to an edge
    assert not np.isin(lags, edges).any()
    np.testing.assert_array_equal(an.g2(record, "a", "b", edges).counts, np.histogram(lags, edges)[0])


def test_lags_on_an_edge_belong_to_the_bin_that_it_opens():
    record = ClickRecord.from_arrays(
        [0] * 4, [1.0, 1.5, 2.0, 3.0], [0, 1, 1, 1], channel_names=("a", "b"), start=0, stop=4
    )
    np.testing.assert_array_equal(an.g2(record, "a", "b", [0.0, 0.5, 1.0, 2.0]).counts, [0, 1, 1])
    np.testing.assert_array_equal(an.g2(record, "b", "a", [-2.0, -1.0, -0.5, 0.0]).counts, [1, 1, 1])


def test_ties_have_lag_zero_in_both_orders():
    record = ClickRecord.from_arrays(
        [0] * 3, [1.0, 1.0, 1.0], [0, 0, 1], channel_names=("a", "b"), start=0, stop=4
    )
    for edges in ([0.0, 1.0], [-1.0, 0.0, 1.0]):
        assert an.g2(record, "a", "b", edges).counts[-1] == 2
        assert an.g2(record, "b", "a", edges).counts[-1] == 2
        assert an.g2(record, "a", "a", edges).counts[-1] == 2  # both orders of the one pair
    assert an.g2(record, "a", "b", [-1.0, 0.0]).counts.sum() == 0


def test_a_hundred_thousand_clicks_in_one_bin():
    n = 1000
    time = np.linspace(0.0, 1.0, n)
    record = ClickRecord.from_arrays(
        np.zeros(n, int), time, np.arange(n) % 2, channel_names=("a", "b"), start=0, stop=1
    )
    assert an.g2(record, "a", "b", [-2.0, 2.0]).counts[0] == (n // 2) ** 2
    burst = ClickRecord.from_arrays(
        np.zeros(100_000, int),
        np.full(100_000, 0.5),
        np.zeros(100_000, int),
        channel_names=("a",),
        start=0,
        stop=1,
    )
    # 5e9 pairs of lag 0, none of which bins above 0 need to visit
    assert an.g2(burst, "a", "a", [0.1, 0.2]).counts[0] == 0


@pytest.mark.parametrize("clicks", [0, 1])
def test_a_record_with_hardly_a_click_has_no_correlation(clicks):
    record = ClickRecord.from_arrays(
        [0] * clicks, [0.5] * clicks, [0] * clicks, channel_names=("a", "b"), start=[0], stop=[1]
    )
    for pair in (("a", "a"), ("a", "b")):
        found = an.g2(record, *pair, [-1.0, 0.0, 1.0])
        assert found.counts.sum() == 0
        assert np.isnan(found.standard_error).all()


def test_lags_beyond_every_window_have_no_value():
    record = poisson_record(np.random.default_rng(4), {"a": 5.0, "b": 5.0}, 30, 2.0)
    found = an.g2(record, "a", "b", [1.0, 1.9, 2.5, 3.0])
    assert np.isfinite(found.value[:2]).all()
    assert np.isnan(found.value[2])


def test_errors_are_those_of_leaving_out_one_trajectory_at_a_time():
    record = poisson_record(np.random.default_rng(5), {"a": 3.0, "b": 2.0}, 21, 4.5)
    edges = np.array([-2.0, -0.5, 0.3, 1.0, 4.0])
    left_out = []
    for r in range(21):
        kept = record.trajectory != r
        trajectory = record.trajectory[kept] - (record.trajectory[kept] > r)
        rest = ClickRecord.from_arrays(
            trajectory,
            record.time[kept],
            record.channel[kept],
            channel_names=("a", "b"),
            start=np.zeros(20),
            stop=np.full(20, 4.5),
        )
        left_out.append(naive.g2(rest, "a", "b", edges))
    spread = np.array(left_out) - np.mean(left_out, axis=0)
    expected = np.sqrt(20 / 21 * (spread**2).sum(axis=0))
    np.testing.assert_allclose(an.g2(record, "a", "b", edges).standard_error, expected, rtol=1e-10)


def test_the_definition_notices_planted_faults():
    """The twin must disagree with a missing overlap, with self-pairs, and with per-trajectory averages."""
    record = poisson_record(np.random.default_rng(6), {"a": 3.0}, 25, 2.0)
    edges = np.array([-1.5, -0.5, 0.5, 1.5])
    exact = naive.g2(record, "a", "a", edges)
    counts = naive.pair_counts(record, "a", "a", edges)
    rate, time = naive.rate(record, "a"), record.total_time
    assert not np.allclose(counts / (rate**2 * time * np.diff(edges)), exact, rtol=0.05)
    with_self = (counts + np.array([0, len(record), 0])) / (rate**2 * naive.overlap(record, edges))
    assert not np.allclose(with_self, exact, rtol=0.05)


@pytest.mark.parametrize(
    ("edges", "words"),
    [
        ([0.0], "at least two"),
        ([0.0, np.nan], "finite"),
        ([0.0, 2.0, 1.0], "ascend"),
        ([0.0, 1.0, 1.0], "ascend"),
        (["x", "y"], "numbers"),
        ([[0.0, 1.0]], "one dimension"),
    ],
)
def test_bad_edges_are_refused(edges, words):
    record = poisson_record(np.random.default_rng(7), {"a": 3.0}, 2, 2.0)
    with pytest.raises(InvalidInput, match=words):
        an.g2(record, "a", "a", edges)
    with pytest.raises(InvalidInput, match=words):
        an.g2_matrix(record, edges)


def test_unknown_channels_are_refused():
    record = poisson_record(np.random.default_rng(7), {"a": 3.0}, 2, 2.0)
    with pytest.raises(InvalidInput, match="no channel named 'b'; the record has a"):
        an.g2(record, "a", "b", [0.0, 1.0])


def halves(seed, dead_time=0.5):
    """Light of a laser on two detectors with a dead time of half a mean wait."""
    rng = np.random.default_rng(seed)
    stop = 20_000.0
    time = np.sort(rng.uniform(0.0, stop, 40_000))
    side = rng.integers(0, 2, len(time))
    record = ClickRecord.from_arrays(
        np.zeros(len(time), int), time, side, channel_names=["left", "right"], start=0.0, stop=stop
    )
    dead = {name: Detector(dead_time=dead_time) for name in ("left", "right")}
    return an.apply_detectors(record, dead, seed)


def test_correlations_of_halves_have_neither_order_nor_memory():
    record, edges = halves(3), np.array([0.0, 0.25, 0.5, 1.0, 2.0])
    found = an.g2_of_halves(record, "left", "right", edges)
    one, other = (an.g2(record, *pair, edges) for pair in (("left", "right"), ("right", "left")))
    assert found.counts.tolist() == (one.counts + other.counts).tolist()
    np.testing.assert_allclose(found.value, 0.5 * (one.value + other.value))
    assert np.median(found.standard_error / one.standard_error) < 0.9
    assert np.abs((found.value - 1.0) / found.standard_error).max() < 4.0
    alone = an.g2(record, "left", "left", edges)  # the twin: one detector has a memory
    assert alone.counts[:2].sum() == 0
    for wrong in (("left", "left"), ("left", "up")):
        with pytest.raises(InvalidInput):
            an.g2_of_halves(record, *wrong, edges)
    with pytest.raises(InvalidInput, match="below 0"):
        an.g2_of_halves(record, "left", "right", [-1.0, 1.0])
