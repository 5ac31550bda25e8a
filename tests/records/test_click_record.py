"""ClickRecord: columns that are checked once and can be trusted afterwards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import trajectories as tj
from trajectories.errors import InvalidInput
from trajectories.results import Expectation

NAN = float("nan")
GOOD = {
    "trajectory": [0, 0, 2],
    "time": [1.0, 4.0, 2.5],
    "channel": [1, 0, 1],
    "channel_names": ["a", "b"],
    "start": [0.0, 0.0, 1.0],
    "stop": [5.0, 5.0, 6.0],
}


def build(**changes) -> tj.ClickRecord:
    given = GOOD | changes
    return tj.ClickRecord.from_arrays(given.pop("trajectory"), given.pop("time"), given.pop("channel"), **given)


@st.composite
def records(draw) -> tj.ClickRecord:
    size = draw(st.integers(1, 5))
    counts = draw(st.lists(st.integers(0, 6), min_size=size, max_size=size))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    names = [f"c{k}" for k in range(draw(st.integers(1, 4)))]
    rows = np.repeat(np.arange(size), counts)
    time = rng.uniform(0.0, 10.0, len(rows)).round(1)  # rounded, so that ties occur
    order = np.lexsort((time, rows))
    channel = rng.integers(0, len(names), len(rows))
    return tj.ClickRecord.from_arrays(
        rows, time[order], channel, channel_names=names, start=np.zeros(size), stop=rng.uniform(10.0, 12.0, size)
    )


def test_a_record_holds_what_it_was_given():
    record = build(provenance={"seed": 3})
    assert len(record) == 3
    assert record.n_trajectories == 3
    assert record.total_time == 15.0
    assert record.channel_names == ("a", "b")
    assert record.offsets.tolist() == [0, 2, 2, 3]
    assert record.counts().tolist() == [[1, 1], [0, 0], [0, 1]]
    assert record.channel_number("b") == 1
    assert record.provenance == {"seed": 3}
    assert [record.trajectory.dtype, record.time.dtype, record.channel.dtype] == [np.int64, np.float64, np.int16]
    assert "3 clicks, 3 trajectories" in repr(record)


def test_columns_are_private_and_cannot_be_changed():
    time = np.array([1.0, 4.0, 2.5])
    record = build(time=time)
    time[0] = 3.0
    assert record.time[0] == 1.0
    for name in ("trajectory", "time", "channel", "start", "stop", "offsets"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(record, name)[0] = 0
    with pytest.raises(AttributeError):
        record.time = time


def test_two_scalars_are_one_window():
    record = tj.ClickRecord.from_arrays([0], [0.5], [0], channel_names=["a"], start=0, stop=1)
    assert record.n_trajectories == 1


def test_a_record_without_clicks_still_has_its_windows():
    record = tj.ClickRecord.from_arrays([], [], [], channel_names=["a", "b"], start=[0.0, 0.0], stop=[5.0, 7.0])
    assert len(record) == 0
    assert record.total_time == 12.0
    assert record.counts().tolist() == [[0, 0], [0, 0]]
    assert record.offsets.tolist() == [0, 0, 0]
    assert len(record.select("b")) == 0
    assert record.after(4.0).total_time == 4.0


def test_ties_and_clicks_on_the_edges_are_kept():
    record = build(time=[0.0, 0.0, 6.0])
    assert record.time.tolist() == [0.0, 0.0, 6.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"time": [1.0, 4.0]}, "shapes"),
        ({"channel": [1]}, "shapes"),
        ({"trajectory": [0, 0]}, "shapes"),
        ({"trajectory": [[0, 0, 2]], "time": [[1.0, 4.0, 2.5]], "channel": [[1, 0, 1]]}, "shapes"),
        ({"time": [4.0, 1.0, 2.5]}, "click 1 is out of order"),
        ({"trajectory": [2, 0, 0]}, "click 1 is out of order"),
        ({"time": [1.0, 5.5, 2.5]}, "click 1 at time 5.5 is outside"),
        ({"time": [1.0, 4.0, 0.5]}, "click 2 at time 0.5 is outside"),
        ({"time": [1.0, NAN, 2.5]}, "time contains nan"),
        ({"time": ["x", 2.0, 2.5]}, "time must be numbers"),
        ({"time": None}, "time"),
        ({"channel": [1, 2, 1]}, "channel contains 2"),
        ({"channel": [1, -1, 1]}, "channel contains -1"),
        ({"channel": [1.0, 0.0, 1.0]}, "channel must be integers"),
        ({"channel": [True, False, True]}, "channel must be integers"),
        ({"trajectory": [0, 0, 3]}, "trajectory contains 3"),
        ({"trajectory": [-1, 0, 0]}, "trajectory contains -1"),
        ({"start": [0.0, 0.0]}, "start has shape"),
        ({"start": [[0.0, 0.0, 1.0]]}, "start has shape"),
        ({"start": [0.0, 0.0, 6.0]}, "trajectory 2 is observed from"),
        ({"stop": [5.0, 0.0, 6.0]}, "trajectory 1 is observed from"),
        ({"stop": [5.0, -1.0, 6.0]}, "trajectory 1 is observed from"),
        ({"stop": [5.0, NAN, 6.0]}, "stop contains nan"),
        ({"stop": [5.0, float("inf"), 6.0]}, "stop contains inf"),
        ({"channel_names": []}, "channel_names"),
        ({"channel_names": ["a", "a"]}, "channel_names"),
        ({"channel_names": ["a", ""]}, "channel_names"),
        ({"channel_names": ["a", 3]}, "channel_names"),
        ({"channel_names": [["a"], "b"]}, "channel_names"),
        ({"channel_names": "ab", "channel": [1, 1, 2]}, "channel"),
        ({"channel_names": [f"c{k}" for k in range(40000)]}, "40000 channels"),
    ],
    ids=str,
)
def test_columns_that_cannot_be_right_are_refused(changes, message):
    with pytest.raises(InvalidInput, match=message) as refusal:
        build(**changes)
    assert "\n" not in str(refusal.value)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(record=records(), data=st.data())
def test_selecting_is_what_detectors_on_those_channels_would_have_seen(record, data):
    names = data.draw(st.permutations(record.channel_names))[
        : data.draw(st.integers(1, len(record.channel_names)))
    ]
    chosen = record.select(*names)
    assert chosen.channel_names == tuple(names)
    expected = [
        (row, time, record.channel_names[k])
        for row, time, k in zip(record.trajectory, record.time, record.channel, strict=True)
        if record.channel_names[k] in names
    ]
    clicks = zip(chosen.trajectory, chosen.time, [chosen.channel_names[k] for k in chosen.channel], strict=True)
    assert list(clicks) == expected
    assert chosen.total_time == record.total_time
    np.testing.assert_array_equal(
        chosen.counts(), record.counts()[:, [record.channel_number(name) for name in names]]
    )
    assert chosen.offsets[-1] == len(chosen)


@settings(max_examples=40, deadline=None, derandomize=True, database=None)
@given(record=records(), time=st.floats(-3.0, 9.9))
def test_after_moves_the_start_of_every_window(record, time):
    later = record.after(time)
    np.testing.assert_array_equal(later.start, np.maximum(record.start, time))
    np.testing.assert_array_equal(later.stop, record.stop)
    kept = record.time >= time
    np.testing.assert_array_equal(later.time, record.time[kept])
    np.testing.assert_array_equal(later.trajectory, record.trajectory[kept])
    # It is a record like any other.
    rebuilt = tj.ClickRecord.from_arrays(
        later.trajectory,
        later.time,
        later.channel,
        channel_names=later.channel_names,
        start=later.start,
        stop=later.stop,
    )
    assert rebuilt.offsets.tolist() == later.offsets.tolist()


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_joined_records_are_their_trajectories_in_a_row(data):
    first = data.draw(records())
    second = data.draw(records().filter(lambda r: r.channel_names == first.channel_names))
    joined = tj.ClickRecord.concatenate([first, second, first])
    assert joined.n_trajectories == 2 * first.n_trajectories + second.n_trajectories
    assert len(joined) == 2 * len(first) + len(second)
    np.testing.assert_array_equal(joined.counts(), np.concatenate([r.counts() for r in (first, second, first)]))
    assert (np.diff(joined.trajectory) >= 0).all()
    assert joined.total_time == pytest.approx(2 * first.total_time + second.total_time)


def test_joining_keeps_the_first_provenance_and_drops_averages():
    average = {"n": Expectation([0.0], [1.0], [0.1], 3)}
    joined = tj.ClickRecord.concatenate([build(provenance={"seed": 1}, expectations=average), build()])
    assert joined.provenance == {"seed": 1}
    assert not joined.expectations


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda r: r.select(), "at least one"),
        (lambda r: r.select("a", "a"), "distinct"),
        (lambda r: r.select("c"), "no channel named 'c'; the record has a, b"),
        (lambda r: r.select(0), "no channel named 0"),
        (lambda r: r.channel_number("c"), "no channel named 'c'"),
        (lambda r: r.after(5.0), "after"),
        (lambda r: r.after(NAN), "after"),
        (lambda r: r.after(float("inf")), "after"),
        (lambda r: r.after("x"), "after"),
        (lambda r: tj.ClickRecord.concatenate([]), "at least one"),
        (lambda r: tj.ClickRecord.concatenate([r, r.select("b", "a")]), "different channels"),
        (lambda r: tj.ClickRecord.concatenate([r, r.select("b")]), "different channels"),
    ],
)
def test_what_cannot_be_asked_is_refused(call, message):
    with pytest.raises(InvalidInput, match=message):
        call(build())


def test_a_record_survives_pickling():
    """For executors that send it between processes; run folders never pickle."""
    import pickle

    record = build()
    again = pickle.loads(pickle.dumps(record))
    np.testing.assert_array_equal(again.time, record.time)
    assert again.offsets.tolist() == record.offsets.tolist()
