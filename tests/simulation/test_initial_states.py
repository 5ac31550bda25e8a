"""Mixed initial states are drawn in proportion, and averages and their errors account for it."""

from __future__ import annotations

import numpy as np
import pytest
from click_systems import driven_atom, random_system, watch
from run_folders import same
from scipy.stats import chi2

from trajectories import lindblad
from trajectories.ensembles import Stratification, strata, stratified_numbers
from trajectories.errors import InvalidInput, RunFolderError
from trajectories.records import Run

SYSTEM = random_system(3, 6, 2)
SHARES = np.array([0.45, 0.25, 0.15, 0.08, 0.05, 0.02])
RHO = np.diag(SHARES).astype(complex)
NUMBER = {"level": np.diag(np.arange(6.0))}


@pytest.mark.parametrize("seed", range(5))
def test_every_state_has_its_share_of_any_number_of_trajectories(seed):
    """|n_i − n p_i| stays below 4 up to 20,000 trajectories; of independent draws it reaches a hundred."""
    weights = np.random.default_rng(seed).dirichlet(np.ones(7))
    n = np.arange(20_000)
    worst = {}
    for name, chosen in (
        ("dealt", strata(seed, n, np.cumsum(weights))),
        ("drawn", np.random.default_rng(seed).choice(7, len(n), p=weights)),
    ):
        counts = np.cumsum(chosen[:, None] == np.arange(7), axis=0)
        worst[name] = np.abs(counts - (n[:, None] + 1) * weights).max()
    assert worst["dealt"] < 4.0
    assert worst["drawn"] > 20.0


def test_one_trajectory_by_itself_is_drawn_with_the_probabilities():
    """Over 40,000 seeds trajectory 5 is uniform: 100 bins, χ² below its 1e-6 limit, 173 for 99 degrees."""
    numbers = np.array([stratified_numbers(seed, np.array([5]))[0] for seed in range(40_000)])
    counts = np.bincount((100 * numbers).astype(int), minlength=100)
    assert ((counts - 400.0) ** 2 / 400.0).sum() < 173.0


def sampled(trajectories: int, seed: int, **options):
    return watch(
        SYSTEM,
        trajectories,
        2.0,
        seed=seed,
        initial=RHO,
        observables=NUMBER,
        sample_times=[0.0, 0.5, 2.0],
        **options,
    )


@pytest.mark.parametrize("propagator", ["modes", "sparse"])
def test_the_initial_state_is_exact(propagator):
    """At t = 0 to rounding, with an error of nothing; independent draws miss by their standard error."""
    exact = SHARES @ np.arange(6.0)
    found = sampled(500, 1, propagator=propagator).expectations["level"]
    assert found.value[0] == pytest.approx(exact, rel=1e-14)
    assert found.standard_error[0] < 1e-12
    assert "stratified" in found.method
    drawn = sampled(500, 1, propagator=propagator, stratified=False).expectations["level"]
    assert abs(drawn.value[0] - exact) > 1e-4
    assert drawn.standard_error[0] > 0.02


def test_a_record_depends_on_seed_and_index_alone_and_can_grow(tmp_path):
    whole = sampled(90, 7)
    part = sampled(40, 7)
    count = int(part.offsets[-1])
    np.testing.assert_array_equal(whole.time[:count], part.time)
    np.testing.assert_array_equal(whole.channel[:count], part.channel)
    grown = tmp_path / "run"
    assert same(sampled(40, 7, out=grown), part)
    assert same(sampled(90, 7, out=grown), whole)
    for name in ("value", "standard_error"):
        assert getattr(sampled(90, 7, out=grown).expectations["level"], name) == pytest.approx(
            getattr(whole.expectations["level"], name), rel=1e-12
        )
    with pytest.raises(RunFolderError, match="draws is stratified in the run and not set in"):
        sampled(90, 7, out=grown, stratified=False)


def test_the_steady_start_draws_independently():
    """Whatever `stratified` says: the record is that of before."""
    atom = driven_atom(1.0, 0.4)
    steady = watch(atom, 30, 20.0, seed=2)
    assert same(watch(atom, 30, 20.0, seed=2, stratified=False), steady)
    assert "draws" not in steady.provenance["configuration"]


