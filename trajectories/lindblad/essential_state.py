"""The steady state on its essential basis states, without a dense ρ: an ensemble of kets for any dimension.

A stationary state of N basis states may live on a few hundred of them. There it is solved for. What is left out is
judged by the residual Lρ, which is zero outside the states that L reaches, and by the state on fewer of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..errors import ConvergenceError, InvalidInput, SteadyStateNotUnique
from ..model import OpenSystem
from ..model.states import InitialStates, initial_states
from ..notebook import Shown, Summary
from ..stages import staged
from .reduced.essential import STATE_CUT, States, embedded, restricted
from .reduced.stationary import EssentialState, cut_out, grown, stationary
from .refinement import SAME_STATE, not_unique
from .superoperators.liouvillian import Liouvillian
from .top_levels import edge_populations, truncation_warning

Matrix = NDArray[np.complex128]

# What an essential state leaves out shows as a residual on the whole space; above this it is not accepted.
ESSENTIAL_RESIDUAL = 1e-6
# Residual of the solution from a second start, with which the first is compared.
SECOND_START = 1e-13
# Most essential states, whatever N is: a solution takes 81 complex matrices of them, 1.9 GB.
MOST_ESSENTIAL = 1200


@dataclass(frozen=True, eq=False)
class Judged:
    """A stationary state on essential states, with its residual and error estimates.

    Attributes
    ----------
    found : EssentialState
        The state.
    residual : float
        ‖Lρ‖_F / (‖H_eff‖₁ ‖ρ‖_F) on the whole space.
    error, distance : float
        How far the state with fewer essential states differs: relative, in norm, and as trace distance.
    """

    found: EssentialState
    residual: float
    error: float
    distance: float


@dataclass(frozen=True, eq=False, repr=False)
class SteadyEnsemble(Shown):
    """The steady state on its essential basis states, for dimensions at which a dense ρ does not fit.

    Attributes
    ----------
    states : ndarray of int, shape (n,)
        The essential basis states, ascending; all others are empty.
    rho : ndarray of complex, shape (n, n)
        ρ on them, Hermitian with unit trace.
    system : OpenSystem
        The system it belongs to, of dimension N.
    residual : float
        ‖Lρ‖_F / (‖H_eff‖₁ ‖ρ‖_F) on all N states.
    distance : float
        Estimate of the trace distance ½‖ρ − ρ_exact‖₁: that to the state whose essential states have ten times
        the population at least. The true one bounds the difference of any probability.
    top_level : dict of str to float
        Population of the edge of the truncation, mode by mode; empty when the system has no space.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(cavity=2000)
    >>> a = space.lower("cavity")
    >>> system = tj.OpenSystem(0.05 * (a + a.T), [tj.Channel("cavity", a)], space)
    >>> steady = tj.lindblad.steady_ensemble(system)
    >>> len(steady.states) < 20, round(steady.rate("cavity"), 6)
    (True, 0.01)
    """

    states: States
    rho: Matrix
    system: OpenSystem
    residual: float
    distance: float
    top_level: dict[str, float]

    def _summary(self) -> Summary:
        title = f"Steady state on {len(self.states)} of {self.system.dimension} basis states"
        rate = self.system.time_unit.rate
        rows = [(f"rate of {name} ({rate})", f"{self.rate(name):.6g}") for name in self.system.channel_names]
        rows += [(f"top level of {name}", f"{share:.2g}") for name, share in self.top_level.items()]
        rows += [("residual", f"{self.residual:.2g}"), ("trace distance", f"{self.distance:.2g}")]
        return Summary(title, ("", "value"), rows)

    def rate(self, channel: str) -> float:
        """Return λ_k = Tr(c_k† c_k ρ), the click rate of a channel.

        Parameters
        ----------
        channel : str
            Its name.
        """
        jump = sparse.csr_array(self.system.channel(channel).operator[:, self.states])
        return float(np.real(jump.conj().multiply(jump @ self.rho).sum()))

    def initial_states(self) -> InitialStates:
        """Return the eigenvectors of ρ, shape (n_kets, N), with their probabilities, for `simulate`."""
        few = initial_states(self.rho, len(self.states))
        kets = np.zeros((len(few.weights), self.system.dimension), np.complex128)
        kets[:, self.states] = few.kets
        return InitialStates(kets, few.weights)

    def truncation_warning(self) -> str | None:
        """Return which modes hold more than 1e-4 in their highest level, or None."""
        return truncation_warning(self.system, self.top_level)


@staged("steady state")
def steady_ensemble(system: OpenSystem) -> SteadyEnsemble:
    """Solve L ρ = 0 with Tr ρ = 1 on the basis states whose population counts, whatever N is.

    The essential states are those whose population is estimated above 1e-15; the set grows from a few states. No
    matrix of N² entries is made; memory is 81 complex matrices of the essential states, at most 1,200.

    Parameters
    ----------
    system : OpenSystem
        The system.

    Returns
    -------
    SteadyEnsemble
        The state, its residual on all N states, and an estimate of its trace distance from the exact one.

    Raises
    ------
    InvalidInput
        A system that depends on time.
    SteadyStateNotUnique
        The steady state depends on the start.
    ConvergenceError
        There are too many essential states, or what they leave out shows in the residual.

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(cavity=5000)
    >>> a = space.lower("cavity")
    >>> system = tj.OpenSystem(0.05 * (a + a.T), [tj.Channel("cavity", a)], space)
    >>> steady = tj.lindblad.steady_ensemble(system)
    >>> steady.distance < 1e-6, steady.initial_states().kets.shape[1]
    (True, 5000)
    """
    if system.depends_on_time:
        raise InvalidInput("a system that depends on time has no steady state; give an initial ket")
    remedy = "give an initial ket, and leave out the clicks until it has settled (record.after)"
    if not connected(system):
        raise SteadyStateNotUnique(not_unique("its basis states fall into parts that do not communicate"))
    judged = on_essential_states(system, min(1.0, MOST_ESSENTIAL / system.dimension))
    if judged is None:
        raise ConvergenceError(
            f"the steady state needs more than {MOST_ESSENTIAL} of {system.dimension} basis states; {remedy}"
        )
    if judged.residual > ESSENTIAL_RESIDUAL:
        raise ConvergenceError(
            f"the steady state on {len(judged.found.states)} of {system.dimension} basis states has residual "
            f"{judged.residual:.2g}, above {ESSENTIAL_RESIDUAL:g}; {remedy}"
        )
    found, population = judged.found, np.zeros(system.dimension)
    population[found.states] = np.diag(found.rho).real
    edge = edge_populations(system.space, population)
    return SteadyEnsemble(found.states, found.rho, system, judged.residual, judged.distance, edge)


def connected(system: OpenSystem) -> bool:
    """Whether H and the jumps link all basis states."""
    linked = abs(system.hamiltonian) + sum((abs(c.operator) for c in system.channels), start=0 * system.decay.real)
    return int(sparse.csgraph.connected_components(linked, directed=False)[0]) == 1


def on_essential_states(system: OpenSystem, share: float) -> Judged | None:
    """Return the stationary state on essential states; None where they are more than a share of all.

    Raises
    ------
    SteadyStateNotUnique
        Another start ends in another state.
    """
    found = grown(system, STATE_CUT, share)
    if found is None:
        return None
    random = np.random.default_rng(20240601)
    ket = random.normal(size=(2, len(found.states))).T @ np.array([1.0, 1.0j])
    other = stationary(found.system, np.outer(ket, ket.conj()), SECOND_START)
    difference = float(np.linalg.norm(other - found.rho))
    if difference > SAME_STATE * np.linalg.norm(found.rho):
        raise SteadyStateNotUnique(not_unique(f"two starts end in states that differ by {difference:.2g}"))
    around = _around(system, found.states)
    near, place = restricted(system, around), np.searchsorted(around, found.states)
    rho = embedded(found.rho, place, len(around))
    scale = Liouvillian(system).scale * float(np.linalg.norm(rho))
    residual = float(np.linalg.norm(Liouvillian(near).apply(rho))) / scale if scale > 0.0 else 0.0
    fewer = cut_out(near, rho, 10.0 * STATE_CUT)
    # Those may not all be among the states found: some are reached by clicks alone.
    apart = rho - embedded(fewer.rho, fewer.states, len(around))
    error = float(np.linalg.norm(apart) / np.linalg.norm(found.rho))
    distance = 0.5 * float(np.abs(np.linalg.eigvalsh(apart)).sum())
    return Judged(found, residual, error, distance)


def _around(system: OpenSystem, states: States) -> States:
    """Return some basis states, those that H and the jumps take them to, and those that c†c does.

    A system restricted to them has the same Lρ for every ρ on `states`.
    """
    inside = np.zeros(system.dimension, dtype=bool)
    inside[states] = True
    for operator in (system.hamiltonian, system.decay, *(c.operator for c in system.channels)):
        inside |= np.diff(sparse.csr_array(operator[:, states]).indptr) > 0
    return np.flatnonzero(inside)
