"""repair(): set damaged and foreign blocks of a run folder aside, so that they are computed again."""

from __future__ import annotations

import os
from pathlib import Path

from .files import path_of
from .lock import RunLock
from .run import Run


def repair(path: str | os.PathLike[str]) -> list[Path]:
    """Set aside every block of a run folder that is damaged or foreign, so that it is computed again.

    Nothing is deleted: the files are moved to ``RUN/damaged``.

    Parameters
    ----------
    path : path
        A run folder.

    Returns
    -------
    list of pathlib.Path
        The files at their new places.

    Raises
    ------
    RunFolderError
        It is no run folder, another process works on it, or its run.json or system.npz is damaged.

    Examples
    --------
    >>> import tempfile, trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> folder = tempfile.TemporaryDirectory()
    >>> record = tj.simulate(system, 4, 20.0, seed=1, out=f"{folder.name}/run", progress=False)
    >>> tj.repair(f"{folder.name}/run")  # nothing is damaged
    []
    >>> folder.cleanup()
    """
    Run.open(path)
    with RunLock(path_of(path)):
        run = Run.open(path)
        return [_set_aside(run.folder, damaged) for damaged in run.damaged()]


def _set_aside(folder: Path, path: Path) -> Path:
    """Move a file out of the blocks without overwriting anything, and return where it went."""
    place = folder / "damaged"
    place.mkdir(exist_ok=True)
    number, target = 1, place / path.name
    while target.exists():
        number, target = number + 1, place / f"{path.stem}.{number}{path.suffix}"
    return path.rename(target)
