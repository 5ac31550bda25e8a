"""Run: a folder of finished click blocks that explains and continues itself.

    RUN/run.json          what was asked for, how it was computed, with which software
    RUN/system.npz        H, jump operators, initial ensemble and compiled arrays; no pickle
    RUN/blocks/*.npz      finished blocks

Files are written under a temporary name, flushed and renamed, so a block is there whole or not at all. run.json
holds the checksum of system.npz and the run id, which is its own checksum, and every block is bound to the run
id: no file can be damaged, edited or swapped without being noticed.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import plain_value, shown
from ..errors import InvalidInput, RunFolderError
from ..results import Expectation
from .clicks import ClickRecord

FORMAT = "bundle-trajectories run"
VERSION = 1
# Lies in a folder while it is being made: what else is there is ours and may be written again.
UNFINISHED = ".unfinished"
COLUMNS = ("trajectory", "time", "channel", "sampled")
RESTORE = "restore it or start a new run"
# What a damaged, truncated or foreign NPZ file raises when it is read.
UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


class Run:
    """A run folder.

    Use `Run.create` for a new one and `Run.open` for one that exists.

    Attributes
    ----------
    folder : pathlib.Path
        Where it lies.
    metadata : dict
        Content of ``run.json``; its ``"configuration"`` is what identifies the run.
    """

    def __init__(self, folder: Path, metadata: dict[str, Any]) -> None:
        self.folder = folder
        self.metadata = metadata

    @classmethod
    def find(cls, folder: str | os.PathLike[str]) -> Run | None:
        """Return the run in a folder, or None where one can be made; nothing is changed there.

        Raises
        ------
        InvalidInput
            Not a path.
        RunFolderError
            The run is damaged, or the place is taken by something else or cannot be written to.
        """
        path = _path_of(folder)
        try:
            if (path / "run.json").exists():
                return cls.open(path)
            _require_free(path)
            _try_writing(path)
        except (OSError, ValueError) as error:
            raise RunFolderError(f"cannot make a run folder at {path}: {error}; choose another --out") from error
        return None

    @classmethod
    def create(
        cls,
        folder: str | os.PathLike[str],
        configuration: Mapping[str, Any],
        description: Mapping[str, Any],
        arrays: Mapping[str, NDArray[Any]],
    ) -> Run:
        """Make a new run folder.

        Parameters
        ----------
        folder : path
            A folder that does not exist yet, is empty, or was left when its creation was cut short.
        configuration : mapping
            What identifies the run: digest, seed, trajectories, duration, block_size, observables,
            sample_times, …
        description : mapping
            Whatever else explains the run; needs ``channel_names``.
        arrays : mapping of str to ndarray
            The system and its compiled arrays.

        Raises
        ------
        InvalidInput
            A value that JSON cannot hold; nothing was written.
        RunFolderError
            The folder holds something else, or cannot be written to.
        """
        path, packed = Path(folder), _pack(arrays)
        content = {
            "format": FORMAT,
            "version": VERSION,
            "configuration": plain_value(configuration, "configuration"),
            **plain_value(description, "description"),
            "system_sha256": hashlib.sha256(packed).hexdigest(),
        }
        metadata = content | {"run_id": _checksum_of(content)}
        try:
            _require_free(path)
            path.mkdir(parents=True, exist_ok=True)
            (path / UNFINISHED).touch()
            (path / "blocks").mkdir(exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"cannot make {path}: {error.strerror}; choose another --out") from error
        _write(path / "system.npz", packed)
        # run.json comes last: a folder that has it is complete enough to be continued.
        _write(path / "run.json", (json.dumps(metadata, indent=2, ensure_ascii=False) + "\n").encode())
        (path / UNFINISHED).unlink(missing_ok=True)
        return cls(path, metadata)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Run:
        """Open an existing run folder, and check its description and its system.

        Raises
        ------
        RunFolderError
            No such folder, or no readable run in it.
        """
        path = _path_of(folder)
        try:
            if not (path / "run.json").is_file():
                raise RunFolderError(f"{path} is no run folder: it has no run.json; check the path")
            metadata = json.loads((path / "run.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{path / 'run.json'} cannot be read ({error}); {RESTORE}") from error
        _check_metadata(path / "run.json", metadata)
        run = cls(path, metadata)
        run._check_system()
        return run

    @property
    def configuration(self) -> dict[str, Any]:
        """What identifies the run: what the clicks and the averages depend on."""
        return dict(self.metadata["configuration"])

    @property
    def run_id(self) -> str:
        """Checksum of everything in ``run.json``, to which every block is bound."""
        return str(self.metadata["run_id"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the stored system and compiled arrays.

        Raises
        ------
        RunFolderError
            The file cannot be read.
        """
        path = self.folder / "system.npz"
        try:
            return _unpack(path.read_bytes())
        except UNREADABLE as error:
            raise RunFolderError(f"cannot read {path} ({error}); {RESTORE}") from error

    def _check_system(self) -> None:
        path = self.folder / "system.npz"
        try:
            with path.open("rb") as stream:
                checksum = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise RunFolderError(f"cannot read {path}: {error.strerror}; {RESTORE}") from error
        if checksum != self.metadata["system_sha256"]:
            raise RunFolderError(f"{path} is damaged or belongs to another run; {RESTORE}")

    def block_bounds(self) -> list[tuple[int, int]]:
        """Return (first, last) of every block; see the function `block_bounds`."""
        return block_bounds(self.configuration["trajectories"], self.configuration["block_size"])

    def finished(self) -> list[tuple[int, int]]:
        """Return the blocks that are there."""
        return [bounds for bounds in self.block_bounds() if self._path(bounds).is_file()]

    def missing(self) -> list[tuple[int, int]]:
        """Return the blocks that are still to be computed."""
        return [bounds for bounds in self.block_bounds() if not self._path(bounds).is_file()]

    @property
    def complete(self) -> bool:
        """Whether every block is there."""
        return not self.missing()

    def write_block(self, bounds: tuple[int, int], columns: Mapping[str, NDArray[Any]]) -> None:
        """Write one finished block, whole or not at all."""
        arrays = {name: np.ascontiguousarray(columns[name]) for name in COLUMNS}
        arrays["worst_error"] = np.asarray(columns["worst_error"])
        checksum = self._checksum(bounds, arrays)
        _write(self._path(bounds), _pack(arrays | {"checksum": np.array(checksum)}))

    def read_block(self, bounds: tuple[int, int]) -> dict[str, NDArray[Any]]:
        """Read one block and check it.

        Raises
        ------
        RunFolderError
            The block is unreadable, damaged, or belongs to another run.
        """
        path = self._path(bounds)
        remedy = "delete that file and run the same command again to recompute it"
        try:
            arrays = _unpack(path.read_bytes())
            stored = str(arrays.pop("checksum"))
            computed = self._checksum(bounds, arrays)
        except UNREADABLE as error:
            raise RunFolderError(f"block {path} cannot be read ({error}); {remedy}") from error
        if stored != computed:
            raise RunFolderError(f"block {path} is damaged or belongs to another run; {remedy}")
        return arrays

    def blocks(self) -> Iterator[ClickRecord]:
        """Yield the finished blocks one by one as records, for analysis in bounded memory."""
        for bounds in self.finished():
            yield assemble(self.metadata, [bounds], [self.read_block(bounds)])

    def record(self) -> ClickRecord:
        """Return the record of all finished trajectories.

        Raises
        ------
        RunFolderError
            Nothing is finished yet, or a block is damaged.
        """
        bounds = self.finished()
        if not bounds:
            raise RunFolderError(
                f"{self.folder} has no finished block yet; run the same command again to continue"
            )
        return assemble(self.metadata, bounds, [self.read_block(b) for b in bounds])

    def _path(self, bounds: tuple[int, int]) -> Path:
        return self.folder / "blocks" / f"{bounds[0]:09d}-{bounds[1] - 1:09d}.npz"

    def _checksum(self, bounds: tuple[int, int], arrays: Mapping[str, NDArray[Any]]) -> str:
        state = hashlib.sha256(f"{self.run_id} {bounds}".encode())
        for name in (*COLUMNS, "worst_error"):
            state.update(f"{name} {arrays[name].dtype.str} {arrays[name].shape}".encode())
            state.update(arrays[name].tobytes())
        return state.hexdigest()


