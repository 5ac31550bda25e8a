"""The table of formats: how each kind of file is recognised, read and written. A new format is an entry here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..clicks import ClickRecord
from .csv import write_csv
from .events import EventFile
from .hydraharp import is_hydraharp, tagged_hydraharp
from .measured import record_of
from .npz import read_npz, write_npz
from .photon_hdf5 import is_own_hdf5, read_photon_hdf5, write_photon_hdf5
from .picoharp import is_picoharp, tagged_picoharp
from .ptu import write_ptu
from .ptu_reader import heading_of, is_ptu, read_ptu, tagged_ptu
from .source import Source
from .text import is_own_text, read_text
from .timeline import FileClock
from .ttbin import TimeTaggerFile, is_ttbin

HDF5_SUFFIXES = (".h5", ".hdf5")
TEXT_SUFFIXES = (".csv", ".txt", ".tsv", ".dat")


class ReadFormat(NamedTuple):
    """A kind of file that `load` reads."""

    name: str  # for messages
    endings: str  # how its files are called, for messages
    is_it: Callable[[Path], bool]
    read: Callable[..., ClickRecord]  # (path, **those of `options` that are given)
    options: tuple[str, ...]  # of `load`, that apply to it
    is_own: Callable[[Path], bool]  # whether `export` wrote the file, which then states its unit
    events: Callable[[Path], EventFile] | None = None  # opens a file of an instrument, to be read in pieces


class WriteFormat(NamedTuple):
    """A kind of file that `export` writes."""

    suffix: str
    exact: Callable[[Source, Path], None] | None = None  # writes times to the last bit
    ticked: Callable[[Source, Path, FileClock, Path], None] | None = None  # in ticks; the last is the final path


def _measured(opens: Callable[[Path], EventFile]) -> Callable[..., ClickRecord]:
    """Return what reads a whole file of an instrument."""
    return lambda path, unit="s", duration=None, markers=False: record_of(opens(path), unit, duration, markers)


def _named(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.suffix in suffixes


def _never(path: Path) -> bool:
    return False


def _always(path: Path) -> bool:
    return True


MEASURED: tuple[str, ...] = ("unit", "duration", "markers")
# The first kind that recognises a file is taken: instruments' files by how they begin, others by their suffix.
READ = (
    ReadFormat(
        "PTU", "PTU", is_ptu, read_ptu, MEASURED, lambda path: heading_of(tagged_ptu(path)) is not None, tagged_ptu
    ),
    ReadFormat(
        "HydraHarp", "HT2, HT3", is_hydraharp, _measured(tagged_hydraharp), MEASURED, _never, tagged_hydraharp
    ),
    ReadFormat("PicoHarp", "PT2, PT3", is_picoharp, _measured(tagged_picoharp), MEASURED, _never, tagged_picoharp),
    ReadFormat(
        "TTBIN", "TTBIN", is_ttbin, _measured(TimeTaggerFile), ("unit", "duration"), _never, TimeTaggerFile
    ),
    ReadFormat(
        "Photon-HDF5", ".h5, .hdf5", _named(*HDF5_SUFFIXES), read_photon_hdf5, ("unit", "duration"), is_own_hdf5
    ),
    ReadFormat(
        "text",
        ", ".join(TEXT_SUFFIXES),
        lambda path: path.suffix.lower() in TEXT_SUFFIXES,
        read_text,
        ("unit", "duration", "tick", "columns"),
        is_own_text,
    ),
    ReadFormat("NPZ", ".npz", _named(".npz"), read_npz, (), _always),
)
WRITTEN = {
    "npz": WriteFormat(".npz", exact=write_npz),
    "csv": WriteFormat(".csv", exact=write_csv),
    "photon-hdf5": WriteFormat(".h5", ticked=write_photon_hdf5),
    "ptu": WriteFormat(".ptu", ticked=lambda source, path, clock, _: write_ptu(source, path, clock)),
}
# Formats that are written, by suffix.
FORMATS = {name: written.suffix for name, written in WRITTEN.items()}


def kind_of(path: Path) -> ReadFormat | None:
    """Return the kind of a file of clicks; None for any other file, and for a folder."""
    return next((kind for kind in READ if kind.is_it(path)), None) if path.is_file() else None
