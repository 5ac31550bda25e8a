"""Resonance fluorescence: one driven two-level atom, which never gives two photons at once. Closed forms."""

from __future__ import annotations

import numpy as np

import trajectories as tj
from trajectories import lindblad

NAME = "resonance fluorescence"
GAMMA, DRIVE = 1.0, 2.0
LAGS = np.array([0.5, 1.5, 3.0])


def emitter() -> tj.OpenSystem:
    """Return H = Ω/2 (σ + σ†) with the channel √γ σ; the unit is γ."""
    space = tj.HilbertSpace(atom=2)
    sigma = space.transition("atom", 0, 1)
    return tj.OpenSystem(DRIVE / 2 * (sigma + sigma.T), [tj.Channel("atom", np.sqrt(GAMMA) * sigma)], space)


def numbers() -> dict[str, tuple[float, float]]:
    """Return computed values beside closed forms: γΩ²/(γ² + 2Ω²), and g² with μ² = Ω² − γ²/16."""
    steady = lindblad.steady_state(emitter())
    mu = np.sqrt(DRIVE**2 - GAMMA**2 / 16)
    decay = np.exp(-0.75 * GAMMA * LAGS)
    closed = 1.0 - decay * (np.cos(mu * LAGS) + 0.75 * GAMMA / mu * np.sin(mu * LAGS))
    found = lindblad.g2_at(steady, "atom", "atom", LAGS)
    rate = lindblad.rates(steady)["atom"].value
    answers = {"click rate": (float(rate), GAMMA * DRIVE**2 / (GAMMA**2 + 2 * DRIVE**2))}
    return answers | {f"g²({lag:g})": (float(a), float(b)) for lag, a, b in zip(LAGS, found, closed, strict=True)}
