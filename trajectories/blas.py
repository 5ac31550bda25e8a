"""One BLAS thread: matrices of a few hundred rows are too small to share between processors."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from scipy import linalg

# Symbols of the functions that get and set the number of threads, in all builds of OpenBLAS.
SYMBOLS = tuple(
    (f"{prefix}openblas_get_num_threads{suffix}", f"{prefix}openblas_set_num_threads{suffix}")
    for prefix in ("scipy_", "")
    for suffix in ("64_", "")
)


class BlasThreads(NamedTuple):
    """Functions of one loaded OpenBLAS that get and set its number of threads."""

    get: Callable[[], int]
    set: Callable[[int], None]


def openblas_libraries() -> list[BlasThreads]:
    """Return the OpenBLAS libraries that NumPy and SciPy use; empty if they use another BLAS."""
    found = []
    for extension in (np.linalg._umath_linalg.__file__, linalg._fblas.__file__):
        library = ctypes.CDLL(extension)  # already loaded; its symbols include those it links to
        for getter, setter in SYMBOLS:
            if hasattr(library, setter):
                found.append(BlasThreads(getattr(library, getter), getattr(library, setter)))
                break
    return found


# Blocks that run on one BLAS thread, in all threads together, and the numbers that the last of them restores.
_lock = threading.Lock()
_inside = 0
_before: list[int] = []


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run OpenBLAS on one thread inside the block, for the whole process, and restore it afterwards.

    Of blocks in several threads the last one restores it.

    Threads of OpenBLAS wait for each other in busy loops. When several workers or another program use the same
    processors, products of N ≈ 100 matrices take 2 to 10 times longer with them (measured). Other BLAS libraries
    are not changed; ``OMP_NUM_THREADS=1`` before Python starts works for all.
    """
    global _inside, _before
    libraries = openblas_libraries()
    with _lock:
        if not _inside:
            _before = [library.get() for library in libraries]
            for library in libraries:
                library.set(1)
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                for library, threads in zip(libraries, _before, strict=True):
                    library.set(threads)
