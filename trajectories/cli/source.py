"""The clicks that a command is given: a run folder or a file."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import InvalidInput
from ..names import nearest_beside, printable
from .measured import corrected, reading_options, refuse_for_run

# Measured files above this size in bytes are read piece by piece, if no correction needs the whole file.
LARGE = 2**30
WHOLE = ("join", "append", "dark")


def require_there(source: str) -> None:
    """Refuse a run folder or file that does not exist."""
    if not Path(source).exists():
        hint = nearest_beside(source) or "; give a run folder or a file of clicks"
        raise InvalidInput(f"{printable(source)} does not exist{printable(hint)}")


def opened(source: str, options: argparse.Namespace | None = None, *, pieces: bool = False) -> Any:
    """Return the run of a folder, with a note if it is unfinished, or the clicks of a file.

    A measured file is read and corrected according to the options. With `pieces`, a large one is opened for
    reading piece by piece, each piece a trajectory, if no correction needs the whole file.
    """
    from ..records import Run
    from ..records.formats import load, open_measured

    if options is None:
        options = argparse.Namespace()
    refuse_for_run(source, options)
    if not Path(source).is_dir():
        reading, steps = reading_options(options), getattr(options, "steps", [])
        large = pieces and Path(source).is_file() and Path(source).stat().st_size > LARGE
        if (
            large
            and all(name not in WHOLE for name, _ in steps)
            and set(reading) <= {"unit", "duration", "markers"}
        ):
            try:
                file = open_measured(source, **reading)
            except InvalidInput:  # not a format that can be read in pieces; `load` gives the better message
                pass
            else:
                return file.through([partial(corrected, steps=[step]) for step in steps])
        return corrected(load(source, **reading), steps, reading)
    run = Run.open(source)
    if not run.complete and run.leading():
        used = run.leading()[-1][1]
        print(
            f"note: {source} is unfinished; the first {used} of {run.trajectories} trajectories are used, those "
            "before the first missing block",
            file=sys.stderr,
        )
    return run
