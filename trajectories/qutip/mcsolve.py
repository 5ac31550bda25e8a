"""mcsolve(): QuTiP's signature, options and result, with the clicks of this engine."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import finite_array, nonnegative_number, shown
from ..errors import InvalidInput, MissingPackage
from ..model.qutip_objects import operator_list
from ..model.qutip_systems import parts_of_qutip, shifted_to_zero
from ..model.system import OpenSystem
from ..stages import call
from .ensemble import PureStart, checked_seeds, pure_starts
from .options import checked_options
from .trajectories import Sampled, Solver

if TYPE_CHECKING:
    from qutip import Qobj
    from qutip.solver import McResult


def mcsolve(
    H: Any,
    state: Qobj | list[tuple[Qobj, float]],
    tlist: ArrayLike,
    c_ops: Any = (),
    *,
    e_ops: Any = None,
    ntraj: int | list[int] = 500,
    args: dict[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    seeds: Any = None,
    target_tol: Any = None,
    timeout: float | None = None,
) -> McResult:
    """Monte Carlo wave-function evolution with the signature and the result of QuTiP's `mcsolve`.

    Between clicks |ψ(t)⟩ = exp(−iH_eff t)|ψ⟩ with H_eff = H − (i/2)Σ c†c. The next click comes when the no-click
    probability S(t) = ‖ψ(t)‖² has fallen to a uniform random number, accurate to |ΔS|/S ≤ `tolerance` for any
    `tlist`. The click is in channel k and leaves c_k|ψ⟩/‖c_kψ‖ with probability ‖c_kψ‖²/Σ_j‖c_jψ‖².

    Parameters
    ----------
    H : qutip.Qobj, QobjEvo or list
        Hamiltonian; an operator, or operators and [operator, coefficient] pairs.
    state : qutip.Qobj, or list of pairs (ket, weight)
        Ket, density matrix, or a mixture. A mixture is averaged with its exact weights.
    tlist : array_like of float, shape (n_times,)
        Ascending times of the results; the evolution begins at the first.
    c_ops : operator or list of operators
        Collapse operators; one that depends on time must be one operator with one coefficient.
    e_ops : Qobj, QobjEvo, callable, or a list or dict of them, optional
        Operators to average, not necessarily Hermitian; a callable is called as ``f(t, ket)`` with ‖ket‖ = 1.
    ntraj : int, or list of int
        Largest number of trajectories; for a mixture also one number for each state.
    args : dict, optional
        Arguments of time-dependent terms.
    options : mapping, optional
        ``store_states``, ``store_final_state``, ``keep_runs_results``, ``map``, ``num_cpus``, ``progress_bar``,
        ``improved_sampling`` as for QuTiP, and ``tolerance`` (1e-10 by default) and ``propagator``. The options of
        QuTiP's integrators and of its search for clicks are accepted and not needed.
    seeds : int, SeedSequence or list, optional
        As for QuTiP; ``result.seeds`` can be given again.
    target_tol : float, pair, or list of pairs, optional
        Error of the expectation values, (absolute, relative), at which the computation stops.
    timeout : float, optional
        Seconds after which no further trajectories are begun. The states of a mixture are followed one after the
        other: where time is up before the last, the averages are not those of the mixture, and a warning says so.

    Returns
    -------
    qutip.solver.McResult
        QuTiP's own object: ``expect``, ``col_times``, ``col_which``, ``photocurrent``, ``states``, ``stats``,
        ``plot_expect()``, ``merge()`` and the rest. `click_record` makes a `ClickRecord` of it.

    Raises
    ------
    InvalidInput
        A superoperator, an unknown option, times that do not ascend, or what `OpenSystem.from_qutip` refuses:
        a coefficient that is not finite, or that no 20,000 polynomials follow; or a negative `timeout`.

    Notes
    -----
    Dalibard, Castin and Mølmer, Phys. Rev. Lett. 68, 580 (1992); Abdelhafez et al., Phys. Rev. A 99, 052327 (2019)
    for improved sampling. The same seed gives other trajectories than in QuTiP; both are valid samples.

    Examples
    --------
    >>> import numpy as np, qutip
    >>> from trajectories.qutip import mcsolve
    >>> sigma = qutip.destroy(2)
    >>> times = np.linspace(0.0, 2.0, 3)
    >>> found = mcsolve(0 * sigma, qutip.basis(2, 1), times, [sigma], e_ops=[sigma.dag() * sigma], ntraj=400,
    ...                 seeds=1, options={"progress_bar": False})
    >>> bool(np.allclose(found.expect[0], np.exp(-times), atol=0.1)), len(found.col_times)
    (True, 400)
    """
    began = time.monotonic()
    try:
        import qutip
        from qutip.solver import McResult
    except ImportError as error:
        raise MissingPackage("mcsolve", "qutip", error) from error
    chosen = checked_options(options)
    seconds = None if timeout in (None, math.inf) else nonnegative_number(timeout, "timeout")
    times = _checked_times(tlist)
    collapse = operator_list(c_ops)
    if not collapse:  # as in QuTiP: nothing is random
        return qutip.mesolve(H, state, times, e_ops=e_ops, args=args, options=chosen.of_mesolve)
    hamiltonian, *operators = (_with_arguments(given, args, times) for given in (H, *collapse))
    if getattr(hamiltonian, "issuper", False):
        raise InvalidInput(
            "H is a superoperator; give the Hamiltonian, and leave undetected channels out of the analysis"
        )
    parts = shifted_to_zero(parts_of_qutip(hamiltonian, operators, None, times, None), float(times[0]))
    system = OpenSystem(parts.hamiltonian, parts.channels, drives=parts.drives)
    starts = pure_starts(state, ntraj, system.dimension)
    if target_tol is not None and len(starts) > 1:
        raise InvalidInput("target_tol is only for a pure initial state; give ntraj for a mixture")
    total = sum(start.trajectories for start in starts)
    drawn = checked_seeds(seeds, total)
    result = McResult(e_ops, dict(chosen.of_result), solver="mcsolve", stats={"num_collapse": len(operators)})
    try:
        result.add_end_condition(total, target_tol)
    except ValueError as error:
        raise InvalidInput(f"target_tol={shown(target_tol)}: {error}") from error
    sampled = Sampled.of(result, e_ops, chosen, times, hamiltonian)
    with call("mcsolve", chosen.progress):
        solver = Solver(system, starts, times - times[0], sampled, chosen)
        result.stats |= {
            "method": f"{solver.propagator}, |ΔS|/S ≤ {chosen.tolerance:g}",
            "solver": "trajectories",
            "preparation time": time.monotonic() - began,
        }
        prepared = time.monotonic()
        solver.run(result, drawn, None if seconds is None else prepared + seconds)
        result.stats["run time"] = time.monotonic() - prepared
    _describe_mixture(result, starts)
    if len(starts) > 1 and result.num_trajectories < total:
        warnings.warn(
            f"timeout={timeout:g}: time was up after {result.num_trajectories} of {total} trajectories, which "
            f"follow the {len(starts)} states of the mixture in turn; averages are not those of the mixture; "
            "give fewer ntraj",
            stacklevel=2,
        )
    return result


def _checked_times(tlist: ArrayLike) -> NDArray[np.float64]:
    times = finite_array(tlist, "tlist")
    if times.ndim != 1 or len(times) < 2 or not (np.diff(times) > 0.0).all():
        raise InvalidInput(f"tlist={shown(tlist)} must be at least two ascending times")
    return times


def _with_arguments(operator: Any, args: dict[str, Any] | None, times: NDArray[np.float64]) -> Any:
    """Return an operator; if it depends on time, with its arguments and sample times."""
    import qutip

    if isinstance(operator, qutip.Qobj):
        return operator
    if isinstance(operator, qutip.QobjEvo) or callable(operator) or isinstance(operator, Iterable):
        evolving = qutip.QobjEvo(operator, args=args, tlist=times)
        return evolving(0.0) if evolving.isconstant else evolving
    raise InvalidInput(f"{shown(operator)} must be an operator of QuTiP")


def _describe_mixture(result: Any, starts: list[PureStart]) -> None:
    """Store in the result the pure states of the mixture, as QuTiP does."""
    if len(starts) > 1:
        result.initial_states = [start.ket for start in starts]
        result.ntraj_per_initial_state = [start.trajectories for start in starts]
