"""Motion within a segment of steps, in the few vectors that its states from the slow space, or to it, span.

A segment is a run of some steps, or one constant stretch. What the slow space becomes within it is spanned by
some thirty vectors A, for any N. Of a state within it some thirty components, along vectors B, decide what it
is in the slow space after the next period. Coordinates in A follow dc/dt = −iA†H_effA·c as exactly as A holds
the states, and those in B as exactly as B holds what P(t) of `periods` asks for.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from ..jit import light_kernel
from .product_kernels import write_product
from .taylor_kernels import ENOUGH, MOST_TERMS, local_coefficients


@light_kernel(apart=True)
def expand_within(arrays, operators, step, offset, start, work):
    """Write the Taylor coefficients of coordinates from `offset` of a step to its end; see `expand`.

    `operators` are those of H_eff in the vectors of the segment. The coefficients are the first entries of those
    of a state in ``work.series``.
    """
    size, terms, degree = len(start), len(operators) - 1, arrays.coefficients.shape[2]
    series, mixed, constant, driven = work.series, work.mixed[:size], work.parts, work.sums
    local_coefficients(arrays, step, offset, 1.0 - offset, work.local)
    span = (arrays.starts[step + 1] - arrays.starts[step]) * (1.0 - offset)
    norm = 0.0
    for i in range(size):
        series[0, i] = start[i]
        norm += start[i].real * start[i].real + start[i].imag * start[i].imag
    limit, small = ENOUGH * ENOUGH * norm, 0
    for k in range(MOST_TERMS - 1):
        # H_eff c_k, and for each drive its operator times Σ_l f_l c_{k−l}.
        write_product(operators[0], series[k, :size], constant)
        for j in range(terms):
            for i in range(size):
                mixed[i] = 0.0
            for power in range(min(degree, k + 1)):
                f = work.local[j, power]
                for i in range(size):
                    mixed[i] += f * series[k - power, i]
            write_product(operators[1 + j], mixed, driven)
            for i in range(size):
                constant[0, i] += driven[0, i]
                constant[1, i] += driven[1, i]
        factor = span / (k + 1.0)
        norm = 0.0
        for i in range(size):
            # −iH_eff·c
            x, y = factor * constant[1, i], -factor * constant[0, i]
            series[k + 1, i] = complex(x, y)
            norm += x * x + y * y
        small = small + 1 if norm <= limit else 0
        if small >= 2 and k >= degree:
            return k + 2
    return -1
