"""The states of trajectories at the end of a run, and runs that go on from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from click_systems import driven_atom, lambda_atom, leaky_cavity, random_system, watch
from run_folders import same
from scipy.linalg import expm
from scipy.stats import chi2_contingency

import trajectories as tj
from trajectories import analysis, lindblad
from trajectories.errors import InvalidInput, RunFolderError
from trajectories.records import corrections
from trajectories.simulation.follow import follow

SYSTEM = random_system(4, 5, 2)
KET = np.eye(5)[2]
PROPAGATORS = ["modes", "sparse"]


def by_hand(system: tj.OpenSystem, ket: np.ndarray, record: tj.ClickRecord, row: int) -> np.ndarray:
    """The state that the clicks of a trajectory leave, by dense exponentials."""
    generator = -1j * system.H_eff.toarray()
    clicks = slice(*record.offsets[[row, row + 1]])
    now, psi = 0.0, ket.astype(complex)
    for time, channel in zip(record.time[clicks], record.channel[clicks], strict=True):
        psi = system.channels[channel].operator @ (expm(generator * (time - now)) @ psi)
        now, psi = time, psi / np.linalg.norm(psi)
    psi = expm(generator * (record.stop[row] - now)) @ psi
    return psi / np.linalg.norm(psi)


@pytest.mark.parametrize("propagator", PROPAGATORS)
def test_the_final_states_are_those_that_the_clicks_leave(propagator):
    """Up to a phase, and to the 1e-8 to which click times are bracketed, whose square counts in an overlap."""
    record = watch(SYSTEM, 12, 7.3, seed=1, initial=KET, propagator=propagator, final_states=True)
    assert len(record) > 20
    assert len(record.final_states) == 12
    for row, ket in enumerate(record.final_states.kets):
        assert np.linalg.norm(ket) == pytest.approx(1.0, rel=1e-14)
        assert abs(np.vdot(ket, by_hand(SYSTEM, KET, record, row))) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("propagator", PROPAGATORS)
def test_asking_for_them_changes_no_click_and_no_average(propagator):
    number = {"level": np.diag(np.arange(5.0))}
    options = {
        "seed": 3,
        "initial": KET,
        "propagator": propagator,
        "observables": number,
        "sample_times": [1.0, 7.0],
    }
    plain = watch(SYSTEM, 8, 7.0, **options)
    asked = watch(SYSTEM, 8, 7.0, final_states=True, **options)
    assert plain.final_states is None
    assert same(plain, asked)
    np.testing.assert_array_equal(plain.expectations["level"].value, asked.expectations["level"].value)
    last = np.abs(asked.final_states.kets) ** 2 @ np.arange(5.0)
    assert last.mean() == pytest.approx(asked.expectations["level"].value[-1], rel=1e-12)


@pytest.mark.parametrize("propagator", PROPAGATORS)
def test_dark_states_go_on_turning(propagator):
    """After the last photon, and in a dark superposition, there is still a state, and it has its phases."""
    cavity = watch(
        leaky_cavity(), 5, 300.0, seed=1, initial=np.eye(5)[3], propagator=propagator, final_states=True
    )
    assert len(cavity) == 15
    np.testing.assert_allclose(np.abs(cavity.final_states.kets), np.tile(np.eye(5)[0], (5, 1)), atol=1e-12)
    system, dark = lambda_atom(), np.array([1.0, -1.0, 0.0]) / np.sqrt(2.0)
    record = watch(system, 2, 1e4, seed=1, initial=dark, propagator=propagator, final_states=True)
    assert len(record) == 0
    assert abs(np.vdot(record.final_states.kets[0], dark)) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("propagator", PROPAGATORS)
def test_they_are_the_states_of_a_longer_run_at_that_time(propagator, tmp_path):
    """A longer run begins with the same clicks, bit for bit, and passes through the same states."""
    short = watch(SYSTEM, 6, 5.0, seed=9, initial=KET, propagator=propagator, final_states=True)
    long = watch(SYSTEM, 6, 12.0, seed=9, initial=KET, propagator=propagator, out=tmp_path / "long")
    early = long.time < 5.0
    np.testing.assert_array_equal(long.time[early], short.time)
    for row in range(6):
        ket = {"ket": short.final_states.kets[row]}
        assert follow(tmp_path / "long", row, ket, [5.0])["ket"][0] == pytest.approx(1.0, abs=1e-9)


def test_they_average_to_the_density_matrix():
    """Also where a mixture was dealt out: at t = 0 exactly, later within 5 standard errors of each element."""
    rho = np.diag([0.4, 0.3, 0.2, 0.1, 0.0]).astype(complex)
    begun = watch(SYSTEM, 80, 1e-12, seed=1, initial=rho, final_states=True).final_states
    np.testing.assert_allclose(begun.density_matrix, rho, atol=1e-10)
    found = watch(SYSTEM, 400, 2.0, seed=1, initial=rho, final_states=True).final_states
    exact = lindblad.density_matrix(SYSTEM, rho, 2.0)
    assert np.trace(found.density_matrix).real == pytest.approx(1.0, rel=1e-12)
    assert np.abs(found.density_matrix - exact).max() < 5.0 * 0.5 / np.sqrt(400)


@pytest.mark.parametrize("executor", ["threads", "folder", "processes"])
def test_any_workers_and_a_folder_keep_them(tmp_path, executor, spawned):
    options = {"seed": 2, "initial": KET, "final_states": True}
    right = watch(SYSTEM, 9, 4.0, **options)
    if executor == "processes":
        options |= {"executor": spawned}
    found = watch(SYSTEM, 9, 4.0, **options, **({} if executor == "threads" else {"out": tmp_path / "run"}))
    np.testing.assert_array_equal(found.final_states.kets, right.final_states.kets)
    if executor != "threads":
        loaded = tj.load(tmp_path / "run")
        np.testing.assert_array_equal(loaded.final_states.kets, right.final_states.kets)
        assert (loaded.final_states.time, loaded.final_states.stage) == (4.0, 1)


@pytest.fixture(scope="module")
def spawned():
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield pool


def test_a_run_that_was_not_asked_for_them_is_another(tmp_path):
    watch(SYSTEM, 2, 1.0, seed=1, initial=KET, out=tmp_path / "run")
    with pytest.raises(RunFolderError, match="final_states is not set in the run and True in"):
        watch(SYSTEM, 2, 1.0, seed=1, initial=KET, out=tmp_path / "run", final_states=True)
    watch(SYSTEM, 2, 1.0, seed=1, initial=KET, out=tmp_path / "other", final_states=True)
    with pytest.raises(RunFolderError, match="final_states is True in the run and not set in"):
        watch(SYSTEM, 2, 1.0, seed=1, initial=KET, out=tmp_path / "other")


ATOM = driven_atom(1.0, 0.4)
GROUND = np.array([1.0, 0.0])
CUT, SIZE = 15.0, 800
# Bins of a gap across the cut: short gaps are rare after a click, because the atom has to be excited again.
GAPS = np.array([0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 12.0, np.inf])
COUNTS = np.arange(-0.5, 14.0)


@pytest.fixture(scope="module")
def cut_runs():
    """Trajectories to the cut, and as many that run through it."""
    first = watch(ATOM, SIZE, CUT, seed=1, initial=GROUND, final_states=True)
    return first, watch(ATOM, SIZE, 2 * CUT, seed=2, initial=GROUND)


def halves(record: tj.ClickRecord) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The click times of each trajectory before and after the cut, the latter counted from there."""
    parts = [record.time[slice(*pair)] for pair in zip(record.offsets[:-1], record.offsets[1:], strict=True)]
    return [t[t <= CUT] for t in parts], [t[t > CUT] - CUT for t in parts]


