"""Source of an export: a record, or a run folder block by block, so that writers hold one block in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import shown
from ...errors import InvalidInput
from ...time_units import NATURAL, TimeUnit
from ..clicks import ClickRecord
from ..files import checksum_of_json
from ..joining import OF_ONE_RUN
from ..run import Run

# The heading of every file, by which it is recognised when it is read.
FORMAT = "bundle-trajectories clicks"
VERSION = 2
# Files of this version have no checksum.
VERSION_WITHOUT_CHECKSUM = 1


class Checksum:
    """SHA-256 of the columns of a file and of its heading; it does not depend on how columns are cut in pieces."""

    def __init__(self) -> None:
        self._columns: dict[str, Any] = {}

    def add(self, **columns: NDArray[Any]) -> None:
        """Append values to columns."""
        for name, values in columns.items():
            if np.asarray(values).dtype.kind not in "iuf":
                raise ValueError(f"{name} must be real numbers")
            kind = "<f8" if np.asarray(values).dtype.kind == "f" else "<i8"
            self._columns.setdefault(name, hashlib.sha256()).update(np.asarray(values).astype(kind).tobytes())

    def of(self, heading: str) -> str:
        """Return the checksum of the heading and of all values added so far."""
        parts = {name: state.hexdigest() for name, state in self._columns.items()}
        return checksum_of_json([heading, parts])


@dataclass(frozen=True)
class Source:
    """Clicks to be exported, in pieces.

    Attributes
    ----------
    channel_names : tuple of str
        Channels of every piece.
    provenance : dict
        Provenance of the clicks, as plain values.
    tick, fine : float or None
        Length of a tick of the clock that stamped the clicks, and of a step within it; None for times.
    unit : TimeUnit
        The unit of all times.
    """

    record: ClickRecord | Run
    channel_names: tuple[str, ...]
    provenance: dict[str, Any]
    tick: float | None = None
    fine: float | None = None
    unit: TimeUnit = NATURAL

    @classmethod
    def of(cls, given: ClickRecord | Run) -> Source:
        """Return the source for a record or a run.

        Raises
        ------
        InvalidInput
            Neither a record nor a run, or a record without trajectories.
        RunFolderError
            A run without any finished block.
        """
        if isinstance(given, ClickRecord):
            if not given.n_trajectories:
                raise InvalidInput("the record has no trajectory, so that there is nothing to export")
            fine = given.clock.fine if given.clock is not None and given.within is not None else None
            provenance = {"complete": True} | given.provenance
            return cls(given, given.channel_names, provenance, given.tick, fine, given.unit)
        if not isinstance(given, Run):
            raise InvalidInput(f"cannot export {shown(given)}; give a ClickRecord or a Run")
        first = next(given.blocks(), None)
        if first is None:
            given.record()  # raises an error that says what is wrong and how to go on
            raise InvalidInput(f"{given.folder} has no finished block")
        kept = {key: value for key, value in first.provenance.items() if key not in OF_ONE_RUN}
        kept |= {"configuration": given.configuration, "complete": given.complete}
        return cls(given, first.channel_names, kept, unit=first.unit)

    def pieces(self) -> Iterator[ClickRecord]:
        """Yield the clicks in order; trajectories of each piece are numbered from 0."""
        if isinstance(self.record, ClickRecord):
            yield self.record
        else:
            yield from self.record.blocks()
