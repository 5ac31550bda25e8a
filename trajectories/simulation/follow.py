"""follow(): a recorded trajectory once more, with expectation values along it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import integer
from ..engine.blocks import BlockTask, run_block
from ..engine.compiled import CompiledSystem
from ..errors import InvalidInput
from ..model.system import OpenSystem
from ..records.run import Run
from .request import checked_sampling


def follow(
    run: str | os.PathLike[str], trajectory: int, observables: Mapping[str, Any], times: ArrayLike
) -> dict[str, NDArray[np.float64]]:
    """Follow one recorded trajectory again and sample expectation values along it.

    The random numbers are those of the record, so the clicks are the same.

    Parameters
    ----------
    run : path
        A run folder.
    trajectory : int
        Number of the trajectory in the run.
    observables : mapping of str to array
        Operators of shape (N, N), or kets of shape (N,) whose population is meant.
    times : array_like of float, shape (n_times,)
        Ascending times within the run's duration.

    Returns
    -------
    dict of str to ndarray of shape (n_times,)
        ⟨ψ(t)|O|ψ(t)⟩ of the normalised state.

    Raises
    ------
    InvalidInput
        A trajectory that the run does not have, or observables or times that cannot be right.
    RunFolderError
        No readable run there.
    """
    opened = Run.open(run)
    configuration = opened.configuration
    if integer(trajectory, "trajectory", 0) >= configuration["trajectories"]:
        raise InvalidInput(f"trajectory={trajectory} must lie in 0 … {configuration['trajectories'] - 1}")
    arrays = opened.arrays()
    system = OpenSystem.from_arrays(arrays)
    sampling, _ = checked_sampling(system, configuration["duration"], observables, times)
    stop = float(sampling.times[-1]) if len(sampling.times) else 0.0
    stage = int(configuration.get("stage", 0))
    task = BlockTask(trajectory, trajectory + 1, configuration["seed"], stop, sampling, stage)
    sampled = run_block(CompiledSystem.from_arrays(arrays), task).sampled[0]
    return {name: sampled[:, k] for k, name in enumerate(observables)}
