"""analyse(): every estimator on one record, each beside its exact value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories import lindblad
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.model import OpenSystem
from trajectories.names import ByChannels, display, spelled
from trajectories.records.detection_log import DetectionLog
from trajectories.records.run import Run
from trajectories.results import Correlation, Estimate, Histogram
from trajectories.stages import staged

from ..clicks.exposure import exposure_of
from ..clicks.inputs import bundle_channels, bundle_window, two_of
from ..clicks.streams import Clicks, ClickStream, opened, stream
from ..clicks.ticks import whole_tick_edges
from ..estimators.bundle_rates import composition_rates, pair_purity, purity_pooled
from ..estimators.correlations import count_pairs
from ..estimators.counting import fano_pooled, rate_history, rates, stationarity
from ..estimators.detector_effects import find_delay
from ..estimators.heralding import coincidence_to_accidental, heralding_efficiency
from ..estimators.ordering import (
    asymmetry_by_lag,
    lag_histogram_pooled,
    order_asymmetry,
    order_fraction,
    time_reversal_test,
)
from ..estimators.pulses import decay_histogram, fit_decay, pulsed_g2
from ..estimators.waiting import next_click_probabilities, waiting_times_pooled
from ..inference.subject import own_system
from ..statistics.resampling import Pooled
from .analysis_results import AnalysisResults, Check, Curve, Number, Scan
from .exact_values import ExactValues

# Pulses among which a cable is looked for.
PULSES_SEARCHED = 30
# Bins of g² and of the lags on each side of 0, of the waiting times, and windows of the Fano curve.
SIDE_BINS, WAIT_BINS, FANO_WINDOWS = 20, 30, 10
# Edges of the times between bundles, in units of δ.
LATER = np.array([1.0, 1.5, 2.0, 3.0, 4.0])
# Bundle windows of the purity scan in units of δ; exact values, slow to compute, at every other one up to 2δ.
PURITY_WINDOWS = 2.0 ** (np.arange(-8, 5) / 2.0)
LONGEST_EXACT = 2.0
# Lags are followed this many mean times between clicks where there is no bundle window.
REACH_IN_WAITS = 3.0
# Windows of the Fano curve, shortest in units of the reach, longest of the shortest trajectory.
SHORTEST_COUNT, LONGEST_COUNT = 0.2, 0.05
# Channels of which correlations are estimated (the busiest), bundle rates are exact, and stationarity is tested:
# the work grows as n².
MOST_CORRELATED, MOST_BUNDLED, MOST_TESTED = 6, 30, 30
# Mean waits that a window must hold for practically every wait to be seen to its end.
LONG = 30.0
Pair = tuple[str, str]


def analyse(
    record: Clicks,
    system: OpenSystem | None = None,
    *,
    pair: Pair | None = None,
    window: float | None = None,
    detectors: Mapping[str, Detector] | None = None,
    exact_values: ExactValues | None = None,
) -> AnalysisResults:
    """Estimate all statistics of a record, and compare them with the exact values.

    Click rates with a test of their stationarity, g² of all channel pairs, bundle rates, purity against the
    bundle window, heralding, emission order with a test of time reversal, waiting times and counting statistics.

    Parameters
    ----------
    record : ClickRecord, Run, or whatever `stream` takes
        The clicks; a run is streamed.
    system : OpenSystem, optional
        The model that the exact values are those of; that of the run when not given, if it started from the steady
        state.
    pair : tuple of two str, optional
        Channels whose bundles are looked at; those of the commonest bundle of two when not given.
    window : float, optional
        Bundle window δ in 1/ω_b; 3/κ when not given. Without either, bundles are left out.
    detectors : mapping of str to Detector, optional
        What the clicks were seen with; what the record says itself when not given.
    exact_values : ExactValues, optional
        Exact values that remember earlier answers, in the place of `system` and `detectors`.

    Returns
    -------
    AnalysisResults

    Raises
    ------
    InvalidInput
        A bad window, or a pair that is no two different channels that form bundles.

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
        if system is None and isinstance(clicks, Run) and clicks.configuration["initial"] == "steady":
            system = own_system(clicks)
        exact_values = ExactValues(system, detectors)
    elif system is not None or detectors is not None:
        raise InvalidInput("exact_values= brings its own system and detectors; give those or these")
    return _analysed(stream(clicks), exact_values, pair, window)


