"""Ladders of propagators over 1, 2, 4, … periods, and the errors of their rungs."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .propagator_kernels import COLUMNS

# Seed of the random states with which errors of propagators are measured.
PROBES = 20261126
# Largest number of rungs. A ladder ends where the norm² of every state is below this.
MOST_RUNGS, NOTHING_LEFT = 24, 1e-8

Matrix = NDArray[np.complex128]


def ladder_of(period: Matrix) -> list[Matrix]:
    """Return the propagators of 1, 2, 4, … periods, until no state is left."""
    ladder = [period]
    while len(ladder) < MOST_RUNGS and np.linalg.norm(ladder[-1], 2) > NOTHING_LEFT:
        ladder.append(ladder[-1] @ ladder[-1])
    return ladder


def rungs_of(ladder: list[Matrix], probes: Matrix, error: float) -> NDArray[np.float64]:
    """Return the norm of every rung and its error, given that of the first.

    A rung adds the error of its product, measured with random states, and that of its square root twice, once
    shrunk: U'U' − UU = (U' − U)U' + U(U' − U).
    """
    rungs = [(float(np.linalg.norm(ladder[0], 2)), error)]
    for root, rung in pairwise(ladder):
        norm, before = rungs[-1]
        made = distance(rung @ probes, root @ (root @ probes))
        rungs.append((float(np.linalg.norm(rung, 2)), 2.0 * min(norm, 1.0) * before + made))
    return np.array(rungs)


def probes_of(size: int) -> Matrix:
    """Return random states with components of variance 1."""
    random = np.random.default_rng(PROBES)
    return np.asarray(random.normal(size=(size, COLUMNS, 2)) @ np.array([1.0, 1.0j]) / np.sqrt(2.0))


def distance(mine: Matrix, other: Matrix) -> float:
    """Return the root mean square of the norms of the differences of some states."""
    return float(np.sqrt((np.abs(mine - other) ** 2).sum(axis=0).mean()))
