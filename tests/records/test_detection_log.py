"""The log of detectors: one writer and one reader, a channel called "seed", and what no detector does at once."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click_streams import poisson_record

import trajectories as tj
from trajectories import analysis as an
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.records import ClickRecord, corrections, recorded_detectors
from trajectories.records.detection_log import DetectionLog, DetectionStep

LOG = DetectionLog(
    (
        DetectionStep({"a": Detector(0.5, 0.1), "seed": Detector(dead_time=0.2)}, 7),
        DetectionStep({"a": Detector(jitter=0.01), "b": None}),
    )
)


def record(names=("a", "b", "seed"), provenance=None) -> ClickRecord:
    return ClickRecord.from_arrays(
        [0, 0], [0.5, 0.7], [0, 1], channel_names=names, start=0.0, stop=1.0, provenance=provenance
    )


def test_what_is_written_is_read_again():
    """Also after JSON, as every file of clicks holds it."""
    noted = LOG.noted_in({"model": "mine"})
    assert noted["model"] == "mine"
    assert DetectionLog.of(record(provenance=noted)) == LOG
    assert DetectionLog.of(record(provenance=json.loads(json.dumps(noted)))) == LOG
    assert DetectionLog.of(record()) == DetectionLog()
    assert DetectionLog().noted_in({}) == {}


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_files_keep_it(tmp_path, suffix):
    seen = an.apply_detectors(
        poisson_record(np.random.default_rng(1), {"seed": 2.0}, 2, 5.0), {"seed": Detector(0.4)}, 3
    )
    clock = {"tick": 1e-6, "unit": 1e-9} if suffix == "h5" else {}
    path = tj.export(seen, tmp_path / f"clicks.{suffix}", **clock)
    assert recorded_detectors(tj.load(path)) == {"seed": Detector(0.4)}


def test_a_channel_called_seed_is_a_channel():
    """It was lost behind the seed of the random numbers before."""
    clicks = poisson_record(np.random.default_rng(64), {"seed": 5.0, "a": 1.0}, 3, 40.0)
    seen = an.apply_detectors(clicks, {"seed": Detector(0.3)}, 7)
    assert recorded_detectors(seen) == {"seed": Detector(0.3)}
    assert DetectionLog.of(seen).steps[0].seed == 7


@pytest.mark.parametrize(
    ("steps", "together"),
    [
        ([Detector(0.8, 0.1), Detector(0.5, 0.2)], Detector(0.4, 0.25)),
        ([Detector(0.8), Detector(dead_time=0.3, jitter=0.1)], Detector(0.8, 0.0, 0.3, 0.1)),
        ([Detector(dead_time=0.3), Detector(jitter=0.1)], Detector(dead_time=0.3, jitter=0.1)),
        ([Detector(jitter=0.3), Detector(jitter=0.4)], Detector(jitter=0.5)),
        ([Detector(dead_time=0.3), Detector(dead_time=0.2)], Detector(dead_time=0.3)),
        ([Detector(dead_time=0.2), Detector(dead_time=0.3)], None),
        ([Detector(dead_time=0.2), Detector(0.5)], None),
        ([Detector(jitter=0.2), Detector(dark_rate=0.5)], None),
        ([Detector(jitter=0.2), Detector(dead_time=0.1)], None),
        ([Detector(0.5), None], None),
    ],
)
def test_detectors_one_after_the_other(steps, together):
    log = DetectionLog()
    for number, detector in enumerate(steps):
        log = log.followed_by({"a": detector}, number)
    if together is None:
        with pytest.raises(InvalidInput, match="'a' are not equivalent to a single one; give"):
            log.together(["a"])
        assert log.together(["b"]) == {}
    else:
        assert log.together(["a"]) == {"a": together}


@pytest.mark.parametrize(
    "steps", [[Detector(0.8, 0.3), Detector(0.5, 0.2)], [Detector(0.7), Detector(dead_time=0.4)]]
)
def test_the_single_detector_does_what_the_steps_do(steps):
    """Rates of 200 trajectories of 50, of a Poisson stream of rate 2: within 5 standard errors of each other."""
    clicks = poisson_record(np.random.default_rng(5), {"a": 2.0}, 200, 50.0)
    seen = clicks
    for number, detector in enumerate(steps):
        seen = an.apply_detectors(seen, {"a": detector}, 10 + number)
    at_once = an.apply_detectors(clicks, recorded_detectors(seen), 99)
    one, two = an.rates(seen)["a"], an.rates(at_once)["a"]
    assert abs(one.value - two.value) < 5.0 * np.hypot(one.standard_error, two.standard_error)
    assert an.rates(clicks)["a"].value - one.value > 0.2


def test_names_and_merged_channels_take_their_detectors_along():
    clicks = poisson_record(np.random.default_rng(64), {"a": 1.0, "b": 1.0, "c": 1.0}, 2, 20.0)
    seen = an.apply_detectors(clicks, {"a": Detector(0.5, 0.1), "b": Detector(0.5, 0.2)}, 7)
    assert recorded_detectors(corrections.renamed(seen, {"a": "left"})) == {
        "left": Detector(0.5, 0.1),
        "b": Detector(0.5, 0.2),
    }
    both = corrections.merged(seen, {"both": ["a", "b"]})
    assert recorded_detectors(both) == {"both": pytest.approx(Detector(0.5, 0.1 + 0.2))}
    other = corrections.merged(seen, {"both": ["a", "c"]})
    with pytest.raises(InvalidInput, match="'both' are not equivalent"):
        recorded_detectors(other)
    assert recorded_detectors(seen.select("c")) == {}


def test_a_dead_time_given_afterwards_is_noted():
    clicks = poisson_record(np.random.default_rng(64), {"a": 1.0}, 2, 20.0)
    assert recorded_detectors(corrections.with_dead_time(clicks, {"a": 0.5})) == {"a": Detector(dead_time=0.5)}


@pytest.mark.parametrize(
    "noted",
    [
        "ideal",
        5,
        {"a": {"efficiency": 0.5}},
        [{"a": {"efficiency": 0.5}, "seed": 7}],  # as 0.1 wrote it
        [{"seed": 7}],
        [{"seed": 7, "detectors": ["a"]}],
        [{"seed": -1, "detectors": {}}],
        [{"seed": "7", "detectors": {}}],
        [{"seed": 7, "detectors": {"a": 0.5}}],
        [{"seed": 7, "detectors": {"a": {"efficency": 0.5}}}],
        [{"seed": 7, "detectors": {"a": {"efficiency": 1.5}}}],
        [{"seed": 7, "detectors": {"a": {"efficiency": "0.5"}}}],
        [{"seed": 7, "detectors": {"a": {"dark_rate": float("nan")}}}],
        [None],
    ],
)
def test_a_log_that_cannot_be_read_is_one_line(noted):
    with pytest.raises(InvalidInput) as refusal:
        recorded_detectors(record(provenance={"detectors": noted}))
    assert "\n" not in str(refusal.value)


def test_in_words():
    first, second = str(LOG).split(", then ")
    assert first == "a: efficiency 0.5, dark_rate 0.1; seed: dead_time 0.2; seed: 7"
    assert second == "a: jitter 0.01; b: several, merged"
