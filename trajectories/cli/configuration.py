"""Configurations: a TOML file for the paper's system, or ``file.py:name`` for any system, read into a `Job`."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from ..checks import integer, positive_number, shown, time_unit
from ..errors import InvalidInput
from ..lindblad.inputs import bundle_channels, bundle_window, pair_of
from ..model import OpenSystem, SpinningResonator
from ..names import nearest, nearest_beside
from ..time_units import NATURAL
from .toml_file import read_toml

RESONATOR_KEYS = {each.name for each in fields(SpinningResonator)} | {"regime"}
TABLES = {
    "resonator": RESONATOR_KEYS,
    "truncation": {"levels", "max_quanta"},
    "simulation": {"trajectories", "duration", "seed", "propagator", "tolerance", "time_unit"},
    "analysis": {"window", "pair"},
}
# Tables [filters.CHANNEL]: the filter behind a channel; a list of frequencies means several filters.
FILTERS = "filters"
FILTER_KEYS = {"frequency", "width", "levels"}
# Default Fock levels.
LEVELS = (5, 4, 4)
# Largest dimension for which the steady state is computed.
LARGEST = 100_000
# Module name of an executed Python file; dataclasses look it up.
MODULE = "trajectories_configuration"


@dataclass(frozen=True)
class Job:
    """Content of a configuration.

    Attributes
    ----------
    system : OpenSystem
        The system to simulate.
    resonator : SpinningResonator or None
        The paper's system with its parameters, if the configuration describes it.
    trajectories, duration, seed : int, float, int
        Size of the run; None if the configuration does not set it.
    propagator, tolerance : str, float
        As in `trajectories.simulate`.
    window : float or None
        Largest gap inside a bundle, in 1/ω_b.
    pair : tuple of two str or None
        Channels whose bundles are reported.
    filters : mapping of str to mapping
        Arguments of `OpenSystem.filtered` for each channel; `system` already has these filters.

    Raises
    ------
    InvalidInput
        An invalid size, window or pair, or a pair without a window or a κ from which to take it.
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
    filters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def made(self, system: OpenSystem) -> OpenSystem:
        """Return a system with the job's filters."""
        return with_filters(system, self.filters)

    def __post_init__(self) -> None:
        for name, least in (("trajectories", 1), ("seed", 0)):
            if getattr(self, name) is not None:
                integer(getattr(self, name), name, least)
        for name in ("duration", "window"):
            if getattr(self, name) is not None:
                positive_number(getattr(self, name), name)
        if self.pair is not None:
            object.__setattr__(self, "pair", _two_names(self.pair))
            pair_of(bundle_channels(self.system, None), self.pair)
            bundle_window(self.system, self.window)


def _two_names(pair: Any) -> tuple[str, str]:
    if not isinstance(pair, list | tuple) or len(pair) != 2 or not all(isinstance(name, str) for name in pair):
        raise InvalidInput(f"pair={shown(pair)} must be two channel names")
    first, second = pair
    return first, second


def with_filters(system: OpenSystem, filters: Mapping[str, Mapping[str, Any]]) -> OpenSystem:
    """Return the system with filters behind its channels, in this order."""
    for channel, filter_ in filters.items():
        system = system.filtered(channel, **filter_)
    return system


