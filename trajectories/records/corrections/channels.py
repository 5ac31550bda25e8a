"""Corrections of channels: rename, select, merge, impose a longer dead time, note the detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from ...checks import positive_number, shown
from ...detectors import Detector
from ...errors import InvalidInput
from ...results import read_only
from ..clicks import ClickRecord
from ..detection_log import DetectionLog
from ..ticks import whole_ticks
from .delays import fine_stamps
from .shared import noted, with_clicks


def renamed(record: ClickRecord, names: Mapping[str, str]) -> ClickRecord:
    """Return the record with other names for some channels: {"channel 0": "photon"}.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    names : mapping of str to str
        Old name: new name; channels that are not given keep theirs.

    Raises
    ------
    InvalidInput
        An unknown channel, or two channels with the same new name.
    """
    for name in names:
        record.channel_number(name)
    changed = tuple(names.get(name, name) for name in record.channel_names)
    if len(set(changed)) < len(changed) or not all(isinstance(name, str) and name for name in changed):
        raise InvalidInput(f"names={shown(dict(names))} give the channels {changed}; give distinct names")
    log = DetectionLog.of(record).of_channels(record.channel_names).renamed(names)
    provenance = log.noted_in(record.provenance)
    return noted(replace(record, channel_names=changed, provenance=provenance), "renamed", dict(names))


def selected(record: ClickRecord, channels: Sequence[str]) -> ClickRecord:
    """Return the record of only these channels, in this order; other channels, such as a sync, are left out.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    channels : sequence of str, or str
        Channels to keep.

    Raises
    ------
    InvalidInput
        No channel, an unknown one, or one given twice.
    """
    names = (channels,) if isinstance(channels, str) else tuple(channels)
    return noted(record.select(*names), "selected", list(names))


def merged(record: ClickRecord, channels: Mapping[str, Sequence[str]]) -> ClickRecord:
    """Return the record with several channels merged into one: {"both": ["channel 0", "channel 1"]}.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    channels : mapping of str to sequence of str
        Name of each new channel: the channels that are merged into it; the others stay.

    Raises
    ------
    InvalidInput
        An unknown channel, one that is given twice, or a new name that another channel has.
    """
    target = {name: name for name in record.channel_names}
    joined: set[str] = set()
    for name, parts in channels.items():
        if isinstance(parts, str) or not parts:
            raise InvalidInput(f"merged[{name!r}]={shown(parts)} must be a sequence of channel names")
        for part in parts:
            record.channel_number(part)
            if part in joined:
                raise InvalidInput(f"channel {part!r} is merged twice; name it once")
            joined.add(part)
            target[part] = name
    for name in channels:
        if not isinstance(name, str) or not name:
            raise InvalidInput(f"merged={shown(dict(channels))} has the name {shown(name)}; give a name")
        if name in record.channel_names and name not in joined:
            raise InvalidInput(f"{name!r} is another channel's name; give the merged one a new name")
    names = tuple(dict.fromkeys(target[name] for name in record.channel_names))
    numbers = np.array([names.index(target[name]) for name in record.channel_names], dtype=np.int16)
    log = DetectionLog.of(record).of_channels(record.channel_names).merged(channels)
    provenance = log.noted_in(record.provenance)
    channel = read_only(numbers[record.channel])
    found = replace(record, channel_names=names, channel=channel, provenance=provenance)
    return noted(found, "merged", {name: list(parts) for name, parts in channels.items()})


def with_dead_time(record: ClickRecord, dead_times: Mapping[str, float]) -> ClickRecord:
    """Return the record with a longer, known dead time imposed on some channels, which removes afterpulses.

    A click less than the dead time after the last kept click of its channel is dropped (non-paralysable). The dead
    time is noted among the detectors of the record.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    dead_times : mapping of str to float
        Dead time of each channel that is changed, in the record's unit; in whole ticks, or in whole steps of the
        time within the period for synced (T3) data, rounded up.

    Raises
    ------
    InvalidInput
        An unknown channel, or a dead time that is not positive.
    """
    from .dead_time_kernels import keep_after_dead_time

    stamp, tick = record.stamp, record.tick
    if record.clock is not None and record.within is not None:
        stamp, tick = fine_stamps(record), record.clock.fine
    kind = stamp.dtype.type
    dead = np.zeros(len(record.channel_names), dtype=stamp.dtype)
    for name, value in dead_times.items():
        length = positive_number(value, f"dead time of {name}")
        whole = length if tick is None else whole_ticks(length, tick, f"dead time of {name}")
        dead[record.channel_number(name)] = kind(whole)
    # The clicks of one sync period may be in any order.
    order = np.lexsort((stamp, record.trajectory))
    kept, in_order = np.empty((2, len(record)), dtype=np.bool_)
    keep_after_dead_time(stamp[order], record.channel[order], record.offsets, dead, in_order)
    kept[order] = in_order
    log = DetectionLog.of(record).followed_by({name: Detector(dead_time=v) for name, v in dead_times.items()})
    found = replace(with_clicks(record, kept), provenance=log.noted_in(record.provenance))
    return noted(found, "with_dead_time", {name: float(v) for name, v in dead_times.items()})


def seen_with(record: ClickRecord, detectors: Mapping[str, Detector]) -> ClickRecord:
    """Return the record with its detectors noted; every analysis uses them as if given with ``detectors=``.

    Parameters
    ----------
    record : ClickRecord
        The clicks.
    detectors : mapping of str to Detector
        By channel, in the record's unit; `trajectories.analysis.dark_detectors` estimates dark rates.

    Raises
    ------
    InvalidInput
        An unknown channel, or an object that is no `Detector`.
    """
    for name, detector in detectors.items():
        record.channel_number(name)
        if not isinstance(detector, Detector):
            raise InvalidInput(f"detectors[{name!r}]={shown(detector)} must be a Detector")
    log = DetectionLog.of(record).followed_by(dict(detectors))
    found = replace(record, provenance=log.noted_in(record.provenance))
    return noted(found, "seen_with", {name: asdict(detector) for name, detector in detectors.items()})
