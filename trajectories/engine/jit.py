"""The jit options of every engine kernel, in one place."""

from __future__ import annotations

import functools

from numba import njit

# nogil lets blocks of trajectories run on threads; fastmath stays off because records are promised bit for bit.
kernel = functools.partial(njit, cache=True, nogil=True, fastmath=False, error_model="numpy")
