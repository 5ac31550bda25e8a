"""Detector: an imperfect detector; the same object serves clicks and exact values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real

import numpy as np

from .errors import InvalidInput


@dataclass(frozen=True)
class Detector:
    """An imperfect detector on one channel.

    Loss and dark counts turn the jump map J into η J + d, so every exact formula keeps its form. Dead time,
    afterpulses and jitter then act on the sequence of events: an event within the dead time of the last registered
    event is lost (of the last event, registered or not, if the detector is paralysable); each registered event is
    followed by an afterpulse with some probability; the times of registered events get a normal error.

    Parameters
    ----------
    efficiency : float
        Probability η that a click is detected, in [0, 1].
    dark_rate : float
        Rate d of events without a click, in ω_b, not negative.
    dead_time : float
        Time after an event in which further events are lost, in 1/ω_b, not negative.
    jitter : float
        Standard deviation of the normal error of each event time, in 1/ω_b, not negative.
    afterpulsing : float
        Probability that a registered event, or an afterpulse, is followed by an afterpulse, in [0, 1).
    afterpulse_delay : float
        Mean time from an event to its afterpulse, which is exponentially distributed, in 1/ω_b.
    paralysable : bool
        Whether lost events extend the dead time too: an event is registered only if no event came within one dead
        time before it.

    Raises
    ------
    InvalidInput
        A value outside its range.

    Examples
    --------
    >>> import trajectories as tj
    >>> detector = tj.Detector(efficiency=0.8, dark_rate=1e-3)
    >>> detector.efficiency, detector.dead_time
    (0.8, 0.0)
    """

    efficiency: float = 1.0
    dark_rate: float = 0.0
    dead_time: float = 0.0
    jitter: float = 0.0
    afterpulsing: float = 0.0
    afterpulse_delay: float = 0.0
    paralysable: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            name, value = field.name, getattr(self, field.name)
            if name == "paralysable":
                continue
            if (
                isinstance(value, bool | np.bool_)
                or not isinstance(value, Real)
                or not 0.0 <= float(value) < np.inf
            ):
                raise InvalidInput(f"detector {name}={value!r} must be a finite number that is not negative")
            object.__setattr__(self, name, float(value))
        if self.efficiency > 1:
            raise InvalidInput(f"detector efficiency={self.efficiency:g} must not exceed 1")
        if self.afterpulsing >= 1:
            raise InvalidInput(f"detector afterpulsing={self.afterpulsing:g} must be below 1")
        if self.afterpulsing and not self.afterpulse_delay:
            raise InvalidInput(f"detector afterpulsing={self.afterpulsing:g} needs an afterpulse_delay above 0")
        if not isinstance(self.paralysable, bool):
            raise InvalidInput(f"detector paralysable={self.paralysable!r} must be true or false")
        if self.paralysable and not self.dead_time:
            raise InvalidInput("detector paralysable=True needs a dead_time above 0")
        if self.paralysable and self.afterpulsing:
            raise InvalidInput(
                f"detector paralysable=True with afterpulsing={self.afterpulsing:g} has no model; leave one out"
            )
