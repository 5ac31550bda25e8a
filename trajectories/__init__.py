"""Monte Carlo wave-function click records for open quantum systems, and their exact witness."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Loaded on first use, so that `import trajectories` stays fast.
_HOMES = {
    "AvoidedCrossing": ".model",
    "Channel": ".model",
    "ClickRecord": ".records",
    "HilbertSpace": ".model",
    "Moments": ".two_time",
    "OpenSystem": ".model",
    "SpinningResonator": ".model",
    "bundle_correlation": ".two_time",
    "cross_correlation": ".two_time",
    "fizeau_shift": ".model",
    "export": ".records.formats",
    "load": ".records.formats",
    "moments": ".two_time",
    "simulate": ".simulation",
}

__version__ = "0.1.0"
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
