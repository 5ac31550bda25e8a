"""ρ(t), expectation values and g² from any initial state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import nonnegative_number
from ..errors import InvalidInput
from ..model import OpenSystem
from ..results import Expectation
from ..stages import staged
from .answers import in_its_unit
from .inputs import checked_operator, checked_state, checked_times
from .pulses.motion import TimedMotion
from .pulses.periodic import density_matrices
from .superoperators.detected import NOISE, DetectedSystem
from .superoperators.hermitian_vectors import pack, unpack
from .superoperators.motions import motion_of


@staged("density matrix")
def density_matrix(system: OpenSystem, rho0: ArrayLike, t: ArrayLike) -> NDArray[np.complex128]:
    """Return ρ(t) = e^{Lt} ρ(0), or the solution of dρ/dt = L(t)ρ where the system depends on time.

    Parameters
    ----------
    system : OpenSystem
        The system.
    rho0 : array_like, sparse array, qutip.Qobj, or a list of pairs (state, weight)
        A normalised ket, a density matrix, or a mixture.
    t : array_like
        Times in 1/ω_b, not negative, of any shape and order.

    Returns
    -------
    ndarray of shape (…, N, N)
        One density matrix a time.

    Raises
    ------
    InvalidInput
        A state that is not normalised, Hermitian and positive, or a time that is negative or not finite.

    Notes
    -----
    One step e^{Lh} is a Chebyshev series with an a-priori bound of 1e-14 (`chebyshev.Expansion`). Many steps are
    taken in the Krylov space of e^{Lh}, and because e^{Lt} is a contraction in trace norm their errors add
    at most: ending that space early costs at most 1e-9 in trace norm (`propagation.Stepper`). Systems that depend
    on time are followed by Taylor series on steps that end at every knot of an envelope (`pulses.motion`).

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> rho = tj.lindblad.density_matrix(system, [1, 0], t=1.0)
    >>> rho.diagonal().real.round(4)
    array([0.5439, 0.4561])
    """
    times = checked_times(t, "t")
    initial = checked_state(system, rho0)
    if system.depends_on_time:
        return density_matrices(TimedMotion(system, _horizon(times)), initial, times)
    states = motion_of(system, _horizon(times)).propagate(pack(initial), times.reshape(-1))
    matrices = np.array([unpack(state) for state in states])
    return matrices.reshape(*times.shape, system.dimension, system.dimension)


@staged("evolution")
@in_its_unit
def evolve(
    system: OpenSystem, rho0: ArrayLike, times: ArrayLike, operators: Mapping[str, Any]
) -> dict[str, Expectation]:
    """Return ⟨O⟩(t) = Tr[O e^{Lt} ρ(0)] for each operator.

    Parameters
    ----------
    system : OpenSystem
        The system.
    rho0 : array_like, sparse array, qutip.Qobj, or a list of pairs (state, weight)
        A normalised ket, a density matrix, or a mixture.
    times : array_like of shape (n_times,)
        Times in 1/ω_b, not negative, in any order.
    operators : mapping of str to (N, N) array or sparse array
        Hermitian operators by name.

    Returns
    -------
    dict of str to Expectation
        Exact values, zero standard error. The error bound is that of `density_matrix`, times ‖O‖₂.

    Raises
    ------
    InvalidInput
        A bad state or time, or an operator that is not Hermitian or of another dimension.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> found = tj.lindblad.evolve(system, [1, 0], [0.5, 1.0], {"excited": sigma.T @ sigma})
    >>> found["excited"].value.round(4)
    array([0.1807, 0.4561])
    """
    grid = checked_times(times, "times")
    if grid.ndim != 1:
        raise InvalidInput(f"times has shape {grid.shape}; give one dimension")
    if not operators:
        raise InvalidInput("operators is empty; name at least one")
    matrices = {name: _hermitian(system, name, operator) for name, operator in operators.items()}
    initial = checked_state(system, rho0)
    rows = np.array([pack(matrix) for matrix in matrices.values()])
    if system.depends_on_time:
        rho = density_matrices(TimedMotion(system, _horizon(grid)), initial, grid)
        values = np.array([rows @ pack(matrix) for matrix in rho]).reshape(len(grid), len(rows))
        return {name: Expectation(grid, values[:, i], np.zeros(len(grid))) for i, name in enumerate(matrices)}
    values = motion_of(system, _horizon(grid)).observe(pack(initial), rows, grid)[0]
    zero = np.zeros(len(grid))
    return {name: Expectation(grid, values[:, i], zero) for i, name in enumerate(matrices)}


def transient_g2(
    system: OpenSystem, rho0: ArrayLike, first: str, second: str, t: float, tau: ArrayLike
) -> NDArray[np.float64]:
    """Return the correlation away from the steady state, from a given initial state.

    g²_kl(t, t + τ) = Tr[J_l e^{Lτ} J_k ρ(t)]/(λ_k(t) λ_l(t + τ)) with ρ(t) = e^{Lt} ρ(0) and λ(t) = Tr[Jρ(t)].

    Parameters
    ----------
    system : OpenSystem
        The system.
    rho0 : array_like of shape (N,) or (N, N)
        Initial ket or density matrix.
    first, second : str
        Channels k and l.
    t : float
        Time of the first click in 1/ω_b.
    tau : array_like
        Delays in 1/ω_b, not negative, of any shape.

    Returns
    -------
    ndarray
        Of the shape of `tau`; NaN where λ_l(t + τ) is zero but for rounding.

    Raises
    ------
    InvalidInput
        A bad state or time, unknown channels, or a first channel that cannot click at time t.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> tj.lindblad.transient_g2(system, [1, 0], "atom", "atom", t=1.0, tau=[1.0, 2.0]).round(4)
    array([0.846 , 1.3284])
    """
    start = nonnegative_number(t, "t")
    delays = checked_times(tau, "tau")
    initial = checked_state(system, rho0)
    detected = DetectedSystem(system, None, None)
    for name in (first, second):
        system.channel(name)
    longest = max(start, float(delays.max(initial=0.0))) or 1.0
    motion = motion_of(system, longest)
    now = motion.propagate(pack(initial), np.array([start]))[0]
    rate = detected.rate(first, now, NOISE)
    effect = detected.effect(second)[None]
    noise = NOISE * float(np.linalg.norm(effect))
    flat = delays.reshape(-1)
    joint = motion.observe(detected.jump(first, now), effect, flat)[0][:, 0]
    later = motion.observe(now, effect, flat)[0][:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        result = np.where(later > noise, joint / (rate * later), np.nan)
    return result.reshape(delays.shape)


def _horizon(times: NDArray[np.float64]) -> float:
    """Return the longest time, or any positive one when all are zero."""
    return float(times.max(initial=0.0)) or 1.0


def _hermitian(system: OpenSystem, name: str, operator: Any) -> NDArray[np.complex128]:
    matrix = checked_operator(system, operator, f"operator {name!r}").toarray()
    if np.abs(matrix - matrix.conj().T).max() > 1e-12 * np.abs(matrix).max():
        raise InvalidInput(f"operator {name!r} is not Hermitian; give its Hermitian parts one by one")
    return np.asarray(matrix)
