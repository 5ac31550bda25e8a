"""Operators as normally ordered polynomials of their modes, read off their truncated matrices."""

from __future__ import annotations

from math import factorial, prod

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ...errors import InvalidInput
from ...model.space import HilbertSpace

Matrix = NDArray[np.complex128]
Powers = tuple[int, ...]
# O = Σ Π_j a_j†^p_j a_j^q_j ⊗ X_pq, with X_pq on the finite factors: {(p, q): X_pq}.
Polynomial = dict[tuple[Powers, Powers], Matrix]

# Relative size below which an element is rounding.
ROUNDING = 1e-12


def polynomial(operator: sparse.csr_array, space: HilbertSpace, what: str) -> Polynomial:
    """Return an operator as a normally ordered polynomial of the modes of a space.

    The element ⟨n|O|m⟩ of lowest total n + m that is left gives the term a†ⁿaᵐ, which is then taken off. A term
    that rests on the highest level of a mode is refused: it may come from the truncation alone, as in a a†.

    Parameters
    ----------
    operator : sparse array of shape (N, N)
        O.
    space : HilbertSpace
        Without a cut-off of the total excitation.
    what : str
        Named in errors.

    Raises
    ------
    InvalidInput
        A term of higher power than the levels can show.
    """
    modes = space.modes
    levels = tuple(space.levels[name] for name in modes)
    size = prod(space.levels[name] for name in space.finite)
    occupation = np.stack(np.unravel_index(np.arange(prod(levels)), levels), axis=1)
    left = sparse.csr_array(operator, dtype=np.complex128)
    negligible = ROUNDING * float(abs(left).max()) if left.nnz else 0.0
    found: Polynomial = {}
    while True:
        rest = left.tocoo()
        here = np.abs(rest.data) > negligible
        if not here.any():
            return found
        rows, columns = (x[here] // size for x in rest.coords)
        first = int(np.argmin(occupation[rows].sum(axis=1) + occupation[columns].sum(axis=1)))
        row, column = int(rows[first]), int(columns[first])
        up, down = (tuple(int(n) for n in occupation[i]) for i in (row, column))
        for name, count, p, q in zip(modes, levels, up, down, strict=True):
            if max(p, q) > count - 2:
                raise InvalidInput(
                    f"{what} has a term {name}†^{p} {name}^{q}, which {count} levels cannot tell from an effect "
                    f"of the truncation; write lowering operators to the right, or take {max(p, q) + 2} levels"
                )
        block = left[row * size : (row + 1) * size, column * size : (column + 1) * size].toarray()
        block = block / np.sqrt(float(prod(map(factorial, up + down))))
        found[up, down] = block
        left = sparse.csr_array(left - sparse.kron(_monomial(levels, up, down), sparse.csr_array(block)))


def _monomial(levels: Powers, up: Powers, down: Powers) -> sparse.csr_array:
    """Return Π a†^p a^q on truncated modes."""
    whole = sparse.csr_array(np.ones((1, 1)))
    for count, p, q in zip(levels, up, down, strict=True):
        lower = sparse.csr_array(sparse.diags_array(np.sqrt(np.arange(1.0, count)), offsets=1))
        factor = sparse.csr_array(sparse.eye_array(count))
        for step in (*(lower,) * q, *(lower.T,) * p):
            factor = sparse.csr_array(step @ factor)
        whole = sparse.csr_array(sparse.kron(whole, factor))
    return whole
