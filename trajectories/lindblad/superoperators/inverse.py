"""Linear equations G X = R for a Liouvillian or a part of it, by GMRES on exact residuals, or by elimination."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...errors import ConvergenceError, InvalidInput
from ...model import OpenSystem
from .doubled import Doubled, Elimination, ExactGenerator, add, subtract
from .hermitian_vectors import Vector, pack, unpack
from .krylov import KrylovSolution, gmres
from .liouvillian import Liouvillian, hermitian_part
from .no_jump import Eigenmodes, Resolvent, SchurModes
from .sparse_inverse import sparse_inverse

Matrix = NDArray[np.complex128]

MAX_PRODUCTS = 600
# Largest N whose N² × N² matrix is eliminated in doubled precision: half a minute and 300 MB.
MOST_ELIMINATED = 50
# L0 counts as singular when its smallest eigenvalue is below this fraction of ‖H_eff‖₁.
SINGULAR = 1e-11
# The residual that is aimed for, relative to the right-hand side; each round of refinement must gain this factor.
SOLVED = 1e-24
GAIN = 1e-3
ROUNDS = 8
# Largest error of an observable that is accepted, relative to its terms.
ACCEPTED = 1e-9
# What rounding in the doubled precision leaves of a residual, relative to ‖G‖‖X‖.
FLOOR = 1e-29


class Inverse:
    """Solves G X = R, where G differs from L0 by jump terms: GMRES on G (L0 − s)⁻¹.

    The jumps are weak beside the frequencies in H_eff, so that L0 alone is most of G. The shift s is
    zero unless a dark state makes L0 singular.

    Parameters
    ----------
    liouvillian : Liouvillian
        L.
    resolvent : Resolvent
        (L0 − s)⁻¹.
    detected : mapping of str to float, optional
        η_k: G = L − Σ_k η_k J_k − d. G = L when not given.
    dark : float
        d.

    Attributes
    ----------
    products : int
        Products with G so far.
    closer : callable or None
        A better preconditioner than (L0 − s)⁻¹, if one was found.
    """

    def __init__(
        self,
        liouvillian: Liouvillian,
        resolvent: Resolvent,
        detected: Mapping[str, float] | None = None,
        dark: float = 0.0,
    ) -> None:
        self.liouvillian, self.resolvent, self.products = liouvillian, resolvent, 0
        self.detected, self.dark = dict(detected or {}), dark
        self.closer: Callable[[Matrix], Matrix] | None = None
        self._factors: Elimination | None = None
        decay = float(liouvillian.system.decay.diagonal().real.mean())
        singular = resolvent.slowest() <= SINGULAR * liouvillian.scale
        # The shift must be small beside the rates but not beside rounding errors.
        self.shift = max(0.1 * decay, 1e-9 * liouvillian.scale) if singular else 0.0

    def apply(self, state: Matrix) -> Matrix:
        """Return G X in doubles."""
        moved = self.liouvillian.apply(state)
        if self.detected:
            moved = moved - self.liouvillian.jump(state, self.detected)
        return moved - self.dark * state if self.dark else moved

    @cached_property
    def exact(self) -> ExactGenerator:
        """G in doubled precision."""
        return ExactGenerator(self.liouvillian.system, self.detected, self.dark)

    def precondition(self, source: Matrix) -> Matrix:
        """Return (L0 − s)⁻¹ R, or what is closer to G⁻¹ R."""
        if self.closer is not None:
            return self.closer(source)
        return hermitian_part(self.resolvent.solve(source, self.shift))

    def attempt(self, source: Matrix, tolerance: float, most: int = MAX_PRODUCTS) -> tuple[Matrix, KrylovSolution]:
        """Return the best X with G X ≈ R, and what GMRES reached in so many products; R and X are Hermitian."""
        found = gmres(self.apply, source, tolerance=tolerance, max_products=most, precondition=self.precondition)
        self.products += found.products
        return found.solution, found

    def solve(self, source: Vector, observable: Vector, stationary: Vector | None = None) -> Vector:
        """Return X with G X = R, refined on residuals of doubled precision.

        Where a motion is so slow that the refinement does not gain three digits a round, X is found by elimination
        in doubled precision, with a bound of the error of the observable.

        Parameters
        ----------
        source : ndarray of shape (N²,)
            Packed R.
        observable : ndarray of shape (N²,)
            Packed u: u·X must be right to 1e-9 of |u|·|X|.
        stationary : ndarray of shape (N²,), optional
            Packed ρ with G ρ = 0, if G has such a state; R is then traceless, and so is X.

        Raises
        ------
        ConvergenceError
            The observable could not be computed to 1e-9.
        """
        right = Doubled.of(source)
        solution, relative, gained = self._refined(right, stationary)
        if relative <= SOLVED or gained:
            return solution.high
        if self.liouvillian.system.dimension <= MOST_ELIMINATED:
            return self._eliminated(right, observable, stationary is not None)
        raise ConvergenceError(
            f"a linear equation was left with residual={relative:.2g} because a motion is too slow; "
            f"bring the rates closer, or lower N to {MOST_ELIMINATED}"
        )

    def _refined(self, right: Doubled, stationary: Vector | None) -> tuple[Doubled, float, bool]:
        """Return X, ‖GX − R‖/‖R‖, and whether that is all that rounding allows."""
        identity = pack(np.eye(self.liouvillian.system.dimension, dtype=np.complex128))
        solution, norm = Doubled.of(np.zeros_like(right.high)), float(np.linalg.norm(right.high))
        previous = np.inf
        for number in range(ROUNDS):
            residual = subtract(right, self.exact.apply(solution)).high
            if stationary is not None:
                # G reaches traceless matrices only: what is left of a trace is rounding of R.
                residual = residual - float(identity @ residual) * stationary
            left = float(np.linalg.norm(residual))
            if left <= max(SOLVED * norm, FLOOR * self.liouvillian.scale * float(np.linalg.norm(solution.high))):
                return solution, left, True
            if left > GAIN * previous:
                break
            correction, _ = self.attempt(unpack(residual), 1e-13 if number == 0 else 1e-8)
            solution, previous = add(solution, Doubled.of(pack(correction))), left
        return solution, left / norm, False

    def _eliminated(self, right: Doubled, observable: Vector, singular: bool) -> Vector:
        """Return X by elimination; the trace replaces one population's equation where G is singular."""
        system = self.liouvillian.system
        right = Doubled(right.high.reshape(-1, 1).copy(), right.low.reshape(-1, 1).copy())
        if singular:
            right.high[0] = right.low[0] = 0.0
        if self._factors is None:
            matrix = self.exact.matrix()
            if singular:
                matrix.high[0], matrix.low[0] = pack(np.eye(system.dimension, dtype=np.complex128)), 0.0
            self._factors = Elimination(matrix)
        if self._factors.singular:
            raise ConvergenceError("a linear equation has no unique solution; the system has a conserved quantity")
        solution = self._factors.solve(right)
        error = float(self._factors.error(solution, right, observable[None])[0])
        size = float(np.abs(observable) @ np.abs(solution.high[:, 0]))
        if error > ACCEPTED * size:
            raise ConvergenceError(
                f"a linear equation is solved to {error / size:.2g}, above {ACCEPTED:g}; bring the rates closer"
            )
        return solution.high[:, 0]


def choose_resolvent(system: OpenSystem, method: str = "auto") -> Resolvent:
    """Return L0's inverse in the eigenbasis of H_eff if that is well conditioned, else in its Schur basis."""
    if method == "schur":
        return SchurModes(system)
    modes = Eigenmodes(system)
    if modes.usable:
        return modes
    if method == "eigenmodes":
        raise InvalidInput(
            f"method='eigenmodes' needs cond(V) below 1e7, but it is {modes.condition:.2g}; use method='schur'"
        )
    return SchurModes(system)


def resolvent_of_all(system: OpenSystem, method: str = "auto") -> Resolvent:
    """Return factors of L for chains of many states, or whose modes are no basis; else L0's inverse."""
    direct = sparse_inverse(system) if method == "auto" else None
    if direct is not None:
        return direct
    chosen = choose_resolvent(system, method)
    if method == "auto" and chosen.name == SchurModes.name:
        return sparse_inverse(system, MOST_ELIMINATED + 1) or chosen
    return chosen
