"""What importing the packages and asking the command line for help loads, and what it takes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from command_line import PACKAGE, environment

HEAVY = ("numba", "scipy", "matplotlib", "tqdm", "h5py", "qutip", "distributed")
LIMIT = 0.3  # seconds of processor time


def loaded(statement: str) -> tuple[set[str], float]:
    """Return which heavy libraries a statement loads in a new process, and the processor time it takes."""
    script = (
        f"import sys, time; begun = time.process_time(); {statement}; spent = time.process_time() - begun;"
        f"print(spent, *[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PACKAGE, env=environment(), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    spent, *names = done.stdout.splitlines()[-1].split()
    return set(names), float(spent)


@pytest.mark.parametrize("statement", ["import trajectories", "from trajectories import analysis"])
def test_importing_loads_no_heavy_library_and_is_quick(statement):
    found = [loaded(statement) for _ in range(3)]
    assert found[0][0] == set()
    assert min(spent for _, spent in found) < LIMIT


def test_help_of_the_command_line_compiles_and_draws_nothing():
    script = (
        "import contextlib, trajectories.cli\n"
        "with contextlib.suppress(SystemExit): trajectories.cli.main(['simulate', '--help'])"
    )
    names, _ = loaded(f"exec({script!r})")
    assert names & {"numba", "matplotlib"} == set()


def test_a_heavy_library_would_be_seen():
    """The planted fault: the engine is loaded at once."""
    assert {"numba", "scipy"} <= loaded("import trajectories; trajectories.simulate")[0]
    assert "matplotlib" in loaded("from trajectories import analysis; analysis.plot.correlation")[0]
