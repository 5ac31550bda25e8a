"""A linear model with its detectors, as the arrays that the kernels of the filter read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ...detectors import Detector
from ...errors import ConvergenceError, InvalidInput
from .follow_kernels import Motions, Watch
from .linear_model import LinearModel
from .motions import MAX_FULL_CONDITION, Ladder, RealModes, ladder, real_modes

Array = NDArray[np.float64]

# Largest size of the tables in bytes.
MOST_BYTES = 2e9


class CompiledFilter:
    """Motions and maps of a model for the sets of dead detectors that occur, each made once.

    Parameters
    ----------
    model : LinearModel
        States and their maps.
    watching : mapping of str to Detector
        Detector of each detected channel.
    full : bool
        Whether the model leaves nothing out; its motion may then be tabulated where its modes are ill-conditioned.
    """

    def __init__(self, model: LinearModel, watching: Mapping[str, Detector], *, full: bool) -> None:
        self.model, self.full = model, full
        self._names, self._detectors = tuple(watching), tuple(watching.values())
        self._modes: dict[tuple[bool, ...], RealModes] = {}
        self._made: tuple[set[int], float, Motions, Watch] | None = None

    def generator(self, dead: NDArray[np.bool_]) -> Array:
        """Return L0 while some of the detectors are dead, mask of shape (K,)."""
        seeing = [(n, d) for n, d, asleep in zip(self._names, self._detectors, dead, strict=True) if not asleep]
        return self.model.click_free(
            {name: detector.efficiency for name, detector in seeing}, sum(d.dark_rate for _, d in seeing)
        )

    def modes(self, number: int, bit: NDArray[np.int64]) -> RealModes:
        """Return the modes of L0 for the set of dead detectors of this number."""
        return self.modes_of(tuple(((bit & number) > 0).tolist()))

    def modes_of(self, dead: tuple[bool, ...]) -> RealModes:
        """Return the modes of L0 while some of the detectors are dead, one a detector; made once."""
        if dead not in self._modes:
            self._modes[dead] = real_modes(self.generator(np.array(dead, dtype=np.bool_)))
        return self._modes[dead]

    def require_sound(self, max_condition: float, max_growth: float) -> None:
        """Raise `ConvergenceError` if the motion of a reduced model fails its checks."""
        found = self.modes(0, np.zeros(len(self._names), dtype=np.int64))
        if not self.full and (found.condition > max_condition or found.growth > max_growth):
            raise ConvergenceError(
                f"a core of {self.model.size} mode pairs is inaccurate (condition {found.condition:.1g}, growth "
                f"{found.growth:.1g}), as under strong dissipation; lower the dimension to at most 30"
            )

    def blur(self, jitter: float) -> float:
        """Return the largest relative second-order change of a rate after a click within a jitter."""
        generator = self.generator(np.zeros(len(self._names), dtype=np.bool_))
        worst = 0.0
        effects = [self.model.effect(n, d.efficiency, d.dark_rate) for n, d in self._watched()]
        for name, detector in self._watched():
            after = self.model.click(name, detector.efficiency, detector.dark_rate) @ self.model.start
            trace = float(self.model.trace @ after)
            if trace <= 0.0:
                continue
            after = after / trace
            once = generator @ after
            twice = generator @ once
            first, second = float(self.model.trace @ once), float(self.model.trace @ twice)
            for effect in effects:  # λ = Tr 𝒥ρ̃/Tr ρ̃, twice derived
                now, moved, bent = (float(effect @ state) for state in (after, once, twice))
                bent += 2.0 * (now * first - moved) * first - now * second
                rate = abs(now) + abs(float(effect @ self.model.start))
                if rate > 0.0:
                    worst = max(worst, 0.5 * jitter**2 * abs(bent) / rate)
        return worst

    def arrays(
        self, sets: NDArray[np.int64], bit: NDArray[np.int64], longest: float, slack: float
    ) -> tuple[Motions, Watch]:
        """Return what the kernels read.

        Parameters
        ----------
        sets : ndarray of int
            Numbers of the sets of dead detectors that occur; 0 is the first.
        bit : ndarray of shape (K,)
            The bit of each channel in these numbers; 0 without dead time.
        longest : float
            Longest time to follow.
        slack : float
            How much earlier than the end of a dead time a click may come.
        """
        if self._made is not None:
            known, reach, motions, watch = self._made
            if set(sets.tolist()) <= known and reach >= longest:
                return motions, watch._replace(slack=slack)
            sets, longest = np.array(sorted(known | set(sets.tolist()))), max(longest, reach)
        found = [self.modes(int(number), bit) for number in sets]
        by_modes = all(modes.condition <= MAX_FULL_CONDITION for modes in found) or not self.full
        ladders = [] if by_modes else [ladder(self.generator((bit & n) > 0), longest) for n in sets.tolist()]
        motions = _motions(found, ladders)
        watch = self._watch(sets, bit, found if by_modes else None, slack)
        self._made = set(sets.tolist()), longest, motions, watch
        return motions, watch

    def _watched(self) -> list[tuple[str, Detector]]:
        return list(zip(self._names, self._detectors, strict=True))

    def _watch(
        self, sets: NDArray[np.int64], bit: NDArray[np.int64], modes: list[RealModes] | None, slack: float
    ) -> Watch:
        """Return effects and maps; in the coordinates of the modes of each set, or all in the model's own."""
        model, n_channels = self.model, len(self._names)
        place = {int(number): i for i, number in enumerate(sets)}
        table = np.full((4, len(sets), n_channels), -1, dtype=np.int64)  # click map and to, revival map and to
        table[1], table[3] = 0, 0
        clicks = [model.click(name, d.efficiency, d.dark_rate) for name, d in self._watched()]
        effects = np.array([model.effect(name, d.efficiency, d.dark_rate) for name, d in self._watched()])
        effects = effects.reshape(n_channels, model.size)
        dead = (sets[:, None] & bit[None, :]) > 0
        trace = np.tile(model.trace, (len(sets), 1))
        effect = np.where(dead[:, :, None], 0.0, effects[None])
        start, maps = model.start, []
        if modes is None:
            maps = [np.ascontiguousarray(click.T) for click in clicks]
        else:
            start = modes[0].inverse @ model.start
            trace = np.stack([model.trace @ m.vectors for m in modes])
            effect = np.stack([e @ m.vectors for e, m in zip(effect, modes, strict=True)])
        for i, number in enumerate(sets.tolist()):
            for k in range(n_channels):
                after, before = number | int(bit[k]), number & ~int(bit[k])
                if not dead[i, k] and after in place:
                    j = place[after]
                    table[0, i, k], table[1, i, k] = k if modes is None else len(maps), j
                    if modes is not None:
                        moved = modes[j].inverse @ (clicks[k] @ modes[i].vectors)
                        maps.append(np.ascontiguousarray(moved.T))
                if dead[i, k] and before in place:
                    table[3, i, k] = place[before]
                    if modes is not None:
                        table[2, i, k] = len(maps)
                        turned = modes[place[before]].inverse @ modes[i].vectors
                        maps.append(np.ascontiguousarray(turned.T))
                _require_room(len(maps), model.size)
        stacked = np.stack(maps) if maps else np.zeros((0, model.size, model.size))
        dead_time = np.array([d.dead_time for d in self._detectors])
        to, back = (table[0], table[1]), (table[2], table[3])
        return Watch(start, trace, effect, dead, stacked, to[0], to[1], back[0], back[1], dead_time, slack)


