"""Bad input to every estimator: one clear error, before any work, and nothing changed."""

from __future__ import annotations

import inspect
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trajectories as tj
from trajectories import analysis as an
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput

# A valid argument for every parameter of every estimator.
GOOD = {
    "first": "photon",
    "second": "magnon",
    "herald": "photon",
    "signal": "magnon",
    "channel": "photon",
    "edges": [0.0, 0.25, 0.5, 1.0, 2.0],
    "pairs": [("photon", "magnon")],
    "window": 0.75,
    "windows": [0.75, 0.25],
    "channels": ("photon", "magnon"),
    "n": 1,
    "m": 1,
    "size": 2,
    "max_size": 2,
    "n_parts": 4,
    "resamples": 20,
    "seed": 0,
}
NO_CHANNEL = ["neutron", "", 0, None]
NO_COUNT = [0, -1, 1.5, True, np.nan]
BAD = {
    "first": NO_CHANNEL,
    "second": NO_CHANNEL,
    "herald": NO_CHANNEL,
    "signal": NO_CHANNEL,
    "channel": NO_CHANNEL,
    "edges": [
        [0.0, 1.0, 0.5, 2.0],
        [0.0, 1.0, 1.0, 2.0],
        [2.0, 1.0, 0.0],
        [0.0, np.nan, 1.0],
        [0.0, 1.0, np.inf],
        [[0.0, 1.0], [2.0, 3.0]],
        [1.0],
        [],
        1.0,
        "0, 1",
        None,
    ],
    "pairs": [[("photon", "neutron")], [("neutron", "photon")]],
    "window": [-0.75, 0.0, np.nan, np.inf, -np.inf, True, "0.75", [0.75]],
    "windows": [[0.75, -0.25], [0.0], [np.nan], [np.inf], [], 0.75, "0.75", None],
    "channels": [("neutron",), ("photon", "neutron"), ("photon", "photon"), (), "photonmagnon"],
    "n": NO_COUNT,
    "m": NO_COUNT,
    "size": NO_COUNT,
    "max_size": [0, -1, 1.5, True],
    "n_parts": [1, *NO_COUNT],
    "resamples": NO_COUNT,
    "seed": [-1, 1.5, True],
}
# Whatever takes clicks first and is made of the parameters above.
ESTIMATORS = {
    name: function
    for name in an.__all__
    if inspect.isfunction(function := getattr(an, name))
    and "record" in (names := set(inspect.signature(function).parameters))
    and names <= {"record", *GOOD}
}


def watched():
    rng = np.random.default_rng(17)
    time = np.sort(rng.uniform(0.0, 100.0, (30, 60)), axis=1).ravel()
    return tj.ClickRecord.from_arrays(
        np.repeat(np.arange(30), 60),
        time,
        rng.integers(0, 3, time.size),
        channel_names=("photon", "magnon", "atom"),
        start=np.zeros(30),
        stop=np.full(30, 100.0),
    )


RECORD = watched()


def arguments(name):
    return {key: GOOD[key] for key in inspect.signature(ESTIMATORS[name]).parameters if key != "record"}


def columns(record):
    return [record.trajectory, record.time, record.channel, record.start, record.stop]


def test_the_estimators_are_all_there():
    assert {"g2", "g2_matrix", "purity", "order_fraction", "waiting_times", "fano", "rates"} <= set(ESTIMATORS)
    assert len(ESTIMATORS) >= 25


@pytest.mark.parametrize("name", ESTIMATORS)
def test_good_input_is_taken(name):
    """Else every refusal below would be for a wrong reason."""
    ESTIMATORS[name](RECORD, **arguments(name))


@pytest.mark.parametrize(
    ("name", "parameter"), [(name, parameter) for name in ESTIMATORS for parameter in arguments(name)]
)
def test_bad_input_is_refused_and_nothing_changes(name, parameter):
    before = [column.copy() for column in columns(RECORD)]
    for value in BAD[parameter]:
        with pytest.raises(InvalidInput) as refusal:
            ESTIMATORS[name](RECORD, **(arguments(name) | {parameter: value}))
        assert "\n" not in str(refusal.value)
    for column, kept in zip(columns(RECORD), before, strict=True):
        np.testing.assert_array_equal(column, kept)


@given(st.lists(st.floats(-10.0, 10.0), min_size=2, max_size=6), st.randoms())
def test_bins_that_overlap_are_refused_in_any_order(values, random):
    edges = sorted(values)
    random.shuffle(edges)
    if all(a < b for a, b in pairwise(edges)):
        an.g2(RECORD, "photon", "magnon", edges)
        return
    given_edges = np.array(edges)
    with pytest.raises(InvalidInput, match="overlap"):
        an.g2(RECORD, "photon", "magnon", given_edges)
    np.testing.assert_array_equal(given_edges, edges)


