"""Open systems whose answers are known in closed form, each with its answers."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from trajectories import Channel, HilbertSpace, OpenSystem, SpinningResonator


@dataclass(frozen=True)
class ResonanceFluorescence:
    """A two-level atom driven on or off resonance: H = Δ σ†σ + (Ω/2)(σ† + σ), decay γ."""

    rabi: float = 1.0
    gamma: float = 0.3
    detuning: float = 0.0

    def system(self) -> OpenSystem:
        space = HilbertSpace(atom=2)
        lower = space.lower("atom")
        hamiltonian = self.detuning * space.number("atom") + 0.5 * self.rabi * (lower + lower.conj().T)
        return OpenSystem(hamiltonian, (Channel("fluorescence", np.sqrt(self.gamma) * lower),), space)

    def excited(self) -> float:
        return 0.25 * self.rabi**2 / (self.detuning**2 + 0.25 * self.gamma**2 + 0.5 * self.rabi**2)

    def g2(self, tau):
        """Carmichael and Walls, J. Phys. B 9, 1199 (1976); on resonance."""
        mu = np.sqrt(complex(self.rabi**2 - self.gamma**2 / 16))
        tau = np.abs(tau)
        envelope = np.exp(-0.75 * self.gamma * tau)
        return (1 - envelope * (np.cos(mu * tau) + 0.75 * self.gamma / mu * np.sin(mu * tau))).real

    def waiting(self, tau):
        """Carmichael et al., Phys. Rev. A 39, 1200 (1989); on resonance."""
        nu = 0.5 * np.sqrt(complex(self.rabi**2 - 0.25 * self.gamma**2))
        amplitude = 0.5 * self.rabi / nu * np.exp(-0.25 * self.gamma * tau) * np.sin(nu * tau)
        return self.gamma * np.abs(amplitude) ** 2

    def mandel(self) -> float:
        """Q(∞) = −6Ω²γ²/(γ² + 2Ω²)², Mandel, Opt. Lett. 4, 205 (1979); on resonance."""
        return -6 * self.rabi**2 * self.gamma**2 / (self.gamma**2 + 2 * self.rabi**2) ** 2


@dataclass(frozen=True)
class DrivenCavity:
    """An empty cavity driven by a laser: H = Δ a†a + ε(a + a†), loss κ; coherent, with Poissonian clicks."""

    drive: float = 0.2
    kappa: float = 0.8
    detuning: float = 0.3
    levels: int = 14

    def system(self) -> OpenSystem:
        space = HilbertSpace(photon=self.levels)
        a = space.lower("photon")
        hamiltonian = self.detuning * space.number("photon") + self.drive * (a + a.conj().T)
        return OpenSystem(hamiltonian, (Channel("photon", np.sqrt(self.kappa) * a),), space)

    def amplitude(self) -> complex:
        return -1j * self.drive / (0.5 * self.kappa + 1j * self.detuning)

    def rate(self) -> float:
        return self.kappa * abs(self.amplitude()) ** 2


@dataclass(frozen=True)
class ThermalCavity:
    """A cavity in a warm bath: emission κ(n̄+1), absorption κ n̄; populations are geometric at every truncation."""

    thermal: float = 0.3
    kappa: float = 0.5
    levels: int = 30

    def system(self) -> OpenSystem:
        space = HilbertSpace(photon=self.levels)
        a = space.lower("photon")
        emission = Channel("emission", np.sqrt(self.kappa * (self.thermal + 1)) * a)
        absorption = Channel("absorption", np.sqrt(self.kappa * self.thermal) * a.conj().T)
        return OpenSystem(1.7 * space.number("photon"), (emission, absorption), space)

    def populations(self) -> np.ndarray:
        weights = (self.thermal / (self.thermal + 1)) ** np.arange(self.levels)
        return weights / weights.sum()

    def g2(self, tau):
        return 1 + np.exp(-self.kappa * np.abs(tau))


@dataclass(frozen=True)
class DecayingFock:
    """n quanta in a cavity that only decays."""

    quanta: int = 4
    kappa: float = 0.7

    def system(self) -> OpenSystem:
        space = HilbertSpace(photon=self.quanta + 1)
        loss = Channel("photon", np.sqrt(self.kappa) * space.lower("photon"))
        return OpenSystem(2.0 * space.number("photon"), (loss,), space)

    def ket(self) -> np.ndarray:
        return np.eye(self.quanta + 1, dtype=complex)[self.quanta]

    def populations(self, t: float) -> np.ndarray:
        p = np.exp(-self.kappa * t)
        n = self.quanta
        return np.array([comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])

    def transient_g2(self) -> float:
        return 1 - 1 / self.quanta


@dataclass(frozen=True)
class PairSource:
    """Parametric down-conversion below threshold: H = g(ab + a†b†), both modes lost at κ; a Gaussian state."""

    coupling: float = 0.06
    kappa: float = 1.0
    levels: int = 6

    def system(self) -> OpenSystem:
        space = HilbertSpace(photon=self.levels, magnon=self.levels)
        a, b = space.lower("photon"), space.lower("magnon")
        pair = self.coupling * (a @ b)
        channels = (Channel("photon", np.sqrt(self.kappa) * a), Channel("magnon", np.sqrt(self.kappa) * b))
        return OpenSystem(pair + pair.conj().T, channels, space)

    def occupation(self) -> float:
        x = 2 * self.coupling**2 / self.kappa**2
        return x / (1 - 2 * x)

    def cross_g2(self, tau):
        """1 + |⟨a(τ)b(0)⟩|²/n², even in τ, from the regression of the Gaussian moments."""
        n, tau = self.occupation(), np.abs(tau)
        moment = self.coupling / self.kappa * (2 * n + 1)
        u = np.exp(-0.5 * self.kappa * tau) * (
            moment * np.cosh(self.coupling * tau) + n * np.sinh(self.coupling * tau)
        )
        return 1 + (u / n) ** 2


def lambda_atom(left: float = 1.0, right: float = 0.7) -> tuple[OpenSystem, np.ndarray]:
    """Two ground states driven to one excited state on resonance, and the dark superposition it ends in."""
    hamiltonian = np.zeros((3, 3))
    hamiltonian[0, 2] = hamiltonian[2, 0] = left
    hamiltonian[1, 2] = hamiltonian[2, 1] = right
    first, second = np.zeros((3, 3)), np.zeros((3, 3))
    first[0, 2], second[1, 2] = 1.0, 0.5
    dark = np.array([right, -left, 0.0]) / np.hypot(left, right)
    return OpenSystem(hamiltonian, (Channel("first", first), Channel("second", second))), dark


def degenerate_v_atom() -> OpenSystem:
    """Two degenerate excited states that decay together: their difference neither decays nor is driven."""
    hamiltonian = np.array([[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    together = np.zeros((3, 3))
    together[0, 1] = together[0, 2] = 1.0
    return OpenSystem(hamiltonian, (Channel("together", together),))


def random_lindbladian(seed: int, dimension: int = 4, channels: int = 2, strength: float = 0.5) -> OpenSystem:
    """A dense random Hamiltonian and dense random jump operators; the steady state is unique."""
    rng = np.random.default_rng(seed)

    def gaussian() -> np.ndarray:
        return rng.normal(size=(dimension, dimension)) + 1j * rng.normal(size=(dimension, dimension))

    matrix = gaussian()
    jumps = [Channel(f"c{k}", strength * gaussian() / np.sqrt(dimension)) for k in range(channels)]
    return OpenSystem(matrix + matrix.conj().T, tuple(jumps))


def paper_system(levels: tuple[int, int, int] = (2, 2, 2), **parameters) -> OpenSystem:
    """The paper's resonator in the blue regime, driven from the left, at a small truncation."""
    return SpinningResonator(**({"direction": "left", "detuning": 1.3406} | parameters)).system(levels=levels)
