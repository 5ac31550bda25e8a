"""Exact numbers from the density matrix, independent of the engine, to compare clicks with."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Imported first: importing a folder binds its name here, which would otherwise replace the function `reduced`.
from . import reduced as _folder  # noqa: F401
from .entanglement import reduced
from .steady_state import steady_state

if TYPE_CHECKING:
    from .bundles.pair_bundles import PairBundles as PairBundles
    from .bundles.pair_bundles import pair_bundles as pair_bundles
    from .click_statistics.bundle_correlations import cluster_g2 as cluster_g2
    from .click_statistics.bundle_correlations import cluster_g2_at as cluster_g2_at
    from .click_statistics.bundle_rates import accidental_purity as accidental_purity
    from .click_statistics.bundle_rates import cluster_rates as cluster_rates
    from .click_statistics.bundle_rates import composition_rates as composition_rates
    from .click_statistics.bundle_rates import order_rates as order_rates
    from .click_statistics.bundle_rates import pair_purity as pair_purity
    from .click_statistics.bundle_rates import purity as purity
    from .click_statistics.coincidences import coincidences as coincidences
    from .click_statistics.coincidences import g3 as g3
    from .click_statistics.correlations import g2 as g2
    from .click_statistics.correlations import g2_at as g2_at
    from .click_statistics.correlations import g2_matrix as g2_matrix
    from .click_statistics.correlations import g2_of_halves as g2_of_halves
    from .click_statistics.counting import cumulants as cumulants
    from .click_statistics.counting import fano as fano
    from .click_statistics.counting import rates as rates
    from .click_statistics.heralding import coincidence_to_accidental as coincidence_to_accidental
    from .click_statistics.heralding import heralding_efficiency as heralding_efficiency
    from .click_statistics.ordering import lag_histogram as lag_histogram
    from .click_statistics.ordering import order_fraction as order_fraction
    from .click_statistics.pulse_counts import brightness as brightness
    from .click_statistics.pulse_counts import click_density as click_density
    from .click_statistics.pulse_counts import pulse_counts as pulse_counts
    from .click_statistics.pulse_counts import pulse_map as pulse_map
    from .click_statistics.pulses import pulsed_g2 as pulsed_g2
    from .click_statistics.waiting import next_click_probabilities as next_click_probabilities
    from .click_statistics.waiting import no_click_probability as no_click_probability
    from .click_statistics.waiting import waiting_times as waiting_times
    from .closed import SuperRabi as SuperRabi
    from .closed import super_rabi as super_rabi
    from .convergence import Convergence as Convergence
    from .emission import EmissionPeak as EmissionPeak
    from .emission import EmissionSpectrum as EmissionSpectrum
    from .emission import emission_spectrum as emission_spectrum
    from .entanglement import Witness as Witness
    from .entanglement import entanglement_witness as entanglement_witness
    from .entanglement import negativity as negativity
    from .essential_state import SteadyEnsemble as SteadyEnsemble
    from .essential_state import steady_ensemble as steady_ensemble
    from .evolution import density_matrix as density_matrix
    from .evolution import evolve as evolve
    from .evolution import transient_g2 as transient_g2
    from .information import information_rate as information_rate
    from .moments.steady import SteadyMoments as SteadyMoments
    from .moments.steady import steady_moments as steady_moments
    from .pulses.periodic import PeriodicState as PeriodicState
    from .pulses.periodic import periodic_state as periodic_state
    from .spectra import Spectrum as Spectrum
    from .spectra import excitation_spectrum as excitation_spectrum
    from .spectra import resonance as resonance
    from .steady_state import SteadyState as SteadyState
    from .truncation import at_resonance as at_resonance
    from .truncation import converge as converge
    from .two_photon import two_photon_spectrum as two_photon_spectrum
    from .two_time import bundle_correlation as bundle_correlation
    from .two_time import cross_correlation as cross_correlation

# Where each public name lives. Loaded on first use, since few commands need more than the steady state; a test
# holds this to the imports above, which are what editors and type checkers read. Two functions share their name
# with a module or folder of this package, `steady_state` and `reduced`: these are loaded at once.
_HOMES = {
    "Convergence": ".convergence",
    "EmissionPeak": ".emission",
    "EmissionSpectrum": ".emission",
    "PairBundles": ".bundles.pair_bundles",
    "PeriodicState": ".pulses.periodic",
    "Spectrum": ".spectra",
    "SteadyEnsemble": ".essential_state",
    "SteadyMoments": ".moments.steady",
    "SteadyState": ".steady_state",
    "SuperRabi": ".closed",
    "Witness": ".entanglement",
    "accidental_purity": ".click_statistics.bundle_rates",
    "at_resonance": ".truncation",
    "brightness": ".click_statistics.pulse_counts",
    "bundle_correlation": ".two_time",
    "click_density": ".click_statistics.pulse_counts",
    "cluster_g2": ".click_statistics.bundle_correlations",
    "cluster_g2_at": ".click_statistics.bundle_correlations",
    "cluster_rates": ".click_statistics.bundle_rates",
    "coincidence_to_accidental": ".click_statistics.heralding",
    "coincidences": ".click_statistics.coincidences",
    "composition_rates": ".click_statistics.bundle_rates",
    "converge": ".truncation",
    "cross_correlation": ".two_time",
    "cumulants": ".click_statistics.counting",
    "density_matrix": ".evolution",
    "emission_spectrum": ".emission",
    "entanglement_witness": ".entanglement",
    "evolve": ".evolution",
    "excitation_spectrum": ".spectra",
    "fano": ".click_statistics.counting",
    "g2": ".click_statistics.correlations",
    "g2_at": ".click_statistics.correlations",
    "g2_matrix": ".click_statistics.correlations",
    "g2_of_halves": ".click_statistics.correlations",
    "g3": ".click_statistics.coincidences",
    "heralding_efficiency": ".click_statistics.heralding",
    "information_rate": ".information",
    "lag_histogram": ".click_statistics.ordering",
    "negativity": ".entanglement",
    "next_click_probabilities": ".click_statistics.waiting",
    "no_click_probability": ".click_statistics.waiting",
    "order_fraction": ".click_statistics.ordering",
    "order_rates": ".click_statistics.bundle_rates",
    "pair_bundles": ".bundles.pair_bundles",
    "pair_purity": ".click_statistics.bundle_rates",
    "periodic_state": ".pulses.periodic",
    "pulse_counts": ".click_statistics.pulse_counts",
    "pulse_map": ".click_statistics.pulse_counts",
    "pulsed_g2": ".click_statistics.pulses",
    "purity": ".click_statistics.bundle_rates",
    "rates": ".click_statistics.counting",
    "resonance": ".spectra",
    "steady_ensemble": ".essential_state",
    "steady_moments": ".moments.steady",
    "super_rabi": ".closed",
    "transient_g2": ".evolution",
    "two_photon_spectrum": ".two_photon",
    "waiting_times": ".click_statistics.waiting",
}

__all__ = [*_HOMES, "reduced", "steady_state"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
