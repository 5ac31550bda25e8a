"""Imports of peers that would compile all their kernels for seconds when they are imported."""

from __future__ import annotations

from types import ModuleType

import numba
import pytest


def phconvert(name: str = "phconvert") -> ModuleType:
    """Import phconvert, or one of its modules, with its kernels as plain Python; skip where it is missing."""
    compiled, numba.config.DISABLE_JIT = numba.config.DISABLE_JIT, True
    try:
        return pytest.importorskip(name, exc_type=ImportError)
    finally:
        numba.config.DISABLE_JIT = compiled