def block_bounds(trajectories: int, block_size: int) -> list[tuple[int, int]]:
    """Return (first, last) of every block of a run: trajectories first … last − 1."""
    return [(first, min(first + block_size, trajectories)) for first in range(0, trajectories, block_size)]


def assemble(
    metadata: Mapping[str, Any],
    bounds: Sequence[tuple[int, int]],
    parts: Sequence[Mapping[str, NDArray[Any]]],
) -> ClickRecord:
    """Join blocks, ascending, into one record.

    Parameters
    ----------
    metadata : mapping
        What ``run.json`` holds.
    bounds : sequence of (int, int)
        First trajectory of each block, and one past its last.
    parts : sequence of mapping
        Columns of each block; trajectories are numbered over the whole run.
    """
    configuration = metadata["configuration"]
    # The rows of a record count only the trajectories that it holds.
    numbers = np.concatenate([np.arange(first, last) for first, last in bounds])
    rows = np.searchsorted(numbers, np.concatenate([part["trajectory"] for part in parts]))
    provenance = {key: value for key, value in metadata.items() if key not in ("format", "version")}
    provenance |= {
        "run_trajectories": numbers,
        "complete": len(numbers) == configuration["trajectories"],
        "worst_error": max(float(part["worst_error"]) for part in parts),
    }
    sampled = np.concatenate([part["sampled"] for part in parts])
    return ClickRecord.from_arrays(
        rows,
        np.concatenate([part["time"] for part in parts]),
        np.concatenate([part["channel"] for part in parts]),
        channel_names=metadata["channel_names"],
        start=np.zeros(len(numbers)),
        stop=np.full(len(numbers), configuration["duration"]),
        provenance=provenance,
        expectations=_ensemble_averages(configuration["observables"], configuration["sample_times"], sampled),
    )


