"""Stationary states on essential basis states: found by adding states to a few, or cut out of a known state."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from ...errors import ConvergenceError
from ...model import OpenSystem
from ..superoperators.inverse import choose_resolvent
from ..superoperators.krylov import gmres
from ..superoperators.liouvillian import Liouvillian, hermitian_part
from ..superoperators.sparse_inverse import sparse_inverse
from .essential import (
    MAX_ROUNDS,
    States,
    click_rates,
    closed_under_jumps,
    first_states,
    importance,
    neighbours,
    reached,
    restricted,
)

Matrix = NDArray[np.complex128]

# Residuals: while states are added few digits suffice; at the end the residual is near rounding.
ROUGH, FINE = 1e-13, 1e-15
# A residual above this is refused.
REFUSED = 1e-11
MAX_PRODUCTS = 300


@dataclass(frozen=True, eq=False)
class EssentialState:
    """A stationary state on some basis states.

    Attributes
    ----------
    states : ndarray of shape (n,)
        The basis states, ascending.
    system : OpenSystem
        The system restricted to them.
    rho : ndarray of shape (n, n)
        Its stationary state.
    rounds : int
        Number of rounds in which states were added.
    """

    states: States
    system: OpenSystem
    rho: Matrix
    rounds: int = 0


def grown(system: OpenSystem, cut: float, share: float = 1.0) -> EssentialState | None:
    """Return the stationary state on all basis states whose estimated population exceeds a cut.

    See `essential.neighbours` for the estimate; after forty rounds the states that were added last must hold more
    than the cut, or no more are. What jumps lead to is always added. None if more than a share of all states would
    be needed.
    """
    states = closed_under_jumps(system, first_states(system))
    added = np.ones(len(states), dtype=bool)
    rho: Matrix | None = None
    for number in count(1):
        if len(states) > share * system.dimension:
            return None
        inner = restricted(system, states)
        late = number > MAX_ROUNDS
        rho = stationary(inner, rho, FINE if late else ROUGH)
        if late:
            # Where modes nearly coincide, as in a displaced cavity, the estimates do not converge; ρ itself
            # decides.
            held = importance(inner, np.arange(len(states)), np.diag(rho).real, click_rates(inner, rho))
            if not (held[added] > cut).any():
                break
        more = neighbours(system, states, rho, cut)
        if late:  # one step a round would take too long
            more = reached(system, np.union1d(states, more), 2 ** (number - MAX_ROUNDS))
        larger = closed_under_jumps(system, np.union1d(states, more))
        if len(larger) == len(states):
            break
        rho = _carried(rho, states, larger)
        states, added = larger, ~np.isin(larger, states)
    return EssentialState(states, inner, stationary(inner, rho, FINE), number)


def cut_out(system: OpenSystem, rho: Matrix, cut: float) -> EssentialState:
    """Return the stationary state on the states that hold more than a cut in a known ρ, or around a click."""
    rates = click_rates(system, rho)
    population = importance(system, np.arange(system.dimension), np.diag(rho).real, rates)
    for channel in system.channels:
        moved = channel.operator @ rho
        after = np.real(np.asarray(channel.operator.conj().multiply(moved).sum(axis=1))).reshape(-1)
        rate = float(after.sum())
        if rate > 0.0:
            population = np.maximum(population, after / rate)
    states = closed_under_jumps(system, np.flatnonzero(population > cut))
    inner = restricted(system, states)
    return EssentialState(states, inner, stationary(inner, rho[np.ix_(states, states)], FINE))


def stationary(system: OpenSystem, guess: Matrix | None, residual: float) -> Matrix:
    """Return ρ with Lρ = 0 and trace 1 by GMRES on L L0⁻¹, of chains on L(L − s)⁻¹, to a residual.

    The residual is ‖Lρ‖/(‖H_eff‖₁‖ρ‖).

    Raises
    ------
    ConvergenceError
        The residual stayed above 1e-11.
    """
    size = system.dimension
    rho = np.eye(size, dtype=np.complex128) / size if guess is None else guess / np.trace(guess).real
    liouvillian = Liouvillian(system)
    if liouvillian.scale == 0.0:  # nothing moves: a vacuum that is never left
        return rho
    resolvent = sparse_inverse(system) or choose_resolvent(system)
    decay = float(system.decay.diagonal().real.mean())
    singular = resolvent.slowest() <= 1e-11 * liouvillian.scale
    shift = max(0.1 * decay, 1e-9 * liouvillian.scale) if singular else 0.0

    def precondition(source: Matrix) -> Matrix:
        return hermitian_part(resolvent.solve(source, shift))

    reached = np.inf
    while reached > residual:
        defect = liouvillian.apply(rho)
        now = float(np.linalg.norm(defect)) / (liouvillian.scale * float(np.linalg.norm(rho)))
        if now > 0.5 * reached:  # rounding
            break
        reached = now
        if reached <= residual:
            break
        tolerance = float(np.clip(0.1 * residual / reached, 1e-13, 0.1))
        found = gmres(
            liouvillian.apply,
            -defect,
            tolerance=tolerance,
            max_products=MAX_PRODUCTS,
            precondition=precondition,
        )
        rho = hermitian_part(rho + found.solution)
        rho = rho / np.trace(rho).real
    if not reached <= max(residual, REFUSED):
        raise ConvergenceError(
            f"steady state on {size} essential states reached residual={reached:.2g}, above {REFUSED:g}; "
            "try method='eigenmodes'"
        )
    return rho


def _carried(rho: Matrix, states: States, larger: States) -> Matrix:
    """Return a matrix on some states as one on more, zero on the new ones."""
    place = np.searchsorted(larger, states)
    whole = np.zeros((len(larger), len(larger)), dtype=np.complex128)
    whole[np.ix_(place, place)] = rho
    return whole
