"""The evolution between clicks, L0 X = −i H_eff X + i X H_eff†, inverted."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ...model import OpenSystem

Matrix = NDArray[np.complex128]

# Above this condition number of V, half the digits of a double are lost in V⁻¹; Schur vectors lose none.
MAX_CONDITION = 1e7
# Triangular Sylvester equations below this size go to LAPACK; larger ones are split in four.
SYLVESTER_BLOCK = 48


class Resolvent(Protocol):
    """Something that solves (L0 − s) X = R."""

    name: str

    def solve(self, source: Matrix, shift: float) -> Matrix:
        """Return (L0 − s)⁻¹ R."""
        ...

    def slowest(self) -> float:
        """Return min |λ_j − λ̄_k|, zero when L0 is singular."""
        ...


class Eigenmodes:
    """(L0 − s)⁻¹ in the eigenbasis of H_eff = V Λ V⁻¹, where L0 is diagonal: −i(λ_j − λ̄_k).

    Attributes
    ----------
    values : ndarray of shape (N,)
        λ_j; −2 Im λ_j is the decay rate of a mode.
    vectors, inverse : ndarray of shape (N, N)
        V, with columns of unit norm, and V⁻¹.
    condition : float
        ‖V‖₂‖V⁻¹‖₂; infinite at an exceptional point.
    """

    name = "eigenmodes"

    def __init__(self, system: OpenSystem) -> None:
        self.values, self.vectors = linalg.eig(system.centred_H_eff.toarray())
        singular = linalg.svdvals(self.vectors)
        self.condition = float(singular[0] / singular[-1]) if singular[-1] > 0 else np.inf
        self.rates: Matrix = -1j * (self.values[:, None] - self.values.conj()[None, :])
        self.inverse = np.linalg.inv(self.vectors) if self.usable else self.vectors
        # What a solution of many right-hand sides needs each time.
        self._adjoints = [np.ascontiguousarray(m.conj().T) for m in (self.inverse, self.vectors)]
        self._last: tuple[float, Matrix] | None = None

    @property
    def usable(self) -> bool:
        """Whether V can be inverted without losing half the digits."""
        return self.condition < MAX_CONDITION

    def solve(self, source: Matrix, shift: float) -> Matrix:
        """Return V [ (V⁻¹ R V⁻†)_jk / (−i(λ_j − λ̄_k) − s) ] V†."""
        last = self._last  # another thread may replace it meanwhile
        if last is None or last[0] != shift:
            last = self._last = shift, self.rates - shift
        inner = self.inverse @ source @ self._adjoints[0]
        return self.vectors @ (inner / last[1]) @ self._adjoints[1]

    def slowest(self) -> float:
        """Return min |λ_j − λ̄_k|, zero when L0 is singular."""
        return float(np.abs(self.rates).min())


class SchurModes:
    """(L0 − s)⁻¹ by the Bartels–Stewart method: unitary Schur vectors and triangular Sylvester solves.

    With H_eff = U T U†, A = −iT − s/2 is upper triangular and A Y + Y A† = U†RU is solved by
    recursive blocking (Jonsson and Kågström, ACM Trans. Math. Softw. 28, 392 (2002)). It costs a few
    times more than `Eigenmodes` and never suffers from an ill-conditioned eigenbasis.
    """

    name = "schur"

    def __init__(self, system: OpenSystem) -> None:
        self.triangle, self.vectors = linalg.schur(system.centred_H_eff.toarray(), output="complex")

    def solve(self, source: Matrix, shift: float) -> Matrix:
        """Return U Y U†, with A Y + Y A† = U† R U."""
        operator = -1j * self.triangle - 0.5 * shift * np.eye(len(self.triangle))
        inner = self.vectors.conj().T @ source @ self.vectors
        return self.vectors @ solve_lyapunov_triangular(operator, operator, inner) @ self.vectors.conj().T

    def slowest(self) -> float:
        """Return min |λ_j − λ̄_k|, zero when L0 is singular."""
        values = np.diag(self.triangle)
        return float(np.abs(values[:, None] - values.conj()[None, :]).min())


def solve_lyapunov_triangular(left: Matrix, right: Matrix, source: Matrix) -> Matrix:
    """Return Y with A Y + Y B† = R, for upper triangular A and B of any two sizes."""
    rows, columns = source.shape
    if max(rows, columns) <= SYLVESTER_BLOCK:
        solution, scale, _ = linalg.lapack.ztrsyl(left, right, source, trana="N", tranb="C")
        return solution / scale
    solution = np.empty_like(source)
    if rows >= columns:
        cut = rows // 2
        solution[cut:] = solve_lyapunov_triangular(left[cut:, cut:], right, source[cut:])
        remainder = source[:cut] - left[:cut, cut:] @ solution[cut:]
        solution[:cut] = solve_lyapunov_triangular(left[:cut, :cut], right, remainder)
        return solution
    cut = columns // 2
    solution[:, cut:] = solve_lyapunov_triangular(left, right[cut:, cut:], source[:, cut:])
    remainder = source[:, :cut] - solution[:, cut:] @ right[:cut, cut:].conj().T
    solution[:, :cut] = solve_lyapunov_triangular(left, right[:cut, :cut], remainder)
    return solution
