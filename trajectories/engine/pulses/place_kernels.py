"""Where a trajectory stands in a system that depends on time, and its state and click rates there."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel
from ..jump_kernels import click_rates, squared_norm
from .taylor_kernels import PERIOD, multiply, multiply_some

# Slots of a place in time. Integers: number of the period, leaf, step in the leaf; then the level of the block to
# be tried next, the level of the largest block passed since the last click, and whether the state is that in the
# frame of a reduced tree. The real number: the position in the step as a share of it, or in a constant stretch as
# a time.
CYCLE, LEAF, STEP, BLOCK, LARGEST, INSIDE = 0, 1, 2, 3, 4, 5
N_PLACE = 6


class PulseWorkspace(NamedTuple):
    """Scratch of one trajectory."""

    psi: NDArray[np.complex128]  # the ket at its place, with norm² ``state.survival``
    trial: NDArray[np.complex128]
    watched: NDArray[np.complex128]  # the state at the place of the last sample
    parts: NDArray[np.float64]  # (2, N)
    series: NDArray[np.complex128]  # (MOST_TERMS, N)
    mixed: NDArray[np.complex128]
    sums: NDArray[np.float64]  # (2, 2N)
    modes: NDArray[np.complex128]  # amplitudes of eigenmodes
    phases: NDArray[np.complex128]
    phi: NDArray[np.complex128]  # (r,): the ket in a frame
    lent: NDArray[np.complex128]  # (r,)
    near: NDArray[np.complex128]  # (r,): amplitudes of eigenmodes in a frame
    active: NDArray[np.int64]  # eigenmodes that a first search looks at
    local: NDArray[np.float64]  # (n_terms, n_coefficients)
    rates: NDArray[np.float64]
    place: NDArray[np.int64]
    offset: NDArray[np.float64]  # (1,)
    watch_place: NDArray[np.int64]
    watch_offset: NDArray[np.float64]


@kernel()
def time_of(arrays, place, offset):
    """Return the time of a place."""
    leaf = place[LEAF]
    start = place[CYCLE] * arrays.scalars[PERIOD] if place[CYCLE] > 0 else 0.0
    if leaf == len(arrays.leaf_modes):
        return start + arrays.leaf_start[leaf]
    if arrays.leaf_modes[leaf] >= 0:
        return start + (arrays.leaf_start[leaf] + offset[0])
    step = place[STEP]
    return start + (arrays.starts[step] + offset[0] * (arrays.starts[step + 1] - arrays.starts[step]))


@kernel()
def at_leaf_start(arrays, place, offset):
    """Whether a place is the beginning of a leaf."""
    leaf = place[LEAF]
    return offset[0] == 0.0 and (arrays.leaf_modes[leaf] >= 0 or place[STEP] == arrays.leaf_step[leaf])


@kernel()
def move_to_leaf(arrays, place, offset, leaf):
    """Put a place at the beginning of a leaf; behind the last leaf of a period that is the next period."""
    if leaf == len(arrays.leaf_modes) and arrays.scalars[PERIOD] < np.inf:
        place[CYCLE] += 1
        leaf = 0
    place[LEAF] = leaf
    place[STEP] = arrays.leaf_step[leaf] if leaf < len(arrays.leaf_modes) else 0
    offset[0] = 0.0


@kernel()
def channel_rates(arrays, jumps, psi, place, x, rates):
    """Write g_k²‖c_kψ‖² of every channel into `rates` and return their sum; x is the share of the step."""
    click_rates(jumps, psi, rates)
    total, leaf = 0.0, place[LEAF]
    step = place[STEP] if arrays.leaf_modes[leaf] < 0 else arrays.leaf_step[leaf]
    for k in range(len(rates)):
        term = arrays.amplitude[k]
        if term >= 0:
            square = 0.0
            for m in range(arrays.coefficients.shape[2] - 1, -1, -1):
                square = square * x + arrays.coefficients[step, term, m]
            rates[k] *= max(square, 0.0)
        total += rates[k]
    return total


@kernel()
def outside_of(arrays, psi, norm, parts, inside):
    """Write Q†ψ into `inside` and return how much of the norm² of ψ, which is given, lies outside the frame."""
    within = multiply(arrays.adjoint, psi, parts)
    take(parts, inside)
    return max(norm - within, 0.0)


@kernel()
def modal_amplitudes(arrays, number, psi, limit, work):
    """Write the amplitudes of the eigenmodes of a constant stretch for ψ, in the frame where it holds ψ.

    Returns what lies outside the frame: at least 0 where the amplitudes are those of the frame, in ``work.near``;
    −1 where they are those of all states, in ``work.modes``.
    """
    if len(arrays.frame) > 0:
        norm = squared_norm(psi)
        outside = outside_of(arrays, psi, norm, work.parts, work.lent)
        if outside <= limit:
            multiply(arrays.near_inverse[number], work.lent, work.parts)
            take(work.parts, work.near)
            return outside
    multiply(arrays.inverse[number], psi, work.parts)
    take(work.parts, work.modes)
    return -1.0


@kernel()
def modal_state(arrays, number, near, time, out, work):
    """Write V e^{−iΛt} z into `out` and return its norm²; of the frame's modes if `near`."""
    if near:
        _turn(arrays.near_decay[number], arrays.near_energy[number], work.near, time, work.lent)
        norm = multiply(arrays.near_vectors[number], work.lent, work.parts)
    else:
        _turn(arrays.decay[number], arrays.energy[number], work.modes, time, work.phases)
        norm = multiply(arrays.vectors[number], work.phases, work.parts)
    take(work.parts, out)
    return norm


@kernel()
def _turn(decay, energy, amplitudes, time, out):
    """Write z e^{−iΛt} into `out`."""
    for j in range(len(amplitudes)):
        decayed, angle = np.exp(-decay[j] * time), energy[j] * time
        out[j] = amplitudes[j] * complex(decayed * np.cos(angle), -decayed * np.sin(angle))


@kernel()
def keep_active(amplitudes, share, active):
    """Write the numbers of the modes above a share of the largest amplitude into `active`; return how many."""
    largest, count = 0.0, 0
    for z in amplitudes:
        largest = max(largest, z.real * z.real + z.imag * z.imag)
    for j in range(len(amplitudes)):
        z = amplitudes[j]
        if z.real * z.real + z.imag * z.imag > share * share * largest:
            active[count] = j
            count += 1
    return count


@kernel()
def state_of_active(arrays, number, near, count, time, out, work):
    """Write V e^{−iΛt} z of the active modes alone into `out` and return its norm²."""
    turned = work.lent if near else work.phases
    decay = arrays.near_decay[number] if near else arrays.decay[number]
    energy = arrays.near_energy[number] if near else arrays.energy[number]
    amplitudes = work.near if near else work.modes
    for a in range(count):
        j = work.active[a]
        decayed, angle = np.exp(-decay[j] * time), energy[j] * time
        turned[a] = amplitudes[j] * complex(decayed * np.cos(angle), -decayed * np.sin(angle))
    if near:
        norm = multiply_some(arrays.near_vectors[number], work.active[:count], turned, work.parts)
    else:
        norm = multiply_some(arrays.vectors[number], work.active[:count], turned, work.parts)
    take(work.parts, out)
    return norm


@kernel()
def take(parts, psi):
    """Copy a state with its parts apart into a complex vector."""
    for i in range(len(psi)):
        psi[i] = complex(parts[0, i], parts[1, i])