def _ensemble_averages(
    names: Sequence[str], times: Sequence[float], sampled: NDArray[np.float64]
) -> dict[str, Expectation]:
    """Average sampled values of shape (trajectories, times, operators) over the trajectories."""
    count = len(sampled)
    error = sampled.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(sampled.shape[1:], np.nan)
    mean = sampled.mean(axis=0)
    return {
        name: Expectation(np.array(times), mean[:, k], error[:, k], count, "mean over trajectories")
        for k, name in enumerate(names)
    }


def load(path: str | os.PathLike[str]) -> ClickRecord:
    """Load the clicks of a run folder.

    Parameters
    ----------
    path : path
        A run folder, finished or not. Of an unfinished run the finished trajectories are returned, and
        ``provenance["complete"]`` is False.

    Raises
    ------
    InvalidInput
        The path does not exist.
    RunFolderError
        It is no run folder, or a file in it is damaged.
    """
    if not os.path.exists(_path_of(path)):
        raise InvalidInput(f"{path} does not exist; give a run folder")
    return Run.open(path).record()


def _path_of(folder: str | os.PathLike[str]) -> Path:
    if not isinstance(folder, str | os.PathLike):
        raise InvalidInput(f"run folder {shown(folder)} must be a path")
    return Path(folder)


def _require_free(path: Path) -> None:
    """Refuse a place that holds anything but a folder that is empty or whose creation was cut short."""
    if path.exists() and not (path.is_dir() and ((path / UNFINISHED).exists() or not any(path.iterdir()))):
        raise RunFolderError(f"{path} exists and is no run folder; choose another --out, nothing was changed")


def _try_writing(path: Path) -> None:
    """Make the folder and a file in it, as `Run.create` will, and take both away again."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    try:
        path.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=path).close()
    finally:
        for folder in missing:
            if folder.is_dir():
                folder.rmdir()


def _check_metadata(path: Path, metadata: Any) -> None:
    """Refuse what is no run.json of a version that can be read, or was changed since it was written."""
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise RunFolderError(f"{path} does not describe a run; {RESTORE}")
    if metadata.get("version") != VERSION:
        raise RunFolderError(
            f"{path} has version {shown(metadata.get('version'))}, but {VERSION} is read here; update the package"
        )
    content = {key: value for key, value in metadata.items() if key != "run_id"}
    if metadata.get("run_id") != _checksum_of(content):
        raise RunFolderError(f"{path} is damaged or was edited: its checksum differs; {RESTORE}")


def _checksum_of(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _pack(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **{name: np.asarray(array) for name, array in arrays.items()})  # type: ignore[arg-type]
    return buffer.getvalue()


def _unpack(packed: bytes) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, even after a power loss."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise RunFolderError(
            f"cannot write {path}: {error.strerror}; free space, then run the same command again to continue"
        ) from error
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
