"""The paper's correlations from wave functions against closed forms and the density matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from systems_with_answers import ResonanceFluorescence, paper_system

import trajectories as tj
from trajectories import lindblad
from trajectories.engine import two_time

# Largest deviation in standard errors. About 30 are taken in this file, with fixed seeds; with errors jackknifed
# over 120 trajectories or more, a false alarm is less likely than 2e-5 each.
SIGMA = 4.5
PAIR = ("photon", "magnon")

# Both sides are taken at the same small truncation.
pytestmark = pytest.mark.filterwarnings("ignore:top-level population")


def jaynes_cummings():
    """A driven atom in a cavity of four levels, both lossy."""
    space = tj.HilbertSpace(photon=4, atom=2)
    a, sigma = space.lower("photon"), space.lower("atom")
    exchange = a.T @ sigma
    hamiltonian = 0.4 * (exchange + exchange.T) + 0.3 * (sigma + sigma.T) + 0.5 * space.number("photon")
    channels = [tj.Channel("photon", np.sqrt(0.3) * a), tj.Channel("atom", np.sqrt(0.1) * sigma)]
    return tj.OpenSystem(hamiltonian, channels, space)


def blue_regime():
    """The paper's photon–magnon pairs at the truncation (3, 2, 3)."""
    return paper_system((3, 2, 3))


CASES = {
    "fluorescence": (ResonanceFluorescence(1.0, 0.3).system, ("atom",), (0.3, 1.0, 3.0, 8.0, 40.0), 300.0),
    "cavity photons": (jaynes_cummings, ("photon",), (0.0, 0.5, 2.0, 6.0, 30.0), 300.0),
    "cavity pairs": (jaynes_cummings, ("photon", "photon"), (0.5, 2.0, 6.0, 30.0), 300.0),
    "blue regime": (blue_regime, PAIR, (0.0, 10.0, 100.0, 1000.0, 5000.0), 2e4),
}


def deviations(case):
    """Deviations of the estimated g₂(τ) from the exact one in standard errors."""
    make, bundle, tau, duration = CASES[case]
    system = make()
    found = tj.bundle_correlation(
        system, bundle, tau, trajectories=120, duration=duration, seed=11, samples=48, workers=1
    )
    exact = lindblad.bundle_correlation(lindblad.steady_state(system), bundle, tau)
    return (found.value - exact) / found.standard_error


# Fluorescence has a closed form, below, and pairs of photons are the harder case.
SLOW = ("fluorescence", "cavity photons")


@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.slow] * (case in SLOW)) for case in CASES])
def test_bundle_correlation_is_that_of_quantum_regression(case):
    assert np.abs(deviations(case)).max() < SIGMA


def test_fluorescence_has_its_closed_form_and_no_two_photons_at_once():
    source = ResonanceFluorescence(rabi=1.0, gamma=0.3)
    tau = np.array([[0.0, -2.0], [2.0, 7.0]])
    found = tj.bundle_correlation(
        source.system(), ("atom",), tau, trajectories=150, duration=200.0, seed=5, samples=40, workers=1
    )
    assert found.value.shape == found.times.shape == tau.shape
    assert found.value[0, 0] == found.standard_error[0, 0] == 0.0
    assert found.value[0, 1] == found.value[1, 0]  # even in τ, from the same branches
    z = (found.value - source.g2(tau)).ravel()[1:] / found.standard_error.ravel()[1:]
    assert np.abs(z).max() < SIGMA


def test_moments_and_cross_correlation_are_those_of_the_steady_state():
    system = blue_regime()
    steady = lindblad.steady_state(system)
    options = {"trajectories": 120, "duration": 2e4, "seed": 3, "samples": 100, "workers": 1}
    found = tj.moments(system, {"pair": PAIR, "twice": PAIR + PAIR, "a": ("photon",), "m": ("magnon",)}, **options)
    number = system.space.number("photon") @ system.space.number("magnon")
    assert abs(found.mean("pair").deviation(steady.expect(number))) < SIGMA
    cross = tj.cross_correlation(system, *PAIR, **options)
    assert cross == found.ratio("pair", "a", "m")
    assert abs(cross.deviation(lindblad.cross_correlation(steady, *PAIR))) < SIGMA
    now = tj.bundle_correlation(system, PAIR, **options)
    again = found.ratio("twice", "pair", "pair")
    assert float(now.value) == pytest.approx(again.value, rel=1e-12)
    assert float(now.standard_error) == pytest.approx(again.standard_error, rel=1e-12)


def test_errors_are_as_large_as_they_say():
    """z² of 30 seeds sums to about χ²₃₀, widened by 1.1 for 24 trajectories; false alarms below 2e-4."""
    source = ResonanceFluorescence(rabi=1.0, gamma=0.3)
    system, exact = source.system(), source.g2(3.0)
    options = {"trajectories": 24, "duration": 60.0, "samples": 6, "workers": 1}
    found = [tj.bundle_correlation(system, ("atom",), 3.0, seed=100 + k, **options) for k in range(30)]
    z = np.array([float((g.value - exact) / g.standard_error) for g in found])
    known = np.isfinite(z)  # an average that few trajectories make up has no error
    assert known.sum() >= 28
    chi2 = (z[known] ** 2).sum()
    low, high = stats.chi2(known.sum()).ppf([1e-4, 1 - 1e-4])
    assert low < chi2 < 1.1 * high


def unweighted(compiled):
    count = len(compiled.kets)
    return replace(compiled, cumulative=np.arange(1, count + 1) / count)


def always_the_first(compiled):
    return replace(compiled, kets=compiled.kets[:1], cumulative=np.ones(1))


def not_normalised(compiled):
    return replace(compiled, kets=0.7 * compiled.kets)


@pytest.fixture
def plant(monkeypatch):
    """Return a function that makes every set of branches start wrong."""
    follow = two_time.run_block

    def with_fault(fault):
        monkeypatch.setattr(
            two_time, "run_block", lambda c, task: follow(fault(c) if task.last > task.first + 1 else c, task)
        )

    return with_fault


@pytest.mark.parametrize(
    "fault", [unweighted, pytest.param(always_the_first, marks=pytest.mark.slow), not_normalised]
)
def test_wrong_branches_are_noticed(fault, plant):
    """Pairs of photons from a cavity: what is left after a pair differs much from moment to moment."""
    plant(fault)
    # Far out, or with so few states behind it that no error is given.
    assert not np.abs(deviations("cavity pairs")).max() < SIGMA
