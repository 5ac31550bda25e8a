"""Join several records into one: on one time axis, or as separate trajectories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np

from ...checks import finite_array, shown
from ...errors import InvalidInput
from ...results import read_only
from ..clicks import ClickRecord
from ..detection_log import DetectionLog
from ..joining import require_joinable
from ..ticks import near_whole
from .shared import noted, restamped


def joined(records: Sequence[ClickRecord], starts: Sequence[float]) -> ClickRecord:
    """Return the records of one measurement on a common time axis; each is shifted by its start.

    Records of different channels, taken at the same time, are merged over the time in which both were observed.
    Records of the same channels, taken one after another, each become a trajectory.

    Parameters
    ----------
    records : sequence of ClickRecord
        Records of one trajectory each, in the same ticks.
    starts : sequence of float
        Time of each record's zero on the common axis, in their unit.

    Raises
    ------
    InvalidInput
        Fewer than two records, other than one trajectory each, ticks that differ, channels that are partly the
        same, windows of the same channels that overlap, or the same clicks twice.
    """
    parts, offsets = list(records), finite_array(starts, "starts")
    if len(parts) < 2 or offsets.shape != (len(parts),):
        raise InvalidInput(f"joined needs at least two records and a start for each, not {shown(starts)}")
    for part in parts:
        if part.n_trajectories != 1:
            raise InvalidInput(f"a record has {part.n_trajectories} trajectories; give records of one each")
        if not part.same_time(parts[0]):
            units = f"{parts[0].counted_in} and in {part.counted_in}"
            raise InvalidInput(f"records count time in {units}; load them with the same unit")
    moved = [_moved(part, float(offset)) for part, offset in zip(parts, offsets, strict=True)]
    sets = [set(part.channel_names) for part in parts]
    if all(one == sets[0] for one in sets):
        order = np.argsort([part.start[0] for part in moved], kind="stable")
        chosen = [moved[k].select(*parts[0].channel_names) for k in order]
        for one, other in pairwise(chosen):
            if other.start[0] < one.stop[0]:
                raise InvalidInput(
                    f"records of the same channels overlap from {other.start[0]:g} to {one.stop[0]:g}; "
                    "correct starts, or rename the channels"
                )
        require_joinable([*parts])
        return noted(ClickRecord.concatenate(chosen), "joined", offsets.tolist())
    for one, other in combinations(parts, 2):
        if len(one) and np.array_equal(one.stamp, other.stamp):
            raise InvalidInput("records hold the same clicks under other names; give each only once")
    if sum(map(len, sets)) > len(set().union(*sets)):
        raise InvalidInput("records share some channels and not others; rename or select them first")
    start, stop = max(p.start[0] for p in moved), min(p.stop[0] for p in moved)
    if not start < stop:
        raise InvalidInput("the records were not observed at the same time; correct starts")
    counts = np.cumsum([0] + [len(part.channel_names) for part in moved[:-1]])
    columns = {name: np.concatenate([p.columns()[name] for p in moved]) for name in moved[0].columns()}
    columns["channel"] = np.concatenate([p.channel + k for p, k in zip(moved, counts, strict=True)]).astype(
        np.int16
    )
    logs = [DetectionLog.of(part).of_channels(part.channel_names) for part in moved]
    whole = replace(
        moved[0],
        channel_names=tuple(name for part in moved for name in part.channel_names),
        provenance=DetectionLog(sum((log.steps for log in logs), ())).noted_in(moved[0].provenance),
        **{name: read_only(column) for name, column in columns.items()},  # type: ignore[arg-type]
    )
    found = restamped(whole, whole.stamp, np.array([start]), np.array([stop]))
    return noted(found, "joined", offsets.tolist())


def appended(record: ClickRecord, other: ClickRecord) -> ClickRecord:
    """Return the trajectories of two measurements in one record, without relating their times.

    Raises
    ------
    InvalidInput
        Records whose channels, ticks, units or detectors differ, or the same clicks twice.
    """
    source = other.provenance.get("source", "another record")
    return noted(ClickRecord.concatenate([record, other]), "appended", str(source))


def _moved(record: ClickRecord, offset: float) -> ClickRecord:
    """Return a record shifted in time to the ticks of the common axis."""
    if record.clock is None:
        start, stop = record.start + offset, record.stop + offset
        return replace(
            record, stamp=read_only(record.stamp + offset), start=read_only(start), stop=read_only(stop)
        )
    tick = record.clock.tick
    steps = np.round(near_whole((offset + record.clock.origin) / tick)).astype(np.int64)
    made = steps * tick - record.clock.origin
    return replace(
        record,
        stamp=read_only(record.stamp + steps[record.trajectory]),
        start=read_only(record.start + made),
        stop=read_only(record.stop + made),
        clock=replace(record.clock, origin=np.zeros_like(record.clock.origin)),
    )
