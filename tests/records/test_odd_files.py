"""Odd but legal files of other programs: right numbers, or one line whose remedy works."""

import warnings

import numpy as np
import pytest
from tagged_files import ptu_file

import trajectories as tj
from trajectories.errors import InvalidInput, RecordWarning

h5py = pytest.importorskip("h5py")

STAMPS, DETECTORS = [2, 5, 5, 9], [0, 1, 0, 1]


def spot(file, group="photon_data", stamps=STAMPS, detectors=DETECTORS, unit=1e-9, **more):
    file[f"{group}/timestamps"] = np.asarray(stamps)
    if detectors is not None:
        file[f"{group}/detectors"] = np.asarray(detectors)
    file[f"{group}/timestamps_specs/timestamps_unit"] = unit
    for name, value in more.items():
        file[f"{group}/{name}"] = value


def listed(file, numbers, labels=None):
    file["setup/detectors/id"] = numbers
    if labels is not None:
        file["setup/detectors/label"] = labels


def duration(file, value=1e-8):
    file["acquisition_duration"] = value


# What is written, and (stamps, channel names, channels, stop in ns) that must come back.
HDF5 = {
    "plain": (lambda f: (spot(f), duration(f)), (STAMPS, ["detector 0", "detector 1"], DETECTORS, 10)),
    "no detectors": (lambda f: (spot(f, detectors=None), duration(f)), (STAMPS, ["detector 0"], [0] * 4, 10)),
    "no duration": (lambda f: spot(f), (STAMPS, ["detector 0", "detector 1"], DETECTORS, 10)),
    "longer": (lambda f: (spot(f), duration(f, 2e-8)), (STAMPS, ["detector 0", "detector 1"], DETECTORS, 20)),
    "much longer": (lambda f: (spot(f), duration(f, 1e-7)), (STAMPS, ["detector 0", "detector 1"], DETECTORS, 10)),
    "rounded duration": (
        lambda f: (spot(f, stamps=[0, 1, 2, 5400000000]), duration(f, 5.0)),
        ([0, 1, 2, 5400000000], ["detector 0", "detector 1"], DETECTORS, 5400000001),
    ),
    "counts from elsewhere": (
        lambda f: (spot(f, stamps=[1002, 1005, 1005, 1009]), duration(f)),
        ([1002, 1005, 1005, 1009], ["detector 0", "detector 1"], DETECTORS, 10),
    ),
    "negative stamps": (
        lambda f: (spot(f, stamps=[-3, 0, 2, 4]), duration(f)),
        ([-3, 0, 2, 4], ["detector 0", "detector 1"], DETECTORS, 10),
    ),
    "unsorted": (
        lambda f: (spot(f, stamps=[9, 2, 5, 5], detectors=[1, 0, 1, 0]), duration(f)),
        (STAMPS, ["detector 0", "detector 1"], DETECTORS, 10),
    ),
    "scalar as array": (
        lambda f: (spot(f, unit=np.array([1e-9])), duration(f, np.array([1e-8]))),
        (STAMPS, ["detector 0", "detector 1"], DETECTORS, 10),
    ),
    "duration of every spot": (
        lambda f: (spot(f), duration(f, np.array([1e-8, 9e-9]))),
        (STAMPS, ["detector 0", "detector 1"], DETECTORS, 10),
    ),
    "float32 unit": (
        lambda f: (spot(f, unit=np.float32(0.5)), duration(f, 5)),
        (STAMPS, ["detector 0", "detector 1"], DETECTORS, 5e9),
    ),
    "labels": (
        lambda f: (spot(f), duration(f), listed(f, [0, 1], [b"left", b"right"])),
        (STAMPS, ["left", "right"], DETECTORS, 10),
    ),
    "labels in another order": (
        lambda f: (spot(f), duration(f), listed(f, [1, 0], [b"right", b"left"])),
        (STAMPS, ["left", "right"], DETECTORS, 10),
    ),
    "labels of variable length": (
        lambda f: (spot(f), duration(f), listed(f, [0, 1], np.array(["α", "β"], dtype=h5py.string_dtype()))),
        (STAMPS, ["α", "β"], DETECTORS, 10),
    ),
    "labels that repeat": (
        lambda f: (spot(f), duration(f), listed(f, [0, 1], [b"apd", b"apd"])),
        (STAMPS, ["apd (0)", "apd (1)"], DETECTORS, 10),
    ),
    "numbers without labels": (
        lambda f: (spot(f), duration(f), listed(f, [0, 1])),
        (STAMPS, ["detector 0", "detector 1"], DETECTORS, 10),
    ),
    "float numbers": (
        lambda f: (spot(f), duration(f), listed(f, [0.0, 1.0], [b"l", b"r"])),
        (STAMPS, ["l", "r"], DETECTORS, 10),
    ),
    "one number": (
        lambda f: (spot(f, detectors=[3] * 4), duration(f), listed(f, 3, b"only")),
        (STAMPS, ["only"], [0] * 4, 10),
    ),
    "a detector that never clicked": (
        lambda f: (spot(f), duration(f), listed(f, [0, 1, 2], [b"a", b"b", b"c"])),
        (STAMPS, ["a", "b", "c"], DETECTORS, 10),
    ),
    "a detector that is not listed": (
        lambda f: (spot(f), duration(f), listed(f, [0], [b"a"])),
        (STAMPS, ["a", "detector 1"], DETECTORS, 10),
    ),
    "overflows as detector 127": (
        lambda f: (spot(f, detectors=[0, 127, 0, 1]), duration(f)),
        ([2, 5, 9], ["detector 0", "detector 1"], [0, 0, 1], 10),
    ),
    "a real detector 127": (
        lambda f: (spot(f, detectors=[0, 127, 0, 127]), duration(f), listed(f, [0, 127], [b"a", b"b"])),
        (STAMPS, ["a", "b"], DETECTORS, 10),
    ),
    "wide numbers": (
        lambda f: (spot(f, detectors=np.array([0, 70000, 0, 70000], np.uint64)), duration(f)),
        (STAMPS, ["detector 0", "detector 70000"], DETECTORS, 10),
    ),
    "negative numbers": (
        lambda f: (spot(f, detectors=np.array([-1, 1, -1, 1], np.int8)), duration(f)),
        (STAMPS, ["detector -1", "detector 1"], DETECTORS, 10),
    ),
    "unsigned stamps": (
        lambda f: (spot(f, stamps=np.array(STAMPS, np.uint32)), duration(f)),
        (STAMPS, ["detector 0", "detector 1"], DETECTORS, 10),
    ),
    "big-endian stamps": (
        lambda f: (spot(f, stamps=np.array(STAMPS, ">i8")), duration(f)),
        (STAMPS, ["detector 0", "detector 1"], DETECTORS, 10),
    ),
    "several spots": (
        lambda f: (spot(f, "photon_data0", [2, 5], [0, 0]), spot(f, "photon_data1", [5, 9], [0, 1]), duration(f)),
        (STAMPS, ["spot 0 detector 0", "spot 1 detector 0", "spot 1 detector 1"], [0, 0, 1, 2], 10),
    ),
    "one numbered spot": (
        lambda f: (spot(f, "photon_data0"), duration(f)),
        (STAMPS, ["detector 0", "detector 1"], DETECTORS, 10),
    ),
    "no photons": (
        lambda f: (spot(f, stamps=np.zeros(0, int), detectors=np.zeros(0, int)), duration(f)),
        ([], ["detector 0"], [], 10),
    ),
}


