"""CSV and TXT: columns of time tags from instruments and spreadsheets, and the CSV of this package."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from ...checks import positive_number, shown, time_unit
from ...errors import InvalidInput
from ...time_units import SECONDS
from ..clicks import ClickRecord
from ..files import parse_json
from ..record_checks import MAX_CHANNELS
from .measured import in_order, note, observed, seconds_of
from .source import FORMAT

# Lines read at a time, and the longest channel label in the fast reader.
LINES, LABEL = 2**16, 16
TIME_NAMES = ("time", "timestamp", "timestamps", "timetag", "timetags", "stamp", "tick", "ticks", "t", "macrotime")
CHANNEL_NAMES = ("channel", "channels", "ch", "chan", "detector", "detectors", "det")
WINDOW = re.compile(r"# trajectory (\d+) from (\S+) to (\S+)")


def read_text(
    path: Path,
    unit: Any = None,
    duration: float | None = None,
    tick: float | None = None,
    columns: Sequence[str | int] | None = None,
) -> ClickRecord:
    """Read a text file with a time tag and a channel on every line.

    Commas, semicolons, tabs or blanks separate columns; lines that begin with #, % or // are comments. A header
    line such as "channel, time [ps]" names the columns, and its unit is used. Whole numbers with a `tick` or a
    named unit are ticks; decimal numbers are times.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    unit : str or float, optional
        Unit of time of the record; by default seconds, or for decimal numbers the unit in the header.
    duration : float, optional
        Observed time in that unit; up to the last time tag when not given.
    tick : float, optional
        Length of a tick in seconds, for whole numbers; needed if the header names no unit.
    columns : sequence of two str or int, optional
        Names, or numbers from 0, of the columns of time and channel.

    Raises
    ------
    InvalidInput
        Neither a header nor `columns`, lines without numbers, or whole numbers of unknown unit.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="strict", newline="") as stream:
            first = stream.readline()
            if first.startswith(f"# {FORMAT}"):
                if any(given is not None for given in (unit, duration, tick, columns)):
                    raise InvalidInput(f"{path} states its columns and unit; leave out the options")
                return _ours(path, stream)
            stream.seek(0)
            return _foreign(path, stream, unit, duration, tick, columns)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not text in UTF-8; give PTU, HT2, HT3, PT2, PT3, HDF5 or text") from error
    except csv.Error as error:
        raise InvalidInput(f"{path} is not text in columns ({error}); give time and channel") from error


def is_own_text(path: Path) -> bool:
    """Whether this package wrote a file."""
    with path.open("rb") as stream:
        return stream.readline().startswith(f"# {FORMAT}".encode())


class Columns(NamedTuple):
    """Times (whole or decimal) of a part of a file, and its channels as positions in the list of labels."""

    times: NDArray[Any]
    channel: NDArray[np.int16]


def _separator(line: str) -> str | None:
    """Return the separator of the columns of a line; None for blanks."""
    return next((mark for mark in (";", "\t", ",") if mark in line), None)


def _fields(line: str, separator: str | None) -> list[str]:
    fields = line.split() if separator is None else next(csv.reader([line], delimiter=separator))
    return [entry.strip() for entry in fields]


def _is_comment(line: str) -> bool:
    text = line.strip()
    return not text or text.startswith(("#", "%", "//"))


