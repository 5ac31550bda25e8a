"""Photon pairs from a driven biexciton in a cavity (Sánchez Muñoz et al., New J. Phys. 17, 123021 (2015)).

arXiv:1506.05050. A laser of vertical polarisation dresses |G⟩, |V⟩ and the biexciton |B⟩; a cavity of horizontal
polarisation takes two photons at once from one dressed state to another, with |H⟩ as the virtual step. Only the
abstract could be read: it names no parameters, and says that pairs orthogonal to the drive are antibunched and
bunched; only these two words are compared. The parameters are our own. Dressed energies (laser at half the
biexciton): 0 and χ/4 ± √(χ²/16 + 2Ω²); two photons are resonant where 2Δ_a is the difference of two of them.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from bundles import Bundles, Claim, largest

import trajectories as tj
from trajectories import lindblad

NAME = "biexciton pairs"
KAPPA, GAMMA = 0.1, 0.01
# Binding χ, drive Ω, dressed states before and after the pair; the unit is the coupling to the cavity
SETTINGS = {"antibunched": (40.0, 20.0, "zero", "minus"), "bunched": (20.0, 10.0, "minus", "zero")}
LEVELS = 8


def emitter(which: str, detuning: float, levels: int = LEVELS) -> tj.OpenSystem:
    """Return H = Δ_a a†a + χ/2 (|H⟩⟨H| + |V⟩⟨V|) + [a†(|G⟩⟨H| + |H⟩⟨B|) + Ω(|G⟩⟨V| + |V⟩⟨B|) + h.c.]."""
    binding, drive, *_ = SETTINGS[which]
    space = tj.HilbertSpace(cavity=levels, atom=4)  # G, H, V, B
    a = space.lower("cavity")
    steps = {"GH": (0, 1), "GV": (0, 2), "HB": (1, 3), "VB": (2, 3)}
    down = {name: space.transition("atom", to, of) for name, (to, of) in steps.items()}
    middle = space.transition("atom", 1, 1) + space.transition("atom", 2, 2)
    driven = a.T @ (down["GH"] + down["HB"]) + drive * (down["GV"] + down["VB"])
    h = detuning * space.number("cavity") + 0.5 * binding * middle + driven + driven.T
    channels = [tj.Channel("cavity", np.sqrt(KAPPA) * a)]
    channels += [tj.Channel(name, np.sqrt(GAMMA) * operator) for name, operator in down.items()]
    return tj.OpenSystem(h, channels, space, {"kappa": KAPPA})


def by_the_formula(which: str) -> float:
    """Return the detuning at which two photons have the difference of the dressed energies."""
    binding, drive, start, end = SETTINGS[which]
    root = np.sqrt(binding**2 / 16 + 2 * drive**2)
    energies = {"zero": 0.0, "plus": binding / 4 + root, "minus": binding / 4 - root}
    return float(energies[start] - energies[end]) / 2


@cache
def resonance(which: str) -> float:
    """Return the detuning with the largest population of two photons and more."""

    def population(detuning: float) -> float:
        return float(np.diag(lindblad.steady_state(emitter(which, detuning, 4)).rho).real[8:].sum())

    return largest(population, by_the_formula(which), 0.3)


def bundles(which: str, levels: int = LEVELS) -> Bundles:
    """Return the emitter at its resonance."""
    system = emitter(which, resonance(which), levels)
    return Bundles(which, system, 2, ("cavity",), KAPPA, ("cavity", "cavity"))


def gallery() -> list[Bundles]:
    """Return the emitters to draw."""
    return [bundles("antibunched"), bundles("bunched")]


def claims() -> list[Claim]:
    """Return g₂(0) of the pairs in two settings, below and above 1."""
    low, high = (bundles(which).g2() for which in SETTINGS)
    return [
        Claim("antibunched pairs: g2(0) below 1", low, low < 1.0),
        Claim("bunched pairs: g2(0) above 1", high, high > 1.0),
    ]
