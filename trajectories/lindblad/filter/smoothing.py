"""What a whole record tells about a time within it: the state before, the effect matrix after, lost clicks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ...blas import one_blas_thread
from ...detectors import Detector
from ...errors import InvalidInput
from .compiled import CompiledFilter
from .conditional import EARLY
from .linear_model import LinearModel
from .motions import ClickFreeMotion

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Event:
    """A click or a revival: its time, its channel (−1 for a revival), and the dead detectors after it."""

    time: float
    channel: int
    dead: tuple[bool, ...]


class Smoother:
    """Posterior of lost clicks along trajectories in one model.

    With ρ̃(t) from the clicks before and the effect matrix E(t) from those after, P(X at t | all) ∝ Tr[Xρ̃X†E];
    X = c_k of the part of a channel that is not detected gives the posterior rate of its lost clicks
    (Gammelmark, Julsgaard and Mølmer, Phys. Rev. Lett. 111, 160401 (2013)).

    Parameters
    ----------
    compiled : CompiledFilter
        States and their maps.
    every : tuple of str
        All channels of the system.
    watching : dict of str to Detector
        Detectors of the detected ones.
    """

    def __init__(self, compiled: CompiledFilter, every: tuple[str, ...], watching: dict[str, Detector]) -> None:
        self._compiled, self.every, self._watching = compiled, every, watching
        self.model: LinearModel = compiled.model
        self._names, self.detectors = tuple(watching), tuple(watching.values())
        self._motions: dict[tuple[tuple[bool, ...], str | None], ClickFreeMotion] = {}

    @cached_property
    def clicks(self) -> list[Array]:
        """η_kJ_k + d_k of the detected channels."""
        return [self.model.click(name, d.efficiency, d.dark_rate) for name, d in self._watching.items()]

    def lost(self, dead: tuple[bool, ...]) -> Array:
        """Return which share of each channel's clicks is lost, shape (all channels,)."""
        shares = []
        for name in self.every:
            k = self._names.index(name) if name in self._names else -1
            shares.append(1.0 if k < 0 or dead[k] else 1.0 - self.detectors[k].efficiency)
        return np.array(shares)

    def follow(self, start: float, stop: float, time: Array, channel: NDArray[np.int64]) -> SmoothedTrajectory:
        """Carry the state forwards and the effect matrix backwards along one trajectory."""
        events = self._events(start, stop, time, channel)
        with one_blas_thread():
            return SmoothedTrajectory(self, events, float(start), float(stop))

    def motion(self, dead: tuple[bool, ...], without: str | None = None) -> ClickFreeMotion:
        """Return the motion without detected clicks; with `without`, also without any click of that channel."""
        key = dead, without
        if key not in self._motions:
            seeing = [i for i, asleep in enumerate(dead) if not asleep]
            efficiencies = {self._names[i]: self.detectors[i].efficiency for i in seeing}
            if without is not None:
                efficiencies[without] = 1.0
            dark = sum(self.detectors[i].dark_rate for i in seeing)
            modes = self._compiled.modes_of(dead) if without is None else None
            self._motions[key] = ClickFreeMotion(self.model.click_free(efficiencies, dark), modes)
        return self._motions[key]

    def _events(self, start: float, stop: float, time: Array, channel: NDArray[np.int64]) -> list[Event]:
        """Return clicks and revivals in the order of time, the start first and the end last."""
        alive_at = np.full(len(self._names), -np.inf)
        dead = [False] * len(self._names)
        events = [Event(float(start), -1, tuple(dead))]
        for now, k in [*zip(time.tolist(), channel.tolist(), strict=True), (float(stop), -1)]:
            # Sums of times are rounded: the click that ends a dead time may come a little too early.
            if (
                k >= 0
                and dead[k]
                and alive_at[k] - now <= EARLY * self.detectors[k].dead_time + 4.0 * np.spacing(now)
            ):
                alive_at[k] = min(alive_at[k], now)
            while any(dead):
                first = min((i for i in range(len(dead)) if dead[i]), key=lambda i: alive_at[i])
                if alive_at[first] > now:
                    break
                dead[first] = False
                events.append(Event(float(alive_at[first]), -1, tuple(dead)))
            if k < 0:
                break
            if dead[k]:
                raise InvalidInput(
                    f"a click of {self._names[k]!r} at {now:g} falls into its dead time; give its own detectors"
                )
            if self.detectors[k].dead_time > 0.0:
                dead[k], alive_at[k] = True, now + self.detectors[k].dead_time
            events.append(Event(now, k, tuple(dead)))
        return [*events, Event(float(stop), -1, tuple(dead))]


