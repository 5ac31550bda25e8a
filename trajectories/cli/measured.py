"""What commands take to read and correct measured files: options of the reader, and steps in their order."""

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

# Corrections that a record of dark counts needs too.
OF_CHANNELS = ("fine", "rename", "merge", "only")
# Options of the reader, by their name for `load`.
READING = {"unit": "unit", "duration": "duration", "text_tick": "tick", "text_columns": "columns"}


class Step(argparse.Action):
    """Keeps corrections in the order in which they are given."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Add the step to those before it."""
        namespace.steps = [*(getattr(namespace, "steps", None) or []), (self.dest, values)]


def add_measured_options(parser: argparse.ArgumentParser, *, unit: bool = True) -> None:
    """Add the options of measured files to a command; `unit` unless it has such an option of its own."""
    reading = parser.add_argument_group(
        "measured files", "PTU, HT2, HT3, PT2, PT3, TTBIN, Photon-HDF5 of other programs, text in columns"
    )
    if unit:
        reading.add_argument(
            "--unit",
            metavar="U",
            help="unit of all times: s (as given without), ms, us, ns, ps, fs; or the length of 1/ω_b in seconds",
        )
    reading.add_argument("--duration", type=number, metavar="T", help="how long was observed, in that unit")
    reading.add_argument("--markers", action="store_true", help="make channels of the markers")
    reading.add_argument("--text-tick", type=number, metavar="S", help="what whole numbers in text count, in s")
    reading.add_argument(
        "--text-columns", type=_names(2), metavar="T,C", help="columns of time and channel, by name or from 0"
    )
    steps = parser.add_argument_group(
        "corrections", "done in the order given, and noted in the record; times are in its unit"
    )
    parser.set_defaults(steps=[])

    def step(name: str, metavar: str, help: str, read: Callable[[str], Any] | None = None) -> None:
        dest = name[2:].replace("-", "_")
        kind: dict[str, Any] = {"nargs": 0} if read is None else {"type": read, "metavar": metavar}
        steps.add_argument(name, action=Step, dest=dest, help=help, default=argparse.SUPPRESS, **kind)

    step("--fine", "", "unfold synced (T3) data: ticks of the time within the period")
    step("--delay", "C=T", "add T to the times of channel C", _assignment(number))
    step("--rename", "C=NAME", "give channel C another name", _assignment(str))
    step("--only", "A,B", "keep only these channels, in this order", lambda text: tuple(parted(text, ",")))
    step("--merge", "NAME=A,B", "make channels A, B, … one", _assignment(lambda text: parted(text, ",")))
    step("--cut", "T0,T1", "leave out an interval without signal", _numbers(2))
    step("--cut-silence", "T", "leave out stretches longer than T in which nothing clicked", number)
    step("--keep", "T0,T1", "keep only an interval", _numbers(2))
    step("--gate", "C,T0,T1", "keep T0 to T1 behind every click (or marker) of C", _gate)
    step("--gate-between", "A,B", "keep what lies between a click of A and the next of B", _names(2))
    step("--gate-within", "T0,T1", "keep clicks T0 to T1 behind the sync pulse", _numbers(2))
    step("--join", "FILE,T", "join another file of the measurement, started T later", _file_and_time)
    step("--append", "FILE", "add another measurement, as trajectories of its own", str)
    step("--dark", "FILE", "take the dark rates of the detectors from a file without light", str)
    step("--dead-time", "C=T", "drop clicks of C closer than T to the one before", _assignment(number))


def reading_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of `load`."""
    told = {name: getattr(options, dest, None) for dest, name in READING.items()}
    if getattr(options, "markers", False):
        told["markers"] = True
    return {name: value for name, value in told.items() if value is not None}


def corrected(
    record: ClickRecord, steps: Sequence[tuple[str, Any]], told: Mapping[str, Any] | None = None
) -> ClickRecord:
    """Return a record after the steps of the command line; `told` goes to `load` for files joined to it."""
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
            record = corrections.joined([record, load(value[0], **_without_duration(told))], [0.0, value[1]])
        elif name == "append":
            record = corrections.appended(record, load(value, **_without_duration(told)))
        elif name == "dark":
            from trajectories.analysis import dark_detectors

            alike = [step for step in steps[:place] if step[0] in OF_CHANNELS]
            dark = corrected(load(value, **_without_duration(told)), alike, told)
            record = corrections.seen_with(record, dark_detectors(dark))
        elif name == "dead_time":
            record = corrections.with_dead_time(record, dict([value]))
    return record


def _without_duration(told: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return how another file is to be read: as the first, but for as long as it says itself."""
    return {name: value for name, value in (told or {}).items() if name != "duration"}


def with_recorded_dark(record: Any, detectors: dict[str, Detector]) -> dict[str, Detector]:
    """Return detectors given in a file with the dark rates that `--dark` measured, where the file has none.

    Raises
    ------
    InvalidInput
        A channel whose dark rate is given and measured.
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
            raise InvalidInput(f"the dark rate of {name!r} is given and measured (--dark); leave one of them out")
        found[name] = replace(known, dark_rate=known.dark_rate + rate)
    return found


def refuse_for_run(source: str, options: argparse.Namespace) -> None:
    """Refuse what belongs to measured files where a run folder is given."""
    given = [f"--{dest.replace('_', '-')}" for dest in READING if getattr(options, dest, None) is not None]
    given += ["--markers"] if getattr(options, "markers", False) else []
    given += [f"--{name.replace('_', '-')}" for name, _ in getattr(options, "steps", [])]
    if given and Path(source).is_dir():
        raise InvalidInput(f"{given[0]} is for measured files, and {source} is a run folder; leave it out")


def read_in_unit_of(system: Any, options: argparse.Namespace) -> None:
    """Let a measured file be read in the model's unit, where that has a length and no other is asked for."""
    from ..records.formats import is_foreign

    if options.unit is None and system.time_unit.seconds is not None and is_foreign(options.source):
        options.unit = system.time_unit


def require_model_unit(record: Any, options: argparse.Namespace) -> None:
    """Refuse to compare a record in the default unit with a model, whose unit is 1/ω_b."""
    from ..time_units import NATURAL

    if record.unit.name != NATURAL.name and getattr(options, "unit", None) is None:
        raise InvalidInput(
            f"the clicks are in {record.unit.name}, and a model counts in its own unit: give --unit S, the length "
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
            raise argparse.ArgumentTypeError(f"{text!r} is not {count} numbers with commas between")
        return tuple(number(part) for part in parts)

    return numbers


def _names(count: int) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        parts = tuple(parted(text, ","))
        if len(parts) != count:
            raise argparse.ArgumentTypeError(f"{text!r} is not {count} names with a comma between")
        return parts

    return names


def _file_and_time(text: str) -> tuple[str, float]:
    file, separator, time = text.rpartition(",")
    if not separator or not file:
        raise argparse.ArgumentTypeError(f"{text!r} is not a file and a time, as second.ptu,3600")
    return file, number(time)


def name_and_time(text: str) -> tuple[str, float]:
    """Read a channel and a time."""
    parts = parted(text, ",")
    if len(parts) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not a channel and a time, as photon,1e-6")
    return parts[0], number(parts[1])


def two_names_and_time(text: str) -> tuple[str, str, float]:
    """Read two channels and a time."""
    parts = parted(text, ",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not two channels and a time, as left,right,1e-6")
    return parts[0], parts[1], number(parts[2])


def _gate(text: str) -> tuple[str, float, float]:
    parts = parted(text, ",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not a channel and two times, as laser,2e-9,9e-9")
    return parts[0], number(parts[1]), number(parts[2])
