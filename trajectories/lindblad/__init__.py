"""Exact numbers from the density matrix, independent of the engine, to compare clicks with."""

from .click_statistics.bundle_correlations import cluster_g2, cluster_g2_at
from .click_statistics.bundle_rates import (
    PairBundles,
    accidental_purity,
    cluster_rates,
    composition_rates,
    order_rates,
    pair_bundles,
    pair_purity,
    purity,
)
from .click_statistics.coincidences import coincidences, g3
from .click_statistics.correlations import g2, g2_at, g2_matrix, g2_of_halves, transient_g2
from .click_statistics.counting import cumulants, fano, rates
from .click_statistics.heralding import coincidence_to_accidental, heralding_efficiency
from .click_statistics.ordering import lag_histogram, order_fraction
from .click_statistics.pulses import brightness, click_density, pulse_counts, pulse_map, pulsed_g2
from .click_statistics.waiting import next_click_probabilities, no_click_probability, waiting_times
from .closed import SuperRabi, super_rabi
from .emission import EmissionPeak, EmissionSpectrum, emission_spectrum
from .entanglement import Witness, entanglement_witness, negativity, reduced
from .evolution import density_matrix, evolve
from .information import information_rate
from .pulses.periodic import PeriodicState, periodic_state
from .spectra import Spectrum, excitation_spectrum, resonance
from .steady_state import SteadyState, steady_state
from .truncation import Convergence, at_resonance, converge
from .two_photon import two_photon_spectrum
from .two_time import bundle_correlation, cross_correlation

__all__ = [
    "Convergence",
    "EmissionPeak",
    "EmissionSpectrum",
    "PairBundles",
    "PeriodicState",
    "Spectrum",
    "SteadyState",
    "SuperRabi",
    "Witness",
    "accidental_purity",
    "at_resonance",
    "brightness",
    "bundle_correlation",
    "click_density",
    "cluster_g2",
    "cluster_g2_at",
    "cluster_rates",
    "coincidence_to_accidental",
    "coincidences",
    "composition_rates",
    "converge",
    "cross_correlation",
    "cumulants",
    "density_matrix",
    "emission_spectrum",
    "entanglement_witness",
    "evolve",
    "excitation_spectrum",
    "fano",
    "g2",
    "g2_at",
    "g2_matrix",
    "g2_of_halves",
    "g3",
    "heralding_efficiency",
    "information_rate",
    "lag_histogram",
    "negativity",
    "next_click_probabilities",
    "no_click_probability",
    "order_fraction",
    "order_rates",
    "pair_bundles",
    "pair_purity",
    "periodic_state",
    "pulse_counts",
    "pulse_map",
    "pulsed_g2",
    "purity",
    "rates",
    "reduced",
    "resonance",
    "steady_state",
    "super_rabi",
    "transient_g2",
    "two_photon_spectrum",
    "waiting_times",
]
