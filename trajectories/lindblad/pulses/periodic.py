"""The periodic steady state: the state that is the same after one period."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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
from .motion import TimedMotion

# Largest ‖ρ(T) − ρ(0)‖/‖ρ(0)‖: what is aimed for, and what is still accepted.
AIM, ACCEPTED = 1e-13, 1e-10
# Largest distance between the states that two starts end in.
SAME_STATE = 1e-7
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
        Periods that it took.

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
        rows = [("period", f"{self.period:g}"), ("residual", f"{self.residual:.1e}")]
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

    def at(self, t: ArrayLike) -> NDArray[np.complex128]:
        """Return ρ(t) at times of any shape and order."""
        times = checked_times(t, "t", lowest=-np.inf)
        return density_matrices(self.motion, self.rho, np.mod(times, self.period))


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
        raise InvalidInput("a periodic state needs a system with a period; give OpenSystem(..., period=T)")
    motion = TimedMotion(system, system.period)
    size, other = system.dimension, np.random.default_rng(20240601)
    ket = other.normal(size=(2, size)).T @ np.array([1.0, 1.0j])
    starts = [_first_guess(system), np.outer(ket, ket.conj()) / np.vdot(ket, ket).real]
    states = np.stack([pack(start) for start in starts], axis=1)
    histories: list[list[tuple[NDArray[Any], NDArray[Any]]]] = [[], []]
    error, periods = np.inf, 0
    trace = pack(np.eye(size, dtype=np.complex128))
    while periods < MOST_PERIODS:
        images = motion.carry(states, 0.0, system.period)
        periods += 1
        residuals = np.linalg.norm(images - states, axis=0) / np.linalg.norm(states, axis=0)
        before, error = error, float(residuals.max())
        if error <= AIM or (error <= ACCEPTED and error > 0.5 * before):
            states = images
            break
        combined = [_combined(history, states[:, i], images[:, i]) for i, history in enumerate(histories)]
        states = np.stack([state / (trace @ state) for state in combined], axis=1)
    if error > ACCEPTED:
        raise ConvergenceError(
            f"the periodic state is not reached after {periods} periods: ρ(T) and ρ(0) differ by {error:.2g}; the "
            "system relaxes too slowly, or not at all"
        )
    apart = float(np.linalg.norm(states[:, 0] - states[:, 1]) / np.linalg.norm(states[:, 0]))
    if apart > max(SAME_STATE, 1e3 * error):
        raise SteadyStateNotUnique(
            f"the periodic state is not unique: two starts end in states that differ by {apart:.2g}; evolve a "
            "given initial state instead"
        )
    rho = unpack(states[:, 0])
    return PeriodicState(rho / np.trace(rho).real, system, error, periods)


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