def differs(found: np.ndarray, right: np.ndarray, edges: np.ndarray) -> float:
    """p of the hypothesis that two samples follow one law: χ² of a table of two rows, scarce bins joined."""
    table = np.array([np.histogram(found, edges)[0], np.histogram(right, edges)[0]])
    scarce = table.sum(axis=0) < 10
    table = np.column_stack([table[:, ~scarce], table[:, scarce].sum(axis=1)])
    return float(chi2_contingency(table[:, table.sum(axis=0) > 0]).pvalue)


def evidence(first: tj.ClickRecord, second: tj.ClickRecord, long: tj.ClickRecord) -> tuple[float, float]:
    """The least p of three comparisons of cut trajectories with uncut ones, and the correlation of their halves.

    Compared are the number of clicks after the cut, the time to the first of them, and the gap across the cut.
    """
    before, after = (
        [record.time[slice(*pair)] for pair in zip(record.offsets[:-1], record.offsets[1:], strict=True)]
        for record in (first, second)
    )
    cut, uncut = (before, after), halves(long)
    found: list[list[np.ndarray]] = []
    for early, late in (cut, uncut):
        both = [(e[-1], t[0]) for e, t in zip(early, late, strict=True) if len(e) and len(t)]
        gaps = np.array([CUT - e + t for e, t in both])
        found.append([np.array([len(t) for t in late]), np.array([t[0] for t in late if len(t)]), gaps])
    p = [differs(*pair, edges) for *pair, edges in zip(*found, (COUNTS, GAPS, GAPS), strict=True)]
    counts = [[len(t) for t in half] for half in cut]
    return min(p), float(np.corrcoef(*counts)[0, 1])


