"""What the emitters of bundles share: how one is described, its exact purity, and the search for its resonance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

import trajectories as tj
from trajectories import lindblad


@dataclass(frozen=True)
class Bundles:
    """An emitter at its resonance: bundles of `size` clicks in `channels`, which decay within about 1/`decay`.

    `operator` is B of g₂ = ⟨B†B†BB⟩/⟨B†B⟩²: names of modes, or a matrix.
    """

    name: str
    system: tj.OpenSystem
    size: int
    channels: tuple[str, ...]
    decay: float
    operator: object

    @property
    def windows(self) -> NDArray[np.float64]:
        """Bundle windows δ to draw."""
        return np.geomspace(0.1, 20.0, 19) / self.decay

    def purity(self, windows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the exact purity π_n(δ) of the light in the channels."""
        steady = lindblad.steady_state(self.system)
        return np.array([p.value for p in lindblad.purity(steady, self.size, windows, channels=self.channels)])

    def g2(self) -> float:
        """Return g₂(0) of the bundles, the paper's Eq. (3)."""
        return float(lindblad.bundle_correlation(lindblad.steady_state(self.system), self.operator))


@dataclass(frozen=True)
class Claim:
    """A number of ours beside what a publication says; `holds` decides, and can be false."""

    says: str
    found: float
    holds: bool


def largest(value: Callable[[float], float], near: float, half: float, points: int = 21) -> float:
    """Return where `value` is largest within `half` of `near`: the best of a grid, refined."""
    grid = np.linspace(near - half, near + half, points)
    best = grid[int(np.argmax([value(x) for x in grid]))]
    step = 2 * half / (points - 1)
    bounds = (best - step, best + step)
    return float(
        minimize_scalar(lambda x: -value(x), bounds=bounds, method="bounded", options={"xatol": 1e-3 * step}).x
    )
