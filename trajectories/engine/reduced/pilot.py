"""Pilot trajectories: the states that a system visits, and the few vectors that span them.

The pilot runs on the essential basis states. Its random numbers depend on the system alone, so that the basis is
the same for every run. At each click of the pilot the jumps of all channels are applied, each weighted with its
probability, so that rare channels are not missed. The basis is a proper orthogonal decomposition of the states
after these jumps and of the states that they evolve to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from ...errors import ConvergenceError
from ...model.system import OpenSystem
from ...random_streams import system_stream
from ..jump_kernels import Jumps
from ..modes.eigenmodes import ModesPropagator
from ..modes.forms_kernels import BEFORE_BLOCKS, BLOCK, CHANNEL, FASTEST, ModesArrays
from ..trajectory_state import HORIZON, LEFT_BASIS, NEED_UNIFORMS, NO_BRACKET

# Purposes of the random numbers; see `system_stream`.
PILOT, ENRICHMENT, AUDIT = 10, 11, 12
# A pilot trajectory ends after this time, in units of 1/(largest frequency in S): without a click it is taken as
# dark.
LONGEST = 1e12
# Times at which the state after a jump is sampled, in addition to t = 0.
LOOKS = 4
# Columns in one singular value decomposition.
COLUMNS = 4096
UNIFORMS = 512

_NOTHING = (
    Jumps(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.complex128)),
    np.zeros(0),
    np.zeros((0, 0)),
    np.zeros((0, 0), np.complex128),
)


@dataclass(frozen=True)
class Gap:
    """A click of a pilot trajectory and the gap before it.

    Attributes
    ----------
    before : ndarray of complex
        Amplitudes of the first modes just before the click, normalised so that the jump leaves norm 1.
    channel : int
        The channel.
    wait : float
        The gap that the click ended.
    left : bool
        Whether the jump left more outside the basis than it may.
    """

    before: NDArray[np.complex128]
    channel: int
    wait: float
    left: bool


def stream(system: OpenSystem, purpose: int, number: int = 0) -> np.random.Generator:
    """Return random numbers that depend on the system and their purpose alone."""
    return system_stream(system.digest, purpose, number)


def gaps(
    arrays: ModesArrays,
    jumps: Jumps,
    kets: NDArray[np.complex128],
    weights: NDArray[np.float64],
    numbers: np.random.Generator,
    count: int,
    longest: int,
) -> Iterator[Gap]:
    """Compute trajectories in a basis until `count` clicks, each for at most `longest`.

    There may be fewer clicks: of trajectories that end without one there are no more than `count`.
    """
    propagator = ModesPropagator(arrays)
    cumulative = np.cumsum(weights) / np.sum(weights)
    fastest = float(arrays.scalars[FASTEST])
    if fastest == 0.0:  # nothing moves, and nothing clicks
        return
    stop = LONGEST / fastest
    made, without, state = 0, 0, None
    while made < count and without <= count:
        chosen = min(int(np.searchsorted(cumulative, numbers.random(), side="right")), len(kets) - 1)
        state = propagator.start(kets[chosen], len(arrays.jump), state)
        fields = state.fields  # by name in brackets: as attributes they are read four times as slowly
        buffers = (np.zeros(1), np.zeros(1, np.int16))
        uniforms = numbers.random(UNIFORMS)
        clicks, now = 0, 0.0
        while clicks < min(longest, count - made):
            fields["n_clicks"] = 0
            status = propagator.advance(jumps, stop, state, uniforms, _NOTHING, buffers)
            if status == NO_BRACKET:
                raise ConvergenceError("a pilot trajectory found no click time")
            if fields["n_clicks"]:
                size = min(BLOCK * int(state.work.jump[BEFORE_BLOCKS]), arrays.vectors.shape[1])
                before = state.work.before[0, :size] + 1j * state.work.before[1, :size]
                clicked = float(fields["gap_start"])
                wait, now = clicked - now, clicked
                yield Gap(before, int(state.work.jump[CHANNEL]), wait, status == LEFT_BASIS)
                clicks += 1
            if status in (HORIZON, LEFT_BASIS):
                break
            if status == NEED_UNIFORMS:
                uniforms = np.concatenate([uniforms[fields["next_uniform"] :], numbers.random(UNIFORMS)])
                fields["next_uniform"] = 0
        made += clicks
        without += clicks == 0


def spanning_vectors(
    arrays: ModesArrays,
    pilot: list[Gap],
    kets: NDArray[np.complex128],
    weights: NDArray[np.float64],
    numbers: np.random.Generator,
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Return orthonormal vectors on the essential states that span the states of the pilot, and their weights.

    Parameters
    ----------
    arrays : ModesArrays
        The modes on the essential states, in which the pilot ran.
    pilot : list of Gap
        Its clicks.
    kets, weights : ndarray
        The initial ensemble.
    numbers : numpy.random.Generator
        Random numbers for the times.

    Returns
    -------
    ndarray of complex, shape (n, r), and ndarray of float, shape (r,)
        The vectors, and the singular values of the states, of norm 1 each; they descend.
    """
    waits = np.array([gap.wait for gap in pilot]) if pilot else np.ones(1)
    triangle = np.zeros((0, len(arrays.states)), np.complex128)
    start = arrays.inverse @ kets[:, arrays.states].T
    for after, share in ((start, weights / weights.sum()), *_after_jumps(arrays, pilot)):
        for look in range(1 + LOOKS):
            times = numbers.random(after.shape[1]) * numbers.choice(waits, after.shape[1]) * (look > 0)
            columns = _evolved(arrays, after, times)
            norms = np.maximum(np.linalg.norm(columns, axis=0), 1e-300)
            columns *= np.sqrt(share) / norms
            for first in range(0, columns.shape[1], COLUMNS):
                stacked = np.vstack([triangle, columns[:, first : first + COLUMNS].conj().T])
                triangle = linalg.qr(stacked, mode="r", check_finite=False, overwrite_a=True)[0]
                triangle = triangle[: triangle.shape[1]]
    _, values, vectors = linalg.svd(triangle, full_matrices=False, check_finite=False)
    return np.ascontiguousarray(vectors.conj().T), values


