"""The jit options of every kernel of the density-matrix solver, in one place."""

from __future__ import annotations

import functools

from ..kernel_cache import cached_kernel

# fastmath stays off: the recurrences cancel, and the error bound counts the roundings of the sums as written.
kernel = functools.partial(cached_kernel, nogil=True, fastmath=False, error_model="numpy")
