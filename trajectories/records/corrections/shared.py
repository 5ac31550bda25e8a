"""Parts that all corrections share: sort clicks, keep some of them, note the correction in the provenance."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...results import read_only
from ..clicks import ClickRecord

NOTED = "corrections"


def restamped(
    record: ClickRecord, stamp: NDArray[Any], start: NDArray[np.float64], stop: NDArray[np.float64]
) -> ClickRecord:
    """Return a record with other stamps, sorted, and only the clicks inside the observation windows."""
    keys = (stamp, record.trajectory) if record.within is None else (record.within, stamp, record.trajectory)
    order = np.lexsort(keys)
    windows: dict[str, Any] = {"start": read_only(start), "stop": read_only(stop)}
    moved = replace(record, stamp=read_only(stamp), **windows, final_states=None)
    row = record.trajectory
    if record.clock is None:
        inside = (stamp >= start[row]) & (stamp <= stop[row])
    else:  # ticks that the window touches: one that begins at its end was not observed
        inside = (stamp > moved.start_stamp[row] - 1.0) & (stamp < moved.stop_stamp[row])
    return with_clicks(moved, order[inside[order]])


def with_clicks(record: ClickRecord, kept: NDArray[Any]) -> ClickRecord:
    """Return a record with some of its clicks, given by a mask or by their indices."""
    columns: dict[str, Any] = {name: read_only(column[kept]) for name, column in record.columns().items()}
    return replace(record, **columns)


def noted(record: ClickRecord, step: str, value: Any) -> ClickRecord:
    """Return a record with a correction noted in its provenance."""
    log = [*record.provenance.get(NOTED, []), {step: value}]
    return replace(record, provenance=record.provenance | {NOTED: log})
