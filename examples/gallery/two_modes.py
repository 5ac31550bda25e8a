"""Bundles of n photons in one cavity and m in another (Wang, Zou and Liao, arXiv:2309.08858 (2023)).

A driven two-level system that exchanges its quantum for n + m photons, a nondegenerate multiphoton Jaynes–Cummings
model. Only the abstract could be read: |0,0⟩ ↔ |n,m⟩ under resonance conditions and an antibunched (n+m)-photon
source; it names no parameters, which are our own, n = 1 and m = 2. On resonance n Δ_a + m Δ_b = √(Δ_σ² + 4Ω²).

Antibunching needs a slow flip of the atom: an emitted bundle leaves the atom in the other dressed state, and if
that flips back (at γ/4) before the photons are gone (1/3κ), they stimulate the next bundle, 12 times faster than
the first.
"""

from __future__ import annotations

import numpy as np
from bundles import Bundles, Claim

import trajectories as tj

NAME = "(1+2)-photon bundles"
# Coupling g and decays κ, γ; the unit is the drive Ω, and the atom is driven on resonance
COUPLING, KAPPA, GAMMA = 0.002, 0.02, 0.0005
SPLITTING = 2.0  # of the dressed states
SHARE = 0.4  # of it goes to the photon of the first cavity, 0.3 to each of the second


def emitter(gamma: float = GAMMA, levels: tuple[int, int] = (3, 5)) -> tj.OpenSystem:
    """Return H = Δ_a a†a + Δ_b b†b + g(a†b†²σ + h.c.) + σ + σ† with the channels √κ a, √κ b and √γ σ."""
    space = tj.HilbertSpace(first=levels[0], second=levels[1], atom=2)
    a, b, sigma = space.lower("first"), space.lower("second"), space.transition("atom", 0, 1)
    three = COUPLING * (a @ b @ b).T @ sigma
    h = SPLITTING * (SHARE * space.number("first") + 0.5 * (1 - SHARE) * space.number("second"))
    channels = [tj.Channel("first", np.sqrt(KAPPA) * a), tj.Channel("second", np.sqrt(KAPPA) * b)]
    channels.append(tj.Channel("atom", np.sqrt(gamma) * sigma))
    return tj.OpenSystem(h + three + three.T + sigma + sigma.T, channels, space, {"kappa": KAPPA})


def bundles(gamma: float = GAMMA, levels: tuple[int, int] = (3, 5)) -> Bundles:
    """Return the emitter at its resonance, which so weak a coupling does not shift."""
    operator = ("first", "second", "second")
    return Bundles("1 + 2 photons", emitter(gamma, levels), 3, ("first", "second"), KAPPA, operator)


def gallery() -> list[Bundles]:
    """Return the emitters to draw."""
    return [bundles()]


def claims(gamma: float = GAMMA) -> list[Claim]:
    """Return g₂(0), and the share of quanta in bundles of exactly one and two photons."""
    found = bundles(gamma)
    g2, whole = found.g2(), float(found.purity(np.array([6.0 / KAPPA]))[0])
    return [
        Claim("antibunched bundles: g2(0) below 1", g2, g2 < 1.0),
        Claim("purity of three", whole, whole > 0.98),
    ]
