"""The steady state of an open system, its click rates right to ten digits however far the rates lie apart."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..blas import one_blas_thread
from ..checks import one_of, positive_number
from ..errors import ConvergenceError, InvalidInput, SteadyStateNotUnique
from ..model import OpenSystem
from ..model.operators import as_operator
from ..notebook import Shown, Summary
from ..results import read_only
from ..stages import staged
from .essential_state import ESSENTIAL_RESIDUAL, connected, on_essential_states
from .reduced.essential import embedded
from .refinement import ACCEPTED, AIM, SAME_STATE, Refinement, effects_of, normalised, not_unique, relative_errors
from .superoperators.detected import NOTHING
from .superoperators.doubled import Doubled, Elimination, ExactGenerator, subtract
from .superoperators.hermitian_vectors import pack, unpack
from .superoperators.inverse import MOST_ELIMINATED
from .superoperators.liouvillian import Liouvillian, hermitian_part
from .top_levels import edge_populations, truncation_warning

Matrix = NDArray[np.complex128]

METHODS = ("auto", "eigenmodes", "schur", "elimination", "essential")
SOLVERS = ("auto", "propagation", "reduced", "doubling")
# Relative error of exact values that is aimed for, and the least that may be asked for.
ACCURACY, LEAST_ACCURACY = 1e-6, 1e-8
# A dense density matrix and its Krylov vectors must fit in memory: 81 × N² × 16 bytes.
MAX_DIMENSION = 3000
# Above this dimension the state is sought on essential basis states: 3 s instead of 73 at N = 1024.
LARGEST_WHOLE = 400
# Where more than this share of the states is essential, nothing is saved.
ESSENTIAL_SHARE = 0.8


@dataclass(frozen=True, eq=False, repr=False)
class SteadyState(Shown):
    """The stationary density matrix, Lρ = 0, with its residual and error.

    Attributes
    ----------
    rho : ndarray of shape (N, N)
        ρ, Hermitian with unit trace; read-only.
    system : OpenSystem
        The system it belongs to.
    residual : float
        ‖Lρ‖_F / (‖H_eff‖₁ ‖ρ‖_F), with ‖H_eff‖₁ the largest column sum. Beside a slow motion it says little about
        the error, which is given apart.
    top_level : dict of str to float
        Population of the edge of the truncation, mode by mode; empty when the system has no space.
    method : str
        ``"eigenmodes"`` or ``"schur"``: how L0 was inverted; or ``"direct"``, ``"elimination"``,
        ``"essential"``.
    iterations : int
        Number of products with the Liouvillian; on essential states, of rounds in which they grew.
    error : float
        Largest relative error of any click rate, and of ρ in norm: a bound after elimination, otherwise how far
        two unrelated starts still differ; on essential states, how far one with fewer states differs.
    solver : {"auto", "propagation", "reduced", "doubling"}
        How exact functions of clicks compute: see `Solver`. ``with_solver("propagation")`` gives the reference.
    accuracy : float
        Relative error that they aim for.
    workspace : dict
        Intermediate results of exact functions, kept between calls.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
    >>> round(steady.rate("atom"), 6), steady.residual < 1e-12
    (0.444444, True)
    """

    rho: Matrix
    system: OpenSystem
    residual: float
    top_level: dict[str, float] = field(default_factory=dict)
    method: str = "eigenmodes"
    iterations: int = 0
    error: float = 0.0
    solver: str = "auto"
    accuracy: float = ACCURACY
    workspace: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def _summary(self) -> Summary:
        title = f"Steady state of dimension {len(self.rho)}, by {self.method}"
        rate = self.system.time_unit.rate
        rows = [(f"rate of {name} ({rate})", f"{self.rate(name):.6g}") for name in self.system.channel_names]
        rows += [(f"top level of {name}", f"{share:.2g}") for name, share in self.top_level.items()]
        rows += [("residual", f"{self.residual:.2g}"), ("relative error of a rate", f"{self.error:.2g}")]
        return Summary(title, ("", "value"), rows)

    def with_solver(self, solver: str = "auto", accuracy: float = ACCURACY) -> SteadyState:
        """Return the same state whose exact functions compute in a given way, or to a given accuracy.

        Parameters
        ----------
        solver : {"auto", "propagation", "reduced", "doubling"}
            ``"propagation"`` follows the whole density matrix: slow, and the reference for the others.
            ``"reduced"`` diagonalises over few modes even where propagation is quick. ``"doubling"`` follows a
            small system in doubled precision, at a cost that hardly grows with the time but as N⁶.
        accuracy : float
            Relative error that is aimed for, from 1e-8 to 1e-6. Below 1e-6 ``"auto"`` takes a core of mode pairs
            only where it can be large enough, and else propagates the whole space, which may take minutes. What
            was reached is stated with each value, and is refused only where it would take hours.
            Above 400 dimensions the state must be one of the whole, ``method="eigenmodes"``.

        Raises
        ------
        InvalidInput
            Another name, or an accuracy outside these bounds.

        Examples
        --------
        >>> import trajectories as tj
        >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
        >>> steady = tj.lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
        >>> finer = steady.with_solver(accuracy=1e-8)
        >>> bool(tj.lindblad.g2(finer, "atom", "atom", [0.0, 1.0]).numerical_error.max() < 1e-8)
        True
        """
        if not LEAST_ACCURACY <= positive_number(accuracy, "accuracy") <= ACCURACY:
            raise InvalidInput(f"accuracy={accuracy:g} must lie between {LEAST_ACCURACY:g} and {ACCURACY:g}")
        return replace(self, solver=one_of(solver, "solver", SOLVERS), accuracy=float(accuracy))

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
            raise InvalidInput(
                f"operator has dimension {matrix.shape[0]} but the state has {len(self.rho)}; use the same space"
            )
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
        return truncation_warning(self.system, self.top_level)


@staged("steady state")
@one_blas_thread()  # the same bits for any number of them
def steady_state(
    system: OpenSystem, *, method: str = "auto", guess: SteadyState | NDArray[Any] | None = None
) -> SteadyState:
    """Solve L ρ = −i[H, ρ] + Σ_k D[c_k]ρ = 0 with Tr ρ = 1.

    Written as L ρ = (L0 + 𝒥) ρ with L0 X = −i H_eff X + i X H_eff†, the state is the fixed point of the
    jump map −L0⁻¹𝒥. It is found by GMRES on L (L0 − s)⁻¹ y = −L ρ₀, ρ = ρ₀ + (L0 − s)⁻¹ y. A linear solve,
    unlike a search for the largest eigenvalue, is not misled when jumps alternate a parity and the map has an
    eigenvalue −1 too; the shift s is zero unless dark states make L0 singular.

    The residual Lρ is computed in doubled precision (about 32 digits) from H and the c_k as given, and the solve
    repeated, until a second, unrelated start agrees in every click rate to ten digits. A small residual does not
    prove it: an overdamped atom relaxes at 4Ω²/κ, far below the rounding of κ. Where the repeated solves do not
    contract, L ρ = 0 is solved by elimination in doubled precision, with a bound of the error of each rate, if N
    is at most 50. Rates below 2e-26 ‖c†c‖_F may be taken for zero.

    Parameters
    ----------
    system : OpenSystem
        The system.
    method : {"auto", "eigenmodes", "schur", "elimination", "essential"}
        How L0 is inverted: in the eigenbasis of H_eff, or by triangular Sylvester solves in its Schur
        basis, which also work at an exceptional point; ``"elimination"`` as above. ``"essential"`` solves on the
        basis states whose population is estimated above 1e-15, a set that grows from a few states; others stay
        empty.
        ``"auto"`` takes the essential states above 400 dimensions where they are few; sparse factors of L
        (``"direct"`` in the result) of chains such as a cavity of many levels; else the eigenbasis when its
        condition number allows, and elimination where it is needed.
    guess : SteadyState or ndarray of shape (N, N), optional
        Where to start, for sweeps; the maximally mixed state otherwise.

    Returns
    -------
    SteadyState
        Its click rates are right to 1e-9 of each; on essential states ρ is right to `error`, typically 1e-8 in
        norm, because amplitudes of nearly empty states are left out.

    Raises
    ------
    InvalidInput
        An unknown method, a dimension too large for dense matrices, or a guess that is no
        Hermitian matrix of dimension N with positive trace.
    SteadyStateNotUnique
        The system has a conserved quantity, so that the steady state depends on the start.
    ConvergenceError
        A click rate could not be computed to 1e-9.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> steady = tj.lindblad.steady_state(system)
    >>> round(steady.expect(sigma.T @ sigma).real, 6)
    0.444444
    """
    one_of(method, "method", METHODS)
    if system.depends_on_time:
        remedy = (
            "its periodic state is that of lindblad.periodic_state, and `trajectories exact` prints its numbers"
        )
        if system.period is None:
            remedy = "evolve a given state with lindblad.evolve"
        raise InvalidInput(f"a system that depends on time has no steady state; {remedy}")
    if system.dimension > MAX_DIMENSION:
        raise InvalidInput(
            f"dimension {system.dimension} exceeds {MAX_DIMENSION}; lower the levels, or use "
            "lindblad.steady_ensemble"
        )
    start = _start(guess, system.dimension)
    if system.dimension == 1:  # a single state: nothing to solve
        return _finished(system, Doubled.of(np.ones(1)), method, 0, (0.0, np.zeros(1)))
    if method == "essential":
        found = _on_essential_states(system)
        if found is None:
            raise ConvergenceError(
                "the essential states are too many, or fall into parts that do not communicate; use method='auto'"
            )
        return found
    if method == "auto" and system.dimension > LARGEST_WHOLE:
        with suppress(ConvergenceError):  # the whole is solved instead
            found = _on_essential_states(system)
            if found is not None:
                return found
    if method == "elimination":
        if system.dimension > MOST_ELIMINATED:
            raise InvalidInput(
                f"method='elimination' takes N ≤ {MOST_ELIMINATED}, not {system.dimension}; use method='schur'"
            )
        return _eliminated(system)
    solver = Refinement(system, method)
    rho, other, error = solver.from_two_starts(start)
    if error > AIM and system.dimension <= MOST_ELIMINATED:
        return _eliminated(system)
    if error > ACCEPTED:
        disagreement = solver.disagreement(rho, other, error)
        if method == "auto" and system.dimension <= LARGEST_WHOLE:
            # High empty levels spoil the modes of the whole, of a displaced cavity for instance.
            with suppress(ConvergenceError):
                found = _on_essential_states(system)
                if found is not None:
                    return found
        raise disagreement
    doubt = np.abs(subtract(other, rho).high[:: system.dimension + 1])
    return _finished(system, rho, solver.resolvent.name, solver.inverse.products, (error, doubt))


def _on_essential_states(system: OpenSystem) -> SteadyState | None:
    """Return the steady state on essential states, or None where they are no saving or leave too much out."""
    judged = on_essential_states(system, ESSENTIAL_SHARE) if connected(system) else None
    if judged is None or judged.residual > ESSENTIAL_RESIDUAL:
        return None
    found, residual = judged.found, judged.residual
    rho = embedded(found.rho, found.states, system.dimension)
    error = max(judged.error, residual)
    return SteadyState(rho, system, residual, top_level(system, rho), "essential", found.rounds, error)


def _eliminated(system: OpenSystem) -> SteadyState:
    """Return the steady state by elimination in doubled precision, with a bound of its error."""
    size, effects = system.dimension, effects_of(system)
    matrix = ExactGenerator(system).matrix()
    # The trace of Lρ vanishes for any ρ, so that one population's equation follows from the others'.
    trace = pack(np.eye(size, dtype=np.complex128))
    matrix.high[0], matrix.low[0] = trace, 0.0
    solver, right = Elimination(matrix), Doubled.of(np.eye(size**2)[:, :1])
    if solver.singular:
        raise SteadyStateNotUnique(not_unique("Lρ = 0 has several solutions"))
    solution = solver.solve(right)
    populations = np.eye(size**2)[:: size + 1]
    errors = solver.error(solution, right, np.vstack([effects.toarray(), populations]))
    rates, sizes = effects @ solution.high[:, 0], sparse.linalg.norm(effects, axis=1)
    shares = relative_errors(errors[: len(rates)], rates, sizes)
    error = max(float(shares.max(initial=0.0)), float(errors[len(rates) :].max()))
    if error > SAME_STATE:
        raise SteadyStateNotUnique(not_unique(f"with 32 digits its populations are known only to {error:.1g}"))
    if error > ACCEPTED:
        raise ConvergenceError(
            f"steady state: a click rate is known only to {error:.2g}, above {ACCEPTED:g}; bring the rates closer"
        )
    rho = normalised(Doubled(solution.high[:, 0], solution.low[:, 0]))
    return _finished(system, rho, "elimination", 0, (error, errors[len(rates) :]))


def _finished(
    system: OpenSystem, rho: Doubled, method: str, products: int, errors: tuple[float, NDArray[np.float64]]
) -> SteadyState:
    """Return the state, given its error and those of its populations."""
    error, doubt = errors
    matrix, liouvillian, effects = unpack(rho.high), Liouvillian(system), effects_of(system)
    population = np.diag(matrix).real
    empty = (population <= NOTHING) & ~(doubt <= 0.1 * population)
    before = effects @ rho.high
    matrix[empty, :] = matrix[:, empty] = 0.0
    moved, sizes = np.abs(effects @ pack(matrix) - before), sparse.linalg.norm(effects, axis=1)
    error = max(error, float(relative_errors(moved, before, sizes).max(initial=0.0)))
    scale = liouvillian.scale * float(np.linalg.norm(matrix))
    residual = float(np.linalg.norm(liouvillian.apply(matrix))) / scale if scale > 0.0 else 0.0
    return SteadyState(matrix, system, residual, top_level(system, matrix), method, products, error)


def _start(guess: SteadyState | NDArray[Any] | None, dimension: int) -> Matrix:
    if guess is None:
        return np.eye(dimension, dtype=np.complex128) / dimension
    matrix = guess.rho if isinstance(guess, SteadyState) else np.asarray(guess)
    if matrix.shape != (dimension, dimension):
        raise InvalidInput(
            f"guess has shape {matrix.shape} but the system has dimension {dimension}; leave it out"
        )
    matrix = as_operator(sparse.csr_array(matrix), "guess").toarray()
    if np.abs(matrix - matrix.conj().T).max() > 1e-8 * np.abs(matrix).max() or np.trace(matrix).real <= 0:
        raise InvalidInput(f"guess must be Hermitian with positive trace, but its trace is {np.trace(matrix):.3g}")
    return hermitian_part(matrix) / np.trace(matrix).real


def top_level(system: OpenSystem, rho: Matrix) -> dict[str, float]:
    """Return the population of the highest level of each mode; nothing without a space."""
    return edge_populations(system.space, np.diag(rho).real)
