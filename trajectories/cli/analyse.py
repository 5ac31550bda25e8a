"""``trajectories analyse``: every estimate of a run with its exact value, as a table, JSON and an HTML page."""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InvalidInput
from ..names import printable
from ..stages import Stage
from .arguments import CONFIG_HELP, Commands, integer, levels, number, two_names
from .json_file import json_text
from .measured import add_measured_options, read_in_unit_of, require_model_unit, with_recorded_dark
from .remedies import for_commands
from .source import opened

DESCRIPTION = """Estimate every quantity from a run, or from a file of clicks, with the exact values.

Quantities: click rates and whether they are stationary, correlations of all channels, bundles, purity, heralding,
emission order, waiting times and counting statistics; for pulsed systems and synced (T3) files, clicks per pulse.
The table is printed; DIR/analysis.json holds all numbers and curves, DIR/report.html the tables and pictures
in one file, and DIR/exact.json and DIR/exact_model.npz the exact values, which are computed only once. These four
files are replaced if an earlier analysis wrote them; no other file is.
Runs larger than memory are read block by block."""
EXACT_HELP = "leave out the exact values, which take seconds, or minutes if dissipation is strong"


def register(commands: Commands) -> None:
    """Add ``trajectories analyse``."""
    analyse = commands.add_parser(
        "analyse",
        help="estimate everything from a run, and write a report",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    analyse.set_defaults(command=_run)
    analyse.add_argument("source", metavar="RUN|FILE", help="a run folder, or a file of clicks")
    analyse.add_argument(
        "--pair", type=two_names, metavar="A,B", help="channels of the bundles (default: the most frequent)"
    )
    analyse.add_argument(
        "--window",
        type=number,
        metavar="D",
        help="largest gap inside a bundle, in the unit of the clicks (default: 3/κ)",
    )
    analyse.add_argument(
        "--detectors",
        metavar="FILE",
        help="apply these imperfect detectors to the clicks: TOML with a table for each channel, of efficiency, "
        "dark_rate, dead_time, paralysable, jitter, afterpulsing and afterpulse_delay",
    )
    analyse.add_argument(
        "--seen-with",
        metavar="FILE",
        help="TOML of the detectors that recorded the clicks: they change only the exact values",
    )
    analyse.add_argument(
        "--seed",
        type=integer,
        default=0,
        metavar="S",
        help="seed of the random numbers of --detectors (default: 0)",
    )
    analyse.add_argument(
        "--model", metavar="CONFIG", help="model of the exact values (default: that of the run): " + CONFIG_HELP
    )
    analyse.add_argument("--levels", type=levels, metavar="A,B,M", help="Fock levels of that model")
    analyse.add_argument(
        "--out", metavar="DIR", help="folder to write to (default: RUN/analysis or FILE-analysis)"
    )
    add_measured_options(analyse)
    analyse.add_argument("--json", action="store_true", help="print the JSON instead of the table")
    analyse.add_argument("--no-exact", action="store_true", help=EXACT_HELP)


def _run(options: argparse.Namespace) -> None:
    with Stage("starting", at_once=True):
        from trajectories.analysis import analyse, stream
        from trajectories.analysis.clicks.detection import detected_stream
        from trajectories.analysis.report.exact_values import ExactValues
        from trajectories.analysis.report.folder import AnalysisFolder

        from .configuration import read_job
        from .detector_file import read_detectors

    source = Path(options.source)
    folder = AnalysisFolder(Path(options.out) if options.out else _default_folder(source))
    if options.seen_with is not None and options.detectors is not None:
        raise InvalidInput(
            "--detectors applies detectors to the clicks, --seen-with states those that were used; give only one"
        )
    if options.levels is not None and options.model is None:
        raise InvalidInput("--levels is only for --model; the run's own model has fixed levels")
    detectors = None if options.detectors is None else read_detectors(options.detectors)
    seen_with = None if options.seen_with is None else read_detectors(options.seen_with)
    model = None if options.model is None else read_job(options.model, options.levels).system
    if model is not None and not source.is_dir():
        read_in_unit_of(model, options)
    clicks = opened(options.source, options, pieces=True)  # a run is not loaded, so that it is streamed
    run = clicks if source.is_dir() else None
    record = stream(clicks)
    if run is not None:  # streamed blocks do not hold the size of the run and its request
        record = replace(record, provenance=record.provenance | {"configuration": run.configuration})
    if detectors is not None:
        record = detected_stream(record, detectors, options.seed)
    if options.model is not None and run is None:
        require_model_unit(record, options)
    system, reason = (None, "") if options.no_exact else _model(model, options, run)
    if seen_with is not None and run is None:
        seen_with = with_recorded_dark(record, seen_with)
    kept = {} if system is None else folder.kept(system.digest)
    exact_values = ExactValues(system, seen_with, folder.known(), kept=kept)
    folder.begin_loading()
    results = analyse(record, pair=options.pair, window=options.window, exact_values=exact_values)
    if reason:
        results.notes.append(f"no exact values: {reason}")
    title = f"Clicks of {printable(source.resolve().name)}"
    again = shlex.join(["trajectories", *sys.argv[1:]]) if sys.argv[1:2] in (["analyse"], ["analyze"]) else ""
    commands = [again] if again else []
    files = folder.write(results, record, exact_values.answers, title, exact_values.kept, commands)
    if options.json:
        print(json_text(results.to_dict()))
        return
    print(f"{for_commands(results.table())}\n")
    for name, path in files.items():
        print(f"{name:9} {path}")


def _default_folder(source: Path) -> Path:
    """Return the default folder for the analysis of a source."""
    return source / "analysis" if source.is_dir() else source.with_name(f"{source.stem}-analysis")


def _model(model: Any, options: argparse.Namespace, run: Any) -> tuple[Any, str]:
    """Return the system of the exact values, or None and the reason why there is none."""
    from trajectories.analysis.inference.subject import own_system

    from ..lindblad.steady_state import MAX_DIMENSION

    if model is not None:
        system = model
    elif run is None:
        return None, "a file of clicks has no model; give it as --model CONFIG"
    elif run.configuration["initial"] not in ("steady", "periodic"):
        return None, "the run did not start from the steady state; give --model CONFIG if it has reached it"
    else:
        system = own_system(run)
    if system.depends_on_time and system.period is None:
        return None, "the model depends on time and has no period, hence no steady state"
    if system.dimension > MAX_DIMENSION:
        return (
            None,
            f"dimension {system.dimension} exceeds {MAX_DIMENSION}; the dense matrices need too much memory",
        )
    return system, ""
