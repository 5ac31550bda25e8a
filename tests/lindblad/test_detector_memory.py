"""Rates with dead time and afterpulses, g² with jitter and afterpulses: closed forms, quadrature, and clicks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click_systems import driven_atom, random_system, watch
from scipy import integrate, stats
from systems_with_answers import PairSource

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.errors import InvalidInput
from trajectories.lindblad.detector_memory import dead_time
from trajectories.lindblad.solver import solver_of

pytestmark = pytest.mark.filterwarnings("ignore::trajectories.errors.TruncationWarning")
PAIRS = PairSource(coupling=0.2, levels=3).system()


@pytest.fixture
def atom(every_way):
    """A driven atom, with every exact value computed in each of the ways there are."""
    return lindblad.steady_state(driven_atom(1.0, 1.0))


@pytest.fixture
def steady(every_way):
    return lindblad.steady_state(PAIRS)


@pytest.fixture(scope="module")
def clicks():
    return watch(PAIRS, 120, 2000.0, seed=3)


def test_dark_counts_alone_are_a_poisson_process_with_dead_time(atom):
    found = lindblad.rates(atom, {"atom": tj.Detector(0.0, 0.4, dead_time=3.0)})["atom"]
    assert found.value == pytest.approx(0.4 / (1.0 + 0.4 * 3.0), rel=1e-10)


def test_an_atom_is_a_renewal_process_also_with_dead_time(atom):
    """One over the mean wait: τ, and what remains to the next click from the state at τ after one."""
    dead = 1.3
    found = lindblad.rates(atom, {"atom": tj.Detector(dead_time=dead)})["atom"].value
    later = lindblad.density_matrix(atom.system, [1.0, 0.0], [dead])[0]
    half = -1j * atom.system.H_eff.toarray()
    one = np.eye(2)
    silent = np.kron(half, one) + np.kron(one, half.conj())
    wait = -(one.ravel() @ np.linalg.solve(silent, later.ravel())).real
    assert found == pytest.approx(1.0 / (dead + wait), rel=1e-9)


def test_a_rate_with_dead_time_is_computed_once_and_by_the_cheapest_model():
    """Forty dead times are followed on the way to a rate: above 30 dimensions a core does that, as well."""
    system = tj.SpinningResonator(direction="left", detuning=1.341, kappa=0.02).system(levels=(3, 3, 2))
    steady = lindblad.steady_state(system)
    detectors = {"photon": tj.Detector(0.5, 2e-6, dead_time=100.0)}
    found = lindblad.rates(steady, detectors)["photon"]
    asked = len(solver_of(steady).answers)
    assert lindblad.rates(steady, dict(detectors))["photon"] is found
    assert len(solver_of(steady).answers) == asked
    assert "core of" in solver_of(steady).answers[-1].method
    reference = lindblad.rates(steady.with_solver("propagation"), detectors)["photon"]
    assert found.value == pytest.approx(reference.value, rel=1e-6)
    assert found.value < 0.99 * lindblad.rates(steady, {"photon": tj.Detector(0.5, 2e-6)})["photon"].value


def test_short_and_long_dead_times(atom):
    ideal = lindblad.rates(atom)["atom"].value
    assert lindblad.rates(atom, {"atom": tj.Detector(dead_time=1e-9)})["atom"].value == pytest.approx(
        ideal, rel=1e-8
    )
    long = lindblad.rates(atom, {"atom": tj.Detector(dead_time=1e4)})["atom"].value
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
        with pytest.raises(InvalidInput, match="dead_time=2, with which g² of two channels has no exact"):
            lindblad.g2(steady, "photon", "magnon", [0.0, 1.0], detectors)
        assert set(lindblad.g2_matrix(steady, [0.0, 1.0], detectors)) == {(k, k) for k in PAIRS.channel_names}
        return
    edges = np.linspace(-6.0, 6.0, 13)
    for pair in (("photon", "photon"), ("photon", "magnon")):
        found, value = an.g2(seen, *pair, edges), lindblad.g2(steady, *pair, edges, detectors).value
        assert np.abs((found.value - value) / found.standard_error).max() < 4.5
        sharp = lindblad.g2(steady, *pair, edges).value
        assert np.abs((found.value - sharp) / found.standard_error).max() > 9.0
        np.testing.assert_allclose(lindblad.g2_matrix(steady, edges, detectors)[pair].value, value, rtol=1e-9)


def test_pairs_of_which_one_detector_is_dead(steady, clicks):
    """Both orders, 24 numbers within 4.5 σ, a false alarm in 5,000; without the dead time they are far off."""
    detectors = {"photon": tj.Detector(0.7, 0.02, dead_time=3.0), "magnon": tj.Detector(0.6, 0.01)}
    seen = an.apply_detectors(clicks, detectors, seed=1)
    edges = np.array([-8.0, -5.0, -3.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 3.0, 5.0, 8.0])
    alive = {name: tj.Detector(d.efficiency, d.dark_rate) for name, d in detectors.items()}
    for pair in (("photon", "magnon"), ("magnon", "photon")):
        found, exact = an.g2(seen, *pair, edges), lindblad.g2(steady, *pair, edges, detectors)
        assert np.abs((found.value - exact.value) / found.standard_error).max() < 4.5
        wrong = lindblad.g2(steady, *pair, edges, alive).value
        assert np.abs((found.value - wrong) / found.standard_error).max() > 9.0
        np.testing.assert_allclose(
            lindblad.g2_matrix(steady, edges, detectors)[pair].value, exact.value, rtol=1e-9
        )
    # A dead time that is short beside all leaves what ideal detectors see, and a Poisson process nothing at all.
    short = detectors | {"photon": tj.Detector(0.7, 0.02, dead_time=2e-2)}
    for pair in (("photon", "magnon"), ("magnon", "photon")):
        nearly, ideal = (lindblad.g2(steady, *pair, edges, given).value for given in (short, alive))
        np.testing.assert_allclose(nearly, ideal, rtol=2e-2)
    blind = detectors | {"photon": tj.Detector(0.0, 0.3, dead_time=1.5)}
    np.testing.assert_allclose(lindblad.g2(steady, "magnon", "photon", edges, blind).value, 1.0, rtol=1e-9)
    reduced = lindblad.g2(steady.with_solver("reduced"), "photon", "magnon", edges[6:], detectors).value
    np.testing.assert_allclose(
        reduced, lindblad.g2(steady, "photon", "magnon", edges[6:], detectors).value, rtol=1e-8
    )
    many = tj.SpinningResonator(direction="left", detuning=1.341, kappa=0.02).system(levels=(3, 3, 2))
    large, deaf = lindblad.steady_state(many), {"photon": tj.Detector(0.5, dead_time=100.0)}
    with pytest.raises(InvalidInput, match=r"16 dimensions, not 36; lower the levels, or take lags"):
        lindblad.g2(large, "photon", "magnon", [-50.0, 0.0], deaf)


def test_paralysable_dark_counts_are_a_poisson_process_that_waits(atom):
    """λ = d e^{−dτ}, g² = 1 from τ on and 0 before, F = 1 − 2λτ(1 − τ/2T): all numbers to 1e-9."""
    dark, dead = 0.4, 3.0
    detectors = {"atom": tj.Detector(0.0, dark, dead_time=dead, paralysable=True)}
    rate = dark * np.exp(-dark * dead)
    assert lindblad.rates(atom, detectors)["atom"].value == pytest.approx(rate, rel=1e-10)
    edges = [-5.0, -3.0, 0.0, 2.0, 3.0, 4.0, 8.0]
    value = lindblad.g2(atom, "atom", "atom", edges, detectors).value
    np.testing.assert_allclose(
        value, np.array([1.0, 0.0, 0.0, 0.0, 1.0, 1.0]) * dark * np.exp(-dark * dead) / rate, atol=1e-9
    )
    for window in (1.0, 5.0, 250.0):
        blind = min(window, dead)
        factor = 1.0 - 2.0 * rate * blind * (window - blind / 2.0) / window
        assert lindblad.fano(atom, [window], detectors=detectors)[0].value == pytest.approx(factor, abs=1e-8)


def test_a_paralysable_detector_agrees_with_clicks(steady, clicks):
    """Rate, 15 bins of g² and three Fano factors within 4.5 σ; what a non-paralysable one would do is far off."""
    detector = tj.Detector(0.7, 0.02, dead_time=5.0, paralysable=True)
    seen = an.apply_detectors(clicks, {"photon": detector}, seed=1)["photon"]
    assert len(seen) < len(
        an.apply_detectors(clicks, {"photon": replace(detector, paralysable=False)}, seed=1)["photon"]
    )
    edges = np.concatenate([[0.0, 1.0], np.linspace(5.0, 12.0, 14)])
    counted = [an.rates(seen)["photon"], *an.fano(seen, [6.0, 15.0, 40.0])]
    pairs = an.g2(seen, "photon", "photon", edges)

    def off(given):
        exact = [
            lindblad.rates(steady, given)["photon"],
            *lindblad.fano(steady, [6.0, 15.0, 40.0], "photon", given),
        ]
        numbers = [abs(c.value - e.value) / c.standard_error for c, e in zip(counted, exact, strict=True)]
        curve = lindblad.g2(steady, "photon", "photon", edges, given).value
        assert (pairs.value[:2] == 0.0).all()
        return max(*numbers, float(np.abs((pairs.value - curve)[2:] / pairs.standard_error[2:]).max()))

    assert off({"photon": detector}) < 4.5
    assert off({"photon": replace(detector, paralysable=False)}) > 9.0
    assert seen.provenance["detectors"][0]["detectors"]["photon"]["paralysable"] is True
    found = an.validate(seen, PAIRS, window=3.0)
    assert found.accepted
    assert {"rate photon", "Fano factor"} <= {test.name for test in found.tests}
    assert any("prolong its dead time" in line for line in found.untested)


def test_dead_dark_counts_have_the_curves_of_a_renewal_process(atom):
    """Waits are τ and an exponential, sums of n of them nτ and a gamma law; all numbers follow to 1e-12."""
    dark, dead = 0.4, 3.0
    detectors = {"atom": tj.Detector(0.0, dark, dead_time=dead)}
    rate, edges = dark / (1.0 + dark * dead), np.array([-4.0, 0.0, 1.0, 2.5, 3.5, 5.0, 6.5, 9.0, 12.0, 40.0])
    waits = lindblad.waiting_times(atom, "atom", "atom", edges[1:], detectors=detectors)
    reached = np.where(edges[1:] > dead, 1.0 - np.exp(-dark * np.maximum(edges[1:] - dead, 0.0)), 0.0)
    np.testing.assert_allclose(waits.value, np.diff(reached) / np.diff(edges[1:]), atol=1e-12)

    def pairs(times):
        return sum(stats.gamma.cdf(times - n * dead, n, scale=1.0 / dark) for n in range(1, 101))

    found = lindblad.g2(atom, "atom", "atom", edges, detectors)
    primitive = np.sign(edges) * pairs(np.abs(edges)) / rate
    np.testing.assert_allclose(found.value, np.diff(primitive) / np.diff(edges), atol=1e-12)
    for window in (1.0, 5.0, 20.0, 250.0):
        n = np.arange(1, 101)
        left = np.maximum(window - n * dead, 0.0)
        law = [stats.gamma.cdf(left, n + more, scale=1.0 / dark) for more in (0, 1)]
        twice = float(np.sum(left * law[0] - n / dark * law[1]))
        factor = 1.0 + 2.0 * (twice - 0.5 * rate * window**2) / window
        assert lindblad.fano(atom, [window], detectors=detectors)[0].value == pytest.approx(factor, abs=1e-10)
    late = lindblad.fano(atom, [1e6], detectors=detectors)[0].value
    assert late == pytest.approx((1.0 + dark * dead) ** -2, rel=1e-5)


def test_a_short_dead_time_changes_nothing_and_a_long_one_keeps_order(monkeypatch, atom):
    short = {"atom": tj.Detector(dead_time=1e-6)}
    edges = [0.0, 0.5e-6, 2e-6]
    value = lindblad.g2(atom, "atom", "atom", edges, short).value
    assert value[0] == 0.0
    assert value[1] == pytest.approx(lindblad.g2(atom, "atom", "atom", [1e-6, 2e-6]).value[0] * 2 / 3, rel=1e-6)
    long = {"atom": tj.Detector(dead_time=30.0)}
    assert lindblad.fano(atom, [2e3], detectors=long)[0].value < 0.05
    monkeypatch.setattr(dead_time, "MOST_PIECES", 1000)
    with pytest.raises(InvalidInput, match="too many to follow in 1000 steps"):
        lindblad.fano(atom, [1e3], detectors={"atom": tj.Detector(dead_time=1e-3)})


def test_curves_with_dead_time_agree_with_clicks(steady, clicks):
    """40 numbers within 4.5 σ, a false alarm in 4,000; ideal values and those of half the dead time are far."""
    detector = tj.Detector(0.7, 0.02, dead_time=0.8)
    seen = an.apply_detectors(clicks, {"photon": detector}, seed=1)["photon"]
    edges = np.concatenate([np.linspace(0.0, 0.8, 3), np.linspace(0.8, 8.0, 16)[1:]])

    def off(given):
        detectors = {"photon": given}
        pairs, wait = an.g2(seen, "photon", "photon", edges), an.waiting_times(seen, "photon", "photon", edges)
        counted = an.fano(seen, [2.0, 10.0, 40.0])
        exact = [
            lindblad.g2(steady, "photon", "photon", edges, detectors).value,
            lindblad.waiting_times(steady, "photon", "photon", edges, "photon", detectors).value,
            np.array([f.value for f in lindblad.fano(steady, [2.0, 10.0, 40.0], "photon", detectors)]),
        ]
        found = [pairs.value, wait.value, np.array([f.value for f in counted])]
        errors = [pairs.standard_error, wait.standard_error, np.array([f.standard_error for f in counted])]
        # Bins without events have no error; both are zero there, or the model is wrong.
        return [np.abs(a - b) / np.where(s > 0.0, s, 1e-9) for a, b, s in zip(found, exact, errors, strict=True)]

    assert max(z.max() for z in off(detector)) < 4.5
    for wrong in (tj.Detector(0.7, 0.02), tj.Detector(0.7, 0.02, dead_time=0.4)):
        assert min(z.max() for z in off(wrong)[:2]) > 9.0


def test_up_to_two_dead_times_any_dimension_serves(monkeypatch, steady):
    """g² is the wait over λ there: with the models of any dimension, as by the delayed equation."""
    detectors, edges = {"photon": tj.Detector(0.5, dead_time=2.0)}, np.linspace(0.0, 4.0, 5)
    whole = lindblad.g2(steady, "photon", "photon", np.append(edges, 6.0), detectors)
    monkeypatch.setattr(dead_time, "LARGEST", 5)
    near = lindblad.g2(steady, "photon", "photon", edges, detectors)
    assert "delayed" in whole.method
    assert "delayed" not in near.method
    np.testing.assert_allclose(near.value, whole.value[:4], rtol=1e-9, atol=1e-11)
    with pytest.raises(InvalidInput, match="beyond two dead times of 2 are followed up to 5 dimensions"):
        lindblad.g2(steady, "photon", "photon", np.append(edges, 6.0), detectors)
    with pytest.raises(InvalidInput, match="the wait among several channels has no exact value here"):
        lindblad.waiting_times(steady, "photon", "magnon", edges, detectors=detectors)
    with pytest.raises(InvalidInput, match="the Fano factor of several channels has no exact value here"):
        lindblad.fano(steady, [10.0], detectors=detectors)


def test_jitter_is_a_convolution_to_six_digits(atom):
    edges = np.array([-0.5, 0.0, 0.4, 1.5])
    found = lindblad.g2(atom, "atom", "atom", edges, {"atom": tj.Detector(0.3, jitter=0.25)})
    width = 0.25 * np.sqrt(2.0)
    lags = np.linspace(-4.0, 6.0, 20001)
    sharp = lindblad.g2_at(atom, "atom", "atom", lags)

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


def test_refusals(atom):
    both = {"atom": tj.Detector(jitter=0.1, afterpulsing=0.1, afterpulse_delay=1.0)}
    with pytest.raises(InvalidInput, match="jitter and afterpulses has no exact formula"):
        lindblad.g2(atom, "atom", "atom", [0.0, 1.0], both)
    both = {"atom": tj.Detector(dead_time=0.1, afterpulsing=0.1, afterpulse_delay=1.0)}
    with pytest.raises(InvalidInput, match="dead time and afterpulses, whose rate"):
        lindblad.rates(atom, both)
    with pytest.raises(InvalidInput, match="afterpulsing=1 must be below 1"):
        tj.Detector(afterpulsing=1, afterpulse_delay=1.0)
    extended = {"atom": tj.Detector(dead_time=0.1, paralysable=True)}
    with pytest.raises(InvalidInput, match="is paralysable: the wait to its next registered event has no exact"):
        lindblad.waiting_times(atom, "atom", "atom", [0.0, 1.0], detectors=extended)
    with pytest.raises(InvalidInput, match="paralysable=True needs a dead_time above 0"):
        tj.Detector(paralysable=True)
    with pytest.raises(InvalidInput, match="paralysable=1 must be true or false"):
        tj.Detector(dead_time=1.0, paralysable=1)
    with pytest.raises(InvalidInput, match=r"paralysable=True with afterpulsing=0\.1 has no model"):
        tj.Detector(dead_time=1.0, paralysable=True, afterpulsing=0.1, afterpulse_delay=1.0)
    with pytest.raises(InvalidInput, match=r"needs an afterpulse_delay above 0"):
        tj.Detector(afterpulsing=0.1)
    record = watch(driven_atom(1.0, 1.0), 1, 10.0, seed=1)
    with pytest.raises(InvalidInput, match="which clicks are afterpulses is not known"):
        tj.replay(record, atom.system, detectors={"atom": tj.Detector(afterpulsing=0.1, afterpulse_delay=1.0)})


def test_a_dead_time_far_below_any_motion_is_refused_before_it_is_followed(monkeypatch):
    """It was after 100,000 steps, which took `validate` most of a minute for an atom."""
    monkeypatch.setattr(dead_time, "TERMS", None)  # no step can be made
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
    steady = lindblad.steady_state(tj.OpenSystem(sigma + sigma.T, [tj.Channel("atom", sigma)]))
    detectors = {"atom": tj.Detector(dead_time=1e-9)}
    for function in (lambda: lindblad.g2(steady, "atom", "atom", [0.0, 2.0], detectors),
                     lambda: lindblad.fano(steady, [1.0], "atom", detectors)):  # fmt: skip
        with pytest.raises(InvalidInput, match="leave the dead time out, which loses a share of 4e-10"):
            function()


@pytest.mark.parametrize("leak", [1e-2, 1e-5])
def test_dead_time_of_an_emitter_that_is_shelved(leak):
    """Clicks that depend on as many as 1/leak before them: repetition does not find the state after one."""
    ground, excited, shelf = np.eye(3)
    channels = (
        tj.Channel("light", np.outer(ground, excited)),
        tj.Channel("shelved", np.sqrt(leak) * np.outer(shelf, excited)),
        tj.Channel("back", np.sqrt(0.1 * leak) * np.outer(ground, shelf)),
    )
    drive = 0.5 * (np.outer(ground, excited) + np.outer(excited, ground))
    steady = lindblad.steady_state(tj.OpenSystem(drive, channels))
    detector = tj.Detector(0.5, dark_rate=0.05, dead_time=2.0)
    found = lindblad.rates(steady, {"light": detector})["light"]
    curve = dead_time.RegisteredRate(steady, "light", detector, 3.0)
    assert found.value == pytest.approx(curve.rate, rel=1e-10)
    wait = lindblad.waiting_times(steady, "light", "light", [0.0, 2.0, 3.0], "light", {"light": detector})
    assert wait.value[1] == pytest.approx(np.diff(curve.integral(np.array([2.0, 3.0])))[0], rel=1e-8)
