"""validate(): what it refuses, what it leaves out, and what it says."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click_systems import driven_atom, driven_cavity, random_system, watch
from systems_of_many_scales import atom as overdamped_atom
from systems_with_answers import PairSource

import trajectories as tj
from trajectories import analysis as an
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.lindblad import steady_state

PAIRS = PairSource(coupling=0.2, levels=3).system()


@pytest.fixture(scope="module")
def record():
    return watch(PAIRS, 40, 300.0, seed=1, initial=steady_state(PAIRS).rho)


def names(found):
    return [test.name for test in found.tests]


def test_table_and_dictionary(record):
    found = an.validate(record, PAIRS, window=3.0, initial="steady")
    assert found.accepted, found
    lines = str(found).splitlines()
    assert lines[0].split() == ["test", "statistic", "p", "Holm", "n"]
    assert len(lines) == 3 + len(found.tests) + len(found.untested)
    assert lines[-1] == found.verdict
    for name in ("rate photon", "g² photon–magnon", "wait photon → magnon", "next click magnon → photon"):
        assert name in names(found)
    for name in ("Fano factor", "bundle rates by order", "purity photon–magnon", "order photon–magnon"):
        assert name in names(found)
    for name in ("lag photon–magnon", "time rescaling", "independence of gaps", "channels", "number of clicks"):
        assert name in names(found)
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["accepted"] is True
    assert [test["name"] for test in document["tests"]] == names(found)
    assert all(0.0 <= test["p_value"] <= test["adjusted"] <= 1.0 for test in document["tests"])


def test_rejection_names_the_worst_test(record):
    other = PairSource(coupling=0.3, levels=3).system()
    found = an.validate(record, other, window=3.0, initial="steady")
    assert not found.accepted
    assert found.verdict.startswith("rejected at 0.01")
    assert str(found).count("<<") == sum(test.adjusted < 0.01 for test in found.tests)


def test_an_impossible_click_rejects_and_stays_json():
    """A cavity that nothing drives clicks once per quantum at the most."""
    space = tj.HilbertSpace(cavity=3)
    system = tj.OpenSystem(space.number("cavity"), [tj.Channel("left", 0.3 * space.lower("cavity"))], space)
    clicks = ([0, 0], [1.0, 2.0], [0, 0])
    record = tj.ClickRecord.from_arrays(*clicks, channel_names=("left",), start=[0.0], stop=[5.0])
    found = an.validate(record, system, initial=space.ket(cavity=1))
    assert not found.accepted
    assert names(found) == ["possible clicks"]
    assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["tests"][0]["statistic"] == "inf"


def test_without_a_window_bundles_are_left_out(record):
    found = an.validate(record, PAIRS, initial="steady")
    assert "bundles: no window, and no κ to take 3/κ from" in found.untested
    assert not any("purity" in name for name in names(found))


def test_a_given_start_is_tested_by_the_filter_alone():
    atom = driven_atom(1.5, 0.4)
    seen = watch(atom, 20, 200.0, seed=2, initial=atom.space.ket())
    with pytest.raises(InvalidInput, match="did not start from the steady state"):
        an.validate(seen, atom)
    found = an.validate(seen, atom, initial=atom.space.ket())
    assert found.accepted, found
    assert names(found) == ["number of clicks", "time rescaling", "independence of gaps"]
    assert found.untested[0].startswith("estimates:")


def test_detectors_of_the_record_reach_both_sides(record):
    imperfect = {"photon": Detector(efficiency=0.6, dark_rate=0.01), "magnon": Detector(efficiency=0.8)}
    seen = an.apply_detectors(record, imperfect, seed=3)
    found = an.validate(seen, PAIRS, window=3.0, initial="steady")
    assert found.accepted, found
    assert "time rescaling" in names(found)
    ideal = an.validate(seen, PAIRS, window=3.0, initial="steady", detectors={})
    assert not ideal.accepted


def test_what_cannot_be_replayed_is_said():
    cavity = driven_cavity(0.2, 0.3, levels=14)
    rho = steady_state(cavity).rho
    seen = an.apply_detectors(
        watch(cavity, 8, 150.0, seed=4, initial=rho), {"cavity": Detector(efficiency=0.5)}, seed=1
    )
    found = an.validate(seen, cavity, initial="steady")
    assert found.accepted, found
    assert {"time rescaling", "number of clicks"} <= {test.name for test in found.tests}
    # A coherent state is the same after each click: jitter cannot blur what clicks tell.
    blurred = an.apply_detectors(seen, {"cavity": Detector(jitter=20.0)}, seed=1)
    assert "time rescaling" in names(an.validate(blurred, cavity, initial=rho))
    atom = driven_atom(1.0, 1.0)
    blurred = an.apply_detectors(watch(atom, 20, 300.0, seed=4), {"atom": Detector(jitter=1.0)}, seed=1)
    with pytest.raises(InvalidInput, match="filter: jitter=1 is too long"):
        an.validate(blurred, atom, initial=steady_state(atom).rho)


def test_few_long_trajectories_are_cut_into_blocks():
    seen = watch(PAIRS, 2, 6000.0, seed=5, initial=steady_state(PAIRS).rho)
    found = an.validate(seen, PAIRS, window=3.0, initial="steady")
    assert found.accepted, found
    assert "g² photon–magnon" in names(found)


def test_refusals(record):
    empty = tj.ClickRecord.from_arrays([], [], [], channel_names=("photon",), start=[0.0], stop=[1.0])
    with pytest.raises(InvalidInput, match=r"nothing could be tested: .* give a longer record"):
        an.validate(empty, PAIRS)
    for significance in (0.0, 1.0, np.nan, "low"):
        with pytest.raises(InvalidInput, match="significance"):
            an.validate(record, PAIRS, initial="steady", significance=significance)
    with pytest.raises(InvalidInput, match="window"):
        an.validate(record, PAIRS, initial="steady", window=-1.0)
    with pytest.raises(InvalidInput, match="not detected"):
        an.validate(record, PAIRS, initial="steady", pair=("photon", "phonon"))
    with pytest.raises(InvalidInput, match="pair= needs a bundle window"):
        an.validate(record, PAIRS, initial="steady", pair=("photon", "magnon"))
    with pytest.raises(InvalidInput, match="initial='hot' must be"):
        an.validate(record, PAIRS, initial="hot")
    with pytest.raises(InvalidInput, match="a channel named 'photon', and the model c0, c1; rename it"):
        an.validate(record, random_system(1, 3, 2), initial="steady")
    with pytest.raises(InvalidInput, match="must be an OpenSystem"):
        an.validate(record, PairSource(), initial="steady")
    with pytest.raises(InvalidInput, match="must be a ClickRecord"):
        an.validate(3, PAIRS)
    with pytest.raises(InvalidInput, match="not a run, which would keep its system; give system="):
        an.validate(record)


def test_a_channel_that_never_clicks_is_not_passed_over(record):
    """Many clicks were expected and none came: the probability of that silence is the p-value."""
    heard = record.channel != record.channel_number("magnon")
    silent = tj.ClickRecord.from_arrays(
        record.trajectory[heard],
        record.time[heard],
        record.channel[heard],
        channel_names=record.channel_names,
        start=record.start,
        stop=record.stop,
    )
    found = an.validate(silent, PAIRS, window=3.0, initial="steady")
    assert not found.accepted
    assert {test.name: test.p_value for test in found.tests}["rate magnon"] < 1e-10


@pytest.mark.filterwarnings("ignore::trajectories.errors.AccuracyWarning")
@pytest.mark.parametrize("kappa", [1e3, 1e6, 1e9])
def test_an_overdamped_atom_gets_an_answer(kappa):
    # Its rate is 1e-16 of κ: it once counted as silent, and `validate` ended in a KeyError.
    system = overdamped_atom(1.0, kappa)
    record = watch(system, 20, 50.0 * kappa / 4.0, seed=1, initial=[1.0, 0.0])
    found = an.validate(record, system, initial="steady")
    assert {"rate p", "number of clicks", "time rescaling"} <= set(names(found))
    assert found.accepted, found


def relabelled(record, every):
    """Say of one click of so many that it came in a second channel."""
    channel = np.where(np.arange(len(record)) % every == 0, 1, 0)
    names = {"channel_names": ("atom", "rare"), "start": record.start, "stop": record.stop}
    return tj.ClickRecord.from_arrays(record.trajectory, record.time, channel, **names)


@pytest.mark.parametrize("every", [10, 100])
def test_clicks_in_a_channel_that_hardly_clicks_are_rejected(every):
    """Of 440 clicks 44 were in a channel with 1e-10 of the rate, and the record was accepted."""
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
    channels = [tj.Channel("atom", sigma), tj.Channel("rare", 1e-5 * sigma)]
    system = tj.OpenSystem(sigma + sigma.T, channels)
    record = watch(tj.OpenSystem(sigma + sigma.T, channels[:1]), 20, 50.0, seed=1)
    found = an.validate(relabelled(record, every), system, progress=False)
    assert not found.accepted
    assert min(found.tests, key=lambda test: test.p_value).name == "rare clicks"
    assert an.validate(watch(system, 20, 50.0, seed=1), system, progress=False).accepted


def test_few_clicks_where_none_are_expected_are_rejected_and_none_are_not():
    """Three clicks, where 4e-7 are expected: "nothing could be tested"."""
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
    weak = tj.OpenSystem(1e-5 * (sigma + sigma.T), [tj.Channel("atom", sigma)])
    windows = {"channel_names": ("atom",), "start": np.zeros(20), "stop": np.full(20, 50.0)}
    found = an.validate(tj.ClickRecord.from_arrays([0, 1, 2], [1.0, 2.0, 3.0], [0, 0, 0], **windows), weak)
    assert not found.accepted
    with pytest.raises(InvalidInput, match="nothing could be tested"):
        an.validate(tj.ClickRecord.from_arrays([], [], [], **windows), weak)
