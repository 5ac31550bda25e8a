"""Makes and audits the bases of the reduced propagator, before any run and from the system alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ...errors import ConvergenceError
from ...model.system import OpenSystem
from ...stages import Stage
from ..jump_kernels import Jumps
from ..modes.forms_kernels import ModesArrays
from ..sparse.sparse_action import SparsePropagator
from .audit import (
    AUDIT_TOLERANCE,
    AUDITED,
    AuditedGap,
    audited_gaps,
    replayed_gaps,
    survival_in,
    survival_in_all,
    worst,
)
from .essential import essential_states
from .level import LEAK_SHARE, reduced_arrays, with_error
from .pilot import AUDIT, ENRICHMENT, PILOT, Gap, gaps, spanning_vectors, stream

# Clicks of the pilot, and of a round of the search for states that the basis misses.
PILOT_CLICKS, ENRICHMENT_CLICKS, ENRICHMENT_ROUNDS = 600, 4000, 2
# Clicks of a pilot trajectory, and gaps of which one is audited.
SHORT, SPARING = 64, 8
# A basis that leaves more than this share of the clicks to the next level is not used.
MOST_MISSED = 0.2
# Share of clicks that may be left to the larger basis, which takes ten times as long for them.
FEW_MISSED = 0.03
# Smallest singular value kept at a tolerance of 1e-10; with the tolerance it grows by this power.
CUT, CUT_POWER = 7e-8, 0.6
# A basis whose audit takes more than this share of the tolerance is made anew, with so much smaller a cut.
AUDIT_SHARE, SMALLER_CUT, CUTS = 0.4, 0.4, 5
# Above this share a basis is refused: no tolerance would remain for the kernels.
MOST_AUDITED = 0.7
# Populations from which on basis states are essential, tried one after the other.
NEGLIGIBLE = (1e-15, 1e-17)
# A basis with more vectors than this share of the essential states is not worth while.
WORTH = 0.85


@dataclass(frozen=True)
class Bases:
    """The bases of a system, the smallest first, and the result of their audit.

    `levels` holds the tables of each basis. `audited` and `replayed` are the numbers of gaps that were compared
    with the larger basis and with the sparse action. `worst` is the largest |ΔS|/S of the first basis, and
    `missed` the share of clicks in the last test that the first basis left to the larger one.
    """

    levels: tuple[ModesArrays, ...]
    complete: bool
    audited: int
    replayed: int
    worst: float
    missed: float


def make_bases(
    system: OpenSystem,
    jumps: Jumps,
    kets: NDArray[np.complex128],
    weights: NDArray[np.float64],
    tolerance: float,
) -> Bases:
    """Make the bases of a system for trajectories that start from an ensemble.

    Raises
    ------
    ConvergenceError
        Trajectories reach too many basis states, an eigenbasis is too ill-conditioned, an audit found more than
        the tolerance, or gaps are too long to be audited.
    """
    action = SparsePropagator.compile(system, AUDIT_TOLERANCE)
    for negligible in NEGLIGIBLE:
        with Stage("finding the basis states that trajectories reach"):
            states = essential_states(system, kets, weights, negligible)
        with Stage("pilot of the reduced basis"):
            outer = reduced_arrays(system, states, None, tolerance)
            pilot = list(gaps(outer, jumps, kets, weights, stream(system, PILOT), PILOT_CLICKS, SHORT))
            _require_confined(pilot)
        with Stage("making the reduced basis"):
            inner, found, checked, missed = _inner(system, jumps, outer, pilot, (kets, weights), tolerance)
        complete = len(states) == system.dimension
        replayed = [] if complete else replayed_gaps(action, checked)
        right = survival_in_all(action, replayed)
        outer_error = worst(survival_in(outer, replayed), right)
        if outer_error <= AUDIT_SHARE * tolerance or complete:
            break
    if inner is None:
        error = outer_error
        levels: tuple[ModesArrays, ...] = (with_error(outer, outer_error, tolerance),)
    else:
        error = max(found, worst(survival_in(inner, replayed), right))
        levels = (with_error(inner, error, tolerance), with_error(outer, outer_error, tolerance))
    if not error <= MOST_AUDITED * tolerance:
        raise ConvergenceError(
            f"the audit of the reduced basis found |ΔS|/S = {error:.2g}, too much for tolerance={tolerance:g}"
        )
    return Bases(levels, complete, len(checked) if inner is not None else 0, len(replayed), error, missed)


def _require_confined(pilot: list[Gap]) -> None:
    """Refuse essential states that trajectories leave often, as in hot systems."""
    missed = sum(gap.left for gap in pilot) / max(1, len(pilot))
    if missed > MOST_MISSED:
        raise ConvergenceError(f"jumps leave the essential states in {missed:.0%} of all clicks (a hot system?)")


def _inner(
    system: OpenSystem,
    jumps: Jumps,
    outer: ModesArrays,
    pilot: list[Gap],
    start: tuple[NDArray[np.complex128], NDArray[np.float64]],
    tolerance: float,
) -> tuple[ModesArrays | None, float, list[AuditedGap], float]:
    """Return the small basis (None if not worth while), its error against `outer`, audited gaps and misses."""
    kets, weights = start
    cut = CUT * (tolerance / 1e-10) ** CUT_POWER
    checked = audited_gaps(system, outer, pilot)[:AUDITED]
    vectors, values = spanning_vectors(outer, pilot, kets, weights, stream(system, PILOT, 1))
    for _ in range(CUTS):
        columns = np.ascontiguousarray(vectors[:, values > cut])
        if columns.shape[1] > WORTH * len(outer.states):
            break
        inner, columns, missed = _enriched(system, jumps, outer, columns, start, tolerance)
        if columns.shape[1] > WORTH * len(outer.states) or missed > MOST_MISSED:
            break
        count = SPARING * AUDITED
        test = list(gaps(inner, jumps, kets, weights, stream(system, AUDIT), count, count))
        gone = audited_gaps(system, inner, test)[::SPARING]
        error = worst(survival_in(inner, gone), survival_in(outer, gone))
        if error <= AUDIT_SHARE * tolerance:
            return inner, error, gone, missed
        cut *= SMALLER_CUT
    return None, 0.0, checked, 0.0


def _enriched(
    system: OpenSystem,
    jumps: Jumps,
    outer: ModesArrays,
    columns: NDArray[np.complex128],
    start: tuple[NDArray[np.complex128], NDArray[np.float64]],
    tolerance: float,
) -> tuple[ModesArrays, NDArray[np.complex128], float]:
    """Extend a basis by the parts of jumps outside it, found by a longer pilot; return its last misses."""
    operators = [channel.operator[outer.states][:, outer.states] for channel in system.channels]
    for number in range(ENRICHMENT_ROUNDS + 1):
        inner, count = reduced_arrays(system, outer.states, columns, tolerance), ENRICHMENT_CLICKS
        test = list(gaps(inner, jumps, *start, stream(system, ENRICHMENT, number), count, count))
        left = [gap for gap in test if gap.left]
        if len(left) <= FEW_MISSED * len(test) or number == ENRICHMENT_ROUNDS:
            break
        kets = [operators[gap.channel] @ (inner.vectors[:, : len(gap.before)] @ gap.before) for gap in left]
        numbers = stream(system, ENRICHMENT, ENRICHMENT_ROUNDS + 1 + number)
        waits = numbers.choice([gap.wait for gap in test], len(left)) * numbers.random(len(left))
        first = outer.inverse @ np.array(kets).T
        rates = -outer.decay[: len(first)] - 1j * outer.energy[: len(first)]
        later = outer.vectors @ (first * np.exp(rates[:, None] * waits[None, :]))
        states = np.hstack([np.array(kets).T, later])
        states /= np.maximum(np.linalg.norm(states, axis=0), 1e-300)
        states -= columns @ (columns.conj().T @ states)
        vectors, values, _ = linalg.svd(states, full_matrices=False, check_finite=False)
        more = vectors[:, values > 0.1 * np.sqrt(LEAK_SHARE * tolerance)]
        columns = np.ascontiguousarray(linalg.qr(np.hstack([columns, more]), mode="economic")[0])
    return inner, columns, len(left) / max(1, len(test))
