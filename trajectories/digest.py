"""Digest of a system: SHA-256 of all its operators and envelopes, which identifies the physics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

# Name of the array with the time dependence of a system; constant systems do not have it.
TIME_DEPENDENCE = "time_dependence"


def digest_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the digest of a system from its named arrays, those in memory or those of a ``system.npz``.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        ``channel_names``, and the parts ``.data``, ``.indices`` and ``.indptr`` of the canonical CSR matrices
        ``hamiltonian`` and ``channel.NAME``; of a system that depends on time also ``time_dependence``, the text
        of its envelopes, and ``drive.NUMBER``. Other arrays do not count.
    """
    state = hashlib.sha256()
    keys = {"": "hamiltonian"} | {str(name): f"channel.{name}" for name in arrays["channel_names"]}
    if TIME_DEPENDENCE in arrays:
        text = str(arrays[TIME_DEPENDENCE])
        state.update(f"{text}\0".encode())
        # No channel has a name with NUL in it.
        keys |= {f"\0{i}": f"drive.{i}" for i in range(len(json.loads(text)["drives"]))}
    for name, key in keys.items():
        data, indices, indptr = (arrays[f"{key}.{part}"] for part in ("data", "indices", "indptr"))
        state.update(f"{name}\0{len(indptr) - 1}\0{len(data)}\0".encode())
        state.update(indptr.astype("<i8").tobytes())
        state.update(indices.astype("<i8").tobytes())
        state.update(data.astype("<c16").tobytes())
    return state.hexdigest()


def names_of_arrays(channels: Mapping[str, Any] | list[str], drives: int | None = None) -> list[str]:
    """Return the names of the arrays that `digest_of` needs for a system with these channels.

    `drives` is the number of drives, for a system that depends on time.
    """
    keys = ["hamiltonian", *(f"channel.{name}" for name in channels)]
    keys += [f"drive.{i}" for i in range(drives or 0)]
    return [
        "channel_names",
        *([] if drives is None else [TIME_DEPENDENCE]),
        *(f"{key}.{part}" for key in keys for part in ("data", "indices", "indptr")),
    ]
