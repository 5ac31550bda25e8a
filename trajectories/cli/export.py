"""``trajectories export``: write clicks to a file that other programs read."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import InvalidInput
from .arguments import Commands, number
from .measured import add_measured_options
from .source import opened, require_there

FORMATS = ("npz", "csv", "photon-hdf5", "ptu")


def register(commands: Commands) -> None:
    """Add ``trajectories export``."""
    export = commands.add_parser(
        "export",
        help="write clicks as Photon-HDF5, PTU, CSV or NPZ",
        description="Write the clicks of a run, or of a file of clicks, in a format that other programs read. NPZ "
        "and CSV keep times to the last bit; Photon-HDF5 and PTU (T2 mode, or T3 with --synced) count ticks and "
        "place trajectories one after another. The file contains model, seed and versions. Of an unfinished run "
        "the trajectories before the first unfinished block are written.",
    )
    export.set_defaults(command=_run)
    export.add_argument("source", metavar="RUN|FILE", help="a run folder, or a file of clicks")
    export.add_argument("--format", choices=FORMATS, help="default: according to the suffix of --out")
    export.add_argument("--out", metavar="FILE", help="new file (default: RUN/clicks with the format's suffix)")
    export.add_argument(
        "--tick", type=number, metavar="T", help="length of a tick in 1/ω_b (default: 1e-6 lifetimes)"
    )
    export.add_argument(
        "--unit",
        metavar="S",
        help="1/ω_b in seconds (default: ω_b/2π = 2 GHz, as in the paper); or the unit of a measured file",
    )
    export.add_argument(
        "--synced",
        action="store_true",
        help="stamp the clicks of a pulsed run as an instrument with a sync does (T3): pulse, and time since it",
    )
    add_measured_options(export, unit=False)


def _run(options: argparse.Namespace) -> None:
    from ..records import Run
    from ..records.formats import FORMATS as SUFFIXES
    from ..records.formats import export, is_foreign

    require_there(options.source)
    is_run = Path(options.source).is_dir()
    if options.out is None and (options.format is None or not is_run):
        raise InvalidInput(
            "give --format or --out FILE" if is_run else f"{options.source} is a file; give --out FILE to write"
        )
    place = options.out or Path(options.source) / f"clicks{SUFFIXES[options.format]}"
    given, unit = options.unit, None
    measured = not is_run and is_foreign(options.source)
    if given is not None and not measured:
        try:
            unit, options.unit = number(given), None
        except argparse.ArgumentTypeError as error:
            raise InvalidInput(f"--unit {given} must be the length of 1/ω_b in seconds, a number") from error
    clicks = opened(options.source, options)
    if options.synced:
        clicks = (clicks.record() if isinstance(clicks, Run) else clicks).in_periods()
    written = export(clicks, place, options.format, tick=options.tick, unit=unit)
    print(f"{options.format or written.suffix[1:]:13} {written} ({written.stat().st_size:,} bytes)")
