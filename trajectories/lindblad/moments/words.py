"""The master equation as words of four letters a mode, multiplied with superoperators of the finite factors.

On R(u, v) = Tr_modes[Π e^{u_j a_j†} e^{v_j a_j} ρ], an operator of the finite factors, they are of first order:
aρ → ∂_v R, ρa† → ∂_u R, a†ρ → (∂_u + v)R, ρa → (∂_v + u)R.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...model import OpenSystem
from ...model.space import HilbertSpace
from .polynomials import Matrix, Polynomial, Powers, polynomial

# A letter is 4·mode + kind; a word multiplies in the order written, so that its last letter acts first.
LOWER_LEFT, RAISE_LEFT, LOWER_RIGHT, RAISE_RIGHT = range(4)
Word = tuple[int, ...]
Words = dict[Word, Matrix]


class MasterEquation(NamedTuple):
    """dρ/dt = Σ word ⊗ superoperator, the superoperators on row-major vectors of d² numbers.

    Attributes
    ----------
    core : ndarray of shape (d², d²)
        What the empty word has: the motion of the finite factors alone.
    words : dict
        Superoperators by word, whose part proportional to the identity may be split off.
    whole : dict
        Superoperators that are not to be split, because their terms keep the trace only together.
    modes, size : int
        Number of modes, and dimension d of the finite factors together.
    """

    core: Matrix
    words: Words
    whole: Words
    modes: int
    size: int


def master_equation(system: OpenSystem, space: HilbertSpace) -> MasterEquation:
    """Return −i[H, ρ] + Σ (cρc† − ½{c†c, ρ}) as words."""
    hamiltonian = polynomial(system.hamiltonian, space, "the Hamiltonian")
    channels = [polynomial(c.operator, space, f"the jump operator of {c.name!r}") for c in system.channels]
    words: Words = {}
    whole: Words = {}
    for (p, q), x in hamiltonian.items():
        _add(words, from_left(p, q), -1j * _left(x))
        _add(words, from_right(p, q), 1j * _right(x))
    for terms in channels:
        for ((p, q), x), ((r, s), y) in product(terms.items(), repeat=2):
            # Where one of them is proportional to 1, so are the identity's parts of all three in equal measure.
            chosen = words if _scalar(x) or _scalar(y) else whole
            both = x.conj().T @ y
            _add(chosen, from_left(r, s) + from_right(q, p), _left(y) @ _right(x.conj().T))
            _add(chosen, from_left(q, p) + from_left(r, s), -0.5 * _left(both))
            _add(chosen, from_right(r, s) + from_right(q, p), -0.5 * _right(both))
    size = int(np.prod([space.levels[name] for name in space.finite], dtype=np.int64))
    nothing = np.zeros((size**2, size**2), dtype=np.complex128)
    core = words.pop((), nothing) + whole.pop((), nothing)
    return MasterEquation(core, words, whole, len(space.modes), size)


def from_left(up: Powers, down: Powers) -> Word:
    """Return the word of a†^p a^q ρ."""
    return _letters(RAISE_LEFT, up) + _letters(LOWER_LEFT, down)


def from_right(up: Powers, down: Powers) -> Word:
    """Return the word of ρ a†^p a^q: what stands next to ρ acts first."""
    return _letters(LOWER_RIGHT, down) + _letters(RAISE_RIGHT, up)


def jump_words(terms: Polynomial) -> Words:
    """Return cρc† as words."""
    found: Words = {}
    for ((p, q), x), ((r, s), y) in product(terms.items(), repeat=2):
        _add(found, from_left(r, s) + from_right(q, p), _left(y) @ _right(x.conj().T))
    return found


def letters(modes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return α and β of every letter α·∂ + β·z, z = (u₁ … u_M, v₁ … v_M), shapes (4M, 2M)."""
    unit = np.eye(2 * modes)
    u, v, none = unit[:modes], unit[modes:], np.zeros(2 * modes)
    rows = [((v[j], none), (u[j], v[j]), (v[j], u[j]), (u[j], none)) for j in range(modes)]
    pairs = [pair for of_mode in rows for pair in of_mode]
    return np.array([alpha for alpha, _ in pairs]), np.array([beta for _, beta in pairs])


def _add(words: Words, word: Word, superoperator: Matrix) -> None:
    words[word] = words[word] + superoperator if word in words else superoperator


def _letters(kind: int, powers: Powers) -> Word:
    return tuple(4 * mode + kind for mode, power in enumerate(powers) for _ in range(power))


def _left(x: Matrix) -> Matrix:
    return np.kron(x, np.eye(len(x))).astype(np.complex128)


def _right(x: Matrix) -> Matrix:
    return np.kron(np.eye(len(x)), x.T).astype(np.complex128)


def _scalar(x: Matrix) -> bool:
    """Say whether a matrix is proportional to the identity."""
    return bool(np.abs(x - x[0, 0] * np.eye(len(x))).max() <= 1e-14 * np.abs(x).max())
