"""Imperfect detectors applied to a click record: loss, dark counts, dead time, afterpulses, jitter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories.checks import integer
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.random_streams import detector_stream
from trajectories.records.clicks import ClickRecord
from trajectories.records.detection_log import DetectionLog
from trajectories.records.ticks import Clock, near_whole
from trajectories.results import read_only

from .detection_kernels import alive, with_afterpulses
from .inputs import Watched
from .streams import Clicks, ClickStream, stream

# Dark counts of a trajectory, which are held in memory.
MOST_DARK_COUNTS = 10**8


def apply_detectors(record: ClickRecord, detectors: Mapping[str, Detector], seed: int) -> ClickRecord:
    """Return the record that imperfect detectors would have made of the same clicks.

    Channel by channel: every click is seen with probability η; dark counts are a Poisson process of rate d
    within the observation window; events closer than the dead time to the last registered one are lost, or to
    the last one at all if the detector is paralysable; a registered event is followed by an afterpulse with its
    probability, after an exponential delay, unless that falls into the dead time; the registered times get a
    normal error, those that fall outside the observation window are reflected at its ends, in place of what would
    have come in from outside, and the record is sorted again.

    Parameters
    ----------
    record : ClickRecord
        The clicks as they happened.
    detectors : mapping of str to Detector
        A detector for each channel that has an imperfect one; the others are left as they are.
    seed : int
        Key of the random numbers, with the trajectory and the channel: the result for one trajectory depends
        neither on the other trajectories nor on the other channels.

    Returns
    -------
    ClickRecord
        With the detectors and the seed added to its provenance.

    Raises
    ------
    InvalidInput
        A channel that the record lacks, something that is no Detector, or a negative seed.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> seen = tj.analysis.apply_detectors(record, {"a": tj.Detector(efficiency=0.5)}, seed=1)
    >>> bool(seen.counts()[:, 0].sum() < record.counts()[:, 0].sum()), seen.channel_names
    (True, ('a', 'b'))
    """
    _check(record, detectors, seed)
    return _applied(record, detectors, seed, 0)


def detected_stream(record: Clicks, detectors: Mapping[str, Detector], seed: int) -> ClickStream:
    """Return `apply_detectors` of clicks that are read block by block; parameters and errors are the same.

    Every pass over the stream gives the same clicks, those of `apply_detectors` of the record in memory.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> detectors = {"a": tj.Detector(efficiency=0.5)}
    >>> seen = tj.analysis.detected_stream(record, detectors, seed=1)
    >>> seen.n_clicks == len(tj.analysis.apply_detectors(record, detectors, seed=1))
    True
    """
    whole = stream(record)
    _check(whole, detectors, seed)
    return whole.through(lambda block, first: _applied(block, detectors, seed, first))


def _check(record: Watched, detectors: Mapping[str, Detector], seed: int) -> None:
    for name, detector in detectors.items():
        record.channel_number(name)
        if not isinstance(detector, Detector):
            raise InvalidInput(f"detectors[{name!r}]={detector!r} must be a Detector")
        dark = detector.dark_rate * float((record.stop - record.start).max())
        if dark > MOST_DARK_COUNTS:
            raise InvalidInput(
                f"detectors[{name!r}] has dark_rate={detector.dark_rate:g}, which makes {dark:.3g} dark counts a "
                f"trajectory, more than {MOST_DARK_COUNTS:g}; lower it"
            )
    integer(seed, "seed", 0)
    if seed >= 2**64:
        raise InvalidInput(f"seed={seed} must be below 2**64")


def _applied(record: ClickRecord, detectors: Mapping[str, Detector], seed: int, first: int) -> ClickRecord:
    """Apply checked detectors to a record whose trajectories are numbered from `first` on."""
    if record.clock is not None and record.within is not None:
        return _in_periods(_applied(record.without_ticks(), detectors, seed, first), record.clock)
    chosen = {record.channel_number(name): detector for name, detector in detectors.items()}
    untouched = ~np.isin(record.channel, list(chosen))
    position = np.flatnonzero(untouched)
    parts = [(position, record.trajectory[position], record.time[position], record.channel[position])]
    for number, detector in chosen.items():
        parts += _channel_events(record, number, detector, (seed, first))
    index, trajectory, time, channel = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    # Ties keep the order they had; dark counts come after clicks.
    stamp = _stamped(record, index, time, trajectory)
    order = np.lexsort((index, stamp, trajectory))
    log = DetectionLog.of(record).followed_by(detectors, seed)
    return replace(
        record,
        trajectory=read_only(trajectory[order], np.int64),
        stamp=read_only(stamp[order]),
        channel=read_only(channel[order], np.int16),
        provenance=log.noted_in(record.provenance),
    )


def _in_periods(record: ClickRecord, clock: Clock) -> ClickRecord:
    """Return a record of times as the clock of a synced (T3) record stamps it, at the nearest step."""
    assert clock.fine is not None
    elapsed = record.time - clock.origin[record.trajectory]
    pulse = np.floor(near_whole(elapsed / clock.tick))
    step = np.round(np.maximum(elapsed - pulse * clock.tick, 0.0) / clock.fine)
    over = step > np.ceil(clock.tick / clock.fine) - 1.0
    stamp, within = (pulse + over).astype(np.int64), np.where(over, 0.0, step)
    return replace(record, stamp=read_only(stamp), within=read_only(within, np.int32), clock=clock)


def _stamped(
    record: ClickRecord, index: NDArray[np.int64], time: NDArray[np.float64], trajectory: NDArray[np.int64]
) -> NDArray[Any]:
    """Return what the record's clock makes of times; clicks that were not moved keep their ticks."""
    if record.clock is None:
        return time
    ticks = np.floor(near_whole((time - record.clock.origin[trajectory]) / record.clock.tick)).astype(np.int64)
    own = np.flatnonzero(index < len(record))
    own = own[time[own] == record.time[index[own]]]
    ticks[own] = record.stamp[index[own]]
    return ticks


Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.int16]]