def _after_jumps(
    arrays: ModesArrays, pilot: list[Gap]
) -> Iterator[tuple[NDArray[np.complex128], NDArray[np.float64]]]:
    """Yield, for each channel, the amplitudes after a jump at every click of the pilot, and their weights."""
    if not pilot:
        return
    before = np.zeros((arrays.vectors.shape[1], len(pilot)), np.complex128)
    for number, gap in enumerate(pilot):
        size = np.linalg.norm(arrays.vectors[:, : len(gap.before)] @ gap.before)
        before[: len(gap.before), number] = gap.before / size
    count = arrays.vectors.shape[1]
    weighted = []
    for jump in arrays.jump:
        after = (jump[:count, 0, :count] + 1j * jump[:count, 1, :count]).T @ before
        rates = np.linalg.norm(arrays.vectors @ after, axis=0) ** 2
        if rates.sum() > 0.0:
            kept = rates > 0.0
            weighted.append((after[:, kept], rates[kept]))
    total = sum(float(rates.sum()) for _, rates in weighted)
    for after, rates in weighted:
        yield after, rates / total


def _evolved(
    arrays: ModesArrays, amplitudes: NDArray[np.complex128], times: NDArray[np.float64]
) -> NDArray[np.complex128]:
    """Return states on the essential basis states, each after its own time."""
    count = len(amplitudes)
    rates = -arrays.decay[:count] - 1j * arrays.energy[:count]
    return np.asarray(arrays.vectors @ (amplitudes * np.exp(rates[:, None] * times[None, :])))
