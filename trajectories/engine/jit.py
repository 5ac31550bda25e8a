"""The jit options of every engine kernel, in one place."""

from __future__ import annotations

import functools

from ..kernel_cache import cached_kernel

# Loops over whole states that were fastest as functions of their own ask for `apart=True`; inside a large caller
# less of them vectorises (a tenth of the speed of the sparse propagator).
# nogil lets blocks of trajectories run on threads; fastmath stays off because records are promised bit for bit.
kernel = functools.partial(cached_kernel, nogil=True, fastmath=False, error_model="numpy")

# For kernels that create no array: Numba then leaves out its reference counts, whose atomic increments take longer
# than a short kernel does.
light_kernel = functools.partial(kernel, _nrt=False)
