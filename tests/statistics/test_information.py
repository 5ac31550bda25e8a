"""Fisher information: closed forms, renewal against the score of records, score of mean 0 and variance F."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import driven_atom, driven_cavity, watch
from scipy import stats

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.errors import ConvergenceError, InvalidInput

pytestmark = pytest.mark.filterwarnings("ignore::trajectories.errors.TruncationWarning")


def atom(rabi=1.5, gamma=1.0):
    return driven_atom(rabi, gamma)


def blinking(up=0.3, down=0.7):
    """Two states that jump at rates of their own: waits are exponential, and F is known."""
    raise_it, lower_it = np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 0.0]])
    channels = [tj.Channel("up", np.sqrt(up) * raise_it), tj.Channel("down", np.sqrt(down) * lower_it)]
    return tj.OpenSystem(np.zeros((2, 2)), channels)


@pytest.fixture(scope="module")
def clicks():
    return watch(atom(), 300, 100.0, seed=51)


def test_exponential_waits_have_the_textbook_information():
    """Each visit tells 1/rate² about its rate, and a round of both takes 1/up + 1/down."""
    found = lindblad.information_rate(blinking, {"up": 0.3, "down": 0.7})
    round_trip = 1.0 / 0.3 + 1.0 / 0.7
    np.testing.assert_allclose(found, np.diag([1.0 / 0.3**2, 1.0 / 0.7**2]) / round_trip, rtol=1e-6, atol=1e-8)


def test_a_poisson_process_has_the_textbook_information():
    """A coherent state: λ = 4η ε²/κ, F/T = (∂λ)²/λ; the record's is that but for 4 σ of its number of clicks."""

    def cavity(drive):
        return driven_cavity(drive, 1.0, levels=10)

    record = watch(cavity(0.3), 40, 200.0, seed=52)
    lossy = an.apply_detectors(record, {"cavity": tj.Detector(0.4)}, seed=1)
    found = an.information(lossy, cavity, {"drive": 0.3})
    rate = 4.0 * 0.4 * 0.3**2
    assert found.rate[0, 0] == pytest.approx((2.0 * rate / 0.3) ** 2 / rate, abs=4.0 * found.standard_error[0, 0])
    assert abs(found.score[0]) < 4.0
    assert found.bounds(1e6)["drive"] == pytest.approx(1e-3 / np.sqrt(found.rate[0, 0]), rel=1e-12)


@pytest.mark.parametrize("efficiency", [1.0, 0.4])
def test_records_carry_what_the_renewal_formula_says(clicks, efficiency):
    """Rabi frequency and decay, ideal and lossy: three numbers of F and the score within 4 σ each."""
    at = {"rabi": 1.5, "gamma": 1.0}
    detectors = {"atom": tj.Detector(efficiency)}
    exact = lindblad.information_rate(atom, at, detectors)
    found = an.information(an.apply_detectors(clicks, detectors, seed=2), atom, at)
    assert (np.abs(found.rate - exact) < 4.0 * found.standard_error).all()
    assert (found.standard_error < 0.2 * np.abs(np.diag(exact)).max()).all()
    if efficiency == 1.0:  # all that the emitted field holds about Ω: 4/γ
        assert exact[0, 0] == pytest.approx(4.0, rel=1e-6)
    assert np.abs(found.score).max() < 4.0


def test_the_score_has_mean_0_and_variance_f(clicks):
    """300 trajectories: Σ s over each, beside F T (χ², 1e-4 on both sides); a wrong model's score is far off."""
    from trajectories.analysis.inference.fit import RecordLikelihood
    from trajectories.analysis.inference.likelihood_maximum import scores_of

    seen = an.apply_detectors(clicks, {"atom": tj.Detector(0.5)}, seed=3)
    exact = 100.0 * lindblad.information_rate(atom, {"rabi": 1.5}, {"atom": tj.Detector(0.5)})[0, 0]
    likelihood = RecordLikelihood(seen, atom, ("rabi",), np.array([1.0, 0.0]), None)
    exactly = scores_of(likelihood, np.array([1.5]), np.array([1e-4]))[0]
    totals = np.add.reduceat(exactly, seen.offsets[:-1] + np.arange(300))
    # From a known ket the record tells a little more or less than in the steady state: within 3 %.
    low, high = stats.chi2.ppf([1e-4, 1 - 1e-4], 300) / 300
    assert low * 0.97 < np.mean(totals**2) / exact < high * 1.03
    wrong = an.information(seen, atom, {"rabi": 1.7})
    assert abs(wrong.score[0]) > 6.0


def test_loss_costs_information_and_the_detector_is_a_parameter_too():
    at = {"rabi": 1.5}
    rates = [
        lindblad.information_rate(atom, at, {"atom": tj.Detector(eta)})[0, 0] for eta in (1.0, 0.5, 0.1, 0.01)
    ]
    assert (np.diff(rates) < 0.0).all()
    both = lindblad.information_rate(atom, {"rabi": 1.5, "atom.efficiency": 0.5}, {"atom": tj.Detector(0.5)})
    assert both[0, 0] == pytest.approx(rates[1], rel=1e-9)
    assert np.linalg.inv(both)[0, 0] > 1.0 / both[0, 0]  # not to know η costs as well


def test_refusals(clicks):
    with pytest.raises(InvalidInput, match="rank above one"):
        lindblad.information_rate(lambda drive: driven_cavity(drive, 1.0), {"drive": 0.3})
    with pytest.raises(InvalidInput, match="dark counts or a memory"):
        lindblad.information_rate(atom, {"rabi": 1.5}, {"atom": tj.Detector(0.5, 0.1)})
    with pytest.raises(InvalidInput, match="belongs to no parameter"):
        an.information(clicks, atom, {"rabi": 1.5}, steps={"gamma": 0.1})


def test_parameters_that_act_alike_have_no_bounds_of_their_own():
    both = an.Information(
        ("up", "down"), np.array([[4.0, 2.0], [2.0, 1.0]]), np.zeros((2, 2)), np.zeros(2), 1.0, 1
    )
    with pytest.raises(ConvergenceError, match=r"up, down one by one.*ask for fewer"):
        both.bounds()


@pytest.mark.parametrize("rabi", [0.3, 20.0, 400.0])
def test_information_about_a_drive_far_faster_than_the_decay(rabi):
    """4/γ at every Rabi frequency: waits turn round many times, and derivatives grow with the time."""
    found = lindblad.information_rate(lambda rabi: atom(rabi), {"rabi": rabi})
    assert found[0, 0] == pytest.approx(4.0, rel=1e-7)


def test_information_about_a_parameter_at_zero():
    """By symmetry a record of an atom in resonance tells nothing of a detuning."""

    def detuned(rabi, detuning):
        system = atom(rabi)
        return tj.OpenSystem(system.hamiltonian + detuning * np.diag([0.0, 1.0]), system.channels)

    found = lindblad.information_rate(detuned, {"rabi": 1.5, "detuning": 0.0})
    np.testing.assert_allclose(found, [[4.0, 0.0], [0.0, 0.0]], atol=1e-7)
