"""NPZ: the columns of a record as NumPy arrays, without pickle; nothing is rounded."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import plain_value
from ...errors import InvalidInput
from ...time_units import NATURAL
from ..clicks import ClickRecord
from ..files import UNREADABLE, parse_json, regular_file, unpack
from .source import FORMAT, VERSION, VERSION_WITHOUT_CHECKSUM, Checksum, Source

COLUMNS = ("trajectory", "time", "channel", "start", "stop")
NEEDED = (*COLUMNS, "channel_names")
# Arrays of a record in ticks; its time column holds the ticks.
TICKED = ("tick", "origin", "within", "fine")
# Arrays and comment by which files of this package are recognised; two marks, in case one is damaged.
OURS = ("heading", "checksum")
COMMENT = FORMAT.encode()


def write_npz(source: Source, path: Path) -> None:
    """Write all clicks of a source; they are held in memory, as on reading."""
    record = ClickRecord.concatenate(list(source.pieces()))
    described = {"format": FORMAT, "version": VERSION, "provenance": plain_value(source.provenance, "provenance")}
    if source.unit != NATURAL:
        described["unit"] = source.unit.to_dict()
    heading = json.dumps(described)
    columns: dict[str, Any] = {name: getattr(record, name) for name in COLUMNS}
    if record.clock is not None:
        columns |= {"time": record.stamp, "tick": np.array(record.clock.tick), "origin": record.clock.origin}
        if record.within is not None:
            columns |= {"within": record.within, "fine": np.array(record.clock.fine)}
    arrays = {
        "heading": np.array(heading),
        "checksum": np.array(_checksum(heading, columns, record.channel_names)),
        "channel_names": np.array(record.channel_names),
        **columns,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        archive.comment = COMMENT


def read_npz(path: Path) -> ClickRecord:
    """Read a record; only columns and channel names are needed, so that other programs can make such a file.

    Raises
    ------
    InvalidInput
        Not an NPZ file of clicks, a damaged file of this package, or columns that are no valid record.
    """
    try:
        with regular_file(path) as stream:
            arrays = unpack(stream, NEEDED, (*OURS, *TICKED))
            ours = zipfile.ZipFile(stream).comment == COMMENT or _has_heading(arrays)
        heading = _heading(path, arrays) if ours else {}
    except (*UNREADABLE, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            f"{path} is no NPZ file of clicks ({error}); it needs the arrays {', '.join(NEEDED)}"
        ) from error
    provenance = heading.get("provenance")
    more: dict[str, Any] = {"unit": heading["unit"]} if "unit" in heading else {}
    if "tick" in arrays:
        more |= {"tick": _number(path, arrays, "tick"), "origin": arrays.get("origin", 0.0)}
        if "within" in arrays:
            more |= {"within": arrays["within"], "fine": _number(path, arrays, "fine")}
    return ClickRecord.from_arrays(
        arrays["trajectory"],
        arrays["time"],
        arrays["channel"],
        channel_names=[str(name) for name in np.atleast_1d(arrays["channel_names"]).reshape(-1)],
        start=arrays["start"],
        stop=arrays["stop"],
        provenance=provenance if isinstance(provenance, dict) else {},
        **more,
    )


def _number(path: Path, arrays: dict[str, NDArray[Any]], name: str) -> float:
    """Return an array of a file that holds one number."""
    if name not in arrays or arrays[name].size != 1:
        raise InvalidInput(f"{path} holds ticks, so it needs one number {name}; store it")
    return float(arrays[name].reshape(-1)[0])


def _has_heading(arrays: dict[str, NDArray[Any]]) -> bool:
    """Whether there is a heading of this package, and not a foreign array of that name."""
    try:
        heading = parse_json(str(arrays["heading"]))
    except (KeyError, ValueError):
        return False
    return isinstance(heading, dict) and heading.get("format") == FORMAT


def _heading(path: Path, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the heading of a file of this package, after verifying the checksum."""
    heading = parse_json(str(arrays["heading"]))
    version = heading["version"]
    if version not in (VERSION, VERSION_WITHOUT_CHECKSUM):
        raise InvalidInput(f"{path} has version {version}, but {VERSION} is read here; update the package")
    if version == VERSION:
        names = tuple(str(name) for name in arrays["channel_names"])
        if str(arrays["checksum"]) != _checksum(str(arrays["heading"]), arrays, names):
            raise InvalidInput(f"{path} is damaged: its checksum differs; export it again")
    return dict(heading)


def _checksum(heading: str, columns: dict[str, NDArray[Any]], names: tuple[str, ...]) -> str:
    checksum = Checksum()
    checksum.add(**{name: columns[name] for name in (*COLUMNS, *TICKED) if name in columns})
    return checksum.of(json.dumps([heading, names]))
