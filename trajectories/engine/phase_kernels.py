"""e^{−iλt} for many modes at once, in loops that vectorise: no branches and no library calls."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from .jit import light_kernel

# π/2 in three parts of 33 bits, so that multiples below 2²⁰ are subtracted exactly (Cody and Waite).
HALF_PI_1 = 1.5707963267341256
HALF_PI_2 = 6.077100506303966e-11
HALF_PI_3 = 2.0222662487959506e-21
# Beyond this angle the library is called, which is exact there too.
LARGEST_ANGLE = 1.0e6
# Up to this angle, in doubles, the cosine is 1 and the sine is the angle.
SMALL_ANGLE = 2.0**-27
# A mode that has decayed by e^{−64} = 1.6e-28 is set to zero: it affects no digit of any result.
LARGEST_EXPONENT = 64.0
# 2²⁷ + 1 splits a double into two halves.
SPLITTER = 134217729.0
# The exponential is the 256th power of a Taylor series on [−1/4, 1/4].
SQUARINGS = 8


@light_kernel()
def exponential(x):
    """Return e^x for |x| ≤ LARGEST_EXPONENT, to about 1e-14; loops over it vectorise."""
    z = x * 0.5**SQUARINGS
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
    return size


@light_kernel()
def decayed(values, decay, count, time, target):
    """Write values·e^{−2·decay·time}, or a little more, into `target`; time ≥ 0."""
    for n in range(count):
        # At least e^{−64} of a value remains, so that a bound remains a bound.
        target[n] = values[n] * exponential(-min(2.0 * decay[n] * time, LARGEST_EXPONENT))


@light_kernel()
def exponentials(energy, decay, count, time, real, imag):
    """Write e^{−(decay + i·energy)·time} into `real` and `imag`, to about 1e-14; what is below e^{−64} is 0."""
    far = 0
    for n in range(count):
        far += not abs(energy[n] * time) < LARGEST_ANGLE
    if far > 0:
        for n in range(count):
            real[n], imag[n] = 0.0, 0.0
            if decay[n] * time > LARGEST_EXPONENT:
                continue
            size = np.exp(-decay[n] * time)
            angle = energy[n] * time
            # An infinite angle has no phase.
            angle = angle if abs(angle) < np.inf else 0.0
            real[n] = size * np.cos(angle)
            imag[n] = -size * np.sin(angle)
        return
    for n in range(count):
        angle = -energy[n] * time
        quarter = np.rint(angle * (2.0 / np.pi))
        x = ((angle - quarter * HALF_PI_1) - quarter * HALF_PI_2) - quarter * HALF_PI_3
        y = x * x
        # Taylor series in Horner's form, written out without divisions and loops.
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
        exponent = -decay[n] * time
        alive = 1.0 if exponent > -LARGEST_EXPONENT else 0.0
        size = alive * exponential(max(exponent, -LARGEST_EXPONENT))
        size *= sign
        real[n] = size * (cosine * (1.0 - odd) - sine * odd)
        imag[n] = size * (sine * (1.0 - odd) + cosine * odd)


@light_kernel()
def product_error(x, y, product):
    """Return x·y − product exactly, for `product` the rounded one (Dekker's splitting in halves of 26 bits)."""
    u, v = SPLITTER * x, SPLITTER * y
    x_high, y_high = u - (u - x), v - (v - y)
    x_low, y_low = x - x_high, y - y_high
    return ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low


@light_kernel()
def exact_exponentials(energy, energy_rest, decay, count, time, real, imag):
    """Write e^{−(decay + i(energy + energy_rest))·time}, with angles as exact as their energies, however large."""
    for n in range(count):
        real[n], imag[n] = 0.0, 0.0
        if decay[n] * time > LARGEST_EXPONENT:
            continue
        size = np.exp(-decay[n] * time)
        angle = energy[n] * time
        rest = product_error(energy[n], time, angle) + energy_rest[n] * time
        # An infinite angle has no phase.
        if not abs(angle) + abs(rest) < np.inf:
            angle, rest = 0.0, 0.0
        x, y, u, v = np.cos(angle), np.sin(angle), 1.0, rest
        if abs(rest) >= SMALL_ANGLE:
            u, v = np.cos(rest), np.sin(rest)
        real[n] = size * (x * u - y * v)
        imag[n] = -size * (y * u + x * v)