def read_job(
    source: str,
    levels: tuple[int, int, int] | None = None,
    filters: Sequence[tuple[str, Mapping[str, Any]]] | None = None,
) -> Job:
    """Read a configuration.

    Parameters
    ----------
    source : str
        Path of a TOML file with tables ``[resonator]``, ``[truncation]``, ``[simulation]``, ``[analysis]`` and
        ``[filters.CHANNEL]``; or ``file.py:name``, where `name` is an `OpenSystem`, a `SpinningResonator`, or a
        function without arguments that returns one. A Python file is executed.
    levels : tuple of int, optional
        Fock levels that replace those of the configuration.
    filters : sequence of (channel, arguments), optional
        Further filters, after those of the configuration.

    Raises
    ------
    InvalidInput
        The file does not exist, has a syntax error or an unknown key, or holds an invalid value.
    """
    path, _, name = source.rpartition(":")
    more = _grouped(filters or ())
    if path.endswith(".py"):
        job = _python_job(Path(path), name, levels)
        return replace(job, system=with_filters(job.system, more), filters=more)
    if source.endswith(".py"):
        raise InvalidInput(f"{source} is a Python file; name the system in it, as in {source}:system")
    try:
        tables = read_toml(source)
    except IsADirectoryError as error:
        raise InvalidInput(f"{source} is a folder; give a TOML file or file.py:name") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        hint = nearest_beside(source) or "; give a TOML file or file.py:name"
        raise InvalidInput(f"configuration {source} does not exist{hint}") from error
    except OSError as error:
        raise InvalidInput(f"configuration {source} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidInput(f"{source} is not valid TOML: {error}") from error
    _check_keys(source, tables)
    return _toml_job(tables, levels, more)


def _grouped(filters: Sequence[tuple[str, Mapping[str, Any]]]) -> dict[str, dict[str, list[float]]]:
    """Return filters by channel; several behind one channel become lists."""
    found: dict[str, dict[str, list[float]]] = {}
    for channel, given in filters:
        mine = found.setdefault(channel, {"frequency": [], "width": []})
        for key, value in given.items():
            mine[key].append(value)
    return found


def _toml_job(
    tables: Mapping[str, Mapping[str, Any]],
    levels: tuple[int, int, int] | None,
    more: Mapping[str, Mapping[str, Any]],
) -> Job:
    parameters = dict(tables.get("resonator", {}))
    truncation = {"levels": LEVELS, **tables.get("truncation", {})}
    if levels is not None:
        truncation["levels"] = levels
    _require_solvable(**truncation)
    if "regime" in parameters:
        resonator = SpinningResonator.regime(parameters.pop("regime"), levels=truncation["levels"], **parameters)
    else:
        resonator = SpinningResonator(**parameters)
    filters = {**tables.get(FILTERS, {}), **more}
    for channel in tables.get(FILTERS, {}).keys() & more.keys():
        raise InvalidInput(
            f"{channel!r} has a filter in the configuration already; leave out --filter {channel},…, or put it "
            f"behind '{channel} transmitted'"
        )
    simulation = dict(tables.get("simulation", {}))
    # Times of a resonator are in 1/ω_b, whatever its length.
    unit = time_unit(simulation.pop("time_unit", NATURAL))
    if unit.name != NATURAL.name:
        raise InvalidInput(
            f"time_unit={unit.name!r} must be the length of 1/ω_b in seconds, the unit of a resonator, as in "
            "time_unit = 8e-11"
        )
    system = replace(with_filters(resonator.system(**truncation), filters), time_unit=unit)
    return Job(system, resonator, **simulation, **tables.get("analysis", {}), filters=filters)


def _require_solvable(levels: tuple[int, int, int], max_quanta: int | None = None) -> None:
    """Refuse a truncation that is too large for the steady state, before its matrices are made."""
    dimension = SpinningResonator.space(levels, max_quanta).dimension
    if dimension > LARGEST:
        raise InvalidInput(
            f"levels={shown(levels)} give dimension {dimension}, above the {LARGEST} of the largest steady state; "
            "give fewer levels"
        )


def _python_job(path: Path, name: str, levels: tuple[int, int, int] | None) -> Job:
    if not path.is_file():
        raise InvalidInput(f"{path} does not exist{nearest_beside(path) or '; give file.py:name'}")
    with _loaded(path) as module:
        if not hasattr(module, name):
            defined = [word for word in vars(module) if not word.startswith("_")]
            hint = nearest(name, defined) or "; name an OpenSystem in it"
            raise InvalidInput(f"{path} has no {name!r}{hint}")
        found = getattr(module, name)
        if callable(found) and not isinstance(found, type):
            found = _made_by(found, f"{path}:{name}")
    if isinstance(found, SpinningResonator):
        chosen = levels or LEVELS
        _require_solvable(chosen)
        return Job(found.system(chosen), found)
    if not isinstance(found, OpenSystem):
        raise InvalidInput(f"{path}:{name} is a {type(found).__name__}; it must be or return an OpenSystem")
    if levels is not None:
        raise InvalidInput(f"--levels does not apply to {path}:{name}, which fixes its own truncation")
    return Job(found)


@contextmanager
def _loaded(path: Path) -> Iterator[ModuleType]:
    """Execute a Python file as a script is executed: it can import modules of its folder."""
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise InvalidInput(f"{path} cannot be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    places = sys.path.copy()
    sys.modules[MODULE] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        with _failures_as_invalid_input(f"{path} fails when it is run"):
            spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = places
        sys.modules.pop(MODULE, None)


def _made_by(function: Callable[[], Any], what: str) -> Any:
    try:
        inspect.signature(function).bind()
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{what} must be callable without arguments: {error}") from error
    with _failures_as_invalid_input(f"{what} fails when it is called"):
        return function()


@contextmanager
def _failures_as_invalid_input(what: str) -> Iterator[None]:
    """Turn every exception of a user's code, SystemExit included, into InvalidInput."""
    try:
        yield
    except (Exception, SystemExit) as error:
        raise InvalidInput(f"{what}: {type(error).__name__}: {error}") from error


def _check_keys(source: str, tables: Mapping[str, Any]) -> None:
    for table, content in tables.items():
        if table == FILTERS and isinstance(content, dict):
            _check_filters(source, content)
            continue
        if table not in TABLES or not isinstance(content, dict):
            raise InvalidInput(
                f"{source} has {table!r} at its top; the tables are {', '.join([*TABLES, FILTERS])}"
                f"{_place_of(table, content)}"
            )
        for key in content:
            if key not in TABLES[table]:
                known = sorted(TABLES[table])
                raise InvalidInput(
                    f"{source} has the unknown key {key!r} in [{table}]; known are "
                    f"{', '.join(known)}{nearest(key, known)}"
                )


def _place_of(key: str, content: Any) -> str:
    """Return "; NAME belongs in [TABLE]" for a key at the top of a configuration, or an empty string."""
    if not isinstance(content, dict):
        homes = {known: table for table, keys in TABLES.items() for known in keys}
        meant = key if key in homes else next(iter(get_close_matches(key, homes, n=1)), None)
        if meant is not None:
            return f"; {meant} belongs in [{homes[meant]}]"
    return nearest(key, [*TABLES, FILTERS])


def _check_filters(source: str, content: Mapping[str, Any]) -> None:
    for channel, given in content.items():
        if not isinstance(given, dict) or not {"frequency", "width"} <= set(given) <= FILTER_KEYS:
            raise InvalidInput(
                f"{source} has {shown(given)} in [filters.{channel}]; it needs frequency and width, "
                "and may have levels"
            )


def override(job: Job, **given: Any) -> Job:
    """Return the job with its values replaced by those that are not None."""
    return replace(job, **{key: value for key, value in given.items() if value is not None})