@pytest.mark.parametrize("propagator", PROPAGATORS)
def test_going_on_follows_the_law_of_one_long_run(propagator, cut_runs):
    """Each p above 1e-4, and halves uncorrelated within 4.5/√800, although the same seed is given twice."""
    first, long = cut_runs
    second = watch(ATOM, SIZE, CUT, seed=1, initial=first.final_states, propagator=propagator)
    p, correlation = evidence(first, second, long)
    assert p > 1e-4
    assert abs(correlation) < 4.5 / np.sqrt(SIZE)


@pytest.mark.parametrize("fault", ["starts afresh", "states of other trajectories", "numbers of the first run"])
def test_planted_fault_going_on_wrongly_is_caught(fault, cut_runs):
    """The same tests reject what looks alike: a fresh start, exchanged states, random numbers used twice."""
    first, long = cut_runs
    kets = first.final_states.kets
    start = {
        "starts afresh": GROUND,
        "states of other trajectories": tj.TrajectoryStates(np.roll(kets, 1, axis=0), stage=1),
        "numbers of the first run": tj.TrajectoryStates(kets),
    }[fault]
    p, correlation = evidence(first, watch(ATOM, SIZE, CUT, seed=1, initial=start), long)
    assert p < 1e-4 or abs(correlation) > 4.5 / np.sqrt(SIZE)


def test_a_quench_goes_on_with_another_system():
    """Driven to its steady state, then left alone: p(t) = p_ss e^{−γt}, within 5 standard errors."""
    gamma = 0.4
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
    dark = tj.OpenSystem(0.0 * sigma, [tj.Channel("atom", np.sqrt(gamma) * sigma)])
    excited = {"e": np.array([0.0, 1.0])}
    driven = watch(ATOM, 400, 60.0, seed=1, initial=GROUND, final_states=True)
    after = watch(
        dark, 400, 6.0, seed=1, initial=driven.final_states, observables=excited, sample_times=[0.0, 1.0, 4.0]
    )
    steady = lindblad.steady_state(ATOM).rho[1, 1].real
    found = after.expectations["e"]
    expected = steady * np.exp(-gamma * found.times)
    assert (np.abs(found.value - expected) < 5.0 * found.standard_error).all()
    assert after.counts().max() == 1
    assert after.provenance["configuration"]["begun_at"] == 60.0


def test_stages_count_on_and_fewer_may_go_on():
    one = watch(ATOM, 6, 5.0, seed=1, initial=GROUND, final_states=True)
    two = watch(ATOM, 4, 5.0, seed=1, initial=one.final_states, final_states=True)
    three = watch(ATOM, 4, 5.0, seed=1, initial=two.final_states)
    assert (two.final_states.stage, two.final_states.time) == (2, 10.0)
    assert not same(two, three)
    np.testing.assert_array_equal(np.asarray(one.final_states), one.final_states.kets)


def test_states_of_one_s_own_are_taken_one_for_each_trajectory():
    """Trajectory r starts in ket r: of a decaying atom those in the excited state click, and no other."""
    kets = np.eye(2)[[1, 0, 1, 1, 0]]
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
    system = tj.OpenSystem(0.0 * sigma, [tj.Channel("atom", sigma)])
    record = watch(system, 5, 100.0, seed=1, initial=tj.TrajectoryStates(kets))
    assert record.counts()[:, 0].tolist() == [1, 0, 1, 1, 0]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: watch(ATOM, 3, 1.0, seed=1, initial=tj.TrajectoryStates(np.eye(2))),
            "from 2 final states; give 2 or fewer",
        ),
        (lambda: watch(ATOM, 3, 1.0, seed=1, initial=tj.TrajectoryStates(np.eye(3))), "dimension 3, the system 2"),
        (lambda: tj.TrajectoryStates(np.eye(2)[0]), "one ket for each trajectory"),
        (lambda: tj.TrajectoryStates(2.0 * np.eye(2)), "norm 2; divide"),
        (lambda: tj.TrajectoryStates([[np.nan, 0.0]]), "nan"),
        (lambda: tj.TrajectoryStates(np.eye(2), weights=[0.5]), "weights"),
        (lambda: tj.TrajectoryStates(np.eye(2), stage=-1), "stage=-1"),
        (lambda: tj.TrajectoryStates("kets"), "must be numbers"),
    ],
)
def test_what_cannot_go_on_is_refused_in_one_line(make, message):
    with pytest.raises(InvalidInput, match=message) as refusal:
        make()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("propagator", PROPAGATORS)
