"""Linear equations with L on the essential basis states, to a few digits: what estimates of group sizes need."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ...errors import ConvergenceError
from ...model import OpenSystem
from ..reduced.core_resolvent import CoreResolvent, core_resolvent
from ..reduced.essential import STATE_CUT
from ..reduced.stationary import cut_out
from ..steady_state import SteadyState
from ..superoperators.hermitian_vectors import Vector, pack, packed_generator, unpack
from ..superoperators.inverse import SINGULAR, choose_resolvent
from ..superoperators.krylov import KrylovSolution, gmres
from ..superoperators.liouvillian import Liouvillian, hermitian_part
from ..superoperators.no_jump import Resolvent

Array = NDArray[np.float64]
Matrix = NDArray[np.complex128]

# Dimension above which only essential basis states are kept, and what may be left out of them.
RESTRICT, CUT = 150, 10.0 * STATE_CUT
# Largest matrix of L, in rows, that is inverted.
LARGEST_MATRIX = 1000
# Dimension up to which L0 preconditions L: nine products a solution instead of four, each of them quick.
LARGEST_PLAIN = 80
# Residual of the solutions, relative to the right-hand side, with a core and without, and products with L in a
# solution. A core leaves errors of 1e-6 at that residual.
CORE_TOLERANCE, TOLERANCE, MAX_PRODUCTS = 1e-5, 1e-7, 300
# A residual above this is no solution.
REFUSED = 1e-3


class EssentialEquations:
    """(s − L) X = R on the essential basis states: from the matrix of L where it is small, else by GMRES.

    L is preconditioned by itself on the pairs of modes that matter, or, as in `Inverse`, by L0 alone. The adjoint
    of L0 is the L0 of the system with the Hamiltonian −H.

    Attributes
    ----------
    system : OpenSystem
        The system, restricted where that saves much.
    rho : ndarray
        Its stationary state, packed.
    """

    def __init__(self, steady: SteadyState) -> None:
        self.system, rho = steady.system, steady.rho
        if self.system.dimension > RESTRICT:  # few states matter
            found = cut_out(self.system, rho, CUT)
            self.system, rho = found.system, found.rho
        self.rho: Vector = pack(rho)
        self._liouvillian = Liouvillian(self.system)
        self._matrices: dict[float, Array] = {}

    def forward(self, state: Vector, shift: float) -> Vector:
        """Return (s − L)⁻¹ X for s > 0."""
        if self._small:
            return self._inverted(shift) @ state
        return self._solved(state, shift)

    def backward(self, observable: Vector, shift: float) -> Vector:
        """Return the adjoint of (s − L)⁻¹ applied to O, for s > 0."""
        if self._small:
            return observable @ self._inverted(shift)
        return self._solved(observable, shift, adjoint=True)

    def traceless(self, source: Vector) -> Vector:
        """Return the traceless X with −L X = R, for a traceless R."""
        found = self._solved(source, 0.0)
        step = self.system.dimension + 1
        return found - float(found[::step].sum()) * self.rho

    @property
    def _small(self) -> bool:
        return self.system.dimension**2 <= LARGEST_MATRIX

    def _inverted(self, shift: float) -> Array:
        if shift not in self._matrices:
            size = self.system.dimension**2
            generator = packed_generator(self.system)
            columns = np.array([generator.apply(row) for row in np.eye(size)]).T
            self._matrices[shift] = np.asarray(linalg.inv(shift * np.eye(size) - columns))
        return self._matrices[shift]

    @cached_property
    def _resolvents(self) -> tuple[Resolvent, Resolvent]:
        """L0 and its adjoint, inverted."""
        turned = OpenSystem(-self.system.hamiltonian, self.system.channels)
        return choose_resolvent(self.system), choose_resolvent(turned)

    @cached_property
    def _core(self) -> CoreResolvent | None:
        """L inverted on the pairs of modes that matter, where there are many others."""
        return core_resolvent(self.system, unpack(self.rho)) if self.system.dimension > LARGEST_PLAIN else None

    def _solved(self, source: Vector, shift: float, *, adjoint: bool = False) -> Vector:
        """Return X with (L − s) X = −R, or the adjoint of that."""
        if self._core is not None:
            core = self._core
            found = self._attempt(
                source,
                shift,
                adjoint,
                lambda state: core.solve(state, shift, adjoint=adjoint),
                CORE_TOLERANCE,
            )
            if found.relative <= CORE_TOLERANCE:
                return pack(hermitian_part(found.solution))
        found = self._attempt(source, shift, adjoint, self._without_jumps(shift, adjoint), TOLERANCE)
        if found.relative > REFUSED:
            raise ConvergenceError(
                f"a linear equation is left with residual={found.relative:.2g}; bring the rates closer"
            )
        return pack(hermitian_part(found.solution))

    def _attempt(
        self,
        source: Vector,
        shift: float,
        adjoint: bool,
        precondition: Callable[[Matrix], Matrix],
        tolerance: float,
    ) -> KrylovSolution:
        apply = self._liouvillian.adjoint if adjoint else self._liouvillian.apply
        return gmres(
            lambda state: apply(state) - shift * state,
            -unpack(source),
            tolerance=tolerance,
            max_products=MAX_PRODUCTS,
            precondition=precondition,
        )

    def _without_jumps(self, shift: float, adjoint: bool) -> Callable[[Matrix], Matrix]:
        """Return (L0 − s′)⁻¹; s′ = s unless that leaves L0 singular."""
        resolvent, near = self._resolvents[int(adjoint)], shift
        if resolvent.slowest() + shift <= SINGULAR * self._liouvillian.scale:  # a dark state
            near = max(0.1 * float(self.system.decay.diagonal().real.mean()), 1e-9 * self._liouvillian.scale)
        return lambda state: hermitian_part(resolvent.solve(state, near))


def essential_equations(steady: SteadyState) -> EssentialEquations:
    """Return the equations of a steady state, made once."""
    if "essential equations" not in steady.workspace:
        steady.workspace["essential equations"] = EssentialEquations(steady)
    found: EssentialEquations = steady.workspace["essential equations"]
    return found
