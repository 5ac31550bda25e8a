"""PTU: clicks as a PicoQuant time tagger writes them in T2 mode (T3 if synced), four bytes each.

Source: PicoQuant's published description of the unified TTTR format. Records are those of a HydraHarp 2 in T2
mode: bit 31 marks a special record, bits 30–25 hold the channel, bits 24–0 the ticks since the last overflow.
"""

from __future__ import annotations

import hashlib
import json
import struct
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...checks import plain_value
from ...errors import InvalidInput
from ...time_units import TimeUnit
from ..clicks import ClickRecord
from .source import FORMAT, VERSION, Source
from .timeline import FileClock, slots, ticks
from .windows import packed_windows

MAGIC = b"PQTTTR\0\x001.0.00\0\0"
HYDRAHARP_2_T2 = 0x01010204
T2 = 2
# Types of header tags.
EMPTY, BOOL, INT, FLOAT, DATE, TEXT = 0xFFFF0008, 0x00000008, 0x10000008, 0x20000008, 0x21000008, 0x4001FFFF
# Layout of a record.
SPECIAL = np.uint32(1 << 31)
CHANNEL_SHIFT = np.uint32(25)
WRAP = 1 << 25
OVERFLOW_CHANNEL = np.uint32(63)
# Most wraps in one overflow record. The format allows 2²⁵ − 1, but readers compute ticks from them in 32 bits.
MOST_WRAPS = 127
# Most overflow records for each event; a file with more is refused as mostly empty.
MOST_OVERFLOWS = 1000
MOST_CHANNELS = 63
T2_WRAPS = (WRAP, MOST_WRAPS)
# In T3 mode: bits 24–10 hold the steps since the sync pulse, bits 9–0 the sync pulses since the last overflow.
HYDRAHARP_2_T3, T3, STEP_SHIFT, MOST_STEPS, T3_WRAPS = 0x01010304, 3, np.uint32(10), 2**15, (1024, 1023)
# Marker at the start of each trajectory's observation window.
START_MARKER = np.uint32(1)
# Days from 1899-12-30, day 0 of dates in these files, to 1970-01-01.
EPOCH = 25569.0
RECORDS_TAG = "TTResult_NumberOfRecords"
# Tag with the SHA-256 of record type, comment and all records. By it, the comment and the creator a file of this
# package is recognised.
CHECKSUM_TAG, SOFTWARE = "BundleTrajectories_SHA256", "bundle-trajectories"
# Bytes of a tag before its value or the length of its text: name, index and type.
AFTER_NAME = 40


def write_ptu(source: Source, path: Path, clock: FileClock) -> None:
    """Write the clicks, with marker 1 at the start of each trajectory.

    Raises
    ------
    InvalidInput
        More channels than the format can number.
    """
    if len(source.channel_names) > MOST_CHANNELS:
        raise InvalidInput(
            f"{len(source.channel_names)} channels are more than the {MOST_CHANNELS} of PTU; use npz or csv"
        )
    with path.open("wb") as stream:
        comment = _comment(source, clock)
        places = _write_header(stream, comment, clock, source.fine)
        kind = HYDRAHARP_2_T2 if source.fine is None else HYDRAHARP_2_T3
        checksum = hashlib.sha256(f"{kind} {comment}".encode())
        free = overflows = count = 0
        synced = source.fine is not None
        for piece in source.pieces():
            origins = slots(piece, clock, free)
            free = int(origins[-1])
            words = piece.channel.astype(np.uint32) << CHANNEL_SHIFT
            if synced:
                words |= _steps(piece) << STEP_SHIFT
            stamps, words = _events(words, ticks(piece, clock, origins), origins[:-1])
            records, overflows = _with_overflows(stamps, words, overflows, *(T3_WRAPS if synced else T2_WRAPS))
            content = records.astype("<u4").tobytes()
            stream.write(content)
            checksum.update(content)
            count += len(records)
        stream.seek(places[RECORDS_TAG] + AFTER_NAME)
        stream.write(struct.pack("<q", count))
        stream.seek(places[CHECKSUM_TAG] + AFTER_NAME + 8)
        stream.write(checksum.hexdigest().encode())


def _steps(record: ClickRecord) -> NDArray[np.uint32]:
    """Return the steps since the sync pulse; refuse those of more than 15 bits."""
    assert record.within is not None
    if record.within.max(initial=0) >= MOST_STEPS:
        raise InvalidInput(
            f"a click comes {record.within.max()} steps after its sync pulse, more than the {MOST_STEPS} of PTU; "
            "export it as npz"
        )
    return record.within.astype(np.uint32)


