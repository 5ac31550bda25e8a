"""run.json: its entries, and how damage, edits and wrong values are detected."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ..checks import shown, time_unit
from ..errors import InvalidInput, RunFolderError
from ..names import can_be_kept
from ..time_units import NATURAL, TimeUnit
from .files import checksum_of_json

FORMAT = "bundle-trajectories run"
VERSION = 2
RESTORE = "restore it or start a new run"
MISSING = object()
# Entries that do not identify a run: they may change when it is extended, or follow from the others.
NOT_IDENTITY = ("layout", "run_id", "checksum")


def check_metadata(path: Path, metadata: Any) -> None:
    """Refuse a run.json of another format or version, one that was edited, and one with wrong values.

    The checksum has no key, so that an edit can renew it; hence every value is checked too, and the run id, which
    the checksums of the blocks cover, is computed again.
    """
    if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
        raise RunFolderError(f"{path} does not describe a run; {RESTORE}")
    version = metadata.get("version")
    if isinstance(version, bool) or version != VERSION:
        earlier = isinstance(version, int) and version < VERSION
        remedy = "simulate it again in a new folder" if earlier else "update the package"
        raise RunFolderError(f"{path} has version {shown(version)}, but {VERSION} is read here; {remedy}")
    content = {key: value for key, value in metadata.items() if key != "checksum"}
    if metadata.get("checksum") != checksum_of_json(content):
        raise RunFolderError(f"{path} is damaged or was edited: its checksum differs; {RESTORE}")
    for place, (fits, what) in FIELDS.items():
        value: Any = metadata
        for key in place:
            value = value.get(key, MISSING) if isinstance(value, dict) else MISSING
        if not fits(value):
            raise RunFolderError(f"{path} was edited: {'.'.join(place)} is {_named(value)}, not {what}; {RESTORE}")
    _check_together(path, metadata)
    if metadata["run_id"] != identity_of(metadata):
        raise RunFolderError(f"{path} was edited: its run_id does not belong to its other entries; {RESTORE}")


def _named(value: Any) -> str:
    return "missing" if value is MISSING else shown(value)


def identity_of(content: Mapping[str, Any]) -> str:
    """Return the checksum of the entries that an extension does not change: all but trajectories and layout."""
    fixed = {key: value for key, value in content.items() if key not in NOT_IDENTITY}
    fixed["configuration"] = {k: v for k, v in content["configuration"].items() if k != "trajectories"}
    return checksum_of_json(fixed)


def _check_together(path: Path, metadata: Mapping[str, Any]) -> None:
    """Refuse values that contradict one another."""
    configuration, steady = metadata["configuration"], metadata["steady_state"]
    names, times = metadata["channel_names"], configuration["sample_times"]
    wrong = None
    if metadata["layout"][-1][0] != configuration["trajectories"]:
        wrong = f"the layout has {metadata['layout'][-1][0]} trajectories, the run {configuration['trajectories']}"
    elif (configuration["initial"] == "steady") != (steady is not None):
        wrong = "steady_state and initial contradict each other"
    elif steady is not None and list(steady["rates"]) != names:
        wrong = f"rates are of {shown(list(steady['rates']))}, but channels are {shown(names)}"
    elif (configuration.get("draws") == "stratified") != (metadata.get("initial_shares") is not None):
        wrong = "initial_shares and draws contradict each other"
    elif bool(times) and not (times[0] >= 0 and times[-1] <= configuration["duration"]):
        wrong = "sample times lie outside the duration"
    if wrong:
        raise RunFolderError(f"{path} was edited: {wrong}; {RESTORE}")


Fits = Callable[[Any], bool]


def _count(least: int) -> Fits:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer larger than any float
        return False


def _positive(value: Any) -> bool:
    return _number(value) and value > 0


def _amount(value: Any) -> bool:
    return _number(value) and value >= 0


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _list_of(fits: Fits) -> Fits:
    return lambda value: isinstance(value, list) and all(map(fits, value))


def _table_of(fits: Fits) -> Fits:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _or_none(fits: Fits) -> Fits:
    return lambda value: value is None or fits(value)


def _or_missing(fits: Fits) -> Fits:
    return lambda value: value is MISSING or fits(value)


def _anything(value: Any) -> bool:
    return True


def _distinct_names(value: Any) -> bool:
    return bool(value) and _list_of(can_be_kept)(value) and len(set(value)) == len(value)


def _layout(value: Any) -> bool:
    if not value or not _list_of(_list_of(_count(1)))(value) or any(len(stretch) != 2 for stretch in value):
        return False
    lasts = [0, *(last for last, _ in value)]
    return lasts == sorted(set(lasts))


def _ascending(value: Any) -> bool:
    return _list_of(_number)(value) and value == sorted(value)


def _draws(value: Any) -> bool:
    return isinstance(value, str) and value in ("stratified", "each")


def _true(value: Any) -> bool:
    return value is True


def _shares(value: Any) -> bool:
    return bool(value) and _ascending(value) and value[0] >= 0 and value[-1] == 1


def _steady(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _table_of(_number)(value.get("rates"))
        and _amount(value.get("residual"))
        and _table_of(_number)(value.get("top_level"))
    )


def _some_of(names: Iterable[str]) -> Fits:
    known = set(names)
    return lambda value: bool(value) and _list_of(_text)(value) and known.issuperset(value)


def _space(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and _table_of(_count(1))(value.get("levels"))
        and _or_none(_count(0))(value.get("max_quanta"))
        and _or_missing(_some_of(value["levels"]))(value.get("finite", MISSING))
    )


def unit_of(metadata: Mapping[str, Any]) -> TimeUnit:
    """Return the unit of time of a run; runs that do not name one are in 1/ω_b."""
    return time_unit(metadata.get("time_unit", NATURAL))


# Entries whose values are checked because commands read them; the run id covers all others.
def _unit(value: Any) -> bool:
    if not isinstance(value, dict) or set(value) != {"name", "seconds"} or not isinstance(value["name"], str):
        return False
    if value["seconds"] is not None and not _positive(value["seconds"]):
        return False
    try:
        return value["name"] == NATURAL.name or time_unit(value["name"]).to_dict() == value
    except InvalidInput:
        return False


FIELDS: dict[tuple[str, ...], tuple[Fits, str]] = {
    ("configuration",): (_table_of(_anything), "a table"),
    ("configuration", "digest"): (_hash, "a SHA-256"),
    ("configuration", "trajectories"): (_count(1), "a positive integer"),
    ("configuration", "duration"): (_positive, "a positive number"),
    ("configuration", "seed"): (_count(0), "an integer of at least 0"),
    ("configuration", "initial"): (_text, "text"),
    ("configuration", "propagator"): (_text, "text"),
    ("configuration", "tolerance"): (_positive, "a positive number"),
    ("configuration", "sampling"): (_or_none(_hash), "a SHA-256 or null"),
    ("configuration", "observables"): (_list_of(_text), "a list of names"),
    ("configuration", "sample_times"): (_ascending, "a list of ascending times"),
    ("configuration", "draws"): (_or_missing(_draws), "'stratified' or 'each'"),
    ("configuration", "stage"): (_or_missing(_count(0)), "an integer of at least 0"),
    ("configuration", "begun_at"): (_or_missing(_amount), "a time"),
    ("configuration", "final_states"): (_or_missing(_true), "true"),
    ("initial_shares",): (_or_missing(_shares), "ascending numbers up to 1"),
    ("channel_names",): (_distinct_names, "a list of distinct names"),
    ("parameters",): (_table_of(_anything), "a table"),
    ("time_unit",): (_or_missing(_unit), "a unit's name and its length in seconds or null"),
    ("space",): (_or_none(_space), "levels of modes and finite factors"),
    ("dimension",): (_count(1), "a positive integer"),
    ("compiled_propagator",): (_text, "text"),
    ("propagator_reason",): (_text, "text"),
    ("steady_state",): (_or_none(_steady), "rates, residual and top levels"),
    ("software",): (_table_of(_text), "a table of versions"),
    ("system_sha256",): (_hash, "a SHA-256"),
    ("layout",): (_layout, "pairs of trajectories and block size, ascending"),
    ("run_id",): (_hash, "a SHA-256"),
}
