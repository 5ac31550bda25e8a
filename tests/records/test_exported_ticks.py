"""What was exported comes back: ticks, windows, markers; and files of ours and of instruments piece by piece."""

import warnings

import numpy as np
import peers
import pytest
from tagged_files import HYDRAHARP_2_T2, ptu_file, random_words, steady_words

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import InvalidInput, RecordWarning
from trajectories.records import corrections as fix
from trajectories.records.formats import open_measured

ptufile = pytest.importorskip("ptufile")


def quiet(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        return tj.load(path, **options)


def ticked(synced=False, seed=3, clicks=500, far=0):
    rng = np.random.default_rng(seed)
    stamps = np.sort(rng.integers(0, 10**7, clicks)) + far
    more = {"within": rng.integers(0, 700, clicks), "fine": 16e-12} if synced else {}
    return tj.ClickRecord.from_arrays(
        np.zeros(clicks, dtype=np.int64),
        stamps,
        rng.integers(0, 3, clicks),
        channel_names=["a", "b", "c"],
        start=far * 12.5e-9,
        stop=(far + 10**7) * 12.5e-9,
        tick=12.5e-9,
        unit="s",
        provenance={"source": "a test"},
        **more,
    )


def assert_same(one, other):
    for name, column in one.columns().items():
        np.testing.assert_array_equal(other.columns()[name], column, err_msg=name)
    assert one.columns().keys() == other.columns().keys()
    assert (one.channel_names, one.unit.name) == (other.channel_names, other.unit.name)
    np.testing.assert_array_equal(one.start, other.start)
    np.testing.assert_array_equal(one.stop, other.stop)
    assert (one.tick, one.clock.fine) == (other.tick, other.clock.fine)
    np.testing.assert_array_equal(one.clock.origin, other.clock.origin)
    assert other.provenance == {"complete": True} | one.provenance


@pytest.mark.parametrize("name", ["a.npz", "a.h5", "a.ptu", "a.csv"])
@pytest.mark.parametrize("synced", [False, True])
def test_export_returns_the_same_ticks(tmp_path, name, synced):
    record = ticked(synced)
    back = tj.load(tj.export(record, tmp_path / name))
    assert_same(record, back)
    assert_same(record, tj.load(tj.export(back, tmp_path / f"again-{name}")))


@pytest.mark.parametrize("name", ["a.npz", "a.h5", "a.ptu", "a.csv"])
@pytest.mark.parametrize("synced", [False, True])
def test_gated_trajectories_with_markers_come_back_whole(tmp_path, name, synced):
    """Many windows that begin within a tick, markers as channels, corrections and notes in the provenance."""
    t3 = synced * 0x100
    words = np.concatenate([random_words(HYDRAHARP_2_T2 + t3, 500, seed) for seed in (2, 3)])
    tick = {"tick": 12.5e-9, "fine": 16e-12} if synced else {"tick": 1e-12}
    path = ptu_file(tmp_path / "raw.ptu", words, HYDRAHARP_2_T2 + t3, acquisition=None, **tick)
    record = fix.renamed(quiet(path, markers=True, unit="ns"), {"channel 0": "α,β"})
    assert "marker 2" in record.channel_names
    span = float(record.stop[0])
    record = fix.cut(record, [[0.1234 * span, 0.2 * span], [0.5 * span, 0.50001 * span]])
    assert record.n_trajectories == 3
    back = tj.load(tj.export(record, tmp_path / name))
    assert_same(record, back)
    assert [next(iter(step)) for step in back.provenance["corrections"]] == ["renamed", "cut"]
    assert_same(back, tj.load(tj.export(back, tmp_path / f"again-{name}")))


@pytest.mark.parametrize("name", ["a.npz", "a.h5", "a.csv"])
def test_export_returns_ticks_beyond_the_integers_of_a_float(tmp_path, name):
    record = ticked(far=2**54)
    assert_same(record, tj.load(tj.export(record, tmp_path / name)))


@pytest.mark.parametrize("name", ["a.h5", "a.ptu", "a.csv", "a.npz"])
def test_simulated_trajectories_come_back_with_their_windows(tmp_path, name):
    rng = np.random.default_rng(4)
    rows = np.repeat([0, 2, 3], 100)
    start, stop = np.array([0.25, 0.0, 3.5, 3.5]), np.array([10.0, 7.3, 20.0, 20.0])
    time = np.sort(start[rows].reshape(3, -1) + rng.random((3, 100)) * (stop - start)[rows].reshape(3, -1), axis=1)
    record = tj.ClickRecord.from_arrays(
        rows, time.ravel(), rng.integers(0, 2, 300), channel_names=["α", "b,c"], start=start, stop=stop
    )
    exact = name in ("a.csv", "a.npz")
    back = tj.load(tj.export(record, tmp_path / name, **({} if exact else {"tick": 1e-6, "unit": 1e-9})))
    np.testing.assert_array_equal(back.start, start)
    np.testing.assert_array_equal(back.stop, stop)
    np.testing.assert_array_equal(back.trajectory, rows)
    np.testing.assert_array_equal(back.channel, record.channel)
    assert back.channel_names == record.channel_names
    if exact:
        np.testing.assert_array_equal(back.time, record.time)
    else:
        assert np.abs(back.time - record.time).max() <= 1e-6
        assert (back.unit.name, back.unit.seconds) == ("1/ω_b", 1e-9)
        assert_same(back, tj.load(tj.export(back, tmp_path / f"b-{name}")))


def test_a_t3_export_is_read_by_ptufile(tmp_path):
    record = ticked(synced=True)
    with ptufile.PtuFile(tj.export(record, tmp_path / "a.ptu")) as file:
        events = file.decode_records()
        assert file.is_t3
    clicks = events[events["channel"] >= 0]
    assert clicks["time"].astype(np.int64).tolist() == record.stamp.tolist()
    assert clicks["dtime"].tolist() == record.within.tolist()


def test_pieces_are_the_whole_file_and_estimate_the_same(tmp_path):
    rng = np.random.default_rng(6)
    stamps = np.cumsum(rng.integers(0, 40, 60000))
    record = tj.ClickRecord.from_arrays(
        np.zeros(60000, dtype=np.int64),
        stamps,
        rng.integers(0, 2, 60000),
        channel_names=["channel 0", "channel 1"],
        start=0.0,
        stop=(int(stamps[-1]) + 1) * 1e-9,
        tick=1e-9,
        unit="s",
    )
    words, passed = [], 0
    for stamp, channel in zip(record.stamp.tolist(), record.channel.tolist(), strict=True):
        while stamp // 2**25 > passed:
            passed += 1
            words.append((1 << 31) | (63 << 25) | 1)
        words.append((channel << 25) | stamp % 2**25)
    path = ptu_file(tmp_path / "a.ptu", words, HYDRAHARP_2_T2, tick=1e-9, acquisition=None)
    file = open_measured(path, piece=2000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trajectories.records.formats.tttr.CHUNK", 512)
        pieces = list(file.blocks())
    assert len(pieces) > 25
    assert np.concatenate([piece.stamp for piece in pieces]).tolist() == record.stamp.tolist()
    assert [piece.start[0] for piece in pieces[1:]] == [piece.stop[0] for piece in pieces[:-1]]
    assert pieces[-1].stop[0] == pytest.approx(record.stop[0], rel=1e-12)
    edges = np.arange(-5, 6) * 8e-9
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trajectories.records.formats.tttr.CHUNK", 512)
        found = an.g2(file, "channel 0", "channel 1", edges)
    whole = an.g2(record, "channel 0", "channel 1", edges)
    assert 0 <= (whole.counts - found.counts).max() <= 30  # pairs across the cuts
    np.testing.assert_allclose(found.value, whole.value, rtol=3e-3)
    assert sum(e.n for e in an.rates(file).values()) == 60000


@pytest.mark.parametrize("piece", [2, 50, 10**6])
def test_pieces_of_a_file_of_ours_are_its_own_trajectories_and_names(tmp_path, piece, monkeypatch):
    monkeypatch.setattr("trajectories.records.formats.tttr.CHUNK", 64)
    record = fix.cut(ticked(synced=True), [[0.01, 0.02], [0.05, 0.0512345678]])
    path = tj.export(record, tmp_path / "a.ptu")
    pieces = list(open_measured(path, piece=piece).blocks())
    assert np.concatenate([part.stamp for part in pieces]).tolist() == record.stamp.tolist()
    assert np.concatenate([part.within for part in pieces]).tolist() == record.within.tolist()
    assert {part.channel_names for part in pieces} == {record.channel_names}
    assert pieces[0].provenance == {"complete": True} | record.provenance
    start, stop = (np.concatenate([getattr(part, name) for part in pieces]) for name in ("start", "stop"))
    assert set(record.start) <= set(start)
    assert set(record.stop) <= set(stop)
    assert (stop - start).sum() == pytest.approx(record.total_time, rel=1e-12)
    if piece > len(record):
        assert_same(record, pieces[0])
    with pytest.raises(InvalidInput, match="states its unit"):
        open_measured(path, unit="ns")


def test_pieces_of_a_damaged_file_of_ours_are_refused(tmp_path):
    path = tj.export(ticked(), tmp_path / "a.ptu")
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match="is damaged"):
        open_measured(path)


def test_what_is_said_of_a_whole_file_is_said_of_its_pieces(tmp_path):
    words, _ = steady_words()
    words = np.insert(words, 7, (1 << 31) | (1 << 25) | 300000)
    path = ptu_file(tmp_path / "a.ptu", words, HYDRAHARP_2_T2, tick=1e-9, acquisition=500)
    record = quiet(path, markers=True)
    with pytest.warns(RecordWarning, match="observed until the last event .0.06") as said:
        first, *rest = open_measured(path, markers=True, piece=300).blocks()
    assert len(said) == 1
    assert first.provenance == record.provenance
    assert sum(part.counts() for part in (first, *rest)).sum(axis=0).tolist() == record.counts()[0].tolist()
    assert rest[-1].stop[0] == record.stop[0]
    *_, last = open_measured(path, duration=0.5, piece=300).blocks()
    assert last.stop[0] == 0.5


@pytest.mark.filterwarnings("default")  # of optional fields, and of the validator itself
def test_synced_photon_hdf5_is_valid(tmp_path):
    phconvert = peers.phconvert()
    path = tj.export(ticked(synced=True), tmp_path / "a.h5")
    phconvert.hdf5.assert_valid_photon_hdf5(str(path), warnings=False, require_rootformat=True)
