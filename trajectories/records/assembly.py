"""Join the blocks of a run into one record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..ensembles import Stratification, TrajectoryStates
from .averages import AssignedStates, EnsembleAverages, assigned_states
from .clicks import ClickRecord
from .run_metadata import unit_of

# Entries of run.json about the folder itself, which the provenance of a record leaves out.
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
        Columns of each block: ``counts`` (number of clicks of every trajectory), ``time`` and ``channel`` of the
        clicks, ``sampled`` expectation values, and ``final_kets`` if the run keeps final states.
    averages : EnsembleAverages, optional
        Averages of all blocks, if they were made while reading; the parts need no ``sampled`` then.
    """
    configuration = metadata["configuration"]
    # Rows of a record are numbered from 0, whichever trajectories of the run it holds.
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
        final_states=_final_states(configuration, parts, assigned_states(metadata, numbers)),
    )


def _final_states(
    configuration: Mapping[str, Any], parts: Sequence[Mapping[str, NDArray[Any]]], assigned: AssignedStates | None
) -> TrajectoryStates | None:
    """Join the states at the end, weighted as the averages are."""
    if not configuration.get("final_states"):
        return None
    weights = None
    if assigned is not None:
        chosen, probabilities = assigned
        counts = np.bincount(chosen, minlength=len(probabilities))
        weights = Stratification.of(probabilities, counts).weights[chosen]
    time = configuration.get("begun_at", 0.0) + configuration["duration"]
    kets = np.concatenate([part["final_kets"] for part in parts])
    return TrajectoryStates(kets, weights, time, configuration.get("stage", 0) + 1)
