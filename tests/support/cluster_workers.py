"""What tests ask workers of a cluster to do; importable there by name."""

from __future__ import annotations

import os
from typing import NoReturn

import numpy as np
import scipy.linalg

from trajectories import lindblad
from trajectories.engine import compiled
from trajectories.simulation import preparation


def forbid_diagonalising() -> int:
    """Make this process unable to prepare a system; return its id."""
    for module, name in (
        (np.linalg, "eig"),
        (np.linalg, "eigh"),
        (scipy.linalg, "eig"),
        (compiled.ModesPropagator, "compile"),
        (compiled.SparsePropagator, "compile"),
        (lindblad, "steady_state"),
        (preparation, "steady_state"),
    ):
        setattr(module, name, _forbidden)
    return os.getpid()


def _forbidden(*_: object, **__: object) -> NoReturn:
    raise AssertionError("a worker did linear algebra")
