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
from ..clicks import ClickRecord
from ..files import UNREADABLE, parse_json, regular_file, unpack
from .source import FORMAT, VERSION, VERSION_WITHOUT_CHECKSUM, Checksum, Source

COLUMNS = ("trajectory", "time", "channel", "start", "stop")
NEEDED = (*COLUMNS, "channel_names")
# What files of ours have beside them. The archive says so too: no single damage makes one somebody else's.
OURS = ("heading", "checksum")
COMMENT = FORMAT.encode()


def write_npz(source: Source, path: Path) -> None:
    """Write all clicks of a source; they are held in memory, as whoever reads the file will."""
    record = ClickRecord.concatenate(list(source.pieces()))
    heading = json.dumps(
        {"format": FORMAT, "version": VERSION, "provenance": plain_value(source.provenance, "provenance")}
    )
    columns: dict[str, Any] = {name: getattr(record, name) for name in COLUMNS}
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
    """Read a record; only the columns and the channel names are needed, so that any program can make such a file.

    Raises
    ------
    InvalidInput
        Not an NPZ file of clicks, a damaged one of ours, or columns that make no record.
    """
    try:
        with regular_file(path) as stream:
            arrays = unpack(stream, NEEDED, OURS)
            ours = zipfile.ZipFile(stream).comment == COMMENT or _has_heading(arrays)
        provenance = _provenance(path, arrays) if ours else {}
    except (*UNREADABLE, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            f"{path} is no NPZ file of clicks ({error}); it needs the arrays {', '.join(NEEDED)}"
        ) from error
    return ClickRecord.from_arrays(
        arrays["trajectory"],
        arrays["time"],
        arrays["channel"],
        channel_names=[str(name) for name in np.atleast_1d(arrays["channel_names"]).reshape(-1)],
        start=arrays["start"],
        stop=arrays["stop"],
        provenance=provenance,
    )


def _has_heading(arrays: dict[str, NDArray[Any]]) -> bool:
    """Whether there is a heading of ours, and not somebody else's array of that name."""
    try:
        heading = parse_json(str(arrays["heading"]))
    except (KeyError, ValueError):
        return False
    return isinstance(heading, dict) and heading.get("format") == FORMAT


def _provenance(path: Path, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the provenance in a file of ours, after checking the whole of it."""
    heading = parse_json(str(arrays["heading"]))
    version = heading["version"]
    if version not in (VERSION, VERSION_WITHOUT_CHECKSUM):
        raise InvalidInput(f"{path} has version {version}, but {VERSION} is read here; update the package")
    if version == VERSION:
        names = tuple(str(name) for name in arrays["channel_names"])
        if str(arrays["checksum"]) != _checksum(str(arrays["heading"]), arrays, names):
            raise InvalidInput(f"{path} is damaged: its checksum differs; export it again")
    found = heading["provenance"]
    return found if isinstance(found, dict) else {}


def _checksum(heading: str, columns: dict[str, NDArray[Any]], names: tuple[str, ...]) -> str:
    checksum = Checksum()
    checksum.add(**{name: columns[name] for name in COLUMNS})
    return checksum.of(json.dumps([heading, names]))