def errors_over_seeds(stratified: bool, trajectories: int, seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (estimate − exact) and the standard errors over many seeds, shape (seeds, times)."""
    exact = lindblad.evolve(SYSTEM, RHO, [0.0, 0.5, 2.0], NUMBER)["level"].value
    found = [sampled(trajectories, seed, stratified=stratified).expectations["level"] for seed in range(seeds)]
    return np.array([f.value - exact for f in found]), np.array([f.standard_error for f in found])


def how_usual(z: np.ndarray) -> np.ndarray:
    """P(χ² < Σz²) for deviations in standard errors over seeds: near 0 errors are too large, near 1 too small."""
    return chi2.cdf((z**2).sum(axis=0), len(z))


def test_errors_know_of_the_strata():
    """Σz² over 24 seeds within its 1e-5 limits, and no mean deviates by 4.5 of its errors.

    Half the variance at t = 0.5 is the draw's: that is what stratifying gains.
    """
    seeds = 24
    off, errors = errors_over_seeds(True, 240, seeds)  # of half as many the early error is not always known
    assert np.abs(off[:, 0]).max() < 1e-13
    z = off[:, 1:] / errors[:, 1:]
    assert (np.abs(how_usual(z) - 0.5) < 0.5 - 1e-5).all()
    assert np.abs(z.mean(axis=0)).max() < 4.5 / np.sqrt(seeds)
    _, drawn = errors_over_seeds(False, 240, 10)
    assert errors[:, 1].mean() < 0.8 * drawn[:, 1].mean()


def test_planted_fault_plain_averages_have_errors_that_do_not_know():
    """The mean and the scatter of all alike: errors at t = 0.5 are too large, and the same test says so."""
    exact = lindblad.evolve(SYSTEM, RHO, [0.5], NUMBER)["level"].value[0]
    plain = []
    for seed in range(60):
        kets = watch(SYSTEM, 60, 0.5, seed=seed, initial=RHO, final_states=True).final_states.kets
        values = np.abs(kets) ** 2 @ np.arange(6.0)
        plain.append((values.mean() - exact) / (values.std(ddof=1) / np.sqrt(60)))
    assert how_usual(np.array(plain)) < 1e-5


@pytest.mark.parametrize("counts", [[5, 3, 1, 0], [5, 3, 0, 1], [1, 0, 0, 0], [2, 2, 2, 2], [0, 3, 0, 0]])
def test_weights_sum_to_one_whatever_states_were_dealt(counts):
    found = Stratification.of(np.array([0.5, 0.3, 0.1, 0.1]), np.array(counts))
    assert found.weights @ counts == pytest.approx(1.0, rel=1e-15)
    assert set(found.groups) == set(range(found.groups.max() + 1))


def test_one_stratum_is_a_plain_mean():
    values = np.random.default_rng(1).normal(size=20)
    one = Stratification.of(np.ones(1), np.array([20]))
    mean, error = one.average(np.array([20]), np.array([[values.mean()]]), np.array([[20 * values.var()]]))
    assert mean[0] == pytest.approx(values.mean(), rel=1e-14)
    assert error[0] == pytest.approx(values.std(ddof=1) / np.sqrt(20), rel=1e-12)


def test_a_single_trajectory_has_no_error():
    assert np.isnan(sampled(1, 1).expectations["level"].standard_error).all()


@pytest.mark.parametrize("wrong", [{"stratified": "yes"}, {"final_states": 1}, {"initial": "ground"}])
def test_bad_requests_are_one_line(wrong):
    with pytest.raises(InvalidInput, match=next(iter(wrong))) as refusal:
        watch(SYSTEM, 2, 1.0, seed=1, **wrong)
    assert "\n" not in str(refusal.value)


def test_an_older_run_of_independent_draws_goes_on(tmp_path):
    """A run folder that says nothing of draws is one of independent draws."""
    out = tmp_path / "run"
    sampled(5, 1, out=out, stratified=False)
    assert "draws" not in Run.open(out).configuration
    assert sampled(9, 1, out=out, stratified=False).n_trajectories == 9
