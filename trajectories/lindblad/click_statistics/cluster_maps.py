"""The maps E = e^{L0 δ} and K = ∫₀^δ e^{L0 t} dt that make up every rate of gap clusters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ...detectors import Detector
from ..inputs import bundle_channels, bundle_window
from ..steady_state import SteadyState
from ..superoperators.chebyshev import Expansion
from ..superoperators.detected import DetectedSystem
from ..superoperators.hermitian_vectors import Vector, pack
from ..superoperators.propagation import propagate

# A sequence of channels, first click first; None stands for any detected channel.
Kinds = tuple[str | None, ...]


def cluster_maps(
    steady: SteadyState,
    window: float | None,
    channels: Sequence[str] | None,
    detectors: Mapping[str, Detector] | None,
) -> ClusterMaps:
    """Return the maps of one window; None means 3/κ, and for the channels all that form bundles."""
    deltas = np.array([bundle_window(steady.system, window)])
    return maps_of_windows(steady, deltas, channels, detectors)[0]


def maps_of_windows(
    steady: SteadyState,
    windows: NDArray[np.float64],
    channels: Sequence[str] | None,
    detectors: Mapping[str, Detector] | None,
) -> list[ClusterMaps]:
    """Return the maps of several windows: E ρ and E†1 of all of them lie on one path, followed once."""
    detected = DetectedSystem(steady.system, bundle_channels(steady.system, channels), detectors)
    rho, longest = pack(steady.rho), float(windows.max())
    motion = detected.click_free(longest), detected.click_free(longest, adjoint=True)
    states = propagate(motion[0], rho, windows)
    survivals = propagate(motion[1], detected.identity, windows)
    return [
        ClusterMaps(detected, rho, float(delta), motion, free)
        for delta, free in zip(windows, zip(states, survivals, strict=True), strict=True)
    ]


class ClusterMaps:
    """Rates of click sequences within a window δ of a stationary state.

    Made by `cluster_maps` or `maps_of_windows`.

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
    forward, backward : Expansion
        e^{L0 t} and e^{L0† t}.
    click_free_state : ndarray of shape (N²,)
        E ρ, the state after a click-free window.
    survival : ndarray of shape (N²,)
        E†1: its expectation value is the probability of no click within the window.
    """

    def __init__(
        self,
        detected: DetectedSystem,
        rho: Vector,
        window: float,
        motion: tuple[Expansion, Expansion],
        free: tuple[Vector, Vector],
    ) -> None:
        self.detected, self.names = detected, detected.names
        self.rho, self.window = rho, window
        self.forward, self.backward = motion
        self.click_free_state, self.survival = free
        self._between: dict[Kinds, Vector] = {}
        self._between_adjoint: dict[Kinds, Vector] = {}

    @property
    def total_rate(self) -> float:
        """Σλ of the detected channels, dark counts included."""
        return self.detected.total_rate(self.rho)

    def free(self, state: Vector) -> Vector:
        """Return E X."""
        return propagate(self.forward, state, np.array([self.window]))[0]

    def free_adjoint(self, observable: Vector) -> Vector:
        """Return E† O."""
        return propagate(self.backward, observable, np.array([self.window]))[0]

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
