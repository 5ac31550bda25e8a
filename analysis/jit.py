"""The jit options of every analysis kernel, in one place."""

from __future__ import annotations

import functools

from numba import njit

# nogil lets records be analysed on threads; fastmath stays off because ties, NaN and bin edges must be exact.
kernel = functools.partial(njit, cache=True, nogil=True, fastmath=False, error_model="numpy")
