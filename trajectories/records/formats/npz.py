"""NPZ: the columns of a record as NumPy arrays, without pickle; nothing is rounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from ...checks import plain_value
from ...errors import InvalidInput
from ..clicks import ClickRecord
from ..files import UNREADABLE, unpack
from .source import FORMAT, VERSION, Source

COLUMNS = ("trajectory", "time", "channel", "start", "stop")


def write_npz(source: Source, path: Path) -> None:
    """Write all clicks of a source; they are held in memory, as whoever reads the file will."""
    record = ClickRecord.concatenate(list(source.pieces()))
    heading = {"format": FORMAT, "version": VERSION, "provenance": plain_value(source.provenance, "provenance")}
    columns: dict[str, Any] = {name: getattr(record, name) for name in COLUMNS}
    with path.open("wb") as stream:
        np.savez_compressed(
            stream,
            heading=np.array(json.dumps(heading)),
            channel_names=np.array(record.channel_names),
            **columns,
        )


def read_npz(path: Path) -> ClickRecord:
    """Read a record; only the columns and the channel names are needed, so that any program can make such a file.

    Raises
    ------
    InvalidInput
        Not an NPZ file of clicks, or columns that make no record.
    """
    try:
        with path.open("rb") as stream:
            arrays = unpack(stream)
        heading = json.loads(str(arrays["heading"])) if "heading" in arrays else {}
        arrays = {name: arrays[name] for name in (*COLUMNS, "channel_names")}
    except (*UNREADABLE, MemoryError) as error:  # a damaged header may ask for any amount of memory
        needed = ", ".join((*COLUMNS, "channel_names"))
        raise InvalidInput(f"{path} is no NPZ file of clicks ({error}); it needs the arrays {needed}") from error
    if not isinstance(heading, dict) or heading.get("version", VERSION) != VERSION:
        raise InvalidInput(f"{path} has a heading of another version than {VERSION}; update the package")
    provenance = heading.get("provenance")
    return ClickRecord.from_arrays(
        arrays["trajectory"],
        arrays["time"],
        arrays["channel"],
        channel_names=[str(name) for name in np.atleast_1d(arrays["channel_names"])],
        start=arrays["start"],
        stop=arrays["stop"],
        provenance=provenance if isinstance(provenance, dict) else {},
    )
