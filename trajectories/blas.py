"""One BLAS thread: matrices of a few hundred rows are too small to share between processors."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from scipy import linalg

# Symbols through which the OpenBLAS of NumPy's and SciPy's wheels, and a system OpenBLAS, are set.
SYMBOLS = tuple(
    (f"{prefix}openblas_get_num_threads{suffix}", f"{prefix}openblas_set_num_threads{suffix}")
    for prefix in ("scipy_", "")
    for suffix in ("64_", "")
)


class BlasThreads(NamedTuple):
    """How to ask one loaded OpenBLAS for its number of threads, and how to set it."""

    get: Callable[[], int]
    set: Callable[[int], None]


def openblas_libraries() -> list[BlasThreads]:
    """Return the OpenBLAS libraries behind NumPy and SciPy; none if they use another BLAS."""
    found = []
    for extension in (np.linalg._umath_linalg.__file__, linalg._fblas.__file__):
        library = ctypes.CDLL(extension)  # already loaded; its symbols include those it links to
        for getter, setter in SYMBOLS:
            if hasattr(library, setter):
                found.append(BlasThreads(getattr(library, getter), getattr(library, setter)))
                break
    return found


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run OpenBLAS on one thread inside the block, for the whole process, and restore it afterwards.

    Its threads wait for each other by spinning. Where several workers, or another program, share the
    processors, products of N ≈ 100 matrices were measured to take 2 to 10 times longer with them. Other
    BLAS libraries are left as they are; ``OMP_NUM_THREADS=1`` before Python starts works for all.
    """
    libraries = openblas_libraries()
    before = [library.get() for library in libraries]
    try:
        for library in libraries:
            library.set(1)
        yield
    finally:
        for library, threads in zip(libraries, before, strict=True):
            library.set(threads)
