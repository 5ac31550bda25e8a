"""The blocks of a run: which exist, and their content; damaged and foreign ones are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import RunFolderError
from .assembly import assemble
from .averages import EnsembleAverages
from .block_files import Bounds, block_checksum, bounds_in, columns_of, file_name, inconsistency, stored_columns
from .clicks import ClickRecord
from .files import UNREADABLE, pack, unpack, write_whole
from .layout import Layout

RECOMPUTE = "give --repair (from Python: trajectories.repair) to set it aside and compute it again"


class RunBlocks:
    """Blocks of clicks in a folder, bound to the run that `metadata` describes.

    Attributes
    ----------
    folder : pathlib.Path
        The run folder; the blocks are in its subfolder ``blocks``.
    metadata : dict
        Content of ``run.json``.
    """

    folder: Path
    metadata: dict[str, Any]

    @property
    def configuration(self) -> dict[str, Any]:
        """The part of ``run.json`` on which the clicks and the averages depend."""
        return dict(self.metadata["configuration"])

    @property
    def trajectories(self) -> int:
        """Number of trajectories requested."""
        return int(self.metadata["configuration"]["trajectories"])

    @property
    def run_id(self) -> str:
        """Checksum that identifies the run; the checksum of every block covers it."""
        return str(self.metadata["run_id"])

    @property
    def _layout(self) -> Layout:
        return Layout(tuple((last, size) for last, size in self.metadata["layout"]))

    @property
    def n_blocks(self) -> int:
        """Number of blocks, finished or not."""
        return self._layout.n_blocks

    def block_bounds(self) -> list[Bounds]:
        """Return (first, last) of every block: trajectories first … last − 1."""
        return list(self._layout)

    def finished(self) -> list[Bounds]:
        """Return the blocks that exist."""
        return sorted(bounds for bounds, _ in self._files() if bounds is not None)

    def missing(self) -> list[Bounds]:
        """Return the blocks that remain to be computed."""
        there = set(self.finished())
        return [bounds for bounds in self._layout if bounds not in there]

    def leading(self) -> list[Bounds]:
        """Return the blocks before the first missing one.

        Blocks with few clicks finish early, so that the finished blocks of an unfinished run are a biased sample.
        The leading blocks are not selected by their clicks.
        """
        there = set(self.finished())
        return list(takewhile(there.__contains__, self._layout))

    @property
    def complete(self) -> bool:
        """Whether every block exists."""
        return len(self.finished()) == self.n_blocks

    @property
    def computed(self) -> int:
        """One past the last trajectory of the last finished block."""
        return max((last for _, last in self.finished()), default=0)

    def write_block(self, bounds: Bounds, columns: Mapping[str, NDArray[Any]]) -> None:
        """Write one finished block, completely or not at all.

        Parameters
        ----------
        bounds : (int, int)
            One of `block_bounds`.
        columns : mapping of str to ndarray
            ``counts`` (clicks of each trajectory), ``time``, ``channel``, ``sampled`` and ``worst_error``; and
            ``final_kets`` if the run keeps final states.
        """
        arrays = stored_columns(columns, len(self.metadata["channel_names"]))
        checksum = np.array(block_checksum(self.run_id, bounds, arrays))
        write_whole(self._path(bounds), pack(arrays | {"checksum": checksum}))

    def read_block(self, bounds: Bounds) -> dict[str, NDArray[Any]]:
        """Read one block and check it.

        Raises
        ------
        RunFolderError
            The block is unreadable, damaged, or belongs to another run.
        """
        path = self._path(bounds)
        try:
            arrays = unpack(path, (*columns_of(self.metadata["configuration"]), "checksum"))
            stored = str(arrays.pop("checksum"))
            computed = block_checksum(self.run_id, bounds, arrays)
            wrong = None if stored == computed else "is damaged or belongs to another run"
            wrong = wrong or inconsistency(self.metadata, bounds, arrays)
        except UNREADABLE as error:
            raise RunFolderError(f"block {path} cannot be read ({error}); {RECOMPUTE}") from error
        if wrong:
            raise RunFolderError(f"block {path} {wrong}; {RECOMPUTE}")
        return arrays

    def damaged(self) -> dict[Path, RunFolderError]:
        """Return the damaged and foreign files among the blocks, each with the error that describes it."""
        wrong = {path: _foreign_file(path) for path in self._foreign_files()}
        for bounds in self.finished():
            try:
                self.read_block(bounds)
            except RunFolderError as error:
                wrong[self._path(bounds)] = error
        return wrong

    def blocks(self) -> Iterator[ClickRecord]:
        """Yield the leading blocks one by one as records, for analysis in bounded memory.

        Raises
        ------
        RunFolderError
            A block is damaged, or the folder of blocks holds a foreign file.
        """
        self.refuse_foreign_files()
        for bounds in self.leading():
            yield assemble(self.metadata, [bounds], [self.read_block(bounds)])

    def record(self) -> ClickRecord:
        """Return the record of the leading trajectories: of all, when the run is complete.

        Raises
        ------
        RunFolderError
            The first block is not finished yet, a block is damaged, or the folder of blocks holds a foreign file.
        """
        self.refuse_foreign_files()
        bounds = self.leading()
        if not bounds:
            raise RunFolderError(
                f"{self.folder} has no finished block yet; run the same command again to continue"
            )
        # Samples are averaged block by block: those of all trajectories may need more memory than the clicks.
        averages = EnsembleAverages(self.metadata, np.concatenate([np.arange(*block) for block in bounds]))
        parts = []
        for block in bounds:
            columns = self.read_block(block)
            averages.add(block[0], columns.pop("sampled"))
            parts.append(columns)
        return assemble(self.metadata, bounds, parts, averages)

    def worst_error(self) -> float:
        """Return the largest bound of |ΔS|/S over the leading blocks, without reading their clicks."""
        worst = 0.0
        for path in map(self._path, self.leading()):
            try:
                worst = max(worst, float(unpack(path, ["worst_error"])["worst_error"].item()))
            except (*UNREADABLE, TypeError) as error:
                raise RunFolderError(f"block {path} cannot be read ({error}); {RECOMPUTE}") from error
        return worst

    def _files(self) -> Iterator[tuple[Bounds | None, Path]]:
        """Yield the files in the folder of blocks, each with the bounds in its name; None for a foreign file."""
        layout = self._layout
        for path in (self.folder / "blocks").glob("[!.]*"):
            bounds = bounds_in(path.name)
            ours = bounds is not None and bounds in layout and path == self._path(bounds) and path.is_file()
            yield (bounds if ours else None), path

    def _foreign_files(self) -> list[Path]:
        return sorted(path for bounds, path in self._files() if bounds is None)

    def refuse_foreign_files(self) -> None:
        """Raise a `RunFolderError` that names the first foreign file in the folder of blocks."""
        for path in self._foreign_files():
            raise _foreign_file(path)

    def _path(self, bounds: Bounds) -> Path:
        return self.folder / "blocks" / file_name(bounds)


def _foreign_file(path: Path) -> RunFolderError:
    return RunFolderError(f"{path} is no block of this run; give --repair to set it aside, or remove it")
