"""The maps E = e^{L0 δ} and K = ∫₀^δ e^{L0 t} dt that make up every rate of gap clusters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..solver import Model, Motion
from ..superoperators.hermitian_vectors import Vector

# A sequence of channels, first click first; None stands for any detected channel.
Kinds = tuple[str | None, ...]


def cluster_maps(model: Model, window: float, longest: float | None = None) -> ClusterMaps:
    """Return the maps of one window δ; `longest` is the longest time that their motion will be followed."""
    return maps_of_windows(model, np.array([window]), longest)[0]


def maps_of_windows(model: Model, windows: NDArray[np.float64], longest: float | None = None) -> list[ClusterMaps]:
    """Return the maps of several windows: E ρ and E†1 of all of them lie on one path, followed once.

    A model keeps its maps, because many questions need the same.
    """
    missing = np.unique([w for w in windows if ("maps", float(w)) not in model.memory])
    if len(missing):
        motion = model.click_free_motion(float(longest or missing.max()))
        states = motion.propagate(model.rho, missing)
        survivals = motion.propagate(model.identity, missing, adjoint=True)
        for delta, free in zip(missing, zip(states, survivals, strict=True), strict=True):
            model.memory["maps", float(delta)] = ClusterMaps(model, float(delta), motion, free)
    return [model.memory["maps", float(delta)] for delta in windows]


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
    motion : Motion
        e^{L0 t}.
    click_free_state : ndarray of shape (N²,)
        E ρ, the state after a click-free window.
    survival : ndarray of shape (N²,)
        E†1: its expectation value is the probability of no click within the window.
    """

    def __init__(self, model: Model, window: float, motion: Motion, free: tuple[Vector, Vector]) -> None:
        self.model, self.names = model, model.names
        self.rho, self.window, self.motion = model.rho, window, motion
        self.click_free_state, self.survival = free
        self._between: dict[Kinds, Vector] = {}
        self._between_adjoint: dict[Kinds, Vector] = {}

    @property
    def total_rate(self) -> float:
        """Σλ of the detected channels, dark counts included."""
        return self.model.total_rate(self.rho)

    def free(self, state: Vector) -> Vector:
        """Return E X."""
        return self.motion.propagate(state, np.array([self.window]))[0]

    def free_adjoint(self, observable: Vector) -> Vector:
        """Return E† O."""
        return self.motion.propagate(observable, np.array([self.window]), adjoint=True)[0]

    def after(self, sequence: Kinds) -> Vector:
        """Return 𝒥_{k_n} K … K 𝒥_{k₁} E ρ, the state right after a sequence that a free window preceded."""
        state = self.click_free_state if len(sequence) == 1 else self._integrated(sequence[:-1])
        last = sequence[-1]
        return self.model.jumps(state) if last is None else self.model.jump(last, state)

    def before(self, sequence: Kinds) -> Vector:
        """Return 𝒥†_{k₁} K† … K† 𝒥†_{k_n} E†1, the probability right before a sequence and a free window after."""
        observable = self.survival if len(sequence) == 1 else self._integrated_adjoint(sequence[1:])
        first = sequence[0]
        names = self.names if first is None else (first,)
        return np.sum([self.model.jump_adjoint(name, observable) for name in names], axis=0)

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
            self._between[sequence] = self.motion.propagate(state, window, integral=True)[0]
        return self._between[sequence]

    def _integrated_adjoint(self, sequence: Kinds) -> Vector:
        """Return K† applied to the observable before a sequence, remembered for all that end alike."""
        if sequence not in self._between_adjoint:
            observable, window = self.before(sequence), np.array([self.window])
            found = self.motion.propagate(observable, window, integral=True, adjoint=True)[0]
            self._between_adjoint[sequence] = found
        return self._between_adjoint[sequence]
