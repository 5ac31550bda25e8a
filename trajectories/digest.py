"""The digest of a system, SHA-256 of H, the channel names and their operators: the identity of the physics."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray


def digest_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the digest of a system from its named arrays, those in memory or those of a ``system.npz``.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        ``channel_names``, and the parts ``.data``, ``.indices`` and ``.indptr`` of the canonical CSR matrices
        ``hamiltonian`` and ``channel.NAME``; what else there is does not count.
    """
    state = hashlib.sha256()
    keys = {"": "hamiltonian"} | {str(name): f"channel.{name}" for name in arrays["channel_names"]}
    for name, key in keys.items():
        data, indices, indptr = (arrays[f"{key}.{part}"] for part in ("data", "indices", "indptr"))
        state.update(f"{name}\0{len(indptr) - 1}\0{len(data)}\0".encode())
        state.update(indptr.astype("<i8").tobytes())
        state.update(indices.astype("<i8").tobytes())
        state.update(data.astype("<c16").tobytes())
    return state.hexdigest()


def names_of_arrays(channels: Mapping[str, Any] | list[str]) -> list[str]:
    """Return the names of the arrays that `digest_of` needs for a system with these channels."""
    keys = ["hamiltonian", *(f"channel.{name}" for name in channels)]
    return ["channel_names", *(f"{key}.{part}" for key in keys for part in ("data", "indices", "indptr"))]
