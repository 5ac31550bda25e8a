"""QuTiP's mcsolve on this engine: right averages, QuTiP's results, and what is refused."""

import warnings

import numpy as np
import pytest
import qutip
from scipy import integrate, stats

import trajectories as tj
from trajectories import analysis as an
from trajectories.qutip import click_record, mcsolve
from trajectories.qutip.ensemble import checked_seeds, shares
from trajectories.qutip.trajectories import pieces

QUIET = {"progress_bar": False}
SIGMA = qutip.destroy(2)
UP = qutip.basis(2, 1)
TIMES = np.linspace(0.0, 4.0, 9)
DRIVE = 0.7 * (SIGMA + SIGMA.dag()) + 0.2 * SIGMA.dag() * SIGMA
DECAY = [np.sqrt(0.8) * SIGMA, np.sqrt(0.1) * SIGMA.dag() * SIGMA]
# One comparison of 9 times in each of 5 quantities beyond 4.8 σ: 45 × 1.6e-6, one run of 14,000.
SIGMAS = 4.8


def exact(e_ops, state=UP, c_ops=DECAY, times=TIMES):
    return qutip.mesolve(DRIVE, state, times, c_ops, e_ops=e_ops, options={"atol": 1e-12, "rtol": 1e-10}).expect


def worst(result, expected, number):
    """Return the largest deviation of an average in its standard errors; where there is no spread, of rounding."""
    value = np.asarray(result.average_expect[number])
    spread = np.asarray(result.std_expect[number]) / np.sqrt(result.num_trajectories)
    return float(np.max(np.abs(value - expected[number]) / np.maximum(np.abs(spread), 1e-9)))


def operators():
    return [SIGMA.dag() * SIGMA, SIGMA, qutip.QobjEvo(SIGMA.dag() * SIGMA)]


def test_averages_are_those_of_the_master_equation_whatever_the_kind_of_operator():
    def population(t, ket):
        assert ket.isket
        return qutip.expect(SIGMA.dag() * SIGMA, ket)

    growing = qutip.QobjEvo([SIGMA.dag() * SIGMA, lambda t: 1.0 + t])
    result = mcsolve(
        DRIVE, UP, TIMES, DECAY, e_ops=[*operators(), population, growing], ntraj=600, seeds=3, options=QUIET
    )
    population_then = exact([SIGMA.dag() * SIGMA, SIGMA])
    assert worst(result, population_then, 0) < SIGMAS
    lowering = np.asarray(result.average_expect[1]) - population_then[1]
    # Of the complex average each part has at most the whole spread.
    spread = np.sqrt(np.abs(np.asarray(result.std_expect[1])) ** 2 + 1.0) / np.sqrt(600)
    assert (np.abs(lowering) < SIGMAS * spread).all()
    assert np.iscomplexobj(result.average_expect[1])
    assert not np.iscomplexobj(result.average_expect[0])
    np.testing.assert_allclose(result.average_expect[2], result.average_expect[0], atol=1e-14)
    np.testing.assert_allclose(result.average_expect[3], result.average_expect[0], atol=1e-12)
    np.testing.assert_allclose(result.average_expect[4], (1.0 + TIMES) * result.average_expect[0], atol=1e-12)
    # The planted fault: a forgotten channel.
    wrong = mcsolve(DRIVE, UP, TIMES, DECAY[:1], e_ops=operators()[:1], ntraj=600, seeds=3, options=QUIET)
    assert worst(wrong, exact(operators()[:1], c_ops=[0.5 * SIGMA]), 0) > SIGMAS


def test_first_clicks_of_a_decay_are_exponential_and_clicks_do_not_depend_on_the_grid():
    coarse = mcsolve(0 * SIGMA, UP, [0.0, 30.0], [SIGMA], ntraj=500, seeds=8, options=QUIET)
    first = [times[0] for times in coarse.col_times]
    assert stats.kstest(first, "expon").pvalue > 1e-4
    assert all(which == (0,) for which in coarse.col_which)
    fine = mcsolve(0 * SIGMA, UP, np.linspace(0.0, 30.0, 7), [SIGMA], ntraj=500, seeds=8, options=QUIET)
    assert fine.col_times == coarse.col_times
    later = mcsolve(0 * SIGMA, UP, [5.0, 35.0], [SIGMA], ntraj=500, seeds=8, options=QUIET)
    np.testing.assert_allclose([times[0] for times in later.col_times], np.array(first) + 5.0, rtol=1e-12)


