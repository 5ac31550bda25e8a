"""Clicks → estimates with calibrated errors → tests, fits and pictures."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trajectories.lindblad import accidental_purity as accidental_purity

    from . import plot as plot
    from . import report as report
    from .bundles.table import Bundles as Bundles
    from .bundles.table import find_bundles as find_bundles
    from .clicks.detection import apply_detectors as apply_detectors
    from .clicks.detection import detected_stream as detected_stream
    from .clicks.streams import ClickStream as ClickStream
    from .clicks.streams import stream as stream
    from .estimators.bundle_correlations import bundle_waiting_times as bundle_waiting_times
    from .estimators.bundle_correlations import cluster_g2 as cluster_g2
    from .estimators.bundle_rates import composition_rates as composition_rates
    from .estimators.bundle_rates import order_rates as order_rates
    from .estimators.bundle_rates import pair_purity as pair_purity
    from .estimators.bundle_rates import purity as purity
    from .estimators.coincidences import coincidences as coincidences
    from .estimators.coincidences import g3 as g3
    from .estimators.correlations import PairCounts as PairCounts
    from .estimators.correlations import count_pairs as count_pairs
    from .estimators.correlations import g2 as g2
    from .estimators.correlations import g2_matrix as g2_matrix
    from .estimators.correlations import g2_of_halves as g2_of_halves
    from .estimators.counting import count_distribution as count_distribution
    from .estimators.counting import fano as fano
    from .estimators.counting import mandel_q as mandel_q
    from .estimators.counting import rate_history as rate_history
    from .estimators.counting import rates as rates
    from .estimators.heralding import coincidence_to_accidental as coincidence_to_accidental
    from .estimators.heralding import heralding_efficiency as heralding_efficiency
    from .estimators.ordering import asymmetry_by_lag as asymmetry_by_lag
    from .estimators.ordering import lag_histogram as lag_histogram
    from .estimators.ordering import order_asymmetry as order_asymmetry
    from .estimators.ordering import order_fraction as order_fraction
    from .estimators.ordering import order_patterns as order_patterns
    from .estimators.ordering import time_reversal_test as time_reversal_test
    from .estimators.pulse_counts import brightness as brightness
    from .estimators.pulse_counts import click_density as click_density
    from .estimators.pulse_counts import pulse_counts as pulse_counts
    from .estimators.pulse_counts import pulse_map as pulse_map
    from .estimators.pulses import DecayFit as DecayFit
    from .estimators.pulses import decay_histogram as decay_histogram
    from .estimators.pulses import fit_decay as fit_decay
    from .estimators.pulses import pulsed_g2 as pulsed_g2
    from .estimators.waiting import next_click_probabilities as next_click_probabilities
    from .estimators.waiting import waiting_times as waiting_times
    from .inference.detector_effects import DetectorMemory as DetectorMemory
    from .inference.detector_effects import dark_detectors as dark_detectors
    from .inference.detector_effects import detector_memory as detector_memory
    from .inference.detector_effects import find_delay as find_delay
    from .inference.fit import fit as fit
    from .inference.information import Information as Information
    from .inference.information import information as information
    from .inference.lost_clicks import LostClicks as LostClicks
    from .inference.lost_clicks import lost_clicks as lost_clicks
    from .inference.lost_clicks import single_clicks as single_clicks
    from .inference.pooled import pooled as pooled
    from .inference.validation import validate as validate
    from .inference.validation_results import Validation as Validation
    from .report.analyse import analyse as analyse
    from .report.analysis_results import AnalysisResults as AnalysisResults
    from .report.exact_values import ExactValues as ExactValues
    from .statistics.resampling import Pooled as Pooled
    from .statistics.resampling import Resampled as Resampled
    from .statistics.resampling import TestResult as TestResult
    from .statistics.stationarity import stationarity as stationarity

# Where each public name lives. Loaded on first use, so that importing stays fast and loads neither Numba nor
# matplotlib; a test holds this to the imports above, which are what editors and type checkers read.
_HOMES = {
    "Bundles": ".bundles.table",
    "Information": ".inference.information",
    "LostClicks": ".inference.lost_clicks",
    "information": ".inference.information",
    "lost_clicks": ".inference.lost_clicks",
    "single_clicks": ".inference.lost_clicks",
    "ClickStream": ".clicks.streams",
    "AnalysisResults": ".report.analysis_results",
    "PairCounts": ".estimators.correlations",
    "Pooled": ".statistics.resampling",
    "Resampled": ".statistics.resampling",
    "TestResult": ".statistics.resampling",
    "Validation": ".inference.validation_results",
    "ExactValues": ".report.exact_values",
    "DecayFit": ".estimators.pulses",
    "DetectorMemory": ".inference.detector_effects",
    "coincidences": ".estimators.coincidences",
    "g3": ".estimators.coincidences",
    "dark_detectors": ".inference.detector_effects",
    "decay_histogram": ".estimators.pulses",
    "detector_memory": ".inference.detector_effects",
    "find_delay": ".inference.detector_effects",
    "fit_decay": ".estimators.pulses",
    "pooled": ".inference.pooled",
    "pulsed_g2": ".estimators.pulses",
    "brightness": ".estimators.pulse_counts",
    "click_density": ".estimators.pulse_counts",
    "pulse_counts": ".estimators.pulse_counts",
    "pulse_map": ".estimators.pulse_counts",
    "accidental_purity": "trajectories.lindblad",
    "analyse": ".report.analyse",
    "apply_detectors": ".clicks.detection",
    "asymmetry_by_lag": ".estimators.ordering",
    "bundle_waiting_times": ".estimators.bundle_correlations",
    "cluster_g2": ".estimators.bundle_correlations",
    "coincidence_to_accidental": ".estimators.heralding",
    "composition_rates": ".estimators.bundle_rates",
    "count_distribution": ".estimators.counting",
    "count_pairs": ".estimators.correlations",
    "fano": ".estimators.counting",
    "detected_stream": ".clicks.detection",
    "find_bundles": ".bundles.table",
    "fit": ".inference.fit",
    "g2": ".estimators.correlations",
    "g2_matrix": ".estimators.correlations",
    "g2_of_halves": ".estimators.correlations",
    "heralding_efficiency": ".estimators.heralding",
    "lag_histogram": ".estimators.ordering",
    "mandel_q": ".estimators.counting",
    "next_click_probabilities": ".estimators.waiting",
    "order_asymmetry": ".estimators.ordering",
    "order_fraction": ".estimators.ordering",
    "order_patterns": ".estimators.ordering",
    "order_rates": ".estimators.bundle_rates",
    "pair_purity": ".estimators.bundle_rates",
    "purity": ".estimators.bundle_rates",
    "rate_history": ".estimators.counting",
    "rates": ".estimators.counting",
    "stationarity": ".statistics.stationarity",
    "stream": ".clicks.streams",
    "time_reversal_test": ".estimators.ordering",
    "validate": ".inference.validation",
    "waiting_times": ".estimators.waiting",
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
