"""A whole analysis of a record: numbers, figures, one page, one folder."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .run_summary import lag_edges, pictures, population_picture, summary, typical_bundle

__all__ = ["lag_edges", "pictures", "population_picture", "summary", "typical_bundle"]


def __getattr__(name: str) -> Any:
    # Loaded on first use: numbers do not need matplotlib.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(".run_summary", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
