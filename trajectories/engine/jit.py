"""The options with which the kernels of the engine are compiled."""

from __future__ import annotations

import functools

from ..kernel_cache import cached_kernel

# Loops over whole states that are fastest as separate functions have `apart=True`; inlined in a large caller, less
# of them vectorises (which costs a tenth of the speed of the sparse propagator).
# nogil lets blocks of trajectories run on threads; fastmath is off because records are the same bits everywhere.
kernel = functools.partial(cached_kernel, nogil=True, fastmath=False, error_model="numpy", _nrt=True)

# For kernels that create no array: Numba leaves out its reference counts, whose atomic increments take longer
# than a short kernel does, and which take long to compile where arguments are many. What a light kernel returns
# of an array is part of an argument, and only light kernels may take it. The others say that they count, or else
# Numba compiles them as it does the kernel that calls them.
light_kernel = functools.partial(kernel, _nrt=False)
