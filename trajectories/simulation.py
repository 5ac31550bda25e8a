"""simulate(): the one place that wires the rooms together: steady start, compiled engine, run on disk."""

from __future__ import annotations

import hashlib
import os
import platform
import warnings
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from .checks import finite_array, finite_number, integer, one_of, positive_number, shown
from .engine.blocks import NO_SAMPLING, Block, BlockTask, Sampling, run_block, run_blocks
from .engine.compiled import (
    PROPAGATORS,
    CompiledSystem,
    compile_system,
    initial_ensemble,
    normalised,
    stack_operators,
)
from .engine.propagator import check_tolerance
from .errors import AccuracyWarning, InvalidInput, RunFolderError, TruncationWarning
from .lindblad import steady_state
from .lindblad.steady_state import MAX_DIMENSION
from .model.system import HERMITICITY, OpenSystem, as_operator
from .progress import Progress
from .records.clicks import ClickRecord
from .records.run import Run, assemble, block_bounds

# Files a run is split into at the most where clicks are few, and clicks a block holds at the most where they
# are many: blocks bound what an interruption loses and what a worker holds in memory.
MOST_BLOCKS = 128
BLOCK_CLICKS = 500_000


def simulate(
    system: OpenSystem,
    trajectories: int,
    duration: float,
    *,
    seed: int,
    initial: str | ArrayLike = "steady",
    propagator: str = "auto",
    tolerance: float = 1e-10,
    workers: int | None = None,
    executor: Executor | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
    observables: Mapping[str, Any] | None = None,
    sample_times: ArrayLike | None = None,
) -> ClickRecord:
    """Simulate click records by the Monte Carlo wave-function method.

    Between clicks |ψ(t)⟩ = exp(−iH_eff t)|ψ⟩, whose norm² is the probability S(t) of no click so far; the next
    click comes when S falls to a uniform random number, in channel k with probability ‖c_kψ‖²/Σ_j‖c_jψ‖², and
    leaves c_k|ψ⟩/‖c_kψ‖ (Dalibard, Castin and Mølmer, Phys. Rev. Lett. 68, 580 (1992)).

    Parameters
    ----------
    system : OpenSystem
        What is watched; every jump of every channel is recorded.
    trajectories : int
        Number of independent trajectories.
    duration : float
        Time for which each is watched, in 1/ω_b.
    seed : int
        Key of the random numbers, not negative. Trajectory r depends on (seed, r) and the system only.
    initial : {"steady"} or array_like
        ``"steady"`` draws eigenvectors of the steady state, so that the record is stationary from t = 0. Or a
        ket of shape (N,) and any norm, or a density matrix of shape (N, N).
    propagator : {"auto", "modes", "sparse"}
        How states are carried between clicks: in the eigenbasis of H_eff, or by the action of its exponential.
        ``"auto"`` takes the eigenmodes where they keep the tolerance; the record says which was used and why.
    tolerance : float
        Bound of |ΔS|/S, the relative error of the no-click probability, in [1e-13, 1e-2].
    workers : int, optional
        Number of threads; by default all cores.
    executor : concurrent.futures.Executor, optional
        Where to run blocks instead; it is not shut down.
    out : path, optional
        Run folder. If it holds an unfinished run of the same configuration, that is continued; if a finished
        one, it is loaded.
    progress : bool
        Whether to draw a progress bar.
    observables : mapping of str to array, optional
        Operators of shape (N, N), or kets of shape (N,) and any norm whose population is meant, to be averaged
        over the trajectories at `sample_times`.
    sample_times : array_like of float, optional
        Ascending times in [0, duration]. Sampling does not change the clicks.

    Returns
    -------
    ClickRecord
        All clicks, with ensemble averages in ``.expectations`` when asked for.

    Raises
    ------
    InvalidInput
        An argument that cannot be right; nothing was computed or written.
    RunFolderError
        `out` holds something else, another configuration, or a damaged file.
    KeyboardInterrupt
        After Ctrl-C, when the blocks in flight have been finished and kept.

    Examples
    --------
    >>> import trajectories as tj
    >>> atom = tj.HilbertSpace(atom=2)
    >>> sigma = atom.lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)], atom)
    >>> record = tj.simulate(system, trajectories=20, duration=50.0, seed=1, progress=False)
    >>> record.n_trajectories, record.total_time
    (20, 1000.0)
    """
    request = _checked_request(system, trajectories, duration, seed, initial, propagator, tolerance)
    sampling, asked_for = _checked_sampling(system, request["duration"], observables, sample_times)
    request |= asked_for
    threads = _checked_workers(workers)
    run = None if out is None else Run.find(out)
    if run is None:
        run, metadata, compiled = _begin(system, initial, request, out)
    else:
        _require_same(run, request)
        metadata, compiled = run.metadata, CompiledSystem.from_arrays(run.arrays())
    bounds = block_bounds(request["trajectories"], metadata["configuration"]["block_size"])
    tasks = [
        BlockTask(first, last, request["seed"], request["duration"], sampling)
        for first, last in (bounds if run is None else run.missing())
    ]
    kept = {}
    with closing(_run_with_progress(compiled, tasks, executor, threads, progress)) as finished:
        for block in finished:
            if run is None:
                kept[block.first, block.last] = _columns(block)
            else:
                run.write_block((block.first, block.last), _columns(block))
    record = assemble(metadata, bounds, [kept[b] for b in bounds]) if run is None else run.record()
    _warn_of_breach(record, request["tolerance"])
    return record


