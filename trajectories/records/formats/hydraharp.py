"""HT2 and HT3: files of a HydraHarp 400 from before PTU, with fixed headers of version 1.0 or 2.0.

Source: PicoQuant's published description of the file format.
"""

from __future__ import annotations

import struct
from pathlib import Path

from ...errors import InvalidInput
from .tttr import HYDRAHARP_1, HYDRAHARP_2, Tagged

MAGIC = b"HydraHarp"
# Positions in the header, in bytes.
VERSION_AT, CREATED_AT, TEXT_ENDS = 16, 52, 328
SETTINGS = "<6id2i"  # curves, bits, active curve, mode, sub-mode, binning, resolution/ps, offset, acquisition/ms
HARDWARE_AT, RESOLUTION_AT, CHANNELS_AT = 536, 648, 664
INPUTS_AT = 696
T2, T3 = 2, 3


def is_hydraharp(path: Path) -> bool:
    """Whether a file begins as HT2 and HT3 files do."""
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def tagged_hydraharp(path: Path) -> Tagged:
    """Read the header of an HT2 or HT3 file.

    Raises
    ------
    InvalidInput
        The header is cut off, or of an unknown version or mode.
    """
    with path.open("rb") as stream:
        header = stream.read(2**16)
    try:
        version = header[VERSION_AT : VERSION_AT + 6].split(b"\0")[0].decode("ascii", "replace")
        _, bits, _, mode, _, _, resolution, _, acquisition = struct.unpack_from(SETTINGS, header, TEXT_ENDS)
        (base,) = struct.unpack_from("<d", header, RESOLUTION_AT)
        (inputs,) = struct.unpack_from("<i", header, CHANNELS_AT)
        if version not in ("1.0", "2.0") or bits != 32 or mode not in (T2, T3) or not 0 <= inputs <= 64:
            raise InvalidInput(
                f"{path} is a HydraHarp file of version {version!r}, mode {mode}; convert it to PTU"
            )
        # Each input has four settings and a rate; then sync rate, stop after, stop reason, image header, records.
        at = INPUTS_AT + 20 * inputs
        sync_rate, _, _, image, records = struct.unpack_from("<4iq", header, at)
    except struct.error as error:
        raise InvalidInput(f"{path} ends within its header; copy it again") from error
    t3 = mode == T3
    offset = at + 24 + 4 * max(image, 0)
    if t3 and sync_rate <= 0:
        raise InvalidInput(f"{path} states no sync rate, so that its period is unknown; convert it to PTU")
    return Tagged(
        path,
        offset,
        max(records, 0),
        (HYDRAHARP_1 if version == "1.0" else HYDRAHARP_2)[t3],
        1.0 / sync_rate if t3 else base * 1e-12,
        resolution * 1e-12 if t3 else None,
        acquisition * 1e-3 or None,
        {"format": "HT3" if t3 else "HT2", "version": version, "sync_rate": sync_rate},
    )
