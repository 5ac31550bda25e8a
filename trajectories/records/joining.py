"""Joining records: they must be of the same physics and hold no trajectory twice."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..checks import shown
from ..errors import InvalidInput
from ..results import read_only
from .detection_log import DetectionLog
from .ticks import Clock

# Provenance that holds for one run only, and not for a record joined from several.
OF_ONE_RUN = ("configuration", "run_trajectories", "complete", "worst_error")
# With so many clicks, independent records are never equal by chance.
SURELY_DISTINCT = 20
# Key in the provenance: (seed, first trajectory, one past the last) of the random streams in a joined record.
STREAMS = "random_streams"


class Joinable(Protocol):
    """The attributes of a record that joining needs; a `ClickRecord` has them."""

    @property
    def channel_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def provenance(self) -> dict[str, Any]: ...  # noqa: D102
    @property
    def trajectory(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def stamp(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def channel(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def n_trajectories(self) -> int: ...  # noqa: D102
    @property
    def start(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def stop(self) -> NDArray[np.float64]: ...  # noqa: D102
    @property
    def clock(self) -> Clock | None: ...  # noqa: D102
    @property
    def counted_in(self) -> str: ...  # noqa: D102
    def columns(self) -> dict[str, NDArray[Any]]: ...  # noqa: D102
    def same_time(self, other: Any) -> bool: ...  # noqa: D102
    def __len__(self) -> int: ...


def joined_columns(parts: Sequence[Joinable]) -> dict[str, Any]:
    """Return columns, observation windows, clock and provenance of the joined record.

    Raises
    ------
    InvalidInput
        The records cannot be joined, as `require_joinable` says.
    """
    require_joinable(parts)
    shifts = np.cumsum([0] + [part.n_trajectories for part in parts[:-1]])
    columns = {name: [part.columns()[name] for part in parts] for name in parts[0].columns()}
    columns["trajectory"] = [p.trajectory + shift for p, shift in zip(parts, shifts, strict=True)]
    clock = parts[0].clock
    if clock is not None:
        clock = replace(clock, origin=np.concatenate([p.clock.origin for p in parts if p.clock is not None]))
    return {name: read_only(np.concatenate(pieces)) for name, pieces in columns.items()} | {
        "start": read_only(np.concatenate([part.start for part in parts])),
        "stop": read_only(np.concatenate([part.stop for part in parts])),
        "provenance": joined_provenance(parts),
        "clock": clock,
    }


def require_joinable(parts: Sequence[Joinable]) -> None:
    """Refuse records that are not of the same physics, as far as their provenance shows.

    Raises
    ------
    InvalidInput
        Records whose channels, system, detectors or unit of time differ, or that hold the same trajectory.
    """
    for part in parts:
        if part.channel_names != parts[0].channel_names:
            raise InvalidInput(
                f"records have different channels, {parts[0].channel_names} and {part.channel_names}; "
                "select the same ones first"
            )
        if not part.same_time(parts[0]):
            raise InvalidInput(
                f"records count time in {parts[0].counted_in} and in {part.counted_in}; load them with "
                "the same unit, or call without_ticks() on each"
            )
    for what, of in (("digest of the system", digest_of_record), ("unit of time in seconds", _unit)):
        known = [(number, value) for number, value in enumerate(map(of, parts)) if value is not None]
        for number, value in known:
            if value != known[0][1]:
                raise InvalidInput(
                    f"records {known[0][0]} and {number} differ in the {what}, {shown(known[0][1])[:20]} and "
                    f"{shown(value)[:20]}; join records of the same physics only"
                )
    noted = [(number, _detectors(part)) for number, part in enumerate(parts) if part.provenance]
    for number, detectors in noted:
        if detectors != noted[0][1]:
            raise InvalidInput(
                f"records {noted[0][0]} and {number} passed different detectors; join records of one set-up only"
            )
    _require_distinct(parts)


def _require_distinct(parts: Sequence[Joinable]) -> None:
    """Refuse a trajectory that occurs twice: the same seed and number, or the same clicks."""
    stretches = sorted((*stretch, number) for number, part in enumerate(parts) for stretch in random_streams(part))
    for (seed, _, last, one), (other, first, _, two) in pairwise(stretches):
        if seed == other and first < last:
            raise InvalidInput(
                f"records {min(one, two)} and {max(one, two)} both hold trajectory {first} of seed {seed}; "
                "join records of different seeds or trajectories"
            )
    seen: dict[str, int] = {}
    for number, part in enumerate(parts):
        # Records of unknown origin with few clicks may be equal by chance.
        if len(part) >= (1 if part.provenance else SURELY_DISTINCT) and not random_streams(part):
            clicks = hashlib.sha256(
                part.trajectory.tobytes() + part.stamp.tobytes() + part.channel.tobytes()
            ).hexdigest()
            if clicks in seen:
                raise InvalidInput(
                    f"records {seen[clicks]} and {number} hold the same clicks; give each only once"
                )
            seen[clicks] = number


def joined_provenance(parts: Sequence[Joinable]) -> dict[str, Any]:
    """Return the provenance that all records share, with the random streams of all."""
    shared = {k: v for k, v in parts[0].provenance.items() if k not in OF_ONE_RUN}
    for part in parts[1:]:
        shared = {k: v for k, v in shared.items() if k not in part.provenance or _same(part.provenance[k], v)}
    shared.pop(STREAMS, None)
    digest = next((found for found in map(digest_of_record, parts) if found is not None), None)
    streams = [list(stretch) for part in parts for stretch in random_streams(part)]
    return shared | ({"digest": digest} if digest else {}) | ({STREAMS: streams} if streams else {})


def digest_of_record(record: Joinable) -> Any:
    """Return the digest of a record's system from its provenance; None if it has none."""
    configuration = record.provenance.get("configuration")
    digest = configuration.get("digest") if isinstance(configuration, Mapping) else None
    return record.provenance.get("digest") if digest is None else digest


def random_streams(record: Joinable) -> list[tuple[int, int, int]]:
    """Return (seed, first trajectory, one past the last) of a record's random streams; empty without a seed."""
    known = record.provenance.get(STREAMS)
    if known is not None:
        return [(int(seed), int(first), int(last)) for seed, first, last in known]
    configuration = record.provenance.get("configuration")
    seed = configuration.get("seed") if isinstance(configuration, Mapping) else None
    if not isinstance(seed, int):
        return []
    given = record.provenance.get("run_trajectories")
    numbers = np.arange(record.n_trajectories) if given is None else np.sort(np.asarray(given, dtype=np.int64))
    breaks = np.flatnonzero(np.diff(numbers) != 1) + 1
    return [(seed, int(part[0]), int(part[-1]) + 1) for part in np.split(numbers, breaks) if len(part)]


def _unit(record: Joinable) -> Any:
    return record.provenance.get("time_unit_seconds")


def _detectors(record: Joinable) -> Any:
    """Return the detectors of a record without the seeds of their random numbers, which may differ."""
    return DetectionLog.of(record).without_seeds()


def _same(one: Any, other: Any) -> bool:
    """Whether two entries of provenance are equal; arrays are equal if all elements are."""
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        return bool(np.array_equal(one, other))
    return bool(one == other)
