"""Estimators on point processes whose answers are known: Poisson, pairs, renewal. Fixed seeds, pulls in σ."""

from __future__ import annotations

import numpy as np
import pytest
from click_streams import pair_record, poisson_record, renewal_record
from scipy import stats

from trajectories import analysis as an


def pulls(found, exact):
    return (found.value - exact) / found.standard_error


@pytest.mark.parametrize("trajectories", [1, 400], ids=["one long trajectory", "400 short ones"])
def test_a_poisson_stream_has_no_correlations(trajectories):
    """g² = 1 in all 4·38 bins: χ² of the pulls within 4σ of its mean; none beyond 4.5 (false alarm 1e-3)."""
    rng = np.random.default_rng(71)
    record = poisson_record(rng, {"a": 1.0, "b": 0.6}, trajectories, 12_000.0 / trajectories)
    edges = np.concatenate([-np.geomspace(20.0, 0.2, 20), np.geomspace(0.2, 20.0, 20)])
    for found in an.g2_matrix(record, edges).values():
        z = pulls(found, 1.0)
        assert np.abs(z).max() < 4.5
        assert abs(np.mean(z**2) - 1) < 4 * np.sqrt(2 / len(z))


def test_ignoring_the_overlap_is_noticed():
    """The same pairs over T·|bin| instead of the overlap must contradict g² = 1, as they do at long lags."""
    record = poisson_record(np.random.default_rng(72), {"a": 1.0, "b": 0.6}, 400, 30.0)
    edges = np.linspace(0.0, 20.0, 9)
    found = an.g2(record, "a", "b", edges)
    rates = an.rates(record)
    flat = rates["a"].value * rates["b"].value * record.total_time * np.diff(edges)
    assert np.abs(pulls(found, 1.0)).max() < 4
    assert (np.abs(found.counts / flat - 1) > 10 * found.standard_error).any()


def test_pairs_bunch_by_the_density_of_their_lag():
    """g² = 1 + f(τ)/rate; 24 bins at 4σ: false alarm 1.5e-3. The exchanged channels must be refused."""
    rate, decay = 0.2, 2.0
    record = pair_record(np.random.default_rng(73), rate, decay, 0.7, 200, 300.0)
    edges = np.linspace(-3.0, 3.0, 25)
    mass = np.where(edges[1:] > 0, 0.7, 0.3) * np.abs(np.diff(np.exp(-decay * np.abs(edges))))
    exact = 1 + mass / 0.25 / rate
    assert np.abs(pulls(an.g2(record, "photon", "magnon", edges), exact)).max() < 4
    assert np.abs(pulls(an.g2(record, "magnon", "photon", edges), exact)).max() > 10


def test_a_renewal_process_is_antibunched_by_its_renewal_density():
    """g²(τ) = Σ_n f_n(τ)/rate with f_n the law of n waits; 15 bins at 4σ: false alarm 1e-3."""
    record = renewal_record(np.random.default_rng(74), 4, 1.0, 300, 60.0)
    edges = np.linspace(0.0, 3.0, 16)
    renewals = sum(np.diff(stats.gamma(4 * n, scale=0.25).cdf(edges)) for n in range(1, 30))
    found = an.g2(record, "photon", "photon", edges)
    assert np.abs(pulls(found, renewals / np.diff(edges))).max() < 4
    assert np.abs(pulls(found, 1.0)).max() > 10


@pytest.mark.parametrize("n", [1, 2, 3])
def test_purity_of_a_poisson_stream_is_accidental(n):
    """π_n = n q²(1 − q)^{n−1}; 5 windows at 4σ: false alarm 3e-4. Windows 20 % longer must be refused."""
    record = poisson_record(np.random.default_rng(75), {"a": 0.6, "b": 0.4}, 300, 40.0)
    scan = [0.1, 0.3, 1.0, 2.0, 3.0]
    found = an.purity(record, n, scan)
    for estimate, exact in zip(found, an.accidental_purity(1.0, n, scan), strict=True):
        assert abs(estimate.deviation(exact)) < 4
    wrong = an.accidental_purity(1.0, n, [1.2 * window for window in scan])
    assert max(abs(e.deviation(w)) for e, w in zip(found, wrong, strict=True)) > 4


