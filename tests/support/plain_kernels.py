"""Kernels as the plain Python that they are written in: any part can be replaced, and nothing is compiled."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from trajectories.kernel_cache import Kernel


def interpret(monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
    """Replace every kernel in the engine's modules, and in the given ones, by its Python function."""
    engine = [module for name, module in sys.modules.items() if name.startswith("trajectories.engine.")]
    for module in (*engine, *modules):
        for name, value in list(vars(module).items()):
            if isinstance(value, Kernel):
                monkeypatch.setattr(module, name, value.py_func)
