"""Fixtures of the exact side."""

from __future__ import annotations

import functools

import pytest

from trajectories import lindblad


@pytest.fixture(params=["auto", pytest.param("propagation", marks=pytest.mark.slow), "reduced"])
def every_way(request, monkeypatch):
    """Run a test as a user would, then by propagation of the whole space, then by modes and their pairs."""
    if request.param != "auto":
        solve = lindblad.steady_state
        found = functools.wraps(solve)(lambda *given, **named: solve(*given, **named).with_solver(request.param))
        monkeypatch.setattr(lindblad, "steady_state", found)
    return request.param
