"""Corrections before analysis: right clicks, right windows, and a note of each in the provenance."""

import warnings

import numpy as np
import pytest

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import InvalidInput, TickWarning
from trajectories.records import corrections as fix
from trajectories.records.detection_log import recorded_detectors


def ticked(stamps, channels, stop=1000, names=("a", "b"), **more):
    stamps = np.asarray(stamps)
    return tj.ClickRecord.from_arrays(
        np.zeros(len(stamps), dtype=np.int64),
        stamps,
        channels,
        channel_names=names,
        start=0.0,
        stop=stop * 1e-9,
        tick=1e-9,
        unit="s",
        **more,
    )


def timed(record):
    return record.without_ticks()


def poisson(clicks=4000, span=2_000_000, channels=2, seed=1, **more):
    rng = np.random.default_rng(seed)
    names = tuple("abcd"[:channels])
    return ticked(np.sort(rng.integers(0, span, clicks)), rng.integers(0, channels, clicks), span, names, **more)


@pytest.mark.parametrize("form", [lambda r: r, timed])
def test_a_delay_shifts_a_channel_and_the_common_window(form):
    record = form(ticked([10, 20, 500, 990], [0, 1, 0, 1]))
    found = fix.delayed(record, {"b": -15e-9})
    assert np.round(found.time * 1e9).astype(int).tolist() == [5, 10, 500, 975]
    assert found.channel.tolist() == [1, 0, 0, 1]
    assert (found.start[0], found.stop[0]) == pytest.approx((0.0, 985e-9))
    assert found.provenance["corrections"] == [{"delayed": {"b": pytest.approx(-15e-9)}}]
    later = fix.delayed(record, {"b": 15e-9})
    assert np.round(later.time * 1e9).astype(int).tolist() == [35, 500]  # 10 and 1005 are outside what both saw
    assert later.start[0] == pytest.approx(15e-9)


def test_a_delay_is_undone_by_its_opposite():
    record = poisson()
    back = fix.delayed(fix.delayed(record, {"a": 30e-9, "b": -7e-9}), {"a": -30e-9, "b": 7e-9})
    inner = (record.stamp >= 30) & (record.stamp <= 2_000_000 - 38)
    kept = np.isin(back.stamp, record.stamp[inner])
    assert kept.sum() >= inner.sum()


def test_a_delay_that_is_no_multiple_of_the_tick_is_said():
    with pytest.warns(TickWarning, match=r"rounded from 2\.4e-09 to 2e-09"):
        found = fix.delayed(ticked([10], [0]), {"a": 2.4e-9})
    assert found.stamp.tolist() == [12]


def test_a_delay_of_a_synced_record_moves_within_the_period_and_on():
    record = ticked([3, 4, 5], [0, 1, 1], within=[700, 10, 600], fine=1e-12)
    found = fix.delayed(record, {"b": 0.5e-9})
    assert found.stamp.tolist() == [3, 4, 6]
    assert found.within.tolist() == [700, 510, 100]
    whole = fix.delayed(record, {"b": -2e-9})
    assert sorted(zip(whole.stamp.tolist(), whole.within.tolist(), strict=True)) == [(2, 10), (3, 600), (3, 700)]


def test_names_and_merges():
    record = ticked([1, 2, 3], [0, 1, 2], names=("a", "b", "c"))
    assert fix.renamed(record, {"a": "photon"}).channel_names == ("photon", "b", "c")
    both = fix.merged(record, {"ab": ["a", "b"]})
    assert both.channel_names == ("ab", "c")
    assert both.channel.tolist() == [0, 0, 1]
    for step, value in ((fix.renamed, {"a": "b"}), (fix.merged, {"c": ["a", "b"]}), (fix.merged, {"x": ["q"]})):
        with pytest.raises(InvalidInput):
            step(record, value)


