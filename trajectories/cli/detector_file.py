"""Detectors from a TOML file, with a table for each channel."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..checks import finite_number, shown
from ..detectors import Detector
from ..errors import InvalidInput
from .toml_file import read_toml

KEYS = tuple(field.name for field in fields(Detector))


def read_detectors(path: str) -> dict[str, Detector]:
    """Return the detectors of a TOML file by channel.

    Raises
    ------
    InvalidInput
        The file does not exist, is not TOML, has no tables or an unknown key, or holds an invalid value.
    """
    try:
        tables = read_toml(path)
    except OSError as error:
        raise InvalidInput(f"detectors {path} cannot be read: {error.strerror}; give a TOML file") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is not valid TOML: {error}") from error
    if not tables:
        raise InvalidInput(f"{path} describes no detector; add a table such as [photon] with efficiency = 0.6")
    return {name: _detector(path, name, table) for name, table in tables.items()}


def _detector(path: str, name: str, table: object) -> Detector:
    if not isinstance(table, dict):
        raise InvalidInput(f"{path}: {name} = {shown(table)} must be a table with {', '.join(KEYS)}")
    for key in table:
        if key not in KEYS:
            raise InvalidInput(f"{path} has the unknown key {key!r} in [{name}]; known are {', '.join(KEYS)}")
    found: dict[str, Any] = dict(table)
    for key in found.keys() - {"paralysable"}:
        found[key] = finite_number(found[key], f"{name}.{key}")
    return Detector(**found)
