"""Fits by maximum likelihood: a closed form, calibrated errors, and faults that must be noticed."""

import numpy as np
import pytest
from click_systems import driven_atom, watch
from scipy import optimize, stats

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import ConvergenceError, InvalidInput

TRUE = {"rabi": 2.0, "gamma": 1.0}
GROUND = np.array([1.0, 0.0])


def poisson(kappa):
    """Return a system that clicks at the rate κ whatever its state: c = √κ σ_z, H = 0."""
    return tj.OpenSystem(np.zeros((2, 2)), [tj.Channel("click", np.sqrt(kappa) * np.diag([1.0, -1.0]))])


def atom_record(records, trajectories=20, duration=50.0, seed=11):
    """One long simulation cut into records of their own, all from the ground state."""
    whole = watch(driven_atom(**TRUE), records * trajectories, duration, seed=seed, initial=GROUND)
    for first in range(0, records * trajectories, trajectories):
        clicks = slice(whole.offsets[first], whole.offsets[first + trajectories])
        yield tj.ClickRecord.from_arrays(
            whole.trajectory[clicks] - first,
            whole.time[clicks],
            whole.channel[clicks],
            channel_names=whole.channel_names,
            start=np.zeros(trajectories),
            stop=np.full(trajectories, duration),
        )


def scores(records, family=driven_atom, start=TRUE, **options):
    """Return (estimate − truth)/error of every parameter of every record, shape (n_records, n_parameters)."""
    found = [an.fit(record, family, start, initial=GROUND, profile=False, **options) for record in records]
    return np.array([[(f[name].value - TRUE[name]) / f[name].standard_error for name in TRUE] for f in found])


def inside(z, widening=1.0):
    """Whether Σz² of standard normal numbers lies in its two-sided interval of false-alarm rate 1e-3."""
    total = float((np.square(z) / widening**2).sum())
    return stats.chi2.ppf(5e-4, z.size) < total < stats.chi2.ppf(1 - 5e-4, z.size)


def test_a_poisson_rate_has_a_closed_form():
    """ln L = n ln κ − κT: κ̂ = n/T, error √n/T, and ends where 2(ln L̂ − ln L) = 1.96²."""
    record = watch(poisson(0.5), 10, 40.0, seed=4, initial=GROUND)
    n, T = len(record), record.total_time
    found = an.fit(record, poisson, {"kappa": 1.3}, initial=GROUND)
    assert found["kappa"].value == pytest.approx(n / T, abs=0.02 * np.sqrt(n) / T)
    assert found["kappa"].standard_error == pytest.approx(np.sqrt(n) / T, rel=0.02)
    assert found.log_likelihood == pytest.approx(n * np.log(n / T) - n, abs=1e-4)

    def excess(kappa):
        return 2 * (n * np.log(n / T) - n - n * np.log(kappa) + kappa * T) - stats.chi2.ppf(0.95, 1)

    low, high = (optimize.brentq(excess, *bracket) for bracket in ((0.3 * n / T, n / T), (n / T, 3 * n / T)))
    np.testing.assert_allclose(found.intervals[0], [low, high], atol=0.03 * np.sqrt(n) / T)
    assert found.intervals[0, 1] - n / T > n / T - found.intervals[0, 0]  # the profile knows it is skewed
    assert "95% interval" in str(found)


@pytest.fixture(scope="module")
def atom_scores():
    return scores(atom_record(14))


def test_errors_are_calibrated(atom_scores):
    """28 scores: Σz² within the two-sided interval of false-alarm rate 1e-3, no score above 4.5 (2e-4)."""
    assert inside(atom_scores)
    assert np.abs(atom_scores).max() < 4.5


def test_wrong_errors_would_be_noticed(atom_scores):
    """The twin: errors of half or twice the size are outside the interval."""
    assert not inside(atom_scores, widening=0.5)
    assert not inside(atom_scores, widening=2.0)


def test_a_wrong_model_would_be_noticed():
    """The twin: a family whose γ is 20 % larger than it says gives scores far out."""

    def wrong(rabi, gamma):
        return driven_atom(rabi, 1.2 * gamma)

    assert not inside(scores(atom_record(4), wrong))


def test_a_start_far_away_finds_the_same_maximum():
    record = next(atom_record(1))
    near, far = (an.fit(record, driven_atom, start, initial=GROUND, profile=False) for start in (
        TRUE, {"rabi": 3.0, "gamma": 0.5}))  # fmt: skip
    assert (np.abs(far.values - near.values) < 0.03 * near.standard_errors).all()


@pytest.mark.parametrize("apart", [0.1, 0.02])
def test_parameters_that_are_strongly_correlated_have_the_errors_of_a_linear_map(apart):
    """a + b and apart·(a − b) are known each by itself, a and b with correlations of −0.997 and −0.9999."""
    record = next(atom_record(1))
    plain = an.fit(record, driven_atom, TRUE, initial=GROUND, profile=False)

    def mixed(a, b):
        return driven_atom(a + b, 1.0 + apart * (a - b))

    found = an.fit(record, mixed, {"a": 1.05, "b": 0.95}, initial=GROUND, profile=False)
    back = np.linalg.inv([[1.0, 1.0], [apart, -apart]])
    covariance = back @ plain.covariance @ back.T
    errors = np.sqrt(np.diag(covariance))
    assert covariance[0, 1] / errors.prod() < -0.99
    np.testing.assert_allclose(found.standard_errors, errors, rtol=0.01)
    np.testing.assert_allclose(found.values, back @ (plain.values - [0.0, 1.0]), atol=0.01 * errors.min())


