"""Doubling of the time in doubled precision: dense exponentials, closed forms and every function along a step."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from dense_lindblad import DenseLindblad, packed_matrix
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from systems_of_many_scales import atom, exceptional, of_many_scales
from systems_with_answers import ResonanceFluorescence, ThermalCavity, paper_system, random_lindbladian

from trajectories import Channel, OpenSystem, lindblad
from trajectories.errors import ConvergenceError
from trajectories.lindblad.superoperators.doubled import ExactGenerator
from trajectories.lindblad.superoperators.doubling import DoublingMotion
from trajectories.lindblad.superoperators.hermitian_vectors import packed_generator
from trajectories.lindblad.superoperators.motions import SeriesMotion, motion_of

TIMES = np.array([3.3, 0.0, 0.2, 1.0, 17.0])


@pytest.mark.parametrize("adjoint", [False, True])
def test_states_and_integrals_at_any_time(adjoint):
    system, detected = random_lindbladian(3), ({"c0": 1.0, "c1": 0.3}, 0.1)
    motion = DoublingMotion(ExactGenerator(system, *detected))
    matrix = packed_matrix(packed_generator(system, *detected))
    size = len(matrix)
    block = np.zeros((3 * size, 3 * size))
    block[:size, :size] = matrix.T if adjoint else matrix
    block[:size, size : 2 * size] = block[size : 2 * size, 2 * size :] = np.eye(size)
    exact = [linalg.expm(block * t) for t in TIMES]
    rng = np.random.default_rng(0)
    start, rows = rng.normal(size=size), rng.normal(size=(3, size))
    states = motion.propagate(start, TIMES, adjoint=adjoint)
    np.testing.assert_allclose(states, [e[:size, :size] @ start for e in exact], atol=2e-14)
    integrals = motion.propagate(start, TIMES, integral=True, adjoint=adjoint)
    np.testing.assert_allclose(integrals, [e[:size, size : 2 * size] @ start for e in exact], atol=2e-14)
    if not adjoint:
        values = motion.observe(start, rows, TIMES, integrals=2)
        for m in range(3):
            expected = [rows @ e[:size, m * size : (m + 1) * size] @ start for e in exact]
            np.testing.assert_allclose(values[m], expected, atol=1e-13)


def test_a_long_time_in_70_doublings_has_14_digits():
    # Rabi oscillations that decay at 1e-9 of their frequency, after 1e9 of their periods: mpmath has 60 digits.
    system = ResonanceFluorescence(rabi=1.0, gamma=1e-9).system()
    times = np.array([1e3, 1e6 + 0.3, 6e9 + 0.7])
    rows = np.array([[0.0, 0.0, 0.0, 1.0]])
    found = DoublingMotion(ExactGenerator(system)).observe(np.eye(4)[0], rows, times)[0, :, 0]
    with mpmath.workdps(60):
        gamma = mpmath.mpf(float(np.sqrt(1e-9))) ** 2
        mu = mpmath.sqrt(1 - gamma**2 / 16)
        for t, value in zip(times, found, strict=True):
            x = mpmath.mpf(float(t))
            wave = mpmath.cos(mu * x) + 3 * gamma / (4 * mu) * mpmath.sin(mu * x)
            exact = (1 - mpmath.exp(-3 * gamma * x / 4) * wave) / (2 + gamma**2)
            assert value == pytest.approx(float(exact), rel=1e-14)


def test_more_than_32_digits_are_refused():
    with pytest.raises(ConvergenceError, match="shorter"):
        lindblad.density_matrix(atom(1.0, 1e12), [1.0, 0.0], 1e14)


@settings(max_examples=4, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), dimension=st.integers(2, 4))
def test_every_function_along_a_step_agrees_with_the_dense_oracle(seed, dimension):
    rng = np.random.default_rng(seed)
    random = random_lindbladian(seed, dimension)
    shift = rng.uniform(0.0, 2.0) * np.eye(dimension)
    # A local oscillator in the first channel: motion without clicks then decays at once.
    channels = (Channel("c0", random.channels[0].operator + shift), random.channels[1])
    system = OpenSystem(random.hamiltonian, channels)
    steady, dense = lindblad.steady_state(system), DenseLindblad(system)
    for way in ("propagation", "doubling", "auto"):
        check_all(steady.with_solver(way), dense)


def check_all(steady: lindblad.SteadyState, dense: DenseLindblad) -> None:
    """Compare everything that is observed along a step, early in long horizons too."""
    tau, window = np.array([0.0, 0.03, 0.4, 2.0, 30.0]), 0.7
    close = {"rtol": 1e-9, "atol": 1e-10}
    edges = np.array([0.0, 0.05, 1.0, 40.0])
    block = np.zeros((2, 2 * dense.n**2, 2 * dense.n**2), dtype=complex)
    for part, generator in zip(block, (dense.L0, dense.L), strict=True):
        part[: dense.n**2, : dense.n**2], part[: dense.n**2, dense.n**2 :] = generator, np.eye(dense.n**2)

    def primitive(which: int, first: str, second: str) -> np.ndarray:
        reader, start = dense.one @ dense.jumps[second], dense.jumps[first] @ dense.rho / dense.rates[first]
        upto = [linalg.expm(block[which] * t)[: dense.n**2, dense.n**2 :] for t in edges]
        return np.array([(reader @ step @ start).real for step in upto])

    for first, second in (("c0", "c1"), ("c1", "c0"), ("c1", "c1")):
        waits = lindblad.waiting_times(steady, first, second, edges).value
        np.testing.assert_allclose(waits, np.diff(primitive(0, first, second)) / np.diff(edges), **close)
        binned = lindblad.g2(steady, first, second, edges).value
        expected = np.diff(primitive(1, first, second)) / np.diff(edges) / dense.rates[second]
        np.testing.assert_allclose(binned, expected, **close)
        exact = [dense.g2(first, second, t) for t in tau]
        np.testing.assert_allclose(lindblad.g2_at(steady, first, second, tau), exact, **close)
    free = linalg.expm((dense.L - dense.jumps["c0"]) * 0.05) @ dense.rho
    silent = lindblad.no_click_probability(steady, "c0", [0.05, 30.0])
    assert silent[0] == pytest.approx((dense.one @ free).real, rel=1e-10)
    for windows in ([0.05, 0.7, 30.0],):
        purity = [p.value for p in lindblad.purity(steady, 2, windows)]
        total = sum(dense.rates.values())
        exact = [2.0 * dense.cluster_rates_of_size(2, w) / total for w in windows]
        np.testing.assert_allclose(purity, exact, **close)
    orders = lindblad.order_rates(steady, window, max_size=2)
    for sequence, rate in orders.items():
        assert rate.value == pytest.approx(dense.cluster_rate(sequence, window), rel=1e-9, abs=1e-12)
    lags = np.array([-0.7, -0.2, 0.0, 0.01, 0.7])
    assert lindblad.lag_histogram(steady, "c0", "c1", lags, window).value @ np.diff(lags) == pytest.approx(1.0)
    late = np.array([0.71, 1.0, 1.5, 30.0])
    pairs = lindblad.cluster_g2_at(steady, 1, 1, late, window)
    np.testing.assert_allclose(pairs, [dense.cluster_g2(1, 1, window, t) for t in late], rtol=1e-8)
    counts = dense.count_generating(0.4)
    mean = counts @ np.arange(len(counts))
    variance = counts @ np.arange(len(counts)) ** 2 - mean**2
    fano = lindblad.fano(steady, [0.4, 40.0])
    if mean < 5.0:  # else 32 points of the generating function are too few
        assert fano[0].value == pytest.approx(variance / mean, rel=1e-6)
    herald = linalg.expm((dense.L - dense.jumps["c1"]) * window)
    missed = dense.one @ herald @ dense.jumps["c0"] @ herald @ dense.rho / dense.rates["c0"]
    found = lindblad.heralding_efficiency(steady, "c0", "c1", window).value
    assert found == pytest.approx(1.0 - missed.real, abs=1e-10)


def test_transients_go_by_doubling_when_they_are_long():
    system = ResonanceFluorescence(rabi=1.0, gamma=0.3).system()
    assert isinstance(motion_of(system, 1e3), SeriesMotion)
    assert isinstance(motion_of(system, 1e9), DoublingMotion)
    ket, number = np.array([1.0, 0.0]), {"e": system.space.number("atom")}
    short = lindblad.evolve(system, ket, [0.5, 2.0, 1e3], number)["e"].value
    long = lindblad.evolve(system, ket, [0.5, 2.0, 1e3, 1e9], number)["e"].value
    np.testing.assert_allclose(long[:3], short, rtol=1e-12)
    tau = np.array([0.3, 1.0, 1e3])
    near = lindblad.transient_g2(system, ket, "fluorescence", "fluorescence", 2.0, tau)
    far = lindblad.transient_g2(system, ket, "fluorescence", "fluorescence", 2.0, np.append(tau, 1e9))
    np.testing.assert_allclose(far[:3], near, rtol=1e-11)
    bundle = lindblad.bundle_correlation(lindblad.steady_state(system), ("atom",), [0.3, 1e9])
    np.testing.assert_allclose(
        bundle, ResonanceFluorescence(rabi=1.0, gamma=0.3).g2(np.array([0.3, 1e9])), rtol=1e-12
    )


@pytest.mark.parametrize("kappa", [1e-9, 1e-4, 1e4, 1e6, 1e8, 1e9])
def test_overdamped_and_weakly_damped_atoms(kappa):
    # g² and waits at all scales: 1/κ, the Rabi period, and the time between clicks.
    steady = lindblad.steady_state(atom(1.0, kappa))
    rate = steady.rate("p")
    tau = np.array([0.1 / kappa, 1.0 / kappa, 10.0 / kappa, 0.5, 30.0 / rate])
    with mpmath.workdps(60):
        k = mpmath.mpf(float(np.sqrt(kappa))) ** 2
        mu = mpmath.sqrt(mpmath.mpc(4 - k**2 / 16))
        exact = []
        for t in tau:
            x = mpmath.mpf(float(t))
            wave = mpmath.cos(mu * x) + 3 * k / (4 * mu) * mpmath.sin(mu * x)
            exact.append(float(mpmath.re(1 - mpmath.exp(-3 * k * x / 4) * wave)))
        nu = mpmath.sqrt(mpmath.mpc(4 - k**2 / 4)) / 2
        silent = []
        for t in (1.0 / rate, 5.0 / rate):
            x = mpmath.mpf(float(t))
            fade = mpmath.exp(-k * x / 4)
            ground = fade * (mpmath.cos(nu * x) + k / (4 * nu) * mpmath.sin(nu * x))
            excited = fade * mpmath.sin(nu * x) / nu
            silent.append(float(abs(ground) ** 2 + abs(excited) ** 2))
    found = lindblad.g2_at(steady, "p", "p", tau)
    np.testing.assert_allclose(found, exact, rtol=1e-11, atol=1e-12)
    edges = np.array([0.0, 1.0 / rate, 5.0 / rate])
    waits = lindblad.waiting_times(steady, "p", "p", edges).value * np.diff(edges)
    np.testing.assert_allclose(waits, [1.0 - silent[0], silent[0] - silent[1]], rtol=1e-11)


@pytest.mark.parametrize("seed", [s for s in range(16) if s not in (2, 12)])  # those two are dark
def test_random_systems_over_twelve_decades_obey_their_identities(seed):
    # Σ_l P(l|k) = 1, and the waits of a horizon of many mean waits add up to it.
    system = of_many_scales(seed)
    steady = lindblad.steady_state(system)
    rates = {name: steady.rate(name) for name in system.channel_names}
    clicking = [c.name for c in system.channels if rates[c.name] > 1e-20 * float(abs(c.operator).power(2).max())]
    first = max(clicking, key=lambda name: rates[name])
    found = lindblad.next_click_probabilities(steady, first)
    assert sum(p.value for p in found.values()) == pytest.approx(1.0, abs=1e-9)
    horizon = 1e3 / sum(rates.values())
    try:
        shares = [lindblad.waiting_times(steady, first, second, [0.0, horizon]).value[0] for second in rates]
    except ConvergenceError:
        return  # more than 32 digits between horizon and fastest motion
    free = horizon * sum(shares)
    assert free <= 1.0 + 1e-9
    for second, share in zip(rates, shares, strict=True):
        assert share * horizon <= found[second].value + 1e-9


def test_validation_of_a_record_at_kappa_1e9_gives_an_answer():
    # All curves that are asked of such a system: no KeyError, no refusal, no warning.
    steady = lindblad.steady_state(atom(1.0, 1e9))
    reach = 3e-9
    edges = reach * np.linspace(-1.0, 1.0, 9)
    assert set(lindblad.g2_matrix(steady, edges)) == {("p", "p")}
    assert lindblad.no_click_probability(steady, "p", [30.0 / steady.rate("p")])[0] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("order", [2, 3, 5])
def test_exceptional_points_of_any_order_agree_in_all_ways(order):
    # No eigenbasis at all, and no warning of SciPy's that it is ill-conditioned.
    steady, dense = lindblad.steady_state(exceptional(order)), DenseLindblad(exceptional(order))
    exact = [dense.g2("pump", "pump", t) for t in (0.3, 2.0)]
    for way in ("auto", "reduced", "propagation", "doubling"):
        found = lindblad.g2_at(steady.with_solver(way), "pump", "pump", [0.3, 2.0])
        np.testing.assert_allclose(found, exact, rtol=1e-10)


def test_the_paper_system_agrees_in_all_ways():
    steady = lindblad.steady_state(paper_system())
    edges = [0.0, 30.0, 200.0, 5000.0]
    ways = [
        lindblad.g2(steady.with_solver(w), "photon", "magnon", edges).value for w in ("propagation", "doubling")
    ]
    np.testing.assert_allclose(ways[1], ways[0], rtol=1e-9)
    thermal = lindblad.steady_state(ThermalCavity(levels=5).system()).with_solver("doubling")
    auto = lindblad.g2_at(thermal, "emission", "emission", [0.0, 1.0, 1e9])
    assert auto[2] == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("unit", [1e-28, 1e28])
def test_the_unit_of_time_does_not_matter(unit):
    """With rates of 1e-25 powers of the step overflowed: a traceback."""
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])

    def values(scale):
        jumps = [Channel("a", np.sqrt(scale) * sigma), Channel("b", np.sqrt(0.3 * scale) * sigma)]
        steady = lindblad.steady_state(OpenSystem(scale * (sigma + sigma.T), jumps)).with_solver("doubling")
        edges = np.array([0.0, 0.5, 1.0, 40.0]) / scale
        found = [lindblad.g2(steady, "a", "b", edges).value, lindblad.waiting_times(steady, "a", "b", edges).value]
        return np.array([found[0], found[1] / scale])

    np.testing.assert_allclose(values(unit), values(1.0), rtol=1e-12)