def _foreign(
    path: Path,
    stream: TextIO,
    unit: Any,
    duration: float | None,
    tick: float | None,
    columns: Sequence[str | int] | None,
) -> ClickRecord:
    number, first = next(((k, line) for k, line in enumerate(stream, 1) if not _is_comment(line)), (0, ""))
    separator = _separator(first.strip())
    fields = _fields(first.strip(), separator)
    if not any(fields):
        raise InvalidInput(f"{path} holds no numbers; give a file with a time and a channel on every line")
    named = not all(_is_number(entry) for entry in fields[:2])
    when, which, unit_name = _places(path, fields if named else None, columns, len(fields))
    values: NDArray[Any]
    place: NDArray[Any]
    labels: dict[str, int] = {}
    reader = _Reader(path, separator, when, which, labels)
    parts = [] if named else [reader.columns([first], number)]
    last = first
    while lines := list(islice(stream, LINES)):
        parts.append(reader.columns(lines, number + 1))
        number, last = number + len(lines), lines[-1]
    times = _one([part.times for part in parts])
    channel = np.concatenate([np.zeros(0, dtype=np.int16), *(part.channel for part in parts)])
    ordered = sorted(labels, key=lambda label: (0, int(label), "") if label.isdigit() else (1, 0, label))
    names = [f"channel {label}" if label.isdigit() else label for label in ordered] or ["channel 0"]
    lookup = np.zeros(max(len(labels), 1), dtype=np.int16)
    for position, label in enumerate(ordered):
        lookup[labels[label]] = position
    notes: list[str] = []
    if not last.endswith(("\n", "\r")):
        note(notes, f"{path.name} ends within a line, which may be cut off", warn=False)
    whole = times.dtype.kind == "i"
    measure = time_unit(unit if unit is not None else (unit_name or "s") if not whole else "s")
    seconds = seconds_of(measure)
    more: dict[str, Any] = {}
    if whole:
        length = tick if tick is not None else None if unit_name is None else SECONDS[unit_name]
        if length is None:
            raise InvalidInput(f"{path} counts time in ticks of unknown length; give tick= in seconds")
        more["tick"] = step = positive_number(length, "tick") / seconds
        values, place, _ = in_order(times, lookup[channel], None, notes)
        latest = (int(values[-1]) + 1 if len(values) else 1) * step
        start = min(0.0, (int(values[0]) if len(values) else 0) * step)
    else:
        values = times * (
            (SECONDS[unit_name] if unit_name else 1.0 if tick is None else positive_number(tick, "tick")) / seconds
        )
        values, place, _ = in_order(values, lookup[channel], None, notes)
        latest, start = float(values[-1]), min(0.0, float(values[0]))
        if latest == start and duration is None:
            raise InvalidInput(f"all times of {path} are {latest:g}; give duration=, which they do not tell")
    stop = start + observed(path, None, latest - start, 0.0, duration, False, notes, measure)
    return ClickRecord.from_arrays(
        np.zeros(len(values), dtype=np.int64),
        values,
        place,
        channel_names=names,
        start=start,
        stop=stop,
        unit=measure,
        provenance={"source": path.name, "header": {"format": "text"}, "notes": notes},
        **more,
    )


class _Reader:
    """Reads lines of columns: all at once if NumPy can, else line by line.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    separator : str or None
        Separator of columns; None for blanks.
    when, which : int
        Columns of time and of channel.
    labels : dict of str to int
        Position of each channel label found so far; new ones are added.
    """

    def __init__(self, path: Path, separator: str | None, when: int, which: int, labels: dict[str, int]) -> None:
        self._path, self._separator, self._labels = path, separator, labels
        self._when, self._which = when, which

    def columns(self, lines: list[str], number: int) -> Columns:
        """Return the columns of lines, the first of which is line `number` of the file.

        Raises
        ------
        InvalidInput
            A line has too few columns, or a time that is not a number.
        """
        kept = [line for line in lines if not _is_comment(line)]
        if not kept:
            return Columns(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int16))
        for kind in (np.int64, np.float64):
            found = self._at_once(kept, kind)
            if found is not None:
                return found
        return self._one_by_one(lines, number)

    def _at_once(self, lines: list[str], kind: Any) -> Columns | None:
        """Return the columns of lines that NumPy reads; None if it cannot read one of them."""
        try:
            table = np.loadtxt(
                lines,
                dtype=[("time", kind), ("label", f"U{LABEL}")],
                delimiter=self._separator,
                usecols=(self._when, self._which),
                comments=None,
                quotechar='"',
                ndmin=1,
            )
        except (ValueError, IndexError, OverflowError):
            return None
        times = table["time"]
        distinct, inverse = np.unique(table["label"], return_inverse=True)
        labels = [str(label) for label in distinct]
        if not (np.abs(times) < 2.0**63).all() or any(len(label) == LABEL for label in labels):
            return None  # not a number, too many digits, or a label longer than LABEL
        places = [self._place(label.strip()) for label in labels]
        return Columns(times.copy(), np.array(places, dtype=np.int16)[inverse])

    def _one_by_one(self, lines: list[str], number: int) -> Columns:
        times, places = [], []
        for line, text in enumerate(lines, number):
            if _is_comment(text):
                continue
            entries = _fields(text.strip(), self._separator)
            if max(self._when, self._which) >= len(entries):
                raise InvalidInput(
                    f"{self._path}: line {line} has {len(entries)} columns, too few; is the file cut off?"
                )
            if not _is_number(entries[self._when]):
                raise InvalidInput(
                    f"{self._path}: line {line} has the time {shown(entries[self._when])}; it must be a number"
                )
            times.append(entries[self._when])
            places.append(self._place(entries[self._which]))
        whole = all(entry.lstrip("+-").isdigit() for entry in times)
        if whole and any(abs(int(entry)) >= 2**63 for entry in times):
            raise InvalidInput(f"{self._path} has times of more than 63 bits; subtract an offset")
        values = [int(entry) for entry in times] if whole else [float(entry) for entry in times]
        return Columns(np.array(values, dtype=np.int64 if whole else np.float64), np.array(places, dtype=np.int16))

    def _place(self, label: str) -> int:
        if not label:
            raise InvalidInput(f"{self._path} has a line without a channel; is the file cut off?")
        if len(self._labels) > MAX_CHANNELS:
            raise InvalidInput(f"{self._path} has more than {MAX_CHANNELS} channels; is that column the channel?")
        return self._labels.setdefault(label, len(self._labels))


