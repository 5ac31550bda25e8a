"""The equations of moments to a given order: generator, solve with its largest part, averages."""

from __future__ import annotations

from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.sparse import linalg as linalg_sparse

from ...model import OpenSystem
from ...model.space import HilbertSpace
from .indices import Indices, count
from .polynomials import Matrix, Polynomial
from .reference import Reference, reference
from .words import Word, Words, from_left, jump_words, master_equation

# Share of the slowest decay by which the inner generator is moved before it is factored.
SHIFT = 1e-3


class Hierarchy:
    """Moments S_n of total order Σn ≤ order, each an operator of the finite factors, as one vector.

    The two coordinates that couple most strongly to the finite factors are inner ones: with them the generator is
    inverted as a whole (`solve_blocks`), for given numbers of the others, whose own motion is diagonal.

    Parameters
    ----------
    system : OpenSystem
        Constant in time, with polynomials of few quanta.
    space : HilbertSpace
        Its space.
    order : int
        Largest total order.
    """

    def __init__(self, system: OpenSystem, space: HilbertSpace, order: int) -> None:
        equation = master_equation(system, space)
        given = reference(equation)
        self.size, self.order, self.core = equation.size, order, equation.core
        strength = sum(
            np.abs(s).max() * np.sum(np.abs(given.down[list(w)]) + np.abs(given.up[list(w)]), axis=0)
            for w, s in given.words.items()
        ) + np.zeros(2 * equation.modes)
        self.reference = _arranged(given, np.argsort(strength, kind="stable"))
        self.indices = Indices(2 * equation.modes - 2, 2, order)
        self._schur: dict[int, tuple[Matrix, Matrix]] = {}

    @property
    def unknowns(self) -> int:
        """Numbers of the vector."""
        return len(self.indices) * self.size**2

    @cached_property
    def generator(self) -> sparse.csr_array:
        """d/dt of the vector."""
        one, each = sparse.eye_array(self.size**2), sparse.eye_array(len(self.indices))
        own = sparse.diags_array(self.indices.rows @ self.reference.rates)
        total = sparse.kron(own, one) + sparse.kron(each, sparse.csr_array(self.core))
        total = total + self.superoperator(self.reference.words)
        if self.reference.drift.any():
            steps = self.indices.lowering
            mixing = sum(
                self.reference.drift[i, j] * (steps[i].T @ steps[j])
                for i, j in zip(*np.nonzero(self.reference.drift), strict=True)
            )
            total = total + sparse.kron(mixing, one)
        return sparse.csr_array(total)

    def superoperator(self, words: Words) -> sparse.csr_array:
        """Return Σ word ⊗ superoperator."""
        total = sparse.csr_array((self.unknowns, self.unknowns), dtype=np.complex128)
        for word, superoperator in words.items():
            total = total + sparse.kron(self._word(word), sparse.csr_array(superoperator))
        return sparse.csr_array(total)

    def _word(self, word: Word) -> sparse.csr_array:
        matrix = sparse.csr_array(sparse.eye_array(len(self.indices), dtype=np.complex128))
        for letter in word:
            matrix = sparse.csr_array(matrix @ self.letters[letter])
        return matrix

    @cached_property
    def letters(self) -> list[sparse.csr_array]:
        """Every letter as a matrix."""
        steps, one = self.indices.lowering, sparse.eye_array(len(self.indices))
        found = []
        given = self.reference
        for down, up, constant in zip(given.down, given.up, given.constant, strict=True):
            matrix = constant * one
            for step, low, high in zip(steps, down, up, strict=True):
                matrix = matrix + low * step + high * step.T
            matrix = sparse.csr_array(matrix)
            matrix.data[np.abs(matrix.data) < 1e-15 * np.abs(matrix.data).max(initial=0.0)] = 0.0
            matrix.eliminate_zeros()
            found.append(matrix)
        return found

    @cached_property
    def trace(self) -> Matrix:
        """Functional of the trace: of the moment of order 0."""
        functional = np.zeros(self.unknowns, dtype=np.complex128)
        functional[: self.size**2] = np.eye(self.size).reshape(-1)
        return functional

    def average(self, terms: Polynomial, vector: Matrix) -> complex:
        """Return ⟨Σ a†^p a^q X⟩."""
        total = 0.0 + 0.0j
        moments = vector.reshape(len(self.indices), self.size**2)
        for (p, q), x in terms.items():
            total += complex(x.T.reshape(-1) @ (self.row(from_left(p, q)) @ moments))
        return total

    def norm(self, terms: Polynomial, vector: Matrix, power: int = 1) -> float:
        """Return Tr[cⁿρc†ⁿ] = ⟨c†ⁿcⁿ⟩."""
        moments = vector.reshape(len(self.indices), self.size**2)
        trace, total = np.eye(self.size).reshape(-1), 0.0 + 0.0j
        for chain in product(jump_words(terms).items(), repeat=power):
            word = tuple(letter for part, _ in chain for letter in part)
            value = self.row(word) @ moments
            for _, superoperator in reversed(chain):
                value = superoperator @ value
            total += complex(trace @ value)
        return total.real

    def row(self, word: Word) -> Matrix:
        """Return the moment of order 0 after a word, as a functional of the moments."""
        row = np.zeros(len(self.indices), dtype=np.complex128)
        row[0] = 1.0
        for letter in word:
            row = row @ self.letters[letter]
        return row

    @cached_property
    def _inner(self) -> sparse.csr_array:
        """The generator of inner coordinates and finite factors, where the outer numbers are zero."""
        return sparse.csr_array(self.generator[: self._width(self.order), : self._width(self.order)])

    def _width(self, order: int) -> int:
        """Return how many numbers the inner moments to an order have."""
        return count(2, order) * self.size**2

    @cached_property
    def _factors(self) -> linalg_sparse.SuperLU:
        """Factors of the inner generator, with a rank-one term of the trace without which it has no inverse.

        It is moved a little, so that it has one too where the finite factors alone conserve something.
        """
        slowest = float(-self.reference.rates.real.max())
        inner = (self._inner - SHIFT * slowest * sparse.eye_array(self._width(self.order))).tolil()
        inner[: self.size**2, : self.size**2] += np.outer(self.normal, self.trace[: self.size**2])[: self.size**2]
        return linalg_sparse.splu(sparse.csc_array(inner))

    def _triangular(self, order: int) -> tuple[Matrix, Matrix]:
        """Return the Schur form T, Q of the inner generator to an order."""
        if order not in self._schur:
            width = self._width(order)
            self._schur[order] = linalg.schur(self._inner[:width, :width].toarray(), output="complex")
        return self._schur[order]

    @cached_property
    def normal(self) -> Matrix:
        """The maximally mixed state of the finite factors, with the modes in their Gaussian state."""
        return self.trace / self.size

    def solve_blocks(self, vector: Matrix) -> Matrix:
        """Solve with the part of the generator that leaves the outer numbers as they are."""
        found = np.empty_like(vector)
        starts = self.indices.starts * self.size**2
        found[: starts[1]] = self._factors.solve(vector[: starts[1]])
        totals = self.indices.outer.sum(axis=1)
        own = self.indices.outer @ self.reference.rates[: self.indices.outer.shape[1]]
        for k in range(1, int(totals.max()) + 1):
            chosen = np.flatnonzero(totals == k)
            triangle, unitary = self._triangular(self.order - k)
            block = slice(starts[chosen[0]], starts[chosen[-1] + 1])
            sources = unitary.conj().T @ vector[block].reshape(len(chosen), -1).T
            # T Y + Y diag(λ) = Q†X
            solved, scale, _ = linalg.lapack.ztrsyl(triangle, np.diag(own[chosen]), sources)
            found[block] = (unitary @ solved).T.reshape(-1) / scale
        return found


def _arranged(given: Reference, order: NDArray[np.intp]) -> Reference:
    """Return a reference with its coordinates in another order."""
    return given._replace(
        rates=given.rates[order],
        down=given.down[:, order],
        up=given.up[:, order],
        drift=given.drift[np.ix_(order, order)],
    )
