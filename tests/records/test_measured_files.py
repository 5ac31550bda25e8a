"""Files of instruments: the photons in them and no others, wherever they were cut and whatever they lack."""

import warnings
from pathlib import Path

import numpy as np
import peers
import pytest
from tagged_files import hydraharp_file, picoharp_file, ptu_file, random_words

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import InvalidInput, RecordWarning
from trajectories.records import corrections as fix
from trajectories.records.formats import open_measured
from trajectories.records.formats.ptu_reader import tagged_ptu
from trajectories.records.formats.tttr import LAYOUTS

ptufile = pytest.importorskip("ptufile")
# Beside the repository, or beside the folder of its worktrees.
DATA = next(
    (d for d in (p / "shared" / "data" for p in Path(__file__).parents[3:5]) if d.exists()), Path("missing")
)
HBT = DATA / "200213_HH400_T3_80MHz_HBT.timeres"
measured = pytest.mark.skipif(not HBT.exists(), reason="needs the measured files in ../shared/data")
HYDRAHARP_2_T2, HYDRAHARP_2_T3 = 0x01010204, 0x01010304


def quiet(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        return tj.load(path, **options)


# What instruments measured, counted by an independent reader with integers.


@measured
def test_a_hydraharp_t2_file():
    record = tj.load(DATA / "hh_v30_t2.ptu")
    assert (len(record), record.channel_names) == (305565, ("channel 0",))
    assert (record.stamp[0], record.stamp[-1], record.tick, record.unit.name) == (
        24433765,
        4999964931763,
        1e-12,
        "s",
    )
    assert (record.start[0], record.stop[0]) == (0.0, 5.0)


@measured
def test_a_hydraharp_t3_file_to_the_count():
    record = tj.load(HBT)
    assert record.counts().tolist() == [[160953, 235373]]
    assert (record.stamp[0], record.stamp[-1]) == (13049, 400137390)
    assert (record.tick, record.clock.fine) == (12.495520355952392e-9, 16e-12)
    assert record.within[:3].tolist() == [341, 272, 346]
    period = record.tick

    def pairs(first, last):
        return an.g2(record, "channel 0", "channel 1", np.arange(first, last + 1) * period).counts

    assert pairs(-3, 8).tolist() == [398, 413, 383, 356, 381, 1, 359, 396, 349, 376, 341]
    assert (pairs(-100, 0).sum(), pairs(1, 101).sum(), pairs(-1000, 1001).sum()) == (33504, 33344, 389833)
    dip = an.g2(record, "channel 0", "channel 1", np.array([2, 3]) * period)
    assert dip.value[0] == pytest.approx(0.011, abs=0.001)


@measured
@pytest.mark.parametrize("name", ["hh_v20.ht2", "hh_v10.ht3"])
def test_older_hydraharp_files(name):
    with pytest.warns(RecordWarning, match="is cut off"):
        record = tj.load(DATA / name)
    lines = [line.split(",") for line in (DATA / f"{name}.data").read_text().split()]
    expected = np.array(lines, dtype=np.int64)
    assert record.stamp.tolist()[: len(expected)] == expected[:, 1].tolist()
    if name.endswith("2"):
        assert record.channel_names == ("sync",)  # the text numbers the sync input after the others
    else:
        assert record.channel.tolist() == expected[:, 0].tolist()
        assert (record.within * 4).tolist() == expected[:, 2].tolist()


# The decoder against ptufile's, record by record.


@pytest.mark.parametrize("kind", sorted(LAYOUTS))
def test_every_record_type_is_decoded_as_ptufile_does(tmp_path, kind):
    path = ptu_file(tmp_path / "a.ptu", random_words(kind), kind, tick=1e-7 if kind & 0x300 == 0x300 else 1e-12)
    with ptufile.PtuFile(path) as file:
        theirs = file.decode_records()
    chunks = list(tagged_ptu(path).events())
    stamp, channel, within = (np.concatenate([chunk[k] for chunk in chunks]) for k in range(3))
    photons = theirs[theirs["channel"] >= 0]
    assert stamp.tolist() == photons["time"].astype(np.int64).tolist()
    assert channel.tolist() == photons["channel"].tolist()
    if kind & 0x300 == 0x300:
        assert within.tolist() == photons["dtime"].tolist()
    marked = theirs[theirs["marker"] > 0]
    assert np.concatenate([chunk.marker_bits for chunk in chunks]).tolist() == marked["marker"].tolist()
    assert np.concatenate([chunk.marker_stamp for chunk in chunks]).tolist() == marked["time"].astype(int).tolist()


def test_chunks_carry_their_overflows_on(tmp_path, monkeypatch):
    path = ptu_file(tmp_path / "a.ptu", random_words(HYDRAHARP_2_T2), HYDRAHARP_2_T2)
    whole = quiet(path)
    monkeypatch.setattr("trajectories.records.formats.tttr.CHUNK", 17)
    again = quiet(path)
    assert again.stamp.tolist() == whole.stamp.tolist()
    assert again.channel.tolist() == whole.channel.tolist()


def test_sync_events_of_t2_mode_are_a_channel_of_their_own(tmp_path):
    words = [5, (1 << 31) | 9, (1 << 25) | 11]
    record = quiet(ptu_file(tmp_path / "a.ptu", words, HYDRAHARP_2_T2))
    assert record.channel_names == ("channel 0", "channel 1", "sync")
    assert record.channel.tolist() == [0, 2, 1]


def test_markers_are_no_photons_and_can_be_asked_for(tmp_path):
    words = [5, (1 << 31) | (1 << 25) | 9, (1 << 31) | (6 << 25) | 10, (1 << 25) | 11]
    path = ptu_file(tmp_path / "a.ptu", words, HYDRAHARP_2_T2)
    record = quiet(path)
    assert record.channel_names == ("channel 0", "channel 1")
    assert any("2 markers are no photons" in said for said in record.provenance["notes"])
    marked = quiet(path, markers=True)
    assert marked.channel_names == ("channel 0", "channel 1", "marker 1", "marker 2", "marker 3")
    assert marked.counts().tolist() == [[1, 1, 1, 1, 1]]


def test_pt3_as_phconvert_reads_it(tmp_path):
    reader = peers.phconvert("phconvert.pqreader")
    words = np.sort(random_words(0x00010303, 500) & 0xFFFF) | (2 << 28) | (77 << 16)
    path = picoharp_file(tmp_path / "a.pt3", words.astype(np.uint32), t3=True)
    stamps, detectors, nanotimes = reader.load_pt3(str(path))[:3]
    record = quiet(path)
    assert record.stamp.tolist() == np.asarray(stamps).tolist()
    assert set(np.asarray(detectors).tolist()) == {2}
    assert record.channel_names == ("channel 1",)
    assert record.within.tolist() == np.asarray(nanotimes).tolist()


@pytest.mark.parametrize("t3", [False, True])
@pytest.mark.parametrize("version", [b"1.0", b"2.0"])
def test_ht_files_are_what_ptu_files_of_the_same_records_are(tmp_path, t3, version):
    kind = (0x01010000 if version == b"2.0" else 0x00010000) | (0x304 if t3 else 0x204)
    words = random_words(kind)
    one = quiet(hydraharp_file(tmp_path / "a.ht", words, t3, version))
    other = quiet(ptu_file(tmp_path / "a.ptu", words, kind, tick=1e-7 if t3 else 1e-12, fine=4e-12))
    assert one.stamp.tolist() == other.stamp.tolist()
    assert (one.tick, one.clock.fine) == (other.tick, other.clock.fine)
    if t3:
        assert one.within.tolist() == other.within.tolist()


# What a file leaves out or claims wrongly.


def steady_words(photons=2000, every=30000):
    """T2 photons at equal distances, with the overflows between them."""
    stamps = np.arange(1, photons + 1) * every
    words, passed = [], 0
    for stamp in stamps.tolist():
        while stamp // 2**25 > passed:
            passed += 1
            words.append((1 << 31) | (63 << 25) | 1)
        words.append(stamp % 2**25)
    return np.array(words, dtype=np.uint32), stamps


def synced_words(photons=300):
    """T3 photons of two channels three syncs apart, with an overflow of one where the sync number wraps."""
    words, passed = [], 0
    for k in range(photons):
        if 3 * k // 1024 > passed:
            passed += 1
            words.append((1 << 31) | (63 << 25) | 1)
        words.append(((k % 2) << 25) | (k % 700 << 10) | 3 * k % 1024)
    return np.array(words, dtype=np.uint32)


def test_a_header_that_says_no_records_is_read_to_the_end_of_the_file(tmp_path):
    words, stamps = steady_words()
    record = quiet(ptu_file(tmp_path / "a.ptu", words, HYDRAHARP_2_T2, records=0))
    assert record.stamp.tolist() == stamps.tolist()


def test_a_header_that_claims_more_time_than_the_data_cover_is_said(tmp_path):
    words, _ = steady_words()
    path = ptu_file(tmp_path / "a.ptu", words, HYDRAHARP_2_T2, tick=1e-9, acquisition=500)
    with pytest.warns(RecordWarning, match="claims a measurement of 0.5; its events end at 0.06"):
        record = tj.load(path)
    assert record.stop[0] == pytest.approx(0.06, rel=1e-4)
    assert tj.load(path, duration=0.5).stop[0] == 0.5
    with pytest.raises(InvalidInput, match="ends before the last event"):
        tj.load(path, duration=0.05)


def test_one_that_fits_is_not(tmp_path):
    words, _ = steady_words()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        record = tj.load(ptu_file(tmp_path / "a.ptu", words, HYDRAHARP_2_T2, tick=1e-9, acquisition=60))
    assert record.stop[0] == pytest.approx(0.06, abs=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda path, words: ptu_file(path, words, HYDRAHARP_2_T2, acquisition=10**6),
        lambda path, words: hydraharp_file(path, words, False),
        lambda path, words: picoharp_file(path, words & 0xFFFFFFF, False),
        lambda path, _: ptu_file(path, synced_words(), HYDRAHARP_2_T3, tick=1e-7, acquisition=10**6),
        lambda path, _: hydraharp_file(path, synced_words(), True, b"1.0"),
        lambda path, _: picoharp_file(path, np.arange(1, 300, dtype=np.uint32) * 200 | (1 << 28), True),
    ],
    ids=["PTU T2", "HT2", "PT2", "PTU T3", "HT3", "PT3"],
)
def test_a_file_cut_anywhere_gives_right_numbers_or_one_line(tmp_path, make):
    words, _ = steady_words(300)
    whole = make(tmp_path / "whole", words).read_bytes()
    record = quiet(tmp_path / "whole")
    ends = sorted({*range(0, 900, 7), *range(900, len(whole), 37), len(whole) - 1, len(whole) - 4})
    read, lines = 0, []
    for end in ends:
        (tmp_path / "cut").write_bytes(whole[:end])
        try:
            cut = quiet(tmp_path / "cut")
        except InvalidInput as error:
            lines.append(str(error))
            continue
        read += 1
        assert cut.stamp.tolist() == record.stamp[: len(cut)].tolist()
        assert len(cut) < len(record)
        assert cut.stop[0] <= record.stop[0]
        assert "is cut off" in " ".join(cut.provenance["notes"]) or not len(cut)
    assert read > 10
    assert lines
    assert not any("\n" in line for line in lines)


