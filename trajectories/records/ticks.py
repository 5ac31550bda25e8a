"""Whole ticks and units of time: the clock that stamped a record, and the unit of its times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..checks import finite_array, positive_number, shown
from ..errors import InvalidInput
from ..results import read_only

# A duration this near to a whole number of ticks is meant as that number; rounding of its size comes on top.
NEAR_TICK = 1e-6
ROUNDING = 16.0 * float(np.finfo(np.float64).eps)
FARTHEST_NEAR = 0.25
# More ticks than this are refused, so that sums and differences of two such numbers stay within 64 bits.
MOST_TICKS = 2**62


@dataclass(frozen=True)
class TimeUnit:
    """A unit of time with a name.

    Attributes
    ----------
    name : str
        What tables, axes and files call it: "1/ω_b", "s", "ns", …
    seconds : float or None
        Its length in seconds, where it is known.
    """

    name: str = "1/ω_b"
    seconds: float | None = None

    @property
    def rate(self) -> str:
        """Name of the unit of rates."""
        if self.name == "s":
            return "Hz"
        return self.name[2:] if self.name.startswith("1/") else f"1/{self.name}"

    def of(self, number: str) -> str:
        """Return a printed number with this unit behind it: "3/ω_b", "3 ns"."""
        return f"{number}{self.name[1:]}" if self.name.startswith("1/") else f"{number} {self.name}"

    def to_dict(self) -> dict[str, Any]:
        """Return name and seconds as JSON holds them."""
        return {"name": self.name, "seconds": self.seconds}


NATURAL = TimeUnit()
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "ps": 1e-12, "fs": 1e-15}


def time_unit(given: Any) -> TimeUnit:
    """Return the unit that a name ("ns"), a number (1/ω_b in seconds), or a stored dictionary means.

    Raises
    ------
    InvalidInput
        An unknown name, or a length that is not positive.
    """
    if isinstance(given, TimeUnit):
        return given
    if isinstance(given, str):
        if given in SECONDS:
            return TimeUnit(given, SECONDS[given])
        if given == NATURAL.name:
            return NATURAL
        try:
            given = float(given)
        except ValueError:
            known = ", ".join(SECONDS)
            raise InvalidInput(
                f"unit={shown(given)} must be one of {known}, or the length of 1/ω_b in seconds"
            ) from None
    if isinstance(given, dict):
        seconds = given.get("seconds")
        return TimeUnit(str(given.get("name", NATURAL.name)), None if seconds is None else float(seconds))
    return TimeUnit(NATURAL.name, positive_number(given, "unit"))


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
        """Return times, one a trajectory, in ticks from each origin; whole where they are meant as whole."""
        return near_whole((time - self.origin) / self.tick)


def near_whole(ticks: ArrayLike) -> NDArray[np.float64]:
    """Return numbers of ticks, those within rounding of a whole number made whole."""
    values = np.asarray(ticks, dtype=np.float64)
    whole = np.round(values)
    slack = np.minimum(NEAR_TICK + ROUNDING * np.abs(values).max(initial=0.0), FARTHEST_NEAR)
    return np.where(np.abs(values - whole) <= slack, whole, values)


def whole_ticks(durations: ArrayLike, tick: float, what: str) -> NDArray[np.int64]:
    """Return for each duration the least number of ticks d that is no shorter: d·tick ≥ duration.

    So d·tick < duration is the same as d < `whole_ticks`: what the integers decide is what was asked. A duration
    that is a multiple of the tick up to rounding is that multiple.

    Raises
    ------
    InvalidInput
        More than 2^62 ticks.
    """
    values = near_whole(finite_array(durations, what) / tick)
    if np.abs(values).max(initial=0.0) > MOST_TICKS:
        raise InvalidInput(f"{what} reaches {np.abs(values).max():.3g} ticks of {tick:g}, more than 62 bits hold")
    return np.ceil(values).astype(np.int64)