def _one(parts: list[NDArray[Any]]) -> NDArray[Any]:
    """Return all times, as integers if all parts are; an empty list gives an empty integer array."""
    if not parts:
        return np.zeros(0, dtype=np.int64)
    filled = [part for part in parts if len(part)]
    return np.concatenate(filled) if filled else np.zeros(0, dtype=np.int64)


def _places(
    path: Path, header: list[str] | None, columns: Sequence[str | int] | None, width: int
) -> tuple[int, int, str | None]:
    """Return the numbers of the columns of time and channel, and the unit in the header."""
    plain = [re.sub(r"[\[(/].*$", "", entry).strip().lower() for entry in header or []]
    if columns is not None:
        if len(columns) != 2:
            raise InvalidInput(f"columns={shown(columns)} must be two, of time and of channel")
        places = []
        for wanted in columns:
            if isinstance(wanted, str) and not wanted.isdigit():
                known = [*(header or []), *plain]
                if wanted not in known:
                    raise InvalidInput(
                        f"{path} has no column {wanted!r}; its columns are {', '.join(header or [])}"
                    )
                places.append(known.index(wanted) % max(len(plain), 1))
            else:
                places.append(int(wanted))
        if not all(0 <= place < width for place in places) or places[0] == places[1]:
            raise InvalidInput(f"columns={shown(columns)} must be two of the {width} columns, counted from 0")
        when, which = places
    elif header is None:
        if width != 2:
            raise InvalidInput(f"{path} names none of its {width} columns; give columns=(time, channel)")
        raise InvalidInput(f"{path} has no names of columns; give columns=(time, channel), from 0")
    else:
        found = [[k for k, name in enumerate(plain) if name in names] for names in (TIME_NAMES, CHANNEL_NAMES)]
        if not all(len(places) == 1 for places in found):
            raise InvalidInput(
                f"{path} has the columns {', '.join(header)}, none clearly time and channel; "
                "give columns=(time, channel)"
            )
        when, which = found[0][0], found[1][0]
    unit_name = re.search(r"[\[(/]\s*(\w+)\s*[\])]?\s*$", header[when]) if header else None
    known_unit = unit_name.group(1) if unit_name and unit_name.group(1) in SECONDS else None
    return when, which, known_unit


def _is_number(entry: str) -> bool:
    try:
        return bool(np.isfinite(float(entry)))
    except ValueError:
        return False


def _ours(path: Path, stream: TextIO) -> ClickRecord:
    """Read a file of `write_csv`."""
    damaged = f"{path} was written by this package, but is damaged or cut off; export it again"
    try:
        heading = parse_json(stream.readline()[2:])
        names, provenance = heading["channel_names"], heading["provenance"]
        clock: Mapping[str, Any] = heading.get("clock") or {}
        if not isinstance(provenance, dict) or not set(clock) <= {"tick", "origin", "fine"}:
            raise ValueError("entries of the heading")
        stream.readline()
        numbers = {name: k for k, name in enumerate(names)}
        synced = "fine" in clock
        rows, times, channels, windows = [], [], [], []
        within: list[int] = []
        number = int if clock else float
        for line in stream:
            if not line.endswith("\n"):
                raise ValueError("cut off")
            window = WINDOW.match(line)
            if window:
                windows.append((float(window.group(2)), float(window.group(3))))
                continue
            row, time, name, *step = next(csv.reader(io.StringIO(line)))
            if len(step) != synced:
                raise ValueError(f"a line of {3 + len(step)} columns")
            within += map(int, step)
            rows.append(int(row))
            times.append(number(time))
            channels.append(numbers[name])
        if len(windows) != heading.get("trajectories", len(windows)) or len(rows) != heading.get(
            "clicks", len(rows)
        ):
            raise ValueError("cut off")
        start, stop = zip(*windows, strict=True)
    except (ValueError, KeyError, TypeError, StopIteration, AttributeError) as error:
        raise InvalidInput(f"{damaged} ({error})") from error
    return ClickRecord.from_arrays(
        rows,
        times,
        channels,
        channel_names=names,
        start=start,
        stop=stop,
        unit=heading.get("unit", "1/ω_b"),
        provenance=provenance,
        within=within if synced else None,
        **clock,
    )
