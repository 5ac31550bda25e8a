"""A parametric pair source below threshold: twins in two cavities, at random times. Gaussian closed forms."""

from __future__ import annotations

import numpy as np

import trajectories as tj
from trajectories import lindblad

NAME = "parametric pairs"
KAPPA, STRENGTH, APART = 1.0, 0.15, 0.3


def emitter(levels: int = 7) -> tj.OpenSystem:
    """Return H = χ (a†b† + ab) + δ (a†a − b†b) with the channels √κ a and √κ b; the unit is κ.

    Signal and idler lie δ above and below half the pump. No count depends on δ; with δ = 0 the eigenmodes of H_eff
    are degenerate, and the engine's bound on its error is not met.
    """
    space = tj.HilbertSpace(signal=levels, idler=levels)
    a, b = space.lower("signal"), space.lower("idler")
    channels = [tj.Channel("signal", np.sqrt(KAPPA) * a), tj.Channel("idler", np.sqrt(KAPPA) * b)]
    h = STRENGTH * (a @ b + a.T @ b.T) + APART * (space.number("signal") - space.number("idler"))
    return tj.OpenSystem(h, channels, space, {"kappa": KAPPA})


def numbers() -> dict[str, tuple[float, float]]:
    """Return computed values beside ⟨n⟩ = 2x/(1 − 4x), |⟨ab⟩|² = x (2⟨n⟩ + 1)², x = χ²/κ², by Wick's theorem."""
    steady = lindblad.steady_state(emitter())
    x = (STRENGTH / KAPPA) ** 2
    mean = 2 * x / (1 - 4 * x)
    twins = x * (2 * mean + 1) ** 2
    zero = [0.0]
    return {
        "signal rate": (float(lindblad.rates(steady)["signal"].value), KAPPA * mean),
        "g² twins": (float(lindblad.g2_at(steady, "signal", "idler", zero)[0]), 1 + twins / mean**2),
        "g² signal": (float(lindblad.g2_at(steady, "signal", "signal", zero)[0]), 2.0),
    }
