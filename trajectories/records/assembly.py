"""From blocks to records: which trajectories a block holds, and how blocks are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ensembles import Stratification, TrajectoryStates
from .averages import Dealt, EnsembleAverages, dealt_states
from .clicks import ClickRecord
from .run_metadata import unit_of

# Entries of run.json about itself and its files, which a record does not keep.
OF_THE_FOLDER = ("format", "version", "layout", "checksum")


def assemble(
    metadata: Mapping[str, Any],
    bounds: Sequence[tuple[int, int]],
    parts: Sequence[Mapping[str, NDArray[Any]]],
    averages: EnsembleAverages | None = None,
) -> ClickRecord:
    """Join blocks, ascending, into one record.

    Parameters
    ----------
    metadata : mapping
        What ``run.json`` holds.
    bounds : sequence of (int, int)
        First trajectory of each block, and one past its last.
    parts : sequence of mapping
        Columns of each block: clicks of every trajectory (``counts``), their ``time`` and ``channel``, what
        was ``sampled``, and where they were asked for the states at the end, ``final_kets``.
    averages : EnsembleAverages, optional
        What has been sampled, if it was added up on the way; the parts need no ``sampled`` then.
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
    if averages is None:
        averages = EnsembleAverages(metadata, numbers)
        for (first, _), part in zip(bounds, parts, strict=True):
            averages.add(first, part["sampled"])
    return ClickRecord.from_arrays(
        np.repeat(np.arange(len(numbers)), counts),
        np.concatenate([part["time"] for part in parts]),
        np.concatenate([part["channel"] for part in parts]),
        channel_names=metadata["channel_names"],
        start=np.zeros(len(numbers)),
        stop=np.full(len(numbers), configuration["duration"]),
        provenance=provenance,
        unit=unit_of(metadata),
        expectations=averages.result(),
        final_states=_final_states(configuration, parts, dealt_states(metadata, numbers)),
    )


def _final_states(
    configuration: Mapping[str, Any], parts: Sequence[Mapping[str, NDArray[Any]]], dealt: Dealt | None
) -> TrajectoryStates | None:
    """Join the states at the end, weighted as the averages are."""
    if not configuration.get("final_states"):
        return None
    weights = None
    if dealt is not None:
        chosen, probabilities = dealt
        counts = np.bincount(chosen, minlength=len(probabilities))
        weights = Stratification.of(probabilities, counts).weights[chosen]
    time = configuration.get("begun_at", 0.0) + configuration["duration"]
    kets = np.concatenate([part["final_kets"] for part in parts])
    return TrajectoryStates(kets, weights, time, configuration.get("stage", 0) + 1)
