"""Exact numbers from the density matrix: the independent witness of everything that clicks estimate."""

from .closed import SuperRabi, super_rabi
from .clusters import (
    accidental_purity,
    cluster_g2,
    cluster_g2_at,
    cluster_rates,
    composition_rates,
    order_rates,
    purity,
)
from .counting import cumulants, fano
from .entanglement import Witness, entanglement_witness, negativity, reduced
from .evolution import density_matrix, evolve
from .heralding import coincidence_to_accidental, heralding_efficiency
from .pairs import PairBundles, lag_histogram, order_fraction, pair_bundles, pair_purity
from .regression import bundle_correlation, cross_correlation, g2, g2_at, g2_matrix, rates, transient_g2
from .spectra import Spectrum, excitation_spectrum, resonance
from .steady_state import SteadyState, steady_state
from .truncation import Convergence, at_resonance, converge
from .waiting import next_click_probabilities, silence, waiting_times

__all__ = [
    "Convergence",
    "PairBundles",
    "Spectrum",
    "SteadyState",
    "SuperRabi",
    "Witness",
    "accidental_purity",
    "at_resonance",
    "bundle_correlation",
    "cluster_g2",
    "cluster_g2_at",
    "cluster_rates",
    "coincidence_to_accidental",
    "composition_rates",
    "converge",
    "cross_correlation",
    "cumulants",
    "density_matrix",
    "entanglement_witness",
    "evolve",
    "excitation_spectrum",
    "fano",
    "g2",
    "g2_at",
    "g2_matrix",
    "heralding_efficiency",
    "lag_histogram",
    "negativity",
    "next_click_probabilities",
    "order_fraction",
    "order_rates",
    "pair_bundles",
    "pair_purity",
    "purity",
    "rates",
    "reduced",
    "resonance",
    "silence",
    "steady_state",
    "super_rabi",
    "transient_g2",
    "waiting_times",
]