def test_ignoring_the_ends_of_observation_is_noticed():
    """Complete bundles over the whole time instead of their exposure contradict the law that holds with it."""
    record = poisson_record(np.random.default_rng(76), {"a": 1.0}, 2000, 6.0)
    exact = np.exp(-1.0)
    found = an.composition_rates(record, window=0.5)["a"]
    assert abs(found.deviation(exact)) < 4
    assert abs(found.n / record.total_time - exact) > 10 * found.standard_error


def test_purity_and_composition_of_isolated_pairs():
    """Pair purity e^{−r(2δ + 1/d)} d/(d + r) at δ = 3: four comparisons at 4σ, false alarm 3e-4."""
    rate, decay, window = 0.05, 4.0, 3.0
    record = pair_record(np.random.default_rng(77), rate, decay, 0.7, 200, 1000.0)
    exact = np.exp(-rate * (2 * window + 1 / decay)) * decay / (decay + rate)
    # lags beyond the window, 6e-6 of all, are neglected
    assert abs(an.pair_purity(record, "photon", "magnon", window).deviation(exact)) < 4
    rates = an.order_rates(record, window, max_size=2)
    assert abs(rates["photon>magnon"].deviation(0.7 * rate * exact)) < 4
    assert abs(rates["magnon>photon"].deviation(0.3 * rate * exact)) < 4
    assert abs(an.purity(record, 2, [window])[0].deviation(exact)) < 4


def test_isolated_clicks_of_a_poisson_stream_repel_and_then_forget():
    """g₂ of single clicks: 0 below δ, e^{λ(2δ−τ)} up to 2δ, then 1; 12 bins at 4σ: false alarm 8e-4."""
    rate, window = 1.0, 0.5
    record = poisson_record(np.random.default_rng(78), {"a": rate}, 400, 60.0)
    edges = np.concatenate([np.linspace(0.0, 1.0, 9), [1.5, 2.0, 4.0, 8.0]])
    found = an.cluster_g2(record, 1, 1, edges, window)
    close = np.exp(rate * 2 * window) * -np.diff(np.exp(-rate * edges)) / np.diff(edges) / rate
    exact = np.where(edges[1:] <= window, 0.0, np.where(edges[1:] <= 2 * window, close, 1.0))
    assert (found.value[:4] == 0).all()
    assert np.abs(pulls(found, exact)[4:]).max() < 4
    assert np.abs(pulls(found, 1.0)[4:]).max() > 6


def test_waits_between_isolated_clicks_integrate_the_bundle_correlation():
    """Short windows see the first single click after δ: W = λe^{−λ(δ+τ)} on δ ≤ τ < 2δ. 4 bins at 4σ: 3e-4."""
    rate, window = 1.0, 0.5
    record = poisson_record(np.random.default_rng(79), {"a": rate}, 600, 40.0)
    edges = np.linspace(0.5, 1.0, 5)
    # behind a single click δ is empty; then the next bundle starts with rate λ, and is single with e^{−λδ}
    found = an.bundle_waiting_times(record, 1, 1, edges, window)
    empty = -np.diff(np.exp(-rate * (edges - window))) / np.diff(edges) / rate
    assert np.abs(pulls(found, rate * np.exp(-rate * window) * empty)).max() < 4


def test_simultaneous_bands_hold_all_bins_at_once():
    """100 Poisson records: all 20 bins within ± c·σ in 95 of them; 4σ binomial limits, false alarm 6e-5."""
    rng = np.random.default_rng(80)
    edges = np.linspace(-5.0, 5.0, 21)
    inside = pointwise = 0
    for _ in range(100):
        record = poisson_record(rng, {"a": 1.0, "b": 1.0}, 100, 30.0)
        found = an.count_pairs(record, [("a", "b")], edges).pooled("a", "b").jackknife()
        largest = np.abs((found.value - 1) / found.standard_error).max()
        inside += largest < found.critical_value(draws=1000)
        pointwise += largest < 1.96
    assert abs(inside - 95) < 4 * np.sqrt(100 * 0.95 * 0.05)
    assert abs(pointwise - 95) > 4 * np.sqrt(100 * 0.95 * 0.05)
