"""follow() and states_along(): compute a recorded trajectory again, with expectation values or states."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import integer
from ..engine.blocks import NO_SAMPLING, Block, BlockTask, Sampling, run_block
from ..engine.compiled import CompiledSystem
from ..errors import InvalidInput
from ..model.system import OpenSystem
from ..records.run import Run
from ..stages import staged
from .request import checked_sampling, checked_times


@staged("following a trajectory")
def follow(
    run: str | os.PathLike[str], trajectory: int, observables: Mapping[str, Any], times: ArrayLike
) -> dict[str, NDArray[np.float64]]:
    """Compute one recorded trajectory again and sample expectation values along it.

    The random numbers are those of the record, so the clicks are the same.

    Parameters
    ----------
    run : path
        A run folder.
    trajectory : int
        Number of the trajectory in the run.
    observables : mapping of str to array
        Operators O of shape (N, N), or kets of shape (N,) for the operator |ket⟩⟨ket|.
    times : array_like of float, shape (n_times,)
        Ascending times within the run's duration, in the system's unit.

    Returns
    -------
    dict of str to ndarray of shape (n_times,)
        ⟨ψ(t)|O|ψ(t)⟩ of the normalised state.

    Raises
    ------
    InvalidInput
        A trajectory that the run does not have, or invalid observables or times.
    RunFolderError
        The folder holds no readable run.

    Examples
    --------
    >>> import tempfile, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> folder = tempfile.TemporaryDirectory()
    >>> record = tj.simulate(system, 4, 20.0, seed=1, out=f"{folder.name}/run", progress=False)
    >>> found = tj.follow(f"{folder.name}/run", 0, {"excited": sigma.T @ sigma}, [0.0, 10.0])
    >>> found["excited"].shape, bool((found["excited"] <= 1.0).all())
    ((2,), True)
    >>> folder.cleanup()
    """

    def sampling(system: OpenSystem, duration: float) -> Sampling:
        return checked_sampling(system, duration, observables, times)[0]

    sampled = _followed(run, trajectory, sampling).sampled[0]
    return {name: sampled[:, k] for k, name in enumerate(observables)}


def states_along(run: str | os.PathLike[str], trajectory: int, times: ArrayLike) -> NDArray[np.complex128]:
    """Compute one recorded trajectory again and return its states along it.

    Parameters
    ----------
    run : path
        A run folder.
    trajectory : int
        Number of the trajectory in the run.
    times : array_like of float, shape (n_times,)
        Ascending times within the run's duration, in the system's unit.

    Returns
    -------
    ndarray of complex, shape (n_times, N)
        Normalised states; at the time of a click, the state after it. Phases are arbitrary.

    Raises
    ------
    InvalidInput
        A trajectory that the run does not have, or invalid times.
    RunFolderError
        The folder holds no readable run.

    Examples
    --------
    >>> import tempfile, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> folder = tempfile.TemporaryDirectory()
    >>> record = tj.simulate(system, 4, 20.0, seed=1, out=f"{folder.name}/run", progress=False)
    >>> kets = tj.states_along(f"{folder.name}/run", 0, [0.0, 10.0])
    >>> kets.shape, (abs(kets) ** 2).sum(axis=1).round(6)
    ((2, 2), array([1., 1.]))
    >>> folder.cleanup()
    """
    return _followed(run, trajectory, lambda system, duration: _kets_at(duration, times)).kets[0]


def _kets_at(duration: float, times: ArrayLike) -> Sampling:
    return replace(NO_SAMPLING, times=checked_times(times, duration), kets=True)


def _followed(
    run: str | os.PathLike[str], trajectory: int, sampling: Callable[[OpenSystem, float], Sampling]
) -> Block:
    """Compute a trajectory of a run up to the last sample."""
    opened = Run.open(run)
    configuration = opened.configuration
    if integer(trajectory, "trajectory", 0) >= configuration["trajectories"]:
        raise InvalidInput(f"trajectory={trajectory} must lie in 0 … {configuration['trajectories'] - 1}")
    arrays = opened.arrays()
    wanted = sampling(OpenSystem.from_arrays(arrays), configuration["duration"])
    stop = float(wanted.times[-1]) if len(wanted.times) else 0.0
    stage = int(configuration.get("stage", 0))
    task = BlockTask(trajectory, trajectory + 1, configuration["seed"], stop, wanted, stage)
    return run_block(CompiledSystem.from_arrays(arrays), task)
