"""e^{−iλt} for many modes at once, in loops that vectorise: no branches and no library calls."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from .jit import kernel

# π/2 in three parts of 33 bits, so that multiples below 2²⁰ are subtracted exactly (Cody and Waite).
HALF_PI_1 = 1.5707963267341256
HALF_PI_2 = 6.077100506303966e-11
HALF_PI_3 = 2.0222662487959506e-21
# Beyond these arguments the library is called, which is exact there too.
LARGEST_ANGLE = 1.0e6
LARGEST_EXPONENT = 32.0
# The exponential is the 128th power of a Taylor series on [−1/4, 1/4].
SQUARINGS = 7


@kernel()
def exponentials(energy, decay, count, time, real, imag):
    """Write e^{−(decay + i·energy)·time} into `real` and `imag`, to about 1e-14."""
    widest, deepest = 0.0, 0.0
    for n in range(count):
        widest = max(widest, abs(energy[n]))
        deepest = max(deepest, abs(decay[n]))
    if not (widest * abs(time) < LARGEST_ANGLE and deepest * abs(time) < LARGEST_EXPONENT):
        for n in range(count):
            size = np.exp(-decay[n] * time)
            real[n] = size * np.cos(energy[n] * time)
            imag[n] = -size * np.sin(energy[n] * time)
        return
    scaled = -time * 0.5**SQUARINGS
    for n in range(count):
        angle = -energy[n] * time
        quarter = np.rint(angle * (2.0 / np.pi))
        x = ((angle - quarter * HALF_PI_1) - quarter * HALF_PI_2) - quarter * HALF_PI_3
        y = x * x
        # Taylor series in Horner's form, written out so that nothing is left to divide or to loop over.
        sine = -1.0 / 1307674368000
        sine = 1.0 / 6227020800 + y * sine
        sine = -1.0 / 39916800 + y * sine
        sine = 1.0 / 362880 + y * sine
        sine = -1.0 / 5040 + y * sine
        sine = 1.0 / 120 + y * sine
        sine = -1.0 / 6 + y * sine
        sine = 1.0 + y * sine
        sine *= x
        cosine = -1.0 / 87178291200
        cosine = 1.0 / 479001600 + y * cosine
        cosine = -1.0 / 3628800 + y * cosine
        cosine = 1.0 / 40320 + y * cosine
        cosine = -1.0 / 720 + y * cosine
        cosine = 1.0 / 24 + y * cosine
        cosine = -1.0 / 2 + y * cosine
        cosine = 1.0 + y * cosine
        # Quarter turns: swap for odd ones, and the signs.
        half = np.rint(0.5 * (quarter - 0.5))
        odd = quarter - 2.0 * half
        sign = 1.0 - 2.0 * (half - 2.0 * np.floor(0.5 * half))
        z = decay[n] * scaled
        size = 1.0 / 39916800
        size = 1.0 / 3628800 + z * size
        size = 1.0 / 362880 + z * size
        size = 1.0 / 40320 + z * size
        size = 1.0 / 5040 + z * size
        size = 1.0 / 720 + z * size
        size = 1.0 / 120 + z * size
        size = 1.0 / 24 + z * size
        size = 1.0 / 6 + z * size
        size = 1.0 / 2 + z * size
        size = 1.0 + z * size
        size = 1.0 + z * size
        for _ in range(SQUARINGS):
            size *= size
        size *= sign
        real[n] = size * (cosine * (1.0 - odd) - sine * odd)
        imag[n] = size * (sine * (1.0 - odd) + cosine * odd)
