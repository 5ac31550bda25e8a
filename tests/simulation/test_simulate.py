"""simulate() and follow(): what a record may not depend on, sampling, refusals before any work."""

from __future__ import annotations

import multiprocessing
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from click_systems import driven_atom, random_system, watch
from scipy import sparse

import trajectories as tj
from trajectories.engine import blocks
from trajectories.engine.blocks import BlockTask, run_block, run_blocks
from trajectories.engine.compiled import CONSTANT, compile_system
from trajectories.engine.propagator import check_tolerance
from trajectories.errors import InvalidInput, RunFolderError, TruncationWarning
from trajectories.progress import Progress
from trajectories.simulation import simulate as simulation
from trajectories.simulation import workers
from trajectories.simulation.follow import follow
from trajectories.simulation.simulate import simulate

ATOM = driven_atom(1.0, 0.4)
GROUND = np.array([1.0, 0.0])
NAN, INF = float("nan"), float("inf")


def atom(trajectories: int = 23, duration: float = 40.0, **options) -> tj.ClickRecord:
    return simulate(ATOM, trajectories, duration, **({"seed": 2, "workers": 1, "progress": False} | options))


def same(first: tj.ClickRecord, second: tj.ClickRecord) -> bool:
    names = ("trajectory", "time", "channel", "start", "stop")
    return all(getattr(first, n).tobytes() == getattr(second, n).tobytes() for n in names)


@pytest.mark.parametrize("propagator", sorted(CONSTANT))
@pytest.mark.parametrize("workers", [2, 3])
def test_the_record_does_not_depend_on_the_workers(workers, propagator):
    system = random_system(1, 4, 3)
    records = [
        simulate(system, 20, 50.0, seed=1, initial=np.eye(4)[0], workers=w, propagator=propagator, progress=False)
        for w in (1, workers)
    ]
    assert len(records[0]) > 50
    assert same(*records)


@pytest.mark.parametrize("size", [1, 4, 7, 1000])
def test_the_record_does_not_depend_on_the_blocks(size, monkeypatch):
    reference = atom()
    monkeypatch.setattr(simulation, "block_size", lambda *_: size)
    assert same(atom(), reference)
    assert same(atom(workers=3), reference)


def test_the_record_does_not_depend_on_the_order_of_the_blocks():
    compiled = compile_system(ATOM, GROUND)
    tasks = [BlockTask(k, k + 3, 2, 40.0) for k in range(0, 21, 3)]
    with ThreadPoolExecutor(2) as pool:
        shuffled = list(run_blocks(compiled, tasks[::-1], pool))
    for block in shuffled:
        again = run_block(compiled, BlockTask(block.first, block.last, 2, 40.0))
        assert again.time.tobytes() == block.time.tobytes()


def test_more_trajectories_continue_fewer():
    fewer, more = atom(10), atom(23)
    assert fewer.time.tobytes() == more.time[: more.offsets[10]].tobytes()


def test_another_seed_is_another_record():
    assert not same(atom(), atom(seed=3))
    assert len(set(atom(200, 100.0).time.tolist())) == len(atom(200, 100.0))


def test_a_record_is_the_same_in_memory_and_on_disk(tmp_path):
    stored = atom(out=tmp_path / "run", workers=2)
    assert same(stored, atom())
    assert same(tj.load(tmp_path / "run"), atom())
    assert atom().provenance["configuration"] == stored.provenance["configuration"]
    assert atom().provenance["complete"] is True


def test_threads_of_one_s_own_are_used_and_left_running():
    with ThreadPoolExecutor(2) as pool:
        assert same(atom(executor=pool), atom())
        assert pool.submit(int, "3").result() == 3


def test_processes_give_the_same_bits(tmp_path):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        record = atom(executor=pool, out=tmp_path / "run")
        # The executor is not shut down, and a block that fails there is reported here.
        with pytest.raises(InvalidInput, match="tolerance"):
            pool.submit(check_tolerance, 5.0).result()
    assert same(record, atom())


