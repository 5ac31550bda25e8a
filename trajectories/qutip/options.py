"""Options of `mcsolve`: those of QuTiP that apply, and two of this engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..checks import finite_number, integer, one_of, shown
from ..engine.compiled import PROPAGATORS
from ..engine.propagator import check_tolerance
from ..errors import InvalidInput
from ..names import nearest

# Options of QuTiP's integrators and of its search for clicks, which this engine does not need.
NOT_NEEDED = {
    *("method", "atol", "rtol", "nsteps", "max_step", "min_step", "first_step", "order", "interpolate"),
    *("norm_steps", "norm_t_tol", "norm_tol", "norm_min_step", "mc_corr_eps", "progress_kwargs", "mpi_options"),
    *("bitgenerator", "krylov_dim", "sub_system_tol", "always_compute_step", "diagonalized_operator"),
}
# Options of QuTiP's result object, with its defaults.
OF_RESULT = {"store_final_state": False, "store_states": None, "keep_runs_results": False}
MAPS = ("serial", "parallel")


@dataclass(frozen=True)
class Options:
    """Checked options.

    Attributes
    ----------
    of_result : dict
        Options of QuTiP's result object.
    workers : int or None
        Number of threads; None means all processors.
    progress : bool
        Whether a progress bar is shown.
    improved_sampling : bool
        Whether the trajectory without a click is computed once, and all others have at least one click.
    tolerance : float
        Bound of |ΔS|/S.
    propagator : str
        Propagator of the states between clicks.
    """

    of_result: dict[str, Any]
    workers: int | None = 1
    progress: bool = True
    improved_sampling: bool = False
    tolerance: float = 1e-10
    propagator: str = "auto"

    @property
    def of_mesolve(self) -> dict[str, Any]:
        """The options that QuTiP's `mesolve` takes too, for calls without collapse operators."""
        kept = {key: self.of_result[key] for key in ("store_final_state", "store_states")}
        return kept | {"progress_bar": ""}


def checked_options(options: Mapping[str, Any] | None) -> Options:
    """Check options; refuse names that QuTiP does not know either, and values that this engine does not support.

    Raises
    ------
    InvalidInput
        An unknown name, or an invalid value.
    """
    given = {} if options is None else options
    if not isinstance(given, Mapping):
        raise InvalidInput(f"options={shown(options)} must be a dictionary")
    own = {"map", "num_cpus", "progress_bar", "improved_sampling", "tolerance", "propagator"}
    for name in given:
        if name not in OF_RESULT and name not in own and name not in NOT_NEEDED:
            known = sorted([*OF_RESULT, *own])
            raise InvalidInput(
                f"unknown option {shown(name)}; use some of {', '.join(known)}{nearest(name, known)}"
            )
    how = given.get("map", "serial")
    if how not in MAPS:
        raise InvalidInput(
            f"option map={shown(how)} must be 'serial' or 'parallel'; for clusters use trajectories.simulate"
        )
    processes = given.get("num_cpus")
    workers = 1 if how == "serial" else None if processes is None else integer(processes, "option num_cpus", 1)
    tolerance = finite_number(given.get("tolerance", 1e-10), "option tolerance")
    check_tolerance(tolerance)
    return Options(
        of_result={name: given.get(name, default) for name, default in OF_RESULT.items()},
        workers=workers,
        progress=bool(given.get("progress_bar", "text")),
        improved_sampling=bool(given.get("improved_sampling", False)),
        tolerance=tolerance,
        propagator=one_of(given.get("propagator", "auto"), "option propagator", ("auto", *PROPAGATORS)),
    )
