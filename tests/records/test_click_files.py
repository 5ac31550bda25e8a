"""Files of clicks: nothing is lost on the way, other tools read them, and bad files are one line."""

import csv
import json
import zipfile

import numpy as np
import peers
import pytest
from click_systems import driven_atom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trajectories as tj
from trajectories.cli.export import FORMATS as COMMAND_FORMATS
from trajectories.errors import InvalidInput
from trajectories.records import Run, formats
from trajectories.records.formats.ptu import WRAP, _with_overflows
from trajectories.records.formats.table import WRITTEN

PAPER = {"parameters": tj.SpinningResonator().provenance(), "run_id": "abc"}


def record(clicks=3000, trajectories=6, duration=1e6, seed=2, provenance=PAPER):
    """Clicks of three channels, one trajectory empty, some of them at the same time."""
    rng = np.random.default_rng(seed)
    row = np.sort(rng.integers(1, trajectories, clicks))
    time = np.round(rng.random(clicks) * duration, 3)
    order = np.lexsort((time, row))
    row, time = row[order], time[order]
    tied = np.flatnonzero(np.diff(row) == 0)[::50]
    time[tied] = time[tied + 1]
    return tj.ClickRecord.from_arrays(
        row,
        time,
        rng.integers(0, 3, clicks),
        channel_names=["photon", "phonon", "magnon"],
        start=np.zeros(trajectories),
        stop=np.full(trajectories, duration),
        provenance=provenance,
    )


def same(one, other, blur=0.0):
    assert one.channel_names == other.channel_names
    np.testing.assert_array_equal(one.trajectory, other.trajectory)
    np.testing.assert_array_equal(one.channel, other.channel)
    np.testing.assert_array_equal(one.start, other.start)
    np.testing.assert_array_equal(one.stop, other.stop)
    assert np.abs(one.time - other.time).max(initial=0.0) <= blur


@pytest.mark.parametrize(("name", "blur"), [("a.npz", 0.0), ("a.h5", 2e-4), ("a.hdf5", 2e-4)])
def test_what_is_exported_comes_back(tmp_path, name, blur):
    original = record()
    back = tj.load(tj.export(original, tmp_path / name))
    same(original, back, blur)
    assert back.provenance["parameters"] == original.provenance["parameters"]
    ties = np.flatnonzero(np.diff(original.time) == 0)
    assert len(ties) > 20
    np.testing.assert_array_equal(back.time[ties], back.time[ties + 1])


def test_the_command_names_the_formats_of_the_table():
    """The command names them without loading what writes them."""
    assert tuple(formats.FORMATS) == COMMAND_FORMATS
    assert all((written.exact is None) != (written.ticked is None) for written in WRITTEN.values())


def test_a_coarse_tick_is_noticed(tmp_path):
    """The twin of the test above: with ticks of a whole unit, times differ by up to one."""
    original = record()
    back = tj.load(tj.export(original, tmp_path / "a.h5", tick=1.0))
    assert 0.5 < np.abs(back.time - original.time).max() <= 1.0
    same(original, back, 1.0)


def test_a_run_is_exported_block_by_block(tmp_path):
    whole = tj.simulate(driven_atom(1.0, 0.5), 7, 60.0, seed=3, out=tmp_path / "run", progress=False)
    run = Run.open(tmp_path / "run")
    assert len(run.block_bounds()) > 3
    for name in ("a.npz", "a.h5"):
        path = tj.export(run, tmp_path / name, **({} if name == "a.npz" else {"tick": 1e-6, "unit": 1e-9}))
        same(whole, tj.load(path), 1e-6)
        assert tj.load(path).provenance["configuration"]["seed"] == 3


@pytest.mark.filterwarnings("default")  # of optional fields, and of the validator itself
def test_photon_hdf5_is_valid(tmp_path):
    phconvert = peers.phconvert()
    original = record()
    path = tj.export(original, tmp_path / "a.h5")
    phconvert.hdf5.assert_valid_photon_hdf5(
        str(path), warnings=False, require_rootformat=True, skip_measurement_specs=False
    )
    import tables

    with tables.open_file(str(path)) as file:  # as the validator itself reads
        stamps, detectors = file.root.photon_data.timestamps[:], file.root.photon_data.detectors[:]
        unit = file.root.photon_data.timestamps_specs.timestamps_unit.read()
    assert (np.diff(stamps) >= 0).all()
    np.testing.assert_array_equal(detectors, original.channel)
    elapsed = stamps * unit * 2 * np.pi * 2e9 - original.trajectory * 1e6
    np.testing.assert_allclose(elapsed, original.time, atol=3e-3)  # one tick more a window, and rounding of 6e6


