"""RunLock: only one process at a time writes to a run folder."""

from __future__ import annotations

import errno
import json
import os
import socket
import stat
import weakref
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

try:
    import fcntl
except ImportError:  # not a POSIX system: only the owner named in the file is checked
    fcntl = None  # type: ignore[assignment]

from ..errors import RunFolderError
from .files import remedy_for

LOCK = ".lock"
# How the file of a lock begins.
BEGINNING = b'{"pid": '
SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)

# Errors of opening a lock file that is a link, a folder, a socket or a pipe.
NO_LOCK = (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EINVAL)


class RunLock:
    """Context manager that keeps other processes from writing to the run folder.

    The operating system holds the lock (flock, also on NFS) and releases it when the process ends for any reason,
    so a lock never outlives its owner; the file only names the owner. On a file system without flock the owner
    named in the file counts, unless it is a process of this host that has ended.

    Parameters
    ----------
    folder : pathlib.Path
        The run folder; made if it does not exist, and removed again if it is empty at the end.

    Raises
    ------
    RunFolderError
        On entering: another process, or another thread, works on the folder; or it cannot be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[Path] = []
        self._descriptor: int | None = None

    def __enter__(self) -> RunLock:
        self._made = [folder for folder in (self._folder, *self._folder.parents) if not folder.exists()]
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = self._locked()
        except (OSError, ValueError) as error:
            self._remove_made()
            if isinstance(error, OSError) and error.filename == str(self._folder / LOCK) and self._folder.is_dir():
                remedy = "remove it if nothing needs it" if error.errno in NO_LOCK else remedy_for(error)
                raise RunFolderError(f"cannot lock {self._folder}: {error}; {remedy}") from error
            raise RunFolderError(
                f"cannot make a run folder at {self._folder}: {error}; choose another --out"
            ) from error
        # A forked worker shares the descriptor, and would keep the lock when this process is killed.
        if hasattr(os, "register_at_fork"):
            held = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _forget(held))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            # The file is removed while the lock is held: a process that opened it meanwhile sees this and makes a
            # new one.
            with suppress(OSError):
                (self._folder / LOCK).unlink()
            os.close(descriptor)
        self._remove_made()

    def _locked(self) -> int:
        path = self._folder / LOCK
        while True:
            # No link is followed, so that no file outside the folder is overwritten; a pipe does not block.
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | SAFELY, 0o644)
            try:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise OSError(errno.EINVAL, "it is no regular file", str(path))
                owner = _owner(descriptor, path)
                held_by_kernel = _flock(descriptor)
                if held_by_kernel is False or (held_by_kernel is None and not _gone(owner)):
                    remedy = "" if held_by_kernel is False else f"; if it is gone, delete {path}"
                    raise RunFolderError(f"{self._folder} is in use by {_shown(owner)}{remedy}")
                if _same_file(descriptor, path):
                    _name_owner(descriptor)
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def _remove_made(self) -> None:
        for folder in self._made:
            with suppress(OSError):  # not empty
                folder.rmdir()


def _forget(held: weakref.ref[RunLock]) -> None:
    lock = held()
    if lock is not None and lock._descriptor is not None:
        os.close(lock._descriptor)
        lock._descriptor = None


def _flock(descriptor: int) -> bool | None:
    """Whether the kernel grants the lock; None where the file system has no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _owner(descriptor: int, path: Path) -> dict[str, Any]:
    os.lseek(descriptor, 0, os.SEEK_SET)
    content = os.read(descriptor, 4096)
    try:
        owner = json.loads(content)
    except (ValueError, RecursionError):
        owner = {}
    if not BEGINNING.startswith(content[: len(BEGINNING)]):  # else not yet written, or not to its end
        raise OSError(errno.EINVAL, "it was not made by a run of this package", str(path))
    return owner if isinstance(owner, dict) else {}


def _name_owner(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode())


def _shown(owner: dict[str, Any]) -> str:
    if not owner:
        return "another process; wait until it ends"
    return f"process {owner.get('pid')} on {owner.get('host')}; wait until it ends, or stop it"


def _gone(owner: dict[str, Any]) -> bool:
    """Whether a lock file names no process, or a process of this host that does not exist."""
    if not owner:
        return True
    if owner.get("host") != socket.gethostname() or not isinstance(owner.get("pid"), int) or os.name != "posix":
        return False
    try:
        os.kill(owner["pid"], 0)
    except ProcessLookupError:
        return True
    except OSError:  # it belongs to another user
        pass
    return False


def _same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
