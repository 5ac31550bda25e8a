"""Request: what `simulate` is asked for, checked before any work and described by plain values."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from ..checks import finite_array, finite_number, integer, one_of, positive_number, shown
from ..engine.blocks import NO_SAMPLING, Sampling
from ..engine.compiled import PROPAGATORS, initial_ensemble, normalised, stack_operators
from ..engine.propagator import check_tolerance
from ..errors import InvalidInput
from ..lindblad.steady_state import MAX_DIMENSION
from ..model.system import HERMITICITY, OpenSystem, as_operator

# Trajectories of one run: each takes 16 bytes of whoever reads it, and the clicks that it makes.
MOST_TRAJECTORIES = 10**9
MOST_SEED = 2**128 - 1


@dataclass(frozen=True, eq=False)
class Request:
    """A simulation that can be begun; made by `checked_request`.

    Attributes
    ----------
    system : OpenSystem
        What is watched.
    initial : {"steady"} or array_like
        Where trajectories start.
    sampling : Sampling
        What is averaged along the way.
    configuration : dict
        What the clicks and the averages depend on, as plain values: two requests with the same one are the same.
    """

    system: OpenSystem
    initial: str | ArrayLike
    sampling: Sampling
    configuration: dict[str, Any]


def checked_request(
    system: OpenSystem,
    trajectories: int,
    duration: float,
    *,
    seed: int,
    initial: str | ArrayLike = "steady",
    propagator: str = "auto",
    tolerance: float = 1e-10,
    observables: Mapping[str, Any] | None = None,
    sample_times: ArrayLike | None = None,
) -> Request:
    """Refuse what cannot be right, and return the rest; for the parameters see `trajectories.simulate`.

    Raises
    ------
    InvalidInput
        An argument that cannot be right.
    """
    if not isinstance(system, OpenSystem):
        raise InvalidInput(f"system must be an OpenSystem, but is {type(system).__name__}; call its .system()")
    if not isinstance(initial, str):
        start = _fingerprint(*initial_ensemble(initial, system.dimension))
    elif initial != "steady":
        raise InvalidInput(f"initial={shown(initial)} must be 'steady', a ket or a density matrix")
    elif system.dimension > MAX_DIMENSION:
        raise InvalidInput(
            f"dimension {system.dimension} exceeds {MAX_DIMENSION}, up to which the steady state can be found; "
            "lower the levels, or give an initial ket"
        )
    else:
        start = initial
    check_tolerance(finite_number(tolerance, "tolerance"))
    configuration: dict[str, Any] = {
        "digest": system.digest,
        "trajectories": integer(trajectories, "trajectories", 1, MOST_TRAJECTORIES),
        "duration": positive_number(duration, "duration"),
        "seed": integer(seed, "seed", 0, MOST_SEED),
        "initial": start,
        "propagator": one_of(propagator, "propagator", ("auto", *PROPAGATORS)),
        "tolerance": float(tolerance),
    }
    sampling, asked_for = checked_sampling(system, configuration["duration"], observables, sample_times)
    return Request(system, initial, sampling, configuration | asked_for)


def checked_sampling(
    system: OpenSystem, duration: float, observables: Mapping[str, Any] | None, sample_times: ArrayLike | None
) -> tuple[Sampling, dict[str, Any]]:
    """Return what to sample, and the same as plain values that identify it.

    Raises
    ------
    InvalidInput
        Observables or times that cannot be right, or one without the other.
    """
    if observables is None and sample_times is None:
        return NO_SAMPLING, {"sampling": None, "observables": [], "sample_times": []}
    if not isinstance(observables, Mapping) or not observables or sample_times is None:
        raise InvalidInput("observables, a dictionary, and sample_times belong together; give both or neither")
    times = np.atleast_1d(finite_array(sample_times, "sample_times"))
    if times.ndim != 1 or (np.diff(times) < 0).any():
        raise InvalidInput("sample_times must be one ascending list of times")
    if len(times) and not (times[0] >= 0 and times[-1] <= duration):
        raise InvalidInput(f"sample_times run from {times[0]:g} to {times[-1]:g}; must lie in [0, {duration:g}]")
    operators = [_observable(name, given, system.dimension) for name, given in observables.items()]
    sampling = Sampling(len(operators), stack_operators(operators, system.dimension), times)
    return sampling, {
        "sampling": _fingerprint(*sampling.operators, times),
        "observables": list(observables),
        "sample_times": times.tolist(),
    }


def _observable(name: str, given: Any, dimension: int) -> sparse.csr_array:
    """Return an observable as a matrix: a Hermitian operator, or the projector on a ket."""
    if not isinstance(name, str):
        raise InvalidInput(f"observable {shown(name)} must be named by a string")
    what = f"observable {name!r}"
    matrix = given if sparse.issparse(given) else finite_array(given, what, np.complex128)
    if matrix.ndim == 1:
        ket = sparse.csr_array(normalised(matrix, what)[:, None])
        matrix = ket @ ket.conj().T
    operator = as_operator(matrix, what)
    if operator.shape[0] != dimension:
        raise InvalidInput(f"{what} has dimension {operator.shape[0]}, the system {dimension}")
    skew = np.abs(sparse.csr_array(operator - operator.conj().T).data).max(initial=0.0)
    if skew > HERMITICITY * np.abs(operator.data).max(initial=0.0):
        raise InvalidInput(f"{what} is not Hermitian (by {skew:.3g}); sample its parts O+O† and i(O−O†)")
    return operator


def checked_workers(workers: int | None) -> int:
    """Return the number of workers; None means all cores that this process may use."""
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return integer(workers, "workers", 1)


def _fingerprint(*arrays: ArrayLike) -> str:
    state = hashlib.sha256()
    for array in arrays:
        values = np.ascontiguousarray(array)
        state.update(f"{values.dtype.str} {values.shape}".encode())
        state.update(values.tobytes())
    return state.hexdigest()
