"""export(), load() and open_measured(): files of clicks, by the name of the format or the suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...checks import integer, one_of, positive_number, shown, time_unit
from ...errors import InvalidInput
from ...names import nearest_beside
from ..clicks import ClickRecord
from ..files import path_of
from ..run import Run
from .csv import write_csv
from .events import EventFile
from .hydraharp import is_hydraharp, tagged_hydraharp
from .measured import record_of, seconds_of
from .new_file import new_file
from .npz import read_npz, write_npz
from .photon_hdf5 import is_own_hdf5, read_photon_hdf5, write_photon_hdf5
from .photon_hdf5_events import PhotonHdf5Events
from .picoharp import is_picoharp, tagged_picoharp
from .pieces import PIECE, MeasuredFile
from .ptu import write_ptu
from .ptu_own import OwnPtu
from .ptu_reader import heading_of, is_ptu, own_file, read_ptu, refuse_for_own, tagged_ptu
from .source import Source
from .text import is_own_text, read_text
from .timeline import clock_of
from .ttbin import TimeTaggerFile, is_ttbin

# Formats that are written, by suffix.
FORMATS = {"npz": ".npz", "csv": ".csv", "photon-hdf5": ".h5", "ptu": ".ptu"}
HDF5_SUFFIXES = (".h5", ".hdf5")
TEXT_SUFFIXES = (".csv", ".txt", ".tsv", ".dat")


def export(
    source: ClickRecord | Run,
    path: str | os.PathLike[str],
    format: str | None = None,
    *,
    tick: float | None = None,
    unit: float | None = None,
) -> Path:
    """Write clicks to a file that other programs read.

    Parameters
    ----------
    source : ClickRecord or Run
        The clicks; sampled expectation values are not written. A run is written block by block, except to NPZ,
        which needs it in memory. Of an unfinished run, the trajectories before the first unfinished block are
        written, and the file says that it is incomplete.
    path : path
        A new file; it must not exist.
    format : {"npz", "csv", "photon-hdf5", "ptu"}, optional
        By default according to the suffix of `path`: .npz, .csv, .h5 or .hdf5, .ptu. NPZ and CSV keep times to the
        last bit; Photon-HDF5 and PTU count ticks and place trajectories one after another.
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
        An unknown format, a file that exists or cannot be written, a tick or unit that is impossible or is
        needed and not given, or more channels or ticks than the format can hold.
    RunFolderError
        A run without a finished block, or with a damaged one.

    Examples
    --------
    >>> import tempfile, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> folder = tempfile.TemporaryDirectory()
    >>> record = tj.simulate(system, 4, 20.0, seed=1, progress=False)
    >>> file = tj.export(record, f"{folder.name}/clicks.csv")
    >>> file.name, len(tj.load(file)) == len(record)
    ('clicks.csv', True)
    >>> folder.cleanup()
    """
    place = path_of(path)
    chosen = _format_of(place, format)
    whole = Source.of(source)
    if chosen in ("npz", "csv"):
        if tick is not None or unit is not None:
            raise InvalidInput(f"{chosen} keeps exact times; leave out tick and unit, or take photon-hdf5")
        with new_file(place) as temporary:
            (write_npz if chosen == "npz" else write_csv)(whole, temporary)
        return place
    clock = clock_of(whole.provenance, tick, unit, whole.tick, whole.unit)
    with new_file(place) as temporary:
        if chosen == "ptu":
            write_ptu(whole, temporary, clock)
        else:
            write_photon_hdf5(whole, temporary, clock, place)
    return place


def load(
    path: str | os.PathLike[str],
    *,
    unit: Any = None,
    duration: float | None = None,
    tick: float | None = None,
    columns: Sequence[str | int] | None = None,
    markers: bool = False,
) -> ClickRecord:
    """Load clicks from a run folder, a file that `export` wrote, or a file of a time tagger.

    Parameters
    ----------
    path : path
        A run folder, finished or not: of an unfinished one the trajectories before the first unfinished block are
        returned, and ``provenance["complete"]`` is False. Or a file of clicks: .npz, Photon-HDF5 (.h5, .hdf5),
        PTU, HT2, HT3, PT2, PT3, TTBIN (known by how they begin), or text in columns (.csv, .txt, .tsv, .dat).
    unit : str or float, optional
        Unit of time of the record, for a measured file: "s" (default), "ms", "µs", "ns", "ps", "fs", or the length
        of 1/ω_b in seconds, for comparison with a model.
    duration : float, optional
        Observed time in that unit, for a measured file that does not state it, or states it wrongly.
    tick : float, optional
        Length of a tick in seconds, for whole numbers in a text file.
    columns : sequence of two str or int, optional
        Columns of time and channel in a text file, by name or number from 0.
    markers : bool
        Whether markers of PTU, HT and PT files become channels; they are left out otherwise.

    Raises
    ------
    InvalidInput
        The path does not exist, is no file of clicks, or an option does not apply to its kind.
    RunFolderError
        It is a folder that is no run folder, or a file in it is damaged.

    Warns
    -----
    RecordWarning
        A measured file is cut off, or states a duration that is longer than its events suggest.

    Examples
    --------
    >>> import tempfile, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> folder = tempfile.TemporaryDirectory()
    >>> record = tj.simulate(system, 4, 20.0, seed=1, out=f"{folder.name}/run", progress=False)
    >>> again = tj.load(f"{folder.name}/run")
    >>> again.n_trajectories, len(again) == len(record)
    (4, True)
    >>> folder.cleanup()
    """
    place = path_of(path)
    if not place.exists():
        hint = nearest_beside(place) or "; give a run folder or a file of clicks"
        raise InvalidInput(f"{path} does not exist{hint}")
    if place.is_file() and (kind := _tagged_kind(place)) is not None:
        _refuse(path, kind, tick=tick, columns=columns, markers=(markers or None) if kind == "TTBIN" else None)
        if kind == "PTU":
            return read_ptu(place, unit, duration, markers)
        return record_of(_opened(kind, place), "s" if unit is None else unit, duration, markers)
    if place.suffix in HDF5_SUFFIXES and place.is_file():
        _refuse(path, "Photon-HDF5", tick=tick, columns=columns, markers=markers or None)
        return read_photon_hdf5(place, unit, duration)
    if place.suffix.lower() in TEXT_SUFFIXES and place.is_file():
        _refuse(path, "text", markers=markers or None)
        return read_text(place, unit, duration, tick, columns)
    if not place.is_dir() and place.suffix != ".npz":
        raise InvalidInput(
            f"{path} is neither a run folder nor .npz, .h5, .hdf5, .csv, .txt, nor a PTU, HT2, HT3, PT2, PT3 or "
            "TTBIN file; export it as one of them"
        )
    given = {"unit": unit, "duration": duration, "tick": tick, "columns": columns, "markers": markers or None}
    for name, value in given.items():
        if value is not None:
            raise InvalidInput(f"{name}={shown(value)} is for measured files; leave it out, {path} has its own")
    if place.is_dir():
        return Run.open(place).record()
    return read_npz(place)


def open_measured(
    path: str | os.PathLike[str],
    *,
    unit: Any = None,
    duration: float | None = None,
    markers: bool = False,
    piece: int | None = None,
) -> MeasuredFile | OwnPtu:
    """Open a file of an instrument for analysis piece by piece, in bounded memory.

    Formats: PTU, HT2, HT3, PT2, PT3, TTBIN, and Photon-HDF5 of other programs.

    Parameters
    ----------
    path : path
        The file. One that `export` wrote is checked as a whole, and gives its own trajectories and names.
    unit, duration, markers : optional
        As in `load`.
    piece : int, optional
        Clicks in a piece; two million by default.

    Returns
    -------
    MeasuredFile or OwnPtu
        Every estimator takes it, like a run.

    Raises
    ------
    InvalidInput
        The file does not exist, is of another kind or damaged, or options do not apply to it.

    Examples
    --------
    >>> import tempfile, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> folder = tempfile.TemporaryDirectory()
    >>> record = tj.simulate(system, 4, 20.0, seed=1, progress=False)
    >>> file = tj.open_measured(tj.export(record, f"{folder.name}/clicks.ptu", tick=1e-3, unit=1e-9))
    >>> sum(rate.n for rate in tj.analysis.rates(file).values()) == len(record)
    True
    >>> folder.cleanup()
    """
    place = path_of(path)
    size = PIECE if piece is None else integer(piece, "piece", 2)
    if not place.exists():
        raise InvalidInput(f"{path} does not exist{nearest_beside(place) or '; give a file of an instrument'}")
    kind = _tagged_kind(place) if place.is_file() else None
    measure = time_unit("s" if unit is None else unit)
    if kind is None and place.is_file() and place.suffix in HDF5_SUFFIXES and not is_own_hdf5(place):
        _refuse(path, "Photon-HDF5", markers=markers or None)
        asked = None if duration is None else positive_number(duration, "duration") * seconds_of(measure)
        return MeasuredFile(PhotonHdf5Events(place, asked), measure, size, duration)
    if kind is None:
        raise InvalidInput(
            f"{path} is no PTU, HT2, HT3, PT2, PT3 or TTBIN file, nor Photon-HDF5 of another program; use load"
        )
    _refuse(path, kind, markers=(markers or None) if kind == "TTBIN" else None)
    if kind == "PTU":
        tagged = tagged_ptu(place)
        own = own_file(tagged)
        if own is not None:
            refuse_for_own(place, unit, duration, markers)
            return replace(own, piece=size)
    return MeasuredFile(_opened(kind, place), measure, size, duration, markers)


def is_foreign(path: str | os.PathLike[str]) -> bool:
    """Whether a file was measured, so that its unit can be chosen; files of `export` and runs state theirs."""
    place = path_of(path)
    if not place.is_file():
        return False
    kind = _tagged_kind(place)
    if kind == "PTU":
        return heading_of(tagged_ptu(place)) is None
    if kind is not None:
        return True
    if place.suffix in HDF5_SUFFIXES:
        return not is_own_hdf5(place)
    return place.suffix.lower() in TEXT_SUFFIXES and not is_own_text(place)


def _tagged_kind(path: Path) -> str | None:
    """Return the kind of a file of time-tagged records; None for any other file."""
    kinds = {"PTU": is_ptu, "HydraHarp": is_hydraharp, "PicoHarp": is_picoharp, "TTBIN": is_ttbin}
    return next((kind for kind, is_it in kinds.items() if is_it(path)), None)


def _opened(kind: str, path: Path) -> EventFile:
    """Open a file of a kind that `_tagged_kind` found."""
    openers: dict[str, Callable[[Path], EventFile]] = {
        "PTU": tagged_ptu,
        "HydraHarp": tagged_hydraharp,
        "PicoHarp": tagged_picoharp,
        "TTBIN": TimeTaggerFile,
    }
    return openers[kind](path)


def _refuse(path: Any, kind: str, **given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise InvalidInput(f"{name}={shown(value)} does not apply to {path}, a {kind} file; leave it out")


def _format_of(path: Path, name: str | None) -> str:
    if name is not None:
        return one_of(name, "format", FORMATS)
    suffix = ".h5" if path.suffix in HDF5_SUFFIXES else path.suffix
    for known, written in FORMATS.items():
        if written == suffix:
            return known
    raise InvalidInput(f"{path} has no suffix of a known format; give format, one of {', '.join(FORMATS)}")
