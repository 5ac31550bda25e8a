"""The time axis of a click record: times in a unit, or whole ticks of the clock of an instrument."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput
from ..results import read_only
from ..time_units import TimeUnit
from .ticks import Clock, stamped_in_periods


class TimeAxis:
    """How a `ClickRecord` counts time; the attributes are those of the record."""

    trajectory: NDArray[np.int64]
    stamp: NDArray[Any]
    channel: NDArray[np.int16]
    start: NDArray[np.float64]
    stop: NDArray[np.float64]
    provenance: dict[str, Any]
    clock: Clock | None
    unit: TimeUnit
    within: NDArray[np.int32] | None

    @property
    def time(self) -> NDArray[np.float64]:
        """Click times in `unit`, shape (n_clicks,); for ticks their beginning, inside the observation window."""
        return self.stamp if self.clock is None else self._time_of_ticks

    @cached_property
    def _time_of_ticks(self) -> NDArray[np.float64]:
        assert self.clock is not None
        row = self.trajectory
        when = self.stamp * self.clock.tick
        if self.clock.origin.any():
            when += self.clock.origin[row]
        np.clip(when, self.start[row], self.stop[row], out=when)
        when.flags.writeable = False
        return when

    @cached_property
    def start_stamp(self) -> NDArray[np.float64]:
        """Start of each observation window, counted as `stamp` is: a time, or ticks, perhaps not whole."""
        return self.start if self.clock is None else read_only(self.clock.elapsed(self.start))

    @cached_property
    def stop_stamp(self) -> NDArray[np.float64]:
        """Stop of each observation window, counted as `stamp` is."""
        return self.stop if self.clock is None else read_only(self.clock.elapsed(self.stop))

    @property
    def tick(self) -> float | None:
        """Length of a tick in `unit`; None for a record without a clock."""
        return None if self.clock is None else self.clock.tick

    def same_time(self, other: TimeAxis) -> bool:
        """Whether the stamps of two records can be compared: the same unit, and ticks of the same length."""
        mine, theirs = self.clock, other.clock
        lengths = {unit.seconds for unit in (self.unit, other.unit)} - {None}
        if self.unit.name != other.unit.name or len(lengths) > 1 or (mine is None) != (theirs is None):
            return False
        return mine is None or theirs is None or (mine.tick, mine.fine) == (theirs.tick, theirs.fine)

    @property
    def counted_in(self) -> str:
        """Name of what `stamp` counts: the unit of time, or ticks and their length."""
        length = "" if self.unit.seconds in (None, 1.0) else f" ({self.unit.name} = {self.unit.seconds:g} s)"
        return (
            self.unit.name if self.clock is None else f"ticks of {self.unit.of(f'{self.clock.tick:g}')}"
        ) + length

    def in_ticks(self, tick: float) -> Self:
        """Return the record in ticks of this length (in `unit`), counted from the start of each trajectory.

        Raises
        ------
        InvalidInput
            A tick that is not positive, or a record that has ticks already.
        """
        if self.clock is not None:
            raise InvalidInput(f"the record is counted in {self.counted_in} already")
        clock = Clock(tick, self.start)
        return self._with_stamps(stamp=read_only(clock.ticks_of(self.stamp, self.trajectory)), clock=clock)

    @property
    def period(self) -> float | None:
        """Period of the pulses in `unit`: of the sync (T3) or of the simulated system; None without pulses."""
        if self.clock is not None:
            return self.clock.tick if self.clock.fine is not None else None
        period = self.provenance.get("period")
        return None if period is None else float(period)

    def in_periods(self, fine: float | None = None) -> Self:
        """Return a simulated record as an instrument with a sync (T3) would stamp it.

        The stamp of a click is the number of its period, and `within` the step in which it lies in the period.

        Parameters
        ----------
        fine : float, optional
            Length of a step within the period; 2⁻¹⁵ of the period by default, the most that PTU files hold.

        Raises
        ------
        InvalidInput
            A record without a period, or one that has ticks already.
        """
        if self.clock is not None:
            raise InvalidInput(f"the record is counted in {self.counted_in} already")
        period = self.period
        if period is None:
            raise InvalidInput("the record has no period; simulate a system with OpenSystem(..., period=T)")
        pulse, within, step = stamped_in_periods(self.stamp, period, fine)
        clock = Clock(period, np.zeros(len(self.start)), step)
        return self._with_stamps(stamp=read_only(pulse), within=read_only(within), clock=clock)

    def without_ticks(self) -> Self:
        """Return the record with times instead of ticks; such records can be joined whatever their clocks were.

        The time of a click is the beginning of its tick, of synced (T3) data that of its step within the period.
        """
        if self.clock is None or self.clock.fine is None or self.within is None:
            return self._with_stamps(stamp=read_only(self.time), clock=None, within=None)
        row = self.trajectory
        time = self.clock.origin[row] + self.stamp * self.clock.tick + self.within * self.clock.fine
        time = np.clip(time, self.start[row], self.stop[row])
        order = np.lexsort((time, row))  # the clicks of a period may be in any order
        channel = read_only(self.channel[order])
        return self._with_stamps(stamp=read_only(time[order]), channel=channel, clock=None, within=None)

    def _with_stamps(self, **changes: Any) -> Self:
        return replace(self, **changes)  # type: ignore[type-var]
