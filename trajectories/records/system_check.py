"""Check that run.json agrees with system.npz: digest, channels and exact rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..digest import digest_of, names_of_arrays

# Rates agree to this fraction of the largest possible rate: the ensemble drops weights below 1e-15, and rounds.
AGREEMENT = 1e-9
ENSEMBLE = ("kets", "cumulative")


def names_needed(metadata: Mapping[str, Any]) -> list[str]:
    """Return the names of the arrays that `contradiction` looks at."""
    ensemble = ENSEMBLE if metadata["steady_state"] is not None else ()
    draws = ("draws", "cumulative") if metadata["configuration"].get("draws") is not None else ()
    return [
        *names_of_arrays(metadata["channel_names"], metadata.get("drives")),
        *dict.fromkeys([*ensemble, *draws]),
    ]


def contradiction(metadata: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str | None:
    """Return how a ``run.json`` contradicts the arrays of its system; None if it does not.

    Parameters
    ----------
    metadata : mapping
        Content of ``run.json``.
    arrays : mapping of str to ndarray
        Content of ``system.npz``.

    Raises
    ------
    ValueError, KeyError
        The arrays do not describe a system.
    """
    names = [str(name) for name in arrays["channel_names"]]
    if names != metadata["channel_names"]:
        return f"channel_names are {metadata['channel_names']}, but the system has {names}"
    dimension = len(arrays["hamiltonian.indptr"]) - 1
    if dimension != metadata["dimension"]:
        return f"dimension is {metadata['dimension']}, but the system has {dimension}"
    digest = digest_of(arrays)
    if digest != metadata["configuration"]["digest"]:
        return f"digest is {metadata['configuration']['digest'][:16]}…, but the system has {digest[:16]}…"
    draws, shares = metadata["configuration"].get("draws"), metadata.get("initial_shares")
    if draws is not None and str(arrays["draws"]) != draws:
        return f"draws is {draws!r}, but the system has {str(arrays['draws'])!r}"
    if shares is not None and arrays["cumulative"].tolist() != shares:
        return "initial_shares are not those of the system"
    if metadata["steady_state"] is None:
        return None
    exact = metadata["steady_state"]["rates"]
    for name in names:
        rate, largest = _rate(arrays, name, dimension)
        if not abs(exact[name] - rate) <= AGREEMENT * largest:
            return f"the exact rate of {name} is {exact[name]:g}, but the system has {rate:g}"
    return None


def _rate(arrays: Mapping[str, NDArray[Any]], name: str, dimension: int) -> tuple[float, float]:
    """Return the click rate Σ_j p_j ‖cψ_j‖² of a channel in the initial ensemble, and a bound of it."""
    parts = tuple(arrays[f"channel.{name}.{part}"] for part in ("data", "indices", "indptr"))
    operator = sparse.csr_array(parts, shape=(dimension, dimension))
    kets, weights = arrays["kets"], np.diff(arrays["cumulative"], prepend=0.0)
    clicks = np.abs(operator @ kets.T) ** 2
    return float(clicks.sum(axis=0) @ weights), float((np.abs(operator.data) ** 2).sum())
