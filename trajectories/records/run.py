"""Run: a folder of finished click blocks that explains and continues itself.

    RUN/run.json          what was asked for, how it was computed, with which software
    RUN/system.npz        H, jump operators, initial ensemble and compiled arrays; no pickle
    RUN/blocks/*.npz      finished blocks, each with a checksum bound to this run

Files are written under a temporary name, flushed and renamed, so a block is there whole or not at all.
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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InvalidInput, RunFolderError
from ..results import Expectation
from .clicks import ClickRecord

FORMAT = "bundle-trajectories run"
VERSION = 1
COLUMNS = ("trajectory", "time", "channel", "sampled")
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
            A folder that does not exist yet, or is empty.
        configuration : mapping
            What the clicks depend on: digest, seed, trajectories, duration, block_size, …
        description : mapping
            Whatever else explains the run; needs ``channel_names``, ``observables`` and ``sample_times``.
        arrays : mapping of str to ndarray
            The system and its compiled arrays.

        Raises
        ------
        RunFolderError
            The folder holds something else.
        """
        path = Path(folder)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise RunFolderError(f"{path} exists and is no run folder; choose another --out, nothing was changed")
        try:
            (path / "blocks").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(f"cannot make {path}: {error.strerror}; choose another --out") from error
        packed = _pack(arrays)
        _write(path / "system.npz", packed)
        metadata = {
            "format": FORMAT,
            "version": VERSION,
            "configuration": dict(configuration),
            **description,
            "system_sha256": hashlib.sha256(packed).hexdigest(),
        }
        # run.json comes last: a folder that has it is complete enough to be continued.
        _write(path / "run.json", (json.dumps(metadata, indent=2, ensure_ascii=False) + "\n").encode())
        return cls(path, metadata)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Run:
        """Open an existing run folder.

        Raises
        ------
        RunFolderError
            No such folder, or no readable run in it.
        """
        path = Path(folder)
        if not (path / "run.json").is_file():
            raise RunFolderError(f"{path} is no run folder: it has no run.json; check the path")
        try:
            metadata = json.loads((path / "run.json").read_text(encoding="utf-8"))
            known = metadata["format"] == FORMAT and metadata["version"] <= VERSION
            sizes = [metadata["configuration"][key] for key in ("trajectories", "block_size", "duration")]
            names = [metadata[key] for key in ("channel_names", "observables", "sample_times")]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                f"{path / 'run.json'} is damaged ({error}); restore it or start a new run"
            ) from error
        if not known:
            raise RunFolderError(
                f"{path / 'run.json'} has format {metadata['format']!r} version {metadata['version']!r}, "
                f"this version reads {FORMAT!r} up to {VERSION}; update the package"
            )
        if not all(isinstance(size, (int, float)) and size > 0 for size in sizes) or not all(
            isinstance(n, list) for n in names
        ):
            raise RunFolderError(f"{path / 'run.json'} is damaged (sizes {sizes}); restore it or start a new run")
        return cls(path, metadata)

    @property
    def configuration(self) -> dict[str, Any]:
        """What the clicks depend on."""
        return dict(self.metadata["configuration"])

    @property
    def run_id(self) -> str:
        """Hash of the configuration, to which every block is bound."""
        return hashlib.sha256(json.dumps(self.configuration, sort_keys=True).encode()).hexdigest()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the stored system and compiled arrays.

        Raises
        ------
        RunFolderError
            The file is missing or not the one that was written.
        """
        path = self.folder / "system.npz"
        try:
            packed = path.read_bytes()
        except OSError as error:
            raise RunFolderError(f"cannot read {path}: {error.strerror}; restore it or start a new run") from error
        if hashlib.sha256(packed).hexdigest() != self.metadata.get("system_sha256"):
            raise RunFolderError(f"{path} is damaged: its checksum differs; restore it or start a new run")
        return _unpack(packed)

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
            yield self._record([bounds], [self.read_block(bounds)])

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
        return self._record(bounds, [self.read_block(b) for b in bounds])

    def _record(self, bounds: list[tuple[int, int]], parts: list[dict[str, NDArray[Any]]]) -> ClickRecord:
        return assemble(self.metadata, bounds, parts)

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
    # The rows of a record count only the trajectories that it holds.
    numbers = np.concatenate([np.arange(first, last) for first, last in bounds])
    rows = np.searchsorted(numbers, np.concatenate([part["trajectory"] for part in parts]))
    provenance = {key: value for key, value in metadata.items() if key not in ("format", "version")}
    provenance |= {
        "run_trajectories": numbers,
        "complete": len(numbers) == metadata["configuration"]["trajectories"],
        "worst_error": max(float(part["worst_error"]) for part in parts),
    }
    sampled = np.concatenate([part["sampled"] for part in parts])
    return ClickRecord.from_arrays(
        rows,
        np.concatenate([part["time"] for part in parts]),
        np.concatenate([part["channel"] for part in parts]),
        channel_names=metadata["channel_names"],
        start=np.zeros(len(numbers)),
        stop=np.full(len(numbers), float(metadata["configuration"]["duration"])),
        provenance=provenance,
        expectations=_ensemble_averages(metadata["observables"], np.array(metadata["sample_times"]), sampled),
    )


def _ensemble_averages(
    names: Sequence[str], times: NDArray[np.float64], sampled: NDArray[np.float64]
) -> dict[str, Expectation]:
    """Average sampled values of shape (trajectories, times, operators) over the trajectories."""
    count = len(sampled)
    error = sampled.std(axis=0, ddof=1) / np.sqrt(count) if count > 1 else np.full(sampled.shape[1:], np.nan)
    mean = sampled.mean(axis=0)
    return {
        name: Expectation(times, mean[:, k], error[:, k], count, "mean over trajectories")
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
    if not Path(path).exists():
        raise InvalidInput(f"{path} does not exist; give a run folder")
    return Run.open(path).record()


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
