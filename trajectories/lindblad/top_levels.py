"""The population at the edge of a truncation, and the warning that it is too much."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..model import OpenSystem
from ..model.space import HilbertSpace

# The population of a mode's highest level above which a truncation is not to be trusted.
TOP_LEVEL = 1e-4


def edge_populations(space: HilbertSpace | None, population: NDArray[np.float64]) -> dict[str, float]:
    """Return the population of the highest level of each mode; nothing without a space."""
    if space is None:
        return {}
    return {name: float(population[mask].sum()) for name, mask in space.top_levels().items()}


def truncation_warning(system: OpenSystem, top_level: dict[str, float]) -> str | None:
    """Return which modes hold more than 1e-4 in their highest level, or None."""
    bad = {name: p for name, p in top_level.items() if p > TOP_LEVEL}
    if not bad:
        return None
    modes = ", ".join(f"{name} {p:.2g}" for name, p in bad.items())
    space = system.space
    doubtful = tuple(name for name in bad if space is not None and space.levels.get(name) == 2)
    hint = f" (if of a two-level system, declare it: HilbertSpace(…, finite={doubtful!r}))" if doubtful else ""
    return f"top-level population above {TOP_LEVEL:g}: {modes}; raise these levels or run converge{hint}"
