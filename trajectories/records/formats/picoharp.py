"""PT2 and PT3: files of a PicoHarp 300 from before PTU, with a fixed header of version 2.0.

Source: PicoQuant's published description of the file format.
"""

from __future__ import annotations

import struct
from pathlib import Path

from ...errors import InvalidInput
from .tttr import PICOHARP, Tagged

MAGIC = b"PicoHarp 300"
VERSION_AT, SETTINGS_AT, BOARD_AT = 16, 328, 536
T2, T3 = 2, 3
# Version 2.0 has, after 48 bytes of board, the router and its four channels, then the settings of the mode.
MODE_AT = BOARD_AT + 52 + 8 + 4 * 24
HEADER_ENDS = MODE_AT + 36
T2_TICK = 4e-12


def is_picoharp(path: Path) -> bool:
    """Whether a file begins as PT2 and PT3 files do."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def tagged_picoharp(path: Path) -> Tagged:
    """Read the header of a PT2 or PT3 file.

    Raises
    ------
    InvalidInput
        The header is cut off, or of an unknown version or mode.
    """
    with path.open("rb") as stream:
        header = stream.read(HEADER_ENDS)
    try:
        version = header[VERSION_AT : VERSION_AT + 6].split(b"\0")[0].decode("ascii", "replace")
        settings = struct.unpack_from("<18i", header, SETTINGS_AT)
        bits, mode, acquisition = settings[1], settings[5], settings[9]
        (resolution,) = struct.unpack_from("<f", header, BOARD_AT + 48)
        _, _, _, sync_rate, _, _, _, records, image = struct.unpack_from("<9i", header, MODE_AT)
    except struct.error as error:
        raise InvalidInput(f"{path} ends within its header; copy it again") from error
    if version != "2.0" or bits != 32 or mode not in (T2, T3):
        raise InvalidInput(f"{path} is a PicoHarp file of version {version!r}, mode {mode}; convert it to PTU")
    t3 = mode == T3
    if t3 and sync_rate <= 0:
        raise InvalidInput(f"{path} states no sync rate, so that its period is unknown; convert it to PTU")
    return Tagged(
        path,
        HEADER_ENDS + 4 * max(image, 0),
        max(records, 0),
        PICOHARP[t3],
        1.0 / sync_rate if t3 else T2_TICK,
        float(resolution) * 1e-9 if t3 else None,
        acquisition * 1e-3 or None,
        {"format": "PT3" if t3 else "PT2", "version": version, "sync_rate": sync_rate},
    )
