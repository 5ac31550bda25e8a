"""Checks that every estimator makes at its public boundary, before any work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trajectories.checks import bundle_channels_among, channels_among, shown, window_of
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.names import nearest
from trajectories.records.clicks import ClickRecord
from trajectories.records.detection_log import Recorded, recorded_detectors

from .streams import ClickStream

# Clicks with their channels, observation windows and provenance.
Watched: TypeAlias = ClickRecord | ClickStream


def checked_channels(record: Watched, channels: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the detected channels in the order given; one name is one channel, None means all."""
    return channels_among(channels, record.channel_names)


def bundle_channels(record: Watched, channels: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the channels that form bundles; None means all but those of atoms and other finite factors."""
    space = record.provenance.get("space")
    declared = space.get("finite") if isinstance(space, dict) else None
    finite = [name for name in declared if isinstance(name, str)] if isinstance(declared, list | tuple) else []
    return bundle_channels_among(channels, record.channel_names, finite)


def checked_detectors(record: Recorded, detectors: Mapping[str, Detector] | None) -> dict[str, Detector]:
    """Return detectors of a record's channels: those that are given, or those that the record keeps."""
    given = recorded_detectors(record) if detectors is None else dict(detectors)
    for name, detector in given.items():
        if not isinstance(detector, Detector):
            raise InvalidInput(f"detectors[{name!r}]={shown(detector)} must be a Detector")
        if name not in record.channel_names:
            raise InvalidInput(
                f"there is a detector of {name!r}, and the record has {', '.join(record.channel_names)}"
                f"{nearest(name, record.channel_names)}; leave it out: what a record lacks is not detected"
            )
    return given


def two_of(channels: tuple[str, ...], first: str, second: str) -> tuple[int, int]:
    """Return the positions of two different detected channels."""
    for name in (first, second):
        if name not in channels:
            detected = ", ".join(channels)
            raise InvalidInput(
                f"channel {name!r} is not detected; the detected ones are {detected}{nearest(name, channels)}"
            )
    if first == second:
        raise InvalidInput(f"first={first!r} and second={second!r} must be different channels")
    return channels.index(first), channels.index(second)


def pair_of(channels: tuple[str, ...], pair: Sequence[str]) -> tuple[str, str]:
    """Return a `pair` that was given, two different detected channels."""
    names = tuple(pair) if isinstance(pair, Sequence) and not isinstance(pair, str) else ()
    if len(names) != 2 or names[0] == names[1]:
        raise InvalidInput(f"pair={shown(pair)} must be two different channels")
    two_of(channels, names[0], names[1])
    return names[0], names[1]


def detected_numbers(record: Watched, channels: tuple[str, ...]) -> NDArray[np.int16]:
    """Return each record channel's position in `channels`, −1 where it is not detected."""
    numbers = np.full(len(record.channel_names), -1, dtype=np.int16)
    for position, name in enumerate(channels):
        numbers[record.channel_number(name)] = position
    return numbers


def bundle_window(record: Watched, window: float | None) -> float:
    """Return the bundle window δ; None means 3/κ with the smallest κ in the record's provenance."""
    parameters = record.provenance.get("parameters")
    return window_of(parameters if isinstance(parameters, dict) else {}, window, "provenance of the record")
