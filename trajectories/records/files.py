"""Files of a run folder: written completely or not at all, checked when read, never pickles."""

from __future__ import annotations

import errno
import functools
import hashlib
import io
import json
import os
import stat
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from ..checks import shown
from ..errors import InvalidInput, RunFolderError

# This file marks a folder whose creation has not finished: its other files may be written again.
UNFINISHED = ".unfinished"
# Exceptions of `unpack` and `read_json` for damaged, truncated or foreign files; they raise no others.
UNREADABLE = (OSError, ValueError, KeyError)
# Largest compression ratio of deflate (1032), and a margin for small files: a larger one is a forged size.
MOST_DEFLATED, SMALL = 1100, 2**20
# Largest JSON document that is read, in bytes: enough for millions of sample times.
MOST_JSON = 2**28


def path_of(folder: str | os.PathLike[str]) -> Path:
    """Return the path of a run folder; refuse anything that is not a path."""
    if not isinstance(folder, str | os.PathLike) or "\0" in os.fspath(folder):
        raise InvalidInput(f"run folder {shown(folder)} must be a path")
    return Path(folder)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it exists completely or not at all, even after a power loss.

    Raises
    ------
    RunFolderError
        The file cannot be written, because the disk is full or for another reason.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with suppress(FileNotFoundError):  # left by a killed process with the same pid
            temporary.unlink()
        with temporary.open("xb") as stream:  # does not follow a link of that name
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise RunFolderError(
            f"cannot write {path}: {error.strerror}; {remedy_for(error)}, then run the same command again"
        ) from error


def remove_abandoned(path: Path) -> None:
    """Remove temporary files of processes that have ended, if they are older than a minute."""
    for leftover in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        number = leftover.name.split(".")[-2]
        with suppress(OSError, ValueError, OverflowError):
            if time.time() - leftover.stat().st_mtime > 60.0:
                try:
                    os.kill(int(number), 0)
                except ProcessLookupError:
                    leftover.unlink()


def remedy_for(error: OSError) -> str:
    """Return what to do about a file that cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "free space"
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ESTALE):
        return "put its folder back, which was moved or removed"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "make the folder writable"
    return "check the disk"


def sync_folder(folder: Path) -> None:
    """Flush the entries of a folder to the disk, so that they survive a power loss."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_leftovers(folder: Path) -> None:
    """Remove the unfinished files of a killed process from a run folder; the caller holds its lock."""
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


@contextmanager
def regular_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a regular file for reading; an OSError for anything else, such as a pipe, which could block."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is no regular file")
        yield stream


def unpack(
    packed: bytes | IO[bytes] | Path, names: Sequence[str] | None = None, optional: Sequence[str] = ()
) -> dict[str, NDArray[Any]]:
    """Return all or some arrays of an NPZ file; raise one of `UNREADABLE` if it is not one, or holds pickles.

    Only these arrays are decompressed, and none whose stated size is more than its bytes can decompress to.
    """
    if isinstance(packed, Path):
        with regular_file(packed) as file:
            return unpack(file, names, optional)
    stream = io.BytesIO(packed) if isinstance(packed, bytes) else packed
    try:
        with zipfile.ZipFile(stream) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            wanted_names = members if names is None else [*names, *(name for name in optional if name in members)]
            chosen = {name: members[name] for name in wanted_names}
            wanted = sum(info.file_size for info in chosen.values())
            if wanted > memory():
                raise ValueError(f"{wanted} bytes are more than this machine's memory")
            return {name: _array(archive, info) for name, info in chosen.items()}
    except (OSError, KeyError):
        raise
    except (
        Exception
    ) as error:  # damaged bytes raise errors of zipfile, zlib, tokenize …, MemoryError, RecursionError
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    """Return one array of an NPZ file, after checking that its stated sizes agree."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{info.filename} is compressed in a way that NumPy does not use")
    if info.file_size > MOST_DEFLATED * info.compress_size + SMALL:
        raise ValueError(f"{info.filename} claims {info.file_size} bytes in {info.compress_size}")
    with archive.open(info) as member:
        version = np.lib.format.read_magic(member)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{info.filename} has the NPY version {version}")
        count = member.read(2 if version == (1, 0) else 4)
        shape, fortran, dtype = _header(version, count + member.read(int.from_bytes(count, "little")))
        if dtype.hasobject or not dtype.itemsize:
            raise ValueError(f"{info.filename} holds {dtype}, no numbers or text")
        size = dtype.itemsize
        for length in shape:
            if length < 0:
                raise ValueError(f"{info.filename} claims the shape {shape}")
            size *= length
        if size != info.file_size - member.tell():
            raise ValueError(f"{info.filename} claims the shape {shape}, but has another size")
        content = member.read()
    if len(content) != size:
        raise ValueError(f"{info.filename} ends early")
    return np.ndarray(shape, dtype, bytearray(content), order="F" if fortran else "C")


@functools.lru_cache(maxsize=1024)
def _header(version: tuple[int, int], header: bytes) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and type from an NPY header; cached, because NumPy parses it slowly as Python."""
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(io.BytesIO(header))


def memory() -> int:
    """Return the memory of this machine in bytes; arrays that need more are refused."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not a POSIX system
        return 2**40


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; raise one of `UNREADABLE` if it is not one."""
    with regular_file(path) as stream:
        content = stream.read(MOST_JSON + 1)
    if len(content) > MOST_JSON:
        raise ValueError(f"more than {MOST_JSON} bytes")
    return parse_json(content)


def parse_json(content: bytes | str) -> Any:
    """Return the content of a JSON document; ValueError if it is not one, has NaN, or is nested too deeply."""
    try:
        text = content if isinstance(content, str) else content.decode()
        return json.loads(text, parse_constant=_no_constant)
    except (RecursionError, MemoryError) as error:
        raise ValueError("it is nested too deeply") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"JSON has no number {name}")


def checksum_of_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with regular_file(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]


def checksum_of_json(content: Any) -> str:
    """Return the SHA-256 of plain values; it does not depend on the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
