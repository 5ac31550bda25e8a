"""What a search for a converged truncation found: its steps, the numbers at the end, and a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Levels = tuple[int, ...]


@dataclass(frozen=True)
class TruncationStep:
    """One truncation that was tried.

    Attributes
    ----------
    levels : tuple of int
        Argument of the system factory.
    dimension : int
        N, or how many moments were solved for.
    values : mapping of str to float
        The observables.
    top_level : float
        Largest population of any mode's highest level, or share of the moments of highest order; NaN for a system
        without a space.
    moves : mapping of str to float
        For each level count, the largest relative move of any observable when it alone is raised by
        one; NaN where a limit excludes that truncation. Empty if this one was only tried as a neighbour.
    """

    levels: Levels
    dimension: int
    values: Mapping[str, float]
    top_level: float
    moves: Mapping[str, float]


@dataclass(frozen=True)
class Convergence:
    """What `converge` found.

    Attributes
    ----------
    converged : bool
        Whether every move at the last truncation is within the tolerance.
    levels : tuple of int
        The last truncation: the converged one, or the largest that the limits allowed.
    steps : tuple of TruncationStep
        Every truncation tried, in the order of the search.
    tolerance : float
        Largest relative move allowed.
    reason : str
        Why the search ended.

    Examples
    --------
    >>> import trajectories as tj
    >>> def cavity(levels):
    ...     space = tj.HilbertSpace(photon=levels[0])
    ...     a = space.lower("photon")
    ...     return tj.OpenSystem(0.1 * (a + a.T), [tj.Channel("photon", a)], space)
    >>> found = tj.lindblad.converge(cavity, {"rate": lambda steady: steady.rate("photon")}, start=(2,))
    >>> found.converged, found.levels, round(found.values["rate"], 4)
    (True, (4,), 0.04)
    """

    converged: bool
    levels: Levels
    steps: tuple[TruncationStep, ...]
    tolerance: float
    reason: str

    @property
    def last(self) -> TruncationStep:
        """The step at `levels`."""
        return next(step for step in self.steps if step.levels == self.levels)

    @property
    def values(self) -> Mapping[str, float]:
        """The observables at `levels`."""
        return self.last.values

    @property
    def moves(self) -> Mapping[str, float]:
        """The relative moves at `levels`."""
        return self.last.moves

    def table(self) -> str:
        """Return the steps as text: levels, N, top-level population, observables, moves by level count."""
        head = ["levels", "N", "top level", *self.values, *(f"+1 {label}" for label in self.moves)]
        rows = [head]
        for step in self.steps:
            moves = [f"{step.moves[label]:.1e}" if step.moves else "" for label in self.moves]
            chosen = "*" if step.levels == self.levels else ""
            rows.append(
                [
                    ",".join(map(str, step.levels)) + chosen,
                    str(step.dimension),
                    f"{step.top_level:.1e}",
                    *(f"{value:.6g}" for value in step.values.values()),
                    *moves,
                ]
            )
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = ["  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        return "\n".join([*lines, f"* {self.reason}"])