@staged("estimates")
def _analysed(
    record: ClickStream, exact_values: ExactValues, pair: Pair | None, window: float | None
) -> AnalysisResults:
    """Make the analysis of a stream."""
    exact_values.look_at(record)
    delta, names = _bundling(record, window)
    if pair is not None:
        two_of(names, *pair)
        if delta is None:
            raise InvalidInput(
                "a pair needs a bundle window, but the record names no kappa for 3/kappa; give window"
            )
    found = AnalysisResults(facts=_facts(record), window=delta, unit=record.unit)
    found.notes.extend(str(note) for note in record.provenance.get("notes", []))
    counted = _rates(found, record, exact_values)
    clicks = {name: estimate.n for name, estimate in counted.items()}
    total = sum(counted[name].value for name in names)
    if not len(record):
        return replace(found, notes=[*found.notes, "no clicks, so there is nothing more to say"])
    reach = REACH_IN_WAITS * record.total_time / len(record) if delta is None else delta
    _correlations(found, record, exact_values, _busiest(found, record, clicks), reach)
    _pulses(found, record, [name for name in record.channel_names if clicks[name]])
    detected = [name for name in names if clicks[name]]
    if delta is not None and detected:
        compositions = _bundles(found, record, exact_values, delta, names)
        _purity(found, record, exact_values, delta, names, total)
        pair = pair or _commonest(compositions)
        if pair is not None:
            found = replace(found, pair=pair)
            _pair(found, record, exact_values, pair, delta, names)
    elif delta is None:
        found.notes.append("no bundles: neither a window nor a kappa for 3/kappa is given")
    _counting(found, record, exact_values, names, reach)
    if detected:
        busiest = max(detected, key=lambda name: clicks[name])
        _waits(found, record, exact_values, pair or (busiest, busiest), names, reach, total)
    for why in dict.fromkeys(exact_values.silent.values()):
        questions = dict.fromkeys(what for what, reason in exact_values.silent.items() if reason == why)
        found.notes.append(f"no exact {', '.join(questions)}: {why}")
    return found


def _bundling(record: ClickStream, window: float | None) -> tuple[float | None, tuple[str, ...]]:
    """Return the bundle window, if there is one, and the channels that are looked at together."""
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


def _busiest(found: AnalysisResults, record: ClickStream, clicks: Mapping[str, int]) -> list[str]:
    """Return the channels that click, in order; of many those with most clicks, and a note of what is left out."""
    clicking = [name for name in record.channel_names if clicks[name]]
    if len(clicking) <= MOST_CORRELATED:
        return clicking
    kept = sorted(clicking, key=lambda name: -clicks[name])[:MOST_CORRELATED]
    found.notes.append(
        f"g² of the {MOST_CORRELATED} busiest of {len(clicking)} channels; estimate others with analysis.g2"
    )
    return [name for name in clicking if name in kept]