def _events(
    clicks: NDArray[np.uint32], stamps: NDArray[np.int64], markers: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Return clicks and markers in order of time, a marker before the clicks of its tick."""
    words = np.concatenate(
        [
            np.full(len(markers), SPECIAL | START_MARKER << CHANNEL_SHIFT, dtype=np.uint32),
            clicks,
        ]
    )
    merged = np.concatenate([markers, stamps])
    order = np.argsort(merged, kind="stable")
    return merged[order], words[order]


def _with_overflows(
    stamps: NDArray[np.int64],
    words: NDArray[np.uint32],
    overflows: int,
    wrap: int = WRAP,
    most: int = MOST_WRAPS,
) -> tuple[NDArray[np.uint32], int]:
    """Return the records with overflow records inserted where the bits of time wrap, and the wraps so far."""
    wraps = stamps // wrap
    passed = np.diff(wraps, prepend=overflows)
    repeats = -(-passed // most)  # overflow records before each event
    if repeats.sum() > MOST_OVERFLOWS * (len(stamps) + 1000):
        raise InvalidInput(
            f"the tick is so short that {repeats.sum()} overflows would be written; give a longer tick"
        )
    places = np.cumsum(repeats + 1) - 1
    records = np.full(int(places[-1]) + 1 if len(places) else 0, SPECIAL | OVERFLOW_CHANNEL << CHANNEL_SHIFT)
    is_event = np.zeros(len(records), dtype=bool)
    is_event[places] = True
    records[is_event] = words | (stamps % wrap).astype(np.uint32)
    # All overflow records of an event count the most wraps, except the last, which counts the remaining ones.
    last = places[repeats > 0] - 1
    counts = np.full(len(records), most, dtype=np.int64)
    counts[last] = passed[repeats > 0] - (repeats[repeats > 0] - 1) * most
    records[~is_event] |= counts[~is_event].astype(np.uint32)
    return records, int(wraps[-1]) if len(wraps) else overflows


def _comment(source: Source, clock: FileClock) -> str:
    """Return the comment by which the file can be read back with all metadata."""
    heading = {
        "format": FORMAT,
        "version": VERSION,
        "channel_names": source.channel_names,
        "tick": clock.tick,
        "unit_seconds": clock.seconds,
        "unit": TimeUnit(source.unit.name, clock.seconds).to_dict(),
        "fine": source.fine,
        "windows": packed_windows(source.pieces()),
        "marker_1": "the window of the next trajectory begins",
        "provenance": source.provenance,
    }
    return json.dumps(plain_value(heading, "heading"))  # ASCII, as the tag wants


def _write_header(stream: BinaryIO, comment: str, clock: FileClock, fine: float | None) -> dict[str, int]:
    """Write the tagged header; return where each tag lies, for what is known only in the end."""
    now = datetime.now(UTC).timestamp() / 86400.0 + EPOCH
    stream.write(MAGIC)
    places = {}
    for name, kind, value in _tags(comment, now, clock, fine):
        places[name] = stream.tell()
        stream.write(_packed(name, kind, value))
    return places


def _tags(comment: str, now: float, clock: FileClock, fine: float | None) -> Iterator[tuple[str, int, Any]]:
    yield "File_GUID", TEXT, f"{{{str(uuid.uuid4()).upper()}}}"
    yield "File_CreatingTime", DATE, now
    yield "File_Comment", TEXT, comment
    yield "CreatorSW_Name", TEXT, SOFTWARE
    yield "CreatorSW_Version", TEXT, str(VERSION)
    synced = fine is not None
    yield "Measurement_Mode", INT, T3 if synced else T2
    yield "Measurement_SubMode", INT, 0
    yield "MeasDesc_GlobalResolution", FLOAT, clock.tick_in_seconds
    yield "MeasDesc_Resolution", FLOAT, clock.tick_in_seconds if fine is None else fine * clock.seconds
    yield "TTResultFormat_TTTRRecType", INT, HYDRAHARP_2_T3 if synced else HYDRAHARP_2_T2
    yield "TTResultFormat_BitsPerRecord", INT, 32
    yield "TTResult_SyncRate", INT, round(1.0 / clock.tick_in_seconds) if synced else 0
    yield RECORDS_TAG, INT, 0
    yield CHECKSUM_TAG, TEXT, "0" * 64
    yield "Header_End", EMPTY, 0


def _packed(name: str, kind: int, value: Any) -> bytes:
    """Return one header tag: its name, index −1, type, and value or the length of the text that follows."""
    head = struct.pack("<32siI", name.encode("ascii"), -1, kind)
    if kind == TEXT:
        text = value.encode("ascii") + b"\0"
        text += b"\0" * (-len(text) % 8)
        return head + struct.pack("<q", len(text)) + text
    return head + (struct.pack("<d", value) if kind in (FLOAT, DATE) else struct.pack("<q", value))
