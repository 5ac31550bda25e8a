"""PTU files: the header is read by ptufile, the records in chunks by this package.

ptufile decodes a file at once and keeps every overflow, so that a file must fit into memory. Decoding in chunks
gives the same photons, markers and times (tests compare the two for every record type).
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from ...errors import InvalidInput, MissingPackage
from ..clicks import ClickRecord
from .measured import record_of
from .ptu import CHECKSUM_TAG, SOFTWARE
from .ptu_own import OwnPtu
from .source import FORMAT, VERSION
from .tttr import LAYOUTS, Tagged

MAGIC = b"PQTTTR"
# Tags of the header that the provenance keeps.
KEPT: tuple[str, ...] = (
    "CreatorSW_Name",
    "CreatorSW_Version",
    "HW_Type",
    "HW_PartNo",
    "HW_SerialNo",
    "File_CreatingTime",
)
KEPT += ("MeasDesc_AcquisitionTime", "TTResult_StopReason", "TTResult_SyncRate", "TTResultFormat_TTTRRecType")


def is_ptu(path: Path) -> bool:
    """Whether a file begins as PTU files do; its name does not matter."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def tagged_ptu(path: Path) -> Tagged:
    """Read the header of a PTU file.

    Raises
    ------
    InvalidInput
        ptufile is not installed, or the header is damaged or states an unknown type of records.
    """
    try:
        import ptufile
    except ImportError as error:
        raise MissingPackage("PTU", "ptufile", error) from error
    try:
        with _no_log("ptufile"), path.open("rb") as stream, ptufile.PtuFile(stream) as file:
            tags, offset = dict(file.tags), int(file.record_offset)
        kind = int(tags["TTResultFormat_TTTRRecType"])
        layout = LAYOUTS.get(kind)
        if layout is None:
            raise InvalidInput(f"{path} has records of the unknown type {kind:#x}; convert it to HDF5 or text")
        tick = float(tags["MeasDesc_GlobalResolution"])
        fine = float(tags["MeasDesc_Resolution"]) if layout.t3 else None
        acquisition = float(tags.get("MeasDesc_AcquisitionTime") or 0.0) * 1e-3
        records = int(tags.get("TTResult_NumberOfRecords") or 0)
    except InvalidInput:
        raise
    except Exception as error:  # a damaged header can raise anything in the library
        raise InvalidInput(f"{path} is no readable PTU file: {error or type(error).__name__}") from error
    header = {name: _plain(tags[name]) for name in KEPT if name in tags} | {"format": "PTU"}
    comment = str(tags.get("File_Comment") or "")
    if comment.startswith("{"):
        header["comment"] = comment
    if CHECKSUM_TAG in tags:
        header["checksum"] = str(tags[CHECKSUM_TAG])
    return Tagged(path, offset, max(records, 0), layout, tick, fine, acquisition or None, header)


@contextmanager
def _no_log(name: str) -> Iterator[None]:
    """Silence the log of a library, which repeats what the exception says."""
    log = logging.getLogger(name)
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before


def read_ptu(path: Path, unit: Any = None, duration: float | None = None, markers: bool = False) -> ClickRecord:
    """Read a PTU file of an instrument or of this package; see `record_of`.

    A file of this package gives its trajectories, channel names and provenance, with clicks in whole ticks.
    """
    tagged = tagged_ptu(path)
    own = own_file(tagged)
    if own is None:
        return record_of(tagged, "s" if unit is None else unit, duration, markers)
    refuse_for_own(path, unit, duration, markers)
    return own.record()


def refuse_for_own(path: Path, unit: Any, duration: float | None, markers: bool) -> None:
    """Refuse options for a file of this package, which has them itself; its markers are starts of trajectories."""
    if unit is not None or duration is not None:
        raise InvalidInput(f"{path} states its unit and observation windows; leave out unit= and duration=")
    if markers:
        raise InvalidInput(f"{path} has no markers but those of its trajectories; leave out markers=")


def own_file(tagged: Tagged) -> OwnPtu | None:
    """Return a file of this package, after verifying its checksum; None for other files.

    Raises
    ------
    InvalidInput
        The file is of this package and damaged, cut off, or of another version.
    """
    heading = heading_of(tagged)
    if tagged.header.get("CreatorSW_Name") == SOFTWARE or "checksum" in tagged.header:
        _require_whole(tagged)
    if heading is None:
        tagged.header.pop("comment", None)
        return None
    if "windows" not in heading or heading.get("version") != VERSION:
        raise InvalidInput(
            f"{tagged.path} was written by another version, without observation windows; export it again"
        )
    if tagged.truncated:
        raise InvalidInput(
            f"{tagged.path} is cut off: {tagged.available} of {tagged.records} records; export it again"
        )
    return OwnPtu(tagged, heading)


def heading_of(tagged: Tagged) -> dict[str, Any] | None:
    """Return the content of the comment of a file of this package; None for other files."""
    try:
        heading = json.loads(tagged.header.get("comment", ""))
    except ValueError:
        return None
    return heading if isinstance(heading, dict) and heading.get("format") == FORMAT else None


def _require_whole(tagged: Tagged) -> None:
    """Refuse a file of this package whose records or comment do not match its checksum."""
    kind, comment = tagged.header["TTResultFormat_TTTRRecType"], tagged.header.get("comment")
    state, size = hashlib.sha256(f"{kind} {comment}".encode()), 0
    with tagged.path.open("rb") as stream:
        stream.seek(tagged.offset)
        while content := stream.read(2**20):
            state.update(content)
            size += len(content)
    if tagged.header.get("checksum") != state.hexdigest() or size != 4 * tagged.records:
        raise InvalidInput(
            f"{tagged.path} was written by {SOFTWARE}, but is damaged or has no checksum; export it again"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) else str(value)
