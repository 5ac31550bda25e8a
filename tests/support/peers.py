"""Imports of peers that would compile all their kernels for seconds."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numba
import pytest


def phconvert(name: str = "phconvert") -> ModuleType:
    """Import phconvert, or one of its modules, with its kernels as plain Python; skip where it is missing."""
    compiled, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, True
    try:
        return pytest.importorskip(name, exc_type=ImportError)
    finally:
        numba.config.DISABLE_JIT = compiled


def pcorrelate() -> Callable[..., Any]:
    """Return pycorrelate's function of that name as plain Python; skip where it is missing."""
    return pytest.importorskip("pycorrelate").pcorrelate.py_func