def test_the_result_is_qutips_own_and_merges_with_one_of_its_own():
    arguments = (DRIVE, UP, TIMES, DECAY)
    mine = mcsolve(*arguments, e_ops={"n": SIGMA.dag() * SIGMA}, ntraj=40, seeds=1, options=QUIET)
    theirs = qutip.mcsolve(*arguments, e_ops=mine._raw_ops, ntraj=20, seeds=1, options=QUIET)
    both = mine + theirs
    assert both.num_trajectories == 60
    np.testing.assert_allclose(
        both.average_e_data["n"],
        (2.0 * np.array(mine.average_e_data["n"]) + np.array(theirs.average_e_data["n"])) / 3.0,
    )
    for name in vars(theirs):
        assert hasattr(mine, name), name
    assert set(theirs.stats) - set(mine.stats) <= {"init time"}
    assert len(mine.photocurrent) == 2
    assert len(mine.photocurrent[0]) == len(TIMES) - 1
    clicks = sum(which.count(0) for which in mine.col_which)
    assert np.dot(mine.photocurrent[0], np.diff(TIMES)) * 40 == pytest.approx(clicks)
    import matplotlib

    matplotlib.use("Agg")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # QuTiP's own
        mine.plot_expect()
        mine.plot_photocurrent()


def test_states_are_kept_as_qutip_keeps_them():
    kept = mcsolve(DRIVE, UP, TIMES, DECAY, ntraj=300, seeds=5, options=QUIET | {"keep_runs_results": True})
    assert len(kept.runs_states) == 300
    assert len(kept.runs_states[0]) == len(TIMES)
    assert all(abs(ket.norm() - 1.0) < 1e-12 for ket in kept.runs_states[7])
    averaged = mcsolve(
        DRIVE, UP, TIMES, DECAY, ntraj=300, seeds=5, options=QUIET | {"store_final_state": True}, e_ops=[]
    )
    right = qutip.mesolve(DRIVE, UP, TIMES, DECAY).states
    for found, expected in zip(averaged.average_states, right, strict=True):
        assert np.abs((found - expected).full()).max() < SIGMAS * 0.5 / np.sqrt(300)
    np.testing.assert_allclose(kept.average_states[-1].full(), averaged.final_state.full(), atol=1e-14)
    only_end = mcsolve(
        DRIVE, UP, TIMES, DECAY, ntraj=3, seeds=5, e_ops=[SIGMA], options=QUIET | {"store_final_state": True}
    )
    assert only_end.states is None
    assert abs(only_end.final_state.tr() - 1.0) < 1e-12


@pytest.mark.parametrize("propagator", ["modes", pytest.param("sparse", marks=pytest.mark.slow)])
def test_improved_sampling_follows_the_silent_trajectory_once(propagator):
    rate = 1e-3
    options = QUIET | {"improved_sampling": True, "propagator": propagator}
    result = mcsolve(
        0 * SIGMA,
        UP,
        TIMES,
        [np.sqrt(rate) * SIGMA],
        e_ops=[SIGMA.dag() * SIGMA],
        ntraj=100,
        seeds=2,
        options=options,
    )
    assert result.deterministic_weights == [pytest.approx(np.exp(-rate * TIMES[-1]), rel=1e-9)]
    assert all(len(times) == 1 and times[0] <= TIMES[-1] for times in result.col_times)
    # Given a click before T its time has the density γe^{−γt}/(1 − e^{−γT}).
    first = [times[0] for times in result.col_times]
    assert (
        stats.kstest(first, lambda t: np.expm1(-rate * np.asarray(t)) / np.expm1(-rate * TIMES[-1])).pvalue > 1e-4
    )
    decayed = np.exp(-rate * TIMES)
    assert np.abs(result.average_expect[0] - decayed).max() < SIGMAS * 0.5 * rate * TIMES[-1] / np.sqrt(100)
    # The planted fault: trajectories without their weight.
    wrong = 1.0 - np.mean([np.array(first)[:, None] <= TIMES], axis=1)[0]
    assert np.abs(wrong - decayed).max() > SIGMAS * 0.5 * rate * TIMES[-1] / np.sqrt(100)


