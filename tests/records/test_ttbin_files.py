"""TTBIN files through a stand-in for the vendor's library, with the interface that its documentation describes.

The library needs an instrument to write files, so that none can be made here. The reader was tried by hand with
Swabian-TimeTagger 2.22 and a file of 374,564 tags of a Time Tagger 20, whole and cut at 160 places.
"""

import json
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import InvalidInput, RecordWarning

TAG, ERROR, BEGIN, END, MISSED = range(5)
STARTED = 1_667_424_822_000  # picoseconds since the device was switched on


class Buffer:
    """TimeTagStreamBuffer."""

    def __init__(self, rows, begun, until):
        self._rows = np.asarray(rows, dtype=np.int64).reshape(-1, 3)
        self.size, self.tStart, self.tGetData = len(self._rows), begun, until

    def getTimestamps(self):
        return self._rows[:, 0].copy()

    def getChannels(self):
        return self._rows[:, 1].astype(np.int32)

    def getEventTypes(self):
        return self._rows[:, 2].astype(np.uint8)

    def getMissedEvents(self):
        return np.zeros(self.size, dtype=np.uint16)


class FileReader:
    """Reads what `write` wrote; like the vendor's, it opens what it cannot read and says so to its log only."""

    def __init__(self, name):
        try:
            content = Path(name).read_bytes()
        except OSError as error:
            raise RuntimeError(f"FileReader could not open file '{name}'.") from error
        self._place, self._rows, self._config = 0, [], ""
        header, _, body = content[8:].partition(b"\n")
        try:
            self._config = header.decode()
            said = json.loads(self._config)
            self._rows = json.loads(body)
            self._until = said["until"]
        except ValueError:
            self._until = -1
            if body and self._config:
                whole = body[: body.rfind(b"],") + 1]
                self._rows = json.loads(whole + b"]") if whole else []
                self._until = self._rows[-1][0] if self._rows else -1
            log("01-Jan-2026 10:00:00: Compressed time tag block data could not be loaded (X.cpp:1)")

    def hasData(self):
        return self._place == 0 or self._place < len(self._rows)

    def getData(self, n_events):
        rows = self._rows[self._place : self._place + n_events]
        begun = STARTED if self._place == 0 else rows[0][0]
        self._place += max(len(rows), 1)
        last = self._place >= len(self._rows)
        return Buffer(rows, begun if rows else -1, (self._until if last else self._rows[self._place][0]))

    def getConfiguration(self):
        return json.loads(self._config)

    def getChannelList(self):
        return tuple(json.loads(self._config)["channels"])


log = print


def set_logger(callback):
    global log
    log = print if callback is None else lambda text: callback(40, text)


@pytest.fixture
def library(monkeypatch):
    """The stand-in, installed under the library's present name."""
    module = types.ModuleType("Swabian.TimeTagger")
    module.FileReader, module.setLogger = FileReader, set_logger
    monkeypatch.setitem(sys.modules, "Swabian", types.ModuleType("Swabian"))
    monkeypatch.setitem(sys.modules, "Swabian.TimeTagger", module)
    return module


def write(path, rows, channels=(1, 2), until=10_000):
    rows = [[STARTED + time, channel, kind] for time, channel, kind in rows]
    said = {"channels": channels, "until": STARTED + until, "devices": [{"model": "Time Tagger 20"}]}
    path.write_bytes(b"SITT \0\0\0" + json.dumps(said).encode() + b"\n" + json.dumps(rows).encode())
    return path


TAGS = [(5, 1, TAG), (7, 2, TAG), (7, 1, TAG), (4000, 1, TAG), (9000, 2, TAG)]


def test_tags_are_picoseconds_from_the_start_of_the_measurement(library, tmp_path, capfd):
    record = tj.load(write(tmp_path / "a.ttbin", TAGS), unit="ns")
    assert record.stamp.tolist() == [5, 7, 7, 4000, 9000]
    assert record.channel.tolist() == [0, 1, 0, 0, 1]
    assert record.channel_names == ("channel 1", "channel 2")
    assert (record.tick, record.start[0], record.stop[0]) == pytest.approx((1e-3, 0.0, 10.0), rel=1e-12)
    assert record.provenance["header"]["start_ps"] == STARTED
    assert "Time Tagger 20" in record.provenance["header"]["devices"]
    assert "notes" not in record.provenance
    assert capfd.readouterr() == ("", "")


