"""simulate(): prepare the system, distribute blocks to workers, and store them in a run folder."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import closing
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import shown
from ..engine.compiled import ASKED_FOR, CompiledSystem
from ..engine.modes.eigenmodes import LARGEST_DIMENSION
from ..engine.propagator import LARGEST_TOLERANCE
from ..engine.system_file import StoredSystem
from ..errors import AccuracyWarning, InvalidInput, RunFolderError
from ..model.system import OpenSystem
from ..records.assembly import assemble
from ..records.averages import EnsembleAverages
from ..records.clicks import ClickRecord
from ..records.files import path_of, remove_leftovers
from ..records.layout import Layout
from ..records.lock import RunLock
from ..records.run import Run
from ..records.run_metadata import unit_of
from ..stages import call
from ..time_units import TimeUnit
from .preparation import block_size, prepare, software, warn_caller
from .request import Request, checked_request, checked_workers
from .workers import Workers, checked_executor, deadline_in

__all__ = ["simulate", "simulate_run"]

# Number of trajectories after which `until` is first called.
FIRST_STAGE = 64
# Before the next call a run grows by the factor that `until` returned, times a margin, within these bounds.
MARGIN, LEAST_GROWTH, MOST_GROWTH = 1.05, 1.1, 2.0

# Type of `until`: whether a run suffices, or the factor by which it must grow.
Enough = Callable[[Run], bool | float]


def simulate(
    system: OpenSystem,
    trajectories: int,
    duration: float,
    *,
    seed: int,
    initial: Any = "steady",
    stratified: bool = True,
    propagator: str = "auto",
    tolerance: float = 1e-10,
    workers: int | None = None,
    executor: Executor | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: bool = True,
    observables: Mapping[str, Any] | None = None,
    sample_times: ArrayLike | None = None,
    final_states: bool = False,
    until: Enough | None = None,
) -> ClickRecord:
    """Simulate click records by the Monte Carlo wave-function method.

    Between clicks |ψ(t)⟩ = exp(−iH_eff t)|ψ⟩, whose norm² is the probability S(t) of no click so far; the next
    click comes when S falls to a uniform random number, in channel k with probability ‖c_kψ‖²/Σ_j‖c_jψ‖², and
    leaves c_k|ψ⟩/‖c_kψ‖ (Dalibard, Castin and Mølmer, Phys. Rev. Lett. 68, 580 (1992)).

    Parameters
    ----------
    system : OpenSystem
        The system; every jump of every channel is recorded.
    trajectories : int
        Number of independent trajectories.
    duration : float
        Observed time of each trajectory, in 1/ω_b.
    seed : int
        Seed of the random numbers, not negative. Trajectory r depends only on (seed, r) and the system.
    initial : {"steady"}, array_like, sparse array, qutip.Qobj, list of pairs (state, weight), or TrajectoryStates
        ``"steady"`` draws eigenvectors of the steady state, so that the record is stationary from t = 0; above
        3,000 dimensions those of `lindblad.steady_ensemble`, which lie on essential basis states. For a system
        with a period it draws from the periodic state; if ρ would take minutes, each trajectory runs for some
        periods before t = 0, and ``.provenance["periodic_state"]`` says how many, and how much of the start may
        remain. Or a ket of shape (N,) or (N, 1) and any norm; a density matrix of shape (N, N) and trace 1; a
        mixture of such states, with weights that sum to 1; or the `final_states` of a record, whose trajectories
        then continue (for a system that depends on time, after whole periods).
    stratified : bool
        Whether the states of a given mixture (for a density matrix its eigenvectors) are assigned to trajectories
        in proportion to their weights, and ``.expectations`` averaged accordingly: ρ(0) is then exact as soon as
        each state has a trajectory, without sampling error. If not, each trajectory draws its state independently.
        From the steady state the draws are always independent.
    propagator : {"auto", "modes", "reduced", "sparse", "tree", "reduced tree", "steps"}
        How states are propagated between clicks. ``"modes"``: in the eigenbasis of H_eff; ``"reduced"``: the same
        in a basis of few vectors; ``"sparse"``: by Chebyshev expansion of the exponential. For systems that depend
        on time ``"tree"``: by propagators of blocks of time; ``"reduced tree"``: the same in a basis of few
        vectors; ``"steps"``: in Taylor steps. ``"auto"`` takes the one predicted to be fastest within the
        tolerance; the provenance says which and why.
    tolerance : float
        Bound of |ΔS|/S, the relative error of the no-click probability, from 1e-13 to 1e-2.
    workers : int, optional
        Number of threads; by default all processors.
    executor : concurrent.futures.Executor, optional
        Runs the blocks instead of threads: a ProcessPoolExecutor, the ``get_executor()`` of a dask.distributed
        client, or an MPIPoolExecutor; it is not shut down. Its workers read the compiled system from the run
        folder, or without `out` from a temporary folder.
    out : path, optional
        Run folder. An unfinished run of the same configuration in it is continued, a finished one is loaded, and
        one with fewer trajectories is extended.
    progress : bool
        Whether to show a progress bar, and before it the name of work that takes long.
    observables : mapping of str to array or qutip.Qobj, optional
        Operators of shape (N, N), or kets of shape (N,) or (N, 1) and any norm, which stand for |ket⟩⟨ket|; their
        expectation values are averaged over the trajectories at `sample_times`.
    sample_times : array_like of float, optional
        Ascending times in [0, duration], in 1/ω_b. Sampling does not change the clicks.
    final_states : bool
        Whether to keep the state of each trajectory at its end, 16 N bytes each.
    until : callable, optional
        Called with the `Run` when 64 trajectories are finished, and again whenever it has grown. Returns True if
        they suffice, False to double them, or the factor by which they must grow. Needs `out`; no more than
        `trajectories` are simulated.

    Returns
    -------
    ClickRecord
        All clicks; with ensemble averages in ``.expectations`` and states in ``.final_states``, if requested.

    Raises
    ------
    InvalidInput
        An invalid argument; nothing was computed or written.
    RunFolderError
        `out` holds something else, another configuration or a damaged file, or another process works on it.
    WorkerLost
        Workers of the executor died; finished blocks are kept.
    KeyboardInterrupt
        After Ctrl-C; blocks that had been started are finished and kept.

    Examples
    --------
    >>> import trajectories as tj
    >>> atom = tj.HilbertSpace(atom=2)
    >>> sigma = atom.lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)], atom)
    >>> record = tj.simulate(system, trajectories=20, duration=50.0, seed=1, progress=False)
    >>> record.n_trajectories, record.total_time
    (20, 1000.0)

    A quench: prepare with the drive on, then continue the same trajectories without it.

    >>> dark = tj.OpenSystem(0 * sigma, [tj.Channel("atom", sigma)], atom)
    >>> driven = tj.simulate(system, 20, 50.0, seed=1, progress=False, final_states=True)
    >>> after = tj.simulate(dark, 20, 50.0, seed=1, initial=driven.final_states, progress=False)
    >>> int(after.counts().max())
    1
    """
    request = checked_request(
        system,
        trajectories,
        duration,
        seed=seed,
        initial=initial,
        stratified=stratified,
        propagator=propagator,
        tolerance=tolerance,
        observables=observables,
        sample_times=sample_times,
        final_states=final_states,
    )
    if out is not None:
        run = simulate_run(request, out, workers=workers, executor=executor, progress=progress, until=until)
        return run.record()
    if until is not None:
        raise InvalidInput("until needs a run folder; give out=")
    team = Workers(checked_executor(executor), checked_workers(workers), progress)
    with call("simulation", progress):
        return _simulate_in_memory(request, team)


def simulate_run(
    request: Request,
    out: str | os.PathLike[str],
    *,
    workers: int | None = None,
    executor: Executor | None = None,
    progress: bool = True,
    until: Enough | None = None,
    seconds: float | None = None,
) -> Run:
    """Simulate into a run folder, and return the run, whose clicks may exceed the memory.

    With `until` a run grows in stages, and each stage is complete before `until` is called. Neither `until` nor
    `seconds` selects trajectories by their clicks: blocks are started in order, and started blocks are finished.
    So the number n of trajectories is a stopping time, and E Σ_{r≤n} (x_r − E x) = 0 for every sum over
    trajectories (Wald's identity). A ratio of two such sums remains biased. Because stages grow by the missing
    number of trajectories, n depends on the clicks only weakly, and that bias stays below 0.05 standard errors for
    a number of clicks; with stages that double it would be 0.24.

    Parameters
    ----------
    request : Request
        What to simulate; made by `checked_request`.
    out, executor, progress, until
        As for `simulate`.
    workers : int, optional
        Number of threads, or of blocks that the executor processes at once; by default all processors.
    seconds : float, optional
        Wall time after which no further block is started; started blocks, two for each worker, are finished.

    Returns
    -------
    Run
        The run; complete unless the time was over.

    Raises
    ------
    InvalidInput, RunFolderError, WorkerLost, KeyboardInterrupt
        As for `simulate`.
    """
    team = Workers(checked_executor(executor), checked_workers(workers), progress, deadline_in(seconds))
    if until is not None and not callable(until):
        raise InvalidInput(f"until={shown(until)} must be a function of the run")
    run = Run.find(out)
    if run is not None and _suffices(run, request, until):
        return _checked_accuracy(run, request)
    with call("simulation", progress), RunLock(path_of(out)):
        remove_leftovers(path_of(out))
        run = Run.find(out)  # read again: another process may have changed it
        run = _begin(request, out, until) if run is None else _resumed(run, request)
        run = _grown(run, request, team, until)
    return _checked_accuracy(run, request)


def _grown(run: Run, request: Request, team: Workers, until: Enough | None) -> Run:
    """Finish the run, and extend it in stages until it suffices, has all trajectories, or time is over."""
    goal = request.trajectories
    compiled = CompiledSystem.from_arrays(run.arrays())
    stored = StoredSystem(str(run.folder.resolve() / "system.npz"), run.metadata["system_sha256"])
    while True:
        with closing(team.work(compiled, stored, run.missing(), request)) as finished:
            for block in finished:
                run.write_block((block.first, block.last), block.columns())
        if not run.complete:
            if team.expired:
                return run
            raise RunFolderError(
                f"blocks of {run.folder} were removed while it was computed; run the same command again"
            )
        growth = _growth(run, request, until)
        if growth <= 1.0:
            return run
        more = min(goal, math.ceil(growth * run.trajectories))
        size = block_size(more - run.trajectories, request.duration, run.metadata)
        run = run.extend(more, size)


def _begin(request: Request, out: str | os.PathLike[str], until: Enough | None) -> Run:
    """Compile the system and make the run folder."""
    trajectories = request.trajectories
    if until is not None:
        trajectories = min(trajectories, FIRST_STAGE)
    compiled, description = prepare(request)
    size = block_size(trajectories, request.duration, description)
    arrays = request.system.to_arrays() | compiled.to_arrays()
    return Run.create(out, request.configuration | {"trajectories": trajectories}, description, arrays, size)


def _resumed(run: Run, request: Request) -> Run:
    """Return the run after verifying every block, so that no work is spent on a damaged run.

    If the request has fewer trajectories than the run, but no fewer than finished ones, the run is shortened.
    """
    _require_same(run, request)
    for error in run.damaged().values():
        raise error
    there, here = run.metadata["software"], software()
    other = [name for name in there if name != "platform" and there[name] != here.get(name)]
    if other:
        was, now = (", ".join(f"{name} {of.get(name)}" for name in other) for of in (there, here))
        warn_caller(
            f"{run.folder} was started with {was} and continues with {now}: equally valid, but not the same bits "
            "as on one machine",
            UserWarning,
        )
    return run.cut_back(request.trajectories)


def _suffices(run: Run, request: Request, until: Enough | None) -> bool:
    """Whether there is nothing to do: the run is of this request, complete, and suffices."""
    _require_same(run, request)
    return run.complete and _growth(run, request, until) <= 1.0


def _growth(run: Run, request: Request, until: Enough | None) -> float:
    """Return the factor by which a complete run must grow; 1 if it suffices or has all its trajectories."""
    missing = request.trajectories / run.trajectories
    if until is None or missing <= 1.0:
        return missing
    answer = until(run)
    wanted = (1.0 if answer else MOST_GROWTH) if isinstance(answer, bool | np.bool_) else float(answer)
    return 1.0 if wanted <= 1.0 else min(max(MARGIN * wanted, LEAST_GROWTH), MOST_GROWTH)


def _simulate_in_memory(request: Request, team: Workers) -> ClickRecord:
    compiled, description = prepare(request)
    count = request.trajectories
    size = block_size(count, request.duration, description)
    bounds = list(Layout(()).extended(count, size))
    kept: dict[tuple[int, int], dict[str, NDArray[Any]]] = {}
    metadata = {"configuration": request.configuration, **description}
    averages = EnsembleAverages(metadata, np.arange(count))
    with closing(team.work(compiled, None, bounds, request)) as finished:
        for block in finished:
            columns = block.columns()
            averages.add(block.first, columns.pop("sampled"))
            kept[block.first, block.last] = columns
    record = assemble(metadata, bounds, [kept[b] for b in bounds], averages)
    _warn_of_breach(record.provenance["worst_error"], request.tolerance, description)
    return record


def _checked_accuracy(run: Run, request: Request) -> Run:
    """Return the run, after a warning if its accuracy may be insufficient."""
    _warn_of_breach(run.worst_error(), request.tolerance, run.metadata)
    return run


def _warn_of_breach(worst: float, tolerance: float, described: Mapping[str, Any]) -> None:
    """Warn if the bound of |ΔS|/S, from truncation and rounding together, exceeds the tolerance."""
    if worst <= tolerance:
        return
    sparse = described["compiled_propagator"] == "sparse"
    # Rounding does not depend on the tolerance; the suggested one allows for truncation and rounding.
    looser = 10.0 ** math.ceil(math.log10(4.0 * worst))
    if looser > LARGEST_TOLERANCE:
        remedy = "frequencies and rates differ too much for double precision; bring them closer"
    else:
        remedy = f"give tolerance={looser:.0e}"
        possible = described["dimension"] <= LARGEST_DIMENSION and described["propagator_reason"] == ASKED_FOR
        if sparse and possible:
            remedy += ", or propagator='auto'"
    method = "the sparse action" if sparse else "double precision"
    kept = f"{method} can guarantee {worst:.2g} for the longest wait"
    message = f"|ΔS|/S may have exceeded tolerance={tolerance:g}: {kept}; {remedy}"
    warn_caller(message, AccuracyWarning)


def _difference(run: Run, request: Request) -> str:
    """Return how the parameters of two systems differ; an empty string if they are equal or unknown."""
    there, here = run.metadata["parameters"], request.system.parameters
    differing = [name for name in dict.fromkeys([*there, *here]) if there.get(name) != here.get(name)]
    parts = [
        f"{name} is {shown(there[name]) if name in there else 'not given'} in the run and "
        f"{shown(here[name]) if name in here else 'not given'} in the request"
        for name in differing[:3]
    ]
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return ", ".join(parts) + more


def _unit_text(unit: TimeUnit) -> str:
    return unit.name if unit.seconds in (None, 1.0) else f"{unit.name} of {unit.seconds:g} s"


def _require_same(run: Run, request: Request) -> None:
    """Refuse to continue a run of another configuration, or one that has finished more trajectories."""
    stored, asked_for = run.configuration, request.configuration
    for key in dict.fromkeys([*asked_for, *stored]):
        if key != "trajectories" and stored.get(key) != asked_for.get(key):
            difference = _difference(run, request) if key == "digest" else ""
            if not difference:
                there, here = (str(of.get(key, "not set"))[:16] for of in (stored, asked_for))
                difference = f"{key} is {there} in the run and {here} in the request"
            raise RunFolderError(f"{run.folder} belongs to another run: {difference}; choose another --out")
    kept, mine = unit_of(run.metadata), request.system.time_unit
    if kept != mine:
        raise RunFolderError(
            f"{run.folder} belongs to another run: its times are in {_unit_text(kept)}, and the system's in "
            f"{_unit_text(mine)}; choose another --out"
        )
    asked = request.trajectories
    if run.computed > asked:
        raise RunFolderError(
            f"{run.folder} has {run.computed} finished trajectories, more than trajectories={asked}; "
            f"give {run.computed} or more, or choose another --out"
        )
