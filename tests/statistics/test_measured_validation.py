"""From a simulation through an instrument's file to a verdict: accepted if corrected rightly, else rejected."""

import numpy as np
import pytest
from instrument import DELAY, DETECTORS, UNIT, beam_splitter, measured

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import RecordWarning
from trajectories.records import corrections as fix

pytest.importorskip("ptufile")
BLANKED = [(2000.0, 2600.0), (7000.0, 9500.0)]
NAMES = {"channel 0": "left", "channel 1": "right"}


def corrected(path, delay=DELAY):
    record = fix.renamed(tj.load(path, unit=UNIT), NAMES)
    return fix.delayed(record, {"right": -delay})


@pytest.mark.parametrize("seed", range(6))
def test_what_was_measured_is_accepted_at_the_nominal_rate(tmp_path, seed, verdicts):
    found = an.validate(corrected(measured(tmp_path / "a.ptu", seed)), beam_splitter(), detectors=DETECTORS)
    verdicts.append(found.accepted)
    assert sum(not accepted for accepted in verdicts) < 2  # of six at 1 %: a false alarm in 700


@pytest.mark.slow  # 90 s
def test_two_hundred_measurements_are_accepted_at_the_nominal_rate(tmp_path):
    """Rejections at 1 % of 200 correct records: more than 7 by chance once in a thousand."""
    rejected = 0
    for seed in range(1000, 1200):
        path = measured(tmp_path / f"{seed}.ptu", seed, blanked=BLANKED)
        record = fix.delayed(fix.cut(fix.renamed(tj.load(path, unit=UNIT), NAMES), BLANKED), {"right": -DELAY})
        rejected += not an.validate(record, beam_splitter(), detectors=DETECTORS).accepted
        path.unlink()
    assert rejected <= 7, rejected


@pytest.fixture(scope="module")
def verdicts():
    return []


@pytest.mark.parametrize(
    ("delay", "detectors"),
    [
        (DELAY - 3.0, DETECTORS),
        (DELAY, {"left": tj.Detector(0.65, 0.005), "right": DETECTORS["right"]}),
        (DELAY, {"left": tj.Detector(0.8, 0.05), "right": DETECTORS["right"]}),
    ],
    ids=["delay", "efficiency", "dark rate"],
)
def test_a_wrong_correction_or_detector_is_rejected(tmp_path, delay, detectors):
    record = corrected(measured(tmp_path / "a.ptu", 1, duration=24000.0), delay)
    assert not an.validate(record, beam_splitter(), detectors=detectors).accepted


@pytest.mark.parametrize("correct", [True, False], ids=["cut", "not cut"])
def test_intervals_in_which_the_instrument_was_blank_are_cut_or_the_record_is_rejected(tmp_path, correct):
    record = fix.renamed(tj.load(measured(tmp_path / "a.ptu", 3, blanked=BLANKED), unit=UNIT), NAMES)
    if correct:
        record = fix.cut(record, BLANKED)
    found = an.validate(fix.delayed(record, {"right": -DELAY}), beam_splitter(), detectors=DETECTORS)
    assert found.accepted == correct


def test_a_gate_on_the_clicks_of_one_detector_is_no_fair_sample(tmp_path):
    """Behind a click of the left detector the right one is dark: gated like that the record is rejected."""
    record = fix.renamed(tj.load(measured(tmp_path / "a.ptu", 3, duration=24000.0), unit=UNIT), NAMES)
    record = fix.delayed(record, {"right": -DELAY})
    gated = fix.gated(record, "left", 0.0, 3.0)
    assert not an.validate(gated, beam_splitter(), detectors={"right": DETECTORS["right"]}).accepted
    fair = fix.gated(fix.joined([record, clock(record)], [0.0, 0.0]), "laser", 10.0, 400.0)
    assert fair.total_time == pytest.approx(390 / 500 * record.total_time, rel=0.01)
    assert an.validate(fair, beam_splitter(), detectors=DETECTORS).accepted


def clock(record):
    """A trigger every 500 time units, as a record of its own."""
    stamp = np.arange(0, int(record.stop_stamp[0]), round(500.0 / record.tick))
    windows = {"start": record.start, "stop": record.stop, "tick": record.tick, "unit": record.unit}
    zeros = np.zeros(len(stamp), dtype=int)
    return tj.ClickRecord.from_arrays(zeros, stamp, zeros, channel_names=["laser"], **windows)


def test_the_delay_is_found_from_the_clicks_alone(tmp_path):
    record = fix.renamed(tj.load(measured(tmp_path / "a.ptu", 2, duration=48000.0), unit=UNIT), NAMES)
    found = an.find_delay(record, "left", "right", 60.0, resolution=1.0)
    assert found.value == pytest.approx(DELAY, abs=0.7)
    assert "dip" in found.method


def test_a_record_in_another_unit_is_rejected_with_the_reason(tmp_path):
    record = fix.renamed(tj.load(measured(tmp_path / "a.ptu", 2)), NAMES)
    with pytest.warns(RecordWarning, match="load the clicks with unit="):
        assert not an.validate(record, beam_splitter(), detectors=DETECTORS).accepted
