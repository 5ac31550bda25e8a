"""The audit of a reduced basis: gaps chosen before any run, followed in the basis and outside it, and compared."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ...model.system import OpenSystem
from ..jump_kernels import Jumps
from ..modes.forms_kernels import ModesArrays
from ..sparse.sparse_action import SparsePropagator
from ..sparse.sparse_kernels import STEP, propagate
from .pilot import Gap

# Tolerance of the sparse action that gaps are compared with.
AUDIT_TOLERANCE = 1e-12
# Gaps that are compared in the larger basis, and gaps that are compared in all states. Of the latter as many as
# this work allows, in entries of the state times products with H_eff.
AUDITED, LEAST_REPLAYED, MOST_REPLAYED = 256, 4, 32
WORK = 2e9


@dataclass(frozen=True)
class AuditedGap:
    """The state after a jump, and how long S is followed from there."""

    ket: NDArray[np.complex128]
    wait: float


def audited_gaps(system: OpenSystem, arrays: ModesArrays, pilot: list[Gap]) -> list[AuditedGap]:
    """Return the gaps after the clicks of a pilot in the basis, except those that the fallback would do."""
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


def survival_in_all(system: OpenSystem, jumps: Jumps, gaps: list[AuditedGap]) -> NDArray[np.float64]:
    """Return S at the end of the first gaps, by the sparse action: as many as the work allows."""
    propagator = SparsePropagator.compile(system, AUDIT_TOLERANCE)
    arrays, step = propagator.arrays, float(propagator.arrays.scalars[STEP])
    work = propagator.start(gaps[0].ket, len(system.channels)).work
    found: list[float] = []
    spent = 0
    for gap in gaps[:MOST_REPLAYED]:
        if len(found) >= LEAST_REPLAYED and spent * system.dimension > WORK:
            break
        work.psi[:] = gap.ket
        whole = int(gap.wait // step)
        for _ in range(whole):
            spent += propagate(arrays, work.psi, step, work.trial, work)
            work.psi[:] = work.trial
        spent += propagate(arrays, work.psi, gap.wait - whole * step, work.trial, work)
        found.append(float(np.vdot(work.trial, work.trial).real))
    return np.array(found)


def worst(found: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Return the largest relative error of the first values."""
    return float(np.abs(found[: len(right)] / right - 1.0).max(initial=0.0))
