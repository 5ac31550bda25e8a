"""Photon-HDF5 of other programs: missing and unusual but legal fields are accepted and noted."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import positive_number, time_unit
from ...errors import InvalidInput
from ..clicks import ClickRecord
from .hdf5_values import found, h5py_module, integers_of, positive_of, values_of
from .measured import in_order, note, observed

# Detector number that converters write for an overflow, if detectors are not listed.
OVERFLOW_MARK = 127
# By how much time stamps may exceed a rounded acquisition_duration, in seconds and relative.
ROUNDED, SHARE = 1.0, 0.01


def foreign(file: Any, unit: Any, duration: float | None) -> ClickRecord:
    """Return the clicks of a file as one trajectory in whole ticks; see `read_photon_hdf5`.

    Every group ``photon_data``, ``photon_data0``, … is a spot. Without ``detectors`` a spot has one channel;
    ``nanotimes`` are kept as the time within the period; detectors that ``/setup/detectors`` does not list are
    named by their number.
    """
    path = Path(file.filename)
    measure = time_unit("s" if unit is None else unit)
    if measure.seconds is None:
        raise InvalidInput(f"unit {measure.name} has no length; give a name such as ns, or 1/ω_b in seconds")
    notes: list[str] = []
    groups = spots_of(file)
    ticks = {positive_of(file, f"{group}/timestamps_specs/timestamps_unit") for group in groups}
    if len(ticks) > 1:
        raise InvalidInput(f"{path} has spots with different ticks, {sorted(ticks)} s; store each in a file")
    tick = ticks.pop() / measure.seconds
    labels = labels_of(file)
    stamps, numbers, rests, fine = [], [], [], None
    for spot, group in enumerate(groups):
        stamp = integers_of(file, group, "timestamps")
        number = np.zeros(len(stamp), dtype=np.int64)
        if found(file, f"{group}/detectors") is not None:
            number = integers_of(file, group, "detectors")
        if number.shape != stamp.shape:
            raise InvalidInput(
                f"{path}: {group} has {len(stamp)} timestamps but {len(number)} detectors; write the file again"
            )
        kept = np.ones(len(stamp), dtype=bool)
        if OVERFLOW_MARK not in labels and len(np.unique(number)) > 1:
            kept = number != OVERFLOW_MARK
        if not kept.all():
            count = int((~kept).sum())
            note(
                notes,
                f"{path.name}: {count} events of the unlisted detector {OVERFLOW_MARK} are overflows, not photons",
                warn=False,
            )
        if found(file, f"{group}/nanotimes") is not None:
            rest = integers_of(file, group, "nanotimes")
            if rest.shape != stamp.shape:
                size = f"{len(stamp)} timestamps but {len(rest)} nanotimes"
                raise InvalidInput(f"{path}: {group} has {size}; write the file again")
            fine = positive_of(file, f"{group}/nanotimes_specs/tcspc_unit") / measure.seconds
            rests.append(np.clip(rest, 0, 2**31 - 1)[kept])
        stamps.append(stamp[kept])
        numbers.append(np.stack([np.full(int(kept.sum()), spot), number[kept]]))
    stamp, number = np.concatenate(stamps), np.concatenate(numbers, axis=1)
    if rests and len(rests) != len(groups):
        raise InvalidInput(f"{path} has nanotimes in some spots only; store them in all")
    within = np.concatenate(rests).astype(np.int32) if rests else None
    names, place = _channels(number, labels, len(groups))
    stamp, place, within = in_order(stamp, place, within, notes)
    claimed = None
    if found(file, "acquisition_duration") is not None:
        claimed = duration_of(file, measure.seconds)
    ends = (int(stamp[0]), int(stamp[-1])) if len(stamp) else (0, 0)
    first, claimed = acquired(path, ends, tick, claimed, measure.seconds, duration, notes)
    span = (ends[1] + 1 - first) * tick
    # Without a photon nothing speaks against the duration that the file states.
    wait = span / len(stamp) if len(stamp) else math.inf
    stop = observed(path, claimed, span, wait, duration, False, notes, measure)
    return ClickRecord.from_arrays(
        np.zeros(len(stamp), dtype=np.int64),
        stamp,
        place,
        channel_names=names,
        start=0.0,
        stop=stop,
        tick=tick,
        origin=-first * tick,
        unit=measure,
        within=within,
        fine=fine,
        provenance={
            "time_unit_seconds": measure.seconds,
            "source": path.name,
            "header": {"format": "Photon-HDF5"},
        }
        | ({"notes": notes} if notes else {}),
    )


def acquired(
    path: Path,
    ends: tuple[int, int],
    tick: float,
    claimed: float | None,
    seconds: float,
    duration: float | None,
    notes: list[str],
) -> tuple[int, float | None]:
    """Return the tick at which an acquisition started, and its duration, or None if the file states none.

    Parameters
    ----------
    path : pathlib.Path
        The file, for messages.
    ends : tuple of two int
        First and last stamp.
    tick, claimed : float and float or None
        Length of a tick and the acquisition_duration, in the record's unit.
    seconds : float
        Length of that unit.
    duration : float or None
        Duration that the user gives.
    notes : list of str
        Notes; more are appended.

    Raises
    ------
    InvalidInput
        Time stamps exceed the acquisition_duration by far.
    """
    # Most acquisitions start at tick 0; for others the first time stamp is the best known start.
    elsewhere = ends[0] < 0 or (claimed is not None and ends[1] * tick > claimed)
    first = ends[0] if elsewhere else 0
    span = (ends[1] + 1 - first) * tick
    if duration is None and claimed is not None and claimed < span:
        over = span - claimed
        if over * seconds > ROUNDED and over > SHARE * claimed:
            raise InvalidInput(
                f"{path} has stamps over {span * seconds:g} s but an acquisition_duration of "
                f"{claimed * seconds:g} s; give duration= with the right one, or the rates would be wrong"
            )
        if over > 1e-6 * claimed and over > 2.0 * tick:
            note(notes, f"{path.name}: stamps span {span:.9g}, a little more than the acquisition_duration of "
                 f"{claimed:.9g}; the span is used", warn=False)  # fmt: skip
        claimed = span
    return first, claimed


def spots_of(file: Any) -> list[str]:
    """Return the groups of photon data in the order of their numbers."""
    several = [name for name in file if name.startswith("photon_data") and name[11:].isdigit()]
    groups = ["photon_data"] if "photon_data" in file else sorted(several, key=lambda name: int(name[11:]))
    if not groups:
        raise InvalidInput(f"{file.filename} has no /photon_data, so it is no Photon-HDF5 file")
    for group in groups:
        if not isinstance(found(file, group), h5py_module().Group):
            raise InvalidInput(f"{file.filename}: {group} is no group of photon data; store timestamps in it")
    return groups


def labels_of(file: Any) -> dict[int, str]:
    """Return the names of the listed detectors by their numbers; empty strings where they have only a number."""
    if found(file, "setup/detectors/id") is None:
        return {}
    numbers = np.atleast_1d(values_of(file, "setup/detectors/id"))
    whole = numbers.dtype.kind in "iu" or (numbers.dtype.kind == "f" and (numbers == np.round(numbers)).all())
    if numbers.ndim != 1 or not whole:
        raise InvalidInput(f"{file.filename}: /setup/detectors/id must be whole numbers in one column; correct it")
    labels: list[Any] = [""] * len(numbers)
    if found(file, "setup/detectors/label") is not None:
        labels = np.atleast_1d(values_of(file, "setup/detectors/label")).tolist()
    if len(labels) != len(numbers):
        raise InvalidInput(f"{file.filename} has in /setup/detectors other than one label for each number")
    named = [label.decode(errors="replace") if isinstance(label, bytes) else str(label) for label in labels]
    return dict(zip(numbers.astype(np.int64).tolist(), named, strict=True))


def _channels(
    number: NDArray[np.int64], labels: dict[int, str], spots: int
) -> tuple[list[str], NDArray[np.int64]]:
    """Return names and numbers (spot, detector) of channels: those listed, and others with clicks."""
    seen = {(int(spot), int(one)) for spot, one in np.unique(number, axis=1).T}
    if spots == 1:
        seen |= {(0, one) for one in labels}
    keys = sorted(seen) or [(0, 0)]
    names = []
    for spot, one in keys:
        name = labels.get(one) or f"detector {one}"
        names.append(name if spots == 1 else f"spot {spot} {name}")
    if len(set(names)) < len(names):  # repeated labels do not identify detectors
        names = [f"{name} ({one})" for name, (_, one) in zip(names, keys, strict=True)]
    lookup = {key: k for k, key in enumerate(keys)}
    distinct, inverse = np.unique(number, axis=1, return_inverse=True)
    table = np.array([lookup[int(a), int(b)] for a, b in distinct.T] or [0], dtype=np.int64)
    return names, table[inverse.reshape(-1)] if number.shape[1] else np.zeros(0, dtype=np.int64)


def duration_of(file: Any, seconds: float) -> float:
    """Return the acquisition_duration, one number or an array with one for each spot, of which the longest."""
    values = values_of(file, "acquisition_duration")
    if values.dtype.kind not in "iuf" or not values.size:
        raise InvalidInput(f"{file.filename}: acquisition_duration must be a number; correct it")
    return positive_number(float(values.max()), f"{file.filename}: acquisition_duration") / seconds
