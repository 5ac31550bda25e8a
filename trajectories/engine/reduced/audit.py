"""The audit of a reduced basis: gaps chosen before any run, computed in the basis and outside it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...errors import ConvergenceError
from ...model.system import OpenSystem
from ...stages import Steps
from ..modes.forms_kernels import ModesArrays
from ..sparse.chebyshev_kernels import STEP, propagate
from ..sparse.sparse_action import SparsePropagator
from .pilot import Gap

# Tolerance of the sparse action that gaps are compared with.
AUDIT_TOLERANCE = 1e-12
# Gaps that are compared in the larger basis, and gaps that are compared in all states: of the latter as many as
# fit into a work, and where they are so long that fewer than the least number do, into a larger one.
AUDITED, LEAST_REPLAYED, MOST_REPLAYED = 256, 4, 32
WORK, MOST_WORK = 2e9, 2e10
# Work is counted in entries of the state times products with H_eff; a product costs as much as so many more.
PRODUCT_ENTRIES = 300


@dataclass(frozen=True)
class AuditedGap:
    """The state after a jump, and the time over which S is computed from there."""

    ket: NDArray[np.complex128]
    wait: float


def audited_gaps(system: OpenSystem, arrays: ModesArrays, pilot: list[Gap]) -> list[AuditedGap]:
    """Return the gaps after the clicks of a pilot in the basis, except those left to the fallback."""
    operators = [channel.operator for channel in system.channels]
    chosen = []
    for gap, following in pairwise(pilot):
        if gap.left:
            continue
        before = np.zeros(system.dimension, np.complex128)
        before[arrays.states] = arrays.vectors[:, : len(gap.before)] @ gap.before
        ket = operators[gap.channel] @ before
        chosen.append(AuditedGap(ket / np.linalg.norm(ket), following.wait))
    return chosen


def survival_in(arrays: ModesArrays, gaps: list[AuditedGap]) -> NDArray[np.float64]:
    """Return S at the end of each gap, in a basis."""
    count = arrays.vectors.shape[1]
    rates = -arrays.decay[:count] - 1j * arrays.energy[:count]
    states = [np.exp(rates * gap.wait) * (arrays.inverse @ gap.ket[arrays.states]) for gap in gaps]
    return np.array([np.linalg.norm(arrays.vectors @ state) ** 2 for state in states])


def replay_work(propagator: SparsePropagator, dimension: int, wait: float) -> float:
    """Return the largest work of a gap with the sparse action."""
    steps = np.ceil(wait / float(propagator.arrays.scalars[STEP]))
    return float(steps * len(propagator.arrays.step_terms) * (dimension + PRODUCT_ENTRIES))


def replayed_gaps(propagator: SparsePropagator, gaps: list[AuditedGap]) -> list[AuditedGap]:
    """Return the gaps of a sample that are computed by the sparse action: in order, as many as the work allows.

    Raises
    ------
    ConvergenceError
        There is no gap, or none is short enough.
    """
    if not gaps:
        raise ConvergenceError("its pilot saw no gap between two clicks that could be audited")
    chosen: list[AuditedGap] = []
    spent, least = 0.0, np.inf
    for gap in gaps:
        work = replay_work(propagator, len(gap.ket), gap.wait)
        least = min(least, work)
        if len(chosen) < MOST_REPLAYED and spent + work <= (WORK if len(chosen) >= LEAST_REPLAYED else MOST_WORK):
            spent += work
            chosen.append(gap)
    if not chosen:
        products = least / (len(gaps[0].ket) + PRODUCT_ENTRIES)
        raise ConvergenceError(
            f"its audit by the sparse action would take {products:.1e} products with H_eff for the shortest of "
            f"{len(gaps)} gaps, {least / MOST_WORK:.2g} times as many as it may (clicks are too rare)"
        )
    return chosen


def survival_in_all(propagator: SparsePropagator, gaps: list[AuditedGap]) -> NDArray[np.float64]:
    """Return S at the end of each gap, by the sparse action."""
    arrays, step = propagator.arrays, float(propagator.arrays.scalars[STEP])
    found = np.zeros(len(gaps))
    steps = Steps("audit by the sparse action", [replay_work(propagator, len(gap.ket), gap.wait) for gap in gaps])
    for number, gap in enumerate(gaps):
        work = propagator.start(gap.ket, 1).work
        whole = int(gap.wait // step)
        with steps.next(f"a gap of {gap.wait:.2g}"):
            for _ in range(whole):
                propagate(arrays, work.psi, step, work.trial, work)
                work.psi[:] = work.trial
            propagate(arrays, work.psi, gap.wait - whole * step, work.trial, work)
        found[number] = np.vdot(work.trial, work.trial).real
    return found


def worst(found: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return the largest relative error of some values."""
    return float(np.abs(found / right - 1.0).max(initial=0.0))
