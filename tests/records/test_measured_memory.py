"""Memory of measured files: at most 24 bytes a tag as a whole, and no more for a longer file in pieces."""

import tracemalloc
import warnings

import numpy as np
import pytest
from tagged_files import steady_file

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import RecordWarning

pytest.importorskip("ptufile")
TAGS = 400_000
EDGES = {False: np.arange(0, 101) * 1e-8, True: np.arange(0, 101) * 12.5e-9}


def peak(work, *arguments):
    """Return the most memory that something has held, in bytes."""
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        work(*arguments)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def g2_of(clicks, synced):
    return an.g2(clicks, "channel 0", "channel 1", EDGES[synced])


@pytest.fixture(scope="module", params=[False, True], ids=["T2", "T3"])
def files(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    made = {factor: steady_file(folder / f"{factor}.ptu", factor * TAGS, request.param) for factor in (1, 4)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        g2_of(tj.load(steady_file(folder / "small.ptu", 1000, request.param)), request.param)  # compiles
    return request.param, made


def test_pieces_of_photon_hdf5_take_no_more_for_a_longer_file(tmp_path):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(2)
    peaks = []
    for count in (TAGS // 2, 2 * TAGS):
        with h5py.File(tmp_path / f"{count}.h5", "w") as file:
            file["photon_data/timestamps"] = np.cumsum(rng.integers(0, 100, count))
            file["photon_data/detectors"] = rng.integers(0, 2, count).astype(np.uint8)
            file["photon_data/timestamps_specs/timestamps_unit"] = 1e-9
        pieces = tj.open_measured(tmp_path / f"{count}.h5", piece=2**16)
        peaks.append(peak(lambda pieces=pieces: an.rates(an.stream(pieces, memory=0))))
    assert peaks[1] < 1.2 * peaks[0]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr("trajectories.records.formats.photon_hdf5_events.CHUNK", 2**15)
    monkeypatch.setattr("trajectories.records.formats.tttr.CHUNK", 2**15)


def test_reading_and_g2_of_a_file_take_24_bytes_a_tag(files):
    synced, made = files
    chunks = 3 * 2**20  # and what does not grow with the file
    assert peak(lambda: g2_of(tj.load(made[4]), synced)) < 24 * 4 * TAGS + chunks


def test_keeping_a_second_copy_would_be_seen(files):
    """The planted fault: the record is held twice while g² is counted."""
    synced, made = files

    def twice(path):
        record = tj.load(path)
        copies = [column.copy() for column in record.columns().values()]
        g2_of(record, synced)
        return copies

    assert peak(twice, made[4]) > 24 * 4 * TAGS + 3 * 2**20


def test_pieces_take_no_more_for_a_longer_file(files):
    synced, made = files

    def in_pieces(path, memory=0):
        g2_of(an.stream(tj.open_measured(path, piece=2**16), memory=memory), synced)

    few, many = (peak(in_pieces, made[factor]) for factor in (1, 4))
    assert many < 1.2 * few
    # The twin: a stream that may keep what it read grows with the file.
    assert peak(in_pieces, made[4], 2**30) > 2.0 * many
