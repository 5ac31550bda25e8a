"""run.json: what it says about itself, and how damage and edits are noticed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..checks import shown
from ..errors import RunFolderError
from .files import checksum_of_json

FORMAT = "bundle-trajectories run"
VERSION = 2
RESTORE = "restore it or start a new run"


def check_metadata(path: Path, metadata: Any) -> None:
    """Refuse what is no run.json of a version that can be read, or was changed since it was written."""
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise RunFolderError(f"{path} does not describe a run; {RESTORE}")
    version = metadata.get("version")
    if version != VERSION:
        earlier = isinstance(version, int) and version < VERSION
        remedy = "simulate it again in a new folder" if earlier else "update the package"
        raise RunFolderError(f"{path} has version {shown(version)}, but {VERSION} is read here; {remedy}")
    content = {key: value for key, value in metadata.items() if key != "checksum"}
    if metadata.get("checksum") != checksum_of_json(content):
        raise RunFolderError(f"{path} is damaged or was edited: its checksum differs; {RESTORE}")


def identity_of(content: Mapping[str, Any]) -> str:
    """Return the checksum of what an extended run keeps: all but the number of trajectories and the layout."""
    fixed = {key: value for key, value in content.items() if key != "layout"}
    fixed["configuration"] = {k: v for k, v in content["configuration"].items() if k != "trajectories"}
    return checksum_of_json(fixed)
