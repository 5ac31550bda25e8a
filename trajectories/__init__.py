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
    "Moments": ".simulation.two_time",
    "OpenSystem": ".model",
    "SpinningResonator": ".model",
    "bundle_correlation": ".simulation.two_time",
    "cross_correlation": ".simulation.two_time",
    "fizeau_shift": ".model",
    "export": ".records.formats",
    "load": ".records.formats",
    "moments": ".simulation.two_time",
    "simulate": ".simulation.simulate",
}

# Rooms that are reached as attributes, loaded on first use as well.
_ROOMS = ("analysis", "lindblad")

__version__ = "0.2.0"
__all__ = ["__version__", *_HOMES, *_ROOMS]


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
