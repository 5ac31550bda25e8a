"""The command line: ``trajectories simulate CONFIG --out RUN`` and its companions."""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import ConvergenceError, InvalidInput, TrajectoriesError

DESCRIPTION = """Monte Carlo wave-function click records of open quantum systems.

Times are in 1/ω_b and rates in ω_b, unless your own system uses another unit."""

CONFIG_HELP = """a TOML file (see examples/), or file.py:name where name is an OpenSystem, a SpinningResonator,
or a function without arguments that returns one; a Python file is executed"""

# Largest dimension at which the report of a run computes exact bundle rates: a few seconds.
LARGEST_EXACT_REPORT = 250

SIMULATE_DESCRIPTION = """Simulate the clicks of a configuration, write them to a run folder, and report.

The record starts from the steady state and depends on the configuration and the seed only, not on the number of
workers. Ctrl-C finishes the blocks in flight and keeps them; the same command then continues the run. The report
compares each click rate with the density matrix, counts the bundles of the chosen pair, and draws pictures into
RUN/pictures."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 success, 2 bad input or an unusable run folder, 130 interrupted.
    """
    # Before NumPy is loaded: the threads are ours, and BLAS threads beside them only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        try:
            return _run(_parser().parse_args(arguments))
        finally:
            print(end="", flush=True)  # so that a reader who left is noticed here
    except BrokenPipeError:  # e.g. `| head`; Python would complain when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _run(options: argparse.Namespace) -> int:
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            options.command(options)
            return 0
        except TrajectoriesError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"interrupted{_how_far(options)}", file=sys.stderr)
            return 130


