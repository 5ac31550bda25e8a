"""Kernels of the replay: the state conditioned on the clicks so far, along a recorded trajectory.

The state is ρ = Σ_i φ_i φ_i†, a few kets with the same clicks; a pure start has one. Between clicks each ket
follows exp(−iH_eff t). At a click c_k is applied to all of them, and a unitary rotation among the kets makes them
orthogonal, so that those of negligible weight can be dropped.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..column_kernels import combine
from ..jit import kernel, light_kernel
from ..jump_kernels import click_rates, copy_ket, squared_norm
from ..phase_kernels import exponentials
from ..sparse.chebyshev_kernels import STEP, propagate

# A click with less than this share of the total rate is impossible in the model: its rate is rounding.
IMPOSSIBLE = 1e-20
# Amplitudes below this share of a ket's norm (less if modes are far from orthogonal) are set to zero: just after a
# click, when slow modes may be small, and at the end of a gap. The dropped weight is negligible compared with that
# which may be dropped at a click.
FAINT_BEFORE, FAINT_AFTER = 1e-13, 1e-11


class FilterModes(NamedTuple):
    """The eigenbasis of H_eff; real and imaginary parts of columns are separate, so that loops vectorise."""

    energy: NDArray[np.float64]  # Re λ, (N,)
    decay: NDArray[np.float64]  # −Im λ, (N,)
    vectors: NDArray[np.float64]  # V, (column, 2, row)
    inverse: NDArray[np.float64]  # V⁻¹, (column, 2, row)
    skew: float  # a bound of the condition number of V, over N


@kernel()
def in_modes(arrays, ensemble):
    """Return V⁻¹φ of every ket of an ensemble, (ket, 2, mode)."""
    size = len(arrays.energy)
    amplitude = np.empty((2, size))
    images = np.empty((len(ensemble), 2, size))
    for i in range(len(ensemble)):
        for j in range(size):
            amplitude[0, j], amplitude[1, j] = ensemble[i, j].real, ensemble[i, j].imag
        combine(arrays.inverse, amplitude, images[i])
    return images


@kernel()
def follow_modes(arrays, jumps, start, clicks, budget, hazard, intensity):
    """Carry an ensemble along one trajectory, in the eigenbasis of H_eff.

    `start` are V⁻¹φ of kets whose squared norms sum to one, as `in_modes` returns them: a steady state is many
    kets, the same for every trajectory, of which one or two are left after a click. `clicks` are the gaps between
    clicks, first and last included, and the channels; at most `budget` of the weight is dropped at a click.
    Written are −ln of the no-click survival of every gap, and the click rates of all channels given the past at
    every click. Returns the weight dropped over all clicks, and whether the model forbids some click, after which
    the ensemble starts anew.
    """
    gaps, channels = clicks
    size, rank, begins = len(arrays.energy), len(start), True
    phi, psi = np.empty((rank, size), np.complex128), np.empty((rank, size), np.complex128)
    phase = np.empty((2, size))
    amplitude, image = np.empty((2, size)), np.empty((2, size))
    scratch = np.empty(intensity.shape[1])
    discarded, forbidden = 0.0, False
    for n in range(len(gaps)):
        exponentials(arrays.energy, arrays.decay, size, gaps[n], phase[0], phase[1])
        for i in range(rank):
            if not begins:
                for j in range(size):
                    amplitude[0, j], amplitude[1, j] = phi[i, j].real, phi[i, j].imag
                leave_out(amplitude, FAINT_BEFORE / arrays.skew)
                combine(arrays.inverse, amplitude, image)
            modes = start[i] if begins else image
            for j in range(size):
                x, y = modes[0, j], modes[1, j]
                amplitude[0, j] = x * phase[0, j] - y * phase[1, j]
                amplitude[1, j] = x * phase[1, j] + y * phase[0, j]
            leave_out(amplitude, FAINT_AFTER / arrays.skew)
            combine(arrays.vectors, amplitude, image)
            for j in range(size):
                psi[i, j] = complex(image[0, j], image[1, j])
        if n == len(channels):
            hazard[n] = -np.log(survival(psi, rank))
            break
        total = _observe(jumps, psi, rank, hazard, intensity, n, scratch)
        rank, dropped = click(jumps, channels[n], psi, rank, intensity[n] * total, budget, phi)
        discarded += dropped
        begins = rank == 0
        if begins:
            forbidden = True
            rank = len(start)
    return discarded, forbidden


@light_kernel()
def leave_out(amplitude, share):
    """Set to zero what is below a share of the norm, so that its columns are not read."""
    square = 0.0
    for j in range(amplitude.shape[1]):
        square += amplitude[0, j] * amplitude[0, j] + amplitude[1, j] * amplitude[1, j]
    floor = share * np.sqrt(square)
    for j in range(amplitude.shape[1]):
        if abs(amplitude[0, j]) + abs(amplitude[1, j]) <= floor:
            amplitude[0, j] = amplitude[1, j] = 0.0


@kernel()
def follow_sparse(arrays, jumps, ensemble, clicks, budget, hazard, intensity, work):
    """Carry an ensemble along one trajectory by the action of exp(−iH_eff t); see `follow_modes`."""
    gaps, channels = clicks
    phi, rank = ensemble.copy(), len(ensemble)
    psi = np.empty_like(phi)
    scratch = np.empty(intensity.shape[1])
    discarded, forbidden = 0.0, False
    for n in range(len(gaps)):
        steps = max(1, int(np.ceil(gaps[n] / arrays.scalars[STEP])))
        for i in range(rank):
            copy_ket(phi[i], work.psi)
            for _ in range(steps):
                propagate(arrays, work.psi, gaps[n] / steps, work.trial, work)
                copy_ket(work.trial, work.psi)
            copy_ket(work.psi, psi[i])
        if n == len(channels):
            hazard[n] = -np.log(survival(psi, rank))
            break
        total = _observe(jumps, psi, rank, hazard, intensity, n, scratch)
        rank, dropped = click(jumps, channels[n], psi, rank, intensity[n] * total, budget, phi)
        discarded += dropped
        if rank == 0:
            forbidden = True
            rank = len(ensemble)
            for i in range(rank):
                copy_ket(ensemble[i], phi[i])
    return discarded, forbidden


@light_kernel()
def survival(psi, rank):
    """Return Σ‖ψ_i‖² over the first `rank` kets."""
    total = 0.0
    for i in range(rank):
        total += squared_norm(psi[i])
    return total


@light_kernel()
def _observe(jumps, psi, rank, hazard, intensity, n, scratch):
    """Write hazard and click rates of the state before click n; return its squared norm."""
    total = survival(psi, rank)
    hazard[n] = -np.log(total)
    intensity[n] = 0.0
    for i in range(rank):
        click_rates(jumps, psi[i], scratch)
        for k in range(len(scratch)):
            intensity[n, k] += scratch[k] / total
    return total


@kernel()
def click(jumps, channel, psi, rank, rates, budget, phi):
    """Write the ensemble after a click into `phi`; return its rank, 0 if it cannot be, and what is dropped."""
    if not rates[channel] > IMPOSSIBLE * rates.sum():
        return 0, 0.0
    scale = 1.0 / np.sqrt(rates[channel])
    size = psi.shape[1]
    for i in range(rank):
        for j in range(size):
            amplitude = 0.0j
            row = channel * size + j
            for p in range(jumps.indptr[row], jumps.indptr[row + 1]):
                amplitude += jumps.data[p] * psi[i, jumps.indices[p]]
            phi[i, j] = scale * amplitude
    if rank == 1:
        return 1, 0.0
    rank, light = _drop_light(phi, rank, 0.5 * budget)
    rank, rest = _compress(phi, rank, 0.5 * budget)
    return rank, light + rest


@kernel()
def _drop_light(phi, rank, budget):
    """Drop the lightest kets while their weight is within the budget; return the new rank and the weight."""
    weight = np.empty(rank)
    for i in range(rank):
        weight[i] = squared_norm(phi[i])
    # A loop instead of a sort, because there are few kets and a sort takes seconds to compile.
    kept = np.ones(rank, np.bool_)
    dropped, left = 0.0, rank
    while left > 1:
        lightest = -1
        for i in range(rank):
            if kept[i] and (lightest < 0 or weight[i] < weight[lightest]):
                lightest = i
        if not dropped + weight[lightest] <= budget:
            break
        dropped += weight[lightest]
        kept[lightest] = False
        left -= 1
    n = 0
    for i in range(rank):
        if kept[i]:
            copy_ket(phi[i], phi[n])
            n += 1
    return left, dropped


@kernel()
def _compress(phi, rank, budget):
    """Rotate the kets so that they are orthogonal, Σφφ† being left alone, and drop the lightest."""
    if rank == 1:
        return 1, 0.0
    kets = phi[:rank].copy()
    weight, rotation = np.linalg.eigh(np.dot(kets.conj(), kets.T))
    dropped, first = 0.0, 0
    while first < rank - 1 and dropped + max(weight[first], 0.0) <= budget:
        dropped += max(weight[first], 0.0)
        first += 1
    kept = np.ascontiguousarray(rotation[:, first:].T)
    rotated = np.dot(kept, kets)
    for n in range(rank - first):
        copy_ket(rotated[n], phi[n])
    return rank - first, dropped
