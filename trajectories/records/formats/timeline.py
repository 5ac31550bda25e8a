"""Trajectories one after another on the integer time axis of a time tagger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import finite_array, positive_number
from ...errors import InvalidInput
from ...time_units import NATURAL, TimeUnit
from ..clicks import ClickRecord
from .windows import first_ticks

# Default tick as a fraction of the shortest lifetime; times are rounded by no more than this.
TICK_IN_LIFETIMES = 1e-6
# Default ω_b/2π in Hz, from the paper's estimate of feasibility (PRL 133, 043601).
PAPER_FREQUENCY = 2e9
# Names of decay rates in the provenance of a record of the paper's system.
RATES = ("kappa", "gamma")
LARGEST_TICK = 2**62


@dataclass(frozen=True)
class FileClock:
    """FileClock of a file: its tick and the unit of time of the record.

    Attributes
    ----------
    tick : float
        Length of one tick, in the record's unit of time (1/ω_b).
    seconds : float
        Length of that unit, in seconds.
    """

    tick: float
    seconds: float

    @property
    def tick_in_seconds(self) -> float:
        """Length of one tick in seconds."""
        return self.tick * self.seconds


def clock_of(
    provenance: dict[str, Any],
    tick: float | None,
    seconds: float | None,
    own: float | None = None,
    unit: TimeUnit = NATURAL,
) -> FileClock:
    """Return the clock of a file; by default ticks of 1e-6 shortest lifetimes, and the paper's ω_b/2π = 2 GHz.

    A record in ticks keeps its `own` tick, and a `unit` of known length keeps its length.

    Raises
    ------
    InvalidInput
        A value that is not positive, or none given where the record's parameters do not tell; a tick other than a
        record's own, or a length other than that of its unit.
    """
    if own is not None:
        if tick is not None and tick != own:
            raise InvalidInput(f"tick={tick:g} differs from the record's own ticks of {own:g}, which are written")
        tick = own
    if unit.seconds is not None:
        if seconds is not None and seconds != unit.seconds:
            raise InvalidInput(f"unit={seconds:g} differs from the record's unit, {unit.name}; leave it out")
        seconds = unit.seconds
    parameters = provenance.get("parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    if tick is None:
        rates = [finite_array(parameters[name], name) for name in RATES if name in parameters]
        fastest = max((float(rate.max(initial=0.0)) for rate in rates), default=0.0)
        if not fastest > 0:
            raise InvalidInput("the record names no decay rate to take a tick from; give tick= in 1/ω_b")
        tick = TICK_IN_LIFETIMES / fastest
    if seconds is None:
        if parameters.get("model") != "SpinningResonator":
            raise InvalidInput("the record does not tell how long its unit of time is; give unit= in seconds")
        seconds = 1.0 / (2.0 * np.pi * PAPER_FREQUENCY)
    return FileClock(positive_number(tick, "tick"), positive_number(seconds, "unit"))


def slots(record: ClickRecord, clock: FileClock, first: int) -> NDArray[np.int64]:
    """Return the tick at which each trajectory's window begins, and the first free one after them.

    Windows follow each other without a gap. Each takes whole ticks and one more, so that a click at its very end
    is still inside.

    Raises
    ------
    InvalidInput
        More ticks than 64 bits count.
    """
    if record.clock is None:
        lengths = np.floor((record.stop - record.start) / clock.tick) + 1.0
    else:  # its own ticks, each of which the window touches
        lengths = np.floor(record.stop_stamp) - np.floor(record.start_stamp) + 1.0
    if not first + lengths.sum() < LARGEST_TICK:
        raise InvalidInput(f"tick={clock.tick:g} is too short for windows of {record.total_time:g}; give a longer")
    return first + np.concatenate([[0], np.cumsum(lengths.astype(np.int64))])


def ticks(record: ClickRecord, clock: FileClock, origins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the tick in which each click falls; clicks of one time share one."""
    if record.clock is not None:
        return record.stamp + (origins[:-1] - first_ticks(record))[record.trajectory]
    elapsed = record.time - record.start[record.trajectory]
    return origins[record.trajectory] + np.floor(elapsed / clock.tick).astype(np.int64)
