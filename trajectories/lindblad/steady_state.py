"""The steady state of an open system, to machine precision."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..checks import one_of
from ..errors import ConvergenceError, InvalidInput, SteadyStateNotUnique
from ..model import OpenSystem
from ..model.system import as_operator
from ..results import read_only
from .superoperators.inverse import Inverse, choose_resolvent
from .superoperators.liouvillian import Liouvillian, hermitian_part

Matrix = NDArray[np.complex128]

METHODS = ("auto", "eigenmodes", "schur")
SOLVERS = ("auto", "propagation", "reduced")
# A steady state is refused above this residual; the iteration aims for rounding, which is far below it.
RESIDUAL = 1e-12
ROUNDING = 1e-16
# Two starts are taken to end in the same state when they differ by less than this fraction.
SAME_STATE = 1e-4
# A dense density matrix and its Krylov vectors must fit in memory: 81 × N² × 16 bytes.
MAX_DIMENSION = 3000
# The population of a mode's highest level above which a truncation is not to be trusted.
TOP_LEVEL = 1e-4


@dataclass(frozen=True, eq=False)
class SteadyState:
    """The density matrix that L leaves alone, and how well.

    Attributes
    ----------
    rho : ndarray of shape (N, N)
        ρ, Hermitian with unit trace; read-only.
    system : OpenSystem
        The system it belongs to.
    residual : float
        ‖Lρ‖_F / (‖H_eff‖₁ ‖ρ‖_F), with ‖H_eff‖₁ the largest column sum.
    top_level : dict of str to float
        Population of the edge of the truncation, mode by mode; empty when the system has no space.
    method : str
        ``"eigenmodes"`` or ``"schur"``: how L0 was inverted.
    iterations : int
        Number of products with the Liouvillian.
    solver : {"auto", "propagation", "reduced"}
        How exact functions of clicks compute: see `Solver`. ``with_solver("propagation")`` gives the reference.
    workspace : dict
        What exact functions keep between calls.
    """

    rho: Matrix
    system: OpenSystem
    residual: float
    top_level: dict[str, float] = field(default_factory=dict)
    method: str = "eigenmodes"
    iterations: int = 0
    solver: str = "auto"
    workspace: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def with_solver(self, solver: str) -> SteadyState:
        """Return the same state whose exact functions compute in a given way.

        Parameters
        ----------
        solver : {"auto", "propagation", "reduced"}
            ``"propagation"`` follows the whole density matrix: slow, and the reference for the others.
            ``"reduced"`` diagonalises over few modes even where propagation is quick.

        Raises
        ------
        InvalidInput
            Another name.
        """
        return replace(self, solver=one_of(solver, "solver", SOLVERS))

    def __post_init__(self) -> None:
        object.__setattr__(self, "rho", read_only(self.rho, np.complex128))

    def expect(self, operator: Any) -> float | complex:
        """Return ⟨O⟩ = Tr(Oρ), a float when O is Hermitian.

        Parameters
        ----------
        operator : array or sparse array of shape (N, N)
            O.

        Raises
        ------
        InvalidInput
            Not a square matrix of dimension N.
        """
        matrix = as_operator(operator, "operator")
        if matrix.shape != self.rho.shape:
            raise InvalidInput(f"operator has dimension {matrix.shape[0]} but the state has {len(self.rho)}")
        value = complex(matrix.multiply(self.rho.T).sum())
        skew = abs(matrix - matrix.conj().T)
        hermitian = skew.nnz == 0 or skew.max() <= 1e-14 * abs(matrix).max()
        return value.real if hermitian else value

    def rate(self, channel: str) -> float:
        """Return λ_k = Tr(c_k† c_k ρ), the click rate of a channel in ω_b."""
        operator = self.system.channel(channel).operator
        return float(np.real(self.expect(operator.conj().T @ operator)))

    def truncation_warning(self) -> str | None:
        """Return which modes hold more than 1e-4 in their highest level, or None."""
        bad = {name: p for name, p in self.top_level.items() if p > TOP_LEVEL}
        if not bad:
            return None
        modes = ", ".join(f"{name} {p:.2g}" for name, p in bad.items())
        space = self.system.space
        doubtful = any(space is not None and space.levels.get(name) == 2 for name in bad)
        hint = " (a two-level system is known by a name that begins with 'atom')" if doubtful else ""
        return f"top-level population above {TOP_LEVEL:g}: {modes}; raise these levels or run converge{hint}"


def steady_state(
    system: OpenSystem, *, method: str = "auto", guess: SteadyState | NDArray[Any] | None = None
) -> SteadyState:
    """Solve L ρ = −i[H, ρ] + Σ_k D[c_k]ρ = 0 with Tr ρ = 1.

    Written as L ρ = (L0 + 𝒥) ρ with L0 X = −i H_eff X + i X H_eff†, the state is the fixed point of the
    jump map −L0⁻¹𝒥. It is found by GMRES on L (L0 − s)⁻¹ y = −L ρ₀, ρ = ρ₀ + (L0 − s)⁻¹ y, with the
    residual of the sparse L recomputed and the solve repeated down to rounding. A linear solve, unlike a search
    for the largest eigenvalue, is not misled when jumps alternate a parity and the map has an
    eigenvalue −1 too; the shift s is zero unless dark states make L0 singular.

    Parameters
    ----------
    system : OpenSystem
        The system.
    method : {"auto", "eigenmodes", "schur"}
        How L0 is inverted: in the eigenbasis of H_eff, or by triangular Sylvester solves in its Schur
        basis, which also work at an exceptional point. ``"auto"`` takes the eigenbasis when its
        condition number allows.
    guess : SteadyState or ndarray of shape (N, N), optional
        Where to start, for sweeps; the maximally mixed state otherwise.

    Returns
    -------
    SteadyState
        Its residual is at most 1e-12.

    Raises
    ------
    InvalidInput
        An unknown method, a dimension too large for dense matrices, or a guess that is no
        Hermitian matrix of dimension N with positive trace.
    SteadyStateNotUnique
        The system has a conserved quantity, so that the steady state depends on the start.
    ConvergenceError
        The residual stayed above 1e-12.
    """
    one_of(method, "method", METHODS)
    if system.dimension > MAX_DIMENSION:
        raise InvalidInput(f"dimension {system.dimension} exceeds {MAX_DIMENSION}; lower the levels")
    rho = _start(guess, system.dimension)
    liouvillian, resolvent = Liouvillian(system), choose_resolvent(system, method)
    inverse = Inverse(liouvillian, resolvent)
    rho, residual = _stationary(inverse, liouvillian, rho)
    if residual > RESIDUAL:
        raise ConvergenceError(
            f"steady state reached residual={residual:.2g}, above {RESIDUAL:g}; try method='schur' or a guess"
        )
    _require_unique(inverse, liouvillian, rho)
    return SteadyState(rho, system, residual, _top_level(system, rho), resolvent.name, inverse.products)


def _relative(liouvillian: Liouvillian, defect: Matrix, rho: Matrix) -> float:
    scale = liouvillian.scale * float(np.linalg.norm(rho))
    return float(np.linalg.norm(defect)) / scale if scale > 0 else 0.0


def _stationary(inverse: Inverse, liouvillian: Liouvillian, rho: Matrix) -> tuple[Matrix, float]:
    """Return the steady state reached from `rho`, refined while the residual still falls, and the residual."""
    defect = liouvillian.apply(rho)
    residual = _relative(liouvillian, defect, rho)
    while residual > ROUNDING:
        correction, _ = inverse.attempt(-defect, max(0.1 * ROUNDING / residual, 1e-13))
        better = hermitian_part(rho + correction)
        better /= np.trace(better).real
        defect = liouvillian.apply(better)
        previous, residual = residual, _relative(liouvillian, defect, better)
        if residual > 0.5 * previous:
            return (rho, previous) if residual > previous else (better, residual)
        rho = better
    return rho, residual


def _require_unique(inverse: Inverse, liouvillian: Liouvillian, rho: Matrix) -> None:
    """Raise when another start, a random pure state, ends in another steady state.

    The difference d of two steady states is traceless and obeys L d = 0, which is checked, so that slow
    convergence is not mistaken for it.
    """
    random = np.random.default_rng(20240601)
    ket = random.normal(size=(2, len(rho))).T @ np.array([1.0, 1.0j])
    other = np.outer(ket, ket.conj()) / np.vdot(ket, ket).real
    for tolerance in (1e-7, 1e-12):
        other = hermitian_part(other + inverse.attempt(-liouvillian.apply(other), tolerance)[0])
        difference = other / np.trace(other).real - rho
        if np.linalg.norm(difference) <= SAME_STATE * np.linalg.norm(rho):
            return
    motion = _relative(liouvillian, liouvillian.apply(difference), difference)
    if motion <= RESIDUAL:
        raise SteadyStateNotUnique(
            f"the steady state is not unique: two starts end in states that differ by "
            f"{np.linalg.norm(difference):.2g} with residual={motion:.1g}; evolve a given initial state instead"
        )
    raise ConvergenceError(
        f"could not decide whether the steady state is unique: residual={motion:.1g}; "
        "the slowest decay is too slow for double precision, so scale the rates up"
    )


def _start(guess: SteadyState | NDArray[Any] | None, dimension: int) -> Matrix:
    if guess is None:
        return np.eye(dimension, dtype=np.complex128) / dimension
    matrix = guess.rho if isinstance(guess, SteadyState) else np.asarray(guess)
    if matrix.shape != (dimension, dimension):
        raise InvalidInput(f"guess has shape {matrix.shape} but the system has dimension {dimension}")
    matrix = as_operator(sparse.csr_array(matrix), "guess").toarray()
    if np.abs(matrix - matrix.conj().T).max() > 1e-8 * np.abs(matrix).max() or np.trace(matrix).real <= 0:
        raise InvalidInput(f"guess must be Hermitian with positive trace, but its trace is {np.trace(matrix):.3g}")
    return hermitian_part(matrix) / np.trace(matrix).real


def _top_level(system: OpenSystem, rho: Matrix) -> dict[str, float]:
    if system.space is None:
        return {}
    population = np.diag(rho).real
    return {name: float(population[mask].sum()) for name, mask in system.space.top_levels().items()}