def test_improved_sampling_of_a_dark_state_has_no_clicks():
    ground = qutip.basis(2, 0)
    options = QUIET | {"improved_sampling": True}
    result = mcsolve(
        0 * SIGMA, ground, TIMES, [SIGMA], e_ops=[SIGMA * SIGMA.dag()], ntraj=5, seeds=2, options=options
    )
    assert result.deterministic_weights == [1.0]
    np.testing.assert_allclose(result.average_expect[0], 1.0, rtol=1e-12)


def test_a_mixture_is_averaged_with_its_exact_weights():
    mixed = 0.3 * UP.proj() + 0.7 * qutip.basis(2, 0).proj()
    e_ops = [SIGMA.dag() * SIGMA]
    result = mcsolve(DRIVE, mixed, TIMES, DECAY, e_ops=e_ops, ntraj=401, seeds=6, options=QUIET)
    assert sorted(result.ntraj_per_initial_state) == [120, 281]
    assert result.average_expect[0][0] == pytest.approx(0.3, abs=1e-12)
    expected = exact(e_ops, mixed)
    assert np.abs(result.average_expect[0] - expected[0]).max() < SIGMAS * 0.5 / np.sqrt(401)
    listed = mcsolve(
        DRIVE,
        [(UP, 0.3), (qutip.basis(2, 0), 0.7)],
        TIMES,
        DECAY,
        e_ops=e_ops,
        ntraj=[10, 30],
        seeds=6,
        options=QUIET,
    )
    assert listed.ntraj_per_initial_state == [10, 30]
    assert listed.average_expect[0][0] == pytest.approx(0.3, abs=1e-12)
    rare = mcsolve(
        DRIVE, mixed, TIMES, DECAY, e_ops=e_ops, ntraj=40, seeds=6, options=QUIET | {"improved_sampling": True}
    )
    assert sum(rare.deterministic_weights) + sum(rare.runs_weights) == pytest.approx(1.0, abs=1e-12)
    assert shares(np.array([0.98, 0.01, 0.01]), 3) == [1, 1, 1]
    assert shares(np.array([0.5, 0.3, 0.2]), 10) == [5, 3, 2]


def test_seeds_give_the_same_trajectories_again_in_any_pieces_and_on_any_threads():
    arguments = (DRIVE, UP, TIMES, DECAY)
    whole = mcsolve(*arguments, ntraj=150, seeds=4, options=QUIET)
    threads = mcsolve(*arguments, ntraj=150, seeds=4, options=QUIET | {"map": "parallel", "num_cpus": 3})
    assert threads.col_times == whole.col_times
    again = mcsolve(*arguments, ntraj=10, seeds=whole.seeds[100:110], options=QUIET)
    assert again.col_times == whole.col_times[100:110]
    spawned = mcsolve(*arguments, ntraj=5, seeds=np.random.SeedSequence(4), options=QUIET)
    assert spawned.col_times == whole.col_times[:5]
    listed = mcsolve(*arguments, ntraj=2, seeds=[7, 7], options=QUIET)
    assert listed.col_times[0] == listed.col_times[1]
    free = [mcsolve(*arguments, ntraj=3, options=QUIET).col_times for _ in range(2)]
    assert free[0] != free[1]
    sizes = [(seed, first, len(mine)) for seed, first, mine in pieces(checked_seeds(4, 150), 64)]
    assert sizes == [(4, 0, 64), (4, 64, 64), (4, 128, 22)]


