"""Place of a trajectory in time, and its state and click rates there, for systems that depend on time."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import light_kernel
from ..jump_kernels import click_rates, copy_ket
from ..modes.forms_kernels import ModesWorkspace
from .product_kernels import multiply, multiply_far
from .taylor_kernels import PERIOD

# Slots of a place in time: number of the period, leaf, step in the leaf.
# Of blocks: BLOCK is the level to be tried next, LARGEST that of the largest block passed since the last click;
# INSIDE says that the state is ``work.phi``, in the frame of a reduced tree, and FRAMED that it was since the
# click.
# Of constant stretches: STILL says that the state is ``work.modal``, or will be made of ``work.slow`` (ENTERING).
# Of whole periods: IN_SLOW says that the state is ``work.slow``; RUNG is the rung to be tried next,
# LARGEST_RUNG the largest passed since the last click. TRIED is 1 once the slow space has been tried since the
# last click, and 2 when the way to the next constant stretch has been, too; FOUND says that the click is known
# to be in this leaf.
# Apart from these, ``work.offset`` is the position in the step as a share of it, or in a constant stretch as a
# time.
CYCLE, LEAF, STEP, BLOCK, LARGEST, INSIDE, STILL = 0, 1, 2, 3, 4, 5, 6
IN_SLOW, TRIED, FOUND, RUNG, LARGEST_RUNG, FRAMED = 7, 8, 9, 10, 11, 12
N_PLACE = 13
ENTERING = 2


class PulseWorkspace(NamedTuple):
    """Work arrays of one trajectory."""

    psi: NDArray[np.complex128]  # the ket at its place, with norm² ``state.survival``
    trial: NDArray[np.complex128]
    watched: NDArray[np.complex128]  # the state at the place of the last sample
    parts: NDArray[np.float64]  # (2, N)
    padded_series: NDArray[np.float64]  # `series` with as many numbers before and behind as diagonals reach
    padded_mixed: NDArray[np.float64]  # `mixed` likewise
    series: NDArray[np.complex128]  # (MOST_TERMS, N)
    mixed: NDArray[np.complex128]
    sums: NDArray[np.float64]  # (2, 2N)
    modes: NDArray[np.complex128]  # amplitudes of eigenmodes
    phases: NDArray[np.complex128]
    phi: NDArray[np.complex128]  # (r,): the ket in a frame
    lent: NDArray[np.complex128]  # (r,)
    slow: NDArray[np.complex128]  # (q,): the ket at the start of a period, in the slow space
    near: NDArray[np.complex128]  # the ket in the vectors of a segment
    local: NDArray[np.float64]  # (n_terms, n_coefficients)
    rates: NDArray[np.float64]
    place: NDArray[np.int64]
    offset: NDArray[np.float64]  # (1,)
    guess: NDArray[np.float64]  # (1,): of the wait in a stretch that was entered with FOUND; −1: none
    watch_place: NDArray[np.int64]
    watch_offset: NDArray[np.float64]
    modal: ModesWorkspace  # the trajectory in a constant stretch


@light_kernel()
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


@light_kernel()
def at_leaf_start(arrays, place, offset):
    """Whether a place is the beginning of a leaf."""
    leaf = place[LEAF]
    return offset[0] == 0.0 and (arrays.leaf_modes[leaf] >= 0 or place[STEP] == arrays.leaf_step[leaf])


@light_kernel()
def move_to_leaf(arrays, place, offset, leaf):
    """Put a place at the beginning of a leaf; behind the last leaf of a period that is the next period."""
    if leaf == len(arrays.leaf_modes) and arrays.scalars[PERIOD] < np.inf:
        place[CYCLE] += 1
        leaf = 0
    place[LEAF] = leaf
    place[STEP] = arrays.leaf_step[leaf] if leaf < len(arrays.leaf_modes) else 0
    offset[0] = 0.0


@light_kernel()
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


@light_kernel()
def outside_of(arrays, psi, norm, parts, inside):
    """Write Q†ψ into `inside` and return how much of the norm² of ψ, which is given, lies outside the frame."""
    within = multiply_far(arrays.adjoint, psi, parts)
    take(parts, inside)
    return max(norm - within, 0.0)


@light_kernel()
def modal_amplitudes(arrays, number, psi, work):
    """Write the amplitudes of the eigenmodes of a constant stretch for ψ into ``work.modes``."""
    multiply(arrays.inverse[number], psi, work.parts)
    take(work.parts, work.modes)


@light_kernel()
def modal_state(arrays, number, time, out, work):
    """Write V e^{−iΛt} z of ``work.modes`` into `out` and return its norm²."""
    decay, energy = arrays.decay[number], arrays.energy[number]
    for j in range(len(work.modes)):
        decayed, angle = np.exp(-decay[j] * time), energy[j] * time
        work.phases[j] = work.modes[j] * complex(decayed * np.cos(angle), -decayed * np.sin(angle))
    norm = multiply(arrays.vectors[number], work.phases, work.parts)
    take(work.parts, out)
    return norm


@light_kernel()
def start_watch(work):
    """Set the watched state to the state of the trajectory."""
    copy_ket(work.psi, work.watched)
    copy_place(work.place, work.offset, work.watch_place, work.watch_offset)


@light_kernel()
def copy_place(place, offset, out_place, out_offset):
    """Write a place into another one."""
    for i in range(N_PLACE):
        out_place[i] = place[i]
    out_offset[0] = offset[0]


@light_kernel()
def take(parts, psi):
    """Copy a state with its parts apart into a complex vector."""
    for i in range(len(psi)):
        psi[i] = complex(parts[0, i], parts[1, i])
