"""ExactValues: exact values of a model, each computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from functools import cached_property
from typing import Any

import numpy as np

from trajectories import lindblad
from trajectories.blas import one_blas_thread
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput, TrajectoriesError
from trajectories.lindblad.kept_state import known_steady_state
from trajectories.lindblad.pulses.periodic import affordable_periodic_state
from trajectories.lindblad.reduced.kept import Kept
from trajectories.model import OpenSystem
from trajectories.names import spelled
from trajectories.pulse_results import PulseCounts
from trajectories.records.detection_log import Recorded, recorded_detectors
from trajectories.stages import Steps

from ..clicks.inputs import checked_detectors

Compute = Callable[..., Any]
# Why statistics of a steady state have no exact value for a pulsed model.
PULSED = "the model depends on time; exact values of its pulses are under pulses"


class ExactValues:
    """The exact side of an analysis: a system's steady or periodic state, and its detectors.

    Parameters
    ----------
    system : OpenSystem, optional
        The model; without one there are no exact values.
    detectors : mapping of str to Detector, optional
        Detectors by channel; when not given, those in the record's provenance, see `take_detectors_of`. Where one
        has dead time, jitter or afterpulses, only rates and g² have exact values, as far as there are formulae.
    known : mapping of str to anything that JSON holds, optional
        `answers` of an earlier one; they are used where they belong to the same system and detectors.
    kept : dict of str to ndarray, optional
        What earlier computations kept (`read_kept`); what is computed is added.
    announce : callable, optional
        Called with the name of each question before it is computed, which may take seconds.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> exact = tj.analysis.ExactValues(system)
    >>> round(exact.steady.rate("atom"), 4)
    0.4444
    """

    def __init__(
        self,
        system: OpenSystem | None = None,
        detectors: Mapping[str, Detector] | None = None,
        known: Mapping[str, Any] | None = None,
        announce: Callable[[str], None] | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.kept: Kept = {} if kept is None else kept
        self._system = system
        self._given = detectors is not None
        self._known = known
        self._announce = announce or (lambda what: None)
        self._refusal: str | None = None
        self.unanswered: dict[str, str] = {}
        self._steps = Steps("exact values", ())
        self._set_detectors(detectors or {})

    def take_detectors_of(self, record: Recorded) -> None:
        """Take the detectors of this record for all further values, unless others were given."""
        if self._given:
            checked_detectors(record, self._detectors)
            return
        try:
            self._set_detectors(recorded_detectors(record))
        except InvalidInput as error:
            self._refusal = str(error)

    def _set_detectors(self, detectors: Mapping[str, Detector]) -> None:
        self._refusal = None
        self._begun: dict[str, Future[Any]] = {}
        self._detectors = dict(detectors)
        self._about = {
            "digest": None if self._system is None else self._system.digest,
            "detectors": {name: asdict(detector) for name, detector in sorted(detectors.items())},
        }
        same = self._known is not None and self._known.get("about") == self._about
        self._answers: dict[str, Any] = dict(self._known["answers"]) if self._known is not None and same else {}

    @property
    def answers(self) -> dict[str, Any]:
        """Everything that was asked, as JSON holds it, for `known` of another exact side."""
        return {"about": self._about, "answers": self._answers}

    @property
    def system(self) -> OpenSystem | None:
        """The system whose values these are; None without one."""
        return self._system

    @property
    def period(self) -> float | None:
        """The period of the model's drives; None for a model that does not depend on time, or without a period."""
        return None if self._system is None else self._system.period

    @cached_property
    def periodic(self) -> lindblad.PeriodicState:
        """The periodic state."""
        assert self._system is not None
        with one_blas_thread():
            return affordable_periodic_state(self._system)

    @cached_property
    def steady(self) -> lindblad.SteadyState:
        """The steady state."""
        assert self._system is not None
        with one_blas_thread():  # as in `validate`, so that both find the same bits
            return known_steady_state(self._system, self.kept)

    def plan(self, weights: Sequence[float]) -> None:
        """Announce how many questions will follow, with about how long each takes relative to the others."""
        self._steps = Steps("exact values", weights)

    def begin(self, what: str, compute: Compute, *arguments: Any) -> None:
        """Begin to compute what will be asked, beside what is asked before it; `ask` then waits for it."""
        key = self._key(what, compute, arguments)
        constant = self._system is not None and not self._system.depends_on_time
        if constant and self._refusal is None and key not in self._answers and key not in self._begun:
            beside = ThreadPoolExecutor(1)
            detectors = self._detectors or None
            self._begun[key] = beside.submit(compute, self.steady, *arguments, detectors=detectors)
            beside.shutdown(wait=False)

    def ask(self, what: str, compute: Compute, *arguments: Any) -> Any | None:
        """Return compute(steady, *arguments, detectors=detectors) in plain numbers; None where it is not known.

        Parameters
        ----------
        what : str
            The question in a few words; why it has no answer is kept under it in `unanswered`.
        compute : callable
            An exact function whose result is an array, a result with ``.value``, or a list or dictionary of these.
        *arguments
            Further arguments, plain values and arrays.
        """
        if self._system is not None and self._system.depends_on_time:
            self.unanswered[what] = PULSED
            return None
        return self._ask(what, compute, lambda: self.steady, arguments)

    def ask_pulses(self, what: str, compute: Compute, *arguments: Any) -> Any | None:
        """Return compute(periodic, *arguments, detectors=detectors); as `ask`, of a model with a period."""
        if self.period is None:
            return None
        return self._ask(what, compute, lambda: self.periodic, arguments)

    def _ask(
        self, what: str, compute: Compute, state: Callable[[], Any], arguments: tuple[Any, ...]
    ) -> Any | None:
        if self._system is None:
            return None
        if self._refusal is not None:
            self.unanswered[what] = self._refusal
            return None
        key = self._key(what, compute, arguments)
        if key in self._answers:
            self._steps.skip()
        else:
            self._announce(what)
            try:
                with self._steps.next(what):
                    begun = self._begun.pop(key, None)
                    if begun is not None:
                        found = begun.result()
                    else:
                        found = compute(state(), *arguments, detectors=self._detectors or None)
            except TrajectoriesError as error:  # a channel that never clicks, or a detector with dead time
                self.unanswered[what] = str(error)
                return None
            self._answers[key] = _plain(found)
        return self._answers[key]

    @staticmethod
    def _key(what: str, compute: Compute, arguments: tuple[Any, ...]) -> str:
        return f"{what} {compute.__name__}{tuple(_plain(a) for a in arguments)}"


def _plain(value: Any) -> Any:
    """Return numbers, arrays and results with a value as JSON holds them."""
    if isinstance(value, PulseCounts):
        return value.probability.tolist()
    if hasattr(value, "value"):
        return _plain(value.value)
    if isinstance(value, Mapping):
        return {k if isinstance(k, str) else spelled(k, "|"): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
