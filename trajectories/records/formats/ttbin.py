"""TTBIN: files of Swabian Instruments' Time Taggers, read through the vendor's library, if installed.

Source: the documentation of ``FileReader`` and ``TimeTagStreamBuffer``. These count picoseconds from the start of
the device; a record counts from the start of the measurement, which the header keeps as ``start_ps``.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InvalidInput, MissingPackage
from .events import Events, Photons

MAGIC = b"SITT"
PICOSECOND = 1e-12
# Tags read at a time.
CHUNK = 2**20
# Types of tags: photon, clock fault, start and end of an overrun, number of tags lost in an overrun.
TAG, ERROR, OVERFLOW_BEGIN, OVERFLOW_END, MISSED = range(5)
MOST_CHANNELS = 256
# Settings that the provenance keeps.
KEPT = ("devices", "current time", "software version")


def is_ttbin(path: Path) -> bool:
    """Whether a file begins as TTBIN files do."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


class TimeTaggerFile:
    """A TTBIN file, or the sequence of files of a split measurement.

    Parameters
    ----------
    path : pathlib.Path
        The file; of a sequence the first one, ``name.ttbin`` or ``name.1.ttbin``.

    Raises
    ------
    InvalidInput
        The vendor's library is not installed, or cannot open the file.
    """

    tick = PICOSECOND
    fine = None
    capacity = 0
    keeps_time = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: dict[str, Any] = {"format": "TTBIN"}
        self.truncated = False
        self._library = time_tagger()
        self._numbers: list[int] = []
        with self._opened() as (reader, said):
            try:
                settings = reader.getConfiguration()
                self._numbers = sorted({int(number) for number in reader.getChannelList()})
            except Exception as error:  # a damaged header can raise anything in the library
                raise InvalidInput(f"{path} is no readable TTBIN file: {_first(said) or error}") from error
        self.header |= {name: str(settings[name]) for name in KEPT if name in settings}

    def events(self, into: Photons | None = None) -> Iterator[Events]:
        """Yield the tags a chunk at a time, in picoseconds from the start of the measurement.

        Raises
        ------
        InvalidInput
            There are no tags, or more channels than a record can hold.
        """
        first: int | None = None
        lost_from: int | None = None
        latest = 0
        with self._opened() as (reader, said):
            while reader.hasData():
                buffer = reader.getData(CHUNK)
                stamp = np.asarray(buffer.getTimestamps(), dtype=np.int64)
                if not len(stamp):
                    break
                if first is None:
                    first = int(stamp[0])
                    begun = int(getattr(buffer, "tStart", -1))
                    first = begun if 0 <= begun <= first else first
                    self.header["start_ps"] = first
                stamp = stamp - first
                kind = np.asarray(buffer.getEventTypes())
                ended = int(getattr(buffer, "tGetData", -1)) - first - 1
                latest = max(latest, int(stamp[-1]), ended)
                lost, lost_from = _lost(stamp, kind, lost_from)
                tags = kind == TAG
                channel = self._place(np.asarray(buffer.getChannels())[tags])
                none = (np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int16))
                yield Events(stamp[tags], channel, *none, latest, lost)
            if lost_from is not None:  # the overrun did not end before the file
                lost = np.array([[lost_from, latest + 1]])
                yield Events(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int16), *none, latest, lost)
        self.truncated = any("could not be loaded" in text for text in said)
        if first is None:
            raise InvalidInput(
                f"{self.path} holds no time tags{': ' + _first(said) if said else ''}; the files of a split "
                "measurement, name.1.ttbin and so on, must lie beside it"
            )

    def claimed(self, latest: int) -> float:
        """Return the duration in seconds: until when the instrument streamed."""
        return (latest + 1) * PICOSECOND

    def watched(self) -> tuple[int, ...]:
        """Return the positions of the recorded channels."""
        return tuple(range(len(self._numbers)))

    def named(self, channel: int) -> str:
        """Return the name of a channel; falling edges have negative numbers."""
        return f"channel {self._numbers[channel]}"

    def _place(self, number: NDArray[Any]) -> NDArray[np.int16]:
        """Return the positions of channels in the list of their numbers; new ones are appended."""
        distinct, inverse = np.unique(number, return_inverse=True)
        self._numbers += [int(one) for one in distinct if one not in self._numbers]
        if len(self._numbers) > MOST_CHANNELS:
            raise InvalidInput(f"{self.path} has more than {MOST_CHANNELS} channels; write fewer to the file")
        places = [self._numbers.index(int(one)) for one in distinct]
        return np.asarray(places, dtype=np.int16)[inverse]

    @contextmanager
    def _opened(self) -> Iterator[tuple[Any, list[str]]]:
        """Open the file; collect the library's messages, which would go to standard error."""
        said: list[str] = []
        log = getattr(self._library, "setLogger", None)
        if log is not None:
            log(lambda level, text: said.append(str(text)))
        try:
            try:
                reader = self._library.FileReader(str(self.path))
            except Exception as error:
                raise InvalidInput(f"{self.path} is no readable TTBIN file: {error}") from error
            yield reader, said
        finally:
            if log is not None:
                log(None)


def time_tagger() -> Any:
    """Import the vendor's library under its present or former name; if missing, say how to install it."""
    try:
        return importlib.import_module("Swabian.TimeTagger")
    except ImportError as error:
        try:
            return importlib.import_module("TimeTagger")
        except ImportError:
            raise MissingPackage("TTBIN", "Swabian-TimeTagger", error) from error


def _lost(stamp: NDArray[np.int64], kind: NDArray[Any], begun: int | None) -> tuple[NDArray[np.int64], int | None]:
    """Return the intervals of overruns in a chunk, and the start of one that has not ended."""
    stretches = []
    for place in np.flatnonzero((kind != TAG) & (kind != MISSED)):
        at = int(stamp[place])
        if kind[place] == OVERFLOW_BEGIN and begun is None:
            begun = at
        elif kind[place] == OVERFLOW_END:
            stretches.append([at if begun is None else begun, at])
            begun = None
        elif kind[place] == ERROR:
            stretches.append([at, at])
    return np.array(stretches, dtype=np.int64).reshape(-1, 2), begun


def _first(said: list[str]) -> str:
    """Return the most informative message of the library, without its time and source line."""
    telling = [text for text in said if "could not" in text or "ncorrect" in text] or said
    return telling[0].split(": ", 1)[-1].split(" (")[0] if telling else ""
