"""From a request to arrays: initial ensemble, compiled system, its description, and the size of blocks."""

from __future__ import annotations

import platform
import sys
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..blas import one_blas_thread
from ..engine.compiled import CompiledSystem, compile_system
from ..errors import InvalidInput, TruncationWarning
from ..lindblad.essential_state import SteadyEnsemble, steady_ensemble
from ..lindblad.pulses.periodic import LONGEST as LONGEST_EXACT
from ..lindblad.pulses.periodic import periodic_seconds
from ..lindblad.steady_state import MAX_DIMENSION, SteadyState, steady_state
from ..model.space import HilbertSpace
from ..model.states import initial_states
from ..stages import Stage
from ..time_units import NATURAL
from .request import Request
from .warm_up import start_of_warm_up, warmed_up

# Most blocks of a run with few clicks, and most clicks of a block in a run with many: the size of blocks bounds
# what an interruption loses and what a worker holds in memory.
MOST_BLOCKS = 128
BLOCK_CLICKS = 500_000
# Most clicks of one trajectory; a worker holds ten bytes in memory for each.
MOST_CLICKS = 10**9


@one_blas_thread()
def prepare(request: Request) -> tuple[CompiledSystem, dict[str, Any]]:
    """Compile the system of a request, solve for the steady state if trajectories start from it, and describe it.

    BLAS runs on one thread: with several, the last digits and hence the clicks would depend on their number.

    Returns
    -------
    CompiledSystem, dict
        The arrays that workers need, and the entries of ``run.json`` about them.
    """
    system, start, exact, rate = request.system, request.initial, None, None
    driven: dict[str, Any] = {}
    warm = False
    if system.depends_on_time:
        driven = {"drives": len(system.drives), "period": system.period}
    if start is None and system.period is not None:
        warm = periodic_seconds(system) > LONGEST_EXACT
        if warm:
            start = start_of_warm_up(system)
        else:
            from ..lindblad import brightness, periodic_state  # only where something is driven in pulses

            periodic = periodic_state(system)
            start = initial_states(periodic.rho, system.dimension)
            clicks = {name: brightness(periodic, name).value for name in system.channel_names}
            rate = sum(clicks.values()) / system.period
            driven["periodic_state"] = {"clicks_per_pulse": clicks, "residual": float(periodic.residual)}
            _refuse_too_many_clicks(rate, request.duration)
    elif start is None:
        steady: SteadyState | SteadyEnsemble
        if system.dimension > MAX_DIMENSION:
            steady = steady_ensemble(system)
            start = steady.initial_states()
        else:
            steady = steady_state(system)
            start = initial_states(steady.rho, system.dimension)
        rates = {name: float(steady.rate(name)) for name in system.channel_names}
        rate = sum(rates.values())
        _refuse_too_many_clicks(rate, request.duration)
        exact = {
            "rates": rates,
            "residual": float(steady.residual),
            "top_level": {name: float(p) for name, p in steady.top_level.items()},
        }
        if isinstance(steady, SteadyEnsemble):
            exact |= {"essential_states": len(steady.states), "trace_distance": float(steady.distance)}
        warning = steady.truncation_warning()
        if warning:
            warn_caller(warning, TruncationWarning)
    with Stage("preparing the propagator"):
        compiled = compile_system(
            system,
            start,
            propagator=request.propagator,
            tolerance=request.tolerance,
            rate=rate,
            horizon=request.duration,
        )
    if warm:
        compiled, before = warmed_up(system, compiled)
        driven["periodic_state"] = before.to_dict()
        _refuse_too_many_clicks(sum(before.clicks_per_pulse.values()) / (system.period or 1.0), request.duration)
    space = system.space
    shares = {"initial_shares": compiled.cumulative.tolist()} if compiled.draws == "stratified" else {}
    unit = {} if system.time_unit == NATURAL else {"time_unit": system.time_unit.to_dict()}
    return compiled, {
        "channel_names": list(system.channel_names),
        "parameters": system.parameters,
        **unit,
        "space": None if space is None else _space_entries(space),
        "dimension": system.dimension,
        **driven,
        "compiled_propagator": compiled.propagator.name,
        "propagator_reason": compiled.reason,
        "steady_state": exact,
        **shares,
        "software": software(),
    }


def _space_entries(space: HilbertSpace) -> dict[str, Any]:
    """Return the entry of ``run.json`` for a space; with finite factors if some were declared."""
    finite = {"finite": list(space.declared_finite)} if space.declared_finite else {}
    return {"levels": dict(space.levels), "max_quanta": space.max_quanta, **finite}


def _refuse_too_many_clicks(rate: float, duration: float) -> None:
    """Refuse trajectories of more clicks than memory holds, before any is started."""
    if rate * duration > MOST_CLICKS:
        raise InvalidInput(
            f"duration={duration:g} at a click rate of {rate:g} makes {rate * duration:.3g} clicks a trajectory, "
            f"more than {MOST_CLICKS:g}; give at most {MOST_CLICKS / rate:.3g}, and more trajectories"
        )


def software() -> dict[str, str]:
    """Return the versions of libraries and the processor, on which the bits of a record depend."""
    import llvmlite.binding
    import numba
    import scipy

    from .. import __version__

    return {
        "bundle-trajectories": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "numba": numba.__version__,
        "platform": platform.platform(),
        "cpu": llvmlite.binding.get_host_cpu_name(),
    }


def expected_rates(description: Mapping[str, Any]) -> dict[str, float] | None:
    """Return the click rates in a description (time averages for a pulsed system); None if it has none."""
    if description["steady_state"] is not None:
        return dict(description["steady_state"]["rates"])
    if description.get("periodic_state") is not None:
        period = description["period"]
        return {name: n / period for name, n in description["periodic_state"]["clicks_per_pulse"].items()}
    return None


def block_size(trajectories: int, duration: float, description: Mapping[str, Any]) -> int:
    """Return the number of trajectories in a block.

    Parameters
    ----------
    trajectories : int
        Number of trajectories to divide into blocks.
    duration : float
        Duration of each, in 1/ω_b.
    description : mapping
        Description of the system from `prepare`, which has the expected click rates.
    """
    size, rates = -(-trajectories // MOST_BLOCKS), expected_rates(description)
    if rates is not None:
        clicks = sum(rates.values()) * duration
        if size * clicks > BLOCK_CLICKS:
            size = int(BLOCK_CLICKS / clicks)
    return max(1, size)


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn with the line of the caller outside this package."""
    ours = f"{__package__}.", "contextlib"  # contextlib: functions decorated with a context manager
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith(ours):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