class SmoothedTrajectory:
    """One trajectory with its states and effect matrices at every event.

    Attributes
    ----------
    after : ndarray of shape (n_events, R)
        State just after each event, of trace 1.
    before : ndarray of shape (n_events, R)
        Effect matrix just before each event, scaled so that its product with the state is 1 there.
    """

    def __init__(self, smoother: Smoother, events: list[Event], start: float, stop: float) -> None:
        self._smoother, self._events = smoother, events
        self.start, self.stop = start, stop
        self._times = np.array([event.time for event in events])
        self._clicks = [event.time for event in events if event.channel >= 0]
        model, clicks = smoother.model, smoother.clicks
        after = np.empty((len(events), model.size))
        after[0] = model.start
        for n, event in enumerate(events[1:], 1):
            gap = np.array([event.time - events[n - 1].time])
            state = smoother.motion(events[n - 1].dead).at(after[n - 1], gap)[0]
            state = clicks[event.channel] @ state if event.channel >= 0 else state
            trace = float(model.trace @ state)
            if not trace > 0.0:
                raise InvalidInput(
                    f"the click at {event.time:g} is impossible in this model; check the model with validate"
                )
            after[n] = state / trace
        before = np.empty_like(after)
        before[-1] = model.trace
        for n in range(len(events) - 2, -1, -1):
            gap = np.array([events[n + 1].time - events[n].time])
            effect = smoother.motion(events[n].dead).at(before[n + 1], gap, adjoint=True)[0]
            if events[n].channel >= 0:
                effect = clicks[events[n].channel].T @ effect
            before[n] = effect / np.abs(effect).max()
        self.after, self.before = after, before

    def lost_rates(self, times: Array) -> Array:
        """Return the posterior rate of lost clicks in every channel, shape (n_times, all channels)."""
        smoother = self._smoother
        found = np.zeros((len(times), len(smoother.every)))
        place = np.clip(np.searchsorted(self._times, times, side="right") - 1, 0, len(self._events) - 2)
        with one_blas_thread():
            for n in np.unique(place):
                here = np.flatnonzero(place == n)
                states, effects = self._within(n, times[here])
                weight = np.einsum("ti,ti->t", states, effects)
                lost = smoother.lost(self._events[n].dead)
                for k, name in enumerate(smoother.every):
                    if lost[k] > 0.0:
                        moved = states @ smoother.model.jumps[name].T
                        found[here, k] = lost[k] * np.einsum("ti,ti->t", moved, effects) / weight
        return np.maximum(found, 0.0)

    def dark(self) -> Array:
        """Return the probability that each click was a dark count, shape (n_clicks,)."""
        smoother, found = self._smoother, []
        for n, event in enumerate(self._events):
            if event.channel < 0:
                continue
            state, effect = self._at_click(n)
            made = float(effect @ (smoother.clicks[event.channel] @ state))
            found.append(smoother.detectors[event.channel].dark_rate * float(effect @ state) / made)
        return np.clip(np.array(found), 0.0, 1.0)

    def companions(self, click: int, partner: str, window: float) -> float:
        """Return the probability of a lost click of a channel within a window before or after a click.

        One minus the weight of all histories without one: the same clicks, with a motion from which undetected
        jumps of that channel are left out.
        """
        smoother = self._smoother
        centre = self._clicks[click]
        low, high = max(self.start, centre - window), min(self.stop, centre + window)
        n = int(np.clip(np.searchsorted(self._times, low, side="right") - 1, 0, len(self._events) - 2))
        first = smoother.motion(self._events[n].dead).at(self.after[n], np.array([low - self._times[n]]))[0]
        with_any, without, now = first, first, low
        while n + 1 < len(self._events) and self._times[n + 1] <= high:
            event, gap = self._events[n + 1], np.array([self._times[n + 1] - now])
            with_any = smoother.motion(self._events[n].dead).at(with_any, gap)[0]
            without = smoother.motion(self._events[n].dead, partner).at(without, gap)[0]
            if event.channel >= 0:
                with_any = smoother.clicks[event.channel] @ with_any
                without = smoother.clicks[event.channel] @ without
            scale = float(np.abs(with_any).max())
            with_any, without, now, n = with_any / scale, without / scale, float(self._times[n + 1]), n + 1
        if n + 1 < len(self._events):
            gap = np.array([high - now])
            with_any = smoother.motion(self._events[n].dead).at(with_any, gap)[0]
            without = smoother.motion(self._events[n].dead, partner).at(without, gap)[0]
            rest = np.array([self._times[n + 1] - high])
            effect = smoother.motion(self._events[n].dead).at(self.before[n + 1], rest, adjoint=True)[0]
        else:
            effect = smoother.model.trace
        return float(np.clip(1.0 - (effect @ without) / (effect @ with_any), 0.0, 1.0))

    def _within(self, n: int, times: Array) -> tuple[Array, Array]:
        """Return states and effect matrices at times between events n and n + 1."""
        motion = self._smoother.motion(self._events[n].dead)
        states = motion.at(self.after[n], times - self._times[n])
        return states, motion.at(self.before[n + 1], self._times[n + 1] - times, adjoint=True)

    def _at_click(self, n: int) -> tuple[Array, Array]:
        """Return the state just before a click and the effect matrix just after."""
        smoother, gap = self._smoother, np.array([self._times[n] - self._times[n - 1]])
        state = smoother.motion(self._events[n - 1].dead).at(self.after[n - 1], gap)[0]
        rest = np.array([self._times[n + 1] - self._times[n]])
        effect = smoother.motion(self._events[n].dead).at(self.before[n + 1], rest, adjoint=True)[0]
        return state, effect
