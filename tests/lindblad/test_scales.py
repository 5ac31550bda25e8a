"""Rates that lie many decades apart: steady states, next clicks and cumulants against closed forms and mpmath."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import random_system
from systems_of_many_scales import atom, atom_rate, exact_rates, of_many_scales
from systems_with_answers import degenerate_v_atom, lambda_atom, paper_system, random_lindbladian

from trajectories import Channel, HilbertSpace, OpenSystem, lindblad
from trajectories.errors import ConvergenceError, SteadyStateNotUnique
from trajectories.lindblad.superoperators.liouvillian import Liouvillian

DECADES = 10.0 ** np.arange(-12.0, 12.5, 1.0)


@pytest.mark.parametrize("method", ["auto", "elimination"])
def test_driven_atom_over_twenty_four_decades(method):
    for kappa in DECADES:
        steady = lindblad.steady_state(atom(1.0, kappa), method=method)
        assert float(steady.rate("p") / atom_rate(1.0, kappa)) == pytest.approx(1.0, abs=1e-11), kappa
        assert steady.error <= 1e-9


def test_a_residual_relative_to_the_fastest_rate_says_nothing():
    # Planted fault: the state that was once returned at κ/Ω = 1e8, 2 % off, has a residual of rounding only.
    system = atom(1.0, 1e8)
    wrong = np.array(lindblad.steady_state(system).rho)
    wrong[1, 1] *= 1.02
    liouvillian = Liouvillian(system)
    assert np.linalg.norm(liouvillian.apply(wrong)) / liouvillian.scale < 1e-16


def check_against_mpmath(seed: int) -> None:
    system = of_many_scales(seed)
    exact = exact_rates(system)
    steady = lindblad.steady_state(system)
    assert steady.error <= 1e-9
    for channel in system.channels:
        size = float(abs(channel.operator).power(2).max())
        if exact[channel.name] > 1e-24 * size:
            share = float(steady.rate(channel.name) / exact[channel.name])
            assert share == pytest.approx(1.0, abs=1e-9), channel.name
        else:
            assert steady.rate(channel.name) <= 1e-22 * size


@pytest.mark.parametrize("seed", range(40))
def test_random_systems_over_twelve_decades(seed):
    check_against_mpmath(seed)


@pytest.mark.slow
def test_three_hundred_more_random_systems_over_twelve_decades():
    for seed in range(40, 340):
        check_against_mpmath(seed)


def test_elimination_states_a_bound_that_holds():
    for seed in (1, 6, 11, 16, 21):
        system = of_many_scales(seed)
        steady, exact = lindblad.steady_state(system, method="elimination"), exact_rates(system)
        assert steady.method == "elimination"
        assert steady.error < 1e-20
        assert max(abs(float(steady.rate(name) / rate) - 1.0) for name, rate in exact.items()) < 1e-14


def test_elimination_and_refinement_agree():
    for system in (paper_system(), random_lindbladian(4, 5, 3), lambda_atom()[0]):
        refined = lindblad.steady_state(system, method="schur")
        eliminated = lindblad.steady_state(system, method="elimination")
        np.testing.assert_allclose(refined.rho, eliminated.rho, rtol=1e-11, atol=1e-16)


def test_elimination_reports_a_conserved_quantity():
    with pytest.raises(SteadyStateNotUnique, match="not unique"):
        lindblad.steady_state(degenerate_v_atom(), method="elimination")


def test_elimination_is_refused_where_it_would_take_hours():
    with pytest.raises(ValueError, match="N ≤ 50"):
        lindblad.steady_state(paper_system((3, 3, 3)), method="elimination")


def test_what_no_method_can_reach_is_an_error():
    # A decay of 1e-18 of the frequencies drowns in the rounding of the solves, and N is too large to eliminate.
    with pytest.raises(ConvergenceError, match="bring the rates closer"):
        lindblad.steady_state(random_system(3, 52, 2, rate=1e-18))
    steady = lindblad.steady_state(random_system(3, 6, 2, rate=1e-18))
    assert steady.method == "elimination"


def beside_a_cavity(kappa: float, levels: int) -> OpenSystem:
    """A driven atom of decay κ and a driven cavity that do not interact."""
    space = HilbertSpace(photon=levels, atom=2)
    a, lower = space.lower("photon"), space.lower("atom")
    hamiltonian = (lower + lower.T) + 3.0 * (a.T @ a) + 0.3 * (a + a.T)
    return OpenSystem(hamiltonian, (Channel("p", np.sqrt(kappa) * lower), Channel("photon", a)), space)


def test_next_click_and_cumulants_over_twenty_four_decades():
    for kappa in DECADES[::2]:
        steady = lindblad.steady_state(atom(1.0, kappa))
        assert lindblad.next_click_probabilities(steady, "p")["p"].value == pytest.approx(1.0, abs=1e-12)
        mean, variance = lindblad.cumulants(steady, order=2)
        # Mandel's Q at long times, −6Ω²γ²/(γ² + 2Ω²)² with H = (Ω/2)(σ + σ†).
        fano = 1.0 - 24.0 * kappa**2 / (kappa**2 + 8.0) ** 2
        assert variance / mean == pytest.approx(fano, rel=1e-11)


@pytest.mark.parametrize("kappa", [1e3, 1e5])
def test_curves_above_thirty_dimensions_are_as_right_as_they_say(kappa):
    # An overdamped atom beside a cavity that does not see it: the atom alone is the reference.
    system = beside_a_cavity(kappa, 20)
    steady, alone = lindblad.steady_state(system), lindblad.steady_state(atom(1.0, kappa))
    edges = [0.0, 1.0 / kappa, 3.0 / kappa, 10.0 / steady.rate("p")]
    found, exact = (lindblad.g2(state, "p", "p", edges) for state in (steady, alone))
    assert np.all(np.abs(found.value - exact.value) <= found.numerical_error + 1e-12)
    assert found.numerical_error.max() < 1e-3


def test_curves_that_doubles_do_not_resolve_are_refused():
    steady = lindblad.steady_state(beside_a_cavity(1e7, 20))
    with pytest.raises(ConvergenceError, match="lower N to 30"):
        lindblad.g2(steady, "p", "p", [0.0, 1e-7, 3e-7])
    assert ("p", "p") not in lindblad.g2_matrix(steady, [0.0, 1.0])
    assert ("p", "p") in lindblad.g2_matrix(lindblad.steady_state(beside_a_cavity(1e7, 3)), [0.0, 1.0])
