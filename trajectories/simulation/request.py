"""Request: the arguments of `simulate`, checked before any work and described by plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from ..checks import finite_array, finite_number, integer, one_of, positive_number, shown
from ..engine.blocks import NO_SAMPLING, BlockTask, Sampling
from ..engine.compiled import PROPAGATORS, stack_operators
from ..engine.propagator import check_tolerance
from ..ensembles import TrajectoryStates, fingerprint
from ..errors import InvalidInput
from ..model.operators import HERMITICITY, as_operator
from ..model.states import InitialStates, initial_states, normalised, state_array
from ..model.system import OpenSystem
from ..processors import usable_processors

# Most trajectories of a run; when read, each takes 16 bytes besides its clicks.
MOST_TRAJECTORIES = 10**9
MOST_SEED = 2**128 - 1
# States are taken after whole periods up to this fraction of a period.
WHOLE = 1e-9


@dataclass(frozen=True, eq=False)
class Request:
    """A checked simulation; made by `checked_request`.

    Attributes
    ----------
    system : OpenSystem
        The system.
    initial : InitialStates or None
        Initial states; None means the steady state, which `prepare` computes.
    sampling : Sampling
        Observables and sample times.
    trajectories, duration, seed, propagator, tolerance, final_states
        As for `trajectories.simulate`.
    described : mapping
        Plain values that identify the initial states and the sampled observables.
    """

    system: OpenSystem
    initial: InitialStates | None
    sampling: Sampling
    trajectories: int
    duration: float
    seed: int
    propagator: str
    tolerance: float
    final_states: bool
    described: Mapping[str, Any]

    @property
    def stage(self) -> int:
        """Number of runs before this one of the same trajectories."""
        return int(self.described.get("stage", 0))

    def task(self, first: int, last: int) -> BlockTask:
        """Return the task of a worker: trajectories `first` … `last` − 1."""
        return BlockTask(first, last, self.seed, self.duration, self.sampling, self.stage, self.final_states)

    @property
    def configuration(self) -> dict[str, Any]:
        """The values on which clicks and averages depend, for ``run.json``; equal for equal requests."""
        kept = {
            "digest": self.system.digest,
            "trajectories": self.trajectories,
            "duration": self.duration,
            "seed": self.seed,
            "propagator": self.propagator,
            "tolerance": self.tolerance,
            **self.described,
        }
        return kept | {"final_states": True} if self.final_states else kept


def checked_request(
    system: OpenSystem,
    trajectories: int,
    duration: float,
    *,
    seed: int,
    initial: Any = "steady",
    stratified: bool = True,
    propagator: str = "auto",
    tolerance: float = 1e-10,
    observables: Mapping[str, Any] | None = None,
    sample_times: ArrayLike | None = None,
    final_states: bool = False,
) -> Request:
    """Check the arguments of `trajectories.simulate`, which describes them, and return the request.

    Raises
    ------
    InvalidInput
        An invalid argument.
    """
    if not isinstance(system, OpenSystem):
        raise InvalidInput(
            f"system must be an OpenSystem, but is {type(system).__name__}; a SpinningResonator has .system()"
        )
    count = integer(trajectories, "trajectories", 1, MOST_TRAJECTORIES)
    for name, value in (("stratified", stratified), ("final_states", final_states)):
        if not isinstance(value, bool | np.bool_):
            raise InvalidInput(f"{name}={shown(value)} must be True or False")
    start, start_described = _start(system, initial, bool(stratified), count)
    check_tolerance(finite_number(tolerance, "tolerance"))
    span = positive_number(duration, "duration")
    key = integer(seed, "seed", 0, MOST_SEED)
    chosen = one_of(propagator, "propagator", ("auto", *PROPAGATORS))
    sampling, sampling_described = checked_sampling(system, span, observables, sample_times)
    return Request(
        system,
        start,
        sampling,
        trajectories=count,
        duration=span,
        seed=key,
        propagator=chosen,
        tolerance=float(tolerance),
        final_states=bool(final_states),
        described=start_described | sampling_described,
    )


def _start(
    system: OpenSystem, initial: Any, stratified: bool, trajectories: int
) -> tuple[InitialStates | None, dict[str, Any]]:
    """Return the initial states (None for the steady state) and their entries in the configuration."""
    if isinstance(initial, TrajectoryStates):
        return _continued(system, initial, trajectories)
    if not isinstance(initial, str):
        start = initial_states(initial, system.dimension, stratified)
        described = {"initial": fingerprint(start.kets, start.weights)}
        return start, described if start.draws == "independent" else described | {"draws": start.draws}
    if initial != "steady":
        raise InvalidInput(
            f"initial={shown(initial)} must be 'steady', a ket, a density matrix, pairs (state, weight), or "
            "the final_states of a record"
        )
    if system.depends_on_time:
        if system.period is None:
            raise InvalidInput(
                "a system that depends on time and has no period needs initial=, a state to start from; or give "
                "it a period, `period` in the configuration"
            )
        return None, {"initial": "periodic"}
    return None, {"initial": initial}


def _continued(
    system: OpenSystem, states: TrajectoryStates, trajectories: int
) -> tuple[InitialStates, dict[str, Any]]:
    """Return the final states of an earlier run as initial states, one for each trajectory."""
    count, dimension = states.kets.shape
    if dimension != system.dimension:
        raise InvalidInput(f"the initial states have dimension {dimension}, the system {system.dimension}")
    if trajectories > count:
        raise InvalidInput(
            f"trajectories={trajectories} cannot continue from {count} final states; give {count} or fewer"
        )
    if system.depends_on_time:
        _check_phase(system, states.time)
    weights = np.full(count, 1.0 / count)
    return InitialStates(states.kets, weights, "each"), {
        "initial": states.fingerprint,
        "draws": "each",
        "stage": states.stage,
        "begun_at": states.time,
    }


def _check_phase(system: OpenSystem, time: float) -> None:
    """Refuse initial states from a time at which the drives have another phase than at t = 0."""
    restart = "to restart the drives at t=0 give initial=dataclasses.replace(states, time=0.0)"
    if system.period is None:
        if time != 0.0:
            raise InvalidInput(
                f"the initial states are at t={time:g}, but envelopes without a period start at t=0 of each run; "
                f"give each envelope as .delayed({-time:g}), or {restart}"
            )
        return
    periods = time / system.period
    if abs(periods - round(periods)) > WHOLE:
        raise InvalidInput(
            f"the initial states are at t={time:g}, which is {periods:.6g} periods of {system.period:g}, but "
            f"drives start at phase 0; end the previous run after whole periods, or {restart}"
        )


def checked_sampling(
    system: OpenSystem, duration: float, observables: Mapping[str, Any] | None, sample_times: ArrayLike | None
) -> tuple[Sampling, dict[str, Any]]:
    """Return observables and sample times, and plain values that identify them.

    Raises
    ------
    InvalidInput
        Invalid observables or times, or one without the other.
    """
    if observables is None and sample_times is None:
        return NO_SAMPLING, {"sampling": None, "observables": [], "sample_times": []}
    if not isinstance(observables, Mapping) or not observables or sample_times is None:
        raise InvalidInput("observables, a dictionary, and sample_times belong together; give both or neither")
    times = checked_times(sample_times, duration)
    operators = [_observable(name, given, system.dimension) for name, given in observables.items()]
    sampling = Sampling(len(operators), stack_operators(operators, system.dimension), times)
    return sampling, {
        "sampling": fingerprint(*sampling.operators, times),
        "observables": list(observables),
        "sample_times": times.tolist(),
    }


def checked_times(sample_times: ArrayLike, duration: float) -> NDArray[np.float64]:
    """Return sample times, after checking that they ascend within the duration of a run.

    Raises
    ------
    InvalidInput
        Times that are not ascending, or outside [0, duration].
    """
    times = np.atleast_1d(finite_array(sample_times, "sample_times"))
    if times.ndim != 1 or (np.diff(times) < 0).any():
        raise InvalidInput("sample_times must be one ascending list of times")
    if len(times) and not (times[0] >= 0 and times[-1] <= duration):
        raise InvalidInput(f"sample_times run from {times[0]:g} to {times[-1]:g}; must lie in [0, {duration:g}]")
    return times


def _observable(name: str, given: Any, dimension: int) -> sparse.csr_array:
    """Return an observable as a matrix: a Hermitian operator, or the projector on a ket."""
    if not isinstance(name, str):
        raise InvalidInput(f"observable {shown(name)} must be named by a string")
    what = f"observable {name!r}"
    shape = given.shape if hasattr(given, "shape") else finite_array(given, what, np.complex128).shape
    if len(shape) == 1 or shape == (dimension, 1) != (1, 1):
        ket = sparse.csr_array(normalised(state_array(given, what), what)[:, None])
        given = ket @ ket.conj().T
    operator = as_operator(given, what)
    if operator.shape[0] != dimension:
        raise InvalidInput(f"{what} has dimension {operator.shape[0]}, the system {dimension}")
    skew = np.abs(sparse.csr_array(operator - operator.conj().T).data).max(initial=0.0)
    if skew > HERMITICITY * np.abs(operator.data).max(initial=0.0):
        raise InvalidInput(f"{what} is not Hermitian (by {skew:.3g}); sample its parts O+O† and i(O−O†)")
    return operator


def checked_workers(workers: int | None) -> int:
    """Return the number of workers; None means all processors that this process may use."""
    if workers is None:
        return usable_processors()
    return integer(workers, "workers", 1)
