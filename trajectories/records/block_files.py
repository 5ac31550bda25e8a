"""The file of one block: its name, its columns, its checksum, and whether its content is possible."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ensembles import NORM_TOLERANCE

COLUMNS = ("counts", "time", "channel", "sampled", "worst_error")
NAME = re.compile(r"(\d{9,18})-(\d{9,18})\.npz")
# Columns of runs that keep final states.
OPTIONAL = ("final_kets",)

# First trajectory of a block, and one past its last.
Bounds = tuple[int, int]


def file_name(bounds: Bounds) -> str:
    """Return the name of the file of a block."""
    return f"{bounds[0]:09d}-{bounds[1] - 1:09d}.npz"


def bounds_in(name: str) -> Bounds | None:
    """Return the bounds in the name of a file; None where it is not the name of a block."""
    found = NAME.fullmatch(name)
    return (int(found[1]), int(found[2]) + 1) if found else None


def columns_of(configuration: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the columns in the blocks of a run."""
    return (*COLUMNS, *OPTIONAL) if configuration.get("final_states") else COLUMNS


def stored_columns(columns: Mapping[str, NDArray[Any]], n_channels: int) -> dict[str, NDArray[Any]]:
    """Return the columns of a block as a file holds them: nine bytes a click for up to 256 channels."""
    chosen = (*COLUMNS, *(name for name in OPTIONAL if name in columns))
    arrays = {name: np.asarray(columns[name], order="C") for name in chosen}
    return arrays | {"channel": arrays["channel"].astype(np.min_scalar_type(n_channels - 1))}


def block_checksum(run_id: str, bounds: Bounds, arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the checksum of a block, which binds it to its run and to its trajectories."""
    state = hashlib.sha256(f"{run_id} {bounds}".encode())
    for name in (*COLUMNS, *(name for name in OPTIONAL if name in arrays)):
        state.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
        state.update(arrays[name].tobytes())
    return state.hexdigest()


def inconsistency(metadata: Mapping[str, Any], bounds: Bounds, arrays: Mapping[str, NDArray[Any]]) -> str | None:
    """Return why columns with a right checksum cannot be a block of this run (edited); None if they can."""
    counts, time, channel, sampled, worst = (arrays[name] for name in COLUMNS)
    size, configuration = bounds[1] - bounds[0], metadata["configuration"]
    kinds = (counts.dtype.kind, time.dtype.kind, channel.dtype.kind, sampled.dtype.kind, worst.dtype.kind)
    shape = (size, len(configuration["sample_times"]), len(configuration["observables"]))
    if kinds[0] not in "iu" or kinds[1] != "f" or kinds[2] not in "iu" or kinds[3:] != ("f", "f"):
        return "has columns of wrong types"
    if counts.shape != (size,) or sampled.shape != shape or worst.shape != () or not worst >= 0:
        return f"does not hold {size} trajectories"
    if (counts < 0).any() or time.shape != channel.shape or time.shape != (int(counts.sum()),):
        return "has another number of clicks than its trajectories"
    if channel.size and not (channel.min() >= 0 and channel.max() < len(metadata["channel_names"])):
        return "has clicks in channels that the run does not have"
    if "final_kets" in arrays:
        kets = arrays["final_kets"]
        if kets.shape != (size, metadata["dimension"]) or kets.dtype.kind != "c":
            return f"does not hold the states of {size} trajectories"
        if not (abs(np.linalg.norm(kets, axis=1) - 1.0) <= NORM_TOLERANCE).all():
            return "has states whose norm is not 1"
    rows = np.repeat(np.arange(size), counts)
    within = (time >= 0) & (time <= configuration["duration"])
    if not within.all() or ((np.diff(rows) == 0) & (np.diff(time) < 0)).any():
        return "has click times out of order, or outside the duration"
    return None
