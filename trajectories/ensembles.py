"""Ensembles of trajectories: their initial states, averages with stratified initial states, final states.

The states of a mixture are assigned by the sequence u_r = {u₀ + r/φ} with the golden ratio φ and a random u₀:
trajectory r starts from the state in whose part of [0, 1), of length p_i, the number u_r lies. Of any n
trajectories n p_i start from state i, up to one or two, however large n is; u_r depends on the seed and on r
only; and because u₀ is uniform, each single trajectory starts from state i with probability p_i.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .checks import finite_array, finite_number, integer, shown
from .errors import InvalidInput
from .random_streams import assignment_offset
from .results import read_only

# 2⁶⁴/φ, made odd: r times it, modulo 2⁶⁴, is the fractional part of r/φ.
GOLDEN = 0x9E3779B97F4A7C15
# Least number of trajectories from which a variance is estimated.
LEAST_IN_GROUP = 8
# Largest deviation from 1 of a norm or a sum of weights.
NORM_TOLERANCE = 1e-8


def stratified_numbers(seed: int, indices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return u_r in [0, 1) of trajectories r, a low-discrepancy sequence that depends on the seed.

    Parameters
    ----------
    seed : int
        Seed of the run.
    indices : ndarray of int64
        Numbers r of trajectories.
    """
    with np.errstate(over="ignore"):
        places = assignment_offset(seed) + np.asarray(indices, dtype=np.uint64) * np.uint64(GOLDEN)
    return np.asarray((places >> np.uint64(11)) * 2.0**-53)


