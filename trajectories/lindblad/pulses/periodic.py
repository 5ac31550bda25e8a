"""The periodic steady state: the state that is the same after one period."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import ConvergenceError, InvalidInput, SteadyStateNotUnique, TrajectoriesError
from ...model import OpenSystem
from ...notebook import Shown, Summary
from ...stages import staged
from ..inputs import checked_times
from ..steady_state import steady_state
from ..superoperators.hermitian_vectors import pack, unpack
from .motion import Part, TimedMotion

# Largest ‖ρ(T) − ρ(0)‖/‖ρ(0)‖: what is aimed for, and what is still accepted.
AIM, ACCEPTED = 1e-13, 1e-10
# Largest distance between the states that two starts end in, and the residual aimed for from the second start.
SAME_STATE, AIM_OF_OTHER = 1e-7, 1e-10
# Times of a period at which populations are evaluated.
POINTS = 12
# Correlations from pulse to pulse are 1 when the state is that near to the periodic one.
RELAXED = 1e-13
# Periods that the solution takes, and seconds for a period, per unit of time and N³; measured. Commands take no
# state that takes longer than the last, in seconds.
TYPICAL_PERIODS, SECONDS, LONGEST = 18.0, 2e-9, 120.0
# Largest number of periods, and how many of the last ones are combined.
MOST_PERIODS, REMEMBERED = 300, 12


@dataclass(frozen=True, eq=False, repr=False)
class PeriodicState(Shown):
    """The state ρ(t) = ρ(t + T) of a system with a period.

    Attributes
    ----------
    rho : ndarray of complex, shape (N, N)
        ρ(0), at the beginning of a period.
    system : OpenSystem
        Whose state it is.
    residual : float
        ‖ρ(T) − ρ(0)‖/‖ρ(0)‖.
    periods : int
        Number of periods until it was found.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> pulse = tj.Drive(sigma + sigma.T, tj.Gaussian(5.0, 0.5, 1.0))
    >>> system = tj.OpenSystem(0 * sigma, [tj.Channel("atom", sigma)], drives=[pulse], period=12.0)
    >>> state = tj.lindblad.periodic_state(system)
    >>> state.at([0.0, 5.5, 12.0])[:, 1, 1].real.round(4)
    array([0.001 , 0.4393, 0.001 ])
    """

    rho: NDArray[np.complex128]
    system: OpenSystem
    residual: float
    periods: int

    def _summary(self) -> Summary:
        rows = [("period", self.system.time_unit.of(f"{self.period:g}")), ("residual", f"{self.residual:.1e}")]
        return Summary(f"Periodic state of dimension {self.system.dimension}", ("", "value"), rows)

    @property
    def period(self) -> float:
        """T."""
        assert self.system.period is not None
        return self.system.period

    @cached_property
    def motion(self) -> TimedMotion:
        """The motion of the system over a period."""
        return TimedMotion(self.system, self.period)

    @cached_property
    def over_the_period(self) -> NDArray[np.complex128]:
        """ρ(t) in the middle of POINTS equal parts of the period."""
        return self.at((np.arange(POINTS) + 0.5) * self.period / POINTS)

    @property
    def top_level(self) -> dict[str, float]:
        """Largest population of the highest level of every mode over the period; empty without a space."""
        if self.system.space is None:
            return {}
        populations = np.einsum("tii->ti", self.over_the_period).real
        return {
            name: float(populations[:, mask].sum(axis=1).max())
            for name, mask in self.system.space.top_levels().items()
        }

    @cached_property
    def _emitted(self) -> dict[bytes, NDArray[np.float64]]:
        return {}

    def emitted(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ∫ g²Tr(c†cρ) dt of every bin and channel, (n_bins, n_channels); what was asked once is kept."""
        key = edges.tobytes()
        if key not in self._emitted and len(edges) == 2:
            for other, known in self._emitted.items():
                ends = np.frombuffer(other)[[0, -1]]
                if (ends == edges).all():
                    return np.asarray(known.sum(axis=0, keepdims=True))
        if key not in self._emitted:
            rows = list(self.motion.rates.values())
            states, found = pack(self.rho)[:, None], []
            if edges[0] > 0.0:
                states = self.motion.carry(states, 0.0, float(edges[0]))
            for low, high in pairwise(edges):
                states, integrals = self.motion.integrate(states, float(low), float(high), (), rows)
                found.append(integrals[:, 0])
            self._emitted[key] = np.array(found)
        return self._emitted[key]

    def at(self, t: ArrayLike) -> NDArray[np.complex128]:
        """Return ρ(t) at times of any shape and order."""
        times = checked_times(t, "t", lowest=-np.inf)
        return density_matrices(self.motion, self.rho, np.mod(times, self.period))

    def followed(self, pulses: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return pairs of clicks by the pulses between them, and how late clicks are in a pulse; kept.

        With X_k′ = LX_k + J_kρ over a pulse, X_k(0) = 0, and X_k′ = LX_k in those that follow, element (m, k, l)
        of the pairs is ∫Tr J_lX_k dt over pulse m, within the pulse for k before l. The second is ∫t·Tr J_lρ dt.
        """
        known = self._followed
        if not known:
            width = 2 + len(self.motion.rates)
            parts = []
            for k, name in enumerate(self.motion.rates):
                coupling = np.zeros((width, width))
                coupling[0, 2 + k] = 1.0
                parts.append(self.motion.jump_part(name, coupling))
            coupling = np.zeros((width, width))
            coupling[0, 1] = 1.0
            parts.append(Part(None, coupling))  # its state is tρ(t)
            states = np.zeros((len(self.rho) ** 2, width))
            states[:, 0] = pack(self.rho)
            rows = list(self.motion.rates.values())
            states, found = self.motion.integrate(states, 0.0, self.period, parts, rows)
            known += [states[:, 2:], found[:, 1], found[:, 2:].T]
        states, late, *pairs = known
        rho, emitted = pack(self.rho), self.emitted(np.array([0.0, self.period]))[0]
        means = self.motion.trace.row @ states
        while len(pairs) <= pulses:
            if (np.linalg.norm(states - np.outer(rho, means), axis=0) <= RELAXED * means).all():
                pairs.append(np.outer(means, emitted))
                continue
            rows = list(self.motion.rates.values())
            states, found = self.motion.integrate(states, 0.0, self.period, (), rows)
            pairs.append(found.T)
        known[:] = [states, late, *pairs]
        return np.array(pairs[: pulses + 1]), late

    @cached_property
    def _followed(self) -> list[NDArray[np.float64]]:
        return []


def density_matrices(
    motion: TimedMotion, rho: NDArray[np.complex128], times: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Return ρ(t) at times of any shape, for ρ(0) given."""
    wanted, place = np.unique(times, return_inverse=True)
    states, now, found = pack(rho)[:, None], 0.0, []
    for time in wanted:
        if time > now:
            states = motion.carry(states, now, float(time))
            now = float(time)
        found.append(unpack(states[:, 0]))
    size = len(rho)
    return np.array(found).reshape(-1, size, size)[place].reshape(*times.shape, size, size)


@staged("periodic state")
def periodic_state(system: OpenSystem) -> PeriodicState:
    """Solve ρ(T) = ρ(0) of a system whose drives have a period.

    ρ is carried over whole periods, and the last ones are combined so that ρ(T) − ρ(0) is least (Anderson's
    acceleration, for this linear problem the same as GMRES). Two starts must end in the same state.

    Parameters
    ----------
    system : OpenSystem
        A system with `period`.

    Raises
    ------
    InvalidInput
        A system without a period.
    SteadyStateNotUnique
        The state depends on the start.
    ConvergenceError
        The system relaxes too slowly: the state still changes after the largest number of periods.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> pulse = tj.Drive(sigma + sigma.T, tj.Square(1.0, 2.0, 1.5707963))
    >>> system = tj.OpenSystem(0 * sigma, [tj.Channel("atom", 0.5 * sigma)], drives=[pulse], period=40.0)
    >>> state = tj.lindblad.periodic_state(system)
    >>> state.residual < 1e-10
    True
    """
    if not isinstance(system, OpenSystem) or system.period is None:
        raise InvalidInput(
            "a periodic state needs a system with a period; give it one, `period` in the configuration or "
            "OpenSystem(..., period=T)"
        )
    motion = TimedMotion(system, system.period)
    size, other = system.dimension, np.random.default_rng(20240601)
    ket = other.normal(size=(2, size)).T @ np.array([1.0, 1.0j])
    starts = [_first_guess(system), np.outer(ket, ket.conj()) / np.vdot(ket, ket).real]
    iterations = [_Iteration(pack(starts[0]), AIM, ACCEPTED), _Iteration(pack(starts[1]), AIM_OF_OTHER, ACCEPTED)]
    periods = 0
    while periods < MOST_PERIODS:
        # A start that has converged is not carried on: the other, a random one, takes more periods.
        under_way = [one for one in iterations if not one.done]
        if not under_way:
            break
        images = motion.carry(np.stack([one.state for one in under_way], axis=1), 0.0, system.period)
        periods += 1
        for one, image in zip(under_way, images.T, strict=True):
            one.go_on(image)
    found, other_one = iterations
    error = max(found.error, other_one.error)
    if error > ACCEPTED:
        raise ConvergenceError(
            f"the periodic state is not reached after {periods} periods: ρ(T) and ρ(0) differ by {error:.2g}; the "
            "system relaxes too slowly, or not at all"
        )
    apart = float(np.linalg.norm(found.state - other_one.state) / np.linalg.norm(found.state))
    if apart > max(SAME_STATE, 1e3 * error):
        raise SteadyStateNotUnique(
            f"the periodic state is not unique: two starts end in states that differ by {apart:.2g}; evolve a "
            "given initial state instead"
        )
    rho = unpack(found.state)
    return PeriodicState(rho / np.trace(rho).real, system, found.error, periods)


def periodic_seconds(system: OpenSystem) -> float:
    """Return roughly how long the periodic state of a system takes."""
    assert system.period is not None
    return TYPICAL_PERIODS * SECONDS * system.period * float(system.dimension) ** 3


def affordable_dimension(period: float) -> int:
    """Return the largest dimension whose periodic state commands take."""
    return int((LONGEST / (TYPICAL_PERIODS * SECONDS * period)) ** (1.0 / 3.0))


def affordable_periodic_state(system: OpenSystem) -> PeriodicState:
    """Return the periodic state, unless it takes minutes or hours.

    Raises
    ------
    ConvergenceError
        It takes longer than LONGEST; how long is said. And what `periodic_state` raises.
    """
    if isinstance(system, OpenSystem) and system.period is not None:
        seconds = periodic_seconds(system)
        if seconds > LONGEST:
            said = f"{seconds / 60.0:.2g} min" if seconds < 3600.0 else f"{seconds / 3600.0:.2g} h"
            raise ConvergenceError(
                f"the exact periodic state of N={system.dimension} takes about {said}; take fewer levels, or "
                "compute it by lindblad.periodic_state"
            )
    return periodic_state(system)


class _Iteration:
    """One start on its way to the periodic state."""

    def __init__(self, state: NDArray[np.float64], aim: float, accepted: float) -> None:
        self.state, self.aim, self.accepted = state, aim, accepted
        self.error, self.done = np.inf, False
        self.history: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self.trace = pack(np.eye(round(len(state) ** 0.5), dtype=np.complex128))

    def go_on(self, image: NDArray[np.float64]) -> None:
        """Take what the state has become after a period, and choose the next one."""
        before = self.error
        self.error = float(np.linalg.norm(image - self.state) / np.linalg.norm(self.state))
        if self.error <= self.aim or (self.error <= self.accepted and self.error > 0.5 * before):
            self.state, self.done = image, True
            return
        combined = _combined(self.history, self.state, image)
        self.state = combined / (self.trace @ combined)


def _first_guess(system: OpenSystem) -> NDArray[np.complex128]:
    """Return the steady state of the system as it is when a period begins, or a mixture of all states."""
    mixed = np.eye(system.dimension, dtype=np.complex128) / system.dimension
    if system.dimension > 100:
        return mixed
    try:
        return steady_state(system.at(0.0)).rho
    except TrajectoriesError:
        return mixed


def _combined(
    history: list[tuple[NDArray[Any], NDArray[Any]]], state: NDArray[np.float64], image: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the combination of the last images, of weights that sum to 1, whose residual is least."""
    history.append((state, image))
    del history[:-REMEMBERED]
    if len(history) == 1:
        return image
    residuals = np.stack([f - x for x, f in history], axis=1)
    images = np.stack([f for _, f in history], axis=1)
    differences = residuals[:, 1:] - residuals[:, :-1]
    weights, *_ = np.linalg.lstsq(differences, residuals[:, -1], rcond=1e-12)
    return np.asarray(images[:, -1] - (images[:, 1:] - images[:, :-1]) @ weights)
