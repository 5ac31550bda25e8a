"""Lost clicks of whole trajectories: smoothed in two models, and in finer ones where these differ."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...detectors import Detector
from .conditional import FIRST_LEVELS, FIRST_SAFETY, LEAD, LONGEST_LEAD, SAFETY, ConditionalFilter
from .follow_kernels import Clicks
from .smoothing import Smoother
from .stretches import SHARE, ended_by_clicks, with_neighbours

Array = NDArray[np.float64]
Places = NDArray[np.int64]


class Asked(NamedTuple):
    """What is asked of a trajectory: times of rates, and the channel of which each click may have a companion."""

    times: Array  # (n_times,)
    partners: list[str | None]  # of every click
    window: float


class Smoothed(NamedTuple):
    """Rates of lost clicks (n_times, all channels); probabilities of companions and of being dark (n_clicks,)."""

    rates: Array
    companion: Array
    dark: Array


class LostAlong(NamedTuple):
    """What was found along a trajectory, and the error that is stated of every gap, (n_clicks + 1,)."""

    found: Smoothed
    error: Array


class LostClickLevels:
    """Smooths trajectories with the models of a `ConditionalFilter`, level by level.

    Two cores smooth the whole. Where they differ by more than the tolerance, in a probability or in ln of a rate,
    stretches of clicks before and after are smoothed again in finer cores.

    Parameters
    ----------
    conditional : ConditionalFilter
        Whose models they are.
    every : tuple of str
        All channels of the system.
    watching : dict of str to Detector
        Detectors of the detected ones.
    """

    def __init__(
        self, conditional: ConditionalFilter, every: tuple[str, ...], watching: dict[str, Detector]
    ) -> None:
        self._conditional, self._every, self._watching = conditional, every, watching
        self._smoothers: dict[int, Smoother] = {}

    def trajectory(self, start: float, stop: float, time: Array, channel: Places, asked: Asked) -> LostAlong:
        """Smooth one trajectory."""
        offsets = np.array([0, len(time)])
        clicks = Clicks(np.array([start]), np.array([stop]), offsets, time, np.asarray(channel, dtype=np.int64))
        if self._conditional.exact:
            return LostAlong(self._at(0, clicks, asked), np.zeros(len(time) + 1))
        level = FIRST_LEVELS[1]
        coarse, found = self._at(FIRST_LEVELS[0], clicks, asked), self._at(level, clicks, asked)
        error = FIRST_SAFETY * with_neighbours(_apart(coarse, found, clicks, asked.times), clicks)
        doubtful = np.flatnonzero(error > self._conditional.tolerance)
        while len(doubtful) and self._conditional.has(level + 1):
            self._refine(clicks, asked, found, error, doubtful, level)
            level += 1
            doubtful = doubtful[error[doubtful] > self._conditional.tolerance]
        return LostAlong(found, error)

    def _refine(
        self, clicks: Clicks, asked: Asked, found: Smoothed, error: Array, doubtful: Places, level: int
    ) -> None:
        """Smooth doubtful gaps one level finer, and write what is found and its error."""
        lead, limit = LEAD, 0.1 * self._conditional.tolerance
        while True:
            parts = [self._part(clicks, asked, gaps, lead) for gaps in _together(clicks, asked, doubtful, lead)]
            same = [self._at(level, part.clicks, part.asked) for part in parts]
            moved = [part.apart(found, one) for part, one in zip(parts, same, strict=True)]
            worst = max(float(apart[part.here].max(initial=0.0)) for part, apart in zip(parts, moved, strict=True))
            if worst <= limit or lead >= LONGEST_LEAD:
                break
            lead *= 2
        for part, one, apart in zip(parts, same, moved, strict=True):
            finer = self._at(level + 1, part.clicks, part.asked)
            added = with_neighbours(_apart(one, finer, part.clicks, part.asked.times), part.clicks)
            error[part.gaps] = SAFETY * added[part.here] + apart[part.here]
            part.write(finer, found)

    def _part(self, clicks: Clicks, asked: Asked, gaps: Places, lead: int) -> Part:
        """Cut out the stretch around some gaps; asked is what lies in them and in the gaps beside them."""
        first, last = _ends(clicks, asked, gaps[0], lead)[0], _ends(clicks, asked, gaps[-1], lead)[1]
        count = len(clicks.time)
        start = clicks.start[0] if first == 0 else clicks.time[first - 1]
        stop = clicks.stop[0] if last == count else clicks.time[last]
        inside = slice(first, min(last + 1, count))
        time, channel = clicks.time[inside], clicks.channel[inside]
        cut = Clicks(np.array([start]), np.array([stop]), np.array([0, len(time)]), time, channel)
        near = np.union1d(np.union1d(gaps - 1, gaps), gaps + 1)
        gap_of_time = np.searchsorted(clicks.time, asked.times)
        times = np.flatnonzero(np.isin(gap_of_time, near) & (asked.times >= start) & (asked.times <= stop))
        partners = [name if first + n in near else None for n, name in enumerate(asked.partners[inside])]
        return Part(cut, Asked(asked.times[times], partners, asked.window), gaps, gaps - first, first, times)

    def _at(self, level: int, clicks: Clicks, asked: Asked) -> Smoothed:
        """Smooth one trajectory in one model."""
        if level not in self._smoothers:
            compiled = self._conditional.compiled(level)
            self._smoothers[level] = Smoother(compiled, self._every, self._watching)
        path = self._smoothers[level].follow(clicks.start[0], clicks.stop[0], clicks.time, clicks.channel)
        rates = path.lost_rates(asked.times) if len(asked.times) else np.zeros((0, len(self._every)))
        companion = np.full(len(clicks.time), np.nan)
        for n, partner in enumerate(asked.partners):
            if partner is not None:
                companion[n] = path.companions(n, partner, asked.window)
        return Smoothed(rates, companion, path.dark())


class Part(NamedTuple):
    """A stretch that is smoothed again: wanted gaps of the whole, and where they and its times are."""

    clicks: Clicks
    asked: Asked
    gaps: Places
    here: Places
    first: int  # its first click in the whole
    times: Places

    def of(self, whole: Smoothed) -> Smoothed:
        """Return what was found of the whole, cut to this stretch."""
        inside = slice(self.first, self.first + len(self.clicks.time))
        return Smoothed(whole.rates[self.times], whole.companion[inside], whole.dark[inside])

    def apart(self, whole: Smoothed, here: Smoothed) -> Array:
        """Return how far the stretch is from the whole, gap by gap."""
        return _apart(self.of(whole), here, self.clicks, self.asked.times)

    def write(self, here: Smoothed, whole: Smoothed) -> None:
        """Write the wanted gaps into the whole."""
        mine = np.isin(np.searchsorted(self.clicks.time, self.asked.times), self.here)
        whole.rates[self.times[mine]] = here.rates[mine]
        ending = self.here[self.here < len(self.clicks.time)]
        whole.companion[self.first + ending] = here.companion[ending]
        whole.dark[self.first + ending] = here.dark[ending]


def _apart(coarse: Smoothed, fine: Smoothed, clicks: Clicks, times: Array) -> Array:
    """Return the largest difference of every gap: of probabilities at its last click, of rates within it."""
    worst, ended = np.zeros(len(clicks.time) + 1), ended_by_clicks(clicks)
    with np.errstate(invalid="ignore"):
        companion = np.nan_to_num(np.abs(fine.companion - coarse.companion))
    worst[ended] = np.maximum(companion, np.abs(fine.dark - coarse.dark))
    size = np.maximum(fine.rates, SHARE * fine.rates.sum(axis=1, keepdims=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.nan_to_num(np.abs(fine.rates - coarse.rates) / size, posinf=0.0).max(axis=1, initial=0.0)
    np.maximum.at(worst, np.searchsorted(clicks.time, times), apart)
    return worst


def _ends(clicks: Clicks, asked: Asked, gap: int, lead: int) -> tuple[int, int]:
    """Return the first and last click of the stretch of a gap, a window of companions inside."""
    count, time = len(clicks.time), clicks.time
    ending = time[gap] if gap < count else clicks.stop[0]
    first = min(gap - lead, int(np.searchsorted(time, ending - asked.window)))
    last = max(gap + lead, int(np.searchsorted(time, ending + asked.window)))
    return max(first, 0), min(last, count)


def _together(clicks: Clicks, asked: Asked, gaps: Places, lead: int) -> list[Places]:
    """Return the gaps in groups whose stretches overlap."""
    groups: list[list[int]] = []
    until = -1
    for gap in gaps.tolist():
        first, last = _ends(clicks, asked, gap, lead)
        if groups and first <= until + 1:
            groups[-1].append(gap)
        else:
            groups.append([gap])
        until = max(until, last)
    return [np.array(group) for group in groups]
