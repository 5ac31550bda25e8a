"""TOML files, read from a regular file or from the pipe of a shell's ``<(…)``."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

# Largest size of a configuration file, in bytes.
MOST_BYTES = 2**24
# Paths of the pipes of a shell's ``<(…)``, which have a writer; reading another pipe might never end.
PIPES = ("/dev/fd/", "/dev/stdin", "/proc/self/fd/")


def read_toml(path: str) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises
    ------
    OSError
        It cannot be read.
    ValueError
        It is not TOML, not a regular file, or too large.
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
