"""Options with which commands read and correct measured files."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput
from ..names import parted
from .arguments import number

if TYPE_CHECKING:
    from ..detectors import Detector
    from ..records import ClickRecord

# Corrections that are applied to a record of dark counts too.
OF_CHANNELS = ("fine", "rename", "merge", "only")
# Options of the reader: their names in `load`.
READING = {"unit": "unit", "duration": "duration", "text_tick": "tick", "text_columns": "columns"}


class Step(argparse.Action):
    """Action that keeps corrections in the order of the command line."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Append the correction."""
        namespace.steps = [*(getattr(namespace, "steps", None) or []), (self.dest, values)]


def add_measured_options(parser: argparse.ArgumentParser, *, unit: bool = True) -> None:
    """Add the options of measured files to a command; without `unit` if the command has that option itself."""
    reading = parser.add_argument_group(
        "measured files", "PTU, HT2, HT3, PT2, PT3, TTBIN, Photon-HDF5 of other programs, text in columns"
    )
    if unit:
        reading.add_argument(
            "--unit",
            metavar="U",
            help="unit of all times: s (default), ms, us, ns, ps, fs; or the length of 1/ω_b in seconds",
        )
    reading.add_argument("--duration", type=number, metavar="T", help="observed time, in that unit")
    reading.add_argument("--markers", action="store_true", help="read markers as channels")
    reading.add_argument(
        "--text-tick", type=number, metavar="S", help="length of a tick in s, for whole numbers in text"
    )
    reading.add_argument(
        "--text-columns",
        type=_names(2),
        metavar="T,C",
        help="columns of time and channel, by name or number from 0",
    )
    steps = parser.add_argument_group(
        "corrections", "applied in the order given, and noted in the record; times are in its unit"
    )
    parser.set_defaults(steps=[])

    def step(name: str, metavar: str, help: str, read: Callable[[str], Any] | None = None) -> None:
        dest = name[2:].replace("-", "_")
        kind: dict[str, Any] = {"nargs": 0} if read is None else {"type": read, "metavar": metavar}
        steps.add_argument(name, action=Step, dest=dest, help=help, default=argparse.SUPPRESS, **kind)

    step("--fine", "", "turn synced (T3) data into ticks of the step within the period")
    step("--delay", "C=T", "add T to the times of channel C", _assignment(number))
    step("--rename", "C=NAME", "rename channel C", _assignment(str))
    step("--only", "A,B", "keep only these channels, in this order", lambda text: tuple(parted(text, ",")))
    step("--merge", "NAME=A,B", "merge channels A, B, … into one", _assignment(lambda text: parted(text, ",")))
    step("--cut", "T0,T1", "cut out an interval of time", _numbers(2))
    step("--cut-silence", "T", "cut out intervals longer than T without a click", number)
    step("--keep", "T0,T1", "keep only an interval of time", _numbers(2))
    step("--gate", "C,T0,T1", "keep the time from T0 to T1 after every click (or marker) of C", _gate)
    step("--gate-between", "A,B", "keep the time from each click of A to the next of B", _names(2))
    step("--gate-within", "T0,T1", "keep clicks from T0 to T1 after the sync pulse", _numbers(2))
    step("--join", "FILE,T", "join another file of the measurement, started T later", _file_and_time)
    step("--append", "FILE", "add another measurement, as further trajectories", str)
    step("--dark", "FILE", "estimate dark rates of the detectors from a file without light", str)
    step("--dead-time", "C=T", "drop clicks of C less than T after the previous one", _assignment(number))


def reading_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `load`."""
    reading = {name: getattr(options, dest, None) for dest, name in READING.items()}
    if getattr(options, "markers", False):
        reading["markers"] = True
    return {name: value for name, value in reading.items() if value is not None}


def corrected(
    record: ClickRecord, steps: Sequence[tuple[str, Any]], reading: Mapping[str, Any] | None = None
) -> ClickRecord:
    """Return a record after the corrections of the command line; `reading` are options of joined files."""
    from ..records import corrections
    from ..records.formats import load

    for place, (name, value) in enumerate(steps):
        if name == "fine":
            record = corrections.unfolded(record)
        elif name == "delay":
            record = corrections.delayed(record, dict([value]))
        elif name == "rename":
            record = corrections.renamed(record, dict([value]))
        elif name == "only":
            record = corrections.selected(record, value)
        elif name == "merge":
            record = corrections.merged(record, dict([value]))
        elif name == "cut":
            record = corrections.cut(record, [value])
        elif name == "cut_silence":
            record = corrections.without_silences(record, value)
        elif name == "keep":
            record = corrections.kept(record, [value])
        elif name == "gate":
            record = corrections.gated(record, *value)
        elif name == "gate_between":
            record = corrections.gated_between(record, *value)
        elif name == "gate_within":
            record = corrections.gated_within(record, *value)
        elif name == "join":
            record = corrections.joined([record, load(value[0], **_without_duration(reading))], [0.0, value[1]])
        elif name == "append":
            record = corrections.appended(record, load(value, **_without_duration(reading)))
        elif name == "dark":
            from trajectories.analysis import dark_detectors

            alike = [step for step in steps[:place] if step[0] in OF_CHANNELS]
            dark = corrected(load(value, **_without_duration(reading)), alike, reading)
            record = corrections.seen_with(record, dark_detectors(dark))
        elif name == "dead_time":
            record = corrections.with_dead_time(record, dict([value]))
    return record


def _without_duration(reading: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the options for another file: those of the first without the duration."""
    return {name: value for name, value in (reading or {}).items() if name != "duration"}


