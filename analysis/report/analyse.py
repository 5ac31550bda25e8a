"""analyse(): every estimator on one record, each beside its exact value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.model import OpenSystem
from trajectories.names import counted, display
from trajectories.records.detection_log import DetectionLog
from trajectories.records.run import Run
from trajectories.results import Estimate
from trajectories.stages import call

from ..clicks.inputs import bundle_channels, bundle_window, pair_of
from ..clicks.streams import Clicks, ClickStream, opened, stream
from ..inference.subject import own_system, require_same_unit
from .analysis_results import AnalysisResults
from .bundle_sections import add_bundles, add_pair, add_purity, begin_bundles
from .click_sections import add_correlations, add_counting, add_rates, add_waits
from .exact_values import ExactValues
from .pulse_sections import add_pulses

# Lags are followed this many mean times between clicks where there is no bundle window.
REACH_IN_WAITS = 3.0
# Channels whose correlations are estimated, those with most clicks: the work grows as n².
MOST_CORRELATED = 6
# About how long the exact values take beside one another: rates and g²; bundle rates, purity, order and lags, both
# heralding efficiencies, and the correlation of bundles; the Fano factor, next clicks and waits for either
# channel.
CURVES, BUNDLES, COUNTS = (1.0, 6.0), (3.0, 2.0, 1.0, 0.5, 1.0, 1.0), (0.5, 0.5, 0.5, 0.5)
Pair = tuple[str, str]


def analyse(
    record: Clicks,
    system: OpenSystem | None = None,
    *,
    pair: Pair | None = None,
    window: float | None = None,
    detectors: Mapping[str, Detector] | None = None,
    exact_values: ExactValues | None = None,
    progress: bool = True,
) -> AnalysisResults:
    """Estimate all statistics of a record, and compare them with the exact values.

    Click rates with a test of their stationarity, g² of all channel pairs, bundle rates, purity against the
    bundle window, heralding, emission order with a test of time reversal, waiting times and counting statistics.
    Of pulsed systems and synced (T3) measurements also what single pulses emit.

    Parameters
    ----------
    record : ClickRecord, Run, or whatever `stream` takes
        The clicks; a run is streamed.
    system : OpenSystem, optional
        The model that the exact values are those of; that of the run when not given, if it started from the steady
        or periodic state.
    pair : tuple of two str, optional
        Channels whose bundles are analysed; those of the most common bundle of two when not given.
    window : float, optional
        Bundle window δ in 1/ω_b; 3/κ when not given. Without either, bundles are left out.
    detectors : mapping of str to Detector, optional
        Detectors by channel; those in the record's provenance when not given.
    exact_values : ExactValues, optional
        Exact values with earlier answers, in place of `system` and `detectors`.
    progress : bool
        Whether to name what takes long, at a terminal and in a notebook.

    Returns
    -------
    AnalysisResults

    Raises
    ------
    InvalidInput
        A bad window, or a pair that is not two different channels that form bundles.

    Examples
    --------
    >>> import numpy as np, trajectories as tj
    >>> rng = np.random.default_rng(1)
    >>> times = np.sort(rng.uniform(0.0, 50.0, (40, 20)), axis=1)
    >>> record = tj.ClickRecord.from_arrays(
    ...     np.repeat(np.arange(40), 20), times.ravel(), rng.integers(0, 2, 800),
    ...     channel_names=["a", "b"], start=np.zeros(40), stop=np.full(40, 50.0),
    ... )
    >>> found = tj.analysis.analyse(record, pair=("a", "b"), window=1.0)
    >>> list(found.sections)[0]
    'click rates'
    """
    clicks = opened(record)
    if exact_values is None:
        if (
            system is None
            and isinstance(clicks, Run)
            and clicks.configuration["initial"] in ("steady", "periodic")
        ):
            system = own_system(clicks)
        exact_values = ExactValues(system, detectors)
    elif system is not None or detectors is not None:
        raise InvalidInput("exact_values= has its own system and detectors; give these, or leave it out")
    found = stream(clicks)
    if exact_values.system is not None:
        require_same_unit(found.unit, exact_values.system)
    with call("estimates", progress):
        return _analysed(found, exact_values, pair, window)


def _analysed(
    record: ClickStream, exact_values: ExactValues, pair: Pair | None, window: float | None
) -> AnalysisResults:
    """Make the analysis of a stream."""
    exact_values.take_detectors_of(record)
    delta, names = _bundling(record, window)
    if pair is not None:
        pair_of(names, pair)
        if delta is None:
            raise InvalidInput(
                "a pair needs a bundle window, but the record names no kappa for 3/kappa; give window"
            )
    exact_values.plan([*CURVES, *(BUNDLES if delta is not None else ()), *COUNTS])
    found = AnalysisResults(facts=_facts(record), window=delta, unit=record.unit)
    found.notes.extend(str(note) for note in record.provenance.get("notes", []))
    counted = add_rates(found, record, exact_values)
    clicks = {name: estimate.n for name, estimate in counted.items()}
    total = sum(counted[name].value for name in names)
    if not len(record):
        return replace(found, notes=[*found.notes, "no clicks, so that nothing else can be estimated"])
    reach = REACH_IN_WAITS * record.total_time / len(record) if delta is None else delta
    detected = [name for name in names if clicks[name]]
    if delta is not None and detected:
        begin_bundles(exact_values, delta, names)
    correlated = _most_frequent(found, record, clicks)
    add_correlations(found, record, exact_values, correlated, reach)
    add_pulses(found, record, exact_values, correlated, names, pair)
    if delta is not None and detected:
        compositions = add_bundles(found, record, exact_values, delta, names)
        add_purity(found, record, exact_values, delta, names, total)
        pair = pair or _most_common(compositions)
        if pair is not None:
            found = replace(found, pair=pair)
            add_pair(found, record, exact_values, pair, delta, names)
    elif delta is None:
        found.notes.append("no bundles: neither a window nor a kappa for 3/kappa is given")
    add_counting(found, record, exact_values, names, reach)
    if detected:
        busiest = max(detected, key=lambda name: clicks[name])
        add_waits(found, record, exact_values, pair or (busiest, busiest), names, reach, total)
    for why in dict.fromkeys(exact_values.unanswered.values()):
        questions = dict.fromkeys(what for what, reason in exact_values.unanswered.items() if reason == why)
        found.notes.append(f"no exact {', '.join(questions)}: {why}")
    return found


def _bundling(record: ClickStream, window: float | None) -> tuple[float | None, tuple[str, ...]]:
    """Return the bundle window, if there is one, and the channels that are analysed together."""
    try:
        names = bundle_channels(record, None)
    except InvalidInput:  # only atoms
        names = record.channel_names
    try:
        return bundle_window(record, window), names
    except InvalidInput:
        if window is not None:
            raise
        return None, names


def _most_frequent(found: AnalysisResults, record: ClickStream, clicks: Mapping[str, int]) -> list[str]:
    """Return the channels that click, in order; of many those with most clicks, and a note of what is left out."""
    clicking = [name for name in record.channel_names if clicks[name]]
    if len(clicking) <= MOST_CORRELATED:
        return clicking
    kept = sorted(clicking, key=lambda name: -clicks[name])[:MOST_CORRELATED]
    found.notes.append(
        f"g² of the {MOST_CORRELATED} most frequent of {len(clicking)} channels; estimate others with analysis.g2"
    )
    return [name for name in clicking if name in kept]


def _facts(record: ClickStream) -> dict[str, str]:
    facts = {
        "clicks": f"{len(record)} in {', '.join(map(display, record.channel_names))}",
        "observed": counted(record.n_trajectories, "trajectory", "trajectories")
        + f", {record.unit.of(f'{record.total_time:.6g}')} in all",
    }
    if record.tick is not None:
        facts["ticks"] = record.unit.of(f"{record.tick:.9g}")
    for step in record.provenance.get("corrections", []):
        facts["corrected"] = "; ".join(filter(None, [facts.get("corrected"), _spelled_step(step)]))
    configuration = record.provenance.get("configuration") or {}
    for name in ("digest", "run_id"):
        value = record.provenance.get(name) or configuration.get(name)
        if value:
            facts[name.replace("_", " ")] = str(value)[:16]
    log = DetectionLog.of(record)
    if log.steps:
        facts["detectors"] = str(log)
    return facts


def _spelled_step(step: Mapping[str, Any]) -> str:
    """Return a correction in words."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in step.items())


def _most_common(compositions: Mapping[tuple[str, ...], Estimate]) -> Pair | None:
    """Return the two channels of the commonest bundle of one click in each; None if there is none."""
    pairs = {members: e.n for members, e in compositions.items() if len(members) == len(set(members)) == 2 and e.n}
    if not pairs:
        return None
    first, second = max(pairs, key=lambda members: pairs[members])
    return first, second
