"""1e5 detected clicks of imperfect detectors: accepted with the right ones, rejected with wrong ones."""

from __future__ import annotations

import pytest
from click_systems import watch
from systems_with_answers import PairSource

import trajectories as tj
from trajectories import analysis as an

pytestmark = pytest.mark.filterwarnings("ignore::trajectories.errors.TruncationWarning")
SYSTEM = PairSource(coupling=0.2, levels=3).system()
LOSSY = {"photon": tj.Detector(0.5, 0.005), "magnon": tj.Detector(0.3, 0.005)}
DEAD = {"photon": tj.Detector(0.5, 0.005, dead_time=0.5), "magnon": tj.Detector(0.3)}


@pytest.fixture(scope="module")
def clicks():
    return watch(SYSTEM, 400, 6000.0, seed=21)


def changed(detectors, name, **values):
    return {**detectors, name: tj.Detector(**{**vars(detectors[name]), **values})}


@pytest.mark.parametrize(
    ("detectors", "wrong"),
    [
        (LOSSY, {}),
        (LOSSY, {"efficiency": 0.525}),
        (LOSSY, {"dark_rate": 0.01}),
        (DEAD, {}),
        (DEAD, {"dead_time": 0.0}),
        (DEAD, {"efficiency": 0.475}),
    ],
    ids=["lossy", "efficiency", "dark rate", "dead", "dead time", "efficiency, dead"],
)
def test_only_the_right_detectors_are_accepted(clicks, detectors, wrong):
    """At 0.01 for all tests of a record together; each of the two right ones is one trial."""
    seen = an.apply_detectors(clicks, detectors, seed=2)
    assert len(seen) > 1e5
    believed = changed(detectors, "photon", **wrong)
    found = an.validate(seen, SYSTEM, window=3.0, detectors=believed)
    assert found.accepted is not bool(wrong), found
    tested = {test.name for test in found.tests}
    assert {"rate photon", "time rescaling", "number of clicks", "channels"} <= tested
    if detectors is DEAD and believed["photon"].dead_time:
        assert any("no exact value with dead time" in line for line in found.untested)


RECORDS, LEVEL = 120, 0.1


@pytest.mark.slow
@pytest.mark.parametrize("detectors", [LOSSY, DEAD], ids=["lossy", "dead"])
def test_right_detectors_are_rejected_at_the_nominal_rate(detectors):
    """120 records at 10 %: more than 24 once in three thousand such studies (binomial)."""
    rejected = 0
    for seed in range(RECORDS):
        seen = an.apply_detectors(watch(SYSTEM, 40, 600.0, seed=1000 + seed), detectors, seed=seed)
        rejected += not an.validate(seen, SYSTEM, window=3.0, detectors=detectors, significance=LEVEL).accepted
    print(f"{rejected} of {RECORDS} rejected at {LEVEL:g}")
    assert rejected <= 24
