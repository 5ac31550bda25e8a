"""A file that is there whole or not at all, and that never replaces another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ...errors import InvalidInput


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; what is written there becomes `path` when the block succeeds.

    Raises
    ------
    InvalidInput
        The file exists, or cannot be written.
    """
    taken = f"{path} exists; give a new file, nothing was changed"
    if os.path.lexists(path):
        raise InvalidInput(taken)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        try:
            yield temporary
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            try:
                os.link(temporary, path)  # unlike a rename this never replaces what came in between
            except FileExistsError as error:
                raise InvalidInput(taken) from error
            except OSError:  # a file system without links
                if os.path.lexists(path):
                    raise InvalidInput(taken) from None
                temporary.rename(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInput(f"cannot write {path}: {reason}; give another file or free space") from error