@given(st.permutations(range(6)))
def test_clicks_out_of_order_are_refused(order):
    time = np.arange(6.0)[list(order)]
    kept = time.copy()
    columns = {"trajectory": np.zeros(6, int), "time": time, "channel": np.zeros(6, int)}
    if list(order) == sorted(order):
        tj.ClickRecord.from_arrays(**columns, channel_names=("a",), start=0.0, stop=10.0)
    else:
        with pytest.raises(InvalidInput, match="out of order; sort by trajectory, then time"):
            tj.ClickRecord.from_arrays(**columns, channel_names=("a",), start=0.0, stop=10.0)
    np.testing.assert_array_equal(time, kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": [1.0, np.nan]}, "time contains nan"),
        ({"time": [1.0, np.inf]}, "time contains inf"),
        ({"time": [-1.0, 2.0]}, "outside the observation window"),
        ({"stop": 1.5}, "outside the observation window"),
        ({"stop": -1.0}, "stop must exceed start"),
        ({"start": np.nan}, "start contains nan"),
        ({"channel": [0, 1]}, "channel contains 1"),
        ({"channel": [0, -1]}, "channel contains -1"),
        ({"trajectory": [0, 1]}, "trajectory contains 1"),
        ({"time": [1.0]}, "must be equal"),
    ],
)
def test_records_that_cannot_be_are_refused(change, message):
    columns = {
        "trajectory": [0, 0],
        "time": [1.0, 2.0],
        "channel": [0, 0],
        "channel_names": ("a",),
        "start": 0.0,
        "stop": 3.0,
    }
    assert len(tj.ClickRecord.from_arrays(**columns)) == 2
    with pytest.raises(InvalidInput, match=message):
        tj.ClickRecord.from_arrays(**(columns | change))


@pytest.mark.parametrize("value", ["0.5", None, 0.5j, [0.5, 0.6]])
def test_detectors_of_what_is_no_number_are_refused(value):
    with pytest.raises(InvalidInput, match=r"detector efficiency=.* must be a finite number"):
        Detector(efficiency=value)


@given(
    st.sampled_from(["efficiency", "dark_rate", "dead_time", "jitter"]),
    st.one_of(st.floats(max_value=0.0, exclude_max=True), st.just(np.nan), st.just(np.inf), st.booleans()),
)
def test_detectors_that_cannot_be_are_refused(name, value):
    with pytest.raises(InvalidInput, match=f"detector {name}="):
        Detector(**{name: value})


@given(st.floats(1.0, exclude_min=True))
def test_an_efficiency_above_one_is_refused(value):
    with pytest.raises(InvalidInput, match="efficiency="):
        Detector(efficiency=value)


def test_detectors_on_channels_that_the_record_lacks_are_refused():
    before = [column.copy() for column in columns(RECORD)]
    for detectors in ({"neutron": Detector()}, {"photon": 0.5}, {"photon": Detector(), "neutron": Detector()}):
        with pytest.raises(InvalidInput):
            an.apply_detectors(RECORD, detectors, seed=1)
    an.apply_detectors(RECORD, {"photon": Detector(efficiency=0.5, jitter=0.1)}, seed=1)
    for column, kept in zip(columns(RECORD), before, strict=True):
        np.testing.assert_array_equal(column, kept)


@pytest.mark.parametrize("command", [an.analyse, an.validate])
def test_a_detector_of_a_channel_that_the_record_lacks_is_refused_by_name(command):
    """`validate` left its filter out without a word in its verdict, and `analyse` named no remedy."""
    space = tj.HilbertSpace(cavity=2)
    names = [*RECORD.channel_names, "pump"]
    system = tj.OpenSystem(space.number("cavity"), [tj.Channel(k, space.lower("cavity")) for k in names])
    with pytest.raises(InvalidInput, match=r"detector of 'pump', and the record has photon, .*leave it out"):
        command(RECORD, system, detectors={"pump": Detector(efficiency=0.0)}, window=1.0)
    with pytest.raises(InvalidInput, match="did you mean 'photon'"):
        command(RECORD, system, detectors={"photn": Detector(efficiency=0.5)}, window=1.0)


@pytest.mark.parametrize("pair", [("photon", "photon"), ("photon",), ("photon", "magnon", "photon"), "ab", 5])
@pytest.mark.parametrize("command", ["analyse", "validate"])
def test_a_pair_is_two_different_channels(command, pair):
    """The message names the argument that was given, and nothing was computed."""
    space = tj.HilbertSpace(cavity=2)
    system = tj.OpenSystem(
        space.number("cavity"), [tj.Channel(k, space.lower("cavity")) for k in RECORD.channel_names]
    )
    call = {"analyse": an.analyse, "validate": an.validate}[command]
    with pytest.raises(InvalidInput, match=r"pair=.* must be two different channels"):
        call(RECORD, system, pair=pair, window=1.0)
