"""Configurations: a TOML file for the paper's family, or ``file.py:name`` for any system, turned into a Job."""

from __future__ import annotations

import importlib.util
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from .errors import InvalidInput
from .model import OpenSystem, SpinningResonator

RESONATOR_KEYS = {field.name for field in fields(SpinningResonator)} | {"regime"}
TABLES = {
    "resonator": RESONATOR_KEYS,
    "truncation": {"levels", "max_quanta"},
    "simulation": {"trajectories", "duration", "seed", "propagator", "tolerance"},
    "analysis": {"window", "pair"},
}


@dataclass(frozen=True)
class Job:
    """What a configuration asks for.

    Attributes
    ----------
    system : OpenSystem
        The system to simulate.
    resonator : SpinningResonator or None
        The paper's parameters behind it, if it is of that family.
    trajectories, duration, seed : int, float, int
        Size of the run; None where the configuration leaves it open.
    propagator, tolerance : str, float
        As in `trajectories.simulate`.
    window : float or None
        Gap that separates bundles, in 1/ω_b.
    pair : tuple of two str or None
        Channels whose bundles are reported.
    """

    system: OpenSystem
    resonator: SpinningResonator | None = None
    trajectories: int | None = None
    duration: float | None = None
    seed: int | None = None
    propagator: str = "auto"
    tolerance: float = 1e-10
    window: float | None = None
    pair: tuple[str, str] | None = None


def read_job(source: str, levels: tuple[int, int, int] | None = None) -> Job:
    """Read a configuration.

    Parameters
    ----------
    source : str
        Path of a TOML file with tables ``[resonator]``, ``[truncation]``, ``[simulation]`` and ``[analysis]``;
        or ``file.py:name``, where `name` is an `OpenSystem`, a `SpinningResonator`, or a function without
        arguments that returns one. A Python file is executed.
    levels : tuple of int, optional
        Fock levels that replace those of the configuration.

    Raises
    ------
    InvalidInput
        No such file, a syntax error, an unknown key, or a value that cannot be right.
    """
    path, _, name = source.rpartition(":")
    if path.endswith(".py"):
        return _python_job(Path(path), name, levels)
    if not Path(source).is_file():
        raise InvalidInput(f"configuration {source} does not exist; give a TOML file or file.py:name")
    try:
        tables = tomllib.loads(Path(source).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{source} is not valid TOML: {error}") from error
    _check_keys(source, tables)
    return _toml_job(source, tables, levels)


def _toml_job(source: str, tables: Mapping[str, Mapping[str, Any]], levels: tuple[int, int, int] | None) -> Job:
    resonator_table = dict(tables.get("resonator", {}))
    truncation = dict(tables.get("truncation", {}))
    if levels is not None:
        truncation["levels"] = levels
    truncation["levels"] = _levels(truncation.get("levels", (5, 4, 4)))
    regime = resonator_table.pop("regime", None)
    if regime is None:
        resonator = SpinningResonator(**resonator_table)
    elif "detuning" in resonator_table:
        raise InvalidInput(f"{source} gives both regime={regime!r} and a detuning; keep one")
    else:
        resonator = SpinningResonator.regime(regime, levels=truncation["levels"], **resonator_table)
    analysis = dict(tables.get("analysis", {}))
    if "pair" in analysis:
        pair = analysis["pair"]
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(p, str) for p in pair):
            raise InvalidInput(f"pair={pair!r} must be two channel names")
        analysis["pair"] = tuple(pair)
    system = resonator.system(**truncation)
    for channel in analysis.get("pair", ()):
        system.channel(channel)
    return Job(system, resonator, **tables.get("simulation", {}), **analysis)


def _python_job(path: Path, name: str, levels: tuple[int, int, int] | None) -> Job:
    if not path.is_file():
        raise InvalidInput(f"{path} does not exist; give file.py:name")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise InvalidInput(f"{path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InvalidInput(f"{path} fails when it is run: {type(error).__name__}: {error}") from error
    if not hasattr(module, name):
        raise InvalidInput(f"{path} has no {name!r}; name an OpenSystem in it")
    found = getattr(module, name)
    if callable(found) and not isinstance(found, type):
        try:
            found = found()
        except TypeError as error:
            raise InvalidInput(f"{path}:{name} must be callable without arguments: {error}") from error
    if isinstance(found, SpinningResonator):
        return Job(found.system(levels) if levels else found.system(), found)
    if not isinstance(found, OpenSystem):
        raise InvalidInput(f"{path}:{name} is a {type(found).__name__}; it must be or return an OpenSystem")
    if levels is not None:
        raise InvalidInput(f"--levels does not apply to {path}:{name}, which fixes its own truncation")
    return Job(found)


def _check_keys(source: str, tables: Mapping[str, Any]) -> None:
    for table, content in tables.items():
        if table not in TABLES or not isinstance(content, dict):
            raise InvalidInput(f"{source} has {table!r} at its top; the tables are {', '.join(TABLES)}")
        for key in content:
            if key not in TABLES[table]:
                known = ", ".join(sorted(TABLES[table]))
                raise InvalidInput(f"{source} has the unknown key {key!r} in [{table}]; known are {known}")


def _levels(levels: Any) -> tuple[int, int, int]:
    if not isinstance(levels, (list, tuple)) or len(levels) != 3:
        raise InvalidInput(f"levels={levels!r} must be three integers: photon, phonon, magnon")
    photon, phonon, magnon = levels
    return photon, phonon, magnon


def override(job: Job, **given: Any) -> Job:
    """Return the job with every value that is not None put in place of its own."""
    return replace(job, **{key: value for key, value in given.items() if value is not None})
