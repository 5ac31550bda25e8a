"""Checks that every estimator makes at its public boundary, before any work."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trajectories.errors import InvalidInput
from trajectories.records.clicks import ClickRecord
from trajectories.results import read_only

# The bundle window δ when none is given, in units of 1/κ.
WINDOW_IN_LIFETIMES = 3.0


def checked_edges(edges: ArrayLike, *, lowest: float = -np.inf) -> NDArray[np.float64]:
    """Return bin edges as a read-only array; refuse any that are not finite, ascending and ≥ `lowest`."""
    try:
        array = np.asarray(edges, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"edges={edges!r} must be numbers") from error
    if array.ndim != 1 or len(array) < 2:
        raise InvalidInput(f"edges has shape {array.shape}; give at least two bin edges in one dimension")
    if not np.isfinite(array).all():
        raise InvalidInput(f"edges contains {array[~np.isfinite(array)][0]}; give finite bin edges only")
    backward = np.flatnonzero(np.diff(array) <= 0)
    if len(backward):
        i = int(backward[0])
        raise InvalidInput(
            f"edges[{i}]={array[i]:g} and edges[{i + 1}]={array[i + 1]:g} overlap; bin edges must ascend strictly"
        )
    if array[0] < lowest:
        raise InvalidInput(f"edges start at {array[0]:g}; these bins must not start below {lowest:g}")
    return read_only(array)


def checked_duration(value: Any, name: str) -> float:
    """Return a positive finite duration in 1/ω_b."""
    number = float(value) if isinstance(value, Real) and not isinstance(value, bool | np.bool_) else np.nan
    if not np.isfinite(number) or number <= 0:
        raise InvalidInput(f"{name}={value!r} must be a positive finite duration in 1/ω_b")
    return number


def checked_durations(values: Any, name: str) -> list[float]:
    """Return a non-empty list of positive finite durations."""
    if not isinstance(values, Iterable) or isinstance(values, str | bytes):
        raise InvalidInput(f"{name}={values!r} must be a sequence of durations in 1/ω_b")
    durations = [checked_duration(value, f"{name}[{i}]") for i, value in enumerate(values)]
    if not durations:
        raise InvalidInput(f"{name} is empty; give at least one duration in 1/ω_b")
    return durations


def checked_integer(value: Any, name: str, lowest: int) -> int:
    """Return an integer that is at least `lowest`."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or value < lowest:
        raise InvalidInput(f"{name}={value!r} must be an integer, at least {lowest}")
    return int(value)


def checked_channels(record: ClickRecord, channels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the detected channels in the order given; None means every channel of the record."""
    if channels is None:
        return record.channel_names
    names = tuple(channels)
    if isinstance(channels, str) or not names or len(set(names)) != len(names):
        raise InvalidInput(f"channels={channels!r} must be a sequence of distinct channel names, at least one")
    for name in names:
        record.channel_number(name)
    return names


def bundle_channels(record: ClickRecord, channels: Sequence[str] | None) -> tuple[str, ...]:
    """Return the channels that form bundles; None means all whose name does not start with "atom"."""
    if channels is not None:
        return checked_channels(record, channels)
    names = tuple(name for name in record.channel_names if not name.startswith("atom"))
    if not names:
        raise InvalidInput(
            f"record watches only {', '.join(record.channel_names)}, which bundles leave out; give channels="
        )
    return names


def two_of(channels: tuple[str, ...], first: str, second: str) -> tuple[int, int]:
    """Return the positions of two different detected channels."""
    for name in (first, second):
        if name not in channels:
            raise InvalidInput(f"channel {name!r} is not detected; the detected ones are {', '.join(channels)}")
    if first == second:
        raise InvalidInput(f"first={first!r} and second={second!r} must be different channels")
    return channels.index(first), channels.index(second)


def detected_numbers(record: ClickRecord, channels: tuple[str, ...]) -> NDArray[np.int16]:
    """Return each record channel's position in `channels`, −1 where it is not detected."""
    numbers = np.full(len(record.channel_names), -1, dtype=np.int16)
    for position, name in enumerate(channels):
        numbers[record.channel_number(name)] = position
    return numbers


def bundle_window(record: ClickRecord, window: float | None) -> float:
    """Return the bundle window δ; None means 3/κ with the smallest κ in the record's provenance."""
    if window is not None:
        return checked_duration(window, "window")
    parameters = record.provenance.get("parameters", {})
    kappa = parameters.get("kappa") if isinstance(parameters, dict) else None
    if kappa is None:
        raise InvalidInput("provenance of the record names no kappa to take window = 3/kappa from; give window=")
    slowest = float(np.min(np.asarray(kappa, dtype=np.float64)))
    if not np.isfinite(slowest) or slowest <= 0:
        raise InvalidInput(f"kappa={kappa!r} in the record's provenance gives no window 3/kappa; give window=")
    return WINDOW_IN_LIFETIMES / slowest
