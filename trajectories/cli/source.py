"""The clicks that a command is given: a run folder, or a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..records import ClickRecord, Run


def opened(source: str) -> ClickRecord | Run:
    """Return the run of a folder, after saying what of an unfinished one is used, or the clicks of a file."""
    from ..records import Run
    from ..records.formats import load

    if not Path(source).is_dir():
        return load(source)
    run = Run.open(source)
    if not run.complete and run.leading():
        used = run.leading()[-1][1]
        print(
            f"note: {source} is unfinished; its first {used} of {run.trajectories} trajectories are used, up to "
            "the first block that is missing",
            file=sys.stderr,
        )
    return run
