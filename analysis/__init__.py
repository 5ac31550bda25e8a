"""Clicks → estimates with honest error bars → pictures."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Loaded on first use, so that `import analysis` stays fast and draws in neither Numba nor matplotlib.
_HOMES = {
    "Bundles": ".bundles",
    "ClickStream": ".streaming",
    "Findings": ".findings",
    "PairCounts": ".correlations",
    "Pooled": ".resampling",
    "Resampled": ".resampling",
    "TestResult": ".resampling",
    "Validation": ".validation",
    "ExactSide": ".exact_side",
    "accidental_purity": "trajectories.lindblad",
    "analyse": ".survey",
    "apply_detectors": ".detection",
    "asymmetry_by_lag": ".ordering",
    "bundle_waiting_times": ".bundle_correlations",
    "cluster_g2": ".bundle_correlations",
    "cluster_g2_pooled": ".bundle_correlations",
    "coincidence_to_accidental": ".heralding",
    "composition_rates": ".bundle_rates",
    "count_distribution": ".counting",
    "count_pairs": ".correlations",
    "fano": ".counting",
    "fano_pooled": ".counting",
    "detected_stream": ".detection",
    "find_bundles": ".bundles",
    "fit": ".inference",
    "g2": ".correlations",
    "g2_matrix": ".correlations",
    "heralding_efficiency": ".heralding",
    "lag_histogram": ".ordering",
    "lag_histogram_pooled": ".ordering",
    "mandel_q": ".counting",
    "next_click_probabilities": ".waiting",
    "order_asymmetry": ".ordering",
    "order_fraction": ".ordering",
    "order_patterns": ".ordering",
    "order_rates": ".bundle_rates",
    "pair_purity": ".bundle_rates",
    "purity": ".bundle_rates",
    "purity_pooled": ".bundle_rates",
    "rate_history": ".counting",
    "rates": ".counting",
    "rates_pooled": ".counting",
    "stationarity": ".counting",
    "stream": ".streaming",
    "time_reversal_test": ".ordering",
    "validate": ".validation",
    "waiting_times": ".waiting",
    "waiting_times_pooled": ".waiting",
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
