"""DetectionLog: the detectors that were applied to a record, as its provenance keeps them.

``provenance["detectors"]`` is the list of steps, first to last: ``{"seed": 7, "detectors": {"photon":
{"efficiency": 0.3, …}}}``. The seed is not among the channels, since one of them may be named "seed". A detector
is null where no `Detector` describes what was done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Protocol

import numpy as np

from ..checks import finite_number, integer, shown
from ..detectors import Detector
from ..errors import InvalidInput
from ..names import display

NOTED = "detectors"
KEYS = tuple(field.name for field in fields(Detector))
REMEDY = "give detectors= for the record"


class Recorded(Protocol):
    """An object with channel names and a provenance: a `ClickRecord`, or a stream of records."""

    @property
    def channel_names(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def provenance(self) -> dict[str, Any]: ...  # noqa: D102


def recorded_detectors(record: Recorded) -> dict[str, Detector]:
    """Return the detectors that were applied to a record, by channel; ideal ones are left out.

    Raises
    ------
    InvalidInput
        A log that cannot be read, or successive detectors that are not equivalent to a single one.
    """
    return DetectionLog.of(record).together(record.channel_names)


@dataclass(frozen=True)
class DetectionStep:
    """Detectors that were applied together.

    Attributes
    ----------
    detectors : mapping of str to Detector or None
        By channel; None where no `Detector` describes what was done to it.
    seed : int or None
        Seed of their random numbers; None if there are none.
    """

    detectors: Mapping[str, Detector | None]
    seed: int | None = None


@dataclass(frozen=True)
class DetectionLog:
    """The detectors that were applied to a record, step by step.

    Attributes
    ----------
    steps : tuple of DetectionStep
        First to last.
    """

    steps: tuple[DetectionStep, ...] = ()

    @classmethod
    def of(cls, record: Recorded) -> DetectionLog:
        """Read the log from a record's provenance.

        Raises
        ------
        InvalidInput
            The entry in the provenance is something else.
        """
        noted = record.provenance.get(NOTED)
        if noted is None:
            return cls()
        if not isinstance(noted, list | tuple):
            raise InvalidInput(f"the detectors in the provenance are {shown(noted)}, no list of steps; {REMEDY}")
        return cls(tuple(_step(entry) for entry in noted))

    def noted_in(self, provenance: Mapping[str, Any]) -> dict[str, Any]:
        """Return the provenance with this log, in values that JSON can hold."""
        entries = [
            {
                "seed": step.seed,
                "detectors": {n: None if d is None else asdict(d) for n, d in step.detectors.items()},
            }
            for step in self.steps
        ]
        others = {key: value for key, value in provenance.items() if key != NOTED}
        return others | {NOTED: entries} if entries else others

    def followed_by(self, detectors: Mapping[str, Detector | None], seed: int | None = None) -> DetectionLog:
        """Return the log with one more step."""
        return DetectionLog((*self.steps, DetectionStep(dict(detectors), seed)))

    def of_channels(self, channel_names: Sequence[str]) -> DetectionLog:
        """Return the log of these channels alone, without those that a record no longer has."""
        steps = ({n: d for n, d in step.detectors.items() if n in channel_names} for step in self.steps)
        kept = (DetectionStep(of, step.seed) for of, step in zip(steps, self.steps, strict=True) if of)
        return DetectionLog(tuple(kept))

    def renamed(self, names: Mapping[str, str]) -> DetectionLog:
        """Return the log for other names of the channels."""
        return DetectionLog(
            tuple(DetectionStep({names.get(n, n): d for n, d in s.detectors.items()}, s.seed) for s in self.steps)
        )

    def merged(self, channels: Mapping[str, Sequence[str]]) -> DetectionLog:
        """Return the log for merged channels: equal losses stay, dark counts add up."""
        parts = {part for group in channels.values() for part in group}
        steps = []
        for step in self.steps:
            kept = {name: detector for name, detector in step.detectors.items() if name not in parts}
            for name, group in channels.items():
                if any(part in step.detectors for part in group):
                    kept[name] = _common([step.detectors.get(part, Detector()) for part in group])
            steps.append(DetectionStep(kept, step.seed))
        return DetectionLog(tuple(steps))

    def without_seeds(self) -> DetectionLog:
        """Return the log without the seeds, in which records of one set-up do not differ."""
        return DetectionLog(tuple(DetectionStep(dict(step.detectors)) for step in self.steps))

    def together(self, channel_names: Sequence[str]) -> dict[str, Detector]:
        """Return for each of these channels the single detector that is equivalent to all steps.

        Efficiencies multiply, later losses also reduce earlier dark counts, and jitters add in quadrature.

        Raises
        ------
        InvalidInput
            Steps that are not equivalent to a single detector, such as a loss after a dead time.
        """
        found: dict[str, Detector] = {}
        for step in self.steps:
            for name, here in step.detectors.items():
                if name in channel_names:
                    both = None if here is None else _after(found.get(name, Detector()), here)
                    if both is None:
                        raise InvalidInput(
                            f"the detectors of channel {name!r} are not equivalent to a single one; {REMEDY}"
                        )
                    found[name] = both
        return found

    def __str__(self) -> str:
        """Return the steps as text; ideal detectors are left out."""
        return ", then ".join(
            "; ".join(f"{display(name)}: {_as_text(detector)}" for name, detector in step.detectors.items())
            + (f"; seed: {step.seed}" if step.seed is not None else "")
            for step in self.steps
        )


def _after(before: Detector, here: Detector) -> Detector | None:
    """Return the detector that is equivalent to two in succession; None if there is none.

    A detector applies loss, dark counts, dead time with afterpulses, and jitter, in this order.
    """
    if not before.dead_time and not before.jitter and not before.afterpulsing:
        return Detector(
            efficiency=before.efficiency * here.efficiency,
            dark_rate=before.dark_rate * here.efficiency + here.dark_rate,
            dead_time=here.dead_time,
            jitter=here.jitter,
            afterpulsing=here.afterpulsing,
            afterpulse_delay=here.afterpulse_delay,
            paralysable=here.paralysable,
        )
    idle = 0.0 if before.jitter or before.afterpulsing else before.dead_time
    if here.efficiency < 1.0 or here.dark_rate or here.afterpulsing or here.dead_time > idle:
        return None
    return replace(before, jitter=float(np.hypot(before.jitter, here.jitter)))


def _common(parts: Sequence[Detector | None]) -> Detector | None:
    """Return the detector of a channel merged from several; None if they differ or have a dead time."""
    known = [part for part in parts if part is not None]
    first = known[0] if known else Detector()
    alike = all((part.efficiency, part.jitter) == (first.efficiency, first.jitter) for part in known)
    if len(known) < len(parts) or not alike or any(part.dead_time or part.afterpulsing for part in known):
        return None
    return Detector(first.efficiency, sum(part.dark_rate for part in known), 0.0, first.jitter)


def _step(entry: Any) -> DetectionStep:
    """Read one step, or refuse it."""
    if not isinstance(entry, Mapping) or set(entry) != {"seed", "detectors"}:
        raise InvalidInput(f"a step of the detectors in the provenance is {shown(entry)}; {REMEDY}")
    given, seed = entry["detectors"], entry["seed"]
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InvalidInput(f"the detectors in the provenance are {shown(given)}, not by channel; {REMEDY}")
    detectors = {name: None if values is None else _detector(name, values) for name, values in given.items()}
    return DetectionStep(detectors, None if seed is None else integer(seed, "seed of the recorded detectors", 0))


def _detector(name: str, values: Any) -> Detector:
    if not isinstance(values, Mapping) or not set(values) <= set(KEYS):
        raise InvalidInput(f"the detector of {name!r} in the provenance is {shown(values)}; {REMEDY}")
    found: dict[str, Any] = dict(values)
    for key in found.keys() - {"paralysable"}:
        found[key] = finite_number(found[key], f"recorded {key} of {name!r}")
    return Detector(**found)


def _as_text(detector: Detector | None) -> str:
    if detector is None:
        return "several, merged"
    ideal = Detector()
    words = [f"{key} {getattr(detector, key):g}" for key in KEYS if getattr(detector, key) != getattr(ideal, key)]
    return ", ".join(words) or "ideal"
