"""Sections of an analysis about bundles: their rates, their purity, and the bundles of one pair of channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajectories import lindblad
from trajectories.lindblad.click_statistics.ordering import bundles_and_lags
from trajectories.names import ByChannels, display, spelled
from trajectories.results import Estimate

from ..clicks.exposure import exposure_of
from ..clicks.streams import ClickStream
from ..estimators.bundle_rates import composition_rates, pair_purity, purity_pooled
from ..estimators.heralding import coincidence_to_accidental, heralding_efficiency
from ..estimators.ordering import (
    asymmetry_by_lag,
    lag_histogram_pooled,
    order_asymmetry,
    order_fraction,
    time_reversal_test,
)
from .analysis_results import AnalysisResults, Check, Curve, Number, Scan
from .click_sections import SIDE_BINS, exact_histogram, finite, lag_edges, resampled_curve
from .exact_values import ExactValues

# Edges of the times between bundles, in units of δ.
LATER = np.array([1.0, 1.5, 2.0, 3.0, 4.0])
# Bundle windows of the purity scan in units of δ; exact values, slow to compute, at every other one up to 2δ.
PURITY_WINDOWS = 2.0 ** (np.arange(-8, 5) / 2.0)
LONGEST_EXACT = 2.0
# Largest number of channels with exact bundle rates: the work grows as n².
MOST_BUNDLED = 30


def begin_bundles(exact_values: ExactValues, delta: float, names: tuple[str, ...]) -> None:
    """Begin to compute the exact bundle rates beside the correlations: cores of pairs leave a processor idle."""
    if len(names) <= MOST_BUNDLED:
        exact_values.begin("bundle rates", lindblad.composition_rates, delta, names, 2)


def add_bundles(
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


def add_pair(
    found: AnalysisResults,
    record: ClickStream,
    exact_values: ExactValues,
    pair: tuple[str, str],
    delta: float,
    names: tuple[str, ...],
) -> None:
    """Add the results on bundles of two channels: their share, how they herald each other, their order."""
    first, second = pair
    one, other = display(first), display(second)
    edges = lag_edges(record, delta)
    exact = exact_values.ask("order and lags of the pair", _pair_exact, first, second, edges, delta, names) or {}
    section = f"{one}–{other} bundles, δ = {record.unit.of(f'{delta:g}')}"
    add = found.numbers.append
    add(Number(section, "pair purity", pair_purity(record, *pair, delta, names), exact.get("purity"), share=True))
    for herald, signal in (pair, pair[::-1]):
        estimate = heralding_efficiency(record, herald, signal, delta)
        known = exact_values.ask(
            f"{display(herald)} heralding", lindblad.heralding_efficiency, herald, signal, delta
        )
        add(Number(section, f"{display(herald)} heralds {display(signal)} within ±δ", estimate, known, share=True))
    curve = found.curves["g2"].get((first, second)) or found.curves["g2"].get((second, first))
    accidental = coincidence_to_accidental(record, *pair, delta)
    # Weighted as in the estimate, by the time in which a pair of that lag could be seen.
    weight = exposure_of(record, 0.0).at(np.abs(0.5 * (edges[1:] + edges[:-1])))
    known = None if curve is None or curve.exact is None else float(np.average(curve.exact.value, weights=weight))
    add(Number(section, "coincidences/accidentals, C/A", accidental, known))
    order = exact.get("order")
    add(Number(section, f"{one} first", order_fraction(record, *pair, delta, names), order, share=True))
    asymmetry = order_asymmetry(record, *pair, delta, names)
    # `validate` needs this next; here the model is available, and intermediate results are kept.
    exact_values.ask("bundle correlation", lindblad.cluster_g2, pair, pair, delta * LATER, delta, names)
    add(Number(section, "order asymmetry", asymmetry, None if order is None else 2.0 * order - 1.0))
    reversal = time_reversal_test(record, *pair, edges[SIDE_BINS:], delta, names)
    found.checks.append(Check(f"{one}–{other} bundles", "time reversal", reversal))
    pooled = lag_histogram_pooled(record, *pair, edges, delta, names)
    lags = exact.get("lags")
    found.curves["lags"] = {pair: resampled_curve(f"lag of {other} after {one}", pooled, edges, lags)}
    by_lag = asymmetry_by_lag(record, *pair, edges[SIDE_BINS:], delta, names)
    known_asymmetry = None
    if lags is not None:
        forward, backward = np.array(lags[SIDE_BINS:]), np.array(lags[:SIDE_BINS][::-1])
        with np.errstate(divide="ignore", invalid="ignore"):  # lags that never occur have no asymmetry
            known_asymmetry = exact_histogram(by_lag.edges, (forward - backward) / (forward + backward))
    found.curves["asymmetry"] = {pair: Curve("order asymmetry", by_lag, known_asymmetry, None)}


def _pair_exact(steady: Any, first: str, second: str, edges: Any, delta: float, names: Any, detectors: Any) -> Any:
    bundles, lags = bundles_and_lags(steady, first, second, edges, delta, names, detectors)
    return {"purity": bundles.purity, "order": bundles.order_fraction, "lags": lags}


def add_purity(
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
        critical = finite(resampled.critical_value())
        row = None if known is None else tuple(exact[n - 1].tolist())
        scans[(str(n),)] = Scan(f"purity of {n}", tuple(windows), estimates, row, critical, accidental)
        at = int(np.argmin(np.abs(np.array(windows) - delta)))
        if np.isclose(windows[at], delta):
            section = f"bundles, δ = {record.unit.of(f'{delta:g}')}"
            value = None if known is None else float(exact[n - 1, at])
            found.numbers.append(Number(section, f"purity π{'₁₂'[n - 1]}", estimates[at], value, share=True))
            level = Estimate(accidental[at], method="Poisson stream of the estimated rate")
            found.numbers.append(Number(section, f"π{'₁₂'[n - 1]} of independent clicks", level))


def _purity_exact(steady: Any, windows: Any, names: Any, detectors: Any) -> NDArray[np.float64]:
    total = sum(rate.value for name, rate in lindblad.rates(steady, detectors).items() if name in names)
    rows = [[e.value for e in lindblad.cluster_rates(steady, w, names, 2, detectors)] for w in windows]
    return np.array(rows).T * [[1.0], [2.0]] / total
