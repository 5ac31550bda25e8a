"""Results of cores of mode pairs, stored under a hash of their inputs, so that another process can use them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Arrays by the hash of everything that they were computed from.
Kept = dict[str, NDArray[Any]]

# Must be changed when the meaning of the arrays changes.
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
