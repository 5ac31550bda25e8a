"""The maps E = e^{L0 δ} and K = ∫₀^δ e^{L0 t} dt that make up every rate of gap clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np

from ..detectors import Detector
from .chebyshev import Expansion
from .detected import DetectedSystem
from .packed import Vector, pack
from .propagation import propagate
from .steady_state import SteadyState

# A sequence of channels, first click first; None stands for any detected channel.
Kinds = tuple[str | None, ...]


class ClusterMaps:
    """Rates of click sequences within a window δ of a stationary state.

    R(k₁ > … > k_n) = Tr[E 𝒥_{k_n} K … K 𝒥_{k₁} E ρ]. Sequences share their beginnings and ends: states are moved
    forward from E ρ, observables backward from E†1, and both meet in the middle, so that all sequences
    of n clicks need only about (number of channels)^{n/2} applications of K.

    Attributes
    ----------
    window : float
        δ.
    names : tuple of str
        Detected channels.
    rho : ndarray of shape (N²,)
        The stationary state, packed.
    """

    def __init__(
        self,
        steady: SteadyState,
        window: float,
        channels: Sequence[str],
        detectors: Mapping[str, Detector] | None,
    ) -> None:
        self.detected = DetectedSystem(steady.system, channels, detectors)
        self.names, self.window = self.detected.names, window
        self.rho = pack(steady.rho)
        self._between: dict[Kinds, Vector] = {}
        self._between_adjoint: dict[Kinds, Vector] = {}

    @property
    def total_rate(self) -> float:
        """Σλ of the detected channels, dark counts included."""
        return self.detected.total_rate(self.rho)

    @cached_property
    def forward(self) -> Expansion:
        """e^{L0 t}."""
        return self.detected.click_free(self.window)

    @cached_property
    def backward(self) -> Expansion:
        """e^{L0† t}."""
        return self.detected.click_free(self.window, adjoint=True)

    def free(self, state: Vector) -> Vector:
        """Return E X."""
        return propagate(self.forward, state, np.array([self.window]))[0]

    def free_adjoint(self, observable: Vector) -> Vector:
        """Return E† O."""
        return propagate(self.backward, observable, np.array([self.window]))[0]

    @cached_property
    def click_free_state(self) -> Vector:
        """E ρ: the state after a click-free window."""
        return self.free(self.rho)

    @cached_property
    def survival(self) -> Vector:
        """E†1: its expectation value is the probability of no click within the window."""
        return self.free_adjoint(self.detected.identity)

    def after(self, sequence: Kinds) -> Vector:
        """Return 𝒥_{k_n} K … K 𝒥_{k₁} E ρ, the state right after a sequence that a free window preceded."""
        state = self.click_free_state if len(sequence) == 1 else self._integrated(sequence[:-1])
        last = sequence[-1]
        return self.detected.jumps(state) if last is None else self.detected.jump(last, state)

    def before(self, sequence: Kinds) -> Vector:
        """Return 𝒥†_{k₁} K† … K† 𝒥†_{k_n} E†1, the probability right before a sequence and a free window after."""
        observable = self.survival if len(sequence) == 1 else self._integrated_adjoint(sequence[1:])
        first = sequence[0]
        names = self.names if first is None else (first,)
        return np.sum([self.detected.jump_adjoint(name, observable) for name in names], axis=0)

    def rate(self, sequence: Kinds) -> float:
        """Return how often exactly this sequence is emitted as a cluster."""
        if len(sequence) == 1:
            return float(self.survival @ self.after(sequence))
        middle = len(sequence) // 2
        return float(self.before(sequence[middle:]) @ self._integrated(sequence[:middle]))

    def _integrated(self, sequence: Kinds) -> Vector:
        """Return K applied to the state after a sequence, remembered for all that begin alike."""
        if sequence not in self._between:
            state, window = self.after(sequence), np.array([self.window])
            self._between[sequence] = propagate(self.forward, state, window, integral=True)[0]
        return self._between[sequence]

    def _integrated_adjoint(self, sequence: Kinds) -> Vector:
        """Return K† applied to the observable before a sequence, remembered for all that end alike."""
        if sequence not in self._between_adjoint:
            observable, window = self.before(sequence), np.array([self.window])
            found = propagate(self.backward, observable, window, integral=True)[0]
            self._between_adjoint[sequence] = found
        return self._between_adjoint[sequence]