def _channel_events(record: ClickRecord, number: int, detector: Detector, key: tuple[int, int]) -> list[Columns]:
    """Return (position of the click or n_clicks, trajectory, time, channel) of one channel's events.

    `key` is the seed and the number of the record's first trajectory, with which its random numbers are drawn.
    """
    seed, first = key
    clicks = np.flatnonzero(record.channel == number)
    bounds = np.searchsorted(record.trajectory[clicks], np.arange(record.n_trajectories + 1))
    parts = []
    for r in range(record.n_trajectories):
        start, stop = record.start[r], record.stop[r]
        random = detector_stream(seed, first + r, number)
        mine = clicks[bounds[r] : bounds[r + 1]]
        mine = mine[random.random(len(mine)) < detector.efficiency]
        dark = random.uniform(start, stop, random.poisson(detector.dark_rate * (stop - start)))
        time = np.concatenate([record.time[mine], dark])
        index = np.concatenate([mine, np.full(len(dark), len(record))])
        order = np.argsort(time, kind="stable")
        time, index = time[order], index[order]
        kept = np.ones(len(time), dtype=np.bool_)
        if detector.afterpulsing > 0:
            time, source = _afterpulsed(time, detector, stop, random)
            index = np.where(source < 0, len(record), np.append(index, len(record))[source])
            kept = np.ones(len(time), dtype=np.bool_)
        elif detector.dead_time > 0:
            alive(time, detector.dead_time, detector.paralysable, kept)
        kept &= (time >= start) & (time <= stop)
        if detector.jitter > 0:
            time = _reflected(time + detector.jitter * random.standard_normal(len(time)), start, stop)
        count = int(kept.sum())
        parts.append((index[kept], np.full(count, r), time[kept], np.full(count, number, dtype=np.int16)))
    return parts


def _reflected(time: NDArray[np.float64], start: float, stop: float) -> NDArray[np.float64]:
    """Return times with those outside a window reflected at its ends, as often as they reach.

    Clicks outside it are not in the record, and of a stationary source as many would come in as leave: without
    them the rate would be too low by 0.8 jitters per window.
    """
    length = stop - start
    if not length > 0.0:
        return np.full_like(time, start)
    inside = np.mod(time - start, 2.0 * length)
    moved = start + np.minimum(inside, 2.0 * length - inside)
    return np.where((time >= start) & (time <= stop), time, np.clip(moved, start, stop))


def _afterpulsed(
    time: NDArray[np.float64], detector: Detector, stop: float, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the registered events of one channel and which event each is, −1 for an afterpulse."""
    chance, delay = np.zeros(0), np.zeros(0)
    while True:
        more = 64 + 2 * len(time) + len(chance)
        chance = np.concatenate([chance, random.random(more)])
        delay = np.concatenate([delay, random.exponential(detector.afterpulse_delay, more)])
        seen, source = np.empty(len(chance)), np.empty(len(chance), dtype=np.int64)
        number = with_afterpulses(
            time, detector.dead_time, detector.afterpulsing, chance, delay, stop, seen, source
        )
        if number >= 0:
            return seen[:number], source[:number]