def strata(seed: int, indices: NDArray[np.int64], cumulative: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of the initial state of trajectories r.

    Parameters
    ----------
    seed, indices
        As for `stratified_numbers`.
    cumulative : ndarray of shape (n_states,)
        Cumulative probabilities of the states; the last is 1.
    """
    chosen = np.searchsorted(cumulative, stratified_numbers(seed, indices), side="right")
    return np.minimum(chosen, len(cumulative) - 1).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Stratification:
    """Weights of trajectories that started from given numbers of the states of a mixture.

    ⟨O⟩ = Σ_i p_i ⟨O⟩_i with the mean ⟨O⟩_i over the trajectories that started from state i (stratified sampling).
    Initial states that are assigned, not drawn, add no variance: at t = 0 the average is exact. If a state has no
    trajectory, all states at most as likely as that one are pooled: the mean is over the trajectories that
    started from any of them.

    Attributes
    ----------
    weights : ndarray of shape (n_states,)
        Weight in the average of each trajectory that started from state i.
    groups : ndarray of int64, shape (n_states,)
        Group of each state. The variance is estimated for a group together: few trajectories determine none.
    """

    weights: NDArray[np.float64]
    groups: NDArray[np.int64]

    @classmethod
    def of(cls, probabilities: NDArray[np.float64], counts: NDArray[np.int64]) -> Stratification:
        """Return the weights for given numbers of trajectories from each state.

        Parameters
        ----------
        probabilities : ndarray of shape (n_states,)
            p_i, summing to 1.
        counts : ndarray of int64, shape (n_states,)
            Trajectories that started from each state; at least one in all.
        """
        order = np.argsort(-probabilities, kind="stable")
        p, n = probabilities[order] / probabilities.sum(), counts[order]
        pooled = int(np.argmax(n == 0)) if (n == 0).any() else len(n)
        # States as likely as the first one without a trajectory are pooled with it, before or after it in order.
        pooled = int(np.searchsorted(-p, -p[pooled], side="left")) if pooled < len(n) else pooled
        while pooled < len(n) and n[pooled:].sum() == 0:
            pooled -= 1
        weights, groups = np.zeros(len(p)), np.zeros(len(p), np.int64)
        weights[:pooled] = p[:pooled] / n[:pooled]
        if pooled < len(n):
            weights[pooled:] = p[pooled:].sum() / n[pooled:].sum()
        bounds = _groups(n, pooled)
        for number, (first, last) in enumerate(pairwise(bounds)):
            groups[first:last] = number
        back = np.argsort(order, kind="stable")
        return cls(weights[back], groups[back])

    def average(
        self, counts: NDArray[np.int64], sums: NDArray[np.float64], squares: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the average and its standard error; NaN where a group has a single trajectory.

        With the weight w_r of a trajectory and the weighted mean m_g of its group the variance is
        Σ_g n_g/(n_g − 1) Σ_{r∈g} w_r² (x_r − m_g)²; for one group this is the variance of a mean.

        Parameters
        ----------
        counts : ndarray of int64, shape (n_states,)
            n_i, trajectories from each state.
        sums : ndarray of shape (n_states, …)
            Means x̄_i over the trajectories of each state; ignored for states without one.
        squares : ndarray of shape (n_states, …)
            Σ(x_r − x̄_i)² over the trajectories of each state.
        """
        shape = (-1,) + (1,) * (sums.ndim - 1)
        share = (self.weights * counts).reshape(shape)
        mean = np.where(share > 0.0, share * sums, 0.0)
        variance = np.zeros(sums.shape[1:])
        for group in range(int(self.groups.max()) + 1):
            mine = np.flatnonzero((self.groups == group) & (counts > 0))
            total = int(counts[mine].sum())
            if total < 2:
                return mean.sum(axis=0), np.full(sums.shape[1:], np.nan)
            centre = mean[mine].sum(axis=0) / share[mine].sum()
            n, w = counts[mine].reshape(shape), self.weights[mine].reshape(shape)
            spread = w**2 * (squares[mine] + n * (sums[mine] - centre) ** 2)
            variance += total / (total - 1) * spread.sum(axis=0)
        return mean.sum(axis=0), np.sqrt(variance)


@dataclass(frozen=True, eq=False, repr=False)
class TrajectoryStates:
    """The pure states of trajectories at one time: the end of a run, and the start of the next.

    Their average is the density matrix ρ = Σ_r w_r |ψ_r⟩⟨ψ_r|. The time to the next click depends on the state
    ψ_r only. So trajectories that continue with new random numbers have the same distribution as uninterrupted
    ones.

    Parameters
    ----------
    kets : array_like of complex, shape (n_trajectories, N)
        One state for each trajectory, of norm 1.
    weights : array_like of float, shape (n_trajectories,), optional
        Weights w_r, summing to 1; equal when not given.
    time : float
        Time since the start of the first run, in 1/ω_b.
    stage : int
        Number of runs before these states. The random numbers of the next run depend on it, on the seed and on the
        number of the trajectory, so that the same seed can be given again.

    Examples
    --------
    >>> import trajectories as tj
    >>> states = tj.TrajectoryStates([[1.0, 0.0], [0.0, 1.0]])
    >>> states.density_matrix.real
    array([[0.5, 0. ],
           [0. , 0.5]])
    """

    kets: NDArray[np.complex128]
    weights: NDArray[np.float64] | None = None
    time: float = 0.0
    stage: int = 0

    def __post_init__(self) -> None:
        kets = finite_array(self.kets, "kets", np.complex128)
        if kets.ndim != 2 or len(kets) == 0:
            raise InvalidInput(f"kets have shape {kets.shape}; give one ket for each trajectory, (n, N)")
        norms = np.linalg.norm(kets, axis=1)
        worst = int(np.argmax(abs(norms - 1.0)))
        if abs(norms[worst] - 1.0) > NORM_TOLERANCE:
            raise InvalidInput(f"ket {worst} has norm {norms[worst]:.6g}; divide it by its norm")
        weights = np.full(len(kets), 1.0 / len(kets))
        if self.weights is not None:
            weights = finite_array(self.weights, "weights")
            if weights.shape != (len(kets),) or (weights < 0.0).any() or abs(weights.sum() - 1.0) > NORM_TOLERANCE:
                raise InvalidInput(
                    f"weights={shown(self.weights)} must be {len(kets)} that sum to 1, none below 0"
                )
        integer(self.stage, "stage", 0)
        finite_number(self.time, "time")
        object.__setattr__(self, "kets", read_only(kets, np.complex128))
        object.__setattr__(self, "weights", read_only(weights, np.float64))

    def __len__(self) -> int:
        return len(self.kets)

    def __repr__(self) -> str:
        count, dimension = self.kets.shape
        return f"TrajectoryStates({count} kets of dimension {dimension}, time={self.time:g})"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the kets, by which a run identifies the states it started from."""
        return fingerprint(self.kets)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.kets, dtype=dtype)

    @property
    def density_matrix(self) -> NDArray[np.complex128]:
        """ρ = Σ_r w_r |ψ_r⟩⟨ψ_r|, shape (N, N)."""
        return np.asarray((self.kets.T * np.asarray(self.weights)) @ self.kets.conj())


def fingerprint(*arrays: ArrayLike) -> str:
    """Return the SHA-256 of arrays, their types and shapes."""
    state = hashlib.sha256()
    for array in arrays:
        values = np.ascontiguousarray(array)
        state.update(f"{values.dtype.str} {values.shape}".encode())
        state.update(values.tobytes())
    return state.hexdigest()


def _groups(counts: NDArray[np.int64], pooled: int) -> list[int]:
    """Return the bounds of groups of enough trajectories, of states in order.

    Pooled states are in one group with the last state that is not pooled: only the differences of rare states can
    indicate how much states without a trajectory differ.
    """
    bounds, gathered = [0], 0
    for k in range(pooled if pooled == len(counts) else pooled - 1):
        gathered += int(counts[k])
        if gathered >= LEAST_IN_GROUP:
            bounds.append(k + 1)
            gathered = 0
    rest = int(counts[bounds[-1] :].sum())
    if bounds[-1] == len(counts) or rest >= LEAST_IN_GROUP or len(bounds) == 1:
        return bounds if bounds[-1] == len(counts) else [*bounds, len(counts)]
    return [*bounds[:-1], len(counts)]  # the remaining states at the end join the last group
