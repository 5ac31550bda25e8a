"""``trajectories info``: what a run folder or a configuration holds."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import ConvergenceError
from ..names import display, printable
from .arguments import CONFIG_HELP, Commands, levels


def register(commands: Commands) -> None:
    """Add ``trajectories info``."""
    info = commands.add_parser(
        "info",
        help="describe a run folder or a configuration",
        description="Describe a run folder (what was asked for, what is finished) or a configuration (size, "
        "resonances, exact click rates, truncation). Without either, print versions.",
    )
    info.set_defaults(command=_run)
    info.add_argument("target", metavar="RUN|CONFIG", nargs="?", help="a run folder; or " + CONFIG_HELP)
    info.add_argument("--levels", type=levels, metavar="A,B,M", help="Fock levels of photon, phonon, magnon")


def _run(options: argparse.Namespace) -> None:
    if options.target is None:
        _describe_software()
    elif Path(options.target).is_dir():
        _describe_run(Path(options.target))
    else:
        _describe_configuration(options)


def _describe_software() -> None:
    from ..simulation.preparation import software

    for name, version in software().items():
        print(f"{name:20} {version}")


def _describe_run(folder: Path) -> None:
    from ..records import Run

    run = Run.open(folder)
    run.refuse_strays()
    configuration = run.configuration
    done, blocks = len(run.finished()), run.n_blocks
    print(f"run           {folder}")
    print(f"state         {'complete' if run.complete else 'unfinished'}: {done} of {blocks} blocks")
    print(f"window        {configuration['trajectories']} trajectories × {configuration['duration']:g}/ω_b")
    print(f"seed          {configuration['seed']}")
    print(f"propagator    {run.metadata['compiled_propagator']} ({printable(run.metadata['propagator_reason'])})")
    print(f"tolerance     {configuration['tolerance']:g}")
    print(f"system        N={run.metadata['dimension']}, digest {configuration['digest'][:16]}")
    for name, value in run.metadata["parameters"].items():
        print(f"  {printable(name):22} {printable(str(value))}")
    if run.leading():
        if not run.complete:
            used = run.leading()[-1][1]
            print(f"clicks        of the first {used} trajectories, up to the first block that is missing")
        counts = sum(block.counts().sum(axis=0) for block in run.blocks())
        for name, count in zip(run.metadata["channel_names"], counts, strict=True):
            print(f"clicks        {display(name):12} {count}")


def _describe_configuration(options: argparse.Namespace) -> None:
    from ..lindblad import steady_state
    from .configuration import read_job

    job = read_job(options.target, options.levels)
    system = job.system
    print(f"system        N={system.dimension}, {system.H_eff.nnz} entries in H_eff, digest {system.digest[:16]}")
    for name, value in system.parameters.items():
        print(f"  {printable(name):22} {printable(str(value))}")
    if job.resonator is not None:
        _describe_resonances(job)
    steady = steady_state(system)
    total = 0.0
    for name in system.channel_names:
        total += steady.rate(name)
        print(f"exact rate    {display(name):12} {steady.rate(name):.6g}")
    for name, population in steady.top_level.items():
        print(f"top level     {display(name):12} {population:.2g}")
    if job.trajectories is not None and job.duration is not None:
        print(f"expected      {total * job.trajectories * job.duration:.0f} clicks")


def _describe_resonances(job: Any) -> None:
    """Print where the two pairs are resonant at the truncation of the job."""
    from ..model.spinning_resonator import PAIRS

    space = job.system.space
    levels = tuple(space.levels[mode] for mode in space.modes)
    for pair in PAIRS:
        try:
            found = job.resonator.avoided_crossing(pair, levels)
            print(f"resonance     {pair:14} at Δ_ad={found.detuning:.6f}, gap {found.gap:.3g}")
        except ConvergenceError as error:
            print(f"resonance     {pair:14} {error}")
