"""Photon-HDF5 0.5: the open format of photon time stamps, measurement type "generic", written and read with h5py.

Source: the Photon-HDF5 specification (photon-hdf5.org); fields of this package are in its ``/user`` group.
"""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...checks import plain_value, positive_number, time_unit
from ...errors import InvalidInput
from ...time_units import TimeUnit
from ..clicks import ClickRecord
from ..files import parse_json
from .deferred_errors import DeferredErrorFile
from .hdf5_values import UNREADABLE, found, h5py_module, integers_of, opened, text_of, values_of
from .photon_hdf5_foreign import foreign
from .source import FORMAT, VERSION, VERSION_WITHOUT_CHECKSUM, Checksum, Source
from .timeline import FileClock, slots, ticks
from .windows import Windows, first_ticks

FORMAT_VERSION = "0.5"
MOST_CHANNELS = 256
OURS = "user/bundle_trajectories"
# Two more marks by which a file of this package is recognised.
MARK, SOFTWARE = "bundle_trajectories", "bundle-trajectories"
CHUNK = 65536
# Attributes by which PyTables marks a string that is not an array.
PLAIN_STRING = {"CLASS": "ARRAY", "VERSION": "2.4", "FLAVOR": "python"}

# The description that the specification requires of every field.
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

NANOTIME_TITLES = {
    "photon_data/nanotimes": "TCSPC photon arrival time (nanotimes). Units and other specifications are in "
    "nanotimes_specs group.",
    "photon_data/nanotimes_specs": "Group for nanotime-specific data.",
    "photon_data/nanotimes_specs/tcspc_unit": "Value of 1-unit nanotime-increment in seconds (TCSPC bin size).",
    "photon_data/nanotimes_specs/tcspc_num_bins": "Number of TCSPC bins.",
    "photon_data/measurement_specs/laser_repetition_rate": "Repetition rate of the pulsed excitation laser "
    "(in Hertz).",
    "setup/laser_repetition_rates": "Repetition rates in Hz for each laser. CW lasers have a value of 0.",
}


def write_photon_hdf5(source: Source, path: Path, clock: FileClock, final: Path, author: str = "unknown") -> None:
    """Write time stamps (int64 ticks) and detectors (uint8); windows, names and model in ``/user``.

    Raises
    ------
    InvalidInput
        More channels than uint8 can number, or h5py is not installed.
    """
    if len(source.channel_names) > MOST_CHANNELS:
        raise InvalidInput(
            f"{len(source.channel_names)} channels are more than the {MOST_CHANNELS} of Photon-HDF5"
        )
    h5py = h5py_module()
    with closing(DeferredErrorFile(path)) as stream:
        with h5py.File(stream, "w") as file:
            _write(file, stream, source, clock, final, author)
        stream.check()


def _write(
    file: Any, stream: DeferredErrorFile, source: Source, clock: FileClock, final: Path, author: str
) -> None:
    stamps = _growing(file, "photon_data/timestamps", np.int64)
    detectors = _growing(file, "photon_data/detectors", np.uint8)
    windows = {name: _growing(file, f"{OURS}/{name}", kind) for name, kind in (_WINDOWS | _TICKS).items()}
    nanotimes = None if source.fine is None else _growing(file, "photon_data/nanotimes", np.int32)
    counts = np.zeros(len(source.channel_names), dtype=np.int64)
    free, total = 0, 0.0
    checksum = Checksum()
    for piece in source.pieces():
        origins = slots(piece, clock, free)
        free = int(origins[-1])
        total += piece.total_time
        stamped = ticks(piece, clock, origins)
        _append(stamps, stamped)
        _append(detectors, piece.channel.astype(np.uint8))
        if nanotimes is not None and piece.within is not None:
            _append(nanotimes, piece.within)
            checksum.add(nanotimes=piece.within)
        zero = piece.start if piece.clock is None else piece.clock.origin
        bounds = {"origin": origins[:-1], "start": piece.start, "stop": piece.stop}
        bounds |= {"first": first_ticks(piece), "zero": zero}
        for name, values in bounds.items():
            _append(windows[name], values)
        checksum.add(stamps=stamped, detectors=piece.channel, **bounds)
        counts += piece.counts().sum(axis=0)
        stream.check()
    _describe(file, source, clock, counts, total * clock.seconds, final, author, checksum)


