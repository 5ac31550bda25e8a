"""How pairs of clicks come in groups: closed forms of bursts and of Poisson streams, and counted records."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from click_systems import driven_cavity, random_system, watch
from false_alarm_systems import fock_bursts
from systems_with_answers import PairSource, paper_system

from trajectories import lindblad
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.lindblad.independent_groups import count_groups, essential_equations
from trajectories.lindblad.independent_groups.count_groups import CountGroups
from trajectories.lindblad.independent_groups.pair_groups import PairGroups
from trajectories.lindblad.reduced import core_resolvent
from trajectories.lindblad.superoperators.krylov import gmres


@pytest.mark.parametrize("quanta", [2, 5, 12])
def test_a_burst_is_one_group(quanta):
    """n clicks that are close together and far from others: n(n − 1)/2 pairs, all in one group."""
    pump = 1e-9
    steady = lindblad.steady_state(fock_bursts(quanta, pump))
    pairs, together = PairGroups(steady, 1e4, ["photon"]).of_pair("photon", "photon")
    number = quanta * (quanta - 1) / 2
    assert pairs == pytest.approx(pump * number, rel=1e-3)
    assert together == pytest.approx(number, rel=1e-3)


def test_a_poisson_stream_has_pairs_that_share_clicks():
    """φ = 1 + 6 λτ: chains of three, nothing from chains of four."""
    steady = lindblad.steady_state(driven_cavity(0.05, 0.2))
    pairs, together = PairGroups(steady, 3.0).of_all()
    assert pairs == pytest.approx(0.05**2 * 3.0, rel=1e-6)
    assert together == pytest.approx(1.0 + 6.0 * 0.05 * 3.0, rel=1e-5)


def test_loss_makes_groups_smaller():
    steady = lindblad.steady_state(fock_bursts(6, 1e-9))
    loss = {"photon": Detector(efficiency=0.5)}
    whole = PairGroups(steady, 1e4, ["photon"]).of_all()
    half = PairGroups(steady, 1e4, ["photon"], loss).of_all()
    assert half[0] == pytest.approx(0.25 * whole[0])
    # Chains of three and four pairs of pairs lose η³/η² and η⁴/η²: 6·20·η + 6·15·η², over 15 pairs.
    assert half[1] == pytest.approx(1.0 + (6.0 * 20.0 * 0.5 + 6.0 * 15.0 * 0.25) / 15.0, rel=1e-3)


def test_large_systems_take_another_path_to_the_same_numbers(monkeypatch):
    """(1/τ − L)⁻¹ from the matrix of L, and by GMRES."""
    steady = lindblad.steady_state(random_system(5, 4, 3))
    by_matrix = PairGroups(steady, 2.0)
    expected = [by_matrix.of_pair("c0", "c0"), by_matrix.of_pair("c0", "c2"), by_matrix.of_all()]
    monkeypatch.setattr(essential_equations, "LARGEST_MATRIX", 1)
    by_gmres = PairGroups(steady, 2.0)
    found = [by_gmres.of_pair("c0", "c0"), by_gmres.of_pair("c2", "c0"), by_gmres.of_all()]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("pairs", [1000, 100, 2])
def test_a_core_of_pairs_saves_products_and_no_digits(monkeypatch, pairs):
    """Where the core is small GMRES needs more products, and the numbers stay: chains of clicks, and counts."""
    system, solutions = paper_system((3, 2, 2)), []

    def counted(*arguments, **options):
        found = gmres(*arguments, **options)
        solutions.append(found.products)
        return found

    def numbers(plain):
        monkeypatch.setattr(essential_equations, "LARGEST_PLAIN", plain)
        steady = lindblad.steady_state(system)
        solutions.clear()
        groups = PairGroups(steady, 600.0)
        values = [*groups.of_pair("photon", "magnon"), *groups.of_pair("atom", "atom"), *groups.of_all()]
        values += list(CountGroups(steady).cumulants(system.channel_names))
        return values, np.mean(solutions)

    monkeypatch.setattr(essential_equations, "LARGEST_MATRIX", 1)
    monkeypatch.setattr(count_groups, "MOST_ELIMINATED", 1)
    monkeypatch.setattr(core_resolvent, "CORE_SIZE", pairs)
    monkeypatch.setattr(essential_equations, "gmres", counted)
    expected, products = numbers(1000)
    found, fewer = numbers(1)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if pairs == 1000:  # all pairs of modes
        assert fewer <= 3.0 < products


def test_cumulants_to_a_few_digits_are_those_of_the_counting_statistics(monkeypatch):
    """What `cumulants` finds to ten digits, for channels alone, together, and seen through detectors."""
    steady = lindblad.steady_state(random_system(5, 4, 3))
    seen = {"c0": Detector(efficiency=0.6, dark_rate=0.01)}
    chosen = [("c0",), ("c1",), ("c0", "c2"), ("c0", "c1", "c2")]
    for detectors in (None, seen):
        expected = [lindblad.cumulants(steady, names, 3, detectors) for names in chosen]
        with monkeypatch.context() as patch:
            patch.setattr(count_groups, "MOST_ELIMINATED", 1)
            patch.setattr(essential_equations, "LARGEST_MATRIX", 1)
            groups = CountGroups(steady, None, detectors)
            found = [groups.cumulants(names) for names in chosen]
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_spread_of_counted_pairs_is_no_larger():
    """Pairs with the weight e^{−lag} in 1500 stretches of 20/κ: variance/mean at most φ, and not far below."""
    system = PairSource(coupling=0.2, levels=4).system()
    steady = lindblad.steady_state(system)
    record = watch(system, 1500, 20.0, seed=8, initial=steady.rho)
    counts = []
    for low, high in pairwise(record.offsets):
        lags = record.time[low:high][:, None] - record.time[low:high][None, :]
        counts.append(np.exp(-lags[lags > 0.0]).sum())
    often, together = PairGroups(steady, 1.0).of_all()
    assert np.mean(counts) == pytest.approx(often * 19.0, rel=0.1)
    observed = np.var(counts) / np.mean(counts)
    assert 2.0 < observed < 1.1 * together  # the standard error of the ratio is some 6 %
    assert together < 4.0 * observed


def test_refusals():
    steady = lindblad.steady_state(driven_cavity(0.05, 0.2))
    with pytest.raises(InvalidInput, match="window"):
        PairGroups(steady, 0.0)
    with pytest.raises(InvalidInput, match="magnon"):
        PairGroups(steady, 1.0).of_pair("cavity", "magnon")
