"""Two-time averages from wave functions: apply an operator along a trajectory, and propagate the result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..random_streams import branch_seed, sample_times_stream
from .blocks import NO_SAMPLING, BlockTask, Sampling, run_block
from .compiled import CompiledSystem, stack_operators


@dataclass(frozen=True)
class TimeSampling:
    """Random sample times along trajectories, one in each of `samples` equal parts of [0, duration]."""

    seed: int
    duration: float
    samples: int

    def times(self, index: int) -> NDArray[np.float64]:
        """Return the ascending sample times of trajectory `index`; each time is equally likely."""
        numbers = sample_times_stream(self.seed, index).random(self.samples)
        return (np.arange(self.samples) + numbers) * (self.duration / self.samples)


def occupations(
    compiled: CompiledSystem, sampling: TimeSampling, index: int, operators: list[sparse.csr_array]
) -> NDArray[np.float64]:
    """Return the average of ‖O_kψ(t)‖² over sample times along a trajectory, shape (n_operators,)."""
    numbers = [sparse.csr_array(operator.conj().T @ operator) for operator in operators]
    stacked = stack_operators(numbers, compiled.dimension)
    return _sampled(compiled, sampling, index, Sampling(len(numbers), stacked, sampling.times(index))).mean(axis=0)


def kets_along(compiled: CompiledSystem, sampling: TimeSampling, index: int) -> NDArray[np.complex128]:
    """Return the normalised states of a trajectory at its sample times, shape (samples, N), up to phases."""
    wanted = replace(NO_SAMPLING, times=sampling.times(index), kets=True)
    return run_block(compiled, BlockTask(index, index + 1, sampling.seed, sampling.duration, wanted)).kets[0]


def two_time_average(
    compiled: CompiledSystem,
    sampling: TimeSampling,
    index: int,
    operator: sparse.csr_array,
    delays: NDArray[np.float64],
) -> tuple[float, NDArray[np.float64]]:
    """Return the averages ⟨B†B⟩ and ⟨B†(0)B†(τ)B(τ)B(0)⟩ over sample times along one trajectory.

    Tr[B†B e^{Lτ} Bψψ†B†] is ‖Bψ‖² times the mean of ‖Bψ′(τ)‖² over trajectories that start in Bψ/‖Bψ‖. There are
    as many such branches as sample times, each from the state at a sample time drawn with weight ‖Bψ‖².

    Parameters
    ----------
    compiled : CompiledSystem
        The system.
    sampling : TimeSampling
        Sample times along the trajectory.
    index : int
        Number of the trajectory.
    operator : csr_array of shape (N, N)
        The operator B.
    delays : ndarray of shape (n_delays,)
        Ascending τ ≥ 0; the last is above zero.

    Returns
    -------
    single : float
        ⟨B†B⟩.
    joint : ndarray of shape (n_delays,)
        The two-time average.
    """
    after = kets_along(compiled, sampling, index) @ operator.T
    weights = np.sum(after.real**2 + after.imag**2, axis=1)
    single = float(weights.mean())
    if single == 0.0:
        return 0.0, np.zeros(len(delays))
    possible = weights > 0.0
    cumulative = np.cumsum(weights[possible])
    starts = np.ascontiguousarray(after[possible] / np.sqrt(weights[possible])[:, None])
    branching = replace(compiled, kets=starts, cumulative=cumulative / cumulative[-1])
    number = stack_operators([sparse.csr_array(operator.conj().T @ operator)], compiled.dimension)
    followed = BlockTask(
        0, sampling.samples, branch_seed(sampling.seed, index), float(delays[-1]), Sampling(1, number, delays)
    )
    return single, single * run_block(branching, followed).sampled[:, :, 0].mean(axis=0)


def _sampled(
    compiled: CompiledSystem, sampling: TimeSampling, index: int, wanted: Sampling
) -> NDArray[np.float64]:
    """Return ⟨O_k⟩ along one trajectory, shape (n_times, n_operators)."""
    task = BlockTask(index, index + 1, sampling.seed, sampling.duration, wanted)
    return run_block(compiled, task).sampled[0]
