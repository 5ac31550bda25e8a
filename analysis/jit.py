"""The jit options of every analysis kernel, in one place."""

from __future__ import annotations

import functools

from trajectories.kernel_cache import cached_kernel

# nogil lets records be analysed on threads; fastmath stays off because ties, NaN and bin edges must be exact.
kernel = functools.partial(cached_kernel, nogil=True, fastmath=False, error_model="numpy")