def _facts(record: ClickStream) -> dict[str, str]:
    facts = {
        "clicks": f"{len(record)} in {', '.join(map(display, record.channel_names))}",
        "observed": f"{record.n_trajectories} trajectories, {record.unit.of(f'{record.total_time:.6g}')} in all",
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


def _rates(found: AnalysisResults, record: ClickStream, exact_values: ExactValues) -> dict[str, Estimate]:
    """Add the click rates, their tests and their histories; return the rate of every channel."""
    exact = exact_values.ask("click rates", lindblad.rates) or {}
    counted = rates(record)
    tested = sorted(counted, key=lambda name: -counted[name].n)[:MOST_TESTED]
    if len(tested) < len(counted):
        found.notes.append(f"stationarity of the {MOST_TESTED} busiest of {len(counted)} channels")
    for name, estimate in counted.items():
        found.numbers.append(Number("click rates", display(name), estimate, exact.get(name), record.unit.rate))
        if estimate.n and name in tested:
            found.checks.append(Check("click rates", f"{display(name)} stationary", stationarity(record, name)))
    time, history = rate_history(record)
    points = tuple(time.tolist())
    found.scans["rates"] = {
        (name,): Scan(f"rate of {display(name)}", points, tuple(values), _repeated(exact.get(name), points), None)
        for name, values in history.items()
        if values[-1].n
    }
    return counted


def _correlations(
    found: AnalysisResults, record: ClickStream, exact_values: ExactValues, names: Sequence[str], reach: float
) -> None:
    """Add g² of all pairs of channels that click, and its values next to lag 0."""
    edges = _lag_edges(record, reach)
    pairs = list(combinations_with_replacement(names, 2))
    counted = count_pairs(record, pairs, edges)
    exact: dict[str, Any] = {}
    if len(record.channel_names) <= MOST_BUNDLED:
        exact = exact_values.ask("g² of all pairs", lindblad.g2_matrix, edges) or {}
    else:
        for pair in pairs:
            exact[spelled(pair, "|")] = exact_values.ask("g²", lindblad.g2, *pair, edges)
    curves = found.curves.setdefault("g2", {})
    for first, second in pairs:
        key, estimate = spelled((first, second), "|"), counted.correlation(first, second)
        known = None
        if exact.get(key) is not None:
            values = np.array(exact[key])
            nothing = np.zeros(len(values))
            known = Correlation(first, second, edges, values, nothing, nothing.astype(np.int64))
        words = (display(first), display(second))
        critical = counted.pooled(first, second).jackknife().critical_value()
        curves[first, second] = Curve(f"g² of {words[0]} and {words[1]}", estimate, known, _finite(critical))
        for b, sign in ((SIDE_BINS, "⁺"),) if first == second else ((SIDE_BINS - 1, "⁻"), (SIDE_BINS, "⁺")):
            value = Estimate(
                estimate.value[b], estimate.standard_error[b], int(estimate.counts[b]), estimate.method
            )
            name = f"{words[0]}, {words[1]}: 0{sign}"
            section = f"g², first {record.unit.of(f'{edges[SIDE_BINS + 1]:g}')} on either side of 0"
            found.numbers.append(Number(section, name, value, None if known is None else float(known.value[b])))


def _bundles(
    found: AnalysisResults, record: ClickStream, exact_values: ExactValues, delta: float, names: tuple[str, ...]
) -> ByChannels[Estimate]:
    """Add the rates of bundles of one and two clicks; return them."""
    section = f"bundles, δ = {record.unit.of(f'{delta:g}')}"
    few = len(names) <= MOST_BUNDLED
    estimates = composition_rates(record, delta, names, max_size=2 if few else None)
    exact = (exact_values.ask("bundle rates", lindblad.composition_rates, delta, names, 2) if few else None) or {}
    if not few:
        found.notes.append(f"no exact bundle rates: {len(names)} channels are more than {MOST_BUNDLED}")
    for members, estimate in estimates.items():
        if estimate.n and len(members) <= 2:
            known = exact.get(spelled(members, "|"))
            found.numbers.append(
                Number(section, " + ".join(map(display, members)), estimate, known, record.unit.rate)
            )
    return estimates


def _commonest(compositions: Mapping[tuple[str, ...], Estimate]) -> Pair | None:
    """Return the two channels of the commonest bundle of one click in each; None if there is none."""
    pairs = {members: e.n for members, e in compositions.items() if len(members) == len(set(members)) == 2 and e.n}
    if not pairs:
        return None
    first, second = max(pairs, key=lambda members: pairs[members])
    return first, second


def _pair(
    found: AnalysisResults,
    record: ClickStream,
    exact_values: ExactValues,
    pair: Pair,
    delta: float,
    names: tuple[str, ...],
) -> None:
    """Add what is known of the bundles of two channels: their share, how they herald each other, their order."""
    first, second = pair
    one, other = display(first), display(second)
    edges = _lag_edges(record, delta)
    exact = exact_values.ask("order and lags of the pair", _pair_exact, first, second, edges, delta, names) or {}
    section = f"{one}–{other} bundles, δ = {record.unit.of(f'{delta:g}')}"
    add = found.numbers.append
    add(Number(section, "pair purity", pair_purity(record, *pair, delta, names), exact.get("purity")))
    for herald, signal in (pair, pair[::-1]):
        estimate = heralding_efficiency(record, herald, signal, delta)
        known = exact_values.ask(
            f"{display(herald)} heralding", lindblad.heralding_efficiency, herald, signal, delta
        )
        add(Number(section, f"{display(herald)} heralds {display(signal)} within ±δ", estimate, known))
    curve = found.curves["g2"].get((first, second)) or found.curves["g2"].get((second, first))
    accidental = coincidence_to_accidental(record, *pair, delta)
    # Weighted as in the estimate, by the time in which a pair of that lag could be seen.
    weight = exposure_of(record, 0.0).at(np.abs(0.5 * (edges[1:] + edges[:-1])))
    known = None if curve is None or curve.exact is None else float(np.average(curve.exact.value, weights=weight))
    add(Number(section, "coincidences/accidentals, C/A", accidental, known))
    order = exact.get("order")
    add(Number(section, f"{one} first", order_fraction(record, *pair, delta, names), order))
    asymmetry = order_asymmetry(record, *pair, delta, names)
    # `validate` asks this next; here the model is available, and intermediate results are kept.
    exact_values.ask("bundle correlation", lindblad.cluster_g2, pair, pair, delta * LATER, delta, names)
    add(Number(section, "order asymmetry", asymmetry, None if order is None else 2.0 * order - 1.0))
    reversal = time_reversal_test(record, *pair, edges[SIDE_BINS:], delta, names)
    found.checks.append(Check(f"{one}–{other} bundles", "time reversal", reversal))
    pooled = lag_histogram_pooled(record, *pair, edges, delta, names)
    lags = exact.get("lags")
    found.curves["lags"] = {pair: _curve(f"lag of {other} after {one}", pooled, edges, lags)}
    by_lag = asymmetry_by_lag(record, *pair, edges[SIDE_BINS:], delta, names)
    known_asymmetry = None
    if lags is not None:
        forward, backward = np.array(lags[SIDE_BINS:]), np.array(lags[:SIDE_BINS][::-1])
        known_asymmetry = _exact_bins(by_lag.edges, (forward - backward) / (forward + backward))
    found.curves["asymmetry"] = {pair: Curve("order asymmetry", by_lag, known_asymmetry, None)}


def _pair_exact(steady: Any, first: str, second: str, edges: Any, delta: float, names: Any, detectors: Any) -> Any:
    from trajectories.lindblad.click_statistics.ordering import bundles_and_lags

    bundles, lags = bundles_and_lags(steady, first, second, edges, delta, names, detectors)
    return {"purity": bundles.purity, "order": bundles.order_fraction, "lags": lags}


def _purity(
    found: AnalysisResults,
    record: ClickStream,
    exact_values: ExactValues,
    delta: float,
    names: tuple[str, ...],
    total: float,
) -> None:
    """Add the purities of one and of two clicks against the bundle window."""
    longest = float((record.stop - record.start).max())
    windows = [float(delta * w) for w in PURITY_WINDOWS if 2.0 * delta * w < longest]
    if not windows:
        return
    asked = [k for k, w in enumerate(windows) if k % 2 == 0 and w <= LONGEST_EXACT * delta * (1 + 1e-9)]
    exact = np.full((2, len(windows)), np.nan)
    known = exact_values.ask("purity", _purity_exact, [windows[k] for k in asked], names)
    if known is not None:
        exact[:, asked] = np.array(known)
    scans = found.scans.setdefault("purity", {})
    for n in (1, 2):
        resampled = purity_pooled(record, n, windows, names).jackknife()
        accidental = tuple(e.value for e in lindblad.accidental_purity(total, n, windows))
        estimates = tuple(resampled.estimates())
        critical = _finite(resampled.critical_value())
        row = None if known is None else tuple(exact[n - 1].tolist())
        scans[(str(n),)] = Scan(f"purity of {n}", tuple(windows), estimates, row, critical, accidental)
        at = int(np.argmin(np.abs(np.array(windows) - delta)))
        if np.isclose(windows[at], delta):
            section = f"bundles, δ = {record.unit.of(f'{delta:g}')}"
            value = None if known is None else float(exact[n - 1, at])
            found.numbers.append(Number(section, f"purity π{'₁₂'[n - 1]}", estimates[at], value))
            level = Estimate(accidental[at], method="Poisson stream of the estimated rate")
            found.numbers.append(Number(section, f"accidental π{'₁₂'[n - 1]}", level))


def _purity_exact(steady: Any, windows: Any, names: Any, detectors: Any) -> NDArray[np.float64]:
    total = sum(rate.value for name, rate in lindblad.rates(steady, detectors).items() if name in names)
    rows = [[e.value for e in lindblad.cluster_rates(steady, w, names, 2, detectors)] for w in windows]
    return np.array(rows).T * [[1.0], [2.0]] / total


def _counting(
    found: AnalysisResults, record: ClickStream, exact_values: ExactValues, names: tuple[str, ...], reach: float
) -> None:
    """Add the Fano factor against the window."""
    shortest, longest = SHORTEST_COUNT * reach, LONGEST_COUNT * float((record.stop - record.start).min())
    if not shortest < longest:
        return
    windows = np.geomspace(shortest, longest, FANO_WINDOWS).tolist()
    resampled = fano_pooled(record, windows, names).jackknife()
    estimates = tuple(resampled.estimates())
    exact = exact_values.ask("Fano factor", lindblad.fano, windows, names)
    critical = _finite(resampled.critical_value())
    known = None if exact is None else tuple(exact)
    found.scans["fano"] = {("fano",): Scan("Fano factor", tuple(windows), estimates, known, critical)}
    section = f"counts of {', '.join(map(display, names))}"
    for k in (0, FANO_WINDOWS // 2, FANO_WINDOWS - 1):
        value = None if known is None else known[k]
        found.numbers.append(
            Number(section, f"Fano factor, T = {record.unit.of(f'{windows[k]:.4g}')}", estimates[k], value)
        )


def _waits(
    found: AnalysisResults,
    record: ClickStream,
    exact_values: ExactValues,
    pair: Pair,
    names: tuple[str, ...],
    reach: float,
    rate: float,
) -> None:
    """Add where the click after one of the pair's first channel falls, and when."""
    first = pair[0]
    exact: dict[str, Any] = {}
    if (
        rate * float((record.stop - record.start).max()) > LONG
    ):  # else long waits are cut off, unlike the exact ones
        exact = exact_values.ask("next clicks", lindblad.next_click_probabilities, first, names) or {}
    for name, estimate in next_click_probabilities(record, first, names).items():
        number = Number(f"next click after one of {display(first)}", display(name), estimate, exact.get(name))
        found.numbers.append(number)
    edges = whole_tick_edges(record, np.geomspace(0.01 * reach, max(10.0 / rate, reach), WAIT_BINS + 1))
    curves = found.curves.setdefault("waits", {})
    for second in dict.fromkeys(pair):
        pooled = waiting_times_pooled(record, first, second, edges, names)
        known = exact_values.ask("waiting times", lindblad.waiting_times, first, second, edges, names)
        words = f"wait for {display(second)} after {display(first)}"
        curves[(second,)] = _curve(words, pooled, edges, known)


def _lag_edges(record: ClickStream, reach: float) -> NDArray[np.float64]:
    """Return bins on both sides of 0, multiples of the tick where there is one."""
    return whole_tick_edges(record, np.linspace(-reach, reach, 2 * SIDE_BINS + 1))


def _pulses(found: AnalysisResults, record: ClickStream, names: Sequence[str]) -> None:
    """Add pulse statistics of a synced record: the central peak of every pair, and lifetimes."""
    clock = record.clock
    if clock is None or clock.fine is None:
        return
    section = f"pulses, {record.unit.of(f'{clock.tick:.6g}')} apart"
    for first, second in combinations(names, 2):
        peak = pulsed_g2(record, first, second)
        b = len(peak.value) // 2
        value = Estimate(peak.value[b], peak.standard_error[b], int(peak.counts[b]), peak.method)
        found.numbers.append(Number(section, f"{display(first)}, {display(second)}: g²[0] by side peaks", value))
        _delay_note(found, record, first, second)
    steps = int(np.ceil(clock.tick / clock.fine))
    for name in names:
        try:
            fit = fit_decay(decay_histogram(record, name, np.arange(steps + 1) * clock.fine))
        except InvalidInput as error:
            found.notes.append(f"no lifetime of {name}: {error}")
            continue
        found.numbers.append(Number(section, f"lifetime of {display(name)}", fit.lifetime, None, record.unit.name))
        found.checks.append(Check("pulses", f"{display(name)} decays exponentially", fit.fit))


def _delay_note(found: AnalysisResults, record: ClickStream, first: str, second: str) -> None:
    """Say where pairs of a synced record dip or peak, if that is not the pulse itself."""
    assert record.tick is not None
    try:
        delay = find_delay(record, first, second, PULSES_SEARCHED * record.tick)
    except InvalidInput:  # nothing stands out
        return
    if abs(delay.value) > 0.5 * record.tick and delay.standard_error < record.tick:
        found.notes.append(
            f"{second} lags behind {first} by {delay} {record.unit.name} ({delay.method}); take it out first with "
            f"corrections.delayed, {second}={-delay.value:.6g}"
        )


def _curve(name: str, pooled: Pooled, edges: NDArray[np.float64], exact: Any | None) -> Curve:
    resampled = pooled.jackknife()
    estimate = Histogram(edges, resampled.value, resampled.errors, resampled.counts, f"{name}; {resampled.method}")
    known = None if exact is None else _exact_bins(edges, np.array(exact))
    return Curve(name, estimate, known, _finite(resampled.critical_value()))


def _exact_bins(edges: NDArray[np.float64], value: NDArray[np.float64]) -> Histogram:
    nothing = np.zeros(len(value))
    return Histogram(edges, value, nothing, nothing.astype(np.int64))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _repeated(value: float | None, points: Sequence[float]) -> tuple[float, ...] | None:
    return None if value is None else (value,) * len(points)
