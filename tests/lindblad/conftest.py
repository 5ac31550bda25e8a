"""Fixtures of the exact side."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from trajectories import lindblad
from trajectories.lindblad.superoperators import motions


@pytest.fixture(params=["auto", pytest.param("propagation", marks=pytest.mark.slow), "reduced"])
def every_way(request, monkeypatch):
    """Run a test as a user would, then by propagation of the whole space, then by modes and their pairs."""
    if request.param != "auto":
        solve = lindblad.steady_state
        found = functools.wraps(solve)(lambda *given, **named: solve(*given, **named).with_solver(request.param))
        monkeypatch.setattr(lindblad, "steady_state", found)
    return request.param


@pytest.fixture(params=["series", "doubling"])
def every_motion(request, monkeypatch):
    """Follow density matrices by a series in time; or, up to 30 dimensions, by doubling of the time."""
    monkeypatch.setattr(motions, "LONG", 0.0 if request.param == "doubling" else np.inf)
    return request.param


@pytest.fixture(params=["poles", "one by one"])
def every_spectrum(request, monkeypatch):
    """Compute emission spectra from the poles of a core of pairs, then by one equation a frequency."""
    if request.param == "one by one":
        solve = lindblad.steady_state
        found = functools.wraps(solve)(lambda *given, **named: solve(*given, **named).with_solver("propagation"))
        monkeypatch.setattr(lindblad, "steady_state", found)
    return request.param
