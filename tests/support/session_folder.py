"""A folder that all processes of one session of tests share: who starts the others makes it, and takes it away."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

# The environment variable that names the folder.
NAME = "TRAJECTORIES_TESTS_SHARED"


def begin() -> None:
    """Make the folder, unless a process that started this one did."""
    if NAME not in os.environ:
        os.environ[NAME] = tempfile.mkdtemp(prefix="trajectories-tests-")


def place(name: str) -> Path | None:
    """Return where something of this name is kept, or None outside a session."""
    return Path(os.environ[NAME]) / name if NAME in os.environ else None


def keep(place: Path, data: bytes) -> None:
    """Write a file that other processes see only when it is complete."""
    part = place.with_name(f"{place.name}.{os.getpid()}")
    part.write_bytes(data)
    part.rename(place)


def end() -> None:
    """Take the folder away."""
    shutil.rmtree(os.environ.pop(NAME, ""), ignore_errors=True)
