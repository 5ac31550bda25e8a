"""Hermitian matrices as real vectors, and the generators that move them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse

from ...model import OpenSystem
from .chebyshev_kernels import SCATTERED, Motion
from .liouvillian import sandwich

Matrix = NDArray[np.complex128]
Vector = NDArray[np.float64]


def pack(matrix: Matrix) -> Vector:
    """Return a Hermitian X = R + iS as the N² numbers of R + S; Tr(XY) becomes the dot product."""
    return np.ascontiguousarray(matrix.real + matrix.imag).reshape(-1)


def unpack(vector: Vector) -> Matrix:
    """Return the Hermitian matrix of a packed vector."""
    size = round(len(vector) ** 0.5)
    matrix = vector.reshape(size, size)
    return np.asarray(0.5 * ((matrix + matrix.T) + 1j * (matrix - matrix.T)), dtype=np.complex128)


@dataclass(frozen=True, eq=False)
class Generator:
    """X ↦ GX + XG† + Σ cXc†, and where its numerical range lies.

    Attributes
    ----------
    half : sparse array of shape (N, N)
        G.
    jumps : sequence of sparse arrays of shape (N, N)
        c.
    real_range : tuple of two floats
        Bounds of the real part of Tr(X†L(X)) for complex X with ‖X‖_F = 1.
    imaginary_bound : float
        Bound of the modulus of the imaginary part.
    """

    half: sparse.csr_array
    jumps: Sequence[sparse.csr_array]
    real_range: tuple[float, float]
    imaginary_bound: float

    def adjoint(self) -> Generator:
        """Return the generator of the motion of observables; its numerical range is the mirror image."""
        turned = [sparse.csr_array(c.conj().T) for c in self.jumps]
        return Generator(sparse.csr_array(self.half.conj().T), turned, self.real_range, self.imaginary_bound)

    def apply(self, vector: Vector) -> Vector:
        """Return the packed image of a packed matrix, by plain sparse products."""
        matrix = unpack(vector)
        image = self.half @ matrix
        image = image + image.conj().T
        for c in self.jumps:
            image += sandwich(c, matrix)
        return pack(image)

    @cached_property
    def motion(self) -> Motion:
        """The arrays that the kernel reads."""
        p, q = sparse.csr_array(self.half.real), sparse.csr_array(self.half.imag)
        jumps = [sparse.csr_array(c) for c in self.jumps]
        entries = np.cumsum([0] + [c.nnz for c in jumps])
        layers = [_layers(c) for c in jumps]
        n = self.half.shape[0]
        starts = [c.indptr + first for c, first in zip(jumps, entries[:-1], strict=True)]
        return Motion(
            p.diagonal(),
            q.diagonal(),
            *_off_diagonal(p),
            *_off_diagonal(q),
            np.array(starts, dtype=np.int64).reshape(-1, n + 1),
            _joined([c.indices for c in jumps], np.int64),
            _joined([c.data.real for c in jumps], np.float64),
            _joined([c.data.imag for c in jumps], np.float64),
            np.cumsum([0] + [len(columns) for columns, _ in layers]).astype(np.int64),
            _joined([columns.reshape(-1) for columns, _ in layers], np.int64).reshape(-1, n),
            _joined([_shifts(columns, values) for columns, values in layers], np.int64),
            _joined([values.real.reshape(-1) for _, values in layers], np.float64).reshape(-1, n),
            _joined([values.imag.reshape(-1) for _, values in layers], np.float64).reshape(-1, n),
            np.array([bool(np.any(c.data.imag)) for c in jumps], dtype=np.bool_),
        )


def packed_generator(
    system: OpenSystem, detected: Mapping[str, float] | None = None, dark: float = 0.0
) -> Generator:
    """Return L, or L0 = L − Σ_k η_k J_k − d: the motion while nothing detected clicks.

    Parameters
    ----------
    system : OpenSystem
        The system.
    detected : mapping of str to float, optional
        η_k of the detected channels.
    dark : float
        d, the total rate of dark counts.

    Notes
    -----
    The numerical range is enclosed with ‖cXc†‖_F ≤ ‖c‖₂²‖X‖_F for the jumps and eigenvalues for the rest.
    """
    left = {c.name: 1.0 - (detected or {}).get(c.name, 0.0) for c in system.channels}
    jumps = [np.sqrt(left[c.name]) * c.operator for c in system.channels if left[c.name] > 0.0 and c.operator.nnz]
    half = -1j * system.centred_H_eff - 0.5 * dark * sparse.eye_array(system.dimension, format="csr")
    jumping = sum(_norm_bound(c) ** 2 for c in jumps)
    energy = linalg.eigvalsh(system.hamiltonian.toarray())
    decay = linalg.eigvalsh(system.decay.toarray())
    lowest, highest = float(-decay[-1] - jumping - dark), float(-decay[0] + jumping - dark)
    return Generator(sparse.csr_array(half), jumps, (lowest, highest), float(energy[-1] - energy[0] + jumping))


def _norm_bound(operator: sparse.csr_array) -> float:
    """Return √(‖c‖₁‖c‖_∞) ≥ ‖c‖₂, an equality for ladder operators."""
    size = abs(operator)
    return float(np.sqrt(size.sum(axis=0).max() * size.sum(axis=1).max()))


def _off_diagonal(matrix: sparse.csr_array) -> tuple[NDArray[np.int64], NDArray[np.int64], Vector]:
    """Return a real matrix without its diagonal in compressed rows."""
    rest = sparse.coo_array(matrix)
    kept = (rest.row != rest.col) & (rest.data != 0.0)
    rest = sparse.csr_array((rest.data[kept], (rest.row[kept], rest.col[kept])), shape=matrix.shape)
    rest.sort_indices()
    return rest.indptr.astype(np.int64), rest.indices.astype(np.int64), rest.data.astype(np.float64)


def _layers(operator: sparse.csr_array) -> tuple[NDArray[np.int64], Matrix]:
    """Return the l-th column and value of each row as layer l; rows with fewer entries are filled with zeros."""
    count = np.diff(operator.indptr)
    row = np.repeat(np.arange(len(count)), count)
    layer = np.arange(operator.nnz) - operator.indptr[row]
    columns = np.zeros((int(count.max(initial=0)), len(count)), dtype=np.int64)
    values = np.zeros(columns.shape, dtype=np.complex128)
    columns[layer, row], values[layer, row] = operator.indices, operator.data
    return columns, values


def _shifts(columns: NDArray[np.int64], values: Matrix) -> NDArray[np.int64]:
    """Return the diagonal that each layer lies on, or SCATTERED."""
    offsets = columns - np.arange(columns.shape[1])
    shifts = np.full(len(columns), SCATTERED, dtype=np.int64)
    for layer, (offset, value) in enumerate(zip(offsets, values, strict=True)):
        used = np.unique(offset[value != 0.0])
        if len(used) == 1:
            shifts[layer] = used[0]
    return shifts


def _joined(parts: Sequence[NDArray[Any]], dtype: type) -> NDArray[Any]:
    """Return the parts one after another; an empty array when there are none."""
    return np.concatenate([np.zeros(0, dtype=dtype), *parts]).astype(dtype)
