"""``trajectories validate``: test a record against a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..errors import InvalidInput
from ..names import counted, printable
from ..stages import Stage
from .arguments import CONFIG_HELP, Commands, levels, number, two_names
from .json_file import json_text, refuse_existing, write_json
from .measured import add_measured_options, read_in_unit_of, require_model_unit, with_recorded_dark
from .source import opened, require_there

DESCRIPTION = """Test whether the clicks of a run can have come from its model, or from another one.

Estimates are compared with their exact values (rates, correlations, waiting times, counts, bundles), and the
record is replayed through the model, which must predict every gap and channel. One verdict follows from all tests
by Holm's correction. Exit status 0 if the record is accepted, 1 if it contradicts the model, 2 for bad input."""


def register(commands: Commands) -> None:
    """Add ``trajectories validate``."""
    validate = commands.add_parser(
        "validate",
        help="test a record against its model, or another model",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    validate.set_defaults(command=_run)
    validate.add_argument("source", metavar="RUN|FILE", help="a run folder; or with --model a file of clicks")
    validate.add_argument("--model", metavar="CONFIG", help="another model to test: " + CONFIG_HELP)
    validate.add_argument("--levels", type=levels, metavar="A,B,M", help="Fock levels of that model")
    validate.add_argument(
        "--window", type=number, metavar="D", help="largest gap inside a bundle, in 1/ω_b (default: 3/κ)"
    )
    validate.add_argument(
        "--pair",
        type=two_names,
        metavar="A,B",
        help="channels whose bundles are tested (default: the most frequent)",
    )
    validate.add_argument(
        "--significance",
        type=number,
        metavar="P",
        help="probability of a false alarm, over all tests (default: 0.01)",
    )
    validate.add_argument(
        "--detectors", metavar="FILE", help="TOML of the detectors that recorded the clicks; see analyse"
    )
    add_measured_options(validate)
    validate.add_argument("--json", metavar="FILE", help="write the tests as JSON too; - prints only JSON")


def _run(options: argparse.Namespace) -> int:
    with Stage("starting", at_once=True):
        from trajectories.analysis.inference.validation import validate
        from trajectories.analysis.inference.validation_results import SIGNIFICANCE
        from trajectories.analysis.report.exact_model_file import MODEL, keep_beside, read_kept

    refuse_existing(options.json)
    record, model = _subject(options)
    digest = model["system"].digest if "system" in model else record.configuration["digest"]
    analysed = Path(options.source) / "analysis"
    kept = read_kept(analysed / MODEL, digest) if analysed.is_dir() else {}
    before = len(kept)
    found = validate(
        record,
        kept=kept,
        window=options.window,
        pair=options.pair,
        significance=SIGNIFICANCE if options.significance is None else options.significance,
        **model,
    )
    if "system" not in model and len(kept) > before:
        keep_beside(Path(options.source), kept, digest)
    document = json_text({"source": printable(options.source), **found.to_dict()})
    if options.json == "-":
        print(document)
    else:
        print(f"{counted(found.n_trajectories, 'trajectory', 'trajectories')}, {found.n_clicks} clicks\n")
        print(found)
    if options.json not in (None, "-"):
        write_json(options.json, document)
        print(f"JSON      {options.json}")
    return 0 if found.accepted else 1


def _subject(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Return the record or run, and the system and detectors of the test."""
    from .configuration import read_job
    from .detector_file import read_detectors

    if options.model is None and options.levels is not None:
        raise InvalidInput("--levels is only for --model; the run's own model has fixed levels")
    require_there(options.source)
    is_run = Path(options.source).is_dir()
    if not is_run and options.model is None:
        raise InvalidInput(f"{options.source} is not a run folder; give the model of its clicks as --model CONFIG")
    detectors = None if options.detectors is None else read_detectors(options.detectors)
    model = None if options.model is None else read_job(options.model, options.levels).system
    if model is not None and not is_run:
        read_in_unit_of(model, options)
    clicks = opened(options.source, options)
    if detectors is not None and not is_run:
        detectors = with_recorded_dark(clicks, detectors)
    if model is None:
        return clicks, {"detectors": detectors}
    if not is_run:
        require_model_unit(clicks, options)
    return clicks, {"system": model, "detectors": detectors}