def test_states_along_a_trajectory(tmp_path, propagator):
    """Kets between the clicks of the record, and populations that `follow` gives from the same random numbers."""
    record = watch(SYSTEM, 4, 6.0, seed=9, initial=KET, propagator=propagator, out=tmp_path / "run")
    times = np.linspace(0.0, 6.0, 13)
    kets = tj.states_along(tmp_path / "run", 2, times)
    np.testing.assert_allclose(np.linalg.norm(kets, axis=1), 1.0, rtol=1e-13)
    assert abs(np.vdot(kets[0], KET)) == pytest.approx(1.0, abs=1e-12)
    for k in (3, 12):
        by_dense = by_hand(SYSTEM, KET, short(record, times[k]), 2)
        assert abs(np.vdot(kets[k], by_dense)) == pytest.approx(1.0, abs=1e-9)
    populations = follow(tmp_path / "run", 2, {"level": np.diag(np.arange(5.0))}, times)["level"]
    np.testing.assert_allclose(np.abs(kets) ** 2 @ np.arange(5.0), populations, rtol=1e-10)
    with pytest.raises(InvalidInput, match="must lie in"):
        tj.states_along(tmp_path / "run", 2, [7.0])


def short(record: tj.ClickRecord, stop: float) -> tj.ClickRecord:
    """The record until an earlier time."""
    early = record.time <= stop
    return tj.ClickRecord.from_arrays(
        record.trajectory[early],
        record.time[early],
        record.channel[early],
        channel_names=record.channel_names,
        start=record.start,
        stop=np.full(record.n_trajectories, stop),
    )


class TestEndToEnd:
    """Runs of the same trajectories as one record."""

    def test_stages_of_one_system_are_one_long_record(self):
        """Stationary from its start to its end: accepted by validate, which would see a break at the cut."""
        size = {"trajectories": 60, "seed": 4, "workers": 1, "progress": False}
        number = {"observables": {"e": np.array([0.0, 1.0])}, "final_states": True}
        one = tj.simulate(ATOM, duration=100.0, sample_times=[0.0, 50.0], **size, **number)
        two = tj.simulate(ATOM, duration=60.0, sample_times=[10.0], initial=one.final_states, **size, **number)
        three = tj.simulate(ATOM, duration=40.0, initial=two.final_states, **size)
        whole = tj.end_to_end([one, two, three])
        assert (whole.n_trajectories, len(whole)) == (60, len(one) + len(two) + len(three))
        assert (whole.stop == 200.0).all()
        assert whole.provenance["configuration"]["duration"] == 200.0
        assert [stage["duration"] for stage in whole.provenance["stages"]] == [100.0, 60.0, 40.0]
        assert analysis.validate(whole, ATOM).accepted
        both = tj.end_to_end([one, two])
        assert both.expectations["e"].times.tolist() == [0.0, 50.0, 110.0]
        assert both.final_states is two.final_states
        assert three.final_states is None
        assert whole.expectations == {}
        row = slice(*both.offsets[[7, 8]])
        np.testing.assert_array_equal(
            both.time[row],
            [*one.time[slice(*one.offsets[[7, 8]])], *(100.0 + two.time[slice(*two.offsets[[7, 8]])])],
        )

    def test_a_quench_is_no_record_of_one_system(self):
        one = watch(ATOM, 5, 10.0, seed=1, initial=GROUND, final_states=True)
        two = watch(driven_atom(2.0, 0.4), 5, 10.0, seed=1, initial=one.final_states)
        whole = tj.end_to_end([one, two])
        assert "configuration" not in whole.provenance
        digests = [stage["digest"] for stage in whole.provenance["stages"]]
        assert digests == [ATOM.digest, driven_atom(2.0, 0.4).digest]

    def test_what_did_not_go_on_is_refused(self):
        one = watch(ATOM, 5, 10.0, seed=1, initial=GROUND, final_states=True)
        two = watch(ATOM, 5, 10.0, seed=1, initial=one.final_states, final_states=True)
        other = watch(ATOM, 5, 10.0, seed=2, initial=GROUND, final_states=True)
        fewer = watch(ATOM, 3, 10.0, seed=1, initial=one.final_states)
        lossy = analysis.apply_detectors(two, {"atom": tj.Detector(0.5)}, 1)
        plain = watch(ATOM, 5, 10.0, seed=1, initial=GROUND)
        for records, message in [
            ([one, other], "record 1 does not start from the final states of record 0"),
            ([other, two], "record 1 does not start"),
            ([one, fewer], "5 and 3 trajectories"),
            ([plain, two], "record 0 has no final states"),
            ([one, two.after(1.0)], "do not follow"),
            ([one, lossy], "different detectors"),
            ([], "at least one"),
            (one, "must be a sequence"),
        ]:
            with pytest.raises(InvalidInput, match=message) as refusal:
                tj.end_to_end(records)
            assert "\n" not in str(refusal.value)

    def test_records_that_are_joined_or_cut_have_no_final_states(self):
        one = watch(ATOM, 5, 10.0, seed=1, initial=GROUND, final_states=True)
        two = watch(ATOM, 5, 10.0, seed=2, initial=GROUND, final_states=True)
        assert tj.ClickRecord.concatenate([one, two]).final_states is None
        assert one.after(1.0).final_states is one.final_states
        assert corrections.cut(one, [[2.0, 3.0]]).final_states is None


