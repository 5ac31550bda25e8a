"""Kernels of the filter for imperfect detectors: states as real vectors, carried along recorded trajectories.

Several trajectories are followed together, from event to event, so that those with the same click share one
product of matrices. An event is a click, or a *revival*: a detector is ready again after its dead time.
"""

# mypy: allow-untyped-defs, allow-untyped-calls

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..jit import kernel

# Terms of a Taylor series below this share of the vector add nothing.
BELOW_ROUNDING = 1e-17
# A click with less than this share of the total rate is impossible in the model: its rate is rounding.
IMPOSSIBLE = 1e-20
# A trace below this is zero.
NOTHING = 1e-300


class Motions(NamedTuple):
    """e^{L0 t} for each set of dead detectors, by modes or, where `by_modes` is False, by ladders."""

    by_modes: bool
    rate: NDArray[np.float64]  # (sets, R)
    frequency: NDArray[np.float64]  # (sets, R)
    paired: NDArray[np.bool_]  # (sets, R)
    generator: NDArray[np.float64]  # (sets, R, R)
    step: NDArray[np.float64]  # (sets,)
    ladder: NDArray[np.float64]  # (sets, J, R, R)


class Watch(NamedTuple):
    """What events do, for each set of dead detectors, 0 without any. States are in the set's coordinates."""

    start: NDArray[np.float64]  # (R,), of set 0
    trace: NDArray[np.float64]  # (sets, R)
    effect: NDArray[np.float64]  # (sets, K, R); zero where the detector is dead
    dead: NDArray[np.bool_]  # (sets, K)
    maps: NDArray[np.float64]  # (M, R, R), transposed
    click_map: NDArray[np.int64]  # (sets, K), row of `maps`
    click_to: NDArray[np.int64]  # (sets, K), the set after the click
    revival_map: NDArray[np.int64]  # (sets, K), −1 where the coordinates stay
    revival_to: NDArray[np.int64]  # (sets, K)
    dead_time: NDArray[np.float64]  # (K,)
    slack: float  # how much too early a click may come after a dead time


class Clicks(NamedTuple):
    """Trajectories to follow."""

    start: NDArray[np.float64]  # (n,)
    stop: NDArray[np.float64]  # (n,)
    offsets: NDArray[np.int64]  # (n + 1,)
    time: NDArray[np.float64]
    channel: NDArray[np.int64]


@kernel()
def follow(motions, watch, clicks, state, hazard, intensity, forbidden):
    """Carry states along all trajectories, as many at once as `state` has rows.

    Written are −ln of the survival of every gap, the rates of all channels just before every click, and whether a
    trajectory has a click that cannot be, after which it starts anew.
    """
    width, size = state.shape
    n_channels = watch.effect.shape[1]
    row = np.full(width, -1)
    place = np.zeros(width, dtype=np.int64)
    here = np.zeros(width, dtype=np.int64)
    todo = np.full(width, -1)
    clicked = np.zeros(width, dtype=np.bool_)
    now, gathered = np.zeros(width), np.zeros(width)
    alive_at = np.zeros((width, n_channels))
    block = np.empty((width, size))
    member = np.empty(width, dtype=np.int64)
    following = 0
    while True:
        active = 0
        for b in range(width):
            todo[b] = -1
            if row[b] < 0:
                if following == len(clicks.start):
                    continue
                row[b] = following
                place[b] = clicks.offsets[following]
                now[b] = clicks.start[following]
                _begin(watch, state[b], here, alive_at, b)
                gathered[b] = 0.0
                following += 1
            active += 1
            last = place[b] == clicks.offsets[row[b] + 1]
            target = clicks.stop[row[b]] if last else clicks.time[place[b]]
            channel = -1 if last else clicks.channel[place[b]]
            if not last and watch.dead[here[b], channel] and alive_at[b, channel] - target <= watch.slack:
                alive_at[b, channel] = min(alive_at[b, channel], target)
            revived = _next_revival(watch.dead[here[b]], alive_at[b])
            if revived >= 0 and alive_at[b, revived] <= target:
                gathered[b] += evolve(motions, watch, here[b], state[b], alive_at[b, revived] - now[b])
                now[b] = alive_at[b, revived]
                todo[b] = watch.revival_map[here[b], revived]
                clicked[b] = False
                here[b] = watch.revival_to[here[b], revived]
                continue
            gathered[b] += evolve(motions, watch, here[b], state[b], target - now[b])
            now[b] = target
            hazard[place[b] + row[b]] = gathered[b]
            gathered[b] = 0.0
            if last:
                row[b] = -1
                continue
            total = 0.0
            for k in range(n_channels):
                rate = max(np.dot(watch.effect[here[b], k], state[b]), 0.0)
                intensity[place[b], k] = rate
                total += rate
            place[b] += 1
            if watch.dead[here[b], channel] or not intensity[place[b] - 1, channel] > IMPOSSIBLE * total:
                forbidden[row[b]] = True
                _begin(watch, state[b], here, alive_at, b)
                continue
            todo[b] = watch.click_map[here[b], channel]
            clicked[b] = True
            if watch.dead_time[channel] > 0.0:
                alive_at[b, channel] = target + watch.dead_time[channel]
            here[b] = watch.click_to[here[b], channel]
        if active == 0:
            return
        for m in range(len(watch.maps)):
            count = 0
            for b in range(width):
                if todo[b] == m:
                    member[count] = b
                    _copy(state[b], block[count])
                    count += 1
            if count == 1:
                _copy(np.dot(block[0], watch.maps[m]), state[member[0]])
            elif count > 1:
                image = np.dot(block[:count], watch.maps[m])
                for i in range(count):
                    _copy(image[i], state[member[i]])
        for b in range(width):
            if todo[b] >= 0 and clicked[b]:
                trace = np.dot(watch.trace[here[b]], state[b])
                if trace > NOTHING:
                    for i in range(size):
                        state[b, i] /= trace
                else:
                    forbidden[row[b]] = True
                    _begin(watch, state[b], here, alive_at, b)