@pytest.mark.filterwarnings("default")
def test_an_invalid_photon_hdf5_is_caught_by_its_validator(tmp_path):
    phconvert = peers.phconvert()
    import h5py

    path = tj.export(record(), tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        del file["identity/software"]
    with pytest.raises(phconvert.hdf5.Invalid_PhotonHDF5):
        phconvert.hdf5.assert_valid_photon_hdf5(str(path), warnings=False)


@pytest.mark.parametrize("tick", [2e-4, 1e-9])
def test_ptu_is_read_by_an_independent_reader(tmp_path, tick):
    ptufile = pytest.importorskip("ptufile")
    original = record(duration=1e5)
    path = tj.export(original, tmp_path / "a.ptu", tick=tick, unit=1e-9)
    with ptufile.PtuFile(path) as file:
        assert file.global_resolution == pytest.approx(tick * 1e-9)
        events = file.decode_records()
        heading = json.loads(file.comment)
    starts = events["time"][events["marker"] == 1].astype(np.int64)
    clicks = events[events["channel"] >= 0]
    assert len(starts) == original.n_trajectories
    np.testing.assert_array_equal(clicks["channel"], original.channel)
    row = np.searchsorted(starts, clicks["time"].astype(np.int64), side="right") - 1
    np.testing.assert_array_equal(row, original.trajectory)
    expected = np.floor(original.time / tick).astype(np.int64)
    np.testing.assert_array_equal(clicks["time"].astype(np.int64) - starts[row], expected)
    assert heading["channel_names"] == ["photon", "phonon", "magnon"]


def test_ptu_takes_four_bytes_a_click_and_counts_its_overflows(tmp_path):
    """A silence of up to 127 wraps of the 25-bit counter costs one more record, a longer one more."""
    stamps = np.array([5, WRAP + 5, WRAP * 129 + 7])
    records, wraps = _with_overflows(stamps, np.zeros(3, np.uint32), 0)
    special = records >> 31 == 1
    assert special.tolist() == [False, True, False, True, True, False]
    assert (records[special] & (WRAP - 1)).tolist() == [1, 127, 1]
    assert wraps == 129
    original = record(clicks=20000, duration=1e6)
    size = tj.export(original, tmp_path / "a.ptu").stat().st_size
    assert 4 * len(original) < size < 4 * len(original) + 4 * 6 * 160 + 4000


def test_csv_holds_every_click_and_every_window(tmp_path):
    original = record(clicks=200)
    lines = tj.export(original, tmp_path / "a.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines if not line.startswith("#")][1:]
    assert [int(row[0]) for row in rows] == original.trajectory.tolist()
    assert [float(row[1]) for row in rows] == original.time.tolist()
    assert [row[2] for row in rows] == [original.channel_names[k] for k in original.channel]
    assert sum(line.startswith("# trajectory") for line in lines) == original.n_trajectories


def test_a_measured_photon_hdf5_becomes_one_trajectory(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "lab.h5", "w") as file:
        file["photon_data/timestamps"] = np.array([10, 20, 20, 500])
        file["photon_data/detectors"] = np.array([3, 1, 3, 1], np.uint8)
        file["photon_data/timestamps_specs/timestamps_unit"] = 1e-3
        file["acquisition_duration"] = 2.0
    measured = tj.load(tmp_path / "lab.h5")
    assert measured.channel_names == ("detector 1", "detector 3")
    assert measured.channel.tolist() == [1, 0, 1, 0]
    np.testing.assert_allclose(measured.time, [0.01, 0.02, 0.02, 0.5])
    assert measured.total_time == 2.0
    assert tj.load(tmp_path / "lab.h5", unit=1e-3).total_time == pytest.approx(2000.0)


def lab_file(path, stamps, duration):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        file["photon_data/timestamps"] = np.array(stamps)
        file["photon_data/detectors"] = np.zeros(len(stamps), np.uint8)
        file["photon_data/timestamps_specs/timestamps_unit"] = 1e-3
        file["acquisition_duration"] = duration


def test_stamps_that_count_from_elsewhere_begin_with_the_first(tmp_path):
    lab_file(tmp_path / "lab.h5", [10**6, 10**6 + 400, 10**6 + 900], 1.0)
    measured = tj.load(tmp_path / "lab.h5")
    assert measured.total_time == pytest.approx(1.0)
    np.testing.assert_allclose(measured.time, [0.0, 0.4, 0.9])


def test_stamps_over_longer_than_the_acquisition_are_refused(tmp_path):
    lab_file(tmp_path / "lab.h5", [0, 10**6], 1.0)
    with pytest.raises(InvalidInput, match="acquisition_duration"):
        tj.load(tmp_path / "lab.h5")


def test_a_ptu_of_overflows_alone_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="longer tick"):
        tj.export(record(clicks=10), tmp_path / "a.ptu", tick=1e-11, unit=1.0)
    assert list(tmp_path.iterdir()) == []


def test_odd_channel_names_survive_csv(tmp_path):
    names = ['he"llo, x', "two\nlines"]
    odd = tj.ClickRecord.from_arrays([0, 0], [1.0, 2.0], [0, 1], channel_names=names, start=0.0, stop=3.0)
    text = tj.export(odd, tmp_path / "a.csv").read_text().splitlines(keepends=True)
    rows = list(csv.reader(line for line in text if not line.startswith("#")))
    assert [row[2] for row in rows[1:]] == names


def test_any_program_can_make_an_npz(tmp_path):
    np.savez(
        tmp_path / "lab.npz", trajectory=[0, 0], time=[1.0, 2.0], channel=[0, 1], channel_names=["x", "y"],
        start=[0.0], stop=[3.0],
    )  # fmt: skip
    assert tj.load(tmp_path / "lab.npz").channel_names == ("x", "y")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"time": [2.0, 1.0]}, "out of order"),
        ({"time": [1.0, np.nan]}, "nan"),
        ({"time": [1.0, 9.0]}, "outside the observation window"),
        ({"channel": [0, 5]}, "channel contains 5"),
        ({"stop": None}, "needs the arrays"),
    ],
)
def test_bad_columns_are_refused(tmp_path, change, match):
    arrays = {"trajectory": [0, 0], "time": [1.0, 2.0], "channel": [0, 1], "channel_names": ["x", "y"]}
    arrays |= {"start": [0.0], "stop": [3.0]} | change
    np.savez(tmp_path / "lab.npz", **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(InvalidInput, match=match):
        tj.load(tmp_path / "lab.npz")


def test_record_files_are_data_never_code(tmp_path):
    np.savez(tmp_path / "a.npz", time=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(InvalidInput, match="no NPZ file of clicks"):
        tj.load(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"path": "a.xyz"}, "no suffix of a known format"),
        ({"path": "a.npz", "tick": 1.0}, "keeps exact times"),
        ({"path": "a.h5", "tick": -1.0}, "tick"),
        ({"path": "a.h5", "unit": 0.0}, "unit"),
        ({"path": "a.h5", "tick": 1e-18}, "too short"),
        ({"path": "a.npz", "format": "matlab"}, "format"),
        ({"path": "no/such/folder/a.npz"}, "cannot write"),
    ],
)
def test_bad_exports_are_refused_and_leave_nothing(tmp_path, monkeypatch, arguments, match):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput, match=match):
        tj.export(record(), **arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_never_overwritten(tmp_path):
    path = tmp_path / "a.npz"
    path.write_text("mine")
    with pytest.raises(InvalidInput, match="exists"):
        tj.export(record(), path)
    assert path.read_text() == "mine"


def test_a_record_of_unknown_unit_needs_the_unit(tmp_path):
    with pytest.raises(InvalidInput, match="give tick="):
        tj.export(record(provenance={}), tmp_path / "a.ptu")
    with pytest.raises(InvalidInput, match="give unit="):
        tj.export(record(provenance={}), tmp_path / "a.ptu", tick=1.0)
    tj.export(record(provenance={}), tmp_path / "a.ptu", tick=1.0, unit=1e-9)


def test_from_the_command_line(run, here):
    tj.simulate(driven_atom(1.0, 0.5), 3, 60.0, seed=3, out="run", progress=False)
    assert run("export", "run", "--format", "npz")[0] == 0
    same(tj.load("run"), tj.load("run/clicks.npz"))
    assert run("export", "run/clicks.npz", "--out", "b.ptu", "--tick", "1e-6", "--unit", "1e-9")[0] == 0
    status, _, err = run("export", "run", "--format", "npz")
    assert status == 2
    assert len(err) == 1
    assert run("export", "run")[0] == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_are_one_line_or_the_same_record(tmp_path, data):
    """Bytes flipped or cut anywhere: an InvalidInput in one line, or a record; never another exception."""
    name = data.draw(st.sampled_from(["a.npz", "a.h5"]))
    path = tmp_path / name
    if not path.exists():
        tj.export(record(clicks=50, trajectories=3), path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content))) :]
    damaged = tmp_path / f"damaged{path.suffix}"
    damaged.write_bytes(bytes(content))
    before = damaged.read_bytes()
    try:
        lines, loaded = 0, tj.load(damaged)
    except InvalidInput as error:
        lines, loaded = len(str(error).splitlines()), None
    assert lines == 1 or (loaded is not None and loaded.n_trajectories >= 1)
    assert damaged.read_bytes() == before


def test_a_zip_that_is_no_npz_is_one_line(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("time.npy", b"\x93NUMPY garbage")
    with pytest.raises(InvalidInput, match="no NPZ file of clicks"):
        tj.load(tmp_path / "a.npz")


@pytest.mark.parametrize("suffix", ["npz", "csv", "ptu", "h5"])
def test_a_record_without_trajectories_is_not_exported(tmp_path, suffix):
    """CSV and Photon-HDF5 of it could not be read again, and PTU was an IndexError."""
    nothing = tj.ClickRecord.from_arrays([], [], [], channel_names=("a",), start=[], stop=[])
    options = {"tick": 0.01, "unit": 1e-9} if suffix in ("ptu", "h5") else {}
    with pytest.raises(InvalidInput, match="no trajectory"):
        tj.export(nothing, tmp_path / f"nothing.{suffix}", **options)
    assert not list(tmp_path.iterdir())
