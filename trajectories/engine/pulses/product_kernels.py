"""Products of tabulated propagators and states: real and imaginary parts apart, tables larger than the caches."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import light_kernel

# Numbers in four lines of the cache, of 64 bytes each; how many a product reads ahead, a part of the cache; and
# numbers, half of all, of which none are read ahead.
CACHE_LINES, AHEAD, NEAR = 32, 2**15, 2**11
# Distances to the columns that a product takes together.
TOGETHER = tuple(np.uint64(k) for k in range(4))
# Norm of the components that a product leaves for later, over the root of the threshold; and what a propagator may
# add to a norm by rounding, or in a frame.
LATER, NO_LONGER = 1e-4, 1.0 + 1e-6


@light_kernel(apart=True)
def inner(x, y, count):
    """Return Σ x_n y_n in eight lanes of fixed order: additions that wait for one another take most of a sum."""
    a, b, c, d, e, f, g, h = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    whole = count - count % 8
    for n in range(0, whole, 8):
        a += x[n] * y[n]
        b += x[n + 1] * y[n + 1]
        c += x[n + 2] * y[n + 2]
        d += x[n + 3] * y[n + 3]
        e += x[n + 4] * y[n + 4]
        f += x[n + 5] * y[n + 5]
        g += x[n + 6] * y[n + 6]
        h += x[n + 7] * y[n + 7]
    for n in range(whole, count):
        a += x[n] * y[n]
    return ((a + e) + (c + g)) + ((b + f) + (d + h))


@light_kernel()
def norm_of(out, size):
    """Return the norm² of the first components of a state with its parts apart."""
    real, imag = out[0], out[1]
    return inner(real, real, size) + inner(imag, imag, size)


@light_kernel()
def clear(out, size):
    """Set the first components of a state with its parts apart to zero."""
    real, imag = out[0], out[1]
    for i in range(size):
        real[i] = 0.0
        imag[i] = 0.0


@light_kernel(apart=True)
def write_product(matrix, psi, out):
    """Write a matrix, as columns with parts apart, times ψ into `out`, parts apart."""
    clear(out, matrix.shape[2])
    add_columns(matrix, 0, len(psi), psi, out)


@light_kernel()
def multiply(matrix, psi, out):
    """Write a matrix times ψ into `out` as `write_product` does, and return the norm²."""
    write_product(matrix, psi, out)
    return norm_of(out, matrix.shape[2])


@light_kernel(apart=True)
def add_columns(matrix, first, last, psi, out):
    """Add columns `first` … `last` − 1 of a matrix times ψ to `out`, see above."""
    size = matrix.shape[2]
    real, imag = out[0], out[1]
    in_fours = last - (last - first) % 4
    # Unsigned: an index that may be negative counts from the end in Python, which takes time to find out.
    # Four columns at a time: the result is read and written a quarter as often.
    for j in range(np.uint64(first), np.uint64(in_fours), np.uint64(4)):
        k, m, n = j + TOGETHER[1], j + TOGETHER[2], j + TOGETHER[3]
        a, b, c, d = psi[j], psi[k], psi[m], psi[n]
        if a == 0.0 and b == 0.0 and c == 0.0 and d == 0.0:
            continue
        a_real, a_imag, b_real, b_imag = matrix[j, 0], matrix[j, 1], matrix[k, 0], matrix[k, 1]
        c_real, c_imag, d_real, d_imag = matrix[m, 0], matrix[m, 1], matrix[n, 0], matrix[n, 1]
        for i in range(size):
            real[i] += (
                (a_real[i] * a.real - a_imag[i] * a.imag)
                + (b_real[i] * b.real - b_imag[i] * b.imag)
                + ((c_real[i] * c.real - c_imag[i] * c.imag) + (d_real[i] * d.real - d_imag[i] * d.imag))
            )
            imag[i] += (
                (a_real[i] * a.imag + a_imag[i] * a.real)
                + (b_real[i] * b.imag + b_imag[i] * b.real)
                + ((c_real[i] * c.imag + c_imag[i] * c.real) + (d_real[i] * d.imag + d_imag[i] * d.real))
            )
    for j in range(np.uint64(in_fours), np.uint64(last)):
        x, y = psi[j].real, psi[j].imag
        column_real, column_imag = matrix[j, 0], matrix[j, 1]
        for i in range(size):
            real[i] += column_real[i] * x - column_imag[i] * y
            imag[i] += column_real[i] * y + column_imag[i] * x


@light_kernel(apart=True)
def fetched(matrix, first, last):
    """Read columns of a matrix once in the order of memory, and return the sum of some of its numbers.

    A table is larger than the caches. A product reads eight rows at a time, which takes twice as long from memory
    as reading one after the other and then the product from the cache.
    """
    flat = matrix[first:last].reshape(-1)
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for i in range(0, len(flat) - CACHE_LINES + 1, CACHE_LINES):
        a += flat[i]
        b += flat[i + 8]
        c += flat[i + 16]
        d += flat[i + 24]
    return a + b + c + d


@light_kernel(apart=True)
def add_far_columns(matrix, first, last, psi, out):
    """Add columns as `add_columns` does, of a matrix that is in memory; return the norm² of `out`."""
    size, begin, read = matrix.shape[2], first, 0.0
    ahead = max(4, AHEAD // (2 * size) // 4 * 4)
    while begin < last:
        end = min(begin + ahead, last)
        if (end - begin) * size > NEAR:
            read += fetched(matrix, begin, end)
        add_columns(matrix, begin, end, psi, out)
        begin = end
    # What was read is of no account, but a compiler may leave out what nobody takes.
    return norm_of(out, size) + 0.0 * read


@light_kernel(apart=True)
def multiply_far(matrix, psi, out):
    """Write a matrix times ψ into `out` as `multiply` does, if the matrix is in memory."""
    clear(out, matrix.shape[2])
    return add_far_columns(matrix, 0, len(psi), psi, out)


@light_kernel()
def tried(matrix, psi, threshold, out):
    """Write the product of a propagator and ψ into `out`, unless it is below the threshold; return the norm².

    Most of ψ is in its first components, in a frame above all. What the others can add to the norm is known, as
    no propagator makes them longer: the product may end before them.
    """
    width = len(psi)
    few, rest, limit = width - width % 4, 0.0, LATER * LATER * threshold
    for j in range(few, width):
        rest += psi[j].real * psi[j].real + psi[j].imag * psi[j].imag
    while few > 0:
        more = rest
        for j in range(few - 4, few):
            more += psi[j].real * psi[j].real + psi[j].imag * psi[j].imag
        if not more <= limit:
            break
        few, rest = few - 4, more
    after = multiply_far(matrix, psi[:few], out)
    most = (np.sqrt(after) + np.sqrt(rest)) * NO_LONGER
    if few == width or most * most < threshold:
        return after
    return add_far_columns(matrix, few, width, psi, out)
