"""Clicks → estimates with honest error bars → pictures."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Loaded on first use, so that `import analysis` stays fast and draws in neither Numba nor matplotlib.
_HOMES = {
    "Bundles": ".estimators.bundles",
    "ClickStream": ".clicks.streams",
    "AnalysisResults": ".report.analysis_results",
    "PairCounts": ".estimators.correlations",
    "Pooled": ".statistics.resampling",
    "Resampled": ".statistics.resampling",
    "TestResult": ".statistics.resampling",
    "Validation": ".inference.validation",
    "ExactValues": ".report.exact_values",
    "accidental_purity": "trajectories.lindblad",
    "analyse": ".report.analyse",
    "apply_detectors": ".clicks.detection",
    "asymmetry_by_lag": ".estimators.ordering",
    "bundle_waiting_times": ".estimators.bundle_correlations",
    "cluster_g2": ".estimators.bundle_correlations",
    "cluster_g2_pooled": ".estimators.bundle_correlations",
    "coincidence_to_accidental": ".estimators.heralding",
    "composition_rates": ".estimators.bundle_rates",
    "count_distribution": ".estimators.counting",
    "count_pairs": ".estimators.correlations",
    "fano": ".estimators.counting",
    "fano_pooled": ".estimators.counting",
    "detected_stream": ".clicks.detection",
    "find_bundles": ".estimators.bundles",
    "fit": ".inference.fit",
    "g2": ".estimators.correlations",
    "g2_matrix": ".estimators.correlations",
    "heralding_efficiency": ".estimators.heralding",
    "lag_histogram": ".estimators.ordering",
    "lag_histogram_pooled": ".estimators.ordering",
    "mandel_q": ".estimators.counting",
    "next_click_probabilities": ".estimators.waiting",
    "order_asymmetry": ".estimators.ordering",
    "order_fraction": ".estimators.ordering",
    "order_patterns": ".estimators.ordering",
    "order_rates": ".estimators.bundle_rates",
    "pair_purity": ".estimators.bundle_rates",
    "purity": ".estimators.bundle_rates",
    "purity_pooled": ".estimators.bundle_rates",
    "rate_history": ".estimators.counting",
    "rates": ".estimators.counting",
    "rates_pooled": ".estimators.counting",
    "stationarity": ".estimators.counting",
    "stream": ".clicks.streams",
    "time_reversal_test": ".estimators.ordering",
    "validate": ".inference.validation",
    "waiting_times": ".estimators.waiting",
    "waiting_times_pooled": ".estimators.waiting",
}
_MODULES = ("plot", "report")

__all__ = [*_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
