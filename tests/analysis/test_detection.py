"""Detectors applied to records: thinning, dark counts, dead time and jitter, each against its law."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from click_streams import click_records, pair_record, poisson_record
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import trajectories as tj
from trajectories import analysis as an
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord

quick = settings(max_examples=30, deadline=None, derandomize=True)


@quick
@given(click_records(), st.integers(0, 2**64 - 1))
def test_ideal_detectors_change_nothing(record, seed):
    seen = an.apply_detectors(record, {"photon": Detector(), "atom": Detector()}, seed)
    for name in ("trajectory", "time", "channel", "start", "stop"):
        np.testing.assert_array_equal(getattr(seen, name), getattr(record, name))


@quick
@given(click_records(), st.integers(0, 1000))
def test_the_result_is_a_valid_record_and_repeatable(record, seed):
    detectors = {"photon": Detector(0.5, 0.3, 0.2, 0.1), "magnon": Detector(0.9, 0.1)}
    seen = an.apply_detectors(record, detectors, seed)
    again = ClickRecord.from_arrays(
        seen.trajectory,
        seen.time,
        seen.channel,
        channel_names=seen.channel_names,
        start=seen.start,
        stop=seen.stop,
    )
    np.testing.assert_array_equal(again.time, an.apply_detectors(record, detectors, seed).time)
    only = an.apply_detectors(record, {"photon": detectors["photon"]}, seed)
    np.testing.assert_array_equal(only.select("photon").time, seen.select("photon").time)
    np.testing.assert_array_equal(only.select("magnon").time, record.select("magnon").time)


def test_blind_detectors_see_dark_counts_only():
    """Rate within 4σ of the dark rate (false alarm 6e-5), g² of dark counts 1 within 4σ."""
    record = poisson_record(np.random.default_rng(61), {"a": 5.0, "b": 1.0}, 100, 50.0)
    seen = an.apply_detectors(record, {"a": Detector(0.0, dark_rate=2.0)}, 1)
    assert abs(an.rates(seen)["a"].deviation(2.0)) < 4
    assert np.isin(seen.select("a").time, record.time).sum() == 0
    found = an.g2(seen, "a", "a", [0.0, 1.0])
    assert abs(found.value[0] - 1) < 4 * found.standard_error[0]


def test_thinning_keeps_correlations_and_scales_rates_and_purity():
    """g² is that of all clicks; Klyshko gives back the efficiency. Four comparisons at 4σ: 3e-4."""
    record = pair_record(np.random.default_rng(62), 0.05, 4.0, 0.7, 200, 500.0)
    seen = an.apply_detectors(record, {"magnon": Detector(0.6)}, 2)
    kept = len(seen.select("magnon")) / len(record.select("magnon"))
    assert abs(kept - 0.6) < 4 * np.sqrt(0.24 / len(record.select("magnon")))
    before, after = (an.g2(r, "photon", "magnon", [0.0, 0.5]) for r in (record, seen))
    assert abs(after.value[0] - before.value[0]) < 4 * after.standard_error[0]
    assert after.value[0] > 5
    # accidental magnons within ±5: 1 − exp(−0.05·0.6·10) of the photons without a partner
    expected = 1 - 0.4 * np.exp(-0.05 * 0.6 * 10)
    assert abs(an.heralding_efficiency(seen, "photon", "magnon", 5.0).deviation(expected)) < 4


def test_dead_time_is_not_extended_by_lost_clicks():
    record = ClickRecord.from_arrays(
        [0] * 5 + [1], [1.0, 1.5, 2.0, 2.5, 3.2, 0.1], [0] * 6, channel_names=("a",), start=[0, 0], stop=[5, 5]
    )
    seen = an.apply_detectors(record, {"a": Detector(dead_time=1.0)}, 3)
    assert seen.time.tolist() == [1.0, 2.0, 3.2, 0.1]


def test_dead_time_lowers_the_rate_by_the_known_factor():
    """λ/(1 + λ·dead time) for a Poisson stream, within 4σ: false alarm 6e-5; the paralysable law is refused."""
    record = poisson_record(np.random.default_rng(63), {"a": 2.0}, 100, 200.0)
    found = an.rates(an.apply_detectors(record, {"a": Detector(dead_time=0.25)}, 4))["a"]
    # each trajectory starts with a detector that is ready: one event more than λ'T by at most 0.02 %
    assert abs(found.deviation(2 / 1.5)) < 4
    assert abs(found.deviation(2 * np.exp(-0.5))) > 4


def test_jitter_spreads_lags_by_its_variance_and_reflects_what_leaves_the_window():
    time = np.linspace(1.0, 999.0, 20_000)
    record = ClickRecord.from_arrays(
        np.zeros(40_000, int),
        np.repeat(time, 2),
        np.tile([0, 1], 20_000),
        channel_names=("a", "b"),
        start=0,
        stop=1000,
    )
    seen = an.apply_detectors(record, {"a": Detector(jitter=0.01)}, 5)
    errors = seen.select("a").time - time
    assert errors.std() == pytest.approx(0.01, rel=0.03)
    edge = ClickRecord.from_arrays(
        np.zeros(1000, int), np.zeros(1000), np.zeros(1000, int), channel_names=("a",), start=0, stop=1
    )
    late = an.apply_detectors(edge, {"a": Detector(jitter=0.01)}, 6).time
    assert len(late) == 1000
    assert np.sqrt((late**2).mean()) == pytest.approx(0.01, rel=0.1)  # 4.5 σ


def test_provenance_tells_what_was_done():
    record = poisson_record(np.random.default_rng(64), {"a": 1.0}, 2, 5.0)
    seen = an.apply_detectors(record, {"a": Detector(0.5, 0.1)}, 7)
    entry = {"efficiency": 0.5, "dark_rate": 0.1, "dead_time": 0.0, "jitter": 0.0}
    entry |= {"afterpulsing": 0.0, "afterpulse_delay": 0.0, "paralysable": False}
    assert seen.provenance["detectors"] == [{"seed": 7, "detectors": {"a": entry}}]
    assert "detectors" not in record.provenance
    assert len(an.apply_detectors(seen, {"a": Detector(0.5)}, 8).provenance["detectors"]) == 2


def test_bad_input_is_refused():
    record = poisson_record(np.random.default_rng(64), {"a": 1.0}, 2, 5.0)
    with pytest.raises(InvalidInput, match="no channel named 'b'"):
        an.apply_detectors(record, {"b": Detector()}, 0)
    with pytest.raises(InvalidInput, match="must be a Detector"):
        an.apply_detectors(record, {"a": 0.5}, 0)
    with pytest.raises(InvalidInput, match="seed=-1"):
        an.apply_detectors(record, {"a": Detector()}, -1)
    with pytest.raises(InvalidInput, match=r"efficiency=1\.5"):
        Detector(1.5)


def test_detectors_on_a_stream_are_those_on_the_record():
    """Block by block, and at every pass, the same clicks: random numbers belong to trajectories of the whole."""
    record = poisson_record(np.random.default_rng(77), {"a": 2.0, "b": 1.0}, 12, 20.0)
    detectors = {"a": Detector(0.6, 0.3, 0.1, 0.05)}
    whole = an.apply_detectors(record, detectors, 5)
    cuts = [0, 1, 7, 12]
    blocks = []
    for first, last in pairwise(cuts):
        clicks = slice(*record.offsets[[first, last]])
        columns = (record.trajectory[clicks] - first, record.time[clicks], record.channel[clicks])
        windows = {"start": record.start[first:last], "stop": record.stop[first:last]}
        blocks.append(ClickRecord.from_arrays(*columns, channel_names=("a", "b"), **windows))
    streamed = an.detected_stream(blocks, detectors, 5)
    for _ in range(2):
        joined = ClickRecord.concatenate(list(streamed.blocks()))
        for name in ("trajectory", "time", "channel"):
            np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name))
    assert streamed.provenance["detectors"] == whole.provenance["detectors"]
    with pytest.raises(InvalidInput, match="no channel named 'c'"):
        an.detected_stream(blocks, {"c": Detector(0.5)}, 5)


def test_afterpulses_follow_one_by_one():
    """Of 4,000 events far apart each starts a chain of geometric length; delays are exponential (4 σ each)."""
    times = 1000.0 * np.arange(1, 4001)
    record = tj.ClickRecord.from_arrays(
        np.zeros(4000, dtype=int), times, np.zeros(4000, dtype=int), channel_names=["a"], start=0.0, stop=5e6
    )
    seen = an.apply_detectors(record, {"a": Detector(afterpulsing=0.3, afterpulse_delay=2.0)}, 5)
    extra = len(seen) - 4000
    assert abs(extra - 4000 * 0.3 / 0.7) < 4.0 * np.sqrt(4000 * 0.3) / 0.7
    assert np.isin(times, seen.time).all()
    gaps = np.diff(seen.time)
    delays = gaps[gaps < 500.0]
    assert len(delays) == extra
    assert abs(delays.mean() - 2.0) < 4.0 * 2.0 / np.sqrt(extra)
    # A detector that is dead loses the early ones, and what they would have started.
    dead = an.apply_detectors(record, {"a": Detector(afterpulsing=0.3, afterpulse_delay=2.0, dead_time=2.0)}, 5)
    assert np.diff(dead.time).min() >= 2.0
    chance = 0.3 * np.exp(-1.0)
    assert abs(len(dead) - 4000 / (1.0 - chance)) < 4.0 * np.sqrt(4000 * chance) / (1.0 - chance)


def test_detectors_on_a_synced_record_are_those_on_its_times():
    rng = np.random.default_rng(8)
    times = np.sort(rng.uniform(0.0, 4000.0, 3000))
    clicks = tj.ClickRecord.from_arrays(
        np.zeros(3000, int), times, rng.integers(0, 2, 3000), channel_names=["a", "b"], start=0.0, stop=4000.0,
        provenance={"period": 7.3},
    )  # fmt: skip
    synced = clicks.in_periods(fine=0.01)
    ideal = an.apply_detectors(synced, {"a": Detector()}, 1)
    for name in ("stamp", "within", "channel"):
        np.testing.assert_array_equal(getattr(ideal, name), getattr(synced, name))
    detectors = {"a": Detector(efficiency=0.7, dark_rate=0.1, dead_time=0.3, jitter=0.05), "b": Detector(0.5)}
    seen, flat = an.apply_detectors(synced, detectors, 1), an.apply_detectors(synced.without_ticks(), detectors, 1)
    assert len(seen) == len(flat)
    assert np.abs(seen.without_ticks().time - flat.time).max() < 0.0051
    assert an.brightness(seen, "a").n == an.brightness(flat, "a", period=7.3).n


@pytest.mark.parametrize("jitter", [0.5, 10.0, 300.0])
def test_jitter_keeps_the_rate_however_long_it_is(jitter):
    """What leaves a window is reflected, for what would have come in: none is lost, none piles up at the ends."""
    rng = np.random.default_rng(3)
    time = np.sort(rng.uniform(50.0, 60.0, (200, 40)), axis=1).ravel()
    row, window = np.repeat(np.arange(200), 40), {"start": np.full(200, 50.0), "stop": np.full(200, 60.0)}
    record = ClickRecord.from_arrays(row, time, np.zeros(8000, dtype=int), channel_names=["a"], **window)
    seen = an.apply_detectors(record, {"a": Detector(jitter=jitter)}, seed=2)
    assert len(seen) == len(record)
    assert stats.kstest(seen.time, stats.uniform(50.0, 10.0).cdf).pvalue > 1e-3
