"""Files of instruments: the photons in them and no others, wherever they were cut and whatever they lack."""

import warnings
from pathlib import Path

import numpy as np
import peers
import pytest
from tagged_files import (
    HYDRAHARP_2_T2,
    HYDRAHARP_2_T3,
    hydraharp_file,
    picoharp_file,
    ptu_file,
    random_words,
    steady_words,
)

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import InvalidInput, RecordWarning
from trajectories.records.formats.ptu_reader import tagged_ptu
from trajectories.records.formats.tttr import LAYOUTS

ptufile = pytest.importorskip("ptufile")


# Beside the repository, or beside the folder of its worktrees.
DATA = next(
    (d for d in (p / "shared" / "data" for p in Path(__file__).parents[3:5]) if d.exists()), Path("missing")
)


HBT = DATA / "200213_HH400_T3_80MHz_HBT.timeres"


measured = pytest.mark.skipif(not HBT.exists(), reason="needs the measured files in ../shared/data")


def quiet(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecordWarning)
        return tj.load(path, **options)


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
    assert any("2 markers were left out" in said for said in record.provenance["notes"])
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
    with pytest.warns(RecordWarning, match="observed until the last event .0.06"):
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
    assert "1 click was stored after a later one; they were sorted" in record.provenance["notes"]
