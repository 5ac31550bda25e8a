"""Run: a folder of finished blocks of clicks, with all that is needed to explain and continue it.

    RUN/run.json          the request, how it was computed, and with which software
    RUN/system.npz        H, jump operators, initial ensemble and compiled arrays; no pickle
    RUN/blocks/*.npz      finished blocks
    RUN/damaged/*.npz     blocks that `repair` has set aside
    RUN/.lock             the process that writes to it now

Files are written under a temporary name, flushed and renamed, so that a block exists completely or not at all.
run.json holds the checksum of system.npz, its own checksum, and the run id: the checksum of everything in it but
the number of trajectories and their division into blocks. The checksum of every block covers the run id and its
trajectories, so that damaged, edited and exchanged files are detected. A run is extended without changing blocks.
Checksums have no key. An edit that renews all of them is detected if the digest, the channels or the exact rates
differ from those of the system.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from ..checks import plain_value
from ..errors import InvalidInput, RunFolderError
from ..notebook import Shown, Summary
from .files import (
    UNFINISHED,
    UNREADABLE,
    checksum_of_file,
    checksum_of_json,
    pack,
    path_of,
    read_json,
    remedy_for,
    sync_folder,
    unpack,
    write_whole,
)
from .layout import Layout
from .lock import LOCK
from .run_blocks import RunBlocks
from .run_metadata import FORMAT, RESTORE, VERSION, check_metadata, identity_of, unit_of
from .system_check import contradiction, names_needed


class Run(RunBlocks, Shown):
    """A run folder.

    Use `Run.create` for a new one and `Run.open` for an existing one. A process that writes holds its `RunLock`.

    Attributes
    ----------
    folder : pathlib.Path
        The run folder.
    metadata : dict
        Content of ``run.json``; the clicks and the averages depend on its ``"configuration"``.

    Examples
    --------
    >>> import tempfile, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> folder = tempfile.TemporaryDirectory()
    >>> record = tj.simulate(system, 4, 20.0, seed=1, out=f"{folder.name}/run", progress=False)
    >>> run = tj.Run.open(f"{folder.name}/run")
    >>> run.trajectories, run.complete
    (4, True)
    >>> folder.cleanup()
    """

    def __init__(self, folder: Path, metadata: dict[str, Any]) -> None:
        self.folder = folder
        self.metadata = metadata

    @classmethod
    def find(cls, folder: str | os.PathLike[str]) -> Run | None:
        """Return the run in a folder, or None if the folder is empty or missing; nothing is changed.

        Raises
        ------
        InvalidInput
            Not a path.
        RunFolderError
            The run is damaged, or the folder holds something else.
        """
        path = path_of(folder)
        try:
            if (path / "run.json").exists():
                return cls.open(path)
            _require_free(path)
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
        block_size: int,
    ) -> Run:
        """Make a new run folder.

        Parameters
        ----------
        folder : path
            A folder that does not exist yet, is empty, or whose creation was interrupted.
        configuration : mapping
            What the clicks depend on: digest, seed, trajectories, duration, observables, sample_times, …
        description : mapping
            Everything else in ``run.json``; needs ``channel_names``.
        arrays : mapping of str to ndarray
            The system and its compiled arrays.
        block_size : int
            Trajectories in a block.

        Raises
        ------
        InvalidInput
            A value that JSON cannot hold, or more blocks than a folder should; nothing was written.
        RunFolderError
            The folder holds something else, or cannot be written to.
        """
        path, packed = Path(folder), pack(arrays)
        plain = plain_value(configuration, "configuration")
        layout = Layout(()).extended(plain["trajectories"], block_size)
        content = {
            "format": FORMAT,
            "version": VERSION,
            "configuration": plain,
            **plain_value(description, "description"),
            "system_sha256": hashlib.sha256(packed).hexdigest(),
            "layout": [list(stretch) for stretch in layout.stretches],
        }
        try:
            _require_free(path)
            path.mkdir(parents=True, exist_ok=True)
            (path / UNFINISHED).touch()
            (path / "blocks").mkdir(exist_ok=True)
            sync_folder(path.parent)
        except OSError as error:
            raise RunFolderError(f"cannot make {path}: {error.strerror}; {remedy_for(error)}") from error
        write_whole(path / "system.npz", packed)
        # run.json is written last: a folder that has it can be continued.
        run = cls._described(path, content | {"run_id": identity_of(content)})
        (path / UNFINISHED).unlink(missing_ok=True)
        return run

    @classmethod
    def _described(cls, path: Path, content: Mapping[str, Any]) -> Run:
        """Write run.json, replacing an existing one."""
        metadata = {**content, "checksum": checksum_of_json(content)}
        write_whole(path / "run.json", (json.dumps(metadata, indent=2, ensure_ascii=False) + "\n").encode())
        return cls(path, metadata)

    @classmethod
    def open(cls, folder: str | os.PathLike[str]) -> Run:
        """Open an existing run folder, and check its run.json and its system.

        Raises
        ------
        RunFolderError
            No such folder, or no readable run in it.
        """
        path = path_of(folder)
        try:
            if not (path / "run.json").is_file():
                raise RunFolderError(f"{path} is no run folder: it has no run.json; check the path")
            metadata = read_json(path / "run.json")
        except UNREADABLE as error:
            raise RunFolderError(f"{path / 'run.json'} cannot be read ({error}); {RESTORE}") from error
        check_metadata(path / "run.json", metadata)
        run = cls(path, metadata)
        run._check_system()
        return run

    def extend(self, trajectories: int, block_size: int) -> Run:
        """Return the run extended to more trajectories; its blocks stay, and new ones follow them.

        Parameters
        ----------
        trajectories : int
            Number of trajectories in all.
        block_size : int
            Trajectories in a new block.

        Raises
        ------
        InvalidInput
            Fewer trajectories than the run has (see `cut_back`), or more blocks than a folder should hold; nothing
            was written.
        RunFolderError
            ``run.json`` cannot be written; the old one remains.
        """
        if trajectories < self.trajectories:
            raise InvalidInput(
                f"{self.folder} has {self.trajectories} trajectories, more than trajectories={trajectories}; "
                f"give {self.trajectories} or more, or choose another --out"
            )
        return (
            self
            if trajectories == self.trajectories
            else self._laid_out(self._layout.extended(trajectories, block_size))
        )

    def cut_back(self, trajectories: int) -> Run:
        """Return the run shortened to fewer trajectories; no finished block is removed.

        Parameters
        ----------
        trajectories : int
            Number of trajectories in all, at least `computed`.

        Raises
        ------
        InvalidInput
            `trajectories` is less than `computed`.
        RunFolderError
            ``run.json`` cannot be written; the old one remains.
        """
        if trajectories < max(self.computed, 1):
            raise InvalidInput(
                f"trajectories={trajectories} would remove finished trajectories from {self.folder}; "
                f"give {self.computed} or more, or choose another --out"
            )
        return self if trajectories >= self.trajectories else self._laid_out(self._layout.cut(trajectories))

    def _laid_out(self, layout: Layout) -> Run:
        content = {key: value for key, value in self.metadata.items() if key != "checksum"}
        content["configuration"] = self.configuration | {"trajectories": layout.trajectories}
        content["layout"] = [list(stretch) for stretch in layout.stretches]
        return self._described(self.folder, content)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the stored system and compiled arrays.

        Raises
        ------
        RunFolderError
            The file cannot be read.
        """
        try:
            return unpack(self.folder / "system.npz")
        except UNREADABLE as error:
            raise RunFolderError(f"cannot read {self.folder / 'system.npz'} ({error}); {RESTORE}") from error

    def _check_system(self) -> None:
        path = self.folder / "system.npz"
        try:
            if checksum_of_file(path) != self.metadata["system_sha256"]:
                raise RunFolderError(f"{path} is damaged or belongs to another run; {RESTORE}")
            wrong = contradiction(self.metadata, unpack(path, names_needed(self.metadata)))
        except OSError as error:
            raise RunFolderError(f"cannot read {path}: {error.strerror}; {RESTORE}") from error
        except UNREADABLE as error:
            raise RunFolderError(
                f"{path} is not the system of {self.folder / 'run.json'} ({error}); {RESTORE}"
            ) from error
        if wrong:
            raise RunFolderError(f"{self.folder / 'run.json'} was edited: {wrong}; {RESTORE}")

    def _summary(self) -> Summary:
        asked = self.configuration
        state = "complete" if self.complete else f"{self.computed} computed"
        rows = [
            ("trajectories", f"{self.trajectories} ({state})"),
            ("duration", unit_of(self.metadata).of(f"{asked['duration']:g}")),
            ("seed", str(asked["seed"])),
            ("tolerance", f"{asked['tolerance']:g}"),
            ("propagator", str(self.metadata["compiled_propagator"])),
            ("channels", ", ".join(self.metadata["channel_names"])),
        ]
        return Summary(f"Run {self.folder}", ("", ""), rows)


def _require_free(path: Path) -> None:
    """Refuse a path with anything but an empty folder, or one whose creation was interrupted."""
    if not path.exists() or (path / UNFINISHED).exists():
        return
    if not path.is_dir() or any(entry.name != LOCK for entry in path.iterdir()):
        raise RunFolderError(f"{path} exists and is no run folder; choose another --out (nothing was changed)")