def test_rates_at_which_the_family_ends_are_fitted_from_starts_where_the_likelihood_is_not_concave():
    """A shelf of the emitter, its rates about as large as their errors; no system has negative ones."""
    ground, excited, shelf = np.eye(3)

    def shelved(rabi, gamma, leak, back):
        channels = (
            tj.Channel("light", np.sqrt(gamma) * np.outer(ground, excited)),
            tj.Channel("shelved", np.sqrt(leak) * np.outer(shelf, excited)),
            tj.Channel("back", np.sqrt(back) * np.outer(ground, shelf)),
        )
        drive = 0.5 * rabi * (np.outer(ground, excited) + np.outer(excited, ground))
        return tj.OpenSystem(drive, channels)

    whole = watch(shelved(2.0, 1.0, 0.02, 0.03), 10, 200.0, seed=5, initial=np.eye(3)[0])
    record = an.apply_detectors(whole, {"light": tj.Detector(0.5, 0.02)}, seed=1).select("light")
    starts = ((1.7, 1.2, 0.04, 0.02), (2.6, 0.7, 0.015, 0.05), (1.4, 1.4, 0.03, 0.05))
    found = [
        an.fit(record, shelved, dict(zip(("rabi", "gamma", "leak", "back"), start, strict=True)),
               initial=np.eye(3)[0], profile=False)
        for start in starts
    ]  # fmt: skip
    assert np.ptp([one.log_likelihood for one in found]) < 1e-3
    z = (found[0].values - (2.0, 1.0, 0.02, 0.03)) / found[0].standard_errors
    assert np.square(z).sum() < stats.chi2.ppf(1 - 1e-3, 4)


@pytest.mark.filterwarnings("ignore::trajectories.errors.TruncationWarning")  # model and clicks share it
def test_the_papers_parameters_are_found():
    """κ and Δ_ad of the blue regime, levels 3,2,2, from 1500 clicks: within 4.5σ (false alarm 1e-5 each)."""
    record = tj.simulate(paper(0.005, 1.3406), 40, 1e5, seed=3, workers=1, progress=False)
    found = an.fit(record, paper, {"kappa": 0.0055, "detuning": 1.3412}, profile=False)
    assert abs(found["kappa"].value - 0.005) < 4.5 * found["kappa"].standard_error
    assert abs(found["detuning"].value - 1.3406) < 4.5 * found["detuning"].standard_error
    assert found["kappa"].standard_error < 3e-4
    assert found["detuning"].standard_error < 1e-4  # a hundredth of the resonance's width


def paper(kappa, detuning):
    resonator = tj.SpinningResonator(kappa=kappa, detuning=detuning)
    return resonator.system(levels=(3, 2, 2))


@pytest.mark.slow
def test_profile_intervals_cover():
    """200 records: coverage of each parameter within the binomial limits of false-alarm rate 1e-3."""
    covered = np.zeros(2)
    for record in atom_record(200, seed=12):
        found = an.fit(record, driven_atom, TRUE, initial=GROUND)
        low, high = found.intervals.T
        covered += (low < list(TRUE.values())) & (list(TRUE.values()) < high)
    assert (covered >= stats.binom.ppf(2.5e-4, 200, 0.95)).all()
    assert (covered <= stats.binom.ppf(1 - 2.5e-4, 200, 0.95)).all()


def silent():
    return tj.ClickRecord.from_arrays([], [], [], channel_names=["atom"], start=0.0, stop=1.0)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"record": silent()}, "record with clicks"),
        ({"start": {}}, "start="),
        ({"start": {"rabi": np.nan, "gamma": 1.0}}, r"start\['rabi'\]"),
        ({"start": {"rabi": "x", "gamma": 1.0}}, r"start\['rabi'\]"),
        ({"start": {"rabi": 0.0, "gamma": 1.0}}, "these clicks are impossible"),
        ({"confidence": 1.0}, "confidence"),
        ({"initial": "vacuum"}, "initial"),
        ({"family": lambda rabi, gamma: "a string"}, "must return an OpenSystem"),
    ],
)
def test_bad_input_is_refused(change, match):
    given = {"record": next(atom_record(1)), "family": driven_atom, "start": TRUE, "initial": GROUND} | change
    with pytest.raises(InvalidInput, match=match):
        an.fit(**given)


def test_a_parameter_that_the_clicks_do_not_know_is_an_error():
    def idle(rabi, gamma, nothing):
        return driven_atom(rabi, gamma)

    with pytest.raises(ConvergenceError, match="fit fewer"):
        an.fit(next(atom_record(1)), idle, TRUE | {"nothing": 1.0}, initial=GROUND)


def test_a_maximum_at_which_the_clicks_are_improbable_is_said():
    """Of clicks with Ω = 2 it was Ω = 5.541(2), and nothing told that a start nearer by gains 390 in ln L."""
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])

    def atom(g):
        return tj.OpenSystem(g * (sigma + sigma.T), [tj.Channel("atom", sigma)])

    record = tj.simulate(atom(1.0), 20, 50.0, seed=1, progress=False)
    with pytest.warns(UserWarning, match=r"does not predict the clicks \(time rescaling: p = .*start elsewhere"):
        far = an.fit(record, atom, {"g": 3.0}, profile=False, progress=False)
    near = an.fit(record, atom, {"g": 0.8}, profile=False, progress=False)
    assert near["g"].value == pytest.approx(1.0, abs=4 * near["g"].standard_error)
    assert near.log_likelihood > far.log_likelihood + 300.0
