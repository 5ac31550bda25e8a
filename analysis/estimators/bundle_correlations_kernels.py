"""Kernel that counts pairs of bundles by the time between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..clicks.exposure import Exposure
from ..jit import kernel
from ..statistics.lag_bins_kernels import LagKeys, bin_of


@kernel()
def count_bundle_pairs(
    trajectory: NDArray[np.int64],
    start: NDArray[np.float64],
    stop: NDArray[np.float64],
    unit: NDArray[np.int64],
    earlier: NDArray[np.bool_],
    later: NDArray[np.bool_],
    exposure: Exposure,
    edges: NDArray[np.float64],
    per_width: float,
    keys: LagKeys | None,
    counts: NDArray[np.int64],
    weights: NDArray[np.float64],
) -> None:
    """Add up pairs (earlier k, any later q) of one trajectory by start[q] − stop[k], per unit of stop[k].

    counts[unit, bin] are numbers; in weights[unit, bin] a pair counts X(τ)/X(τ + ℓ_k + ℓ_q), by how much it
    is seen more rarely than bundles without length would be.
    """
    for k in range(len(start)):
        if not earlier[k]:
            continue
        for q in range(k + 1, len(start)):
            if trajectory[q] != trajectory[k]:
                break
            lag = start[q] - stop[k]
            if lag >= edges[-1]:
                break
            if not later[q] or lag < edges[0]:
                continue
            seen = exposure_at(lag + stop[k] - start[k] + stop[q] - start[q], exposure)
            if seen > 0:
                b = bin_of(lag, edges, per_width, keys)
                counts[unit[k], b] += 1
                weights[unit[k], b] += exposure_at(lag, exposure) / seen


@kernel()
def exposure_at(x: float, exposure: Exposure) -> float:
    """Return Σ_r (T_r − 2δ − x)₊."""
    k = np.searchsorted(exposure.durations, x)
    return max(exposure.total[k] - exposure.number[k] * x, 0.0)
