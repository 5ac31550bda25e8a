"""A steady state kept with the reduced model of its system, so that the next command need not solve for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import OpenSystem
from .reduced.essential import embedded, restricted
from .reduced.kept import Kept, content
from .reduced.stationary import REFUSED
from .steady_state import SteadyState, steady_state, top_level
from .superoperators.inverse import MOST_ELIMINATED
from .superoperators.liouvillian import Liouvillian


def known_steady_state(system: OpenSystem, kept: Kept) -> SteadyState:
    """Return the steady state, from `kept` if it is there, with `kept` in the workspace of its exact functions.

    Up to 50 dimensions nothing is kept: the state takes milliseconds.

    Parameters
    ----------
    system : OpenSystem
        The system.
    kept : dict of str to ndarray
        What earlier computations kept; what is computed is added.
    """
    if system.dimension <= MOST_ELIMINATED:
        steady = steady_state(system)
    else:
        name = content("steady state", system.digest)
        found = _read(system, name, kept)
        if found is None:
            found = steady_state(system)
            kept.update(_written(found, name))
        steady = found
    steady.workspace["kept"] = kept
    return steady


def _written(steady: SteadyState, name: str) -> dict[str, NDArray[Any]]:
    """Return a state as arrays: its rows and columns that are not empty, and what is known about it."""
    states = np.flatnonzero(np.diag(steady.rho).real > 0.0)
    about = np.array([steady.residual, steady.error, steady.iterations])
    return {
        f"{name}.states": states,
        f"{name}.rho": steady.rho[np.ix_(states, states)],
        f"{name}.about": about,
        f"{name}.method": np.array(steady.method),
    }


def _read(system: OpenSystem, name: str, kept: Mapping[str, NDArray[Any]]) -> SteadyState | None:
    """Return the state that is kept, or None if there is none that is stationary."""
    try:
        states, rho = kept[f"{name}.states"], kept[f"{name}.rho"]
        residual, error, rounds = kept[f"{name}.about"].tolist()
        method = str(kept[f"{name}.method"])
        liouvillian = Liouvillian(restricted(system, states))
        left = float(np.linalg.norm(liouvillian.apply(rho)))
    except (KeyError, ValueError, IndexError):
        return None
    if not left <= REFUSED * liouvillian.scale * float(np.linalg.norm(rho)):
        return None
    whole = embedded(rho, states, system.dimension)
    return SteadyState(whole, system, residual, top_level(system, whole), method, int(rounds), error)
