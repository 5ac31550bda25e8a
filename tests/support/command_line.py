"""What the tests of the command line share: small configurations, and how to run it from outside."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import trajectories

ROOT = Path(__file__).resolve().parents[2]
# Where the package that is tested lies: that of the checkout, if it is another, would compile its kernels again.
PACKAGE = Path(trajectories.__file__).resolve().parents[1]
SIMULATION = "[simulation]\ntrajectories = 2\nduration = 10.0\nseed = 1\n"
TINY = SIMULATION + "[truncation]\nlevels = [4, 4, 4]\nmax_quanta = 4\n"  # N = 64, and no warning
ATOM = """import numpy as np
import trajectories as tj

sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
channel = tj.Channel("atom", np.sqrt(0.4) * sigma)
system = tj.OpenSystem(0.5 * (sigma + sigma.T), [channel])
"""


def simulate(run, source: str, *more: str):
    return run("simulate", source, "--out", "out", "--quiet", "--workers", "1", *more)


def refused(here: Path, result, message: str) -> None:
    """One line with the reason, status 2, nothing on standard output, nothing written."""
    status, out, err = result
    assert status == 2
    assert out == []
    assert len(err) == 1, err
    assert err[0].startswith("error: ")
    assert re.search(message, err[0]), err[0]
    assert not (here / "out").exists()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "trajectories.cli", *arguments]


def environment() -> dict[str, str]:
    """Return what a command is run with from outside; the package's modules are compiled by the first of them."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")}
    return kept | {
        "PYTHONPATH": str(PACKAGE),
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
    }
