"""Rates with dead time and afterpulses, g² with jitter and afterpulses: closed forms, quadrature, and clicks."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import driven_atom, random_system, watch
from scipy import integrate
from systems_with_answers import PairSource

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.errors import InvalidInput

pytestmark = pytest.mark.filterwarnings("ignore::trajectories.errors.TruncationWarning")
ATOM = lindblad.steady_state(driven_atom(1.0, 1.0))
PAIRS = PairSource(coupling=0.2, levels=3).system()


@pytest.fixture(scope="module")
def steady():
    return lindblad.steady_state(PAIRS)


@pytest.fixture(scope="module")
def clicks():
    return watch(PAIRS, 120, 2000.0, seed=3)


def test_dark_counts_alone_are_a_poisson_process_with_dead_time():
    found = lindblad.rates(ATOM, {"atom": tj.Detector(0.0, 0.4, dead_time=3.0)})["atom"]
    assert found.value == pytest.approx(0.4 / (1.0 + 0.4 * 3.0), rel=1e-10)


def test_an_atom_is_a_renewal_process_also_with_dead_time():
    """One over the mean wait: τ, and what remains to the next click from the state at τ after one."""
    dead = 1.3
    found = lindblad.rates(ATOM, {"atom": tj.Detector(dead_time=dead)})["atom"].value
    later = lindblad.density_matrix(ATOM.system, [1.0, 0.0], [dead])[0]
    half = -1j * ATOM.system.H_eff.toarray()
    one = np.eye(2)
    silent = np.kron(half, one) + np.kron(one, half.conj())
    wait = -(one.ravel() @ np.linalg.solve(silent, later.ravel())).real
    assert found == pytest.approx(1.0 / (dead + wait), rel=1e-9)


def test_short_and_long_dead_times():
    ideal = lindblad.rates(ATOM)["atom"].value
    assert lindblad.rates(ATOM, {"atom": tj.Detector(dead_time=1e-9)})["atom"].value == pytest.approx(
        ideal, rel=1e-8
    )
    long = lindblad.rates(ATOM, {"atom": tj.Detector(dead_time=1e4)})["atom"].value
    assert long == pytest.approx(1.0 / (1e4 + 1.0 / ideal), rel=1e-4)


@pytest.mark.parametrize(
    "detector",
    [
        tj.Detector(0.7, 0.02, dead_time=2.0),
        tj.Detector(0.7, 0.02, afterpulsing=0.2, afterpulse_delay=1.5),
        tj.Detector(0.7, 0.02, jitter=0.7),
    ],
)
def test_clicks_agree_with_the_formulae(steady, clicks, detector):
    """Rates and g² of 42,000 clicks within 4.5 σ, 26 numbers: a false alarm in 5,000; ideal values are far off."""
    detectors = dict.fromkeys(PAIRS.channel_names, detector)
    seen = an.apply_detectors(clicks, detectors, seed=1)
    exact, ideal = lindblad.rates(steady, detectors), lindblad.rates(steady)
    for name, found in an.rates(seen).items():
        assert abs(found.value - exact[name].value) < 4.5 * found.standard_error
        assert abs(found.value - ideal[name].value) > 10.0 * found.standard_error
    if detector.dead_time:
        with pytest.raises(InvalidInput, match="dead_time=2, with which g² has no exact formula"):
            lindblad.g2(steady, "photon", "magnon", [0.0, 1.0], detectors)
        assert lindblad.g2_matrix(steady, [0.0, 1.0], detectors) == {}
        return
    edges = np.linspace(-6.0, 6.0, 13)
    for pair in (("photon", "photon"), ("photon", "magnon")):
        found, value = an.g2(seen, *pair, edges), lindblad.g2(steady, *pair, edges, detectors).value
        assert np.abs((found.value - value) / found.standard_error).max() < 4.5
        sharp = lindblad.g2(steady, *pair, edges).value
        assert np.abs((found.value - sharp) / found.standard_error).max() > 9.0
        np.testing.assert_allclose(lindblad.g2_matrix(steady, edges, detectors)[pair].value, value, rtol=1e-9)


def test_jitter_is_a_convolution_to_six_digits():
    edges = np.array([-0.5, 0.0, 0.4, 1.5])
    found = lindblad.g2(ATOM, "atom", "atom", edges, {"atom": tj.Detector(0.3, jitter=0.25)})
    width = 0.25 * np.sqrt(2.0)
    lags = np.linspace(-4.0, 6.0, 20001)
    sharp = lindblad.g2_at(ATOM, "atom", "atom", lags)

    def blurred(tau):
        return integrate.simpson(sharp * np.exp(-0.5 * ((tau - lags) / width) ** 2), x=lags) / (
            width * np.sqrt(2 * np.pi)
        )

    for low, high, value in zip(edges[:-1], edges[1:], found.value, strict=True):
        average = integrate.quad(blurred, low, high, epsrel=1e-6)[0] / (high - low)
        assert value == pytest.approx(average, rel=2e-4)


def test_other_channels_detectors_do_not_matter():
    """g² of two channels is the same whatever watches the third."""
    steady = lindblad.steady_state(random_system(5, 4, 3))
    plain = lindblad.g2(steady, "c0", "c1", [0.0, 1.0, 2.0])
    odd = {"c2": tj.Detector(0.2, 0.1, dead_time=5.0)}
    np.testing.assert_allclose(
        lindblad.g2(steady, "c0", "c1", [0.0, 1.0, 2.0], odd).value, plain.value, rtol=1e-12
    )


def test_refusals():
    both = {"atom": tj.Detector(jitter=0.1, afterpulsing=0.1, afterpulse_delay=1.0)}
    with pytest.raises(InvalidInput, match="jitter and afterpulses has no exact formula"):
        lindblad.g2(ATOM, "atom", "atom", [0.0, 1.0], both)
    both = {"atom": tj.Detector(dead_time=0.1, afterpulsing=0.1, afterpulse_delay=1.0)}
    with pytest.raises(InvalidInput, match="dead time and afterpulses, whose rate"):
        lindblad.rates(ATOM, both)
    with pytest.raises(InvalidInput, match="afterpulsing=1 must be below 1"):
        tj.Detector(afterpulsing=1, afterpulse_delay=1.0)
    with pytest.raises(InvalidInput, match=r"needs an afterpulse_delay above 0"):
        tj.Detector(afterpulsing=0.1)
    record = watch(driven_atom(1.0, 1.0), 1, 10.0, seed=1)
    with pytest.raises(InvalidInput, match="which clicks are afterpulses is not known"):
        tj.replay(record, ATOM.system, detectors={"atom": tj.Detector(afterpulsing=0.1, afterpulse_delay=1.0)})
