"""Taylor steps of many columns of a propagator together; see `taylor_kernels`."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from ..jit import light_kernel
from .taylor_kernels import ENOUGH, MOST_TERMS, local_coefficients

# Columns of a propagator that are followed together.
COLUMNS = 16


@light_kernel()
def columns_of_leaf(arrays, first, last, cuts, columns, series, local, mixed):
    """Carry columns of a propagator, (N, 2, COLUMNS), through parts `first` … `last` − 1 of steps, in place.

    Every step is cut into so many parts. Returns whether every series became small.
    """
    size, degree = columns.shape[0], arrays.coefficients.shape[2]
    terms, width = arrays.coefficients.shape[1], columns.shape[2]
    for part_step in range(first, last):
        step, share = part_step // cuts, 1.0 / cuts
        local_coefficients(arrays, step, share * (part_step % cuts), share, local)
        span = share * (arrays.starts[step + 1] - arrays.starts[step])
        limit = ENOUGH * ENOUGH
        for i in range(size):
            for part in range(2):
                for c in range(width):
                    series[0, i, part, c] = columns[i, part, c]
        small, count = 0, MOST_TERMS
        for k in range(MOST_TERMS - 1):
            following = series[k + 1]
            following[:] = 0.0
            for j in range(terms + 1):
                source = series[k]
                if j > 0:
                    used = False
                    for power in range(min(degree, k + 1)):
                        f = local[j - 1, power]
                        if f != 0.0:
                            if not used:
                                mixed[:] = 0.0
                            used = True
                            before = series[k - power]
                            for i in range(size):
                                for part in range(2):
                                    for c in range(width):
                                        mixed[i, part, c] += f * before[i, part, c]
                    if not used:
                        continue
                    source = mixed
                for i in range(size):
                    row = j * size + i
                    real, imag = following[i, 0], following[i, 1]
                    for p in range(arrays.indptr[row], arrays.indptr[row + 1]):
                        h, column = arrays.data[p], arrays.indices[p]
                        x, y = source[column, 0], source[column, 1]
                        # −i·h·(x + iy)
                        a, b = h.real, h.imag
                        if b == 0.0:
                            for c in range(width):
                                real[c] += a * y[c]
                                imag[c] -= a * x[c]
                        else:
                            for c in range(width):
                                real[c] += a * y[c] + b * x[c]
                                imag[c] += b * y[c] - a * x[c]
            factor = span / (k + 1.0)
            largest = 0.0
            for i in range(size):
                for part in range(2):
                    row_part = following[i, part]
                    for c in range(width):
                        row_part[c] *= factor
                        largest = max(largest, abs(row_part[c]))
            # No column is longer than √2N of its largest entry; columns of a propagator begin with norm 1.
            small = small + 1 if 2.0 * size * largest * largest <= limit else 0
            if small >= 2 and k >= degree:
                count = k + 2
                break
        if small < 2:
            return False
        columns[:] = 0.0
        for k in range(count):
            source = series[k]
            for i in range(size):
                for part in range(2):
                    for c in range(width):
                        columns[i, part, c] += source[i, part, c]
    return True
