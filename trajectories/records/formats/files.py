"""export(), load() and open_measured(): files of clicks, by the name of the format or the suffix."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...checks import integer, one_of, positive_number, shown, time_unit
from ...errors import InvalidInput
from ...names import nearest_beside
from ..clicks import ClickRecord
from ..files import path_of
from ..run import Run
from .measured import seconds_of
from .new_file import new_file
from .photon_hdf5_events import PhotonHdf5Events
from .pieces import PIECE, MeasuredFile
from .ptu_own import OwnPtu
from .ptu_reader import own_file, refuse_for_own, tagged_ptu
from .source import Source
from .table import FORMATS, HDF5_SUFFIXES, READ, WRITTEN, ReadFormat, kind_of
from .timeline import clock_of


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
    written = WRITTEN[chosen]
    if written.exact is not None:
        if tick is not None or unit is not None:
            raise InvalidInput(f"{chosen} keeps exact times; leave out tick and unit, or take photon-hdf5")
        with new_file(place) as temporary:
            written.exact(whole, temporary)
        return place
    assert written.ticked is not None
    clock = clock_of(whole.provenance, tick, unit, whole.tick, whole.unit)
    with new_file(place) as temporary:
        written.ticked(whole, temporary, clock, place)
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
    kind = kind_of(place)
    if kind is None and not place.is_dir():
        known = ", ".join(one.endings for one in READ)
        raise InvalidInput(
            f"{path} is neither a run folder nor a file of clicks ({known}); export it as one of them"
        )
    given = {"unit": unit, "duration": duration, "tick": tick, "columns": columns, "markers": markers or None}
    asked = {name: value for name, value in given.items() if value is not None}
    if kind is None or not kind.options:
        for name, value in asked.items():
            raise InvalidInput(f"{name}={shown(value)} is for measured files; leave it out, {path} has its own")
        return Run.open(place).record() if kind is None else kind.read(place)
    _refuse(path, kind, asked)
    return kind.read(place, **asked)


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
    kind = kind_of(place)
    measure = time_unit("s" if unit is None else unit)
    named = {"markers": True} if markers else {}
    if kind is not None and kind.name == "Photon-HDF5" and not kind.is_own(place):
        _refuse(path, kind, named)
        asked = None if duration is None else positive_number(duration, "duration") * seconds_of(measure)
        return MeasuredFile(PhotonHdf5Events(place, asked), measure, size, duration)
    if kind is None or kind.events is None:
        known = ", ".join(one.endings for one in READ if one.events is not None)
        raise InvalidInput(f"{path} is no file of an instrument ({known}, other programs' Photon-HDF5); use load")
    _refuse(path, kind, named)
    if kind.name == "PTU":
        tagged = tagged_ptu(place)
        own = own_file(tagged)
        if own is not None:
            refuse_for_own(place, unit, duration, markers)
            return replace(own, piece=size)
        return MeasuredFile(tagged, measure, size, duration, markers)
    return MeasuredFile(kind.events(place), measure, size, duration, markers)


def is_foreign(path: str | os.PathLike[str]) -> bool:
    """Whether a file was measured, so that its unit can be chosen; files of `export` and runs state theirs."""
    kind = kind_of(path_of(path))
    return kind is not None and not kind.is_own(path_of(path))


def _refuse(path: Any, kind: ReadFormat, asked: dict[str, Any]) -> None:
    """Refuse options that do not apply to a kind of file."""
    for name, value in asked.items():
        if name not in kind.options:
            raise InvalidInput(f"{name}={shown(value)} does not apply to {path}, a {kind.name} file; leave it out")


def _format_of(path: Path, name: str | None) -> str:
    if name is not None:
        return one_of(name, "format", FORMATS)
    suffix = ".h5" if path.suffix in HDF5_SUFFIXES else path.suffix
    for known, written in FORMATS.items():
        if written == suffix:
            return known
    raise InvalidInput(f"{path} has no suffix of a known format; give format, one of {', '.join(FORMATS)}")
