"""validate(): every estimator of a record against its exact value, and the record against its own filter."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories import lindblad
from trajectories.blas import one_blas_thread
from trajectories.checks import positive_number, shown, window_of
from trajectories.detectors import Detector
from trajectories.engine.replay.replay import Replay
from trajectories.errors import ConvergenceError, InvalidInput, RecordWarning
from trajectories.lindblad.detector_memory.memory import without_memory
from trajectories.lindblad.kept_state import known_steady_state
from trajectories.lindblad.pulses.periodic import affordable_periodic_state
from trajectories.model import OpenSystem
from trajectories.model.states import InitialStates, initial_states
from trajectories.records.clicks import ClickRecord
from trajectories.stages import call, staged

from ..clicks.inputs import bundle_channels, checked_detectors, pair_of
from ..clicks.streams import Clicks
from ..statistics.goodness_of_fit import (
    channel_choice,
    holm,
    rare_clicks,
    rescaled_time,
    serial_independence,
    total_hazard,
)
from ..statistics.resampling import TestResult
from .background import in_background
from .exact_setting import LEAST_EVENTS, LEAST_GROUPS, Comparisons, setting_of
from .exact_tests import compare_curves, compare_rates
from .pulse_tests import pulse_tests
from .replay import replay
from .subject import Subject, subject_of
from .validation_results import SIGNIFICANCE, Validation, ValidationTest

# Click rates that differ by more than this factor are in different units.
OTHER_UNIT = 1e3
# Name of the test that alone, of a record as dark as predicted, says nothing.
RARE = "rare clicks"


def validate(
    record: Clicks,
    system: OpenSystem | None = None,
    *,
    pair: tuple[str, str] | None = None,
    window: float | None = None,
    initial: Any = None,
    detectors: Mapping[str, Detector] | None = None,
    significance: float = SIGNIFICANCE,
    kept: dict[str, NDArray[Any]] | None = None,
    progress: bool = True,
) -> Validation:
    """Test whether a record can have come from a system.

    Two kinds of tests, joined by Holm's correction. *Estimates* against exact values, by Student's t or
    Hotelling's T² with resampled covariances: click rates, g² of every pair of channels, waiting times and next
    clicks, Fano factor, and of bundles the rates by order, purity, share of the pair, order, lags and correlation.
    Bins are chosen from what the system predicts, so that each expects at least 50 events, and what is expected to
    rest on fewer than 50 independent groups of clicks is left out and named. *The filter*: replayed
    through the system, the survival probabilities of the gaps must be uniform (Kolmogorov and Smirnov) and
    independent, clicks as many as predicted, and channels chosen with the predicted probabilities (χ²); the
    number of clicks in channels that hardly click, and of few clicks in all, by a bound for any process.

    Of a system with a period the estimates are those of single pulses: joint counts, and when clicks come.

    Parameters
    ----------
    record : ClickRecord, Run, or whatever `stream` takes
        The clicks; a run or its path is best, because it keeps its system and how it started.
    system : OpenSystem, optional
        The hypothesised model; that of the run when not given.
    pair : tuple of two str, optional
        Channels whose bundles are tested; the most frequent pair when not given.
    window : float, optional
        Bundle window δ in 1/ω_b; 3/κ of the record's parameters, or of the system's, when not given.
    initial : {"steady"}, or whatever `simulate` takes, optional
        State at the start of every trajectory: the steady state, or a ket, density matrix or mixture, with
        which only the filter is used, because the exact curves are those of a stationary record. When not given,
        the start of the run, or steady unless the record's provenance says otherwise.
    detectors : mapping of str to Detector, optional
        Detectors by channel; those in the record's provenance when not given. The filter takes loss, dark counts,
        dead time and small jitter; of detectors with memory, estimates are tested as far as there is a formula
        (rates, and g² but for dead time).
    significance : float
        Probability of rejecting a record that did come from the system, all tests together.
    kept : dict of str to ndarray, optional
        What exact computations for the system kept, as an analysis leaves it; what is computed is added.
    progress : bool
        Whether to name what takes long, at a terminal and in a notebook.

    Returns
    -------
    Validation

    Raises
    ------
    InvalidInput
        A channel that the system lacks, bad pair, window, state, detectors or significance, a record that did not
        start from the steady state and no `initial`, or a record too small for any test.

    Notes
    -----
    The exact curves of the paper's system take some ten seconds up to N = 2000 (`lindblad.solver.Solver`);
    the record is replayed meanwhile.

    Examples
    --------
    >>> import trajectories as tj
    >>> sigma = tj.HilbertSpace(atom=2).lower("atom")
    >>> system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)])
    >>> record = tj.simulate(system, trajectories=20, duration=100.0, seed=1, progress=False)
    >>> tj.analysis.validate(record, system).accepted
    True
    """
    level = _checked_level(significance)
    with call("validation", progress):
        return _validated(subject_of(record, system, initial), pair, window, detectors, level, kept)


def _validated(
    subject: Subject,
    pair: tuple[str, str] | None,
    window: float | None,
    detectors: Mapping[str, Detector] | None,
    level: float,
    kept: dict[str, NDArray[Any]] | None,
) -> Validation:
    """Make all tests."""
    clicks, model = subject.record, subject.system
    if model.depends_on_time:
        if pair is not None or window is not None:
            raise InvalidInput("pair and window are for bundles of constant systems; leave them out for pulses")
        return _validate_pulses(subject, detectors, level)
    for name in clicks.channel_names:
        if name not in model.channel_names:
            raise InvalidInput(
                f"the clicks have a channel named {name!r}, and the model {', '.join(model.channel_names)}; "
                "rename it with corrections.renamed, or leave it out with corrections.selected"
            )
    if pair is not None:
        pair_of(bundle_channels(clicks, None), pair)
    delta = _window(clicks, model, window)
    if pair is not None and delta is None:
        raise InvalidInput("pair= needs a bundle window, and neither record nor system names a κ; give window=")
    watching = checked_detectors(clicks, detectors)
    start = _start(clicks, model, subject.initial)
    with one_blas_thread():
        steady = known_steady_state(model, {} if kept is None else kept) if start is None else None
        state = steady if steady is not None else start
        unfiltered: list[str] = []
        # Runs beside the exact values, which leave a processor idle most of the time.
        filtered = in_background(lambda: _filter(subject, state, watching, unfiltered))
        untested: list[str] = []
        found: dict[str, TestResult] = {}
        if steady is None:
            untested.append("estimates: the record does not start from the steady state")
        else:
            _warn_of_unit(clicks, steady, watching)
            setting = setting_of(clicks, steady, watching, delta, pair)
            comparisons = [compare_rates(setting)]
            comparisons.append(compare_curves(setting))
            if delta is None:
                untested.append("bundles: no window, and no κ to take 3/κ from")
            found |= _estimates(clicks, comparisons, untested)
        found |= filtered()
        untested += unfiltered
    return _conclude(found, untested, level, clicks)


def _validate_pulses(subject: Subject, detectors: Mapping[str, Detector] | None, level: float) -> Validation:
    """Test a record of a system that depends on time: pulses against their exact values, and the filter."""
    clicks, model = subject.record, subject.system
    watching = checked_detectors(clicks, detectors)
    found: dict[str, TestResult] = {}
    untested: list[str] = []
    given = subject.initial
    recorded = (clicks.provenance.get("configuration") or {}).get("initial")
    steady = given == "steady" if isinstance(given, str) else given is None and recorded in (None, "periodic")
    with one_blas_thread():
        if steady:
            if model.period is None:
                raise InvalidInput(
                    "a system that depends on time without a period has no steady state; give initial="
                )
            try:
                periodic = affordable_periodic_state(model)
            except ConvergenceError as error:
                sample = None if subject.compiled is None else subject.compiled.get("start_sample")
                if sample is None:
                    raise
                untested.append(f"estimates: {error}")
                # Every trajectory then begins in one of some states of which the periodic state is the average.
                state = initial_states(InitialStates(sample, np.ones(len(sample)) / len(sample)), model.dimension)
            else:
                state = initial_states(periodic.rho, model.dimension)
                found |= pulse_tests(clicks, periodic, watching, untested)
        else:
            if given is None:
                raise InvalidInput("the record did not start from the periodic state; give initial=")
            state = initial_states(given, model.dimension)
            untested.append("estimates: the record does not start from the periodic state")
        found |= _filter(subject, state, watching, untested)
    return _conclude(found, untested, level, clicks)


def _warn_of_unit(record: ClickRecord, steady: lindblad.SteadyState, detectors: Mapping[str, Detector]) -> None:
    """Warn where measured clicks come so much more or less often than predicted that the unit must be another."""
    if record.clock is None and record.unit.seconds is None:
        return
    exact = lindblad.rates(steady, without_memory(detectors))
    predicted = sum(exact[name].value for name in record.channel_names)
    seen = len(record) / record.total_time
    if seen > 0 and predicted > 0 and abs(np.log(seen / predicted)) > np.log(OTHER_UNIT):
        warnings.warn(
            f"{seen:.3g} clicks per {record.unit.name}, but {predicted:.3g} per unit of time of the model; load "
            "the clicks with unit=, the length of the model's unit in seconds",
            RecordWarning,
            stacklevel=3,
        )


@staged("tests of the estimates")
def _estimates(record: ClickRecord, comparisons: list[Comparisons], untested: list[str]) -> dict[str, TestResult]:
    """Make the tests of the estimates; those with too few events or without an error are added to `untested`."""
    found, scarce, grouped, crowded, unknown, unsure = {}, [], [], [], [], []
    for comparison in comparisons:
        scarce += comparison.scarce
        grouped += comparison.grouped
        crowded += comparison.crowded
        unknown += comparison.unknown
        for name, test in comparison.tests.items():
            result = test(record)
            if np.isfinite(result.p_value):
                found[name] = result
            else:
                unsure.append(name)
    if scarce:
        untested.append(f"fewer than {LEAST_EVENTS:g} events expected: {', '.join(scarce)}")
    if grouped:
        untested.append(f"fewer than {LEAST_GROUPS:g} independent groups of clicks expected: {', '.join(grouped)}")
    if crowded:
        untested.append(f"too many channels to compare all: {', '.join(crowded)}")
    if unknown:
        untested.append(f"no exact value with dead time, jitter or afterpulses: {', '.join(unknown)}")
    if unsure:
        untested.append(f"too little record for an error bar: {', '.join(unsure)}")
    return found


@staged("replaying the record")
def _filter(
    subject: Subject,
    state: lindblad.SteadyState | InitialStates | None,
    detectors: Mapping[str, Detector],
    untested: list[str],
) -> dict[str, TestResult]:
    """Replay the record and make the tests of the filter."""
    assert state is not None
    try:
        replayed = replay(subject.record, subject.system, state, detectors=detectors, compiled=subject.compiled)
    except (InvalidInput, ConvergenceError) as error:
        untested.append(f"filter: {error}")
        return {}
    return filter_tests(replayed, untested)


def filter_tests(replayed: Replay, untested: list[str] | None = None) -> dict[str, TestResult]:
    """Return the tests of a replayed record by name; reasons for leaving some out are added to `untested`."""
    clicks = len(replayed.channel)
    found: dict[str, TestResult] = {}
    if replayed.forbidden.any():
        count = int(replayed.forbidden.sum())
        return {"possible clicks": TestResult(float("inf"), 0.0, clicks, f"{count} trajectories are impossible")}
    if replayed.hazard.sum() >= LEAST_EVENTS:
        found["number of clicks"] = total_hazard(replayed.hazard, clicks)
    if clicks >= LEAST_EVENTS:
        found["time rescaling"] = rescaled_time(replayed.rescaled_gaps)
        found["independence of gaps"] = serial_independence(replayed.rescaled_gaps)
    elif untested is not None:
        untested.append(f"time rescaling: {clicks} clicks, fewer than {LEAST_EVENTS:g}")
    rare = rare_clicks(replayed.hazard, replayed.probability, replayed.channel)
    if rare is not None:
        found[RARE] = rare
    if len(replayed.channel_names) > 1 and clicks:
        choice = channel_choice(replayed.probability, replayed.channel)
        if np.isfinite(choice.p_value):
            found["channels"] = choice
        elif untested is not None:
            untested.append("channels: too few clicks whose channel was uncertain")
    return found


def _conclude(
    found: Mapping[str, TestResult], untested: list[str], significance: float, record: ClickRecord
) -> Validation:
    if not found or (set(found) == {RARE} and found[RARE].p_value == 1.0):
        raise InvalidInput(f"nothing could be tested: {'; '.join(untested)}; give a longer record")
    adjusted = holm([result.p_value for result in found.values()])
    tests = tuple(
        ValidationTest(name, result.statistic, result.p_value, float(p), result.n, result.method)
        for (name, result), p in zip(found.items(), adjusted, strict=True)
    )
    return Validation(tests, tuple(untested), significance, record.n_trajectories, len(record))


def _checked_level(significance: float) -> float:
    level = positive_number(significance, "significance")
    if level >= 1.0:
        raise InvalidInput(f"significance={level:g} must lie between 0 and 1")
    return level


def _window(record: ClickRecord, system: OpenSystem, window: float | None) -> float | None:
    """Return the bundle window, or None where neither the record nor the system has a κ to take it from."""
    if window is not None:
        return window_of({}, window, "the record or the system")
    for parameters in (record.provenance.get("parameters"), system.parameters):
        if isinstance(parameters, Mapping) and parameters.get("kappa") is not None:
            return window_of(parameters, None, "the record or the system")
    return None


def _start(record: ClickRecord, system: OpenSystem, initial: Any) -> InitialStates | None:
    """Return the state that every trajectory starts in; None for the steady state."""
    if initial is None:
        recorded = (record.provenance.get("configuration") or {}).get("initial", "steady")
        if recorded != "steady":
            raise InvalidInput(
                "the record did not start from the steady state; give initial= ('steady' if it has settled)"
            )
        return None
    if isinstance(initial, str):
        if initial != "steady":
            raise InvalidInput(f"initial={shown(initial)} must be 'steady', a ket or a density matrix")
        return None
    return initial_states(initial, system.dimension)