@kernel()
def evolve(motions, watch, which, state, time):
    """Carry a state without clicks for a time and give it trace 1; return −ln of its trace before that."""
    if time <= 0.0:
        return 0.0
    gathered = 0.0
    if motions.by_modes:
        gathered = _by_modes(motions.rate[which], motions.frequency[which], motions.paired[which], state, time)
    else:
        gathered = _by_ladder(motions.generator[which], motions.step[which], motions.ladder[which], state, time)
    trace = np.dot(watch.trace[which], state)
    if not trace > NOTHING:
        return np.inf
    state /= trace
    return gathered - np.log(trace)


@kernel()
def _copy(source, target):
    """Write an array into another one; a slice brings checks of shapes along, which take seconds to compile."""
    for i in range(len(source)):
        target[i] = source[i]


@kernel()
def _begin(watch, state, here, alive_at, b):
    _copy(watch.start, state)
    here[b] = 0
    alive_at[b] = -np.inf


@kernel()
def _next_revival(dead, alive_at):
    """Return the dead channel that sees again first, −1 if none is dead."""
    found = -1
    for k in range(len(dead)):
        if dead[k] and (found < 0 or alive_at[k] < alive_at[found]):
            found = k
    return found


@kernel()
def _by_modes(rate, frequency, paired, state, time):
    """Apply e^{Bt}, scaled so that the slowest mode stays; return −ln of the scale."""
    slowest = rate.max()
    i = 0
    while i < len(state):
        decay = np.exp((rate[i] - slowest) * time)
        if paired[i]:
            cos, sin = decay * np.cos(frequency[i] * time), decay * np.sin(frequency[i] * time)
            x, y = state[i], state[i + 1]
            state[i], state[i + 1] = x * cos + y * sin, y * cos - x * sin
            i += 2
        else:
            state[i] *= decay
            i += 1
    return -slowest * time


@kernel()
def _by_ladder(generator, step, ladder, state, time):
    """Apply e^{Gt} by tabulated steps, and the Taylor series for the rest; return −ln of the scale."""
    steps = int(time / step)
    rest = time - steps * step
    last = len(ladder) - 1
    gathered = 0.0
    for _ in range(steps >> last):
        gathered += _scaled(np.dot(ladder[last], state), state)
    for j in range(last):
        if (steps >> j) & 1:
            gathered += _scaled(np.dot(ladder[j], state), state)
    term = state.copy()
    size = np.abs(state).max()
    for k in range(1, 60):
        term = np.dot(generator, term) * (rest / k)
        state += term
        if np.abs(term).max() <= BELOW_ROUNDING * size:
            break
    return gathered


@kernel()
def _scaled(image, state):
    """Write an image with its largest number made 1; return −ln of the scale."""
    largest = np.abs(image).max()
    if not largest > NOTHING:
        state[:] = 0.0
        return 0.0
    for i in range(len(state)):
        state[i] = image[i] / largest
    return -np.log(largest)
