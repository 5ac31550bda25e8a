"""From blocks to records: which trajectories a block holds, and how blocks are joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..ensembles import Stratification, TrajectoryStates, strata
from ..results import Expectation, known_errors
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
        Columns of each block: clicks of every trajectory (``counts``), their ``time`` and ``channel``, what
        was ``sampled``, and where they were asked for the states at the end, ``final_kets``.
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
    dealt = _dealt(metadata, numbers)
    return ClickRecord.from_arrays(
        np.repeat(np.arange(len(numbers)), counts),
        np.concatenate([part["time"] for part in parts]),
        np.concatenate([part["channel"] for part in parts]),
        channel_names=metadata["channel_names"],
        start=np.zeros(len(numbers)),
        stop=np.full(len(numbers), configuration["duration"]),
        provenance=provenance,
        expectations=_ensemble_averages(
            configuration["observables"],
            configuration["sample_times"],
            sampled,
            dealt,
            certain_start=configuration["initial"] != "steady",
        ),
        final_states=_final_states(configuration, parts, dealt),
    )


# The initial state of each trajectory, and the probabilities of the states.
Dealt: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]


def _dealt(metadata: Mapping[str, Any], numbers: NDArray[np.int64]) -> Dealt | None:
    """Return which states of a mixture the trajectories were dealt; None where nothing was dealt out."""
    if metadata.get("initial_shares") is None:
        return None
    cumulative = np.array(metadata["initial_shares"])
    return strata(metadata["configuration"]["seed"], numbers, cumulative), np.diff(cumulative, prepend=0.0)


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


def _ensemble_averages(
    names: Sequence[str],
    times: Sequence[float],
    sampled: NDArray[np.float64],
    dealt: Dealt | None,
    certain_start: bool,
) -> dict[str, Expectation]:
    """Average sampled values of shape (trajectories, times, operators) over the trajectories.

    `certain_start` says that the states of the start were not drawn, so that an average there has no error.
    """
    count, method = len(sampled), "mean over trajectories"
    if dealt is None:
        mean = sampled.mean(axis=0)
        deviations = sampled - mean
        error = sampled.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(sampled.shape[1:], np.nan)
    else:
        chosen, probabilities = dealt
        counts, means, squares = _by_state(sampled, chosen, len(probabilities))
        states = Stratification.of(probabilities, counts)
        mean, error = states.average(counts, means, squares)
        deviations = states.weights[chosen, None, None] * (sampled - means[chosen])
        method = "mean over trajectories, stratified by their initial state"
    # Before they have clicked, trajectories from one state agree: that is certain at the start, and not later.
    later = np.array(times) > 0.0 if certain_start else np.ones(len(times), dtype=np.bool_)
    error = np.where(later[:, None], known_errors(error, mean, deviations), error)
    return {
        name: Expectation(np.array(times), mean[:, k], error[:, k], count, method) for k, name in enumerate(names)
    }


def _by_state(
    sampled: NDArray[np.float64], chosen: NDArray[np.int64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the number of trajectories from each state, their means, and their summed squared deviations."""
    counts = np.bincount(chosen, minlength=size)
    means, squares = np.zeros((2, size, *sampled.shape[1:]))
    np.add.at(means, chosen, sampled)
    means /= np.maximum(counts, 1)[:, None, None]
    np.add.at(squares, chosen, (sampled - means[chosen]) ** 2)
    return counts, means, squares