def test_the_file_is_known_by_how_it_begins(library, tmp_path):
    assert len(tj.load(write(tmp_path / "measurement.dat", TAGS))) == 5
    (tmp_path / "b.ttbin").write_bytes(b"")
    with pytest.raises(InvalidInput, match="neither a run folder nor"):
        tj.load(tmp_path / "b.ttbin")


def test_falling_edges_and_channels_that_never_clicked_are_kept(library, tmp_path):
    record = tj.load(write(tmp_path / "a.ttbin", [(5, -1, TAG), (6, 1, TAG)], channels=(-1, 1, 8)))
    assert record.channel_names == ("channel -1", "channel 1", "channel 8")
    assert record.counts().tolist() == [[1, 1, 0]]


@pytest.mark.parametrize("chunk", [1, 2, 100])
def test_stretches_in_which_the_instrument_lost_tags_are_no_observed_time(library, tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("trajectories.records.formats.ttbin.CHUNK", chunk)
    rows = [(5, 1, TAG), (1000, 0, BEGIN), (2000, 1, MISSED), (3000, 0, END), (4000, 1, TAG), (8000, 0, BEGIN)]
    path = write(tmp_path / "a.ttbin", rows)
    with pytest.warns(RecordWarning, match="lost events in 2 stretches, 4e-09 s in all"):
        record = tj.load(path)
    np.testing.assert_allclose(record.start, [0.0, 3e-9])
    np.testing.assert_allclose(record.stop, [1e-9, 8e-9])
    assert record.trajectory.tolist() == [0, 1]
    with pytest.warns(RecordWarning, match="lost events"):
        pieces = list(tj.open_measured(path, piece=2).blocks())
    assert sum(piece.total_time for piece in pieces) == pytest.approx(6e-9)
    assert sum(map(len, pieces)) == 2


def test_pieces_are_the_whole(library, tmp_path, monkeypatch):
    monkeypatch.setattr("trajectories.records.formats.ttbin.CHUNK", 64)
    times = np.cumsum(np.random.default_rng(1).integers(0, 30, 1000)).tolist()
    path = write(tmp_path / "a.ttbin", [(time, 1 + k % 2, TAG) for k, time in enumerate(times)], until=20_000)
    pieces = list(tj.open_measured(path, unit="ps", piece=100).blocks())
    assert len(pieces) > 5
    assert np.concatenate([piece.stamp for piece in pieces]).tolist() == times
    assert pieces[-1].stop[0] == 20_000
    assert [rate.n for rate in an.rates(tj.open_measured(path, unit="ps")).values()] == [500, 500]


def test_a_file_cut_anywhere_gives_the_tags_before_the_cut_or_one_line(library, tmp_path):
    whole = write(tmp_path / "a.ttbin", TAGS).read_bytes()
    read, lines = 0, []
    for end in range(len(whole) - 1):
        (tmp_path / "b.ttbin").write_bytes(whole[:end])
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RecordWarning)
                record = tj.load(tmp_path / "b.ttbin", unit="ps")
        except InvalidInput as error:
            lines.append(str(error))
            continue
        read += 1
        assert record.stamp.tolist() == [time for time, *_ in TAGS][: len(record)]
        assert "is cut off" in record.provenance["notes"][0]
    assert read > 5
    assert lines
    assert not any("\n" in line for line in lines)


def test_the_first_file_of_a_split_measurement_without_the_others_is_one_line(library, tmp_path):
    with pytest.raises(
        InvalidInput, match=r"holds no time tags; the files of a split measurement, name\.1\.ttbin"
    ):
        tj.load(write(tmp_path / "a.ttbin", []))


def test_options_that_do_not_belong_are_refused(library, tmp_path):
    path = write(tmp_path / "a.ttbin", TAGS)
    for options in ({"markers": True}, {"tick": 1e-12}, {"columns": (0, 1)}):
        with pytest.raises(InvalidInput, match="does not apply"):
            tj.load(path, **options)
    assert tj.load(path, unit="ns", duration=20.0).stop[0] == 20.0


def test_without_the_library_the_line_says_how_to_get_it(tmp_path, monkeypatch):
    for name in ("Swabian", "Swabian.TimeTagger", "TimeTagger"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(InvalidInput, match=r"TTBIN needs Swabian-TimeTagger .*pip install Swabian-TimeTagger"):
        tj.load(write(tmp_path / "a.ttbin", TAGS))


def test_the_former_name_of_the_library_serves_too(library, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "TimeTagger", library)
    monkeypatch.setitem(sys.modules, "Swabian.TimeTagger", None)
    assert len(tj.load(write(tmp_path / "a.ttbin", TAGS))) == 5
