"""Steady states that many tests start from are solved once: equal systems have equal bits, in either process."""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import trajectories.lindblad.steady_state  # noqa: F401
from trajectories.lindblad.refinement import Refinement
from trajectories.model import OpenSystem

# Names the folder that all processes of one session share.
FOLDER = "TRAJECTORIES_TESTS_SOLVED"
# Files that test the steady state itself: each of theirs is solved.
SOLVING = ("test_steady_state", "test_scales", "test_steady_ensemble", "test_essential_states", "test_stages")


class SolvedOnce:
    """A `Refinement` that first looks for what was found for the same system, method and start."""

    shared = False

    def __init__(self, system: OpenSystem, method: str) -> None:
        self._of = system, method

    def __getattr__(self, name: str) -> Any:
        if name != "_solver":
            return getattr(self._solver, name)
        self._solver = Refinement(*self._of)
        return self._solver

    def from_two_starts(self, start: np.ndarray) -> Any:
        if not self.shared or FOLDER not in os.environ:
            return self._solver.from_two_starts(start)
        system, method = self._of
        what = hashlib.sha256(f"{system.digest} {method}".encode() + start.tobytes()).hexdigest()
        kept = Path(os.environ[FOLDER]) / what
        if kept.exists():
            found, name, products = pickle.loads(kept.read_bytes())
            self.resolvent, self.inverse = SimpleNamespace(name=name), SimpleNamespace(products=products)
            return found
        found = self._solver.from_two_starts(start)
        written = kept.with_name(f"{what}.{os.getpid()}")
        written.write_bytes(pickle.dumps((found, self._solver.resolvent.name, self._solver.inverse.products)))
        written.rename(kept)
        return found


def begin() -> None:
    """Make the folder, in the process that starts the others, and take the place of `Refinement`."""
    os.environ.setdefault(FOLDER, tempfile.mkdtemp(prefix="trajectories-solved-"))
    sys.modules["trajectories.lindblad.steady_state"].Refinement = SolvedOnce  # type: ignore[attr-defined]


def share_for(item: pytest.Item) -> None:
    """Share, or solve again, what the following test asks for."""
    SolvedOnce.shared = item.path.stem not in SOLVING


def end() -> None:
    """Take the folder away."""
    shutil.rmtree(os.environ.pop(FOLDER, ""), ignore_errors=True)