def _utf8(text: str) -> str:
    """Return a path as valid UTF-8."""
    return text.encode(errors="backslashreplace").decode()


_WINDOWS = {"origin": np.int64, "start": np.float64, "stop": np.float64}
# First tick of each trajectory on its own clock, and time of its tick 0; old files lack them.
_TICKS = {"first": np.int64, "zero": np.float64}


def _growing(file: Any, name: str, kind: Any) -> Any:
    return file.create_dataset(
        name, (0,), kind, maxshape=(None,), chunks=(CHUNK,), shuffle=True, compression="gzip"
    )


def _append(dataset: Any, values: NDArray[Any]) -> None:
    size = len(dataset)
    dataset.resize((size + len(values),))
    dataset[size:] = values


def _describe(
    file: Any,
    source: Source,
    clock: FileClock,
    counts: NDArray[np.int64],
    duration: float,
    final: Path,
    author: str,
    checksum: Checksum,
) -> None:
    """Write everything that is not an event, and the description of every field."""
    from ... import __version__

    identity = {
        "author": author,
        "author_affiliation": "unknown",
        "filename": _utf8(final.name),
        "filename_full": _utf8(str(final.resolve())),
        "creation_time": datetime.now().strftime("%Y-%m-%d %H:%M:%S"),
        "software": SOFTWARE,
        "software_version": __version__,
        "format_name": "Photon-HDF5",
        "format_version": FORMAT_VERSION,
        "format_url": "http://photon-hdf5.org/",
    }
    once = {"num_spots": 1, "num_spectral_ch": 1, "num_polarization_ch": 1, "num_split_ch": 1}
    ids = np.arange(len(counts), dtype=np.uint8)
    fields: dict[str, Any] = {
        "acquisition_duration": duration,
        "description": "Clicks of a Monte Carlo wave-function simulation; trajectories follow each other."
        if source.tick is None
        else "Clicks in whole ticks; trajectories follow each other.",
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
        "provenance/software": SOFTWARE,
    }
    if source.fine is not None:
        rate = 1.0 / clock.tick_in_seconds
        fields |= {"setup/lifetime": 1, "setup/excitation_cw": np.zeros(1, dtype=np.uint8)}
        fields["setup/laser_repetition_rates"] = np.array([rate])
        fields["photon_data/measurement_specs/laser_repetition_rate"] = rate
        fields["photon_data/nanotimes_specs/tcspc_unit"] = source.fine * clock.seconds
        fields["photon_data/nanotimes_specs/tcspc_num_bins"] = int(np.ceil(clock.tick / source.fine))
    for name, value in fields.items():
        file[name] = np.bytes_(value.encode()) if isinstance(value, str) else value
        if isinstance(value, str):  # so that readers built on PyTables decode it
            file[name].attrs.update({key: np.bytes_(mark) for key, mark in PLAIN_STRING.items()})
    heading = {
        "format": FORMAT,
        "version": VERSION,
        "channel_names": source.channel_names,
        "tick": clock.tick,
        "unit_seconds": clock.seconds,
        "unit": TimeUnit(source.unit.name, clock.seconds).to_dict(),
        "fine": source.fine,
        "provenance": source.provenance,
    }
    written = json.dumps(plain_value(heading, "heading"))
    file[f"{OURS}/heading"] = np.bytes_(written)
    file[f"{OURS}/checksum"] = np.bytes_(checksum.of(written))
    file.attrs[MARK] = VERSION
    file.create_group("photon_data/measurement_specs/detectors_specs")
    for name, title in (TITLES | (NANOTIME_TITLES if source.fine is not None else {})).items():
        file[name].attrs["TITLE"] = np.bytes_(title)
    file.attrs["format_name"] = np.bytes_("Photon-HDF5")
    file.attrs["format_version"] = np.bytes_(FORMAT_VERSION)


