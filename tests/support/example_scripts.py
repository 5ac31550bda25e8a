"""What the tests of the example scripts share: running one as its user does, and reading what it wrote."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
from command_line import ROOT, environment

EXAMPLES = ROOT / "examples"
LARGEST_PNG = 200_000


def run_example(script: str, out: Path, *options: str) -> str:
    """Run a script at reduced size, every warning an error; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / script), "--out", str(out), "--quick", *options],
        env=environment(),
        cwd=out,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Return the columns of a CSV file: numbers where all its values are numbers, else words."""
    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    columns = {}
    for name, values in zip(names, zip(*rows, strict=True), strict=True):
        try:
            columns[name] = np.array(values, dtype=np.float64)
        except ValueError:
            columns[name] = np.array(values)
    return columns


def rows_of(path: Path) -> list[dict]:
    """Return the rows of a CSV file, each a dictionary by column."""
    columns = read_table(path)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def assert_pictures(folder: Path, name: str) -> None:
    """There is a PNG small enough for the README and a PDF."""
    png = (folder / f"{name}.png").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert len(png) <= LARGEST_PNG
    assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def load_example(script: str) -> ModuleType:
    """Import a script that keeps its work in main(), with the modules beside it."""
    if str(EXAMPLES) not in sys.path:
        sys.path.append(str(EXAMPLES))
    spec = importlib.util.spec_from_file_location(Path(script).stem, EXAMPLES / script)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module
