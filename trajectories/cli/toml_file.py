"""TOML files: read whole, from a file or from the pipe of a shell's ``<(…)``."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

# Largest size of a configuration file, in bytes.
MOST_BYTES = 2**24
# Where a shell puts the pipes of ``<(…)``, which have a writer; any other pipe may never get one.
PIPES = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def read_toml(path: str) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is no TOML, or nothing that could be a configuration.
    """
    if "\0" in path:
        raise FileNotFoundError(f"{path!r} is no path")
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode) and not path.startswith(PIPES):
        raise ValueError("it is no regular file")
    with Path(path).open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES} bytes")
    try:
        return tomllib.loads(content.decode())
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