def test_records_that_are_none_are_refused(tmp_path):
    words = np.array([5, (1 << 31) | (40 << 25) | 9], dtype=np.uint32)
    with pytest.raises(InvalidInput, match="neither photon, marker nor overflow"):
        tj.load(ptu_file(tmp_path / "a.ptu", words, HYDRAHARP_2_T2))


@pytest.mark.parametrize(
    ("kind", "options", "match"),
    [
        (0x01019999, {}, "unknown type"),
        (HYDRAHARP_2_T2, {"tick": 0.0}, "tick of 0"),
        (HYDRAHARP_2_T3, {"tick": float("inf")}, "tick of inf"),
    ],
)
def test_headers_that_cannot_be_right_are_refused(tmp_path, kind, options, match):
    with pytest.raises(InvalidInput, match=match):
        tj.load(ptu_file(tmp_path / "a.ptu", [1, 2, 3], kind, **options))


def test_clicks_out_of_order_are_sorted_and_said(tmp_path):
    record = quiet(ptu_file(tmp_path / "a.ptu", [9, 5, 7], HYDRAHARP_2_T2))
    assert record.stamp.tolist() == [5, 7, 9]
    assert "1 clicks were stored after a later one; sorted" in record.provenance["notes"]


# Our own files: the same ticks again.


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


# Larger than memory: piece by piece.


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
    with pytest.raises(InvalidInput, match="knows its unit"):
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
    with pytest.warns(RecordWarning, match="claims a measurement of 0.5; its events end at 0.06") as said:
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
