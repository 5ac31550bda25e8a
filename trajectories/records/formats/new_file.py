"""A new file that exists completely or not at all, and never replaces another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import InvalidInput
from ..files import remedy_for, remove_abandoned


def refuse_taken(path: Path) -> None:
    """Refuse, before any work, a path at which a file exists or cannot be made.

    Raises
    ------
    InvalidInput
        The file exists, or its folder does not, or cannot be written to.
    """
    if os.path.lexists(path):
        raise InvalidInput(f"{path} exists; give a new file (nothing was changed)")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise InvalidInput(
            f"cannot write {path}: {path.parent} is not a folder that can be written to; give another"
        )


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a file to write to, which becomes `path` when the ``with`` block succeeds.

    Until then it has no name, so that nothing remains of it if this process ends. On a file system without
    unnamed files, a temporary file in the same folder is used.

    Raises
    ------
    InvalidInput
        The file exists, or cannot be written.
    """
    refuse_taken(path)
    try:
        descriptor = _unnamed(path.parent)
        if descriptor is None:
            yield from _named(path)
            return
        try:
            yield Path(f"/proc/self/fd/{descriptor}")
            os.fsync(descriptor)
            try:
                _link(descriptor, path)
            except FileExistsError:
                raise
            except OSError:  # the file system cannot link it
                with contextmanager(_named)(path) as temporary:
                    shutil.copyfile(f"/proc/self/fd/{descriptor}", temporary)
        finally:
            os.close(descriptor)
    except FileExistsError as error:  # unlike a rename, a link never replaces a file made in between
        raise InvalidInput(f"{path} exists; give a new file (nothing was changed)") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput(f"cannot write {path}: {reason}; {remedy_for(error)}, or give another file") from error


def _unnamed(folder: Path) -> int | None:
    """Return the descriptor of a new unnamed file; None if the file system has none."""
    if not hasattr(os, "O_TMPFILE") or not Path("/proc/self/fd").is_dir():
        return None
    try:
        return os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666)
    except OSError:  # no unnamed files; or the folder is not writable, which `_named` reports
        return None


def _link(descriptor: int, path: Path) -> None:
    """Give an unnamed file its path."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        # A folder is named so that Python calls linkat, which follows the link in /proc to the file.
        os.link(f"/proc/self/fd/{descriptor}", path.name, dst_dir_fd=folder, follow_symlinks=True)
        os.fsync(folder)
    finally:
        os.close(folder)


def _named(path: Path) -> Iterator[Path]:
    """Yield a temporary file in the folder of `path`, and link it there afterwards."""
    remove_abandoned(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            if os.path.lexists(path):
                raise FileExistsError from None
            temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
