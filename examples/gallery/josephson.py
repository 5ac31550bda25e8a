"""Antibunched N-photon bundles from a Josephson junction (Ma et al., Phys. Rev. Research 3, 043020 (2021)).

A junction under a dc voltage, whose Josephson frequency is N times that of a resonator in series, creates N
photons with each Cooper pair: of H = E/2 (e^{iφ} + h.c.) the rotating wave keeps the matrix elements between k and
k + N photons of the displacement operator, with x the square of the zero-point phase. The publication's text and
parameters could not be found. For what its title says we take x at a zero of L_N^{(N)}: then ⟨2N|e^{iφ}|N⟩ = 0,
and no second bundle can be added to the first.
"""

from __future__ import annotations

import numpy as np
from bundles import Bundles, Claim
from scipy import sparse
from scipy.special import eval_genlaguerre, gammaln, roots_genlaguerre

import trajectories as tj

NAME = "Josephson photonics"
KAPPA = 1.0
RATES = {2: 0.1, 3: 0.1}  # coupling between 0 and N photons, doubled, in κ


def zero_point(n: int) -> float:
    """Return the smallest x at which L_N^{(N)}(x) = 0: 2 for pairs, 2.1412 for triples."""
    return float(roots_genlaguerre(n, n)[0].min())


def emitter(n: int, x: float, levels: int = 0) -> tj.OpenSystem:
    """Return H = Σ_k E_k (|k+N⟩⟨k| + h.c.), E_k ∝ √(k!/(k+N)!) L_k^{(N)}(x), with the channel √κ a."""
    size = levels or 2 * n + 5
    space = tj.HilbertSpace(resonator=size)
    k = np.arange(size - n)
    elements = np.exp(0.5 * (gammaln(k + 1) - gammaln(k + n + 1))) * eval_genlaguerre(k, n, x)
    raising = sparse.diags_array(0.5 * RATES[n] * elements / elements[0], offsets=-n, shape=(size, size))
    channel = tj.Channel("resonator", np.sqrt(KAPPA) * space.lower("resonator"))
    return tj.OpenSystem(raising + raising.T, [channel], space, {"kappa": KAPPA})


def bundles(n: int, x: float | None = None, levels: int = 0) -> Bundles:
    """Return the emitter at the zero, or at another zero-point phase."""
    system = emitter(n, zero_point(n) if x is None else x, levels)
    return Bundles(f"{n} photons", system, n, ("resonator",), KAPPA, ("resonator",) * n)


def gallery() -> list[Bundles]:
    """Return the emitters to draw."""
    return [bundles(2), bundles(3)]


def claims() -> list[Claim]:
    """Return g₂(0) of pairs and triples."""
    values = {n: bundles(n).g2() for n in RATES}
    return [Claim(f"antibunched {n}-photon bundles: g2(0)", value, value < 0.1) for n, value in values.items()]
