"""Files of a run folder: written whole or not at all, checked when they are read, never a pickle."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..checks import shown
from ..errors import InvalidInput, RunFolderError

# Lies in a folder while it is being made: what else is there is ours and may be written again.
UNFINISHED = ".unfinished"
# What reading a damaged, truncated or foreign NPZ file raises: `unpack` lets nothing else through.
UNREADABLE = (OSError, ValueError, KeyError)


def path_of(folder: str | os.PathLike[str]) -> Path:
    """Return the path of a run folder; refuse what is none."""
    if not isinstance(folder, str | os.PathLike) or "\0" in os.fspath(folder):
        raise InvalidInput(f"run folder {shown(folder)} must be a path")
    return Path(folder)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, even after a power loss.

    Raises
    ------
    RunFolderError
        The disk is full, or refuses for another reason.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFolderError(
            f"cannot write {path}: {error.strerror}; free space, then run the same command again to continue"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlast a power loss."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process left half done in a run folder; the caller holds its lock."""
    for place in (folder, folder / "blocks"):
        for leftover in place.glob(".*.tmp"):
            leftover.unlink(missing_ok=True)
    if (folder / "run.json").exists():
        (folder / UNFINISHED).unlink(missing_ok=True)


def pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Return arrays as the content of an NPZ file."""
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    return buffer.getvalue()


def unpack(packed: bytes | IO[bytes], names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the arrays of an NPZ file, or some; raise one of `UNREADABLE` where it is none, or holds pickles."""
    stream = io.BytesIO(packed) if isinstance(packed, bytes) else packed
    try:
        with np.load(stream, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in (archive.files if names is None else names)}
    except (OSError, KeyError, MemoryError):
        raise
    except Exception as error:  # zipfile, zlib, lzma, tokenize … have no common word for damaged bytes
        raise ValueError(f"{type(error).__name__}: {error}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(f"{name} is no array")
    return arrays


def checksum_of_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checksum_of_json(content: Any) -> str:
    """Return the SHA-256 of plain values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
