"""How pairs of clicks come in groups: what one independent group adds to a count of pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np

from ...checks import positive_number
from ...detectors import Detector
from ..inputs import among
from ..steady_state import SteadyState
from ..superoperators.detected import DetectedSystem
from ..superoperators.hermitian_vectors import Vector
from .essential_equations import essential_equations

# Channels, any of which may click.
Key = tuple[str, ...]


class PairGroups:
    """How often two clicks follow within a time, and by how much such pairs come in groups.

    Pairs of one burst are not independent: n clicks close together are n(n − 1)/2 pairs, all or none of which are
    seen. Per unit of time, pairs that are counted with the weight e^{−t/τ} of their lag t have the variance m₂ φ,
    φ = 1 + (rate of pairs of pairs in a group)/m₂. Those are counted in chains of clicks,
    m_n(k₁ … k_n) = Tr[𝒥_{k_n} K … K 𝒥_{k₁} ρ] with K = ∫₀^∞ e^{−t/τ} e^{Lt} dt = (1/τ − L)⁻¹: two pairs share a
    click in a chain of three, or are all of a chain of four, of which what chance would give, τ m₂(k₁k₂) m₂(k₃k₄),
    is subtracted.

    Parameters
    ----------
    steady : SteadyState
        The stationary state.
    window : float
        τ in 1/ω_b.
    channels : str or sequence of str, optional
        Detected channels; all when not given.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.

    Raises
    ------
    InvalidInput
        Unknown channels, a window that is not positive, or a detector with dead time or jitter.

    Notes
    -----
    For bursts of n clicks that are short against τ and far apart, φ = n(n − 1)/2 exactly; for a Poisson stream of
    rate λ, φ = 1 + 6 λτ, a little more than the pairs within τ have, 1 + 4 λτ.
    """

    def __init__(
        self,
        steady: SteadyState,
        window: float,
        channels: Sequence[str] | None = None,
        detectors: Mapping[str, Detector] | None = None,
    ) -> None:
        self.window = positive_number(window, "window")
        self._equations = essential_equations(steady)
        self._detected = DetectedSystem(self._equations.system, channels, detectors)
        self.names = self._detected.names
        self._rho = self._equations.rho
        self._effects: dict[Key, Vector] = {}
        self._once: dict[Key, Vector] = {}
        self._twice: dict[tuple[Key, Key], Vector] = {}
        self._before: dict[Key, Vector] = {}
        self._observables: dict[tuple[Key, Key], Vector] = {}

    def of_pair(self, first: str, second: str) -> tuple[float, float]:
        """Return m₂ in ω_b, both orders together, and φ, of pairs of a click in each of two channels or in one."""
        among(first, self.names), among(second, self.names)
        return self._groups((first,), (second,))

    def of_all(self) -> tuple[float, float]:
        """Return m₂ in ω_b and φ of pairs of clicks in any of the channels."""
        return self._groups(self.names, self.names)

    def _groups(self, first: Key, second: Key) -> tuple[float, float]:
        """Return m₂ and φ of pairs of a click in one of the channels `first` and one in `second`."""
        same = first == second
        pairs = sum(self._two(*order) for order in {(first, second), (second, first)})
        if pairs <= 0.0:
            return 0.0, 1.0
        threes = {*permutations((first, first, second)), *permutations((first, second, second))}
        fours = set(permutations((first, first, second, second)))
        # Pairs of pairs in a chain: of three clicks of one kind 3 pairs share a click two by two, of four 3
        # pairings are disjoint; of two kinds 1 and 2. Each counts twice, in either order.
        shared, apart = (6.0, 6.0) if same else (2.0, 4.0)
        extra = shared * sum(self._three(*chain) for chain in threes)
        extra += apart * max(sum(self._four(*chain) for chain in fours), 0.0)
        return pairs, 1.0 + max(extra, 0.0) / pairs

    def _two(self, first: Key, second: Key) -> float:
        """Return m₂."""
        return float(self._effect(second) @ self._after_one(first))

    def _three(self, first: Key, second: Key, third: Key) -> float:
        """Return m₃."""
        return float(self._effect(third) @ self._after_two(first, second))

    def _four(self, first: Key, second: Key, third: Key, fourth: Key) -> float:
        """Return m₄ less τ m₂ m₂."""
        chance = self.window * self._two(first, second) * self._two(third, fourth)
        return float(self._observable(third, fourth) @ self._after_two(first, second)) - chance

    def _jump(self, key: Key, state: Vector) -> Vector:
        return np.sum([self._detected.jump(name, state) for name in key], axis=0)

    def _effect(self, key: Key) -> Vector:
        if key not in self._effects:
            self._effects[key] = np.sum([self._detected.effect(name) for name in key], axis=0)
        return self._effects[key]

    def _after_one(self, first: Key) -> Vector:
        """Return K 𝒥_first ρ."""
        if first not in self._once:
            self._once[first] = self._equations.forward(self._jump(first, self._rho), 1.0 / self.window)
        return self._once[first]

    def _after_two(self, first: Key, second: Key) -> Vector:
        """Return K 𝒥_second K 𝒥_first ρ."""
        if (first, second) not in self._twice:
            state = self._jump(second, self._after_one(first))
            self._twice[first, second] = self._equations.forward(state, 1.0 / self.window)
        return self._twice[first, second]

    def _observable(self, third: Key, fourth: Key) -> Vector:
        """Return 𝒥†_third K† 𝒥†_fourth 1."""
        if fourth not in self._before:
            self._before[fourth] = self._equations.backward(self._effect(fourth), 1.0 / self.window)
        if (third, fourth) not in self._observables:
            jumps = [self._detected.jump_adjoint(name, self._before[fourth]) for name in third]
            self._observables[third, fourth] = np.sum(jumps, axis=0)
        return self._observables[third, fourth]
