"""``trajectories info``: describe a run folder, a file of clicks or a configuration."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import ConvergenceError, InvalidInput
from ..names import counted, display, printable
from .arguments import CONFIG_HELP, Commands, levels
from .measured import add_measured_options, given_measured, name_and_time, two_names_and_time
from .remedies import for_commands
from .source import opened

# Options that estimate something from a file of clicks.
OF_FILES = ("find-delay", "detector")


def register(commands: Commands) -> None:
    """Add ``trajectories info``."""
    info = commands.add_parser(
        "info",
        help="describe a run folder, a file of clicks or a configuration",
        description="Describe a run folder (request and finished blocks), a file of clicks (channels, rates, "
        "ticks, notes) or a configuration (size, resonances, exact click rates, truncation). Without an argument, "
        "print versions.",
    )
    info.set_defaults(command=_run)
    info.add_argument(
        "target", metavar="RUN|FILE|CONFIG", nargs="?", help="a run folder; a file of clicks; or " + CONFIG_HELP
    )
    add_measured_options(info)
    info.add_argument(
        "--find-delay", type=two_names_and_time, metavar="A,B,T", help="estimate the delay of B after A, up to T"
    )
    info.add_argument(
        "--detector", type=name_and_time, metavar="C,T", help="estimate dead time of C, and afterpulses within T"
    )
    info.add_argument("--levels", type=levels, metavar="A,B,M", help="Fock levels of photon, phonon, magnon")


def _run(options: argparse.Namespace) -> None:
    of_files = [*given_measured(options), *(f"--{name}" for name in OF_FILES if _given(options, name))]
    of_models = ["--levels"] if options.levels is not None else []
    if options.target is None:
        _refuse([*of_files, *of_models], "there is no RUN, FILE or CONFIG")
        _describe_software()
    elif Path(options.target).is_dir():
        _refuse([*of_files, *of_models], f"{options.target} is a run folder")
        _describe_run(Path(options.target))
    elif ":" not in options.target and Path(options.target).suffix not in (".toml", ".py"):
        _refuse(of_models, f"{options.target} is a file of clicks")
        _describe_file(options)
    else:
        _refuse(of_files, f"{options.target} is a configuration")
        _describe_configuration(options)


def _given(options: argparse.Namespace, name: str) -> bool:
    return getattr(options, name.replace("-", "_")) is not None


def _refuse(given: list[str], why: str) -> None:
    """Refuse options that would have no effect."""
    if given:
        raise InvalidInput(f"{given[0]} has no effect here, because {why}; leave it out")


def _describe_software() -> None:
    from ..simulation.preparation import software

    for name, version in software().items():
        print(f"{name:20} {version}")


def _describe_run(folder: Path) -> None:
    from ..records import Run
    from ..records.run_metadata import unit_of

    run = Run.open(folder)
    run.refuse_foreign_files()
    configuration = run.configuration
    done, blocks = len(run.finished()), run.n_blocks
    print(f"run           {folder}")
    print(f"state         {'complete' if run.complete else 'unfinished'}: {done} of {blocks} blocks")
    duration = unit_of(run.metadata).of(f"{configuration['duration']:g}")
    print(f"observed      {configuration['trajectories']} trajectories × {duration}")
    print(f"seed          {configuration['seed']}")
    print(f"propagator    {run.metadata['compiled_propagator']} ({printable(run.metadata['propagator_reason'])})")
    print(f"tolerance     {configuration['tolerance']:g}")
    print(f"system        N={run.metadata['dimension']}, digest {configuration['digest'][:16]}")
    for name, value in run.metadata["parameters"].items():
        print(f"  {printable(name):22} {printable(str(value))}")
    if run.leading():
        if not run.complete:
            used = run.leading()[-1][1]
            print(f"clicks        of the first {used} trajectories, before the first missing block")
        counts = sum(block.counts().sum(axis=0) for block in run.blocks())
        for name, count in zip(run.metadata["channel_names"], counts, strict=True):
            print(f"clicks        {display(name):12} {count}")


def _describe_file(options: argparse.Namespace) -> None:
    """Print the content of a file of clicks, and notes about it."""
    from trajectories.analysis import detector_memory, find_delay, rates, stationarity, stream

    record = stream(opened(options.target, options, pieces=True))
    print(f"file          {printable(options.target)}")
    size = counted(record.n_trajectories, "trajectory", "trajectories")
    print(f"observed      {size}, {record.unit.of(f'{record.total_time:.9g}')} in all")
    clock = record.clock
    print(f"times         {'not in ticks' if clock is None else record.unit.of(f'ticks of {clock.tick:.12g}')}")
    if clock is not None and clock.fine is not None:
        print(f"              synced; steps of {record.unit.of(f'{clock.fine:.9g}')} within the period")
    for name, estimate in rates(record).items():
        steady = stationarity(record, name).p_value if estimate.n else float("nan")
        said = f"; stationary with p = {steady:.2g}" if steady == steady else ""
        print(f"clicks        {display(name):12} {estimate.n}, {estimate} {record.unit.rate}{said}")
    if options.find_delay is not None:
        first, second, reach = options.find_delay
        delay = find_delay(record, first, second, reach)
        print(
            f"delay         {display(second)} after {display(first)}: {delay} {record.unit.name} ({delay.method})"
        )
    if options.detector is not None:
        name, reach = options.detector
        memory = detector_memory(record, name, reach)
        print(f"dead time     {display(name):12} {memory.dead_time:.6g} {record.unit.name}, the shortest wait")
        print(f"afterpulses   {display(name):12} {memory.afterpulsing} a click")
    for name, value in (record.provenance.get("header") or {}).items():
        print(f"  {printable(name):28} {printable(str(value))}")
    for step in record.provenance.get("corrections", []):
        print(f"corrected     {printable(str(step))}")
    for said in record.provenance.get("notes", []):
        print(f"note          {for_commands(printable(str(said)))}")


def _describe_configuration(options: argparse.Namespace) -> None:
    from ..lindblad import brightness, steady_state
    from ..lindblad.pulses.periodic import affordable_periodic_state
    from .configuration import read_job

    job = read_job(options.target, options.levels)
    system = job.system
    entries = (system.at(0.0) if system.depends_on_time else system).H_eff.nnz
    print(f"system        N={system.dimension}, {entries} entries in H_eff, digest {system.digest[:16]}")
    for name, value in system.parameters.items():
        print(f"  {printable(name):22} {printable(str(value))}")
    if job.resonator is not None and not system.depends_on_time:
        _describe_resonances(job)
    total = 0.0
    if system.depends_on_time:
        print(f"pulses        every {system.period:.6g}")
        try:
            state = affordable_periodic_state(system)
        except ConvergenceError as error:
            print(f"per pulse     {for_commands(str(error))}")
            return
        for name in system.channel_names:
            mean = brightness(state, name).value
            total += mean / state.period
            print(f"per pulse     {display(name):12} {mean:.6g}")
    else:
        steady = steady_state(system)
        for name in system.channel_names:
            total += steady.rate(name)
            print(f"exact rate    {display(name):12} {steady.rate(name):.6g}")
        for name, population in steady.top_level.items():
            print(f"top level     {display(name):12} {population:.2g}")
    if job.trajectories is not None and job.duration is not None:
        print(f"expected      {total * job.trajectories * job.duration:.0f} clicks")


def _describe_resonances(job: Any) -> None:
    """Print the resonances of the two pairs at the truncation of the job."""
    from ..model.spinning_resonator import PAIRS

    space = job.system.space  # perhaps with the modes of filters too
    levels = tuple(space.levels[mode] for mode in job.resonator.space((2, 2, 2)).modes)
    for pair in PAIRS:
        try:
            found = job.resonator.avoided_crossing(pair, levels)
            print(f"resonance     {pair:14} at Δ_ad={found.detuning:.6f}, gap {found.gap:.3g}")
        except ConvergenceError as error:
            print(f"resonance     {pair:14} {error}")