def _warn_of_breach(record: ClickRecord, tolerance: float) -> None:
    """Say when the bound of |ΔS|/S, truncation and rounding together, came out above what was asked for."""
    worst = record.provenance["worst_error"]
    if worst > tolerance:
        remedy = "give a looser tolerance, or propagator='modes'"
        message = f"|ΔS|/S may have reached {worst:.2g}, above tolerance={tolerance:g}; {remedy}"
        warnings.warn(message, AccuracyWarning, stacklevel=3)


def follow(
    run: str | os.PathLike[str], trajectory: int, observables: Mapping[str, Any], times: ArrayLike
) -> dict[str, NDArray[np.float64]]:
    """Follow one recorded trajectory again and sample expectation values along it.

    The random numbers are those of the record, so the clicks are the same.

    Parameters
    ----------
    run : path
        A run folder.
    trajectory : int
        Number of the trajectory in the run.
    observables : mapping of str to array
        Operators of shape (N, N), or kets of shape (N,) whose population is meant.
    times : array_like of float, shape (n_times,)
        Ascending times within the run's duration.

    Returns
    -------
    dict of str to ndarray of shape (n_times,)
        ⟨ψ(t)|O|ψ(t)⟩ of the normalised state.

    Raises
    ------
    InvalidInput
        A trajectory that the run does not have, or observables or times that cannot be right.
    RunFolderError
        No readable run there.
    """
    opened = Run.open(run)
    configuration = opened.configuration
    if integer(trajectory, "trajectory", 0) >= configuration["trajectories"]:
        raise InvalidInput(f"trajectory={trajectory} must lie in 0 … {configuration['trajectories'] - 1}")
    arrays = opened.arrays()
    system = OpenSystem.from_arrays(arrays)
    sampling, _ = _checked_sampling(system, configuration["duration"], observables, times)
    stop = float(sampling.times[-1]) if len(sampling.times) else 0.0
    task = BlockTask(trajectory, trajectory + 1, configuration["seed"], stop, sampling)
    sampled = run_block(CompiledSystem.from_arrays(arrays), task).sampled[0]
    return {name: sampled[:, k] for k, name in enumerate(observables)}


def _checked_request(
    system: OpenSystem,
    trajectories: int,
    duration: float,
    seed: int,
    initial: str | ArrayLike,
    propagator: str,
    tolerance: float,
) -> dict[str, Any]:
    """Refuse what cannot be right and return what the clicks depend on, as plain values."""
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
    return {
        "digest": system.digest,
        "trajectories": integer(trajectories, "trajectories", 1),
        "duration": positive_number(duration, "duration"),
        "seed": integer(seed, "seed", 0),
        "initial": start,
        "propagator": one_of(propagator, "propagator", ("auto", *PROPAGATORS)),
        "tolerance": float(tolerance),
    }


def _checked_sampling(
    system: OpenSystem, duration: float, observables: Mapping[str, Any] | None, sample_times: ArrayLike | None
) -> tuple[Sampling, dict[str, Any]]:
    """Return what to sample, and the same as plain values that identify it."""
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


