"""Pulsed light and detectors: side peaks, lifetimes, delays, dead time and afterpulses, each with its error."""

from pathlib import Path

import numpy as np
import pytest

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import InvalidInput
from trajectories.records import corrections as fix

NAME = "200213_HH400_T3_80MHz_HBT.timeres"
PLACES = [folder / "shared" / "data" / NAME for folder in Path(__file__).parents[3:5]]
HBT = next((place for place in PLACES if place.exists()), PLACES[0])
PERIOD, FINE = 12.5e-9, 16e-12


def pulsed(pulses=400_000, probability=0.05, lifetime=1.5e-9, multiple=0.0, lag=0, seed=1, dark=0.0, cable=0.0):
    """An emitter of at most one photon a pulse (two with probability `multiple`) behind a beam splitter, as T3."""
    rng = np.random.default_rng(seed)
    shots = np.flatnonzero(rng.random(pulses) < probability)
    second = shots[rng.random(len(shots)) < multiple]
    sync = np.concatenate([shots, second])
    delay = rng.exponential(lifetime, len(sync)) + 1e-9
    if dark:
        sync = np.concatenate([sync, rng.integers(0, pulses, int(dark * pulses))])
        delay = np.concatenate([delay, rng.uniform(0.0, PERIOD, len(sync) - len(delay))])
    channel = rng.integers(0, 2, len(sync))
    delay = delay + cable * channel
    sync = sync + (delay // PERIOD).astype(int) + lag * channel
    within = (delay % PERIOD / FINE).astype(int)
    kept = sync < pulses
    sync, within, channel = sync[kept], within[kept], channel[kept]
    order = np.lexsort((within, sync))
    return tj.ClickRecord.from_arrays(
        np.zeros(len(order), dtype=np.int64),
        sync[order],
        channel[order],
        channel_names=["a", "b"],
        start=0.0,
        stop=pulses * PERIOD,
        tick=PERIOD,
        fine=FINE,
        within=within[order],
        unit="s",
    )


def test_a_single_photon_source_has_no_pairs_in_one_pulse():
    record = pulsed()
    found = an.pulsed_g2(record, "a", "b", pulses=10)
    centre, side = found.value[10], np.delete(found.value, 10)
    assert centre < 0.05
    assert side.mean() == pytest.approx(1.0, abs=1e-12)
    assert np.abs((side - 1.0) / np.delete(found.standard_error, 10)).max() < 4.0
    rates = an.pulsed_g2(record, "a", "b", 10, normalise="rates")
    assert np.delete(rates.value, 10).mean() == pytest.approx(1.0, abs=0.03)
    assert rates.counts.tolist() == found.counts.tolist()


def test_the_central_peak_follows_a_cable_of_whole_pulses_and_its_correction():
    record = pulsed(lag=2)
    shifted = an.pulsed_g2(record, "a", "b", 10, centre=2)
    corrected = an.pulsed_g2(fix.delayed(record, {"b": -2 * PERIOD}), "a", "b", 10)
    assert shifted.counts[10] < 10
    assert abs(corrected.value[10] - shifted.value[10]) < 0.01
    assert an.pulsed_g2(record, "a", "b", 10).value[10] > 0.8


def test_multiple_photons_are_seen_in_the_central_peak():
    """q = 30 % second photons: g²[0] = 2q/(p (1 + q)²) for a pulse that emits with probability p."""
    found = an.pulsed_g2(pulsed(multiple=0.3, seed=2), "a", "b", 10)
    assert abs(found.value[10] - 2 * 0.3 / (0.05 * 1.3**2)) < 4 * found.standard_error[10]


def test_pulses_of_a_record_without_sync_numbers():
    flat = fix.unfolded(pulsed(lifetime=0.3e-9))
    found = an.pulsed_g2(flat, "a", "b", 8, period=round(PERIOD / FINE / 2) * 2 * FINE)
    assert found.value[8] < 0.05
    with pytest.raises(InvalidInput, match="give period="):
        an.pulsed_g2(flat, "a", "b")
    with pytest.raises(InvalidInput, match="leave out period"):
        an.pulsed_g2(pulsed(), "a", "b", period=PERIOD)


@pytest.mark.parametrize("dark", [0.0, 0.02])
def test_a_lifetime_with_its_error_and_background(dark):
    record = pulsed(lifetime=1.5e-9, seed=4, dark=dark)
    histogram = an.decay_histogram(record, "a", np.arange(0, 780) * FINE)
    fit = an.fit_decay(histogram, stop=12e-9)
    assert abs(fit.lifetime.value - 1.5e-9) < 4 * fit.lifetime.standard_error
    assert fit.lifetime.standard_error < 0.1e-9
    assert fit.fit.p_value > 1e-3
    if dark:
        assert fit.background.value > 5 * fit.background.standard_error


def test_errors_of_lifetimes_are_right():
    """Thirty fits: the deviations in errors have a spread of 1 within 4.5 σ of that spread (1/√60)."""
    z = []
    for seed in range(30):
        record = pulsed(30_000, seed=100 + seed, lifetime=1e-9)
        fit = an.fit_decay(an.decay_histogram(record, "a", np.arange(0, 780) * FINE), start=1.5e-9, stop=10e-9)
        z.append((fit.lifetime.value - 1e-9) / fit.lifetime.standard_error)
    assert abs(np.std(z) - 1.0) < 4.5 / np.sqrt(60)
    assert abs(np.mean(z)) < 4.5 / np.sqrt(30)


def test_two_decays_are_not_one():
    rng = np.random.default_rng(3)
    edges = np.arange(0, 600) * FINE
    t = np.concatenate([rng.exponential(0.4e-9, 20000), rng.exponential(3e-9, 20000)])
    counts = np.histogram(t, edges)[0]
    histogram = tj.Histogram(edges, counts / 1.0, np.sqrt(counts), counts)
    assert an.fit_decay(histogram, start=0.0).fit.p_value < 1e-6


def test_decay_behind_a_trigger_channel():
    rng = np.random.default_rng(5)
    fired = np.arange(1, 20001) * 1000
    hit = fired[rng.random(20000) < 0.3]
    t = hit + np.floor(rng.exponential(150.0, len(hit))).astype(int)
    stamps, channel = np.concatenate([fired, t]), np.repeat([0, 1], [20000, len(t)])
    order = np.argsort(stamps, kind="stable")
    record = tj.ClickRecord.from_arrays(
        np.zeros(len(order), dtype=int),
        stamps[order],
        channel[order],
        channel_names=["laser", "photon"],
        start=0.0,
        stop=2.1e-2,
        tick=1e-9,
        unit="s",
    )
    histogram = an.decay_histogram(record, "photon", np.arange(0, 101) * 10e-9, trigger="laser")
    fit = an.fit_decay(histogram, start=0.0)
    assert abs(fit.lifetime.value - 150e-9) < 4 * fit.lifetime.standard_error
    with pytest.raises(InvalidInput, match="give trigger="):
        an.decay_histogram(record, "photon", [0.0, 1.0])


def chain(pairs=4000, delay=37e-9, spread=3.0, seed=6, dip=False):
    rng = np.random.default_rng(seed)
    span = 10**9
    a = np.sort(rng.integers(1000, span - 1000, pairs))
    if dip:
        b = np.sort(rng.integers(1000, span - 1000, pairs))
    else:
        b = a + round(delay * 1e9) + np.round(rng.normal(0, spread, pairs)).astype(int)
    stamps, channel = np.concatenate([a, b]), np.repeat([0, 1], pairs)
    order = np.argsort(stamps, kind="stable")
    return tj.ClickRecord.from_arrays(
        np.zeros(2 * pairs, dtype=int),
        stamps[order],
        channel[order],
        channel_names=["a", "b"],
        start=0.0,
        stop=1.0,
        tick=1e-9,
        unit="s",
    )


def test_a_delay_is_found_with_its_error_and_undone():
    record = chain()
    found = an.find_delay(record, "a", "b", 200e-9)
    assert abs(found.value - 37e-9) < 4 * found.standard_error
    assert found.standard_error < 0.5e-9
    corrected = fix.delayed(record, {"b": -round(found.value / 1e-9) * 1e-9})
    assert abs(an.find_delay(corrected, "a", "b", 200e-9).value) < 1e-9
    with pytest.raises(InvalidInput, match="stands out"):
        an.find_delay(chain(dip=True, pairs=40000), "a", "b", 100e-6)


def test_a_dip_is_found_too():
    found = an.find_delay(pulsed(lag=2, probability=0.1), "a", "b", 100e-9, resolution=PERIOD)
    assert found.value == pytest.approx(2 * PERIOD, abs=0.5 * PERIOD)
    assert "dip" in found.method


@pytest.mark.parametrize("dark", [0.0, 0.02])
@pytest.mark.parametrize("cable", [0.0, 23.94e-9, -31.3e-9])
def test_a_delay_of_pulsed_light_is_found_within_the_period(cable, dark):
    """The dip tells the pulse, the phases behind it the rest, whatever the background; the error is right."""
    record = pulsed(probability=0.1, cable=cable, dark=dark)
    found = an.find_delay(record, "a", "b", 200e-9)
    assert abs(found.value - cable) < 4.0 * found.standard_error
    assert found.standard_error < 0.02e-9
    assert "dip" in found.method
    centred = an.pulsed_g2(fix.delayed(record, {"b": -found.value}), "a", "b", 10)
    assert centred.value[10] < 0.1 + 20 * dark < np.delete(centred.value, 10).min()
    # The twin: off by half a nanosecond is seen.
    assert abs(found.value - cable - 0.5e-9) > 10.0 * found.standard_error


def test_the_comb_of_pulsed_light_is_no_delay():
    """Without sync numbers every pulse stands out alike: said, with a remedy that works."""
    record = fix.unfolded(pulsed(probability=0.1, cable=3e-9, lifetime=0.3e-9))
    for reach in (30e-9, 200e-9):
        with pytest.raises(InvalidInput, match="stand out equally, as with pulsed light"):
            an.find_delay(record, "a", "b", reach)
    bright = fix.unfolded(pulsed(probability=0.1, multiple=0.8, cable=3e-9, lifetime=0.3e-9))
    for reach in (6e-9, 200e-9):  # pairs of one pulse outnumber the others
        assert an.find_delay(bright, "a", "b", reach).value == pytest.approx(3e-9, abs=0.1e-9)


@pytest.mark.parametrize("ticks", [1, 3, 40])
def test_a_reach_of_few_ticks_is_one_line_or_right(ticks):
    with pytest.raises(InvalidInput, match=r"stands out|only \d+ pairs"):
        an.find_delay(pulsed(lag=60, probability=0.1), "a", "b", ticks * PERIOD)


def test_dead_time_and_afterpulses_of_a_detector():
    rng = np.random.default_rng(9)
    span, count, dead, share = 10**10, 40000, 50, 0.06
    light = np.sort(rng.integers(0, span, count))
    after = light[rng.random(count) < share]
    pulses = after + dead + np.floor(rng.exponential(100.0, len(after))).astype(int)
    stamps = np.sort(np.concatenate([light, pulses]))
    record = tj.ClickRecord.from_arrays(
        np.zeros(len(stamps), dtype=int),
        stamps,
        np.zeros(len(stamps), dtype=int),
        channel_names=["a"],
        start=0.0,
        stop=10.001,
        tick=1e-9,
        unit="s",
    )
    record = fix.with_dead_time(record, {"a": dead * 1e-9})
    found = an.detector_memory(record, "a", 1e-6)
    assert dead * 1e-9 <= found.dead_time <= (dead + 3) * 1e-9
    expected = share * count / len(record)
    assert abs(found.afterpulsing.value - expected) < 4 * found.afterpulsing.standard_error
    clean = an.detector_memory(fix.with_dead_time(record, {"a": 1e-6}), "a", 1e-6)
    assert clean.dead_time >= 1e-6


def test_dark_rates_become_detectors():
    rng = np.random.default_rng(2)
    dark = tj.ClickRecord.from_arrays(
        np.zeros(900, dtype=int), np.sort(rng.random(900)) * 10, rng.integers(0, 2, 900),
        channel_names=["a", "b"], start=0.0, stop=10.0, unit="s",
    )  # fmt: skip
    found = an.dark_detectors(dark, {"a": tj.Detector(efficiency=0.6)})
    assert found["a"].efficiency == 0.6
    assert found["a"].dark_rate == dark.counts()[0, 0] / 10.0
    assert found["b"].dark_rate == dark.counts()[0, 1] / 10.0
    with pytest.raises(InvalidInput, match="lacks"):
        an.dark_detectors(dark, {"z": tj.Detector()})


@pytest.mark.skipif(not HBT.exists(), reason="needs the measured files in ../shared/data")
def test_the_measured_emitter():
    record = tj.load(HBT)
    delay = an.find_delay(record, "channel 0", "channel 1", 30 * record.tick, resolution=record.tick)
    assert delay.value == pytest.approx(23.94e-9, abs=0.01e-9)  # two pulses less 1.05 ns
    assert delay.standard_error < 0.001e-9
    whole = fix.delayed(record, {"channel 1": -delay.value})
    assert an.g2(whole, "channel 0", "channel 1", np.arange(-1, 3) * record.tick).counts[1] == 1
    corrected = fix.delayed(record, {"channel 1": -2 * record.tick})
    found = an.pulsed_g2(corrected, "channel 0", "channel 1", 100)
    assert found.counts[100] == 1
    assert found.value[100] == pytest.approx(0.0028, abs=0.0005)  # by 200 side peaks of 360 pairs
    by_rates = an.g2(corrected, "channel 0", "channel 1", np.array([0, 1]) * record.tick)
    assert by_rates.counts.tolist() == [1]
    for normalise, expected in (("side peaks", 0.0028), ("rates", 0.0106)):
        found = an.pulsed_g2(corrected, "channel 0", "channel 1", 100, normalise=normalise)
        assert found.value[100] == pytest.approx(expected, abs=0.0005)
        assert found.standard_error[100] == found.value[100]  # one pair: 1 ± 1
    assert by_rates.value[0] == pytest.approx(0.011, abs=0.001)  # slow blinking raises the rates' level less
    fit = an.fit_decay(an.decay_histogram(record, "channel 0", np.arange(0, 781) * record.clock.fine))
    assert fit.lifetime.value == pytest.approx(0.132e-9, abs=0.002e-9)
    assert fit.lifetime.standard_error < 0.001e-9
    assert fit.fit.p_value < 1e-6  # the blur of the instrument is no exponential


def test_the_dead_time_of_a_synced_detector_is_shorter_than_the_period():
    """It was counted in whole periods, and was 0."""
    rng = np.random.default_rng(5)
    clicks = tj.ClickRecord.from_arrays(
        np.zeros(4000, int), np.sort(rng.uniform(0.0, 40000.0, 4000)), np.zeros(4000, int), channel_names=["a"],
        start=0.0, stop=40000.0, provenance={"period": 100.0},
    )  # fmt: skip
    dead = an.apply_detectors(clicks, {"a": tj.Detector(dead_time=2.0)}, 1).in_periods(fine=0.01)
    assert an.detector_memory(dead, "a", 6.0).dead_time == pytest.approx(2.0, abs=0.03)
