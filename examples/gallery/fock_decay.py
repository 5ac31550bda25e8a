"""Spontaneous emission of |n⟩: n photons, each at an exponential time of its own.

Díaz Camacho et al., arXiv:2109.12049 (2021), give the counting law of the filtered light. Without a filter it is
the binomial law: of n photons k have come by the time T with probability C(n, k) (1 − e^{−κT})^k e^{−κT(n−k)}.
"""

from __future__ import annotations

from math import comb, exp

import numpy as np
from numpy.typing import NDArray

import trajectories as tj

NAME = "decay of |3⟩"
PHOTONS, KAPPA, TIME = 3, 1.0, 1.0
SPACE = tj.HilbertSpace(cavity=PHOTONS + 1)


def emitter() -> tj.OpenSystem:
    """Return an empty Hamiltonian with the channel √κ a; the unit is κ. It starts from `initial`."""
    a = SPACE.lower("cavity")
    return tj.OpenSystem(0.0 * SPACE.number("cavity"), [tj.Channel("cavity", np.sqrt(KAPPA) * a)], SPACE)


def initial() -> NDArray[np.complex128]:
    """Return the ket |n⟩."""
    return SPACE.ket(cavity=PHOTONS)


def counting_law(time: float = TIME) -> NDArray[np.float64]:
    """Return the probability that 0 … n photons have come by `time`."""
    gone = 1.0 - exp(-KAPPA * time)
    ways = range(PHOTONS + 1)
    return np.array([comb(PHOTONS, k) * gone**k * (1.0 - gone) ** (PHOTONS - k) for k in ways])


def counted(record: tj.ClickRecord, time: float = TIME) -> NDArray[np.int64]:
    """Return how many trajectories gave 0 … n photons by `time`."""
    early = np.asarray(record.time) < time
    each = np.bincount(np.asarray(record.trajectory)[early], minlength=record.n_trajectories)
    return np.bincount(each, minlength=PHOTONS + 1)
