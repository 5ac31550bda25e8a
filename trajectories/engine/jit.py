"""The jit options of every engine kernel, in one place."""

from __future__ import annotations

import functools

from ..kernel_cache import cached_kernel

# Loops over whole states that were fastest as functions of their own ask for `apart=True`; inside a large caller
# less of them vectorises (a tenth of the speed of the sparse propagator).
# nogil lets blocks of trajectories run on threads; fastmath stays off because records are promised bit for bit.
kernel = functools.partial(cached_kernel, nogil=True, fastmath=False, error_model="numpy", _nrt=True)

# For kernels that create no array: Numba leaves out its reference counts, whose atomic increments take longer
# than a short kernel does, and which take long to compile where arguments are many. What a light kernel returns
# of an array is part of an argument, and only light kernels may take it. The others say that they count, or else
# Numba compiles them as it does the kernel that calls them.
light_kernel = functools.partial(kernel, _nrt=False)
