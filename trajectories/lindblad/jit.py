"""The jit options of every kernel of the density-matrix solver, in one place."""

from __future__ import annotations

import functools
from typing import Any

from numba import njit

# fastmath stays off: the recurrences cancel, and the error bound counts the roundings of the sums as written.
kernel: Any = functools.partial(njit, cache=True, nogil=True, fastmath=False, error_model="numpy")