@pytest.mark.parametrize("form", [lambda r: r, timed])
def test_cut_intervals_leave_the_exposure_right(form):
    """Clicks at a known rate with a silent stretch: rates are right after the cut, and were wrong before."""
    record = poisson(8000, 2_000_000)
    silent = (record.stamp < 500_000) | (record.stamp >= 900_000)
    broken = form(record._with_clicks(silent))
    found = fix.cut(broken, [(500_000e-9, 900_000e-9)])
    assert found.n_trajectories == 2
    assert found.total_time == pytest.approx(1.6e-3)
    assert len(found) == len(broken)
    rate = an.rates(found)["a"].value
    assert rate == pytest.approx(record.counts()[0, 0] / 2e-3, rel=0.03)
    edges = np.arange(0, 11) * 20e-9
    assert an.g2(found, "a", "b", edges).value.mean() == pytest.approx(1.0, abs=0.06)
    assert an.g2(broken, "a", "b", edges).value.mean() == pytest.approx(1.25, abs=0.06)
    with pytest.raises(InvalidInput, match="leave nothing"):
        fix.cut(record, [(-1.0, 1.0)])
    with pytest.raises(InvalidInput, match="pairs"):
        fix.cut(record, [(1.0, 0.0)])


def test_a_gate_opens_behind_each_click_of_its_channel():
    record = ticked([100, 105, 120, 150, 500, 503, 990], [0, 1, 1, 1, 0, 1, 0])
    found = fix.gated(record, "a", 2e-9, 30e-9)
    assert found.channel_names == ("b",)
    assert found.stamp.tolist() == [105, 120, 503]
    assert found.n_trajectories == 3
    assert np.round((found.stop - found.start) * 1e9).tolist() == [28, 28, 8]
    assert found.trajectory.tolist() == [0, 0, 1]
    merged = fix.gated(ticked([100, 110, 112], [0, 0, 1]), "a", 0.0, 30e-9)
    assert merged.n_trajectories == 1
    assert merged.total_time == pytest.approx(40e-9)


def test_a_gate_does_not_change_the_rate_of_unrelated_clicks():
    record = poisson(40000, 2_000_000, seed=5)
    found = fix.gated(record, "a", 5e-9, 25e-9)
    rate = an.rates(found)["b"]
    assert abs(rate.value - record.counts()[0, 1] / 2e-3) < 4 * rate.standard_error
    between = fix.gated_between(poisson(40000, 2_000_000, 3, seed=6), "a", "b")
    rate = an.rates(between)["c"]
    assert abs(rate.value - 40000 / 3 / 2e-3) < 4 * rate.standard_error


@pytest.mark.parametrize("gate", [(0.0, 0.4), (0.3, 2.6), (2.0, 7.0), (-1.5, 1.5)])
def test_a_gate_of_part_of_a_tick_observes_whole_ticks(gate):
    """What the windows say was observed is what the clicks that are kept can have come from."""
    record = poisson(60000, 600_000, seed=7)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = fix.gated(record, "a", gate[0] * 1e-9, gate[1] * 1e-9)
    held = np.ceil(gate[1]) - np.ceil(gate[0])
    assert any("holds" in str(w.message) for w in said) == (abs(held - (gate[1] - gate[0])) > 0.01 * held)
    assert np.abs(found.start / 1e-9 - np.round(found.start / 1e-9)).max() < 1e-6
    rate = an.rates(found)["b"]
    assert abs(rate.value - record.counts()[0, 1] / 6e-4) < 4 * rate.standard_error


@pytest.mark.parametrize("form", [lambda r: r, timed])
def test_kept_intervals_are_what_cutting_the_rest_leaves(form):
    record = form(poisson(1000, 100_000))
    found = fix.kept(record, [(60e-6, 80e-6), (10e-6, 30e-6), (20e-6, 40e-6)])
    other = fix.cut(record, [(-1.0, 10e-6), (40e-6, 60e-6), (80e-6, 1.0)])
    for name, column in found.columns().items():
        np.testing.assert_array_equal(column, other.columns()[name])
    np.testing.assert_allclose(found.start, other.start)
    np.testing.assert_allclose(found.stop, other.stop)
    assert found.n_trajectories == 2
    with pytest.raises(InvalidInput, match="leave nothing"):
        fix.kept(record, [(1.0, 2.0)])


