"""The filter for imperfect detectors word for word: dense exponentials, one click after the other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from click_systems import superoperator
from numpy.typing import NDArray
from scipy.linalg import expm

import trajectories as tj


def dense_filter(
    system: tj.OpenSystem,
    rho: NDArray[np.complex128],
    record: tj.ClickRecord,
    row: int,
    detectors: Mapping[str, tj.Detector],
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Follow one trajectory: −ln S of every gap, the click rates, and ln of the likelihood.

    `detectors` maps channels of the record; ideal ones where there is none.
    """
    size = system.dimension**2
    watched = [detectors.get(name, tj.Detector()) for name in record.channel_names]
    jumps = []
    for name, detector in zip(record.channel_names, watched, strict=True):
        c = system.channel(name).operator.toarray()
        jumps.append(detector.efficiency * np.kron(c, c.conj()) + detector.dark_rate * np.eye(size))
    whole, trace = superoperator(system), np.eye(system.dimension).ravel()
    low, high = record.offsets[row : row + 2]
    state, now = rho.ravel().astype(complex), record.start[row]
    alive_at = np.full(len(jumps), -np.inf)
    hazard, rates, likelihood = [], [], 0.0
    for n in range(low, high + 1):
        target = record.time[n] if n < high else record.stop[row]
        survival = 1.0
        while now < target or not len(hazard) > n - low:
            asleep = alive_at > now
            until = min([target, *alive_at[asleep]])
            motion = whole - sum(jump for jump, gone in zip(jumps, asleep, strict=True) if not gone)
            state = expm((until - now) * motion) @ state
            now = until
            if now >= target:
                survival = (trace @ state).real
                hazard.append(-np.log(survival))
        likelihood += np.log(survival)
        if n == high:
            break
        asleep = alive_at > now
        seen = [
            0.0 if gone else (trace @ j @ state).real / survival for j, gone in zip(jumps, asleep, strict=True)
        ]
        rates.append(seen)
        k = int(record.channel[n])
        likelihood += np.log(seen[k])
        state = jumps[k] @ state
        state = state / (trace @ state).real
        alive_at[k] = now + watched[k].dead_time if watched[k].dead_time else -np.inf
    return np.array(hazard), np.array(rates).reshape(high - low, len(jumps)), likelihood
