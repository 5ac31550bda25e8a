"""``trajectories simulate``: clicks into a run folder, and a report."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from ..stages import Stage
from .arguments import CONFIG_HELP, Commands, add_filters, integer, levels, number
from .run_report import report_run

if TYPE_CHECKING:
    from .compile_ahead import Ahead
    from .configuration import Job

DESCRIPTION = """Simulate the clicks of a configuration, write them to a run folder, and report.

The record starts from the steady state and depends only on the configuration and the seed, not on the number of
workers. Ctrl-C finishes the running blocks and keeps them; the same command then continues the run. The report
compares each click rate with the density matrix, counts the bundles of the chosen pair, and draws pictures into
RUN/pictures. With --dry-run nothing is written: clicks, time, disk and memory are estimated."""

UNTIL_HELP = """stop when reached, as in 'g2(photon,magnon) error < 1%%' (also rate, purity, order, bundles) or
'bundles(photon,magnon) >= 10000' (also clicks); checked from 64 trajectories on, up to --trajectories"""


# Examples of missing options for an error.
EXAMPLES = {"trajectories": "256", "duration": "1e5", "seed": "1"}


def register(commands: Commands) -> None:
    """Add ``trajectories simulate``."""
    simulate = commands.add_parser(
        "simulate",
        help="simulate clicks into a run folder, and report",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    simulate.set_defaults(command=_run)
    simulate.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    simulate.add_argument("--out", metavar="RUN", help="run folder to create or continue")
    simulate.add_argument(
        "--trajectories",
        type=integer,
        metavar="N",
        help="independent trajectories; more than the run has extend it",
    )
    simulate.add_argument("--duration", type=number, metavar="T", help="time of each trajectory, in 1/ω_b")
    simulate.add_argument("--seed", type=integer, metavar="S", help="seed of the random numbers")
    simulate.add_argument("--workers", type=integer, metavar="W", help="threads (default: all processors)")
    places = simulate.add_mutually_exclusive_group()
    places.add_argument(
        "--dask", metavar="ADDRESS", help="run on a Dask cluster: tcp://host:port or scheduler file"
    )
    places.add_argument(
        "--mpi", action="store_true", help="run on the ranks of mpiexec -n N trajectories simulate …"
    )
    simulate.add_argument(
        "--levels",
        type=levels,
        metavar="A,B,M",
        help="Fock levels; the resonance of a named regime is located anew",
    )
    add_filters(simulate)
    simulate.add_argument(
        "--propagator",
        metavar="NAME",
        help="auto (default), modes, reduced or sparse; with drives tree, reduced tree or steps",
    )
    simulate.add_argument(
        "--window", type=number, metavar="D", help="largest gap inside a bundle, in 1/ω_b (default: 3/κ)"
    )
    simulate.add_argument("--until", metavar="TARGET", help=UNTIL_HELP)
    simulate.add_argument("--time", type=number, metavar="S", help="start no block after this many seconds")
    simulate.add_argument("--repair", action="store_true", help="set damaged blocks aside and compute them again")
    simulate.add_argument("--dry-run", action="store_true", help="only estimate clicks, time, disk and memory")
    simulate.add_argument("--quiet", action="store_true", help="no progress bar, and no names of long work")


def _run(options: argparse.Namespace) -> None:
    from .compile_ahead import compiled_ahead

    here = not (options.mpi or options.dask or options.dry_run)
    silence = Stage("simulate", covers=True, shown=False) if options.quiet else nullcontext()
    with silence, ExitStack() as context:
        with Stage("starting", at_once=True):
            chosen = context.enter_context(_executor(options))
            if chosen is None:  # a rank whose work is finished
                return
            ahead = context.enter_context(compiled_ahead()) if here else None
            job = _job(options)
        if options.dry_run:
            _estimate(job, options)
        else:
            _simulate(job, options, *chosen, ahead)


@contextmanager
def _executor(options: argparse.Namespace) -> Iterator[tuple[Executor | None, int | None] | None]:
    """Yield the executor and the number of workers: threads, a Dask cluster, or MPI ranks."""
    from ..simulation.executors import dask_executor, mpi_executor

    if options.mpi:
        with mpi_executor() as ranks:
            yield ranks
    elif options.dask is not None and not options.dry_run:
        with dask_executor(options.dask) as cluster:
            yield cluster
    else:
        yield None, options.workers


def _job(options: argparse.Namespace) -> Job:
    """Return the job to simulate."""
    from .configuration import override, read_job

    if options.out is None and not options.dry_run:
        raise InvalidInput("--out is missing; give a run folder to create or continue, or --dry-run")
    _check(options)
    job = override(
        read_job(options.config, options.levels, options.filter),
        trajectories=options.trajectories,
        duration=options.duration,
        seed=options.seed,
        propagator=options.propagator,
        window=options.window,
    )
    needed = ("trajectories", "duration") if options.dry_run else ("trajectories", "duration", "seed")
    missing = [name for name in needed if getattr(job, name) is None]
    if missing:
        *others, last = missing
        said = f"{', '.join(others)} and {last}" if others else last
        example = " ".join(f"--{name} {EXAMPLES[name]}" for name in missing)
        raise InvalidInput(f"{options.config} does not set {said}; give them as in {example}")
    return job


def _check(options: argparse.Namespace) -> None:
    """Refuse invalid options before the configuration is read, which may take seconds."""
    from ..checks import integer, one_of, positive_number
    from ..engine.compiled import PROPAGATORS
    from .targets import checked_form

    for name, least in (("trajectories", 1), ("seed", 0), ("workers", 1)):
        if getattr(options, name) is not None:
            integer(getattr(options, name), name, least)
    for name in ("duration", "window", "time"):
        if getattr(options, name) is not None:
            positive_number(getattr(options, name), name)
    if options.workers is not None and (options.mpi or options.dask is not None) and not options.dry_run:
        raise InvalidInput("--workers is the number of threads; leave it out with --dask or --mpi")
    if options.propagator is not None:
        one_of(options.propagator, "propagator", ("auto", *PROPAGATORS))
    if options.until is not None:
        checked_form(options.until)
    place = None if options.out is None else Path(options.out)
    if place is not None and place.exists() and not place.is_dir():
        raise InvalidInput(
            f"{options.out} exists and is no run folder; choose another --out (nothing was changed)"
        )


def _estimate(job: Job, options: argparse.Namespace) -> None:
    """Print an estimate of the run; write nothing."""
    from ..records import Run
    from ..simulation.estimate import estimate_run

    expected = estimate_run(
        job.system,
        job.trajectories,  # type: ignore[arg-type]
        job.duration,  # type: ignore[arg-type]
        propagator=job.propagator,
        tolerance=job.tolerance,
        workers=options.workers,
    )
    print(expected.table())
    if options.out is not None and (Path(options.out) / "run.json").exists():
        run = Run.open(options.out)
        print(f"finished    {len(run.finished())} of {run.n_blocks} blocks of the run in {run.folder}")


def _simulate(
    job: Job,
    options: argparse.Namespace,
    executor: Executor | None,
    workers: int | None,
    ahead: Ahead | None,
) -> None:
    """Simulate into the run folder, with kernels that are compiled `ahead`, and print the report."""
    from ..engine.compiled import may_reduce
    from ..records import repair
    from ..simulation.request import checked_request
    from ..simulation.simulate import simulate_run
    from .targets import read_target

    request = checked_request(
        job.system,
        job.trajectories,  # type: ignore[arg-type]
        job.duration,  # type: ignore[arg-type]
        seed=job.seed,  # type: ignore[arg-type]
        propagator=job.propagator,
        tolerance=job.tolerance,
    )
    target = None if options.until is None else read_target(options.until, job.system, job.window)
    if options.repair:
        for place in repair(options.out):
            print(f"set aside {place}")
    if ahead is not None:
        ahead.prepare_for_long_work(may_reduce(job.system, job.propagator))
    run = simulate_run(
        request,
        options.out,
        workers=workers,
        executor=executor,
        progress=not options.quiet,
        until=target,
        seconds=options.time,
    )
    if not run.complete:
        done, blocks = len(run.finished()), run.n_blocks
        print(f"time is up: {done} of {blocks} blocks are kept; run the same command again to continue")
    if run.leading():
        if target is not None:
            print(target.report(run))
        report_run(job, run, run.folder)
