"""Waiting times and counting statistics: closed forms, the dense oracle, identities, QuTiP."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import qutip
from dense_lindblad import DenseLindblad
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from systems_with_answers import (
    DrivenCavity,
    ResonanceFluorescence,
    ThermalCavity,
    paper_system,
    random_lindbladian,
)

from trajectories import lindblad
from trajectories.detectors import Detector

# Every exact value that is tested here is computed in each of the ways there are.
pytestmark = pytest.mark.usefixtures("every_way")


@pytest.mark.parametrize(("rabi", "gamma"), [(1.0, 0.3), (0.5, 1.0), (0.3, 4.0)])
def test_waiting_times_of_resonance_fluorescence(rabi, gamma):
    atom = ResonanceFluorescence(rabi, gamma + 1e-9)  # the closed form is 0/0 at Ω = γ/2
    steady = lindblad.steady_state(atom.system())
    edges = np.array([0.0, 0.5, 1.0, 3.0, 10.0, 40.0])
    found = lindblad.waiting_times(steady, "fluorescence", "fluorescence", edges)
    expected = [integrate.quad(atom.waiting, a, b, epsabs=1e-13)[0] / (b - a) for a, b in pairwise(edges)]
    np.testing.assert_allclose(found.value, expected, rtol=1e-8, atol=1e-12)


@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), dimension=st.integers(2, 4))
def test_waiting_time_identities(seed, dimension):
    system = random_lindbladian(seed, dimension)
    steady, dense = lindblad.steady_state(system), DenseLindblad(system)
    window = 1.5
    waits = {
        second: lindblad.waiting_times(steady, "c0", second, [0.0, 0.7, window]) for second in system.channel_names
    }
    within = sum(float(w.value @ np.diff(w.edges)) for w in waits.values())
    silent = (dense.one @ dense.click_free(window) @ dense.jumps["c0"] @ dense.rho).real / dense.rates["c0"]
    assert within == pytest.approx(1 - silent, rel=1e-10)  # Σ_l ∫₀ᵀ W = 1 − P(no click until T)
    probabilities = lindblad.next_click_probabilities(steady, "c0")
    assert sum(p.value for p in probabilities.values()) == pytest.approx(1.0, abs=1e-11)
    for second, probability in probabilities.items():
        all_times = lindblad.waiting_times(steady, "c0", second, [0.0, 2000.0]).value[0] * 2000.0
        assert probability.value == pytest.approx(all_times, abs=1e-9)  # ∫W = P


def test_waiting_with_undetected_channels_and_detectors():
    system = random_lindbladian(9, 3, 3)
    steady = lindblad.steady_state(system)
    detectors = {"c0": Detector(efficiency=0.4, dark_rate=0.05)}
    dense = DenseLindblad(system, ("c0", "c2"), {"c0": 0.4}, {"c0": 0.05})
    edges = np.array([0.2, 0.3, 4.0])
    for second in ("c0", "c2"):
        found = lindblad.waiting_times(steady, "c0", second, edges, ("c0", "c2"), detectors)
        expected = [
            integrate.quad(lambda t, s=second: dense.waiting("c0", s, t), a, b)[0] / (b - a)
            for a, b in pairwise(edges)
        ]
        np.testing.assert_allclose(found.value, expected, rtol=1e-9)
    probabilities = lindblad.next_click_probabilities(steady, "c0", ("c0", "c2"), detectors)
    assert set(probabilities) == {"c0", "c2"}
    start = dense.jumps["c0"] @ dense.rho / dense.rates["c0"]
    dwell = -np.linalg.solve(dense.L0, start)
    for name, probability in probabilities.items():
        assert probability.value == pytest.approx((dense.one @ dense.jumps[name] @ dwell).real, rel=1e-10)


def test_silence_of_a_channel_against_the_dense_exponential():
    system = random_lindbladian(3, 3)
    name, times = system.channel_names[0], [5.0, 0.3, 1.0]
    steady, dense = lindblad.steady_state(system), DenseLindblad(system, [name])
    expected = [(dense.one @ dense.click_free(t) @ dense.rho).real for t in times]
    np.testing.assert_allclose(lindblad.no_click_probability(steady, name, times), expected, rtol=1e-9)
    assert (
        lindblad.no_click_probability(steady, name, [0.3])[0]
        > lindblad.no_click_probability(steady, name, [5.0])[0]
    )


def test_mandel_parameter_of_resonance_fluorescence():
    for rabi, gamma in ((1.0, np.sqrt(2.0)), (0.3, 1.0)):
        atom = ResonanceFluorescence(rabi, gamma)
        steady = lindblad.steady_state(atom.system())
        rate = steady.rate("fluorescence")
        cumulants = lindblad.cumulants(steady, "fluorescence")
        assert cumulants[0] == pytest.approx(rate, rel=1e-12)
        assert cumulants[1] / rate - 1 == pytest.approx(atom.mandel(), rel=1e-10)
        late = lindblad.fano(steady, [1e5], "fluorescence")[0].value - 1
        assert late == pytest.approx(atom.mandel(), rel=1e-4)


def test_laser_light_has_poissonian_counts():
    steady = lindblad.steady_state(DrivenCavity().system())
    found = lindblad.fano(steady, [0.1, 1.0, 50.0])
    np.testing.assert_allclose([e.value for e in found], 1.0, atol=1e-8)
    rate = steady.rate("photon")
    np.testing.assert_allclose(lindblad.cumulants(steady, order=4), rate, rtol=1e-7)


def test_thermal_light_at_finite_time():
    # Var N/⟨N⟩ − 1 = (2λ/T) ∫₀ᵀ (T − s) e^{−κs} ds, Mandel and Wolf, sec. 14.9.
    cavity = ThermalCavity(thermal=0.2, levels=30)
    steady = lindblad.steady_state(cavity.system())
    windows = np.array([1e-3, 0.5, 5.0, 400.0])
    kappa, rate = cavity.kappa, steady.rate("emission")
    expected = 1 + 2 * rate / windows * (windows / kappa - (1 - np.exp(-kappa * windows)) / kappa**2)
    found = [e.value for e in lindblad.fano(steady, windows, "emission")]
    np.testing.assert_allclose(found, expected, rtol=1e-8)


@pytest.mark.parametrize("channels", [None, ("c1",)])
def test_counts_against_the_dense_oracle(channels):
    system = random_lindbladian(2, 3)
    steady = lindblad.steady_state(system)
    detectors = {"c1": Detector(efficiency=0.5, dark_rate=0.2)}
    dense = DenseLindblad(system, channels, {"c1": 0.5}, {"c1": 0.2})
    numbers = np.arange(64)
    for window in (0.3, 4.0):
        probability = dense.count_generating(window, 64)
        mean = probability @ numbers
        expected = (probability @ numbers**2 - mean**2) / mean
        found = lindblad.fano(steady, [window], channels, detectors)[0].value
        assert found == pytest.approx(expected, rel=1e-9)
    # The cumulants are derivatives of the leading eigenvalue, here by Cauchy's formula on a small circle.
    radius, points = 0.05, 16
    circle = radius * np.exp(2j * np.pi * np.arange(points) / points)
    taylor = np.fft.fft([dense.leading_eigenvalue(s) for s in circle]).real / points
    expected = [taylor[n] / radius**n * factorial for n, factorial in ((1, 1), (2, 2), (3, 6))]
    np.testing.assert_allclose(lindblad.cumulants(steady, channels, 3, detectors), expected, rtol=1e-7)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6))
def test_fano_factor_limits(seed):
    steady = lindblad.steady_state(random_lindbladian(seed, 3))
    short, late, later = lindblad.fano(steady, [1e-7, 1e3, 2e3])
    assert short.value == pytest.approx(1.0, abs=1e-5)  # F(T→0) = 1
    cumulants = lindblad.cumulants(steady, order=2)
    # F(T) approaches its limit as 1/T; extrapolated, it is the ratio of cumulants.
    assert 2 * later.value - late.value == pytest.approx(cumulants[1] / cumulants[0], rel=1e-7)


def test_counting_statistics_agree_with_qutip():
    system = paper_system()
    steady = lindblad.steady_state(system)
    hamiltonian = qutip.Qobj(system.hamiltonian.toarray())
    jumps = [qutip.Qobj(c.operator.toarray()) for c in system.channels]
    names = ("photon", "magnon")
    counted = [jumps[system.channel_names.index(name)] for name in names]
    liouvillian, state = qutip.liouvillian(hamiltonian, jumps), qutip.Qobj(steady.rho)
    current, noise, skewness = qutip.countstat_current_noise(liouvillian, c_ops=counted, rhoss=state, sparse=False)
    for i, name in enumerate(names):
        ours = lindblad.cumulants(steady, name, 3)
        assert ours[0] == pytest.approx(current[i], rel=1e-8)
        assert ours[1] == pytest.approx(noise[i, i], rel=1e-8)
        assert ours[2] == pytest.approx(skewness[i], rel=1e-8)
    both = lindblad.cumulants(steady, names, 2)
    assert both[1] == pytest.approx(noise.sum(), rel=1e-8)