@pytest.mark.parametrize("form", [lambda r: r, timed])
def test_silences_are_cut_without_bias(form):
    """Three interruptions are cut and the rate is that of the rest, also where true waits are cut with them."""
    record = poisson(20000, 2_000_000, seed=9)
    blocked = [(200e-6, 300e-6), (900e-6, 1200e-6), (1900e-6, 2000e-6)]
    keep = np.ones(len(record), dtype=bool)
    for low, high in blocked:
        keep &= ~((record.time >= low) & (record.time < high))
    interrupted = form(record._with_clicks(keep))
    found = fix.without_silences(interrupted, 20e-6)
    assert found.n_trajectories == 3
    assert found.total_time == pytest.approx(1500e-6, rel=5e-3)
    true = 20000 / 2e-3
    for longer in (20e-6, 0.3e-6):  # 200 mean waits, and 3
        cleaned = fix.without_silences(interrupted, longer)
        rate = len(cleaned) / cleaned.total_time
        assert abs(rate - true * (1.0 if longer > 1e-6 else truncated(0.3e-6 * true))) < 5 * true / np.sqrt(
            len(cleaned)
        )
    # The twin: what is left uncut is no rate of the light.
    assert len(interrupted) / interrupted.total_time < 0.8 * true
    with pytest.raises(InvalidInput, match="leave nothing"):
        fix.without_silences(interrupted, 1e-12)


def truncated(x):
    """Rate within bursts of exponential waits shorter than x mean waits, in units of the whole rate."""
    short = 1.0 - np.exp(-x)
    return short / (1.0 - x * np.exp(-x) / short)


def test_detectors_of_a_record_are_noted_and_honoured():
    record = fix.seen_with(poisson(), {"a": tj.Detector(dark_rate=3e4)})
    assert recorded_detectors(record) == {"a": tj.Detector(dark_rate=3e4)}
    assert [next(iter(step)) for step in record.provenance["corrections"]] == ["seen_with"]
    for wrong in ({"z": tj.Detector()}, {"a": 0.3}):
        with pytest.raises(InvalidInput):
            fix.seen_with(record, wrong)


def test_another_measurement_is_appended_and_the_same_is_refused():
    one = ticked([10, 500], [0, 0], names=("a",), provenance={"source": "one.ptu"})
    two = ticked([11, 500], [0, 0], names=("a",), provenance={"source": "two.ptu"})
    both = fix.appended(one, two)
    assert (both.n_trajectories, both.stamp.tolist()) == (2, [10, 500, 11, 500])
    assert both.provenance["corrections"] == [{"appended": "two.ptu"}]
    with pytest.raises(InvalidInput, match="the same clicks"):
        fix.appended(one, one)
    with pytest.raises(InvalidInput, match="the same clicks under other names"):
        fix.joined([one, fix.renamed(one, {"a": "b"})], [0.0, 0.0])
    with pytest.raises(InvalidInput, match="different channels"):
        fix.appended(one, fix.renamed(two, {"a": "b"}))


def test_a_gate_within_the_period():
    record = ticked([3, 4, 5], [0, 1, 1], within=[700, 10, 600], fine=1e-12)
    found = fix.gated_within(record, 0.5e-9, 0.7e-9)
    assert found.stamp.tolist() == [5]
    with pytest.raises(InvalidInput, match="synced"):
        fix.gated_within(ticked([1], [0]), 0.0, 1.0)


def test_a_longer_dead_time_in_whole_ticks():
    record = ticked([0, 3, 5, 6, 9, 9], [0, 0, 0, 1, 0, 1])
    found = fix.with_dead_time(record, {"a": 5e-9})
    assert found.stamp.tolist() == [0, 5, 6, 9]
    assert fix.with_dead_time(record, {"a": 4e-9}).stamp.tolist() == [0, 5, 6, 9, 9]


def test_unfolding_loses_half_a_step_at_most():
    rng = np.random.default_rng(3)
    period, fine = 12.495520355952392e-9, 16e-12
    syncs = np.sort(rng.integers(0, 4 * 10**8, 1000))
    record = tj.ClickRecord.from_arrays(
        np.zeros(1000, dtype=np.int64),
        syncs,
        np.zeros(1000, dtype=np.int64),
        channel_names=["a"],
        start=0.0,
        stop=5.0,
        tick=period,
        within=rng.integers(0, 780, 1000),
        fine=fine,
        unit="s",
    )
    flat = fix.unfolded(record)
    exact = np.sort(syncs * period + record.within * fine)
    assert np.abs(flat.stamp * fine - exact).max() < 0.51 * fine
    assert flat.tick == fine