def with_recorded_dark(record: Any, detectors: dict[str, Detector]) -> dict[str, Detector]:
    """Return detectors from a file, with dark rates of `--dark` for those without one in the file.

    Raises
    ------
    InvalidInput
        The dark rate of a channel is given and estimated.
    """
    from ..detectors import Detector

    measured: dict[str, float] = {}
    for step in record.provenance.get("corrections", []):
        for name, values in step.get("seen_with", {}).items():
            measured[name] = values["dark_rate"]
    found = dict(detectors)
    for name, rate in measured.items():
        known = found.get(name, Detector())
        if known.dark_rate and rate:
            raise InvalidInput(f"the dark rate of {name!r} is given and estimated (--dark); leave one of them out")
        found[name] = replace(known, dark_rate=known.dark_rate + rate)
    return found


def given_measured(options: argparse.Namespace) -> list[str]:
    """Return the options of measured files that are given."""
    given = [f"--{dest.replace('_', '-')}" for dest in READING if getattr(options, dest, None) is not None]
    given += ["--markers"] if getattr(options, "markers", False) else []
    return given + [f"--{name.replace('_', '-')}" for name, _ in getattr(options, "steps", [])]


def refuse_for_run(source: str, options: argparse.Namespace) -> None:
    """Refuse options of measured files for a run folder."""
    given = given_measured(options)
    if given and Path(source).is_dir():
        raise InvalidInput(f"{given[0]} is for measured files, but {source} is a run folder; leave it out")


def read_in_unit_of(system: Any, options: argparse.Namespace) -> None:
    """Set the unit for a measured file to that of the model, if it has a length and no other is given."""
    from ..records.formats import is_foreign

    if options.unit is None and system.time_unit.seconds is not None and is_foreign(options.source):
        options.unit = system.time_unit


def require_model_unit(record: Any, options: argparse.Namespace) -> None:
    """Refuse to compare a record in the default unit with a model in 1/ω_b."""
    from ..time_units import NATURAL

    if record.unit.name != NATURAL.name and getattr(options, "unit", None) is None:
        raise InvalidInput(
            f"the clicks are in {record.unit.name}, the model is in its own unit: give --unit S, the length "
            f"of 1/ω_b in seconds, or --unit {record.unit.name} if the model's rates are per {record.unit.name}"
        )


def _assignment(read: Callable[[str], Any]) -> Callable[[str], tuple[str, Any]]:
    def assignment(text: str) -> tuple[str, Any]:
        name, separator, value = text.rpartition("=") if read is number else text.partition("=")
        if not separator or not name or not value:
            raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
        return name, read(value)

    return assignment


def _numbers(count: int) -> Callable[[str], tuple[float, ...]]:
    def numbers(text: str) -> tuple[float, ...]:
        parts = text.split(",")
        if len(parts) != count:
            raise argparse.ArgumentTypeError(f"{text!r} is not {count} numbers separated by commas")
        return tuple(number(part) for part in parts)

    return numbers


def _names(count: int) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        parts = tuple(parted(text, ","))
        if len(parts) != count:
            raise argparse.ArgumentTypeError(f"{text!r} is not {count} names separated by a comma")
        return parts

    return names


def _file_and_time(text: str) -> tuple[str, float]:
    file, separator, time = text.rpartition(",")
    if not separator or not file:
        raise argparse.ArgumentTypeError(f"{text!r} is not a file and a time such as second.ptu,3600")
    return file, number(time)


def name_and_time(text: str) -> tuple[str, float]:
    """Read a channel and a time."""
    parts = parted(text, ",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a channel and a time such as photon,1e-6")
    return parts[0], number(parts[1])


def two_names_and_time(text: str) -> tuple[str, str, float]:
    """Read two channels and a time."""
    parts = parted(text, ",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not two channels and a time such as left,right,1e-6")
    return parts[0], parts[1], number(parts[2])


def _gate(text: str) -> tuple[str, float, float]:
    parts = parted(text, ",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not a channel and two times such as laser,2e-9,9e-9")
    return parts[0], number(parts[1]), number(parts[2])
