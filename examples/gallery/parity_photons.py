"""Photon pairs that parity protects (Bin, Wu and Lü, Phys. Rev. Lett. 127, 073602 (2021)).

The publication's text and parameters could not be found; this is a scheme of our own for what its title says. The
upper levels g, e of a three-level atom and a cavity form a quantum Rabi model, whose parity (−1)^{a†a} σ_z is
conserved. A laser from the lowest level b keeps the number of photons, so from |b,0⟩ it reaches even states only:
at the energy of two photons |b,0⟩ ↔ ~|g,2⟩, thanks to the counter-rotating terms, at that of one photon nothing.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from bundles import Bundles, Claim, largest
from numpy.typing import NDArray
from scipy import sparse

import trajectories as tj
from trajectories import lindblad

NAME = "parity-protected pairs"
# Splitting of g and e, coupling λ, drive Ω, decays κ and γ; the unit is the frequency of the cavity
SPLITTING, COUPLING, DRIVE, KAPPA, GAMMA = 2.5, 0.3, 0.005, 0.004, 0.001
LEVELS = 8


def rabi(levels: int, bias: float = 0.0) -> tuple[tj.HilbertSpace, NDArray[np.float64], sparse.csr_array]:
    """Return the space, H of atom and cavity, and a + a†; a force `bias` on the field breaks the parity."""
    space = tj.HilbertSpace(cavity=levels, atom=3)  # b, g, e
    field = space.lower("cavity") + space.lower("cavity").T
    flip, excited = space.transition("atom", 1, 2), space.transition("atom", 2, 2)
    h = space.number("cavity") + SPLITTING * excited + COUPLING * (flip + flip.T) @ field
    upper = excited + space.transition("atom", 1, 1)
    return space, (h + bias * upper @ field).toarray().real, field


def energy(photons: int, levels: int = LEVELS) -> float:
    """Return the energy of the eigenstate that |g, photons⟩ has the largest part of."""
    space, h, _ = rabi(levels)
    values, vectors = np.linalg.eigh(h)
    return float(values[np.argmax(np.abs(vectors[space.index(cavity=photons, atom=1)]))])


def emitter(detuning: float, levels: int = LEVELS, bias: float = 0.0) -> tj.OpenSystem:
    """Return H = H_Rabi + δ|b⟩⟨b| + Ω(|b⟩⟨g| + |g⟩⟨b|) with the channels √κ X⁺ and √γ |b⟩⟨g|.

    Under ultrastrong coupling the cavity radiates by X⁺, the part of a + a† that lowers the energy of H_Rabi.
    """
    space, h, field = rabi(levels, bias)
    values, vectors = np.linalg.eigh(h)
    lowering = np.where(values[:, None] < values[None, :] - 1e-9, vectors.T @ field @ vectors, 0.0)
    radiated = vectors @ lowering @ vectors.T
    radiated[np.abs(radiated) < 1e-12] = 0.0
    drop = space.transition("atom", 0, 1)
    h = h + detuning * space.transition("atom", 0, 0) + DRIVE * (drop + drop.T)
    channels = [tj.Channel("cavity", np.sqrt(KAPPA) * radiated), tj.Channel("atom", np.sqrt(GAMMA) * drop)]
    return tj.OpenSystem(h, channels, space, {"kappa": KAPPA})


def light(detuning: float, bias: float = 0.0) -> float:
    """Return the rate of the cavity's clicks."""
    return float(lindblad.rates(lindblad.steady_state(emitter(detuning, bias=bias)))["cavity"].value)


@cache
def resonance() -> float:
    """Return the detuning at which |b,0⟩ meets two photons and most light comes."""
    return largest(light, energy(2), 3e-4)


def bundles(levels: int = LEVELS) -> Bundles:
    """Return the emitter at its resonance; bundles are taken with B = (X⁺)²."""
    system = emitter(resonance(), levels)
    radiated = system.channel("cavity").operator
    return Bundles("2 photons", system, 2, ("cavity",), KAPPA, radiated @ radiated)


def gallery() -> list[Bundles]:
    """Return the emitters to draw."""
    return [bundles()]


def claims(bias: float = 0.0) -> list[Claim]:
    """Return how much darker the cavity is when the laser meets one photon instead of two."""
    share = light(energy(1), bias) / light(resonance(), bias)
    return [Claim("one photon is forbidden: light there, share of that at two", share, share < 1e-3)]