def read_photon_hdf5(path: Path, unit: Any = None, duration: float | None = None) -> ClickRecord:
    """Read clicks from a file of this package or of another program.

    A file of this package gives its trajectories, names and model, with times to within a tick. Any other gives
    one trajectory of the duration of the acquisition, in seconds or in the unit that is given. Links, virtual and
    external datasets are refused.

    Parameters
    ----------
    path : path
        The file.
    unit : str or float, optional
        Unit of time for files of other programs: a name, or the length of 1/ω_b in seconds.
    duration : float, optional
        Observed time in that unit, for files of other programs.

    Raises
    ------
    InvalidInput
        Not a Photon-HDF5 file, a damaged one of this package, or events that are no valid record.
    """
    with opened(path) as file:
        if _is_ours(file):
            for name, given in (("unit", unit), ("duration", duration)):
                if given is not None:
                    raise InvalidInput(f"{path} states its {name}; leave out {name}={given}")
            return _ours(file)
        return foreign(file, unit, duration)


def is_own_hdf5(path: Path) -> bool:
    """Whether this package wrote a file."""
    with opened(path) as file:
        return _is_ours(file)


def _is_ours(file: Any) -> bool:
    """Whether this package wrote a file; it has three marks, in case one is damaged."""
    if MARK in file.attrs:
        return True
    try:
        if found(file, OURS) is not None:
            return True
        software = text_of(file, "identity/software")
    except (InvalidInput, *UNREADABLE):
        return False
    return software == SOFTWARE


def _ours(file: Any) -> ClickRecord:
    damaged = f"{file.filename} was written by {SOFTWARE}, but is damaged"
    try:
        written = text_of(file, f"{OURS}/heading")
        heading = parse_json(written)
        version = heading["version"]
        if version not in (VERSION, VERSION_WITHOUT_CHECKSUM):
            raise InvalidInput(
                f"{file.filename} has version {version}, but {VERSION} is read here; update the package"
            )
        stamps, detectors = (
            integers_of(file, "photon_data", "timestamps"),
            integers_of(file, "photon_data", "detectors"),
        )
        windows = {name: values_of(file, f"{OURS}/{name}") for name in _WINDOWS}
        origin, start, stop = windows["origin"].astype(np.int64), windows["start"], windows["stop"]
        more = {
            name: values_of(file, f"{OURS}/{name}") for name in _TICKS if found(file, f"{OURS}/{name}") is not None
        }
        nanotimes = None if heading.get("fine") is None else integers_of(file, "photon_data", "nanotimes")
        if version == VERSION:
            checksum = Checksum()
            checksum.add(stamps=stamps, detectors=detectors, origin=origin, start=start, stop=stop, **more)
            if nanotimes is not None:
                checksum.add(nanotimes=nanotimes)
            if text_of(file, f"{OURS}/checksum") != checksum.of(written):
                raise InvalidInput(f"{damaged}: its checksum differs; export it again")
        if not len(origin) or (np.diff(origin) <= 0).any() or (len(stamps) and stamps.min() < origin[0]):
            raise InvalidInput(f"{damaged}: its observation windows contradict its time stamps; export it again")
        tick = positive_number(heading["tick"], "tick")
        channel_names, provenance = heading["channel_names"], heading["provenance"]
        unit = time_unit(heading.get("unit", {"seconds": heading["unit_seconds"]}))
    except UNREADABLE as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{damaged} ({error}); export it again") from error
    base = more.get("first", np.zeros(len(origin), dtype=np.int64)).astype(np.int64)
    return Windows(origin, base, start, stop, more.get("zero", start)).record(
        stamps,
        detectors,
        channel_names=channel_names,
        tick=tick,
        unit=unit,
        within=nanotimes,
        fine=heading.get("fine"),
        provenance=provenance if isinstance(provenance, dict) else {},
    )
