"""StoredSystem: a compiled system in a file, for workers that share no memory with the caller."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import RunFolderError
from ..records.files import UNREADABLE, unpack
from .compiled import CompiledSystem


@dataclass(frozen=True)
class StoredSystem:
    """Path and checksum of a compiled system.

    A task carries these two strings instead of the arrays, which grow as N²; each worker process reads the file
    once, and does no linear algebra.

    Attributes
    ----------
    path : str
        An NPZ file with the arrays of `CompiledSystem.to_arrays`, e.g. the ``system.npz`` of a run folder.
    sha256 : str
        Checksum of that file.
    """

    path: str
    sha256: str

    def load(self) -> CompiledSystem:
        """Return the compiled system.

        Raises
        ------
        RunFolderError
            This worker cannot read the file, or its checksum is another one.
        """
        return _loaded(self.path, self.sha256)


# Caches one system in each process; the checksum in the key makes sure that it is that of the file.
@lru_cache(maxsize=1)
def _loaded(path: str, sha256: str) -> CompiledSystem:
    remedy = "give a run folder on a file system that all workers share"
    try:
        content = Path(path).read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise RunFolderError(f"{path} is another file for a worker; {remedy}")
        return CompiledSystem.from_arrays(unpack(content))
    except UNREADABLE as error:
        raise RunFolderError(f"a worker cannot read {path} ({error}); {remedy}") from error
