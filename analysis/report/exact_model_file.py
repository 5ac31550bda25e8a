"""The file that keeps intermediate results of exact computations for the next command."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import trajectories
from trajectories.errors import RunFolderError
from trajectories.lindblad.reduced.kept import VERSION, content
from trajectories.records.files import UNREADABLE, pack, remove_abandoned, unpack, write_whole

FORMAT = "bundle-trajectories exact model"
# Its name in the folder of an analysis.
MODEL = "exact_model.npz"
Kept = dict[str, NDArray[Any]]


def write_kept(path: Path, kept: Mapping[str, NDArray[Any]], digest: str) -> None:
    """Write arrays that were kept while exact values of one system were computed.

    Parameters
    ----------
    path : pathlib.Path
        The file; one of ours is replaced.
    kept : mapping of str to ndarray
        `Solver.kept`.
    digest : str
        `OpenSystem.digest` of the system.

    Raises
    ------
    RunFolderError
        The file cannot be written.
    """
    label = _label(digest)
    head = {"format": np.array(FORMAT), "label": np.array(label), "checksum": np.array(_checksum(kept, label))}
    remove_abandoned(path)
    write_whole(path, pack({**head, **kept}))


def read_kept(path: Path, digest: str) -> Kept:
    """Return the arrays that were kept for a system by this version of the package; none if there are none."""
    if not path.exists():
        return {}
    try:
        arrays = unpack(path)
        head = {name: str(arrays.pop(name)) for name in ("format", "label", "checksum")}
    except UNREADABLE:
        head, arrays = {}, {}
    if head.get("label") not in (None, _label(digest)):
        return {}  # of another system, or of another version
    if head.get("format") != FORMAT or head.get("checksum") != _checksum(arrays, head["label"]):
        warnings.warn(f"{path} is damaged or was edited; it is computed again", stacklevel=2)
        return {}
    return arrays


def keep_beside(run: Path, kept: Mapping[str, NDArray[Any]], digest: str) -> None:
    """Write what was kept into the folder of a run's analysis, where the next command looks for it.

    It only saves time: a folder that cannot be written to, and a file that is not ours, are left alone.
    """
    folder = run / "analysis"
    path = folder / MODEL
    if not kept or (path.exists() and not is_kept_file(path)):
        return
    try:
        folder.mkdir(exist_ok=True)
        write_kept(path, kept, digest)
    except (OSError, RunFolderError):
        return


def is_kept_file(path: Path) -> bool:
    """Say whether a file is one of ours."""
    try:
        return str(unpack(path, ["format"])["format"]) == FORMAT
    except UNREADABLE:
        return False


def _label(digest: str) -> str:
    return f"{trajectories.__version__} {VERSION} {digest}"


def _checksum(kept: Mapping[str, NDArray[Any]], label: str) -> str:
    return content(label, *(part for name in sorted(kept) for part in (name, kept[name])))
