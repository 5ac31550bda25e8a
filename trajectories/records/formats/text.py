"""CSV and TXT: columns of time tags as instruments and spreadsheets write them, and our own CSV."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from ...checks import positive_number, shown
from ...errors import InvalidInput
from ..clicks import ClickRecord
from ..ticks import SECONDS, time_unit
from .measured import in_order, observed
from .source import FORMAT

# Number of lines that are read at a time.
LINES = 2**16
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

    Commas, semicolons, tabs and blanks separate columns; lines that begin with #, % or // are comments. A header
    line names the columns, as "channel, time [ps]": its unit is used. Whole numbers with a `tick` or a named unit
    become ticks; decimal numbers are times.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    unit : str or float, optional
        Unit of time of the record; seconds when not given, or for decimal numbers what the header names.
    duration : float, optional
        How long was observed, in that unit; to the last tag when not given.
    tick : float, optional
        What whole numbers in the file count, in seconds; needed where the header names no unit.
    columns : sequence of two str or int, optional
        Names, or numbers from 0, of the columns of time and channel.

    Raises
    ------
    InvalidInput
        No header and no `columns`, lines that are no numbers, or whole numbers of an unknown unit.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="strict", newline="") as stream:
            first = stream.readline()
            if first.startswith(f"# {FORMAT}"):
                if any(given is not None for given in (unit, duration, tick, columns)):
                    raise InvalidInput(f"{path} knows its columns, unit and windows; leave out the options")
                return _ours(path, stream)
            stream.seek(0)
            return _foreign(path, stream, unit, duration, tick, columns)
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is no text in UTF-8; give PTU, HT2, HT3, PT3, HDF5, CSV or TXT") from error
    except csv.Error as error:
        raise InvalidInput(f"{path} is no text in columns ({error})") from error


def is_own_text(path: Path) -> bool:
    """Whether we wrote a file."""
    with path.open("rb") as stream:
        return stream.readline().startswith(f"# {FORMAT}".encode())


def _rows(stream: TextIO) -> Iterator[tuple[int, list[str]]]:
    """Yield number and fields of every line that is no comment."""
    separator: str | None = None
    for number, line in enumerate(stream, 1):
        text = line.strip()
        if not text or text.startswith(("#", "%", "//")):
            continue
        if separator is None:
            separator = next((mark for mark in (";", "\t", ",") if mark in text), " ")
        fields = text.split() if separator == " " else next(csv.reader([text], delimiter=separator))
        yield number, [entry.strip() for entry in fields]


def _foreign(
    path: Path,
    stream: TextIO,
    unit: Any,
    duration: float | None,
    tick: float | None,
    columns: Sequence[str | int] | None,
) -> ClickRecord:
    rows = _rows(stream)
    begin = next(rows, (0, []))
    fields = begin[1]
    if not fields:
        raise InvalidInput(f"{path} holds no line of numbers; give a file with a time and a channel on every line")
    named = not all(_is_number(entry) for entry in fields[:2])
    when, which, told = _places(path, fields if named else None, columns, len(fields))
    times: list[str] = []
    channels: list[str] = []
    for line, entries in rows if named else _with_first(begin, rows):
        if max(when, which) >= len(entries):
            raise InvalidInput(f"{path}: line {line} has {len(entries)} columns, too few; is the file cut off?")
        times.append(entries[when])
        channels.append(entries[which])
        if not _is_number(times[-1]):
            raise InvalidInput(f"{path}: line {line} has the time {shown(times[-1])}; it must be a number")
    whole = all(entry.lstrip("+-").isdigit() for entry in times)
    labels = sorted(set(channels), key=lambda label: (0, int(label), "") if label.isdigit() else (1, 0, label))
    names = [f"channel {label}" if label.isdigit() else label for label in labels] or ["channel 0"]
    lookup = {label: k for k, label in enumerate(labels)}
    place = np.array([lookup[label] for label in channels], dtype=np.int64)
    measure = time_unit(unit if unit is not None else (told or "s") if not whole else "s")
    seconds = measure.seconds
    if seconds is None:
        raise InvalidInput(f"unit {measure.name} has no length; give a name such as ns, or 1/ω_b in seconds")
    notes: list[str] = []
    if whole:
        length = tick if tick is not None else None if told is None else SECONDS[told]
        if length is None:
            raise InvalidInput(f"{path} counts time in whole numbers of unknown length; give tick= in seconds")
        step = positive_number(length, "tick") / seconds
        stamp, place, _ = in_order(np.array([int(entry) for entry in times], dtype=np.int64), place, None, notes)
        last = (int(stamp[-1]) + 1 if len(stamp) else 1) * step
        start = min(0.0, (int(stamp[0]) if len(stamp) else 0) * step)
        more: dict[str, Any] = {"tick": step}
        values: NDArray[Any] = stamp
    else:
        scale = (SECONDS[told] if told else 1.0 if tick is None else tick) / seconds
        values = np.array([float(entry) for entry in times]) * scale
        order = np.argsort(values, kind="stable")
        values, place = values[order], place[order]
        last = float(values[-1]) if len(values) else 1.0
        start, more = min(0.0, float(values[0]) if len(values) else 0.0), {}
    stop = observed(path, None, last, 0.0, duration, False, notes)
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


Row = tuple[int, list[str]]


def _with_first(first: Row, rows: Iterator[Row]) -> Iterator[Row]:
    yield first
    yield from rows


def _places(
    path: Path, header: list[str] | None, columns: Sequence[str | int] | None, width: int
) -> tuple[int, int, str | None]:
    """Return the columns of time and channel, and the unit that the header names."""
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
        raise InvalidInput(f"{path} does not say which column is time; give columns=(time, channel), from 0")
    else:
        found = [[k for k, name in enumerate(plain) if name in names] for names in (TIME_NAMES, CHANNEL_NAMES)]
        if not all(len(places) == 1 for places in found):
            raise InvalidInput(
                f"{path} has the columns {', '.join(header)}, of which time and channel cannot be told; "
                "give columns=(time, channel)"
            )
        when, which = found[0][0], found[1][0]
    told = re.search(r"[\[(/]\s*(\w+)\s*[\])]?\s*$", header[when]) if header else None
    known_unit = told.group(1) if told and told.group(1) in SECONDS else None
    return when, which, known_unit


def _is_number(entry: str) -> bool:
    try:
        return bool(np.isfinite(float(entry)))
    except ValueError:
        return False


def _ours(path: Path, stream: TextIO) -> ClickRecord:
    """Read what `write_csv` wrote."""
    damaged = f"{path} was written by this package, but is damaged or cut off; export it again"
    try:
        heading = json.loads(stream.readline()[2:])
        names = heading["channel_names"]
        clock: Mapping[str, Any] = heading.get("clock") or {}
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
        provenance=heading["provenance"],
        within=within if synced else None,
        **clock,
    )
