"""export() and load(): click records from and to files, by their format's name or suffix."""

from __future__ import annotations

import os
from pathlib import Path

from ...checks import one_of, shown
from ...errors import InvalidInput
from ..clicks import ClickRecord
from ..files import path_of
from ..run import Run
from .csv import write_csv
from .new_file import new_file
from .npz import read_npz, write_npz
from .photon_hdf5 import read_photon_hdf5, write_photon_hdf5
from .ptu import write_ptu
from .source import Source
from .timeline import clock_of

# Suffix of each format that is written.
FORMATS = {"npz": ".npz", "csv": ".csv", "photon-hdf5": ".h5", "ptu": ".ptu"}
HDF5_SUFFIXES = (".h5", ".hdf5")


def export(
    source: ClickRecord | Run,
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    tick: float | None = None,
    unit: float | None = None,
) -> Path:
    """Write clicks to a file that other tools read.

    Parameters
    ----------
    source : ClickRecord or Run
        The clicks; sampled expectation values are not written. A run is written block by block, except to NPZ,
        which is held in memory; of an unfinished one the trajectories before the first unfinished block are
        written, and the file says so.
    path : path
        File to make; it must not exist.
    format : {"npz", "csv", "photon-hdf5", "ptu"}, optional
        By default what the suffix of `path` says: .npz, .csv, .h5 or .hdf5, .ptu. NPZ and CSV keep times to the
        last bit; Photon-HDF5 and PTU count ticks, and lay trajectories end to end.
    tick : float, optional
        Length of a tick in 1/ω_b, for Photon-HDF5 and PTU; by default 1e-6 of the shortest lifetime.
    unit : float, optional
        1/ω_b in seconds, for Photon-HDF5 and PTU; by default that of ω_b/2π = 2 GHz for the paper's system.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    InvalidInput
        An unknown format, a file that exists or cannot be written, a tick or unit that cannot be right or is
        needed and was not given, or too many channels or ticks for the format.
    RunFolderError
        A run without a finished block, or with a damaged one.
    """
    place = path_of(path)
    chosen = _format_of(place, format)
    whole = Source.of(source)
    if chosen in ("npz", "csv"):
        if tick is not None or unit is not None:
            raise InvalidInput(f"{chosen} keeps exact times; tick and unit are for photon-hdf5 and ptu")
        with new_file(place) as temporary:
            (write_npz if chosen == "npz" else write_csv)(whole, temporary)
        return place
    clock = clock_of(whole.provenance, tick, unit)
    with new_file(place) as temporary:
        if chosen == "ptu":
            write_ptu(whole, temporary, clock)
        else:
            write_photon_hdf5(whole, temporary, clock, place)
    return place


def load(path: str | os.PathLike[str], *, unit: float | None = None) -> ClickRecord:
    """Load clicks: of a run folder, an NPZ file or a Photon-HDF5 file, ours or measured.

    Parameters
    ----------
    path : path
        A run folder, finished or not: of an unfinished one the trajectories before the first unfinished block are
        returned, and ``provenance["complete"]`` is False. Or a file .npz with the arrays trajectory, time,
        channel, channel_names, start and stop; or a Photon-HDF5 file .h5 or .hdf5.
    unit : float, optional
        Unit of time wanted, in seconds, when a Photon-HDF5 file of another program is read; seconds by default.

    Raises
    ------
    InvalidInput
        The path does not exist, or is no file of clicks.
    RunFolderError
        It is a folder that is no run folder, or a file in it is damaged.
    """
    place = path_of(path)
    if not place.exists():
        raise InvalidInput(f"{path} does not exist; give a run folder or a file of clicks")
    if place.suffix in HDF5_SUFFIXES and place.is_file():
        return read_photon_hdf5(place, unit)
    if unit is not None:
        raise InvalidInput(f"unit={shown(unit)} is for Photon-HDF5 files; {path} has its own unit")
    if place.is_dir():
        return Run.open(place).record()
    if place.suffix != ".npz":
        raise InvalidInput(f"{path} is neither a run folder nor .npz, .h5 or .hdf5; export it as one of them")
    return read_npz(place)


def _format_of(path: Path, name: str | None) -> str:
    if name is not None:
        return one_of(name, "format", FORMATS)
    suffix = ".h5" if path.suffix in HDF5_SUFFIXES else path.suffix
    for known, written in FORMATS.items():
        if written == suffix:
            return known
    raise InvalidInput(f"{path} has no suffix of a known format; give format, one of {', '.join(FORMATS)}")
