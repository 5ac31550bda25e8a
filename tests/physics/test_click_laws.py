"""Click records against laws known in closed form.

Every statistic has a false-alarm rate of 1e-6 (ALARM) at fixed seeds; that each rejects wrong physics is shown in
tests/statistics/test_planted_faults.py.
"""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
from click_statistics import (
    ALARM,
    channel_share_p,
    correlation_p,
    first_waits,
    fluorescence_p,
    fock_decay_p,
    poisson_counts_p,
    poisson_waits_p,
    rate_z,
)
from click_systems import driven_atom, driven_cavity, leaky_cavity, thermal_cavity, unitary_jumps, watch

import trajectories as tj
from trajectories.engine.compiled import CONSTANT
from trajectories.errors import AccuracyWarning
from trajectories.random_streams import trajectory_stream

KAPPA = 0.1


# That propagators give the same clicks is shown one by one, in tests/engine/test_trajectory_kernels.py.
@pytest.fixture(
    params=["modes", *(pytest.param(name, marks=pytest.mark.slow) for name in CONSTANT if name != "modes")]
)
def propagator(request) -> str:
    return request.param


@pytest.fixture(params=sorted(CONSTANT))
def any_propagator(request) -> str:
    return request.param


def test_one_photon_decays_exponentially(propagator):
    system = leaky_cavity(levels=2, kappa=KAPPA)
    record = watch(system, 3000, 1e3, seed=1, initial=system.space.ket(cavity=1), propagator=propagator)
    assert fock_decay_p(record, 1, KAPPA) > ALARM


def test_one_photon_survives_a_short_window_with_the_right_probability(propagator):
    system = leaky_cavity(levels=2, kappa=KAPPA)
    record = watch(system, 4000, 10.0, seed=2, initial=system.space.ket(cavity=1), propagator=propagator)
    clicked = -np.expm1(-KAPPA * 10.0)
    # 5σ of a binomial count: 6e-7.
    assert abs(len(record) - 4000 * clicked) < 5.0 * np.sqrt(4000 * clicked * (1.0 - clicked))


@pytest.mark.parametrize("quanta", [2, 4])
def test_fock_state_decays_step_by_step(quanta, propagator):
    system = leaky_cavity(kappa=KAPPA)
    record = watch(system, 1500, 1e4, seed=quanta, initial=system.space.ket(cavity=quanta), propagator=propagator)
    assert fock_decay_p(record, quanta, KAPPA) > ALARM


def test_two_ports_share_the_clicks_of_a_fock_state(propagator):
    system = leaky_cavity(kappa=0.07, second=0.03)
    record = watch(system, 1500, 1e4, seed=5, initial=system.space.ket(cavity=4), propagator=propagator)
    assert fock_decay_p(record, 4, 0.1) > ALARM
    assert channel_share_p(record, 0.7) > ALARM


def test_fock_states_of_two_modes_leave_in_the_order_of_independent_decays(propagator):
    space = tj.HilbertSpace(a=3, b=3)
    rates = {"a": 0.1, "b": 0.04}
    channels = [tj.Channel(name, np.sqrt(rate) * space.lower(name)) for name, rate in rates.items()]
    system = tj.OpenSystem(space.number("a") + 1.3 * space.number("b"), channels, space)
    size = 2000
    record = watch(system, size, 1e4, seed=6, initial=space.ket(a=2, b=2), propagator=propagator)
    assert (np.diff(record.offsets) == 4).all()
    # With n_a and n_b quanta left, a is next with probability n_a κ_a / (n_a κ_a + n_b κ_b).
    observed: dict[str, int] = {}
    for word in record.channel.reshape(-1, 4):
        key = "".join("ab"[k] for k in word)
        observed[key] = observed.get(key, 0) + 1
    chi2 = 0.0
    for key in ("aabb", "abab", "abba", "baab", "baba", "bbaa"):
        left, probability = {"a": 2, "b": 2}, 1.0
        for name in key:
            total = sum(left[mode] * rates[mode] for mode in left)
            probability *= left[name] * rates[name] / total
            left[name] -= 1
        chi2 += (observed.pop(key, 0) - size * probability) ** 2 / (size * probability)
    assert not observed
    assert chi2 < 36.9  # χ² with 5 degrees of freedom exceeds it with probability 6e-7


def test_fluorescence_waits(any_propagator):
    system = driven_atom(rabi=1.5, gamma=0.4)
    record = watch(system, 150, 500.0, seed=7, initial=system.space.ket(), propagator=any_propagator)
    # Rate 0.194, so 97 clicks are expected of each trajectory.
    assert fluorescence_p(record, 1.5, 0.4, count=50) > ALARM


def test_fluorescence_is_antibunched_and_rings(propagator):
    rabi, gamma = 1.5, 0.4
    system = driven_atom(rabi, gamma)
    record = watch(system, 400, 200.0, seed=8, propagator=propagator)
    ringing = np.sqrt(rabi**2 - gamma**2 / 16.0)

    def g2(tau: float) -> float:
        wave = np.cos(ringing * tau) + 0.75 * gamma / ringing * np.sin(ringing * tau)
        return 1.0 - np.exp(-0.75 * gamma * tau) * wave

    rate = gamma * rabi**2 / (gamma**2 + 2.0 * rabi**2)
    edges = np.linspace(0.0, 12.0, 13)
    assert correlation_p(record, (0, 0), edges, (rate, rate), g2) > ALARM