def test_coefficients_that_depend_on_time_are_taken_as_qutip_takes_them():
    times = np.linspace(1.0, 5.0, 9)  # a pulse that is half over when the evolution begins
    H = [0.2 * SIGMA.dag() * SIGMA, [SIGMA + SIGMA.dag(), lambda t, w: np.exp(-0.5 * (t - 1.5) ** 2 / w**2)]]
    c_ops = [[np.sqrt(0.8) * SIGMA, np.sqrt(0.1 + 0.2 * times) * np.exp(0.3j * times)], 0.3 * SIGMA.dag() * SIGMA]
    state, e_ops = (qutip.basis(2, 0) + 0.3 * UP).unit(), [SIGMA.dag() * SIGMA, SIGMA]
    given = {"e_ops": e_ops, "args": {"w": 0.6}}
    expected = qutip.mesolve(H, state, times, c_ops, options={"atol": 1e-12, "rtol": 1e-10}, **given).expect
    found = mcsolve(H, state, times, c_ops, ntraj=600, seeds=3, options=QUIET, **given)
    assert worst(found, expected, 0) < SIGMAS
    assert "tree" in found.stats["method"]
    assert min(t for clicks in found.col_times for t in clicks) >= 1.0
    again = mcsolve(H, state, times, c_ops, ntraj=20, seeds=3, options=QUIET | {"map": "parallel"}, **given)
    assert again.col_times == found.col_times[:20]
    # The planted fault: time that is counted from 0, as if the pulse were still to come.
    early = mcsolve(H, state, times - 1.0, c_ops, ntraj=600, seeds=3, options=QUIET, **given)
    assert worst(early, expected, 0) > SIGMAS


def test_improved_sampling_of_a_pulse_follows_the_silent_trajectory_once():
    times = np.linspace(0.0, 6.0, 13)
    H, population = [[0.02 * (SIGMA + SIGMA.dag()), lambda t: float(1.0 <= t < 3.0)]], SIGMA.dag() * SIGMA
    given = {"e_ops": [population], "options": QUIET | {"improved_sampling": True}}
    found = mcsolve(H, qutip.basis(2, 0), times, [SIGMA], ntraj=200, seeds=2, **given)
    fine = {"max_step": 0.05, "atol": 1e-12}
    expected = qutip.mesolve(H, qutip.basis(2, 0), times, [SIGMA], e_ops=[population], options=fine).expect[0]
    assert 1.0 - found.deterministic_weights[0] == pytest.approx(integrate.trapezoid(expected, times), rel=0.05)
    assert min(clicks[0] for clicks in found.col_times) >= 1.0
    np.testing.assert_allclose(found.average_expect[0], expected, atol=2e-5)


def test_it_ends_when_the_target_or_the_time_is_reached():
    arguments = (DRIVE, UP, TIMES, DECAY)
    e_ops = [SIGMA.dag() * SIGMA]
    result = mcsolve(*arguments, e_ops=e_ops, ntraj=100_000, seeds=1, target_tol=0.03, options=QUIET)
    assert result.stats["end_condition"] == "target tolerance reached"
    assert 100 < result.num_trajectories < 1000
    assert (np.asarray(result.std_expect[0]) / np.sqrt(result.num_trajectories - 1)).max() <= 0.03
    result = mcsolve(*arguments, e_ops=e_ops, ntraj=10**5, seeds=1, timeout=1e-3, options=QUIET)
    assert result.stats["end_condition"] == "timeout"
    assert 0 < result.num_trajectories < 10**5


