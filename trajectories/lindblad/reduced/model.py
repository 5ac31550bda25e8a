"""A stationary state and the maps of clicks over few modes: the methods of the full system on small matrices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...detectors import Detector
from ...model import OpenSystem
from ..superoperators.detected import DetectedSystem
from ..superoperators.hermitian_vectors import Vector, pack, unpack
from .kept import Kept
from .mode_space import ModeSpace
from .pair_core import PairMotion, importance


class ReducedSystem:
    """Modes of a stationary state, and the cores of pairs that were made so far.

    Parameters
    ----------
    system : OpenSystem
        The system, perhaps restricted to essential states.
    space : ModeSpace
        Its modes.
    cut : float
        Pairs of smaller importance are left out of the core; 0 takes all.
    kept : dict
        Results of cores, see `PairMotion`.
    """

    def __init__(self, system: OpenSystem, space: ModeSpace, cut: float, kept: Kept) -> None:
        self.system, self.space, self.cut, self.kept = system, space, cut, kept
        self._cores: dict[tuple[tuple[str, ...], bool], NDArray[np.bool_]] = {}
        self._motions: dict[tuple[object, ...], PairMotion] = {}
        self._lock = Lock()

    def motion(
        self,
        unwatched: Mapping[str, float],
        effect: Vector,
        dark: float,
        names: Sequence[str],
        exclusive: bool,
    ) -> PairMotion:
        """Return the motion for given undetected shares, made once; for curves between clicks of `names`."""
        if not any(weight > 0.0 for weight in unwatched.values()):
            names = ()
        key = (tuple(sorted(unwatched.items())), dark, tuple(sorted(names)), exclusive)
        with self._lock:
            if key not in self._motions:
                chosen = self._core(names, exclusive) if names else None
                self._motions[key] = PairMotion(self.space, unwatched, effect, dark, chosen, self.kept)
            return self._motions[key]

    def core_size(self, names: Sequence[str], exclusive: bool) -> int:
        """Return how many real dimensions a core has."""
        return int(self._core(names, exclusive).sum())

    def _core(self, names: Sequence[str], exclusive: bool) -> NDArray[np.bool_]:
        if self.cut == 0.0:
            return np.ones(self.space.rho.shape, dtype=bool)
        key = (tuple(sorted(names)), exclusive)
        if key not in self._cores:
            self._cores[key] = importance(self.space, names, names, exclusive) > self.cut
        return self._cores[key]


class ReducedModel(DetectedSystem):
    """The methods of `DetectedSystem` over the modes of a `ReducedSystem`.

    Parameters
    ----------
    reduced : ReducedSystem
        The modes.
    channels : sequence of str, optional
        Detected channels; all when not given.
    detectors : mapping of str to Detector, optional
        Efficiency and dark counts by channel.
    interest : sequence of str
        Undetected channels whose clicks start or end a curve.
    """

    def __init__(
        self,
        reduced: ReducedSystem,
        channels: Sequence[str] | None = None,
        detectors: Mapping[str, Detector] | None = None,
        interest: Sequence[str] = (),
    ) -> None:
        super().__init__(reduced.system, channels, detectors)
        self.reduced, self._space = reduced, reduced.space
        self._interest = tuple(dict.fromkeys([*self.names, *interest]))
        self.used: list[PairMotion] = []
        self.memory: dict[tuple[Any, ...], Any] = {}

    @property
    def size(self) -> int:
        """Real dimensions of the largest core used."""
        return max((motion.size for motion in self.used), default=0)

    def _use(self, motion: PairMotion) -> PairMotion:
        if motion not in self.used:
            self.used.append(motion)
        return motion

    @cached_property
    def rho(self) -> Vector:
        """The stationary state, packed."""
        return pack(self._space.rho)

    @cached_property
    def identity(self) -> Vector:
        """The form of the identity, packed: its dot product with a packed Y is the trace."""
        return pack(self._space.gram)

    def jump(self, name: str, state: Vector) -> Vector:
        """Return η_k C_k Y C_k† + d_k Y."""
        detector, jump = self._detectors[name], self._space.jumps[name]
        moved = pack(jump @ unpack(state) @ jump.conj().T)
        return detector.efficiency * moved + detector.dark_rate * state

    def jump_adjoint(self, name: str, observable: Vector) -> Vector:
        """Return η_k C_k† O C_k + d_k O."""
        detector, jump = self._detectors[name], self._space.jumps[name]
        moved = pack(jump.conj().T @ unpack(observable) @ jump)
        return detector.efficiency * moved + detector.dark_rate * observable

    def effect(self, name: str) -> Vector:
        """Return the form of η_k c_k†c_k + d_k."""
        detector = self._detectors[name]
        return detector.efficiency * pack(self._space.effects[name]) + detector.dark_rate * self.identity

    def motion(self, horizon: float) -> PairMotion:
        """Return e^{Lt}."""
        every = self.system.channel_names
        return self._use(
            self.reduced.motion(dict.fromkeys(every, 1.0), np.zeros_like(self.rho), 0.0, every, False)
        )

    def click_free_motion(self, horizon: float) -> PairMotion:
        """Return e^{L0 t}, the motion while no detected channel clicks."""
        unwatched = {name: 1.0 - self.efficiencies.get(name, 0.0) for name in self.system.channel_names}
        return self._use(self.reduced.motion(unwatched, self.total_effect(), self.dark, self._interest, True))
