"""Editors and type checkers see every public name: what is loaded on first use is declared for them as well."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import trajectories as tj
from trajectories import analysis, lindblad

SCRIPT = """
import numpy as np
import trajectories as tj
from trajectories import analysis as an, lindblad

resonator = tj.SpinningResonator.regime("blue")
system = resonator.system(levels=(4, 3, 3))
clicks = tj.simulate(system, trajectories=2, duration=1e3, seed=7)
steady = tj.lindblad.steady_state(system)
estimate = an.g2(clicks, "photon", "magnon", [0.0, 1.0])
exact = lindblad.g2(steady, "photon", "magnon", [0.0, 1.0])
difference: np.ndarray = estimate.value - exact.value
run = tj.Run.open("runs/blue")
print(an.validate(clicks, system), an.rates(run), tj.Detector(efficiency=0.5))
print(tj.estimate_run, tj.follow, tj.replay, tj.repair)
reveal_type(tj.simulate)
reveal_type(an.fit)
wrong = tj.simulate(system, trajectories=2, duration="long", seed=7)
"""


def declared(package: ModuleType) -> dict[str, str]:
    """Return the names that a package imports for type checkers, each with the module it comes from."""
    tree = ast.parse(Path(package.__file__ or "").read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {
        alias.asname or alias.name: "." * node.level + (node.module or "")
        for node in imports
        for alias in node.names
    }


@pytest.mark.parametrize("package", [tj, analysis, lindblad])
def test_names_for_type_checkers_are_those_at_run_time(package):
    found = declared(package)
    assert set(package.__all__) - set(found) <= {"__version__", "reduced", "steady_state"}
    assert set(found) <= set(package.__all__)
    for name, home in package._HOMES.items():
        assert found[name] == home


@pytest.mark.slow  # .ci/run runs it beside mypy
def test_a_script_is_checked_and_its_one_mistake_reported(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    options = ["--no-error-summary", "--ignore-missing-imports", "--cache-dir", os.devnull]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = done.stdout.splitlines()
    errors = [line for line in lines if ": error: " in line]
    mistake = SCRIPT.splitlines().index('wrong = tj.simulate(system, trajectories=2, duration="long", seed=7)') + 1
    assert len(errors) == 1, done.stdout + done.stderr
    assert errors[0].startswith(f"script.py:{mistake}: ")
    assert "duration" in errors[0]
    notes = [line for line in lines if "Revealed type" in line]
    assert "OpenSystem" in notes[0]
    assert "ClickRecord" in notes[0]
    assert "Fit" in notes[1]
