"""Photon-HDF5 0.5: the open format of photon time stamps, measurement type "generic", written and read with h5py.

Source: the Photon-HDF5 specification (photon-hdf5.org); what is ours alone lies in its ``/user`` group.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import plain_value, positive_number
from ...errors import InvalidInput
from ..clicks import ClickRecord
from .source import FORMAT, VERSION, Source
from .timeline import Clock, slots, ticks, times

FORMAT_VERSION = "0.5"
MOST_CHANNELS = 256
OURS = "user/bundle_trajectories"
CHUNK = 65536
# What a damaged or foreign HDF5 file raises when it is read.
UNREADABLE = (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError)

# How PyTables marks a string that is no array.
PLAIN_STRING = {"CLASS": "ARRAY", "VERSION": "2.4", "FLAVOR": "python"}

# The description that the specification wants on every field.
TITLES = {
    "/": "A file format for photon-counting detector based single-molecule spectroscopy experiments.",
    "acquisition_duration": "Measurement duration in seconds.",
    "description": "A user-defined comment describing the data file.",
    "format_name": "Name of the file format.",
    "format_version": "Version for the Photon-HDF5 format.",
    "photon_data": "Group containing arrays of photon-data.",
    "photon_data/timestamps": "Array of photon timestamps. Units specified in timestamps_units "
    "(defined in timestamps_specs/).",
    "photon_data/detectors": "Array of pixel IDs for each timestamp.",
    "photon_data/timestamps_specs": "Specifications for timestamps.",
    "photon_data/timestamps_specs/timestamps_unit": "Value of 1-unit timestamp-increment in seconds.",
    "photon_data/measurement_specs": "Metadata necessary for interpretation of the particular type of "
    "measurement.",
    "photon_data/measurement_specs/measurement_type": "Name of the measurement the data represents.",
    "photon_data/measurement_specs/detectors_specs": "Mapping between the pixel IDs and the detection channels.",
    "setup": "Information about the experimental setup.",
    "setup/num_pixels": "Total number of detector pixels.",
    "setup/num_spots": 'Number of excitation (or detection) "spots" in the sample.',
    "setup/num_spectral_ch": "Number of distinct spectral bands which are acquired.",
    "setup/num_polarization_ch": "Number of distinct polarization states which are acquired.",
    "setup/num_split_ch": "Number of distinct detection channels detecting the same spectral band and "
    "polarization. This value is > 1 when using a non-polarizing beam splitter.",
    "setup/modulated_excitation": "True (i.e. 1) if there is any form of excitation modulation of excitation "
    "wavelength (as in us-ALEX or PAX) or polarization. This field is also True for pulse-interleaved excitation "
    "(PIE) or ns-ALEX measurements.",
    "setup/excitation_alternated": "New in version 0.5. Indicates whether each excitation source is alternated "
    "(True, or 1) or not alternated (False, or 0).",
    "setup/lifetime": "True (i.e. 1) if the measurement includes a nanotimes array of photon arrival times with "
    "respect to a laser pulse (as in TCSPC measurements).",
    "setup/excitation_cw": "For each excitation source, this field indicates whether excitation is continuous "
    "wave (CW), True (i.e. 1), or pulsed, False (i.e. 0).",
    "setup/detectors": "Metadata relative to each detector's pixel. Each field is an array with size equal to the "
    "number of the detectors.",
    "setup/detectors/id": "Detector IDs as they appear on /photon_data/detectors.",
    "setup/detectors/label": "Labels (strings) describing each detector.",
    "setup/detectors/counts": "Total number of counts detected by each detector.",
    "identity": "Information about the Photon-HDF5 data file.",
    "identity/author": "Author of the current data file.",
    "identity/author_affiliation": "Company or institution the author is affiliated with.",
    "identity/filename": "Original file name of the current Photon-HDF5 file (i.e. file name at creation time).",
    "identity/filename_full": "Original file name (with full path) of the current Photon-HDF5 file (i.e. full "
    "file name at creation time).",
    "identity/creation_time": "Creation time of the current Photon-HDF5 file.",
    "identity/software": "Name of the software used to create the current Photon-HDF5 file.",
    "identity/software_version": "Version of the software used to create current the Photon-HDF5 file.",
    "identity/format_name": "Name of the file format.",
    "identity/format_version": "Version for the Photon-HDF5 format.",
    "identity/format_url": "Official URL for the Photon-HDF5 format.",
    "provenance": "Information about the original data file.",
    "provenance/filename": "File name of the original data file before conversion to Photon-HDF5.",
    "provenance/software": "Software used to save the original data file.",
    "user": "A custom field.",
}


def write_photon_hdf5(source: Source, path: Path, clock: Clock, final: Path, author: str = "unknown") -> None:
    """Write time stamps (int64 ticks) and detectors (uint8); windows, names and model in ``/user``.

    Raises
    ------
    InvalidInput
        More channels than a uint8 tells apart, or h5py is not installed.
    """
    if len(source.channel_names) > MOST_CHANNELS:
        raise InvalidInput(
            f"{len(source.channel_names)} channels are more than the {MOST_CHANNELS} of Photon-HDF5"
        )
    h5py = _h5py()
    with h5py.File(path, "x") as file:
        stamps = _growing(file, "photon_data/timestamps", np.int64)
        detectors = _growing(file, "photon_data/detectors", np.uint8)
        windows = {name: _growing(file, f"{OURS}/{name}", kind) for name, kind in _WINDOWS.items()}
        counts = np.zeros(len(source.channel_names), dtype=np.int64)
        free, total = 0, 0.0
        for piece in source.pieces():
            origins = slots(piece, clock, free)
            free = int(origins[-1])
            total += piece.total_time
            _append(stamps, ticks(piece, clock, origins))
            _append(detectors, piece.channel.astype(np.uint8))
            for name, values in (("origin", origins[:-1]), ("start", piece.start), ("stop", piece.stop)):
                _append(windows[name], values)
            counts += piece.counts().sum(axis=0)
        _describe(file, source, clock, counts, total * clock.seconds, final, author)


_WINDOWS = {"origin": np.int64, "start": np.float64, "stop": np.float64}


def _growing(file: Any, name: str, kind: Any) -> Any:
    return file.create_dataset(
        name, (0,), kind, maxshape=(None,), chunks=(CHUNK,), shuffle=True, compression="gzip"
    )


def _append(dataset: Any, values: NDArray[Any]) -> None:
    size = len(dataset)
    dataset.resize((size + len(values),))
    dataset[size:] = values


def _describe(
    file: Any, source: Source, clock: Clock, counts: NDArray[np.int64], duration: float, final: Path, author: str
) -> None:
    """Write everything that is not an event, and the description of every field."""
    from ... import __version__

    identity = {
        "author": author,
        "author_affiliation": "unknown",
        "filename": final.name,
        "filename_full": str(final.resolve()),
        "creation_time": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        "software": "bundle-trajectories",
        "software_version": __version__,
        "format_name": "Photon-HDF5",
        "format_version": FORMAT_VERSION,
        "format_url": "http://photon-hdf5.org/",
    }
    once = {"num_spots": 1, "num_spectral_ch": 1, "num_polarization_ch": 1, "num_split_ch": 1}
    ids = np.arange(len(counts), dtype=np.uint8)
    fields: dict[str, Any] = {
        "acquisition_duration": duration,
        "description": "Clicks of a Monte Carlo wave-function simulation; trajectories follow each other.",
        "format_name": "Photon-HDF5",
        "format_version": FORMAT_VERSION,
        "photon_data/timestamps_specs/timestamps_unit": clock.tick_in_seconds,
        "photon_data/measurement_specs/measurement_type": "generic",
        "setup/num_pixels": len(counts),
        **{f"setup/{name}": value for name, value in once.items()},
        "setup/modulated_excitation": 0,
        "setup/lifetime": 0,
        "setup/excitation_alternated": np.zeros(1, dtype=np.uint8),
        "setup/excitation_cw": np.ones(1, dtype=np.uint8),
        "setup/detectors/id": ids,
        "setup/detectors/label": np.array([name.encode() for name in source.channel_names]),
        "setup/detectors/counts": counts,
        **{f"identity/{name}": value for name, value in identity.items()},
        "provenance/filename": str(source.provenance.get("run_id", "none")),
        "provenance/software": "bundle-trajectories",
    }
    for name, value in fields.items():
        file[name] = np.bytes_(value.encode()) if isinstance(value, str) else value
        if isinstance(value, str):  # as PyTables marks a plain string, which readers built on it decode
            file[name].attrs.update({key: np.bytes_(mark) for key, mark in PLAIN_STRING.items()})
    heading = {
        "format": FORMAT,
        "version": VERSION,
        "channel_names": source.channel_names,
        "tick": clock.tick,
        "unit_seconds": clock.seconds,
        "provenance": source.provenance,
    }
    file[f"{OURS}/heading"] = np.bytes_(json.dumps(plain_value(heading, "heading")))
    file.create_group("photon_data/measurement_specs/detectors_specs")
    for name, title in TITLES.items():
        file[name].attrs["TITLE"] = np.bytes_(title)
    file.attrs["format_name"] = np.bytes_("Photon-HDF5")
    file.attrs["format_version"] = np.bytes_(FORMAT_VERSION)


def read_photon_hdf5(path: Path, unit: float | None = None) -> ClickRecord:
    """Read clicks, ours or anyone's.

    A file of ours comes back with its trajectories, names and model, times to within a tick. Any other becomes one
    trajectory that lasts as long as the acquisition, its time in seconds or in the unit that is given.

    Parameters
    ----------
    path : path
        The file.
    unit : float, optional
        Length of the wanted unit of time in seconds, for files of other programs: 1/ω_b, to compare with a model.

    Raises
    ------
    InvalidInput
        No Photon-HDF5 file, more than one spot, or events that make no record.
    """
    with _opened(path) as file:
        if "photon_data" not in file:
            raise InvalidInput(f"{path} has no /photon_data (files of several spots are not read)")
        stamps = _integers(file, "timestamps")
        detectors = _integers(file, "detectors")
        if OURS in file:
            if unit is not None:
                raise InvalidInput(f"{path} knows its unit of time; leave out unit={unit:g}")
            return _ours(file, stamps, detectors)
        return _foreign(file, stamps, detectors, unit)


def _integers(file: Any, name: str) -> NDArray[np.int64]:
    """Return a column of events; refuse what an int64 would not hold as it is."""
    values = np.asarray(file[f"photon_data/{name}"][:])
    if values.dtype.kind not in "iu":
        raise InvalidInput(f"{file.filename}: {name} must be integers, but is {values.dtype}; store ticks")
    if values.size and values.max() > np.iinfo(np.int64).max:
        raise InvalidInput(f"{file.filename}: {name} reaches {values.max()}, more than 63 bits hold; shift it")
    return values.astype(np.int64)


def _ours(file: Any, stamps: NDArray[np.int64], detectors: NDArray[np.int64]) -> ClickRecord:
    heading = json.loads(bytes(file[f"{OURS}/heading"][()]))
    if heading["version"] != VERSION:
        raise InvalidInput(f"{file.filename} has version {heading['version']}, but {VERSION} is read here")
    origin, start, stop = (np.asarray(file[f"{OURS}/{name}"][:]) for name in _WINDOWS)
    if not len(origin) or (np.diff(origin) <= 0).any() or (len(stamps) and stamps.min() < origin[0]):
        raise InvalidInput(f"{file.filename} has windows that do not fit its time stamps")
    rows, when = times(stamps, origin, start, stop, positive_number(heading["tick"], "tick"))
    return ClickRecord.from_arrays(
        rows,
        when,
        detectors,
        channel_names=heading["channel_names"],
        start=start,
        stop=stop,
        provenance=heading["provenance"],
    )


def _foreign(
    file: Any, stamps: NDArray[np.int64], detectors: NDArray[np.int64], unit: float | None
) -> ClickRecord:
    seconds = 1.0 if unit is None else positive_number(unit, "unit")
    tick = float(file["photon_data/timestamps_specs/timestamps_unit"][()]) / seconds
    duration = float(file["acquisition_duration"][()]) / seconds
    ids, channel = np.unique(detectors, return_inverse=True)
    names = [f"detector {number}" for number in ids]
    if "setup/detectors/label" in file:
        labels = dict(
            zip(file["setup/detectors/id"][:].tolist(), file["setup/detectors/label"][:].tolist(), strict=True)
        )
        unnamed = np.setdiff1d(ids, list(labels))
        if len(unnamed):
            raise InvalidInput(
                f"{file.filename} has events of detector {unnamed[0]}, not named in /setup/detectors; add it"
            )
        ids = np.array(sorted(labels))
        channel = np.searchsorted(ids, detectors)
        names = [labels[number].decode() for number in ids.tolist()]
    # Most acquisitions start at tick 0. Some count from elsewhere; then no better start is known than the first.
    first = int(stamps[0]) if stamps.max(initial=0) * tick > duration else 0
    when = (stamps - first) * tick
    if when.max(initial=0.0) > (1.0 + 1e-6) * duration:
        raise InvalidInput(
            f"{file.filename} has stamps over {when.max() * seconds:g} s but an acquisition_duration of "
            f"{duration * seconds:g} s; mend one of them, or the rates would be wrong"
        )
    return ClickRecord.from_arrays(
        np.zeros(len(stamps), dtype=np.int64),
        when,
        channel,
        channel_names=names,
        start=0.0,
        stop=max(duration, float(when.max(initial=0.0))),
        provenance={"time_unit_seconds": seconds, "source": Path(file.filename).name},
    )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """Open for reading, and turn whatever a damaged file raises into one line."""
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InvalidInput:
        raise
    except UNREADABLE as error:
        raise InvalidInput(f"{path} is no readable Photon-HDF5 file: {error}") from error


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise InvalidInput("Photon-HDF5 needs h5py; pip install 'bundle-trajectories[formats]'") from error
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "BEST_EFFORT")
    return h5py
