"""``trajectories simulate``: clicks into a run folder, and a report."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InvalidInput
from .arguments import CONFIG_HELP, Commands, integer, levels, number
from .run_report import report_run

DESCRIPTION = """Simulate the clicks of a configuration, write them to a run folder, and report.

The record starts from the steady state and depends on the configuration and the seed only, not on the number of
workers. Ctrl-C finishes the blocks in flight and keeps them; the same command then continues the run. The report
compares each click rate with the density matrix, counts the bundles of the chosen pair, and draws pictures into
RUN/pictures."""


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
    simulate.add_argument("--out", metavar="RUN", required=True, help="run folder to make or to continue")
    simulate.add_argument("--trajectories", type=integer, metavar="N", help="independent trajectories")
    simulate.add_argument("--duration", type=number, metavar="T", help="time of each trajectory, in 1/ω_b")
    simulate.add_argument("--seed", type=integer, metavar="S", help="key of the random numbers")
    simulate.add_argument("--workers", type=integer, metavar="W", help="threads (default: all cores)")
    simulate.add_argument("--levels", type=levels, metavar="A,B,M", help="Fock levels; relocates a named regime")
    simulate.add_argument("--propagator", metavar="NAME", help="auto (default), modes or sparse")
    simulate.add_argument("--window", type=number, metavar="D", help="gap that separates bundles, in 1/ω_b (3/κ)")
    simulate.add_argument("--quiet", action="store_true", help="no progress bar")


def _run(options: argparse.Namespace) -> None:
    from ..configuration import override, read_job
    from ..simulation import simulate

    job = override(
        read_job(options.config, options.levels),
        trajectories=options.trajectories,
        duration=options.duration,
        seed=options.seed,
        propagator=options.propagator,
        window=options.window,
    )
    for name in ("trajectories", "duration", "seed"):
        if getattr(job, name) is None:
            raise InvalidInput(f"{options.config} does not say {name}; give --{name}")
    record = simulate(
        job.system,
        job.trajectories,  # type: ignore[arg-type]
        job.duration,  # type: ignore[arg-type]
        seed=job.seed,  # type: ignore[arg-type]
        propagator=job.propagator,
        tolerance=job.tolerance,
        workers=options.workers,
        out=options.out,
        progress=not options.quiet,
    )
    report_run(job, record, Path(options.out))
