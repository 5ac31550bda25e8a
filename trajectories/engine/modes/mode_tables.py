"""Tables of forms and maps for the kernels of eigenmodes: whole blocks, norms of tails, aligned memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .eigenbasis import norm_bound
from .forms_kernels import BLOCK, TAIL_STRIDE

# Bytes.
CACHE_LINE = 64
# Rounding to single precision, or of a sum of squares, must not make a bound too small.
ABOVE = 1.0 + 1e-12


def form_tables(forms: Iterable[NDArray[np.complex128]], count: int, size: int) -> dict[str, NDArray[Any]]:
    """Return the tables of z†Fz for `count` Hermitian matrices F, made one at a time to save memory."""
    whole = whole_blocks(size)
    blocks = whole // BLOCK
    tables: dict[str, NDArray[Any]] = {
        "form": aligned_zeros((count, 2, whole, whole), np.float64),
        "diagonal": np.zeros((count, whole)),
        "form_tail": np.zeros((count, blocks + 1, whole)),
        "corner": np.zeros((count, blocks + 1)),
    }
    for k, matrix in enumerate(forms):
        form = padded(matrix[None])
        upper = np.triu(form, 1)
        tables["form"][k, 0], tables["form"][k, 1] = upper[0].real, upper[0].imag
        tables["diagonal"][k] = np.diagonal(form[0]).real
        tables["form_tail"][k], tables["corner"][k] = _tails(upper, BLOCK)[0].T, _corners(upper)[0]
    return tables


def map_tables(maps: Iterable[NDArray[np.complex128]], count: int, size: int) -> dict[str, NDArray[Any]]:
    """Return the tables of `count` maps of amplitudes, made one at a time to save memory."""
    whole = whole_blocks(size)
    tables: dict[str, NDArray[Any]] = {
        "jump": aligned_zeros((count, whole, 2, whole), np.float64),
        "jump_single": aligned_zeros((count, whole, 2, whole), np.float32),
        "jump_tail": np.zeros((count, -(-whole // TAIL_STRIDE) + 1, whole)),
        "jump_corner": np.zeros((count, whole // BLOCK + 1)),
    }
    for k, matrix in enumerate(maps):
        jump = padded(matrix[None])
        columns = np.ascontiguousarray(jump.transpose(0, 2, 1))
        tables["jump"][k, :, 0], tables["jump"][k, :, 1] = columns[0].real, columns[0].imag
        tables["jump_single"][k] = tables["jump"][k]
        tables["jump_tail"][k] = _tails(columns, TAIL_STRIDE)[0].T
        tables["jump_corner"][k] = np.minimum(_corners(columns)[0], ABOVE * norm_bound(jump[0]))
    return tables


def slowest_decays(decay: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least decay of the modes from TAIL_STRIDE·b on; after the last mode the largest of all."""
    blocks = -(-whole_blocks(len(decay)) // TAIL_STRIDE)
    filled = np.full(TAIL_STRIDE * (blocks + 1), decay.max())
    filled[: len(decay)] = decay
    least = filled.reshape(-1, TAIL_STRIDE).min(axis=1)
    return np.minimum.accumulate(least[::-1])[::-1].copy()


def whole_blocks(size: int) -> int:
    """Return the number of modes in whole blocks."""
    return size + -size % BLOCK


def padded(matrices: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Return square matrices padded with zeros to whole blocks."""
    more = -matrices.shape[-1] % BLOCK
    return np.pad(matrices, ((0, 0), (0, more), (0, more)))


def padded_vector(values: NDArray[Any]) -> NDArray[Any]:
    """Return a vector padded with zeros to whole blocks."""
    return np.pad(values, (0, -len(values) % BLOCK))


def aligned_zeros(shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return an array of zeros aligned to a cache line."""
    memory = np.zeros(int(np.prod(shape)) * np.dtype(dtype).itemsize + CACHE_LINE, np.uint8)
    first = -memory.ctypes.data % CACHE_LINE
    return memory[first : first + memory.nbytes - CACHE_LINE].view(dtype).reshape(shape)


def aligned_parts(shapes: Sequence[tuple[int, ...]]) -> Iterator[NDArray[np.float64]]:
    """Yield arrays of zeros of several shapes, each aligned to a cache line, from one allocation."""
    line = CACHE_LINE // 8
    sizes = [math.prod(shape) for shape in shapes]
    places = [0, *accumulate(-(-size // line) * line for size in sizes)]
    memory = aligned_zeros((places[-1],), np.float64)
    for shape, size, place in zip(shapes, sizes, places, strict=False):
        yield memory[place : place + size].reshape(shape)


def aligned(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array in C order aligned to a cache line, where vector loads are twice as fast."""
    if array.flags.c_contiguous and array.ctypes.data % CACHE_LINE == 0:
        return array
    memory = np.empty(array.nbytes + CACHE_LINE, np.uint8)
    first = -memory.ctypes.data % CACHE_LINE
    placed = memory[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    placed[...] = array
    return placed


def _tails(matrices: NDArray[np.complex128], stride: int) -> NDArray[np.float64]:
    """Return, for each matrix and row, the norm of its entries from column stride·b on."""
    count, rows, size = matrices.shape
    blocks = -(-size // stride)
    padded = np.zeros((count, rows, blocks * stride))
    padded[:, :, :size] = np.abs(matrices) ** 2
    squares = padded.reshape(count, rows, blocks, stride).sum(axis=3)
    tails = np.zeros((count, rows, blocks + 1))
    tails[:, :, :blocks] = np.cumsum(squares[:, :, ::-1], axis=2)[:, :, ::-1]
    return np.asarray(ABOVE * np.sqrt(tails))


def _corners(matrices: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return, for each matrix, the norm of all its rows from BLOCK·b on."""
    whole = matrices.reshape(len(matrices), -1, BLOCK * matrices.shape[-1])
    return _tails(np.linalg.norm(whole, axis=2)[:, None, :].astype(np.complex128), 1)[:, 0]
