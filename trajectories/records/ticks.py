"""Whole ticks: the clock that stamped a record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import finite_array, finite_number, positive_number
from ..errors import InvalidInput
from ..results import read_only

# A duration this near to a whole number of ticks is taken for that number; its own rounding is added.
NEAR_TICK = 1e-6
ROUNDING = 16.0 * float(np.finfo(np.float64).eps)
FARTHEST_NEAR = 0.25
# More ticks than this are refused, so that sums and differences of two such numbers stay within 64 bits.
MOST_TICKS = 2**62


@dataclass(frozen=True, eq=False)
class Clock:
    """A clock that counts whole ticks: stamp k of trajectory r begins at origin_r + k·tick.

    Attributes
    ----------
    tick : float
        Length of a tick in the record's unit of time; for synced (T3) data the period of the sync.
    origin : ndarray of float64, shape (n_trajectories,)
        Time at which each trajectory's tick 0 begins.
    fine : float or None
        Length of a step of the time within the tick (T3), in the record's unit of time; None without.
    """

    tick: float
    origin: NDArray[np.float64]
    fine: float | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tick", positive_number(self.tick, "tick"))
        object.__setattr__(self, "origin", read_only(self.origin, np.float64))
        if self.fine is not None:
            object.__setattr__(self, "fine", positive_number(self.fine, "fine tick"))

    def rows(self, chosen: Any) -> Clock:
        """Return the clock of some of the trajectories."""
        return replace(self, origin=self.origin[chosen])

    def elapsed(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return times, one a trajectory, in ticks from each origin; whole where they are whole up to rounding."""
        return near_whole((time - self.origin) / self.tick)

    def ticks_of(self, time: NDArray[np.float64], row: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ticks in which clicks of trajectories `row` fall."""
        return np.floor((time - self.origin[row]) / self.tick).astype(np.int64)


def stamped_in_periods(
    time: NDArray[np.float64], period: float, fine: float | None
) -> tuple[NDArray[np.int64], NDArray[np.int32], float]:
    """Return the period of each click, its step within the period, and the length of a step (2⁻¹⁵ of the period).

    Raises
    ------
    InvalidInput
        A step that is not positive, or longer than the period.
    """
    step = period / 2**15 if fine is None else finite_number(fine, "fine")
    if not 0.0 < step <= period:
        raise InvalidInput(f"fine={step:g} must lie between 0 and the period {period:g}")
    pulse = np.floor(time / period)
    within = np.floor(np.maximum(time - pulse * period, 0.0) / step)
    within = np.minimum(within, np.ceil(period / step) - 1.0)
    return pulse.astype(np.int64), within.astype(np.int32), step


def near_whole(ticks: ArrayLike) -> NDArray[np.float64]:
    """Return numbers of ticks, rounded to a whole number where they differ from it by rounding only."""
    values = np.asarray(ticks, dtype=np.float64)
    whole = np.round(values)
    slack = np.minimum(NEAR_TICK + ROUNDING * np.abs(values).max(initial=0.0), FARTHEST_NEAR)
    return np.where(np.abs(values - whole) <= slack, whole, values)


def whole_ticks(durations: ArrayLike, tick: float, what: str) -> NDArray[np.int64]:
    """Return for each duration the least number of ticks d that is no shorter: d·tick ≥ duration.

    So d·tick < duration is the same as d < `whole_ticks`, and comparisons of integers decide exactly. A duration
    that is a multiple of the tick up to rounding is taken for that multiple.

    Raises
    ------
    InvalidInput
        More than 2^62 ticks.
    """
    values = near_whole(finite_array(durations, what) / tick)
    if np.abs(values).max(initial=0.0) > MOST_TICKS:
        raise InvalidInput(f"{what} reaches {np.abs(values).max():.3g} ticks of {tick:g}, more than 62 bits hold")
    return np.ceil(values).astype(np.int64)