def _checked_workers(workers: int | None) -> int:
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


def _require_same(run: Run, configuration: Mapping[str, Any]) -> None:
    stored = run.configuration
    for key, value in configuration.items():
        if stored.get(key) != value:
            there, here = (str(v)[:16] for v in (stored.get(key), value))
            raise RunFolderError(
                f"{run.folder} belongs to another run: {key} is {there} there, {here} here; choose another --out"
            )


def _begin(
    system: OpenSystem, initial: str | ArrayLike, request: dict[str, Any], out: str | os.PathLike[str] | None
) -> tuple[Run | None, dict[str, Any], CompiledSystem]:
    """Compile the system and, if asked for, make the run folder."""
    compiled, description = _prepare(system, initial, request["propagator"], request["tolerance"])
    size = _block_size(request["trajectories"], request["duration"], description["steady_state"])
    configuration = request | {"block_size": size}
    if out is None:
        return None, {"configuration": configuration, **description}, compiled
    run = Run.create(out, configuration, description, system.to_arrays() | compiled.to_arrays())
    return run, run.metadata, compiled


def _prepare(
    system: OpenSystem, initial: str | ArrayLike, propagator: str, tolerance: float
) -> tuple[CompiledSystem, dict[str, Any]]:
    """Compile the system and describe it."""
    start, exact = initial, None
    if isinstance(initial, str):
        steady = steady_state(system)
        start = steady.rho
        exact = {
            "rates": {name: float(steady.rate(name)) for name in system.channel_names},
            "residual": float(steady.residual),
            "top_level": {name: float(p) for name, p in steady.top_level.items()},
        }
        warning = steady.truncation_warning()
        if warning:
            warnings.warn(warning, TruncationWarning, stacklevel=4)  # of simulate's caller
    compiled = compile_system(system, start, propagator=propagator, tolerance=tolerance)
    space = system.space
    return compiled, {
        "channel_names": list(system.channel_names),
        "parameters": system.parameters,
        "space": None if space is None else {"levels": dict(space.levels), "max_quanta": space.max_quanta},
        "dimension": system.dimension,
        "compiled_propagator": compiled.propagator.name,
        "propagator_reason": compiled.reason,
        "steady_state": exact,
        "software": software(),
    }


def software() -> dict[str, str]:
    """Return what bit identity depends on: versions and the processor."""
    import llvmlite.binding
    import numba
    import scipy

    from . import __version__

    return {
        "bundle-trajectories": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "platform": platform.platform(),
        "cpu": llvmlite.binding.get_host_cpu_name(),
    }


def _block_size(trajectories: int, duration: float, steady: Mapping[str, Any] | None) -> int:
    size = -(-trajectories // MOST_BLOCKS)
    if steady is not None:
        clicks = sum(steady["rates"].values()) * duration
        if size * clicks > BLOCK_CLICKS:
            size = int(BLOCK_CLICKS / clicks)
    return max(1, size)


@contextmanager
def _executor(given: Executor | None, threads: int) -> Iterator[tuple[Executor, bool]]:
    """Yield the executor to use and whether it shares memory with this process."""
    if given is not None:
        yield given, isinstance(given, ThreadPoolExecutor)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="trajectories")
    try:
        yield pool, True
    finally:
        pool.shutdown(cancel_futures=True)


def _run_with_progress(
    compiled: CompiledSystem, tasks: list[BlockTask], executor: Executor | None, threads: int, shown: bool
) -> Generator[Block, None, None]:
    """Run the blocks and yield them as they finish, under a progress bar in simulated time and clicks."""
    if not tasks:
        return
    total = sum((task.last - task.first) * task.duration for task in tasks)
    with Progress(total, shown) as bar, _executor(executor, threads) as (pool, shares_memory):
        report = bar.add if shares_memory else None
        with closing(run_blocks(compiled, tasks, pool, report=report, poll=bar.refresh)) as blocks:
            for block in blocks:
                if report is None:
                    bar.add((block.last - block.first) * tasks[0].duration, len(block.time))
                yield block


def _columns(block: Block) -> dict[str, NDArray[Any]]:
    return {
        "trajectory": block.trajectory,
        "time": block.time,
        "channel": block.channel,
        "sampled": block.sampled,
        "worst_error": np.array(block.worst_error),
    }
