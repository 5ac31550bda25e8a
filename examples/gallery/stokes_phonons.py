"""Bundles of N phonons by the Stokes process (Bin et al., Phys. Rev. Lett. 124, 053601 (2020)).

A two-level emitter moves an acoustic mode. A laser N phonons above the emitter's line excites it and leaves N
phonons; then it radiates the rest. The publication's text and parameters could not be found: the parameters are
our own, and only its title is compared. N phonons are resonant where Δ = √(N² − 4Ω²) − λ², in units of
the phonon's frequency: they bridge the dressed emitter, lowered by λ² as a polaron.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from bundles import Bundles, Claim, largest

import trajectories as tj
from trajectories import lindblad

NAME = "Stokes phonons"
# N: coupling λ, drive Ω, decay κ of phonons and γ of the emitter; the unit is the frequency of the phonon
SETTINGS = {2: (0.05, 0.1, 0.002, 0.0005), 3: (0.1, 0.1, 0.001, 0.0003)}


def emitter(n: int, detuning: float, levels: int = 0) -> tj.OpenSystem:
    """Return H = b†b − Δ σ†σ + λ σ†σ (b + b†) + Ω (σ + σ†) with the channels √κ b and √γ σ."""
    coupling, drive, kappa, gamma = SETTINGS[n]
    space = tj.HilbertSpace(phonon=levels or n + 8, atom=2)
    b, sigma = space.lower("phonon"), space.transition("atom", 0, 1)
    excited = sigma.T @ sigma
    h = space.number("phonon") - detuning * excited + coupling * excited @ (b + b.T) + drive * (sigma + sigma.T)
    channels = [tj.Channel("phonon", np.sqrt(kappa) * b), tj.Channel("atom", np.sqrt(gamma) * sigma)]
    return tj.OpenSystem(h, channels, space, {"kappa": kappa})


def by_the_formula(n: int) -> float:
    """Return √(N² − 4Ω²) − λ²: N phonons bridge the dressed emitter, lowered by λ² as a polaron."""
    coupling, drive, *_ = SETTINGS[n]
    return float(np.sqrt(n**2 - 4 * drive**2) - coupling**2)


@cache
def resonance(n: int) -> float:
    """Return the detuning with the largest population of N phonons and more."""

    def population(detuning: float) -> float:
        return float(np.diag(lindblad.steady_state(emitter(n, detuning)).rho).real[2 * n :].sum())

    return largest(population, by_the_formula(n), 1e-3)


def bundles(n: int, levels: int = 0) -> Bundles:
    """Return the emitter at its resonance."""
    return Bundles(
        f"{n} phonons", emitter(n, resonance(n), levels), n, ("phonon",), SETTINGS[n][2], ("phonon",) * n
    )


def gallery() -> list[Bundles]:
    """Return the emitters to draw."""
    return [bundles(2), bundles(3)]


def claims() -> list[Claim]:
    """Return phonons for each of the emitter's photons: N by the Stokes process, above Δ = 0; none below."""
    answers = []
    for n in SETTINGS:
        rates = lindblad.rates(lindblad.steady_state(bundles(n).system))
        each = float(rates["phonon"].value / rates["atom"].value)
        answers.append(Claim(f"{n} phonons for each Stokes photon", each, abs(each - n) < 0.15 * n))
    return answers