def test_files_of_one_measurement_are_joined_in_time():
    left, right = ticked([10, 500], [0, 0], names=("a",)), ticked([3, 700], [0, 0], names=("b",))
    side = fix.joined([left, right], [0.0, 100e-9])
    assert side.channel_names == ("a", "b")
    assert side.stamp.tolist() == [103, 500, 800]
    assert (side.start[0], side.stop[0]) == pytest.approx((100e-9, 1000e-9))
    after = fix.joined([left, ticked([7], [0], names=("a",))], [0.0, 2000e-9])
    assert after.n_trajectories == 2
    assert after.start.tolist() == pytest.approx([0.0, 2000e-9])
    assert np.round(after.time * 1e9).astype(int).tolist() == [10, 500, 2007]
    with pytest.raises(InvalidInput, match="overlap"):
        fix.joined([left, left], [0.0, 500e-9])
    with pytest.raises(InvalidInput, match="not observed"):
        fix.joined([left, right], [0.0, 5000e-9])
    known = ticked([10, 500], [0, 0], names=("a",), provenance={"source": "one.ptu"})
    with pytest.raises(InvalidInput, match="the same clicks"):
        fix.joined([known, known], [0.0, 5000e-9])


def test_steps_are_noted_in_their_order():
    record = fix.renamed(fix.delayed(poisson(), {"a": 1e-9}), {"a": "x"})
    assert [next(iter(step)) for step in record.provenance["corrections"]] == ["delayed", "renamed"]


def test_a_tick_that_begins_at_the_end_of_the_window_was_not_observed():
    found = fix.delayed(ticked([5, 984, 985, 986], [0, 0, 0, 0]), {"b": -15e-9})
    assert found.stamp.tolist() == [5, 984]
    assert found.stop[0] == pytest.approx(985e-9)


def test_times_and_dead_times_of_a_synced_record_are_those_within_the_period():
    steps = ([0, 0, 1, 3, 3, 3], [100, 400, 100, 900, 200, 300])  # the clicks of a period are in any order
    record = ticked(steps[0], [0, 0, 0, 0, 1, 0], within=steps[1], fine=1e-12)
    flat = record.without_ticks()
    assert np.round(flat.time * 1e12).astype(int).tolist() == [100, 400, 1100, 3200, 3300, 3900]
    assert flat.channel.tolist() == [0, 0, 0, 1, 0, 0]
    kept = fix.with_dead_time(record, {"a": 0.65e-9})
    assert list(zip(kept.stamp.tolist(), kept.within.tolist(), strict=True)) == [
        (0, 100),
        (1, 100),
        (3, 200),
        (3, 300),
    ]


def test_each_channel_is_merged_once_into_a_channel_with_a_name():
    record = ticked([1, 2, 3], [0, 1, 0])
    for merged in ({"a": ["a", "b"], "c": ["a"]}, {"c": ["a", "a"]}):
        with pytest.raises(InvalidInput, match="merged twice"):
            fix.merged(record, merged)
    with pytest.raises(InvalidInput, match="give a name"):
        fix.merged(record, {"": ["a", "b"]})


def test_detectors_of_channels_that_are_gone_are_not_taken_over_by_their_names():
    record = ticked([1, 2, 3], [0, 1, 0])
    rest = fix.selected(fix.seen_with(record, {"a": tj.Detector(efficiency=0.5)}), ["b"])
    assert recorded_detectors(fix.renamed(rest, {"b": "a"})) == {}
    assert recorded_detectors(fix.merged(rest, {"a": ["b"]})) == {}


def test_joined_records_keep_the_detectors_of_all():
    left, right = ticked([10, 500], [0, 0], names=("a",)), ticked([3, 700], [0, 0], names=("b",))
    seen = fix.seen_with(right, {"b": tj.Detector(efficiency=0.5)})
    assert recorded_detectors(fix.joined([left, seen], [0.0, 0.0])) == {"b": tj.Detector(efficiency=0.5)}
