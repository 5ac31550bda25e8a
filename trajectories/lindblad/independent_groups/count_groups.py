"""How clicks come in groups, from the variance and the skewness of long counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...detectors import Detector
from ..click_statistics.counting import cumulants
from ..inputs import among
from ..steady_state import SteadyState
from ..superoperators.detected import DetectedSystem
from ..superoperators.hermitian_vectors import Vector
from ..superoperators.inverse import MOST_ELIMINATED
from .essential_equations import essential_equations

Array = NDArray[np.float64]


class CountGroups:
    """The first three cumulant rates of counts in any of some channels, to a few digits.

    C₁ = Tr 𝒥ρ, C₂ = C₁ + 2 Tr 𝒥ρ₁, C₃ = C₁ + 3 Tr 𝒥ρ₁ + 3 Tr 𝒥ρ₂ with −Lρ₁ = (𝒥 − C₁)ρ and
    −Lρ₂ = 2(𝒥 − C₁)ρ₁ + (𝒥 − C₂)ρ, see `cumulants`. ρ₁ of several channels is the sum of theirs. Up to 50
    dimensions `cumulants` itself is used.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    channels : sequence of str, optional
        Detected channels; all when not given.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.
    """

    def __init__(
        self,
        steady: SteadyState,
        channels: Sequence[str] | None = None,
        detectors: Mapping[str, Detector] | None = None,
    ) -> None:
        self._steady, self._given = steady, detectors
        self._exact = steady.system.dimension <= MOST_ELIMINATED
        self.names = DetectedSystem(steady.system, channels, detectors).names
        self._responses: dict[str, Vector] = {}

    def cumulants(self, names: Sequence[str]) -> Array:
        """Return C₁, C₂ and C₃ in ω_b.

        Raises
        ------
        ConvergenceError
            A motion is too slow for linear equations.
        """
        for name in names:
            among(name, self.names)
        if self._exact:
            return cumulants(self._steady, names, 3, self._given)
        equations = essential_equations(self._steady)
        detected = DetectedSystem(equations.system, names, self._given)
        rho, effect = equations.rho, detected.total_effect()
        first = float(effect @ rho)
        once = np.sum([self._response(detected, name) for name in names], axis=0)
        second = first + 2.0 * float(effect @ once)
        source = 2.0 * (detected.jumps(once) - first * once) + detected.jumps(rho) - second * rho
        twice = equations.traceless(_without_trace(source, rho))
        return np.array([first, second, first + 3.0 * float(effect @ once) + 3.0 * float(effect @ twice)])

    def _response(self, detected: DetectedSystem, name: str) -> Vector:
        """Return ρ₁ of one channel."""
        if name not in self._responses:
            equations = essential_equations(self._steady)
            rho = equations.rho
            source = detected.jump(name, rho) - float(detected.effect(name) @ rho) * rho
            self._responses[name] = equations.traceless(_without_trace(source, rho))
        return self._responses[name]


def _without_trace(source: Vector, rho: Vector) -> Vector:
    """Return a matrix without the trace that rounding left in it."""
    step = round(len(rho) ** 0.5) + 1
    return source - float(source[::step].sum()) * rho