def pulsed_atom(period: float | None = 20.0) -> tj.OpenSystem:
    """An atom under a pulse, which practically never clicks: its state is known at every time."""
    sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
    pulse = tj.Drive(sigma + sigma.T, tj.Gaussian(8.0, 0.8, 0.35))
    return tj.OpenSystem(0.1 * sigma.T @ sigma, [tj.Channel("atom", 1e-8 * sigma)], drives=[pulse], period=period)


def excited(record: tj.ClickRecord) -> np.ndarray:
    return record.expectations["excited"].value


def test_a_drive_goes_on_at_its_phase():
    """One period and then two more are three in one go; in the middle of one the drive would begin anew."""
    system, ket, times = pulsed_atom(), np.array([1.0, 0.0]), np.array([3.0, 7.5, 9.0, 15.0])
    watched = {"observables": {"excited": np.diag([0.0, 1.0])}, "seed": 1, "initial": ket}
    whole = watch(system, 2, 60.0, sample_times=[*times, *(times + 20.0)], **watched)
    first = watch(system, 2, 20.0, final_states=True, sample_times=times, **watched)
    watched["initial"] = first.final_states
    second = watch(system, 2, 40.0, sample_times=times, final_states=True, **watched)
    assert len(whole) == 0
    np.testing.assert_allclose(excited(first), excited(whole)[:4], atol=1e-12)
    np.testing.assert_allclose(excited(second), excited(whole)[4:], atol=1e-10)
    assert abs(excited(whole)[4:] - excited(whole)[:4]).max() > 1e-3
    assert tj.end_to_end([first, second]).period == 20.0
    middle = watch(system, 2, 27.0, seed=1, initial=ket, final_states=True).final_states
    with pytest.raises(InvalidInput, match=r"t=27, which is 1\.35 periods of 20, but drives start at"):
        watch(system, 2, 20.0, seed=1, initial=middle)
    anew = watch(system, 2, 20.0, sample_times=[0.0], **(watched | {"initial": replace(middle, time=0.0)}))
    assert excited(anew)[0] == pytest.approx(abs(middle.kets[0, 1]) ** 2, abs=1e-12)


def test_envelopes_without_a_period_can_be_delayed_to_go_on():
    system, ket = pulsed_atom(None), np.array([1.0, 0.0])
    watched = {"observables": {"excited": np.diag([0.0, 1.0])}, "seed": 1, "initial": ket}
    whole = watch(system, 2, 12.0, sample_times=[12.0], **watched)
    half = watch(system, 2, 7.5, final_states=True, **{"seed": 1, "initial": ket}).final_states
    with pytest.raises(InvalidInput, match=r"t=7\.5, but envelopes .* \.delayed\(-7\.5\)"):
        watch(system, 2, 4.5, seed=1, initial=half)
    drives = [tj.Drive(drive.operator, drive.envelope.delayed(-7.5)) for drive in system.drives]
    later = tj.OpenSystem(system.hamiltonian, system.channels, drives=drives)
    second = watch(later, 2, 4.5, sample_times=[4.5], **(watched | {"initial": replace(half, time=0.0)}))
    np.testing.assert_allclose(excited(second), excited(whole), atol=1e-10)