def test_progress_is_drawn_only_when_asked_for(capsys):
    atom(progress=False)
    assert capsys.readouterr() == ("", "")
    atom(progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "simulate" in shown.err
    assert "clicks/s" in shown.err
    assert "100%" in shown.err


def test_progress_counts_from_any_thread():
    with Progress(100.0, shown=False) as bar:
        threads = [threading.Thread(target=lambda: [bar.add(0.1, 1) for _ in range(100)]) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bar.refresh()
        assert bar._clicks == 500
        assert bar._time == pytest.approx(50.0)


@pytest.mark.parametrize("propagator", sorted(CONSTANT))
def test_following_a_trajectory_repeats_it(tmp_path, propagator):
    """⟨O⟩ along the recorded trajectory: it falls to the post-click state at each recorded click."""
    record = atom(4, out=tmp_path / "run", initial="steady", propagator=propagator)
    for row in (0, 3):
        clicks = record.time[record.offsets[row] : record.offsets[row + 1]]
        times = np.sort(np.concatenate([clicks - 1e-6, clicks + 1e-6, [0.0, 40.0]]))
        values = follow(tmp_path / "run", row, {"excited": np.diag([0.0, 1.0]), "e": np.array([0.0, 1.0])}, times)
        np.testing.assert_allclose(values["excited"], values["e"], atol=1e-15)
        assert values["excited"].shape == times.shape
        after = values["excited"][np.searchsorted(times, clicks + 1e-6)]
        before = values["excited"][np.searchsorted(times, clicks - 1e-6)]
        assert (after < 1e-10).all()
        assert (before > 1e-4).all()


@pytest.mark.parametrize("propagator", sorted(CONSTANT))
def test_following_up_to_a_click_shows_the_state_after_it(tmp_path, propagator):
    record = atom(2, out=tmp_path / "run", initial=GROUND, propagator=propagator)
    for click in record.time[:5]:
        value = follow(tmp_path / "run", 0, {"e": np.array([0.0, 1.0])}, [click])["e"]
        assert value[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("trajectory", "times", "message"),
    [
        (-1, [1.0], "trajectory=-1"),
        (4, [1.0], "trajectory=4"),
        (1.5, [1.0], "trajectory=1.5"),
        ("1", [1.0], "trajectory='1'"),
        (0, [50.0], "sample_times"),
        (0, [-1.0], "sample_times"),
        (0, [2.0, 1.0], "ascending"),
        (0, [NAN], "finite"),
        (0, "soon", "sample_times"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path, trajectory, times, message):
    atom(4, out=tmp_path / "run", initial=GROUND)
    with pytest.raises(InvalidInput, match=message):
        follow(tmp_path / "run", trajectory, {"e": np.array([0.0, 1.0])}, times)


def test_what_is_no_run_cannot_be_followed(tmp_path):
    with pytest.raises((InvalidInput, RunFolderError)):
        follow(tmp_path, 0, {"e": np.array([0.0, 1.0])}, [1.0])


def test_averages_need_no_order_of_blocks(monkeypatch):
    options = {"observables": {"e": np.diag([0.0, 1.0])}, "sample_times": [0.0, 3.0, 40.0]}
    reference = atom(**options)
    monkeypatch.setattr(simulation, "block_size", lambda *_: 5)
    again = atom(workers=3, **options)
    for name in ("value", "standard_error"):
        assert (
            getattr(again.expectations["e"], name).tobytes()
            == getattr(reference.expectations["e"], name).tobytes()
        )


def test_a_ket_as_observable_means_its_population_whatever_its_norm():
    options = {"sample_times": [0.0, 3.0], "initial": GROUND}
    plain = atom(observables={"e": np.array([0.0, 1.0])}, **options).expectations["e"]
    scaled = atom(observables={"e": np.array([0.0, 2.0j])}, **options).expectations["e"]
    np.testing.assert_allclose(scaled.value, plain.value, atol=1e-14)


def test_no_sample_times_are_an_empty_average():
    average = atom(observables={"e": np.diag([0.0, 1.0])}, sample_times=[]).expectations["e"]
    assert average.value.shape == (0,)


def test_sample_times_may_repeat_and_touch_both_ends():
    average = atom(observables={"one": np.eye(2)}, sample_times=[0.0, 0.0, 40.0, 40.0]).expectations["one"]
    np.testing.assert_allclose(average.value, 1.0, atol=1e-12)


@pytest.mark.parametrize("form", [np.asarray, list, sparse.csr_array, np.matrix])
@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_observables_may_be_any_matrix(form):
    matrix = np.array([[0.0, 1.0j], [-1.0j, 0.0]])
    options = {"sample_times": [1.0], "initial": GROUND}
    reference = atom(observables={"y": matrix}, **options).expectations["y"].value
    assert atom(observables={"y": form(matrix)}, **options).expectations["y"].value == reference


def test_initial_states_of_any_norm_and_of_both_kinds():
    ket = np.array([3.0, 4.0j])
    reference = atom(initial=ket / 5.0)
    assert same(atom(initial=ket), reference)
    assert same(atom(initial=(ket / 5.0).tolist()), reference)
    rho = np.outer(ket, ket.conj()) / 25.0
    # The eigenvector has another phase, which no click can tell, and rounding.
    np.testing.assert_allclose(atom(initial=rho).time, reference.time, atol=1e-6)


def test_a_shallow_truncation_is_warned_about_once():
    system = tj.SpinningResonator().system(levels=(2, 2, 2))
    with pytest.warns(TruncationWarning, match="photon") as said:
        simulate(system, 1, 1.0, seed=0, workers=1, progress=False)
    assert len(said) == 1
    # Where the caller can see it: it points to this file.
    assert said[0].filename == __file__
    # Code that is executed in a namespace of its own, which may have no name.
    with pytest.warns(TruncationWarning):
        exec(
            "simulate(system, 1, 1.0, seed=0, workers=1, progress=False)", {"simulate": simulate, "system": system}
        )


def test_numpy_numbers_are_numbers():
    plain = atom(3, 10.0)
    assert same(atom(np.int64(3), np.float32(10.0), seed=np.uint8(2), workers=np.int16(1)), plain)


def test_a_very_short_window_is_a_window():
    for duration in (1e-12, 1e-200, 1e-305):
        assert atom(3, duration).total_time == pytest.approx(3 * duration, rel=1e-12)


BAD = [
    ({"trajectories": 0}, "trajectories=0"),
    ({"trajectories": -1}, "trajectories=-1"),
    ({"trajectories": 2.5}, "trajectories=2.5"),
    ({"trajectories": "many"}, "trajectories='many'"),
    ({"trajectories": True}, "trajectories=True"),
    ({"trajectories": None}, "trajectories=None"),
    ({"duration": 0.0}, "duration=0"),
    ({"duration": -1.0}, "duration=-1"),
    ({"duration": NAN}, "duration=nan"),
    ({"duration": INF}, "duration=inf"),
    ({"duration": "long"}, "duration='long'"),
    ({"duration": True}, "duration=True"),
    ({"duration": 1.0j}, "duration"),
    ({"duration": np.complex128(1.0)}, "duration"),
    ({"duration": 10**400}, "duration"),
    ({"seed": -1}, "seed=-1"),
    ({"seed": 1.0}, "seed=1.0"),
    ({"seed": None}, "seed=None"),
    ({"seed": "x"}, "seed='x'"),
    ({"tolerance": 0.0}, "tolerance=0"),
    ({"tolerance": 1e-15}, "tolerance=1e-15"),
    ({"tolerance": 0.1}, "tolerance=0.1"),
    ({"tolerance": NAN}, "tolerance=nan"),
    ({"tolerance": "x"}, "tolerance='?x"),
    ({"tolerance": None}, "tolerance=None"),
    ({"propagator": "magic"}, "propagator='magic'"),
    ({"propagator": None}, "propagator=None"),
    ({"propagator": ["sparse"]}, "propagator"),
    ({"workers": 0}, "workers=0"),
    ({"workers": -2}, "workers=-2"),
    ({"workers": 1.5}, "workers=1.5"),
    ({"workers": "all"}, "workers='all'"),
    ({"initial": "vacuum"}, "initial='vacuum'"),
    ({"initial": [0.0, 0.0]}, "norm 0"),
    ({"initial": [1.0, NAN]}, "NaN"),
    ({"initial": [1.0, 0.0, 0.0]}, "shape"),
    ({"initial": [[1.0, 0.0]]}, "shape"),
    ({"initial": [1.0, "x"]}, "initial"),
    ({"initial": [[1.0], [1.0, 2.0]]}, "initial"),
    ({"initial": None}, "initial"),
    ({"initial": {}}, "initial"),
    ({"initial": np.eye(2)}, "trace 2"),
    ({"initial": [[0.5, 1.0], [0.0, 0.5]]}, "Hermitian"),
    ({"initial": [[1.5, 0.0], [0.0, -0.5]]}, "negative eigenvalue"),
    ({"observables": {"e": np.eye(2)}}, "sample_times"),
    ({"sample_times": [1.0]}, "observables"),
    ({"observables": {}, "sample_times": [1.0]}, "observables"),
    ({"observables": [np.eye(2)], "sample_times": [1.0]}, "observables"),
    ({"observables": {"e": np.eye(3)}, "sample_times": [1.0]}, "'e' has dimension 3"),
    ({"observables": {"e": [1.0, 0.0, 0.0]}, "sample_times": [1.0]}, "'e'"),
    ({"observables": {"e": [0.0, 0.0]}, "sample_times": [1.0]}, "'e'"),
    ({"observables": {"e": [[0.0, 1.0], [0.0, 0.0]]}, "sample_times": [1.0]}, "'e' is not Hermitian"),
    ({"observables": {"e": [[NAN, 0.0], [0.0, 0.0]]}, "sample_times": [1.0]}, "'e' contains .*nan"),
    ({"observables": {"e": "σ"}, "sample_times": [1.0]}, "'e'"),
    ({"observables": {"e": None}, "sample_times": [1.0]}, "'e'"),
    ({"observables": {"e": np.eye(2)}, "sample_times": [2.0, 1.0]}, "ascending"),
    ({"observables": {"e": np.eye(2)}, "sample_times": [[1.0, 2.0]]}, "one ascending list"),
    ({"observables": {"e": np.eye(2)}, "sample_times": [NAN]}, "finite"),
    ({"observables": {"e": np.eye(2)}, "sample_times": [-1.0]}, "-1"),
    ({"observables": {"e": np.eye(2)}, "sample_times": [41.0]}, "41"),
    ({"observables": {"e": np.eye(2)}, "sample_times": ["x"]}, "sample_times"),
]


@pytest.mark.parametrize(("changes", "message"), BAD, ids=[str(changes)[:60] for changes, _ in BAD])
def test_arguments_that_cannot_be_right_are_refused_before_any_work(tmp_path, monkeypatch, changes, message):
    for module, name in ((simulation, "prepare"), (workers, "run_blocks")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("work was done"))
    given = {"trajectories": 3, "duration": 40.0} | changes
    with pytest.raises(InvalidInput, match=message) as refusal:
        atom(out=tmp_path / "run", **given)
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("system", [None, np.eye(2), tj.SpinningResonator(), "blue"], ids=str)
def test_what_is_no_system_is_refused(system):
    with pytest.raises(InvalidInput, match="OpenSystem"):
        simulate(system, 1, 1.0, seed=0)


def test_a_large_sparse_system_needs_no_dense_matrix():
    """N = 6561: a dense H_eff alone would take 0.7 GB. The steady state is the vacuum, which does not click."""
    space = tj.HilbertSpace(**{f"m{k}": 3 for k in range(8)})
    lowers = [space.lower(name) for name in space.modes]
    hamiltonian = sum(0.3 * (a.T @ b + b.T @ a) for a, b in zip(lowers[1:], lowers[:-1], strict=True))
    system = tj.OpenSystem(hamiltonian, [tj.Channel("end", np.sqrt(0.5) * lowers[-1])], space)
    record = watch(system, 1, 2000.0, seed=3, initial=space.ket(m0=1, m3=2))
    assert len(record) == 3
    assert len(watch(system, 1, 10.0, seed=3)) == 0


def test_buffers_have_room_for_what_a_gap_needs():
    assert blocks.UNIFORMS >= 3
    assert blocks.CLICKS >= 1
