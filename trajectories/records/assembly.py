"""From blocks to records: which trajectories a block holds, and how blocks are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..results import Expectation
from .clicks import ClickRecord

# What run.json says about itself and its files, and not about the clicks.
OF_THE_FOLDER = ("format", "version", "layout", "checksum")


def assemble(
    metadata: Mapping[str, Any],
    bounds: Sequence[tuple[int, int]],
    parts: Sequence[Mapping[str, NDArray[Any]]],
) -> ClickRecord:
    """Join blocks, ascending, into one record.

    Parameters
    ----------
    metadata : mapping
        What ``run.json`` holds.
    bounds : sequence of (int, int)
        First trajectory of each block, and one past its last.
    parts : sequence of mapping
        Columns of each block: clicks of every trajectory (``counts``), their ``time`` and ``channel``, and what
        was ``sampled``.
    """
    configuration = metadata["configuration"]
    # The rows of a record count only the trajectories that it holds.
    numbers = np.concatenate([np.arange(first, last) for first, last in bounds])
    counts = np.concatenate([part["counts"] for part in parts])
    provenance = {key: value for key, value in metadata.items() if key not in OF_THE_FOLDER}
    provenance |= {
        "run_trajectories": numbers,
        "complete": len(numbers) == configuration["trajectories"],
        "worst_error": max(float(part["worst_error"]) for part in parts),
    }
    sampled = np.concatenate([part["sampled"] for part in parts])
    return ClickRecord.from_arrays(
        np.repeat(np.arange(len(numbers)), counts),
        np.concatenate([part["time"] for part in parts]),
        np.concatenate([part["channel"] for part in parts]),
        channel_names=metadata["channel_names"],
        start=np.zeros(len(numbers)),
        stop=np.full(len(numbers), configuration["duration"]),
        provenance=provenance,
        expectations=_ensemble_averages(configuration["observables"], configuration["sample_times"], sampled),
    )


def _ensemble_averages(
    names: Sequence[str], times: Sequence[float], sampled: NDArray[np.float64]
) -> dict[str, Expectation]:
    """Average sampled values of shape (trajectories, times, operators) over the trajectories."""
    count = len(sampled)
    error = sampled.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(sampled.shape[1:], np.nan)
    mean = sampled.mean(axis=0)
    return {
        name: Expectation(np.array(times), mean[:, k], error[:, k], count, "mean over trajectories")
        for k, name in enumerate(names)
    }