@pytest.mark.parametrize("name", HDF5)
def test_photon_hdf5_of_other_programs(tmp_path, name):
    write, (stamps, names, channels, stop) = HDF5[name]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write(file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        record = tj.load(tmp_path / "a.h5", unit="ns")
    assert record.stamp.tolist() == stamps
    assert list(record.channel_names) == names
    assert record.channel.tolist() == channels
    assert record.stop[0] - record.start[0] == pytest.approx(stop, rel=1e-9)
    assert record.unit.name == "ns"


@pytest.mark.parametrize("name", HDF5)
def test_photon_hdf5_in_pieces_is_what_it_is_as_a_whole(tmp_path, name, monkeypatch):
    monkeypatch.setattr("trajectories.records.formats.photon_hdf5_events.CHUNK", 3)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        HDF5[name][0](file)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        if name in ("several spots", "unsorted", "wide numbers of many"):
            with pytest.raises(InvalidInput, match="use load"):
                list(tj.open_measured(tmp_path / "a.h5", unit="ns").blocks())
            return
        record = tj.load(tmp_path / "a.h5", unit="ns")
        pieces = list(tj.open_measured(tmp_path / "a.h5", unit="ns", piece=2).blocks())
    first = pieces[0].provenance["header"].get("first_tick", 0)
    assert np.concatenate([piece.stamp for piece in pieces]).tolist() == (record.stamp - first).tolist()
    assert np.concatenate([piece.channel for piece in pieces]).tolist() == record.channel.tolist()
    assert {piece.channel_names for piece in pieces} == {record.channel_names}
    assert sum(piece.total_time for piece in pieces) == pytest.approx(record.total_time)
    assert (len(pieces) > 1) == (len(record) > 0)


def test_nanotimes_are_kept(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        spot(file, nanotimes=[7, 8, 3, 4], **{"nanotimes_specs/tcspc_unit": 1.6e-11})
        duration(file)
    record = tj.load(tmp_path / "a.h5", unit="ns")
    assert record.stamp.tolist() == STAMPS
    assert record.within.tolist() == [7, 3, 8, 4]  # in order of time within the period too
    (piece,) = tj.open_measured(tmp_path / "a.h5", unit="ns").blocks()
    assert piece.within.tolist() == [7, 8, 3, 4]  # as they stand in the file
    assert piece.clock.fine == record.clock.fine
    assert record.channel.tolist() == [0, 0, 1, 1]
    assert record.clock.fine == pytest.approx(0.016)


def test_photon_hdf5_cut_anywhere_is_one_line(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        spot(file, stamps=np.arange(500), detectors=np.arange(500) % 2)
        duration(file, 5e-7)
    whole = (tmp_path / "a.h5").read_bytes()
    ours = tj.export(tj.load(tmp_path / "a.h5"), tmp_path / "b.h5").read_bytes()
    for content in (whole, ours):
        for end in range(0, len(content), len(content) // 60):
            (tmp_path / "c.h5").write_bytes(content[:end])
            with pytest.raises(InvalidInput) as error:
                tj.load(tmp_path / "c.h5")
            assert "\n" not in str(error.value)


def test_a_longer_span_than_the_duration_is_refused_with_a_remedy_that_works(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        spot(file, stamps=[0, 1, 2, 54000000000])
        duration(file, 5.0)
    with pytest.raises(InvalidInput, match="give duration="):
        tj.load(tmp_path / "a.h5")
    assert tj.load(tmp_path / "a.h5", duration=60.0).stop[0] == 60.0


@pytest.mark.parametrize(
    ("write", "match"),
    [
        (lambda f: spot(f, stamps=[0.5, 1.0, 2.0, 3.0]), "must be integers"),
        (lambda f: spot(f, detectors=[0, 1]), "timestamps but 2 detectors"),
        (lambda f: spot(f, nanotimes=[1]), "nanotimes"),
        (lambda f: spot(f, unit=-1.0), "timestamps_unit"),
        (lambda f: (spot(f, "photon_data0"), spot(f, "photon_data1", unit=2e-9)), "different ticks"),
        (lambda f: (spot(f), listed(f, [0.5, 1], [b"a", b"b"])), "whole numbers"),
        (lambda f: f.create_group("other"), "no /photon_data"),
        (lambda f: (spot(f), duration(f, b"five")), "must be a number"),
    ],
)
def test_photon_hdf5_that_cannot_be_right_is_one_line(tmp_path, write, match):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        write(file)
    with pytest.raises(InvalidInput, match=match):
        tj.load(tmp_path / "a.h5")


NS = {"unit": "ns"}
TICK, TWO = NS | {"tick": 1e-9}, ["channel 0", "channel 1"]
# Text, options, and what must come back: times in ns, channel names, channels.
TEXT = {
    "header with unit": ("channel,time [ns]\n0,2\n1,5\n", NS, ([2, 5], TWO, [0, 1])),
    "header with parentheses": (
        "time (ps);ch\n2000;0\n5000;1\n",
        NS,
        ([2, 5], TWO, [0, 1]),
    ),
    "header with slash": ("timetag/us\tdetector\n2\tA\n5\tB\n", NS, ([2000, 5000], ["A", "B"], [0, 1])),
    "tick by option": (
        "timestamp channel\n2 0\n5 1\n",
        TICK,
        ([2, 5], TWO, [0, 1]),
    ),
    "columns by number": (
        "7,2,0\n7,5,1\n",
        TICK | {"columns": (1, 2)},
        ([2, 5], TWO, [0, 1]),
    ),
    "columns by name": (
        "a,b,c\n7,2,x\n7,5,y\n",
        TICK | {"columns": ("b", "c")},
        ([2, 5], ["x", "y"], [0, 1]),
    ),
    "columns as strings of numbers": (
        "2 0\n5 1\n",
        TICK | {"columns": ("0", "1")},
        ([2, 5], TWO, [0, 1]),
    ),
    "comments and blank lines": (
        "# a\n% b\n// c\n\nchannel,time[ns]\n0,2\n\n1,5\n",
        NS,
        ([2, 5], TWO, [0, 1]),
    ),
    "byte order mark": ("\ufeffchannel,time[ns]\n0,2\n1,5\n", NS, ([2, 5], TWO, [0, 1])),
    "windows line ends": ("channel,time[ns]\r\n0,2\r\n1,5\r\n", NS, ([2, 5], TWO, [0, 1])),
    "no last line end": ("channel,time[ns]\n0,2\n1,5", NS, ([2, 5], TWO, [0, 1])),
    "unsorted": ("channel,time[ns]\n1,5\n0,2\n", NS, ([2, 5], TWO, [0, 1])),
    "decimal times": ("time[ns],channel\n2.5,0\n5.25,1\n", NS, ([2.5, 5.25], TWO, [0, 1])),
    "decimal seconds": (
        "time[s],channel\n2.5e-9,0\n5.25e-9,1\n",
        NS,
        ([2.5, 5.25], TWO, [0, 1]),
    ),
    "negative ticks": ("time[ns],channel\n-2,0\n5,1\n", NS, ([-2, 5], TWO, [0, 1])),
    "quoted names": ('time[ns],channel\n2,"a,b"\n5,c\n', NS, ([2, 5], ["a,b", "c"], [0, 1])),
    "long labels": (
        "time[ns] channel\n2 a_detector_with_a_long_name_1\n5 a_detector_with_a_long_name_2\n",
        NS,
        ([2, 5], ["a_detector_with_a_long_name_1", "a_detector_with_a_long_name_2"], [0, 1]),
    ),
    "blanks around fields": ("time[ns] , channel\n 2 , 0\n 5 , 1 \n", NS, ([2, 5], TWO, [0, 1])),
    "whole and decimal times": ("time[ns],channel\n2,0\n5.5,1\n", NS, ([2.0, 5.5], TWO, [0, 1])),
    "comments between": ("time[ns],channel\n2,0\n# a break\n5,1\n", NS, ([2, 5], TWO, [0, 1])),
    "exponents": ("time[ns],channel\n2e0,0\n5e0,1\n", NS, ([2.0, 5.0], TWO, [0, 1])),
    "signs": ("time[ns],channel\n+2,0\n+5,1\n", NS, ([2, 5], TWO, [0, 1])),
    "a header alone": ("time[ns],channel\n", NS, ([], ["channel 0"], [])),
    "numbers in order": ("time[ns],channel\n2,10\n5,9\n", NS, ([2, 5], ["channel 9", "channel 10"], [1, 0])),
}


@pytest.mark.parametrize("lines", [1, 2, 2**16])
@pytest.mark.parametrize("name", TEXT)
def test_text_in_columns(tmp_path, name, lines, monkeypatch):
    monkeypatch.setattr("trajectories.records.formats.text.LINES", lines)
    content, options, (times, names, channels) = TEXT[name]
    (tmp_path / "a.txt").write_bytes(content.encode())
    record = tj.load(tmp_path / "a.txt", **options)
    np.testing.assert_allclose(record.time, times, rtol=1e-12)
    assert list(record.channel_names) == names
    assert record.channel.tolist() == channels
    decimal = any(isinstance(time, float) for time in times)
    assert (record.clock is None) == decimal


def test_text_cut_anywhere_is_the_tags_before_the_cut_or_one_line(tmp_path):
    whole = b"time[ns],channel\n12,0\n15,1\n345,0\n"
    read = 0
    for end in range(len(whole)):
        (tmp_path / "a.csv").write_bytes(whole[:end])
        try:
            record = tj.load(tmp_path / "a.csv", unit="ns")
        except InvalidInput:
            continue
        read += 1
        said = any("ends within a line, which may be cut off" in line for line in record.provenance["notes"])
        assert said == (whole[end - 1 : end] != b"\n")
        sure = max(len(record) - said, 0)
        assert record.stamp.tolist()[:sure] == [12, 15, 345][:sure]
    assert read > 5


def test_a_line_that_is_wrong_is_named_wherever_it_stands(tmp_path, monkeypatch):
    monkeypatch.setattr("trajectories.records.formats.text.LINES", 3)
    rows = [f"{k},0" for k in range(20)]
    rows[13] = "x,0"
    (tmp_path / "a.csv").write_text("time[ns],channel\n" + "\n".join(rows) + "\n")
    with pytest.raises(InvalidInput, match="line 15 has the time 'x'"):
        tj.load(tmp_path / "a.csv")


def test_whole_numbers_beyond_the_integers_of_a_float_stay_distinct(tmp_path):
    (tmp_path / "a.csv").write_text(f"channel,time[ps]\n0,{2**55}\n0,{2**55 + 1}\n")
    assert tj.load(tmp_path / "a.csv").stamp.tolist() == [2**55, 2**55 + 1]


@pytest.mark.parametrize(
    ("content", "options", "match", "remedy"),
    [
        ("2 0\n5 1\n", {}, "give columns=", {"columns": (0, 1), "tick": 1e-9}),
        ("time channel\n2 0\n5 1\n", {}, "give tick=", {"tick": 1e-9}),
        ("a b\n2 0\n", {"tick": 1e-9}, "give columns=", {"columns": ("a", "b"), "tick": 1e-9}),
        ("time[ns],channel\n2,0\n5\n", {}, "cut off", None),
        ("time[ns],channel\n2,0\nx,1\n", {}, "must be a number", None),
        ("time[ns],channel\n2,0\nnan,1\n", {}, "must be a number", None),
        ("time[ns],channel\n2,0\n5,\n", {}, "without a channel", None),
        (f"time[ns],channel\n{2**64},0\n", {}, "63 bits", None),
        ("", {}, "holds no numbers", None),
        ("time[ns],channel\n2,0\n", {"columns": (0, 7)}, "two of the 2 columns", {"columns": (0, 1)}),
        ("time[ns],channel\n2,0\n", {"unit": "fortnight"}, "must be one of", {"unit": "ns"}),
        ("time[ns],channel\n2,0\n", {"markers": True}, "does not apply", {}),
        ("time[ns],channel\n0.0,0\n", {}, "give duration=", {"duration": 5e-9}),
    ],
)
def test_text_that_does_not_tell_is_one_line_whose_remedy_works(tmp_path, content, options, match, remedy):
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(InvalidInput, match=match):
        tj.load(tmp_path / "a.txt", **options)
    if remedy is not None:
        assert len(tj.load(tmp_path / "a.txt", **remedy))


def test_the_duration_of_text_counts_from_a_time_before_zero(tmp_path):
    for times in ("-5,0\n3,0\n", "-5.0,0\n3.0,0\n"):
        (tmp_path / "a.txt").write_text(f"time[ns],channel\n{times}")
        found = tj.load(tmp_path / "a.txt", duration=10e-9, unit="s")
        assert (found.start[0], found.stop[0]) == pytest.approx((-5e-9, 5e-9))


@pytest.mark.parametrize(
    "heading",
    [
        '{"channel_names": ["a"]}',
        '{"channel_names": ["a"], "provenance": "x"}',
        '{"channel_names": ["a"], "provenance": {}, "clock": {"tick": 1.0, "tock": 1}}',
        "[" * 100_000,
    ],
)
def test_our_csv_with_an_edited_heading_is_one_line(tmp_path, heading):
    lines = ["# bundle-trajectories clicks, version 2", f"# {heading}", "trajectory,time,channel"]
    (tmp_path / "a.csv").write_text("\n".join([*lines, "# trajectory 0 from 0.0 to 1.0", "0,0.5,a", ""]))
    with pytest.raises(InvalidInput, match="damaged or cut off"):
        tj.load(tmp_path / "a.csv")


def test_bytes_that_are_no_text_are_one_line(tmp_path):
    (tmp_path / "a.txt").write_bytes(bytes(range(256)))
    with pytest.raises(InvalidInput, match="not text"):
        tj.load(tmp_path / "a.txt")


def test_our_csv_cut_anywhere_is_one_line_or_whole(tmp_path):
    record = tj.ClickRecord.from_arrays(
        [0, 0, 2], [0.5, 1.25, 3.0], [0, 1, 0], channel_names=["a", "b"], start=[0.0] * 3, stop=[5.0] * 3
    )
    whole = tj.export(record, tmp_path / "a.csv").read_bytes()
    for end in range(40, len(whole)):
        (tmp_path / "b.csv").write_bytes(whole[:end])
        with pytest.raises(InvalidInput):
            tj.load(tmp_path / "b.csv")


@pytest.mark.parametrize("acquisition", [1000, None])
def test_a_file_without_any_event_says_that_its_length_is_unknown(tmp_path, acquisition):
    """It said that its events ended after a picosecond."""
    path = ptu_file(tmp_path / "nothing.ptu", [], 0x01010204, acquisition=acquisition)
    with pytest.warns(RecordWarning, match=r"holds no event.*give duration=") as said:
        record = tj.load(path)
    assert len(said) == 1
    assert record.total_time == record.tick
    with pytest.warns(RecordWarning, match="holds no photon"):
        assert tj.load(path, duration=1.0).total_time == 1.0
    overflow = ptu_file(tmp_path / "dark.ptu", [1 << 31 | 63 << 25 | 1], 0x01010204, acquisition=None)
    with pytest.warns(RecordWarning, match="holds no photon"):
        assert tj.load(overflow).total_time == pytest.approx((2**25 + 1) * 1e-12)


def test_photon_hdf5_without_photons_was_observed_as_long_as_it_says(tmp_path):
    """A dark measurement of an hour had a window of one tick."""
    path = tmp_path / "dark.h5"
    with h5py.File(path, "w") as file:
        spot(file, stamps=np.zeros(0, int), detectors=np.zeros(0, int))
        duration(file, 3600.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        assert tj.load(path, unit="s").total_time == pytest.approx(3600.0)
        assert sum(p.total_time for p in tj.open_measured(path, unit="s").blocks()) == pytest.approx(3600.0)
