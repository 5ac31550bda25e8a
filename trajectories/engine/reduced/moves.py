"""Moves between two bases, by precomputed maps.

A jump that leaves the small basis takes the trajectory to the larger one, and the first jump that ends within the
small basis takes it back. Both are products of a matrix V_j⁻¹c_kV_i with the amplitudes before the jump; further
rows give what lies outside the basis j. Nothing of size N is touched, and of a map only the columns of modes that
are alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ...model.system import OpenSystem
from ..modes.forms_kernels import BLOCK, ModesArrays


class Move(NamedTuple):
    """Jumps from basis i into basis j.

    Attributes
    ----------
    columns : ndarray of float, shape (K, n_i, 2, n_j + m)
        Columns of V_j⁻¹c_kV_i, and below them of m rows whose product with a state before the jump has the norm of
        what the jump leaves outside basis j.
    carried : ndarray of float, shape (K, b)
        By what the error of modes that were left out, from each block on, is larger in basis j than in i.
    """

    columns: NDArray[np.float64]
    carried: NDArray[np.float64]


def pairs(levels: int) -> list[tuple[int, int]]:
    """Return from which basis to which there are moves, in the order in which `moves` has them."""
    return list(permutations(range(levels), 2))


def moves(system: OpenSystem, levels: Sequence[ModesArrays]) -> tuple[Move, ...]:
    """Return the jumps from each basis into every other.

    Parameters
    ----------
    system : OpenSystem
        The system, of dimension N.
    levels : sequence of ModesArrays
        The tables of the bases.
    """
    return tuple(_move(system, levels[i], levels[j]) for i, j in pairs(len(levels)))


def _move(system: OpenSystem, source: ModesArrays, target: ModesArrays) -> Move:
    vectors, count = source.vectors, target.vectors.shape[1]
    complement = linalg.qr(target.vectors, check_finite=False)[0][:, count:].conj().T
    stacks = []
    for channel in system.channels:
        operator = sparse.csr_array(channel.operator[:, source.states])
        image = operator[target.states] @ vectors
        stacks.append([target.inverse @ image, complement @ image, _beyond(operator, target.states) @ vectors])
    most = max(sum(len(part) for part in stack) for stack in stacks)
    columns = np.zeros((len(stacks), vectors.shape[1], 2, most))
    for k, stack in enumerate(stacks):
        rows = np.vstack(stack)
        columns[k, :, 0, : len(rows)], columns[k, :, 1, : len(rows)] = rows.real.T, rows.imag.T
    return Move(columns, _carried(columns[..., :count], source.jump_corner))


def _beyond(operator: sparse.csr_array, states: NDArray[np.int64]) -> NDArray[np.complex128]:
    """Return rows whose products have the norm of what an operator takes to states other than these."""
    outside = np.diff(operator.indptr) > 0
    outside[states] = False
    rows = operator[outside].toarray()
    if rows.shape[0] > rows.shape[1]:
        rows = linalg.qr(rows, mode="r", check_finite=False)[0][: rows.shape[1]]
    return np.asarray(rows, np.complex128)


def _carried(columns: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the norms of the columns from each block on, over those of the jump within its own basis."""
    squares = np.sum(columns**2, axis=(2, 3))
    ratios = np.zeros_like(corners)
    for block in range(corners.shape[1]):
        rest = np.sqrt(np.sum(squares[:, BLOCK * block :], axis=1))
        np.divide(rest, corners[:, block], out=ratios[:, block], where=corners[:, block] > 0.0)
    return ratios