def test_driven_cavity_clicks_like_poisson(propagator):
    amplitude, kappa = 0.05, 0.2
    # The displaced states make the eigenvectors ill-conditioned; they are to keep the tolerance all the same.
    record = watch(driven_cavity(amplitude, kappa), 300, 1500.0, seed=9, propagator=propagator)
    rate = 4.0 * amplitude**2 / kappa
    assert poisson_waits_p(record, rate, count=30) > ALARM
    assert poisson_counts_p(record, rate) > ALARM


def test_thermal_light_is_bunched(propagator):
    kappa, occupation = 0.5, 0.4
    record = watch(thermal_cavity(occupation, kappa), 400, 150.0, seed=10, propagator=propagator)
    emission, absorption = kappa * (occupation + 1.0) * occupation, kappa * occupation * (occupation + 1.0)
    edges = np.linspace(0.0, 8.0, 9)
    # g²(0) = 2 for emission; a quantum put in makes the next emission likelier still.
    bunching = {
        (0, 0): 1.0,
        (1, 1): 1.0,
        (0, 1): occupation / (occupation + 1.0),
        (1, 0): (occupation + 1.0) / occupation,
    }
    rates = (emission, absorption)
    for pair, excess in bunching.items():

        def g2(tau: float, excess: float = excess) -> float:
            return 1.0 + excess * np.exp(-kappa * tau)

        assert correlation_p(record, pair, edges, (rates[pair[0]], rates[pair[1]]), g2) > ALARM, pair


def test_thermal_channels_click_at_their_rates(propagator):
    kappa, occupation = 0.5, 0.4
    record = watch(thermal_cavity(occupation, kappa), 200, 300.0, seed=11, propagator=propagator)
    rate = kappa * occupation * (occupation + 1.0)  # detailed balance: as much in as out
    for channel in (0, 1):
        assert abs(rate_z(record, channel, rate)) < 5.0  # 6e-7 each


@pytest.mark.parametrize("kappa", [1.0, 1e-2, 1e-4])
def test_click_times_are_exact_when_the_law_of_each_is(kappa, any_propagator):
    """With c†c = κ·1 the k-th wait is −ln(1 − u)/κ of the same random numbers, whatever the state does."""
    system = unitary_jumps(kappa, norm=5.0)
    # Where frequencies are 5e4 rates, rounding in the steps of the sparse action may exceed the tolerance, and in
    # other systems it does (tests/engine/test_accuracy.py). Here the state does not matter.
    propagator = any_propagator
    breach = propagator == "sparse" and kappa == 1e-4
    with pytest.warns(AccuracyWarning, match="propagator='auto'") if breach else nullcontext():
        record = watch(system, 3, 20.0 / kappa, seed=12, initial=np.eye(4)[0], propagator=propagator)
    assert len(record) > 30
    for row, (low, high) in enumerate(zip(record.offsets[:-1], record.offsets[1:], strict=True)):
        stream = trajectory_stream(12, row)
        stream.random()  # chooses the initial ket
        drawn = 1.0 - stream.random(2 * (high - low))[::2]
        waits = np.diff(record.time[low:high], prepend=0.0)
        # The promise: 1e-8 for the bracket, and a relative error of S below 1e-10.
        assert np.abs(waits + np.log(drawn) / kappa).max() < 1e-8 + 1e-10 / kappa


def test_waits_scale_with_the_unit_of_time(propagator):
    """The same physics in units that are 1e9 times shorter gives the same record in those units."""
    slow, fast = leaky_cavity(kappa=1e-10), leaky_cavity(kappa=0.1)
    systems = {1e9: slow, 1.0: fast}
    waits = {}
    for unit, system in systems.items():
        still = tj.OpenSystem(0.0 * system.hamiltonian, system.channels, system.space)
        record = watch(still, 20, 1e4 * unit, seed=13, initial=still.space.ket(cavity=4), propagator=propagator)
        waits[unit] = first_waits(record, 4) / unit
    np.testing.assert_allclose(waits[1e9], waits[1.0], rtol=1e-6, atol=1e-7)


def test_blue_regime_clicks_at_the_rates_of_the_density_matrix():
    """The steady state at Δ_ad = 1.340, levels 5,5,5, was computed independently of this package."""
    system = tj.SpinningResonator(direction="left", detuning=1.340, kappa=0.005).system(levels=(5, 5, 5))
    record = watch(system, 24, 1e5, seed=14)
    rates = {
        "photon": 0.005 * 0.03035,
        "phonon": 0.005 * 5.24e-4,
        "magnon": 0.005 * 0.01943,
        "atom": 0.001 * 0.2446,
    }
    for name, rate in rates.items():
        # 4σ: 6e-5 each; for the phonon, of which 6 clicks are expected, up to 16 of a Poisson law (3e-4).
        assert abs(rate_z(record, record.channel_number(name), rate)) < 4.0, name
