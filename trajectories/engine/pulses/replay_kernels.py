"""Replaying clicks through a system that depends on time: an ensemble of kets carried from click to click."""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

import numpy as np

from ..jit import kernel, light_kernel
from ..jump_kernels import copy_ket
from ..replay.replay_kernels import click, survival
from .place_kernels import LEAF, N_PLACE, channel_rates, copy_place
from .pulse_kernels import watch_until


@light_kernel()
def _clear(place, offset):
    """Put a place at t = 0."""
    for i in range(N_PLACE):
        place[i] = 0
    offset[0] = 0.0


@kernel()
def follow_timed(arrays, jumps, ensemble, clicks, budget, hazard, intensity, work):
    """Carry an ensemble along one trajectory; see `replay_kernels.follow_modes`.

    `clicks` are the gaps, the channels, and the time at which the trajectory begins.
    """
    gaps, channels, now = clicks
    phi, rank = ensemble.copy(), len(ensemble)
    psi = np.empty_like(phi)
    scratch = np.empty(intensity.shape[1])
    discarded, forbidden = 0.0, False
    place, offset = work.place, work.offset
    _clear(work.watch_place, work.watch_offset)
    if now > 0.0:
        # Only the place is needed: the state starts with the trajectory.
        copy_ket(ensemble[0], work.watched)
        watch_until(arrays, now, work)
    copy_place(work.watch_place, work.watch_offset, place, offset)
    for n in range(len(gaps)):
        now += gaps[n]
        for i in range(rank):
            copy_place(place, offset, work.watch_place, work.watch_offset)
            copy_ket(phi[i], work.watched)
            watch_until(arrays, now, work)
            copy_ket(work.watched, psi[i])
        copy_place(work.watch_place, work.watch_offset, place, offset)
        total = survival(psi, rank)
        hazard[n] = -np.log(total)
        if n == len(channels):
            break
        intensity[n] = 0.0
        x = offset[0] if arrays.leaf_modes[place[LEAF]] < 0 else 0.0
        for i in range(rank):
            channel_rates(arrays, jumps, psi[i], place, x, scratch)
            for k in range(len(scratch)):
                intensity[n, k] += scratch[k] / total
        rank, dropped = click(jumps, channels[n], psi, rank, intensity[n] * total, budget, phi)
        if rank > 0:
            # The amplitude g of a jump operator changes its rate, not the normalised state after the jump.
            norm = survival(phi, rank)
            for i in range(rank):
                for j in range(phi.shape[1]):
                    phi[i, j] /= np.sqrt(norm)
        discarded += dropped
        if rank == 0:
            forbidden = True
            rank = len(ensemble)
            for i in range(rank):
                copy_ket(ensemble[i], phi[i])
    return discarded, forbidden