def _parser() -> argparse.ArgumentParser:
    from . import __version__

    parser = argparse.ArgumentParser(
        prog="trajectories", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"bundle-trajectories {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    simulate = commands.add_parser(
        "simulate",
        help="simulate clicks into a run folder, and report",
        description=SIMULATE_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    simulate.set_defaults(command=_simulate)
    simulate.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    simulate.add_argument("--out", metavar="RUN", required=True, help="run folder to make or to continue")
    simulate.add_argument("--trajectories", type=_integer, metavar="N", help="independent trajectories")
    simulate.add_argument("--duration", type=_number, metavar="T", help="time of each trajectory, in 1/ω_b")
    simulate.add_argument("--seed", type=_integer, metavar="S", help="key of the random numbers")
    simulate.add_argument("--workers", type=_integer, metavar="W", help="threads (default: all cores)")
    simulate.add_argument("--levels", type=_levels, metavar="A,B,M", help="Fock levels; relocates a named regime")
    simulate.add_argument("--propagator", metavar="NAME", help="auto (default), modes or sparse")
    simulate.add_argument("--window", type=_number, metavar="D", help="gap that separates bundles, in 1/ω_b (3/κ)")
    simulate.add_argument("--quiet", action="store_true", help="no progress bar")

    exact = commands.add_parser(
        "exact",
        help="print the exact numbers of a configuration's steady state",
        description="Solve the master equation for the steady state and print populations, click rates, the "
        "paper's zero-delay correlations g1 and g2 for every pair of modes, bundle rates, purity and order, "
        "entanglement, and the population at the edge of the truncation.",
    )
    exact.set_defaults(command=_exact)
    exact.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    exact.add_argument("--levels", type=_levels, metavar="A,B,M", help="Fock levels of photon, phonon, magnon")
    exact.add_argument("--window", type=_number, metavar="D", help="gap that separates bundles, in 1/ω_b (3/κ)")
    exact.add_argument("--json", metavar="FILE", help="write the numbers as JSON too; - prints JSON alone")

    converge = commands.add_parser(
        "converge",
        help="measure how the exact numbers move with the truncation",
        description="Raise the Fock levels mode by mode, from --levels on, until no click rate and no zero-delay "
        "correlation of the pair moves by more than the tolerance; print every truncation tried. The detuning "
        "stays where the configuration puts it, unless --follow relocates the resonance at each truncation.",
    )
    converge.set_defaults(command=_converge)
    converge.add_argument("config", metavar="CONFIG", help="a TOML file (see examples/)")
    converge.add_argument(
        "--levels", type=_levels, metavar="A,B,M", default=(3, 3, 3), help="first truncation (3,3,3)"
    )
    converge.add_argument(
        "--tolerance", type=_number, metavar="X", default=1e-3, help="largest relative move (0.001)"
    )
    converge.add_argument(
        "--max-dimension", type=_integer, metavar="N", default=600, help="largest dimension (600)"
    )
    converge.add_argument("--follow", action="store_true", help="relocate the pair's resonance at each truncation")

    info = commands.add_parser(
        "info",
        help="describe a run folder or a configuration",
        description="Describe a run folder (what was asked for, what is finished) or a configuration (size, "
        "resonances, exact click rates, truncation). Without either, print versions.",
    )
    info.set_defaults(command=_info)
    info.add_argument("target", metavar="RUN|CONFIG", nargs="?", help="a run folder; or " + CONFIG_HELP)
    info.add_argument("--levels", type=_levels, metavar="A,B,M", help="Fock levels of photon, phonon, magnon")
    return parser


def _simulate(options: argparse.Namespace) -> None:
    from .configuration import override, read_job
    from .simulation import simulate

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
    _report(job, record, Path(options.out))


def _report(job: Any, record: Any, folder: Path) -> None:
    """Print the table and draw the pictures of a finished run."""
    from analysis import report

    exact, lags = _exact_bundles(job)
    print(report.summary(record, pair=job.pair, window=job.window, exact=exact))
    print(f"record    {folder}")
    drawn = report.pictures(record, folder / "pictures", pair=job.pair, window=job.window, exact_lags=lags)
    for path in drawn:
        print(f"picture   {path}")
    picture = _draw_populations(job, record, folder)
    if picture is not None:
        print(f"picture   {picture}")


def _exact_bundles(job: Any) -> tuple[dict[str, float], Any]:
    """Return purity and order, and the lag histogram, of the pair's bundles; nothing where that takes minutes."""
    from analysis.report import lag_edges

    from .lindblad import steady_state
    from .lindblad.inputs import bundle_window
    from .lindblad.pairs import bundles_and_lags

    if job.pair is None or job.system.dimension > LARGEST_EXACT_REPORT:
        return {}, None
    edges = lag_edges(bundle_window(job.system, job.window))
    steady = steady_state(job.system)
    first, second = job.pair
    try:
        bundles, lags = bundles_and_lags(steady, first, second, edges, job.window)
    except TrajectoriesError as error:  # a pair that is never emitted, or a window too long to follow
        warnings.warn(f"no exact bundles beside the estimates: {error}", stacklevel=2)
        return {}, None
    return {"purity": bundles.purity.value, "order": bundles.order_fraction.value}, lags


def _draw_populations(job: Any, record: Any, folder: Path) -> Path | None:
    """Draw the dressed-state populations of a trajectory round one of its bundles (the paper's Fig. 2(d)–(g))."""
    from analysis import report

    from .simulation import follow

    if job.resonator is None or job.pair is None:
        return None
    bundle = report.typical_bundle(record, pair=job.pair, window=job.window)
    if bundle is None:
        return None
    space = job.system.space
    pair_state = {name: int(name in job.pair) for name in space.modes}
    states = {
        "000+": (0, 0, 0, "+"),
        "".join(map(str, pair_state.values())) + "−": (*pair_state.values(), "-"),
    }
    for name in job.pair:
        single = tuple(int(mode == name) for mode in space.modes)
        states["".join(map(str, single)) + "−"] = (*single, "-")
    kets = {f"|{label}⟩": job.resonator.dressed_ket(space, *state) for label, state in states.items()}
    trajectory = int(record.provenance["run_trajectories"][bundle.row])
    populations = follow(folder, trajectory, kets, bundle.times)
    return report.population_picture(bundle, populations, folder / "pictures" / "populations.png")


def _how_far(options: argparse.Namespace) -> str:
    """Say what an interrupted command leaves, and how to go on."""
    from .records import Run

    try:
        run = Run.open(options.out)
    except (AttributeError, TrajectoriesError):  # not a simulation, or not begun
        return "; run the same command again"
    return (
        f": {len(run.finished())} of {len(run.block_bounds())} blocks are kept in {run.folder}; "
        "run the same command again to continue"
    )


def _exact(options: argparse.Namespace) -> None:
    import json

    from .configuration import override, read_job
    from .lindblad import steady_state
    from .lindblad.summary import format_summary, summary

    if options.json not in (None, "-") and Path(options.json).exists():
        raise InvalidInput(f"{options.json} exists; give a new file for --json")
    job = override(read_job(options.config, options.levels), window=options.window)
    table = summary(steady_state(job.system), pair=job.pair, window=job.window)
    document = json.dumps({"parameters": job.system.parameters, **table}, indent=2, ensure_ascii=False)
    if options.json == "-":
        print(document)
        return
    print(f"N={job.system.dimension}, {job.system.parameters.get('model', options.config)}\n")
    print(format_summary(table))
    if options.json is not None:
        try:
            with open(options.json, "x", encoding="utf-8") as stream:
                stream.write(document + "\n")
        except OSError as error:
            raise InvalidInput(f"cannot write {options.json}: {error.strerror}; give a new file") from error
        print(f"JSON      {options.json}")


def _converge(options: argparse.Namespace) -> None:
    from .configuration import read_job
    from .lindblad import at_resonance, bundle_correlation, converge, cross_correlation

    # At the configuration's own truncation, which places a named regime; --levels is only where the search starts.
    job = read_job(options.config)
    if job.resonator is None or job.pair is None:
        raise InvalidInput(
            f"{options.config} fixes its truncation or names no pair; call lindblad.converge from Python"
        )
    first, second = job.pair
    observables: dict[str, Any] = {
        f"rate of {name}": lambda steady, name=name: steady.rate(name) for name in job.system.channel_names
    }
    observables["g1(0)"] = lambda steady: float(cross_correlation(steady, first, second))
    observables["g2(0)"] = lambda steady: float(bundle_correlation(steady, (first, second)))
    factory: Any = at_resonance(job.resonator, "-".join(job.pair)) if options.follow else job.resonator.system
    found = converge(
        factory,
        observables,
        start=options.levels,
        tolerance=options.tolerance,
        max_dimension=options.max_dimension,
        progress=sys.stderr.isatty(),
    )
    where = "at its resonance for each truncation" if options.follow else f"at Δ_ad={job.resonator.detuning:g}"
    print(f"{' and '.join(job.pair)}, driven from the {job.resonator.direction}, {where}\n")
    print(found.table())


def _info(options: argparse.Namespace) -> None:
    if options.target is None:
        _describe_software()
    elif Path(options.target).is_dir():
        _describe_run(Path(options.target))
    else:
        _describe_configuration(options)


def _describe_software() -> None:
    from .simulation import software

    for name, version in software().items():
        print(f"{name:20} {version}")


def _describe_run(folder: Path) -> None:
    from .records import Run

    run = Run.open(folder)
    configuration = run.configuration
    done, blocks = len(run.finished()), len(run.block_bounds())
    print(f"run           {folder}")
    print(f"state         {'complete' if run.complete else 'unfinished'}: {done} of {blocks} blocks")
    print(f"window        {configuration['trajectories']} trajectories × {configuration['duration']:g}/ω_b")
    print(f"seed          {configuration['seed']}")
    print(f"propagator    {run.metadata['compiled_propagator']} ({run.metadata['propagator_reason']})")
    print(f"tolerance     {configuration['tolerance']:g}")
    print(f"system        N={run.metadata['dimension']}, digest {configuration['digest'][:16]}")
    for name, value in run.metadata["parameters"].items():
        print(f"  {name:22} {value}")
    if done:
        record = run.record()
        for name, count in zip(record.channel_names, record.counts().sum(axis=0), strict=True):
            print(f"clicks        {name:12} {count}")


def _describe_configuration(options: argparse.Namespace) -> None:
    from .configuration import read_job
    from .lindblad import steady_state

    job = read_job(options.target, options.levels)
    system = job.system
    print(f"system        N={system.dimension}, {system.H_eff.nnz} entries in H_eff, digest {system.digest[:16]}")
    for name, value in system.parameters.items():
        print(f"  {name:22} {value}")
    if job.resonator is not None:
        _describe_resonances(job)
    steady = steady_state(system)
    total = 0.0
    for name in system.channel_names:
        total += steady.rate(name)
        print(f"exact rate    {name:12} {steady.rate(name):.6g}")
    for name, population in steady.top_level.items():
        print(f"top level     {name:12} {population:.2g}")
    if job.trajectories is not None and job.duration is not None:
        print(f"expected      {total * job.trajectories * job.duration:.0f} clicks")


def _describe_resonances(job: Any) -> None:
    """Print where the two pairs are resonant at the truncation of the job."""
    from .model.spinning_resonator import PAIRS

    space = job.system.space
    levels = tuple(space.levels[mode] for mode in space.modes)
    for pair in PAIRS:
        try:
            found = job.resonator.avoided_crossing(pair, levels)
            print(f"resonance     {pair:14} at Δ_ad={found.detuning:.6f}, gap {found.gap:.3g}")
        except ConvergenceError as error:
            print(f"resonance     {pair:14} {error}")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer") from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error


def _levels(text: str) -> tuple[int, int, int]:
    try:
        photon, phonon, magnon = (int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not three integers such as 5,4,4") from error
    return photon, phonon, magnon


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"warning: {message}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
