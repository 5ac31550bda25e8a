"""What a core of mode pairs gave, kept by content: it can be written to a file and used by another process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Arrays by the hash of everything that they were computed from.
Kept = dict[str, NDArray[Any]]

# Changes when the arrays' meaning does.
VERSION = 2


def content(*parts: object) -> str:
    """Return a hash of arrays and plain values."""
    state = hashlib.sha256(f"{VERSION}".encode())
    for part in parts:
        if isinstance(part, np.ndarray):
            state.update(f"{part.dtype.str}{part.shape}".encode())
            state.update(np.ascontiguousarray(part).tobytes())
        else:
            state.update(repr(part).encode())
        state.update(b"\0")
    return state.hexdigest()


def remembered(kept: Kept, key: str, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """Return the array kept under a key; compute and keep it where there is none."""
    if key not in kept:
        kept[key] = compute()
    return kept[key]
