"""Gap clusters: the dense oracle, sum rules, Poisson light, order, purity, correlation of clusters."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import pytest
from dense_lindblad import DenseLindblad
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from systems_with_answers import DrivenCavity, ResonanceFluorescence, paper_system, random_lindbladian

from trajectories import Channel, OpenSystem, lindblad
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput
from trajectories.lindblad.summary import summary

# Every exact value that is tested here is computed in each of the ways there are.
pytestmark = pytest.mark.usefixtures("every_way")


@pytest.mark.parametrize("detectors", [None, {"c0": Detector(efficiency=0.6, dark_rate=0.1)}])
def test_ordered_rates_against_the_dense_oracle(detectors):
    system = random_lindbladian(3, dimension=3)
    steady = lindblad.steady_state(system)
    dense = DenseLindblad(system, **({"efficiency": {"c0": 0.6}, "dark": {"c0": 0.1}} if detectors else {}))
    found = lindblad.order_rates(steady, 0.8, max_size=4, detectors=detectors)
    assert len(found) == 2 + 4 + 8 + 16
    for key, rate in found.items():
        assert rate.value == pytest.approx(dense.cluster_rate(key, 0.8), rel=1e-9), key


def test_undetected_channels_go_on_between_clicks():
    system = paper_system()
    steady = lindblad.steady_state(system)
    dense = DenseLindblad(system, channels=("photon", "phonon", "magnon"))
    found = lindblad.order_rates(steady, 60.0, max_size=2)
    assert not any("atom" in order for order in found)
    for key, rate in found.items():
        assert rate.value == pytest.approx(dense.cluster_rate(key, 60.0), rel=1e-8), key
    watched = lindblad.order_rates(steady, 60.0, ("photon", "magnon", "atom"), max_size=1)
    assert watched["photon"].value < found["photon"].value  # more clicks leave fewer of them alone


@settings(max_examples=6, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10**6), window=st.floats(0.05, 0.5))
def test_every_click_is_in_one_cluster(seed, window):
    system = random_lindbladian(seed, dimension=3)
    steady = lindblad.steady_state(system)
    total = sum(steady.rate(name) for name in system.channel_names)
    found = lindblad.cluster_rates(steady, window, max_size=40)
    counted = sum(n * rate.value for n, rate in enumerate(found, start=1))
    tail = found[-1].value / found[0].value
    # The sum over all n is the total rate; what is cut off falls geometrically.
    ratio = found[-1].value / found[-2].value
    rest = found[-1].value * sum((40 + j) * ratio**j for j in range(1, 2000))
    assert tail < 0.5
    assert counted + rest == pytest.approx(total, rel=1e-6)


def test_compositions_and_sizes_are_sums_of_orders():
    steady = lindblad.steady_state(random_lindbladian(6, dimension=3))
    orders = lindblad.order_rates(steady, 0.5, max_size=3)
    compositions = lindblad.composition_rates(steady, 0.5, max_size=3)
    sizes = lindblad.cluster_rates(steady, 0.5, max_size=3)
    assert list(compositions.by_spelling()) == [
        "c0", "c1", "c0+c0", "c0+c1", "c1+c1", "c0+c0+c0", "c0+c0+c1", "c0+c1+c1", "c1+c1+c1",
    ]  # fmt: skip
    pair = orders["c0>c1"].value + orders["c1>c0"].value
    assert compositions["c0+c1"].value == pytest.approx(pair, rel=1e-12)
    three = sum(orders[s].value for s in product(("c0", "c1"), repeat=3) if s.count("c1") == 2)
    assert compositions["c0+c1+c1"].value == pytest.approx(three, rel=1e-12)
    for n, size in enumerate(sizes, start=1):
        parts = sum(rate.value for key, rate in orders.items() if len(key) == n)
        assert size.value == pytest.approx(parts, rel=1e-9)
    fraction = lindblad.order_fraction(steady, "c1", "c0", 0.5).value
    assert fraction == pytest.approx(orders["c1>c0"].value / pair, rel=1e-10)
    total = steady.rate("c0") + steady.rate("c1")
    assert lindblad.pair_purity(steady, "c0", "c1", 0.5).value == pytest.approx(2 * pair / total, rel=1e-10)


def test_purity_of_laser_light_is_accidental():
    cavity = DrivenCavity()
    steady = lindblad.steady_state(cavity.system())
    windows = [0.5, 3.0, 20.0]
    for n in (1, 2, 3):
        found = [e.value for e in lindblad.purity(steady, n, windows)]
        chance = [e.value for e in lindblad.accidental_purity(cavity.rate(), n, windows)]
        np.testing.assert_allclose(found, chance, rtol=1e-7)
        q = np.exp(-cavity.rate() * np.array(windows))
        np.testing.assert_allclose(chance, n * q**2 * (1 - q) ** (n - 1), rtol=1e-12)
    # Antibunched light is purer in single photons than chance, so that the agreement above means something.
    atom = ResonanceFluorescence(rabi=0.5, gamma=1.0)
    single = lindblad.purity(lindblad.steady_state(atom.system()), 1, [1.0])[0].value
    chance = lindblad.accidental_purity(atom.gamma * atom.excited(), 1, [1.0])[0].value
    assert single > 1.1 * chance


@pytest.mark.parametrize("detectors", [None, {"c0": Detector(efficiency=0.6, dark_rate=0.1)}])
def test_lags_against_the_dense_oracle(detectors):
    system = random_lindbladian(3, dimension=3)
    steady = lindblad.steady_state(system)
    dense = DenseLindblad(system, **({"efficiency": {"c0": 0.6}, "dark": {"c0": 0.1}} if detectors else {}))
    window, edges = 0.8, np.array([-2.0, -0.9, -0.5, -0.1, 0.2, 0.7, 1.0, 3.0])
    E, rate = dense.click_free(window), dense.cluster_rate(("c0", "c1"), window)
    rate += dense.cluster_rate(("c1", "c0"), window)

    def density(lag: float) -> float:
        first, second = ("c0", "c1") if lag > 0 else ("c1", "c0")
        between = dense.jumps[second] @ dense.click_free(abs(lag)) @ dense.jumps[first]
        return (dense.one @ E @ between @ E @ dense.rho).real / rate if abs(lag) < window else 0.0

    expected = [
        integrate.quad(density, a, b, points=[p for p in (-window, 0.0, window) if a < p < b])[0] / (b - a)
        for a, b in pairwise(edges)
    ]
    found = lindblad.lag_histogram(steady, "c0", "c1", edges, window, detectors=detectors)
    np.testing.assert_allclose(found.value, expected, rtol=1e-8, atol=1e-12)
    assert found.value @ np.diff(edges) == pytest.approx(1.0, rel=1e-12)
    mirrored = lindblad.lag_histogram(steady, "c1", "c0", -edges[::-1], window, detectors=detectors)
    np.testing.assert_allclose(mirrored.value[::-1], found.value, rtol=1e-10)
    # Random operators have no symmetry between the two orders, so that an exchange would show.
    assert abs(found.value[2] / found.value[4] - 1.0) > 0.01
    positive = lindblad.lag_histogram(steady, "c0", "c1", [0.0, window], window, detectors=detectors)
    order = lindblad.order_fraction(steady, "c0", "c1", window, detectors=detectors)
    assert positive.value[0] * window == pytest.approx(order.value, rel=1e-10)


def test_pairs_agree_with_the_table_of_orders():
    steady = lindblad.steady_state(paper_system())
    orders = lindblad.order_rates(steady, 60.0, max_size=2)
    found = lindblad.pair_bundles(steady, "photon", "magnon", 60.0)
    assert found.forward == pytest.approx(orders["photon>magnon"].value, rel=1e-7)
    assert found.backward == pytest.approx(orders["magnon>photon"].value, rel=1e-7)
    table = summary(steady, ("photon", "magnon"), 60.0)["bundles"]
    assert table["purity of photon+magnon"] == pytest.approx(found.purity.value, rel=1e-7)
    assert table["photon first"] == pytest.approx(found.order_fraction.value, rel=1e-7)
    compositions = lindblad.composition_rates(steady, 60.0, max_size=2)
    assert table["rate of photon+magnon"] == compositions["photon+magnon"].value


def test_a_pair_that_is_never_emitted_has_no_order():
    # The second channel's operator vanishes: it never clicks.
    atom = ResonanceFluorescence().system()
    system = OpenSystem(atom.hamiltonian, (*atom.channels, Channel("dark", 0 * atom.channels[0].operator)))
    steady = lindblad.steady_state(system)
    assert lindblad.pair_purity(steady, "fluorescence", "dark", 1.0).value == 0.0
    for function in (lindblad.order_fraction, lambda *a: lindblad.lag_histogram(*a[:3], [-1.0, 1.0], a[3])):
        with pytest.raises(InvalidInput, match="ever emitted"):
            function(steady, "fluorescence", "dark", 1.0)


def test_rates_of_bundles_are_never_negative():
    """Two atoms that cascade into a dark state had −3.6e-19 pairs of clicks per time."""
    lower = np.array([[0.0, 1.0], [0.0, 0.0]])
    first, second = np.kron(lower, np.eye(2)), np.kron(np.eye(2), lower)
    exchange = second.T @ first
    hamiltonian = 0.3 * (first + first.T + second + second.T) - 0.5j * (exchange - exchange.T)
    steady = lindblad.steady_state(OpenSystem(hamiltonian, [Channel("out", first + second)]))
    assert steady.rate("out") == pytest.approx(0.0, abs=1e-15)
    for rates in (lindblad.composition_rates(steady, 1.0).values(), lindblad.cluster_rates(steady, 1.0)):
        assert all(0.0 <= rate.value < 1e-15 for rate in rates)


def test_clicks_that_are_rounding_make_no_pair():
    """The middle of three coupled levels is dark in (1, 0, −1): an order of 0.85 was given of 1e-34."""
    hamiltonian = np.array([[0.0, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.0]])
    silent = np.zeros((3, 3))
    silent[0, 1] = 1.0
    system = OpenSystem(hamiltonian, [Channel("silent", silent), Channel("loud", np.diag([1.0, 0.0, 1.0]))])
    steady = lindblad.steady_state(system)
    for function in (
        lambda: lindblad.order_fraction(steady, "silent", "loud", 1.0),
        lambda: lindblad.lag_histogram(steady, "silent", "loud", [-1.0, 1.0], 1.0),
        lambda: lindblad.cluster_g2(steady, "silent", "loud", [0.0, 3.0], 1.0),
        lambda: lindblad.cluster_g2(steady, 1, ("silent", "loud"), [0.0, 3.0], 1.0),
    ):
        with pytest.raises(InvalidInput, match=r"never clicks|ever emitted"):
            function()


def test_a_scan_of_windows_is_that_of_each_window():
    steady = lindblad.steady_state(paper_system())
    windows = [60.0, 1.0, 20.0]
    for n in (1, 2, 3):
        scan = [e.value for e in lindblad.purity(steady, n, windows)]
        alone = [lindblad.purity(steady, n, [window])[0].value for window in windows]
        np.testing.assert_allclose(scan, alone, rtol=1e-6)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1), (1, 2)])
def test_cluster_correlation_against_the_dense_oracle(n, m):
    system = random_lindbladian(3, dimension=3)
    steady, dense = lindblad.steady_state(system), DenseLindblad(system)
    tau = np.array([0.0, 0.5, 0.8, 1.2, 1.59, 1.6, 2.0, 6.0])
    found = lindblad.cluster_g2_at(steady, n, m, tau, 0.8)
    np.testing.assert_allclose(found, [dense.cluster_g2(n, m, 0.8, t) for t in tau], rtol=1e-9, atol=1e-12)
    assert lindblad.cluster_g2_at(steady, n, m, 500.0, 0.8) == pytest.approx(1.0, abs=1e-8)


def test_cluster_correlation_in_bins_and_by_composition():
    system = random_lindbladian(3, dimension=3)
    steady = lindblad.steady_state(system)
    edges = np.array([0.0, 0.5, 1.0, 1.7, 5.0])

    # Gauss–Legendre quadrature of the pointwise values, between the places where they jump.
    nodes, weights = np.polynomial.legendre.leggauss(40)
    pieces = np.sort(np.concatenate([edges, [0.8, 1.6]]))
    half = 0.5 * np.diff(pieces)[:, None]
    values = lindblad.cluster_g2_at(steady, 2, "c0+c1", pieces[:-1, None] + half * (nodes + 1), 0.8)
    primitive = np.append(0.0, np.cumsum((half * weights * values).sum(axis=1)))
    expected = np.diff(primitive[np.isin(pieces, edges)]) / np.diff(edges)
    found = lindblad.cluster_g2(steady, 2, "c0+c1", edges, 0.8)
    np.testing.assert_allclose(found.value, expected, rtol=1e-8, atol=1e-12)
    assert (found.first, found.second) == ("2", "c0+c1")
    # The kinds of one size add up: g₂ weighted with their rates.
    rates = lindblad.composition_rates(steady, 0.8, max_size=2)
    kinds = ("c0+c0", "c0+c1", "c1+c1")
    total = sum(rates[kind].value for kind in kinds)
    mixed = sum(rates[k].value * lindblad.cluster_g2_at(steady, 1, k, 2.5, 0.8) for k in kinds) / total
    assert lindblad.cluster_g2_at(steady, 1, 2, 2.5, 0.8) == pytest.approx(float(mixed), rel=1e-9)


def test_window_defaults_to_three_lifetimes():
    steady = lindblad.steady_state(paper_system(kappa=0.05))
    default = lindblad.cluster_rates(steady, max_size=2)
    given_window = lindblad.cluster_rates(steady, 60.0, max_size=2)
    assert [e.value for e in default] == [e.value for e in given_window]


@pytest.mark.slow
def test_paper_system_emits_mostly_pairs_in_its_window():
    # levels 3,3,3, δ = 3/κ: the pair purity exceeds what chance makes of the same rate by far.
    steady = lindblad.steady_state(paper_system((3, 3, 3)))
    purity = lindblad.pair_purity(steady, "photon", "magnon").value
    rates = lindblad.rates(steady)
    total = sum(rates[name].value for name in ("photon", "phonon", "magnon"))
    assert purity > 3 * lindblad.accidental_purity(total, 2, [600.0])[0].value
    compositions = lindblad.composition_rates(steady, None, max_size=3)
    counted = sum(len(key) * rate.value for key, rate in compositions.items())
    assert 0.8 * total < counted < total
