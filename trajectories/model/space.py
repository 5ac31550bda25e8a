"""HilbertSpace: named bosonic modes and finite factors, their truncation and their sparse operators."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ..checks import integer, shown
from ..errors import InvalidInput
from ..names import nearest
from ..results import read_only

# Vectors and sparse operators of a larger dimension would not fit into memory.
MAX_DIMENSION = 10_000_000
ATOM_LEVELS = {"g": 0, "e": 1}


def _is_atom(name: str) -> bool:
    return name.startswith("atom")


def _declared(finite: Any, levels: Iterable[str]) -> tuple[str, ...]:
    """Return the names in `finite`; refuse names of no factor."""
    names = (finite,) if isinstance(finite, str) else tuple(finite) if isinstance(finite, Iterable) else (finite,)
    known = tuple(levels)
    for name in names:
        if not isinstance(name, str):
            raise InvalidInput(f"finite={shown(finite)} must name finite factors, such as finite=('spin',)")
        if name not in known:
            there = ", ".join(known)
            raise InvalidInput(
                f"finite names {name!r}, which is no subsystem; there are {there}{nearest(name, known)}"
            )
    return names


class HilbertSpace:
    """Tensor product of named bosonic modes, truncated, and of finite factors: atoms, spins.

    Basis states are |n₁, n₂, …; s⟩ with the modes in the order given and the finite factors last; the last
    factor varies fastest. For a finite factor of two levels, index 0 is |g⟩ and index 1 is |e⟩.

    Parameters
    ----------
    max_quanta : int, optional
        Keep only states with Σ n ≤ max_quanta, summed over the modes (finite factors are not counted).
    finite : str or sequence of str, optional
        Names of the factors that have exactly these levels: spins, ions, quantum dots. Their levels are not a
        truncation; for more than two levels use `transition` instead of a lowering operator. Factors whose names
        start with ``atom`` are finite without being given here.
    **levels : int
        Number of levels of each factor, at least 2; for a mode its lowest Fock states.

    Raises
    ------
    InvalidInput
        No subsystem, a number of levels that is not an integer ≥ 2, a cut-off below 1, too large a dimension,
        or a name in `finite` that is no subsystem's.

    Examples
    --------
    >>> space = HilbertSpace(photon=5, phonon=4, magnon=4, atom=2)
    >>> space.dimension
    160
    >>> space.labels[space.index(photon=1, magnon=1, atom="e")]
    '|1,0,1,e⟩'
    >>> HilbertSpace(spin=2, photon=3, finite="spin").labels
    ('|0,g⟩', '|0,e⟩', '|1,g⟩', '|1,e⟩', '|2,g⟩', '|2,e⟩')
    """

    def __init__(self, max_quanta: int | None = None, *, finite: str | Iterable[str] = (), **levels: int) -> None:
        if not levels:
            raise InvalidInput("the Hilbert space has no subsystem; name at least one, e.g. photon=5")
        self._finite = frozenset(_declared(finite, levels)) | {name for name in levels if _is_atom(name)}
        ordered = sorted(levels, key=self._finite.__contains__)  # stable: modes first, finite factors last
        self.levels = MappingProxyType({name: integer(levels[name], f"levels of {name}", 2) for name in ordered})
        self.max_quanta = None if max_quanta is None else integer(max_quanta, "max_quanta", 1)
        if math.prod(self.levels.values()) > MAX_DIMENSION:
            given = shown(dict(self.levels))
            raise InvalidInput(f"levels {given} give more than {MAX_DIMENSION} basis states; lower them")

    @property
    def names(self) -> tuple[str, ...]:
        """Subsystem names in basis order, modes first."""
        return tuple(self.levels)

    @property
    def modes(self) -> tuple[str, ...]:
        """Names of the bosonic modes."""
        return tuple(name for name in self.levels if name not in self._finite)

    @property
    def finite(self) -> tuple[str, ...]:
        """Names of the finite factors, whose levels are not a truncation: atoms, and declared ones."""
        return self.names[len(self.modes) :]

    @property
    def declared_finite(self) -> tuple[str, ...]:
        """Names of the finite factors that had to be declared, because their names do not start with ``atom``."""
        return tuple(name for name in self.finite if not _is_atom(name))

    @cached_property
    def occupations(self) -> NDArray[np.int64]:
        """Occupation of every subsystem in every basis state, shape (dimension, n_subsystems)."""
        grids = np.indices(tuple(self.levels.values())).reshape(len(self.levels), -1).T
        if self.max_quanta is not None:
            quanta = grids[:, : len(self.modes)].sum(axis=1)
            grids = grids[quanta <= self.max_quanta]
        return read_only(grids, np.int64)

    @cached_property
    def dimension(self) -> int:
        """Number of basis states, counted without listing them."""
        ways = np.ones(1, dtype=np.int64)  # ways to distribute 0, 1, 2, … quanta over the modes so far
        for mode in self.modes:
            ways = np.convolve(ways, np.ones(self.levels[mode], dtype=np.int64))
        of_finite = math.prod(self.levels[name] for name in self.finite)
        return int(ways[: None if self.max_quanta is None else self.max_quanta + 1].sum()) * of_finite

    @cached_property
    def _flat_to_index(self) -> NDArray[np.int64]:
        """Index of each untruncated product state in the truncated basis; −1 if it is not in it."""
        table = np.full(int(np.prod(list(self.levels.values()))), -1, dtype=np.int64)
        table[self._flat(self.occupations)] = np.arange(self.dimension)
        return table

    def _flat(self, occupations: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.ravel_multi_index(tuple(occupations.T), tuple(self.levels.values()))

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Ket labels such as ``|1,0,1,g⟩``, one for each basis state."""
        letters = [self._has_letters(name) for name in self.names]
        return tuple(
            "|" + ",".join("ge"[n] if letter else str(n) for n, letter in zip(row, letters, strict=True)) + "⟩"
            for row in self.occupations.tolist()
        )

    def index(self, **occupations: int | str) -> int:
        """Return the basis index of a product state; subsystems left out are in their ground state.

        Raises
        ------
        InvalidInput
            An unknown subsystem, or an occupation outside the truncation.
        """
        row = dict.fromkeys(self.names, 0)
        for name, given in occupations.items():
            self._check_name(name)
            row[name] = self._level(name, given)
        position = int(self._flat_to_index[self._flat(np.array([list(row.values())]))[0]])
        if position < 0:
            raise InvalidInput(f"state {row} exceeds max_quanta={self.max_quanta}")
        return position

    def ket(self, **occupations: int | str) -> NDArray[np.complex128]:
        """Return the product basis state as a vector of shape (dimension,); see `index`."""
        vector = np.zeros(self.dimension, dtype=np.complex128)
        vector[self.index(**occupations)] = 1.0
        return vector

    def lower(self, name: str) -> sparse.csr_array:
        """Return the lowering operator of a subsystem: o|n⟩ = √n |n−1⟩ (σ = |g⟩⟨e| with two levels).

        Raises
        ------
        InvalidInput
            An unknown subsystem, or a finite factor of more than two levels.
        """
        self._check_name(name)
        if name in self._finite and not self._has_letters(name):
            raise InvalidInput(
                f"{name} has {self.levels[name]} levels and no lowering operator; use transition({name!r}, to, of)"
            )
        column = self.names.index(name)
        source = np.flatnonzero(self.occupations[:, column] > 0)
        lowered = self.occupations[source].copy()
        amplitude = np.sqrt(lowered[:, column].astype(np.float64))
        lowered[:, column] -= 1
        target = self._flat_to_index[self._flat(lowered)]
        shape = (self.dimension, self.dimension)
        return sparse.csr_array((amplitude.astype(np.complex128), (target, source)), shape=shape)

    def transition(self, name: str, to: int | str, of: int | str) -> sparse.csr_array:
        """Return |to⟩⟨of| of a subsystem, for finite factors of any number of levels.

        Parameters
        ----------
        name : str
            The subsystem.
        to, of : int or str
            Its levels, counted from 0; also "g" and "e" of a finite factor of two levels.

        Raises
        ------
        InvalidInput
            An unknown subsystem, or a level that it does not have.

        Examples
        --------
        >>> import trajectories as tj
        >>> space = tj.HilbertSpace(atom=3)
        >>> space.transition("atom", 0, 2).toarray().real
        array([[0., 0., 1.],
               [0., 0., 0.],
               [0., 0., 0.]])
        """
        self._check_name(name)
        column = self.names.index(name)
        to, of = self._level(name, to), self._level(name, of)
        source = np.flatnonzero(self.occupations[:, column] == of)
        moved = self.occupations[source].copy()
        moved[:, column] = to
        target = self._flat_to_index[self._flat(moved)]
        kept = target >= 0  # a mode may be raised beyond max_quanta
        shape = (self.dimension, self.dimension)
        ones = np.ones(int(kept.sum()), np.complex128)
        return sparse.csr_array((ones, (target[kept], source[kept])), shape=shape)

    def number(self, name: str) -> sparse.csr_array:
        """Return the number operator o†o of a subsystem; for a finite factor diag(0, 1, 2, …)."""
        self._check_name(name)
        occupation = self.occupations[:, self.names.index(name)].astype(np.complex128)
        return sparse.csr_array(sparse.diags_array(occupation))

    def identity(self) -> sparse.csr_array:
        """Return the identity operator."""
        return sparse.csr_array(sparse.eye_array(self.dimension, dtype=np.complex128))

    def top_levels(self) -> dict[str, NDArray[np.bool_]]:
        """Return, for each mode, which basis states are in its top level.

        Their population shows how accurate a truncated result is. With `max_quanta` the key ``max_quanta``
        is for the states with the largest allowed number of quanta.
        """
        masks = {name: self.occupations[:, self.names.index(name)] == self.levels[name] - 1 for name in self.modes}
        if self.max_quanta is not None:
            masks["max_quanta"] = self.occupations[:, : len(self.modes)].sum(axis=1) == self.max_quanta
        return masks

    def _has_letters(self, name: str) -> bool:
        """Whether the levels of a subsystem are |g⟩ and |e⟩."""
        return name in self._finite and self.levels[name] == 2

    def _level(self, name: str, given: int | str) -> int:
        value = ATOM_LEVELS.get(given, given) if isinstance(given, str) and self._has_letters(name) else given
        level = integer(value, name, 0)
        if level >= self.levels[name]:
            raise InvalidInput(f"{name}={given!r} is outside its {self.levels[name]} levels")
        return level

    def _check_name(self, name: str) -> None:
        if name not in self.names:
            raise InvalidInput(
                f"no subsystem named {name!r}; there are {', '.join(self.names)}{nearest(name, self.names)}"
            )

    def __repr__(self) -> str:
        parts = [f"{name}={count}" for name, count in self.levels.items()]
        if self.max_quanta is not None:
            parts.insert(0, f"max_quanta={self.max_quanta}")
        if self.declared_finite:
            parts.append(f"finite={self.declared_finite!r}")
        return f"HilbertSpace({', '.join(parts)})"
