"""Bundles of two and three photons from a driven two-level atom in a cavity (Sánchez Muñoz et al. 2014).

Nat. Photon. 8, 550; arXiv:1306.1578. Its abstract, the only text used here, states "close to 100%" purity
for two photons and "90%" for three within reach: words of the abstract, read as printed, with neither window,
parameters nor error, so that nothing closer than a percent can be compared. The parameters below are our own:
|0+⟩ turns into |n−⟩ where n Δ_a ≈ √(Δ_σ² + 4Ω²), shifted by the coupling and located numerically.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from bundles import Bundles, Claim, largest

import trajectories as tj
from trajectories import lindblad

NAME = "driven atom in a cavity"
# n: κ, γ, drive Ω, detuning of the atom; the unit is the coupling g
SETTINGS = {2: (0.03, 0.001, 32.0, -80.0), 3: (0.004, 0.0001, 10.0, -25.0)}


def emitter(n: int, detuning: float, levels: int = 0) -> tj.OpenSystem:
    """Return H = Δ_a a†a + Δ_σ σ†σ + (a†σ + σ†a) + Ω(σ + σ†) with the channels √κ a and √γ σ."""
    kappa, gamma, drive, atom = SETTINGS[n]
    space = tj.HilbertSpace(cavity=levels or n + 6, atom=2)
    a, sigma = space.lower("cavity"), space.transition("atom", 0, 1)
    h = detuning * space.number("cavity") + atom * space.number("atom")
    h = h + a.T @ sigma + sigma.T @ a + drive * (sigma + sigma.T)
    channels = [tj.Channel("cavity", np.sqrt(kappa) * a), tj.Channel("atom", np.sqrt(gamma) * sigma)]
    return tj.OpenSystem(h, channels, space, {"kappa": kappa})


def by_the_formula(n: int) -> float:
    """Return the detuning at which n photons bridge the dressed atom."""
    return float(np.hypot(SETTINGS[n][3], 2 * SETTINGS[n][2]) / n)


@cache
def resonance(n: int) -> float:
    """Return the detuning with the largest population of n photons and more."""

    def population(detuning: float) -> float:
        return float(np.diag(lindblad.steady_state(emitter(n, detuning)).rho).real[2 * n :].sum())

    shift = 0.26 / SETTINGS[n][2]  # by the coupling, about
    return largest(population, by_the_formula(n) + shift, shift / 4)


def bundles(n: int, levels: int = 0) -> Bundles:
    """Return the emitter at its resonance."""
    return Bundles(
        f"{n} photons", emitter(n, resonance(n), levels), n, ("cavity",), SETTINGS[n][0], ("cavity",) * n
    )


def gallery() -> list[Bundles]:
    """Return the emitters to draw."""
    return [bundles(2), bundles(3)]


def claims() -> list[Claim]:
    """Return the largest purities."""
    pairs, triples = (float(found.purity(found.windows).max()) for found in gallery())
    return [
        Claim("purity of pairs close to 1", pairs, pairs > 0.97),
        Claim("purity of triples 0.9", triples, triples > 0.9),
    ]
