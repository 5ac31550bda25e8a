"""From a simulation through an instrument's file to a verdict: accepted if corrected rightly, else rejected."""

import pytest
from instrument import DELAY, DETECTORS, UNIT, beam_splitter, measured

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import RecordWarning
from trajectories.records import corrections as fix

pytest.importorskip("ptufile")
NAMES = {"channel 0": "left", "channel 1": "right"}


def corrected(path, delay=DELAY):
    record = fix.renamed(tj.load(path, unit=UNIT), NAMES)
    return fix.delayed(record, {"right": -delay})


@pytest.mark.parametrize("seed", range(6))
def test_what_was_measured_is_accepted_at_the_nominal_rate(tmp_path, seed, verdicts):
    found = an.validate(corrected(measured(tmp_path / "a.ptu", seed)), beam_splitter(), detectors=DETECTORS)
    verdicts.append(found.accepted)
    assert sum(not accepted for accepted in verdicts) < 2  # of six at 1 %: a false alarm in 700


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


def test_the_delay_is_found_from_the_clicks_alone(tmp_path):
    record = fix.renamed(tj.load(measured(tmp_path / "a.ptu", 2, duration=48000.0), unit=UNIT), NAMES)
    found = an.find_delay(record, "left", "right", 60.0, resolution=1.0)
    assert found.value == pytest.approx(DELAY, abs=0.7)
    assert "dip" in found.method


def test_a_record_in_another_unit_is_rejected_with_the_reason(tmp_path):
    record = fix.renamed(tj.load(measured(tmp_path / "a.ptu", 2)), NAMES)
    with pytest.warns(RecordWarning, match="load the clicks with unit="):
        assert not an.validate(record, beam_splitter(), detectors=DETECTORS).accepted
