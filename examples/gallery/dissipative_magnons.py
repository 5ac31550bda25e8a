"""Magnon pairs from a strongly dissipative magnet (Yuan, Xie and Duine, Phys. Rev. Applied 19, 064070 (2023)).

A driven qubit coupled to a magnon mode: the Hamiltonian of `cavity_bundles`, with a mode that decays far faster
than the qubit. The publication's text and parameters could not be found: the parameters are our own, and only
its title is compared, that strong dissipation does not prevent bundles. Here it makes them antibunched.
Two magnons are resonant where they bridge the dressed qubit, 2Δ_m = √(Δ_q² + 4Ω²).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from bundles import Bundles, Claim, largest

import trajectories as tj
from trajectories import lindblad

NAME = "dissipative magnons"
# Drive Ω and detuning of the qubit, its decay γ; the unit is the coupling
DRIVE, DETUNING, GAMMA = 8.0, -20.0, 0.02
WEAK, STRONG = 0.03, 0.3  # decay κ of the magnon
LEVELS = 8


def emitter(kappa: float, detuning: float, levels: int = LEVELS) -> tj.OpenSystem:
    """Return H = Δ_m m†m + Δ_q σ†σ + (m†σ + σ†m) + Ω(σ + σ†) with the channels √κ m and √γ σ."""
    space = tj.HilbertSpace(magnon=levels, atom=2)
    m, sigma = space.lower("magnon"), space.transition("atom", 0, 1)
    h = detuning * space.number("magnon") + DETUNING * space.number("atom")
    h = h + m.T @ sigma + sigma.T @ m + DRIVE * (sigma + sigma.T)
    channels = [tj.Channel("magnon", np.sqrt(kappa) * m), tj.Channel("qubit", np.sqrt(GAMMA) * sigma)]
    return tj.OpenSystem(h, channels, space, {"kappa": kappa})


def by_the_formula() -> float:
    """Return the detuning at which two magnons bridge the dressed qubit."""
    return float(np.hypot(DETUNING, 2 * DRIVE) / 2)


@cache
def resonance(kappa: float) -> float:
    """Return the detuning with the largest population of two magnons and more."""

    def population(detuning: float) -> float:
        return float(np.diag(lindblad.steady_state(emitter(kappa, detuning)).rho).real[4:].sum())

    return largest(population, by_the_formula() + 0.05, 0.05)


def bundles(kappa: float, levels: int = LEVELS) -> Bundles:
    """Return the emitter at its resonance."""
    system = emitter(kappa, resonance(kappa), levels)
    return Bundles(rf"$\kappa={kappa:g}g$", system, 2, ("magnon",), kappa, ("magnon", "magnon"))


def gallery() -> list[Bundles]:
    """Return the emitters to draw."""
    return [bundles(STRONG), bundles(WEAK)]


def claims() -> list[Claim]:
    """Return g₂(0) under strong and weak decay: antibunched though κ = 15γ, and less so for a tenth of it."""
    strong, weak = bundles(STRONG).g2(), bundles(WEAK).g2()
    return [
        Claim(f"bundles antibunched at kappa = {STRONG / GAMMA:g} gamma", strong, strong < 0.5),
        Claim("g2(0) for a tenth of that decay", weak, weak > 2 * strong),
    ]
