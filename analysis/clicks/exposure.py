"""Exposure: how long bundles of a given length could have been seen whole."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .inputs import Watched


class Exposure(NamedTuple):
    """X(x) = Σ_r (T_r − 2δ − x)₊ as a table over the distinct windows, for NumPy and for kernels."""

    durations: NDArray[np.float64]  # (n,) distinct T_r − 2δ, ascending
    number: NDArray[np.float64]  # (n + 1,) trajectories at least that long
    total: NDArray[np.float64]  # (n + 1,) sum of their T_r − 2δ

    def at(self, x: NDArray[Any]) -> NDArray[np.float64]:
        """Return X at every x."""
        k = np.searchsorted(self.durations, x)
        return np.maximum(self.total[k] - self.number[k] * x, 0.0)

    def in_ticks(self, tick: float | None) -> Exposure:
        """Return the same table with x and X counted in ticks; for the ratios of X that weights are."""
        if tick is None:
            return self
        return Exposure(self.durations / tick, self.number, self.total / tick)

    def weights(self, length: NDArray[Any]) -> NDArray[np.float64]:
        """Return X(0)/X(ℓ), by how much bundles of length ℓ are seen more rarely than short ones."""
        seen = self.at(length)
        # A bundle as long as the longest observation window has exposure 0; it occurs with probability 0.
        return np.divide(self.at(np.zeros(1)), seen, out=np.zeros_like(seen), where=seen > 0)


def exposure_of(record: Watched, margin: float) -> Exposure:
    """Return the exposure of bundles that need `margin` of observed time on both sides."""
    durations, count = np.unique(record.stop - record.start - 2.0 * margin, return_counts=True)
    longer = np.append(np.cumsum(count[::-1])[::-1], 0).astype(np.float64)
    total = np.append(np.cumsum((count * durations)[::-1])[::-1], 0.0)
    return Exposure(durations, longer, total)
