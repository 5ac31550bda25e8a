"""Linear equations G X = R for a Liouvillian or a part of it, by preconditioned GMRES."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...errors import ConvergenceError, InvalidInput
from ...model import OpenSystem
from .krylov import KrylovSolution, gmres
from .liouvillian import Liouvillian, hermitian_part
from .no_jump import Eigenmodes, Resolvent, SchurModes

Matrix = NDArray[np.complex128]

MAX_PRODUCTS = 600
# L0 counts as singular when its smallest eigenvalue is below this fraction of ‖H_eff‖₁.
SINGULAR = 1e-11
# A solution is refused above this residual, relative to the right-hand side.
SOLVED = 1e-10


class Inverse:
    """Solves G X = R, where G differs from L0 by jump terms: GMRES on G (L0 − s)⁻¹.

    The jumps are weak beside the frequencies in H_eff, so that L0 alone is most of G. The shift s is
    zero unless a dark state makes L0 singular.

    Attributes
    ----------
    products : int
        Products with G so far.
    """

    def __init__(
        self,
        liouvillian: Liouvillian,
        resolvent: Resolvent,
        generator: Callable[[Matrix], Matrix] | None = None,
    ) -> None:
        self.generator = generator or liouvillian.apply
        self.resolvent, self.products = resolvent, 0
        decay = float(liouvillian.system.decay.diagonal().real.mean())
        singular = resolvent.slowest() <= SINGULAR * liouvillian.scale
        # The shift must be small beside the rates but not beside rounding errors.
        self.shift = max(0.1 * decay, 1e-9 * liouvillian.scale) if singular else 0.0

    def precondition(self, source: Matrix) -> Matrix:
        """Return (L0 − s)⁻¹ R."""
        return hermitian_part(self.resolvent.solve(source, self.shift))

    def attempt(self, source: Matrix, tolerance: float) -> tuple[Matrix, KrylovSolution]:
        """Return the best X with G X ≈ R, and what GMRES reached; R and X are Hermitian."""

        def action(vector: Matrix) -> Matrix:
            return self.generator(self.precondition(vector))

        found = gmres(action, source, tolerance=tolerance, max_products=MAX_PRODUCTS)
        self.products += found.products
        return self.precondition(found.solution), found

    def solve(self, source: Matrix) -> Matrix:
        """Return X with G X = R, refined once against rounding.

        Raises
        ------
        ConvergenceError
            The residual stayed above 1e-10 of R.
        """
        solution, found = self.attempt(source, 1e-13)
        if found.relative > SOLVED:
            raise ConvergenceError(
                f"a linear equation was left with residual={found.relative:.2g}, above {SOLVED:g}; "
                "rates that differ less may help"
            )
        return solution + self.attempt(source - self.generator(solution), 1e-3)[0]


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
