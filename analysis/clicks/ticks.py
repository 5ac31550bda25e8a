"""Edges and windows in units of a record's stamps: times as they are, or whole ticks, decided in one place."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trajectories.errors import InvalidInput, TickWarning
from trajectories.records.ticks import near_whole, whole_ticks

from .inputs import Watched

# Floating-point lags beyond this many ticks are no longer exact multiples of a tick.
FARTHEST_LAG = 2**53
# Largest number of edges that a warning proposes.
PROPOSED = 4


class Ticked(Protocol):
    """Clicks that have a tick, or None."""

    @property
    def tick(self) -> float | None:
        """Length of a tick; None for clicks that no clock stamped."""
        ...


def in_stamps(record: Watched, duration: float, what: str = "window") -> Any:
    """Return a duration δ in units of the stamps, such that a difference d ≥ δ is decided exactly."""
    if record.tick is None:
        return duration
    ticks = int(whole_ticks(min(duration, FARTHEST_LAG * record.tick), record.tick, what))
    if ticks < 1:
        raise InvalidInput(f"{what}={duration:g} is shorter than any whole number of ticks; lengthen it")
    return ticks


def edges_in_stamps(record: Watched, edges: NDArray[np.float64]) -> NDArray[Any]:
    """Return bin edges in units of the stamps: the same array, or the ticks at which integer lags divide.

    A lag of d ticks lies in the bin edges[b] ≤ d·tick < edges[b + 1] exactly if stamps[b] ≤ d < stamps[b + 1].

    Raises
    ------
    InvalidInput
        Edges so close that no bin holds a tick, or so large that floats do not resolve ticks.

    Warns
    -----
    TickWarning
        Bins narrower than a tick, or equally wide ones that hold unequal numbers of ticks.
    """
    tick = record.tick
    if tick is None:
        return edges
    ticks = whole_ticks(edges, tick, "edges")
    held = np.diff(ticks)
    if np.abs(ticks).max() > FARTHEST_LAG:
        raise InvalidInput(f"edges reach {np.abs(edges).max():g}, more than 2^53 ticks of {tick:g}; shorten them")
    if not held.any():
        raise InvalidInput(f"no bin of edges holds a whole tick of {tick:g}; use edges {_proposed(record, edges)}")
    width = np.diff(edges)
    if not held.all():
        problem = f"{int((held == 0).sum())} of {len(held)} bins are narrower than a tick and hold none"
    elif np.ptp(width) <= 1e-6 * width.mean() and np.ptp(held):
        problem = f"bins of equal width hold {held.min()} to {held.max()} ticks"
    else:
        return ticks
    warnings.warn(
        f"{problem} (tick {record.unit.of(f'{tick:g}')}); normalised by what each holds; "
        f"edges {_proposed(record, edges)} hold the same number each",
        TickWarning,
        stacklevel=3,
    )
    return ticks


def whole_tick_edges(record: Ticked, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return edges chosen by a program, moved to the nearest multiples of the tick; equal widths stay equal."""
    tick = record.tick
    if tick is None:
        return edges
    width = np.diff(edges)
    if np.ptp(width) <= 1e-6 * width.mean():
        step = max(round(width.mean() / tick), 1)
        first = round(edges[0] / width.mean())
        return (first + np.arange(len(edges))) * step * tick
    return np.unique(np.round(edges / tick)) * tick


def held_edges(record: Watched, stamps: NDArray[Any], *, split: bool) -> NDArray[np.float64]:
    """Return the edges, in units of time, of the true lags that bins of stamps hold on average.

    Two clicks in the middle of their ticks are d ticks apart; a bin of the lags a … b − 1 therefore stands for
    true lags from a − ½ to b − ½. An edge at 0 stays where pairs of lag 0 count half for either side.
    """
    if record.tick is None:
        return stamps
    return np.where((stamps == 0) & split, 0.0, stamps - 0.5) * record.tick


def _proposed(record: Watched, edges: NDArray[np.float64]) -> str:
    """Return a formula of edges that are multiples of the tick, as near to the given ones as possible."""
    assert record.tick is not None
    width = float(np.diff(edges).mean())
    step = max(round(width / record.tick), 1)
    first = round(edges[0] / (step * record.tick))
    last = first + max(round((edges[-1] - edges[0]) / (step * record.tick)), 1)
    return f"np.arange({first}, {last + 1}) * {step * record.tick:.12g}"


def counting_window(record: Watched, duration: float) -> float:
    """Return a counting time in units of the stamps; whole where it is meant as a multiple of the tick."""
    return duration if record.tick is None else float(near_whole(duration / record.tick))