def test_without_collapse_operators_nothing_is_random():
    result = mcsolve(DRIVE, UP, TIMES, e_ops=[SIGMA.dag() * SIGMA], options=QUIET)
    np.testing.assert_allclose(
        result.expect[0], qutip.sesolve(DRIVE, UP, TIMES, e_ops=[SIGMA.dag() * SIGMA]).expect[0]
    )


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"H": qutip.liouvillian(DRIVE)}, "superoperator"),
        ({"H": 3.0}, "must be an operator of QuTiP"),
        ({"H": lambda t: np.cos(t) * DRIVE}, r"give \[operator, coefficient\] pairs"),
        ({"H": [DRIVE, [SIGMA, np.cos]]}, "not Hermitian at t=0"),
        ({"c_ops": [[SIGMA, [SIGMA.dag(), np.cos]]]}, "collapse operator"),
        ({"c_ops": [qutip.QobjEvo([SIGMA, [SIGMA.dag(), np.cos]])]}, "is a sum of operators"),
        ({"options": {"mehtod": "bdf"}}, "unknown option"),
        ({"options": {"map": "mpi"}}, "trajectories.simulate"),
        ({"options": {"tolerance": 2.0}}, "tolerance"),
        ({"options": {"propagator": "diag"}}, "propagator"),
        ({"options": {"map": "parallel", "num_cpus": 0}}, "num_cpus"),
        ({"tlist": [0.0]}, "ascending"),
        ({"tlist": [0.0, 1.0, 1.0]}, "ascending"),
        ({"tlist": [0.0, np.nan]}, "tlist"),
        ({"state": UP.full()}, "must be a Qobj"),
        ({"state": qutip.basis(3, 1)}, "shape"),
        ({"ntraj": 0}, "ntraj"),
        ({"ntraj": [3, 4]}, "ntraj"),
        ({"seeds": [1, 2]}, "fewer"),
        ({"seeds": "now"}, "seeds"),
        ({"target_tol": 0.1}, "e_ops"),
        ({"target_tol": 0.1, "state": qutip.maximally_mixed_dm(2)}, "pure"),
        ({"state": qutip.maximally_mixed_dm(2), "ntraj": 1}, "ntraj"),
    ],
)
def test_what_cannot_be_right_is_refused_in_one_line(changed, told):
    arguments = {"H": DRIVE, "state": UP, "tlist": TIMES, "c_ops": DECAY, "ntraj": 4} | changed
    with pytest.raises(tj.InvalidInput, match=told) as refused:
        mcsolve(**arguments)
    assert "\n" not in str(refused.value)


def test_options_of_qutips_integrators_are_accepted():
    given = QUIET | {
        "method": "vern9",
        "atol": 1e-9,
        "rtol": 1e-7,
        "nsteps": 10_000,
        "norm_tol": 1e-3,
        "norm_steps": 5,
    }
    assert mcsolve(DRIVE, UP, TIMES, DECAY, ntraj=2, seeds=1, options=given).num_trajectories == 2


def test_results_become_click_records_for_every_estimator():
    times = np.linspace(2.0, 42.0, 3)
    for solve in (mcsolve, qutip.mcsolve):
        result = solve(DRIVE, UP, times, DECAY, ntraj=30, seeds=1, options=QUIET)
        record = click_record(result, ["light", "dephasing"])
        assert record.total_time == 30 * 40.0
        assert record.counts().sum() == sum(len(times) for times in result.col_times)
        assert record.counts()[3].tolist() == [result.col_which[3].count(k) for k in (0, 1)]
    assert an.g2(record, "light", "light", [0.0, 1.0, 2.0]).value.shape == (2,)
    with pytest.raises(tj.InvalidInput, match="must be a result"):
        click_record(3)
    with pytest.raises(tj.InvalidInput, match="different weights"):
        click_record(mcsolve(DRIVE, UP, times, DECAY, ntraj=3, options=QUIET | {"improved_sampling": True}))
    with pytest.raises(tj.InvalidInput, match="names"):
        click_record(result, ["light"])


def test_a_mixture_whose_time_is_up_is_not_taken_for_the_whole():
    """Of ρ = ¼|0⟩⟨0| + ¾|1⟩⟨1| the average at t = 0 was 1 or 0 without a word."""
    mixture = [(UP, 0.75), (qutip.basis(2, 0), 0.25)]
    arguments = (DRIVE, mixture, TIMES, DECAY)
    with pytest.warns(UserWarning, match=r"time was up after \d+ of 20000 trajectories.*not those of the mixture"):
        mcsolve(*arguments, e_ops=operators()[:1], ntraj=[10000, 10000], seeds=1, timeout=0.0, options=QUIET)
    whole = mcsolve(*arguments, e_ops=operators()[:1], ntraj=[10, 30], seeds=1, timeout=np.inf, options=QUIET)
    assert whole.average_expect[0][0] == pytest.approx(0.75)
    for timeout in (-1.0, float("nan"), "1 s"):
        with pytest.raises(tj.InvalidInput, match="timeout"):
            mcsolve(*arguments, ntraj=4, timeout=timeout, options=QUIET)
