"""Stacked operators on a state vector: click rates, the choice of a channel, a jump, expectation values."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .jit import light_kernel


class Jumps(NamedTuple):
    """All jump operators in one CSR layout: row k·N + i of the stack is row i of c_k."""

    indptr: NDArray[np.int64]
    indices: NDArray[np.int64]
    data: NDArray[np.complex128]


@light_kernel()
def copy_ket(psi, out):
    """Write ψ into `out`, without a slice, whose checks of shapes take seconds to compile."""
    for i in range(len(psi)):
        out[i] = psi[i]


@light_kernel()
def squared_norm(psi):
    """Return ‖ψ‖²."""
    total = 0.0
    for i in range(len(psi)):
        total += psi[i].real * psi[i].real + psi[i].imag * psi[i].imag
    return total


@light_kernel()
def click_rates(jumps, psi, rates):
    """Write ‖c_kψ‖² of every channel into `rates` and return their sum."""
    dimension = len(psi)
    total = 0.0
    for k in range(len(rates)):
        rate = 0.0
        for i in range(dimension):
            real = 0.0
            imag = 0.0
            row = k * dimension + i
            for p in range(jumps.indptr[row], jumps.indptr[row + 1]):
                amplitude = jumps.data[p] * psi[jumps.indices[p]]
                real += amplitude.real
                imag += amplitude.imag
            rate += real * real + imag * imag
        rates[k] = rate
        total += rate
    return total


@light_kernel()
def choose_channel(rates, total, uniform):
    """Return the channel in which the cumulative rate first exceeds uniform·total."""
    cumulative = 0.0
    chosen = -1
    for k in range(len(rates)):
        if rates[k] > 0.0:
            chosen = k
            cumulative += rates[k]
            if cumulative > uniform * total:
                break
    return chosen


@light_kernel()
def apply_jump(jumps, channel, psi, out):
    """Write c_kψ/‖c_kψ‖ into `out`."""
    dimension = len(psi)
    for i in range(dimension):
        amplitude = 0.0j
        row = channel * dimension + i
        for p in range(jumps.indptr[row], jumps.indptr[row + 1]):
            amplitude += jumps.data[p] * psi[jumps.indices[p]]
        out[i] = amplitude
    scale = 1.0 / np.sqrt(squared_norm(out))
    for i in range(dimension):
        out[i] *= scale


@light_kernel()
def expectation(operators, psi, values):
    """Write ⟨ψ|O_k|ψ⟩/⟨ψ|ψ⟩, real part, of every stacked operator into `values`."""
    dimension = len(psi)
    norm = squared_norm(psi)
    for k in range(len(values)):
        total = 0.0
        for i in range(dimension):
            amplitude = 0.0j
            row = k * dimension + i
            for p in range(operators.indptr[row], operators.indptr[row + 1]):
                amplitude += operators.data[p] * psi[operators.indices[p]]
            total += psi[i].real * amplitude.real + psi[i].imag * amplitude.imag
        values[k] = total / norm


@light_kernel()
def keep_ket(psi, number, n_samples, kets):
    """Write ψ/‖ψ‖ into `kets`, which has room for the last of the `n_samples` sampled states, if this is one."""
    row = number - (n_samples - len(kets))
    if row >= 0:
        scale = 1.0 / np.sqrt(squared_norm(psi))
        for i in range(len(psi)):
            kets[row, i] = scale * psi[i]
