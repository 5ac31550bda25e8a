"""lost_clicks(): clicks that imperfect detectors missed, inferred from the clicks before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.checks import finite_array, positive_number, window_of
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.lindblad.filter.conditional import ConditionalFilter
from trajectories.lindblad.filter.lost import Asked, LostClickLevels
from trajectories.model.system import OpenSystem
from trajectories.notebook import Shown, Summary
from trajectories.records.clicks import ClickRecord
from trajectories.records.corrections import unfolded
from trajectories.results import read_only
from trajectories.stages import staged

from ..clicks.streams import Clicks
from .replay import Replayer
from .subject import in_memory


@dataclass(frozen=True, eq=False, repr=False)
class LostClicks(Shown):
    """Posterior of the clicks that were not detected, given the whole record.

    Attributes
    ----------
    channel_names : tuple of str
        Every channel of the system, detected or not.
    times : ndarray of shape (n_times,)
        Times in 1/ω_b, the same in all trajectories.
    rates : ndarray of shape (n_trajectories, n_times, n_channels)
        Posterior rate of lost clicks in ω_b: times dt it is the probability that a click was lost there. NaN
        outside a trajectory's observation window.
    companion : ndarray of shape (n_clicks,)
        Probability that a click of the pair has a lost click of the other channel within the window before or
        after it; NaN for other channels, or where no pair was given.
    dark : ndarray of shape (n_clicks,)
        Probability that a click was a dark count.
    rates_error : ndarray of shape (n_trajectories, n_times)
        Estimated error of the rates, relative to them; zero up to 30 dimensions, where nothing is left out.
    click_error : ndarray of shape (n_clicks,)
        Estimated error of the probabilities of a click.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> record = tj.simulate(system, trajectories=2, duration=20.0, seed=1, progress=False)
    >>> seen = tj.analysis.apply_detectors(record, {"atom": tj.Detector(efficiency=0.5)}, seed=1)
    >>> found = tj.analysis.lost_clicks(seen, system, times=[1.0, 2.0, 3.0])
    >>> found.rates.shape, found.channel_names
    ((2, 3, 1), ('atom',))
    """

    channel_names: tuple[str, ...]
    times: NDArray[np.float64]
    rates: NDArray[np.float64]
    companion: NDArray[np.float64]
    dark: NDArray[np.float64]
    rates_error: NDArray[np.float64]
    click_error: NDArray[np.float64]

    def _summary(self) -> Summary:
        trajectories, times, _ = self.rates.shape
        rows = []
        if times:
            seen = np.isfinite(self.rates)
            mean = np.where(seen, self.rates, 0.0).sum(axis=(0, 1)) / np.maximum(seen.sum(axis=(0, 1)), 1)
            rows = [(name, f"{rate:.4g}") for name, rate in zip(self.channel_names, mean.tolist(), strict=True)]
        title = f"Lost clicks at {times} times of {trajectories} trajectories, given {len(self.dark)} clicks"
        return Summary(title, ("channel", "mean rate of lost clicks"), rows)


@staged("lost clicks")
def lost_clicks(
    record: Clicks,
    system: OpenSystem,
    detectors: Mapping[str, Detector] | None = None,
    *,
    times: ArrayLike = (),
    pair: tuple[str, str] | None = None,
    window: float | None = None,
    initial: Any = "steady",
    tolerance: float | None = None,
) -> LostClicks:
    """Infer the clicks that were not detected from those that were.

    With ρ̃(t) given the clicks before t and the effect matrix E(t) of those after, the posterior rate of lost
    clicks in channel k is (1 − η_k) Tr[c_kρ̃c_k†E]/Tr[ρ̃E]. The probability that a single click belongs to a
    bundle, with at least one lost click of the other channel within a window, is one minus the weight of all
    histories without such a click.

    Parameters
    ----------
    record : ClickRecord, Run, or whatever `stream` takes
        The detected clicks. All states along a trajectory are held in memory: take a part of a long record.
    system : OpenSystem
        The model.
    detectors : mapping of str to Detector, optional
        Detectors by channel; those in the record's provenance when not given. All clicks of channels that the
        record lacks are lost.
    times : array_like of shape (n_times,), optional
        Times of the posterior rates, in 1/ω_b.
    pair : tuple of two str, optional
        Channels of a bundle: asks for the probability that a click of one has a lost companion in the other.
    window : float, optional
        How far apart they may be, in 1/ω_b; 3/κ of the system's parameters when not given.
    initial : {"steady"}, or whatever `simulate` takes
        State at the start of every trajectory.
    tolerance : float, optional
        Above 30 dimensions: largest error of a probability, and of a rate relative to it. Stretches with larger
        errors are smoothed again in larger models; 0.02 when not given, see `replay`.

    Returns
    -------
    LostClicks

    Raises
    ------
    InvalidInput
        Unknown channels, a bad window, clicks that are impossible in the model, or ideal detection of every
        channel, which loses nothing.

    Notes
    -----
    Gammelmark, Julsgaard and Mølmer, Phys. Rev. Lett. 111, 160401 (2013).

    Examples
    --------
    >>> import trajectories as tj
    >>> space = tj.HilbertSpace(atom1=2, atom2=2)
    >>> a, b = space.lower("atom1"), space.lower("atom2")
    >>> system = tj.OpenSystem(0.1 * (a @ b + (a @ b).T), [tj.Channel("a", a), tj.Channel("b", 2 * b)], space)
    >>> record = tj.simulate(system, trajectories=2, duration=200.0, seed=1, progress=False)
    >>> seen = tj.analysis.apply_detectors(record, {"b": tj.Detector(efficiency=0.2)}, seed=1)
    >>> found = tj.analysis.lost_clicks(seen, system, pair=("a", "b"), window=3.0)
    >>> bool(found.companion[seen.channel == 0].max() > 0.5)
    True
    """
    clicks = in_memory(record)
    if clicks.within is not None:
        clicks = unfolded(clicks)
    if system.depends_on_time:
        raise InvalidInput(
            "lost clicks of a system that depends on time cannot be inferred: its record is followed forwards "
            "only; replay(record, system, detectors=…) gives the rates predicted at each click"
        )
    grid = finite_array(times, "times")
    both = _pair(system, pair)
    delta = 0.0
    if both is not None:
        delta = window_of(system.parameters, None, "the system") if window is None else window
        delta = positive_number(delta, "window")
    replayer = Replayer(clicks, system, initial, detectors, tolerance=tolerance)
    if replayer.filter is None:
        raise InvalidInput("every channel is detected ideally, and nothing is lost; give detectors=")
    assert isinstance(replayer.filter, ConditionalFilter)  # constant systems have no other
    smoother = LostClickLevels(replayer.filter, system.channel_names, replayer.watching)
    place = np.array([list(replayer.watching).index(name) for name in clicks.channel_names], dtype=np.int64)
    rates = np.full((clicks.n_trajectories, len(grid), len(system.channel_names)), np.nan)
    companion, dark = np.full(len(clicks), np.nan), np.zeros(len(clicks))
    rates_error, click_error = np.full(rates.shape[:2], np.nan), np.zeros(len(clicks))
    names = [clicks.channel_names[k] for k in clicks.channel]
    for r, (low, high) in enumerate(pairwise(clicks.offsets.tolist())):
        start, stop = float(clicks.start[r]), float(clicks.stop[r])
        time, channel = clicks.time[low:high], place[clicks.channel[low:high]]
        inside = np.flatnonzero((grid >= start) & (grid <= stop))
        partners = [both[1 - both.index(n)] if both is not None and n in both else None for n in names[low:high]]
        path = smoother.trajectory(start, stop, time, channel, Asked(grid[inside], partners, delta))
        rates[r, inside], companion[low:high], dark[low:high] = path.found
        rates_error[r, inside] = path.error[np.searchsorted(time, grid[inside])]
        click_error[low:high] = path.error[:-1]
    return LostClicks(
        system.channel_names,
        read_only(grid),
        read_only(rates),
        read_only(companion),
        read_only(dark),
        read_only(rates_error),
        read_only(click_error),
    )


def single_clicks(record: ClickRecord, pair: tuple[str, str], window: float) -> NDArray[np.bool_]:
    """Return which clicks of a pair have no detected click of the other channel within a window, one a click.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    pair : tuple of two str
        The two channels; clicks of others are not single.
    window : float
        Largest |lag| of a companion, in 1/ω_b.

    Returns
    -------
    ndarray of bool, shape (n_clicks,)

    Raises
    ------
    InvalidInput
        A channel that the record lacks, or a synced (T3) record.

    Examples
    --------
    >>> import trajectories as tj
    >>> record = tj.ClickRecord.from_arrays(
    ...     [0] * 4, [1.0, 1.5, 4.0, 9.0], [0, 1, 0, 1], channel_names=["a", "b"], start=0.0, stop=10.0
    ... )
    >>> tj.analysis.single_clicks(record, ("a", "b"), 1.0)
    array([False, False,  True,  True])
    """
    numbers = [record.channel_number(name) for name in pair]
    if record.within is not None:
        raise InvalidInput("the record counts sync periods (T3); give corrections.unfolded(record)")
    alone = np.isin(record.channel, numbers)
    for low, high in pairwise(record.offsets.tolist()):
        time, channel = record.time[low:high], record.channel[low:high]
        for one, other in (numbers, numbers[::-1]):
            mine, theirs = np.flatnonzero(channel == one), time[channel == other]
            first = np.searchsorted(theirs, time[mine] - window, side="left")
            last = np.searchsorted(theirs, time[mine] + window, side="right")
            alone[low + mine[last > first]] = False
    return alone


def _pair(system: OpenSystem, pair: tuple[str, str] | None) -> tuple[str, str] | None:
    if pair is None:
        return None
    names = tuple(pair)
    for name in names:
        system.channel(name)
    if len(names) != 2 or names[0] == names[1]:
        raise InvalidInput(f"pair={pair} must be two different channels")
    return names[0], names[1]