def _motions(modes: list[RealModes], ladders: list[Ladder]) -> Motions:
    """Return the motions of all sets as arrays."""
    rates, frequencies = np.stack([m.rates for m in modes]), np.stack([m.frequencies for m in modes])
    paired = np.stack([m.paired for m in modes])
    if not ladders:
        nothing = np.zeros((1, 1, 1)), np.zeros(1), np.zeros((1, 1, 1, 1))
        return Motions(True, rates, frequencies, paired, nothing[0], nothing[1], nothing[2])
    longest = max(len(one.powers) for one in ladders)
    size = len(ladders[0].generator)
    _require_room(longest * len(ladders), size)
    powers = np.zeros((len(ladders), longest, size, size))
    for i, one in enumerate(ladders):
        powers[i, : len(one.powers)] = one.powers
        for j in range(len(one.powers), longest):
            powers[i, j] = powers[i, j - 1] @ powers[i, j - 1]
    generators = np.stack([one.generator for one in ladders])
    steps = np.array([one.step for one in ladders])
    return Motions(False, rates, frequencies, paired, generators, steps, powers)


def _require_room(matrices: int, size: int) -> None:
    if 8.0 * matrices * size**2 > MOST_BYTES:
        raise InvalidInput(
            f"{matrices} maps of {size} numbers would fill {8e-9 * matrices * size**2:.1f} GB; give fewer "
            "channels a dead time, or lower the dimension"
        )
