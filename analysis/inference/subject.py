"""The input of tests and fits: clicks in memory, their model, and the state that trajectories start from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories.errors import InvalidInput
from trajectories.model import OpenSystem
from trajectories.records.clicks import ClickRecord
from trajectories.records.run import Run
from trajectories.records.run_metadata import unit_of
from trajectories.time_units import SECONDS, TimeUnit

from ..clicks.streams import Clicks, opened, stream

# Lengths of a unit that differ by less, relative to them, are the same.
SAME_UNIT = 1e-9


@dataclass(frozen=True, eq=False)
class Subject:
    """A record and the model that it is compared with.

    Attributes
    ----------
    record : ClickRecord
        The clicks.
    system : OpenSystem
        The model.
    initial : object
        State at the start of every trajectory, in any form that `simulate` takes; None where it is the steady
        state, or where nothing is known of it.
    compiled : mapping of str to ndarray, or None
        The arrays of a run that is compared with its own system, so that nothing is diagonalised again.
    """

    record: ClickRecord
    system: OpenSystem
    initial: Any
    compiled: Mapping[str, NDArray[Any]] | None


def in_memory(record: Clicks) -> ClickRecord:
    """Return clicks, given in any form that estimators take, as one record.

    Raises
    ------
    InvalidInput, RunFolderError
        As `stream`.
    """
    clicks = opened(record)
    if isinstance(clicks, ClickRecord):
        return clicks
    if isinstance(clicks, Run):
        return clicks.record()
    return ClickRecord.concatenate([*stream(clicks).blocks()])


def own_system(run: Run) -> OpenSystem:
    """Return the system that a run keeps."""
    described = run.metadata
    return OpenSystem.from_arrays(run.arrays(), parameters=described["parameters"], time_unit=unit_of(described))


def require_same_unit(clicks: TimeUnit, system: OpenSystem) -> None:
    """Refuse to compare clicks with a system that counts in another unit of time, as far as both are known.

    Raises
    ------
    InvalidInput
        Two units of different lengths.
    """
    mine, other = clicks.seconds, system.time_unit.seconds
    if mine is not None and other is not None and abs(mine - other) > SAME_UNIT * other:
        unit = system.time_unit
        asked = repr(unit.name) if unit.name in SECONDS else f"{unit.seconds:g}"
        raise InvalidInput(
            f"the clicks are in {clicks.name} of {mine:g} s, "
            f"and the system's times in {unit.name} of {other:g} s; load the clicks with unit={asked}"
        )


def subject_of(record: Clicks, system: OpenSystem | None, initial: Any) -> Subject:
    """Return the clicks with the model that they are compared with: the one given, or that of the run.

    Parameters
    ----------
    record : ClickRecord, Run, ClickStream, sequence of ClickRecord, or path
        The clicks.
    system : OpenSystem or None
        The model; None for the one that a run keeps.
    initial : object
        State at the start of every trajectory; None for that of the run.

    Raises
    ------
    InvalidInput
        Clicks that are not a run, without a system, an object that is not a system, or a system whose dimension
        differs from that of the initial state of the run.
    RunFolderError
        A run that cannot be read.
    """
    clicks = opened(record)
    run = clicks if isinstance(clicks, Run) else None
    if system is not None and not isinstance(system, OpenSystem):
        raise InvalidInput(f"system must be an OpenSystem, but is {type(system).__name__}; call its .system()")
    if run is None:
        if system is None:
            raise InvalidInput("these clicks are not a run, which would keep its system; give system=")
        found = in_memory(clicks)
        require_same_unit(found.unit, system)
        return Subject(found, system, initial, None)
    arrays = run.arrays()
    start = _start_of(run, arrays) if initial is None else initial
    if system is None:
        return Subject(run.record(), own_system(run), start, arrays)
    if initial is None and start is not None and start.shape[0] != system.dimension:
        raise InvalidInput(
            f"the run started from a state of dimension {start.shape[0]}, but the system has {system.dimension}; "
            "give a system of the same truncation, or initial="
        )
    require_same_unit(unit_of(run.metadata), system)
    return Subject(run.record(), system, start, None)


def _start_of(run: Run, arrays: Mapping[str, NDArray[Any]]) -> NDArray[np.complex128] | None:
    """Return the density matrix that the trajectories of a run started from; None for the steady state."""
    if run.configuration["initial"] in ("steady", "periodic"):
        return None
    kets, cumulative = arrays["kets"], arrays["cumulative"]
    return np.asarray((kets.T * np.diff(cumulative, prepend=0.0)) @ kets.conj())
