"""Layout: how the trajectories of a run are divided into blocks, without a list of all blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import InvalidInput

# Files in a folder, before it becomes slow; with half a million clicks each they hold 5e10 clicks.
MOST_BLOCKS = 100_000
SPLIT = "divide the work into runs of different seeds, whose records ClickRecord.concatenate joins"


@dataclass(frozen=True)
class Layout:
    """Ranges of trajectories with blocks of one size: the first range of a run, and one for each extension.

    Attributes
    ----------
    stretches : tuple of (int, int)
        For each range: one past its last trajectory, ascending, and the trajectories in each of its blocks.
    """

    stretches: tuple[tuple[int, int], ...]

    @property
    def trajectories(self) -> int:
        """Number of trajectories."""
        return self.stretches[-1][0]

    @property
    def n_blocks(self) -> int:
        """Number of blocks."""
        return sum(-(-(last - first) // size) for first, last, size in self._bounded())

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield (first, last) of every block: trajectories first … last − 1."""
        for first, last, size in self._bounded():
            for start in range(first, last, size):
                yield start, min(start + size, last)

    def __contains__(self, bounds: tuple[int, int]) -> bool:
        """Whether one of the blocks has these bounds."""
        return any(
            first <= bounds[0] < last
            and (bounds[0] - first) % size == 0
            and bounds[1] == min(bounds[0] + size, last)
            for first, last, size in self._bounded()
        )

    def extended(self, trajectories: int, size: int) -> Layout:
        """Return the layout extended to this total number of trajectories, in blocks of `size`.

        Raises
        ------
        InvalidInput
            More blocks than a folder should hold.
        """
        longer = Layout((*self.stretches, (trajectories, size)))
        if longer.n_blocks > MOST_BLOCKS:
            raise InvalidInput(
                f"trajectories={trajectories} make {longer.n_blocks} files, more than {MOST_BLOCKS}; {SPLIT}"
            )
        return longer

    def cut(self, trajectories: int) -> Layout:
        """Return the layout of the first `trajectories`; the last block may become shorter."""
        kept = [(last, size) for _, last, size in self._bounded() if last < trajectories]
        size = next(size for _, last, size in self._bounded() if last >= trajectories)
        return Layout((*kept, (trajectories, size)))

    def _bounded(self) -> Iterator[tuple[int, int, int]]:
        for first, (last, size) in zip((0, *(last for last, _ in self.stretches)), self.stretches, strict=False):
            yield first, last, size
