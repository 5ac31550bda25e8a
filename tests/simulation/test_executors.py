"""Any executor: processes, Dask workers, MPI ranks. The same bits from each, and lost workers lose no block."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import cluster_workers
import numpy as np
import pytest
from click_systems import random_system
from command_line import ATOM, PACKAGE, ROOT, command, environment
from run_folders import same

import trajectories as tj
from trajectories.engine.blocks import BlockTask, WorkerLost, run_blocks
from trajectories.engine.compiled import compile_system
from trajectories.engine.system_file import StoredSystem
from trajectories.errors import InvalidInput, RunFolderError
from trajectories.records import Run
from trajectories.records.files import checksum_of_file, pack
from trajectories.simulation.executors import dask_executor, mpi_executor

SYSTEM = random_system(1, 6, 3)
SIZE, DURATION = 40, 60.0


def simulated(duration: float = DURATION, **options) -> tj.ClickRecord:
    options = {"workers": 1, "initial": np.eye(6)[0], "progress": False} | options
    return tj.simulate(SYSTEM, SIZE, duration, seed=5, **options)


@pytest.fixture(scope="module")
def reference() -> tj.ClickRecord:
    record = simulated()
    assert len(record) > 200
    return record


def processes(count: int, **options) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn"), **options)


def test_processes_that_cannot_diagonalise_give_the_same_bits(tmp_path, reference):
    with processes(1, initializer=cluster_workers.forbid_diagonalising) as pool:
        assert same(simulated(executor=pool, out=tmp_path / "run"), reference)
        assert same(simulated(executor=pool), reference)
        # The ban bites.
        with pytest.raises(AssertionError, match="linear algebra"):
            pool.submit(compile_system, SYSTEM, np.eye(6)[0]).result()


def test_a_task_carries_no_array(tmp_path, monkeypatch):
    """The arrays grow as N², and there may be thousands of tasks."""
    sizes = []

    class Weighing(ThreadPoolExecutor):
        def submit(self, fn, *args):
            sizes.append(len(pickle.dumps((fn, *args))))
            return super().submit(fn, *args)

    class NotThreads:
        """Hides that memory is shared."""

        def __init__(self, pool):
            self.submit = pool.submit

    with Weighing(1) as pool:
        simulated(executor=NotThreads(pool))
    assert len(sizes) == SIZE
    assert max(sizes) < 1500
    assert len(pickle.dumps(compile_system(SYSTEM, np.eye(6)[0]))) > 2 * max(sizes)


def test_a_lost_process_keeps_finished_blocks_and_the_same_command_continues(tmp_path, monkeypatch):
    write, killed = Run.write_block, []

    def write_and_kill(run, bounds, columns):
        write(run, bounds, columns)
        if not killed:
            killed.extend(pool._processes)
            os.kill(killed[0], signal.SIGKILL)

    long = {"duration": 20 * DURATION, "out": tmp_path / "run"}
    with processes(1) as pool, monkeypatch.context() as patch:
        patch.setattr(Run, "write_block", write_and_kill)
        with pytest.raises(WorkerLost, match="run the same command again") as refusal:
            simulated(executor=pool, **long)
    assert "\n" not in str(refusal.value)
    kept = Run.open(tmp_path / "run").finished()
    assert 1 <= len(kept) < SIZE
    assert same(simulated(**long), simulated(duration=20 * DURATION))


def test_blocks_finished_beside_the_lost_worker_are_kept(tmp_path, reference):
    """Breaks after some blocks: those are in the folder, and only the others are computed again."""

    class Breaking(ThreadPoolExecutor):
        submitted = 0

        def submit(self, fn, *args):
            self.submitted += 1
            if self.submitted <= 15:
                return super().submit(fn, *args)
            future = Future()
            future.cancel()  # as a Dask client does when its scheduler is gone
            future.set_running_or_notify_cancel()
            return future

    with Breaking(1) as pool, pytest.raises(WorkerLost, match=CancelledError.__name__):
        simulated(executor=pool, out=tmp_path / "run")
    run = Run.open(tmp_path / "run")
    kept = run.finished()
    assert run.leading() == kept
    before = {bounds: run._path(bounds).stat().st_mtime_ns for bounds in kept}
    assert same(simulated(out=tmp_path / "run"), reference)
    assert before == {bounds: run._path(bounds).stat().st_mtime_ns for bounds in kept}


SCRIPT = """
import multiprocessing, sys
from concurrent.futures import ProcessPoolExecutor
import numpy as np
import trajectories as tj

sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
system = tj.OpenSystem(0.5 * (sigma + sigma.T), [tj.Channel("atom", np.sqrt(0.4) * sigma)])

def run():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        record = tj.simulate(system, 4, 20.0, seed=1, executor=pool, out=sys.argv[1], progress=False)
    print(record.n_trajectories)

"""


def test_a_script_without_a_main_guard_is_told_the_cause_and_the_remedy_works(here):
    """Every process says the cause, none does any work, and the same run goes on once the remedy is followed."""

    def started(last: str) -> subprocess.CompletedProcess[str]:
        (here / "mine.py").write_text(SCRIPT + last, encoding="utf-8")
        asked = [sys.executable, "mine.py", "out"]
        return subprocess.run(asked, env=environment(), capture_output=True, text=True, timeout=120)

    wrong = started("run()\n")
    assert wrong.returncode != 0
    errors = [line for line in wrong.stderr.splitlines() if line.startswith("trajectories.")]
    assert len(errors) >= 2
    assert all('put what it runs under if __name__ == "__main__":' in line for line in errors)
    assert "mine.py' has no main guard" in errors[-1]
    assert "run the same command again" not in wrong.stderr
    right = started('if __name__ == "__main__":\n    run()\n')
    assert (right.returncode, right.stdout) == (0, "4\n"), right.stderr


def test_workers_lost_without_a_run_folder_keep_nothing_and_say_so():
    class Breaking(ThreadPoolExecutor):
        def submit(self, fn, *args):
            future = Future()
            future.set_exception(BrokenProcessPool("gone"))
            return future

    with Breaking(1) as pool, pytest.raises(WorkerLost, match=r"without out= no block is kept; give a run folder"):
        simulated(executor=pool)


class DaskLike:
    """A client, which has a submit() of another kind."""

    def submit(self, *_):
        return "future"


def shut_down() -> ThreadPoolExecutor:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    return pool


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        (5, r"executor=5 must be a concurrent\.futures\.Executor"),
        ("processes", "executor='processes' must be"),
        (ProcessPoolExecutor, r"must be a concurrent\.futures\.Executor, such as ProcessPoolExecutor\(4\)"),
        (multiprocessing, "must be a"),
        (DaskLike(), r"for a Dask client give its get_executor\(\)"),
        (shut_down(), "give one that is not shut down"),
    ],
)
@pytest.mark.parametrize("out", [None, "run"])
def test_what_is_no_executor_is_refused_in_one_line(tmp_path, executor, message, out):
    with pytest.raises(InvalidInput, match=message) as refusal:
        simulated(executor=executor, out=out and tmp_path / out)
    assert "\n" not in str(refusal.value)
    if executor == 5:
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("what", ["no file", "another file", "no archive"])
def test_a_worker_that_cannot_see_the_file_says_what_to_do(tmp_path, what):
    path = tmp_path / "system.npz"
    path.write_bytes(b"" if what == "no archive" else pack(compile_system(SYSTEM, np.eye(6)[0]).to_arrays()))
    stored = StoredSystem(str(path), checksum_of_file(path) if what != "another file" else "0" * 64)
    if what == "no file":
        path.unlink()
    with ThreadPoolExecutor(1) as pool, pytest.raises(RunFolderError, match="file system that all workers share"):
        list(run_blocks(stored, [BlockTask(0, 1, 1, 1.0)], pool))


@pytest.fixture(scope="module")
def cluster():
    """A scheduler and two worker processes on this machine."""
    import distributed

    paths = os.pathsep.join([str(PACKAGE), str(ROOT / "tests" / "support")])
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        env={"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    ) as cluster:
        yield cluster


@pytest.mark.filterwarnings(r"ignore:Port \d+ is already in use")  # by another cluster on this machine
class TestDask:
    """Real worker processes on this machine."""

    def test_workers_that_cannot_diagonalise_give_the_same_bits(self, cluster, tmp_path, reference):
        with dask_executor(cluster.scheduler_address) as (executor, workers):
            assert workers == 2
            pids = executor._client.run(cluster_workers.forbid_diagonalising)
            assert len(set(pids.values()) - {os.getpid()}) == 2
            record = simulated(executor=executor, out=tmp_path / "run")
        assert same(record, reference)

    def test_a_worker_killed_in_the_middle_changes_nothing(self, cluster, tmp_path, reference, monkeypatch):
        write, killed = Run.write_block, []

        def write_and_kill(run, bounds, columns):
            write(run, bounds, columns)
            if not killed:
                killed.append(pids[0])
                os.kill(pids[0], signal.SIGKILL)

        monkeypatch.setattr(Run, "write_block", write_and_kill)
        with dask_executor(cluster.scheduler_address) as (executor, _):
            pids = list(executor._client.run(os.getpid).values())
            record = simulated(executor=executor, out=tmp_path / "run")
            assert killed[0] not in executor._client.run(os.getpid).values()
        assert same(record, reference)

    def test_a_block_that_kills_every_worker_is_given_up_in_one_line(self, cluster, tmp_path):
        from distributed import KilledWorker

        class Hopeless(ThreadPoolExecutor):
            def submit(self, fn, *args):
                future = Future()
                future.set_exception(KilledWorker("task", SimpleNamespace(address="tcp://node7"), 3))
                return future

        with Hopeless(1) as pool, pytest.raises(WorkerLost, match="KilledWorker") as refusal:
            simulated(executor=pool, out=tmp_path / "run")
        assert "\n" not in str(refusal.value)

    def test_the_command_line_uses_the_cluster(self, cluster, run, here):
        (here / "mine.py").write_text(ATOM, encoding="utf-8")
        size = ("--trajectories", "20", "--duration", "50", "--seed", "1", "--quiet")
        assert run("simulate", "mine.py:system", "--out", "local", *size)[0] == 0
        status, _, err = run(
            "simulate", "mine.py:system", "--out", "remote", *size, "--dask", cluster.scheduler_address
        )
        assert (status, err) == (0, [])
        assert same(tj.load("local"), tj.load("remote"))


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere.json", "tcp://"])
def test_a_scheduler_that_is_not_there_is_one_line(address, monkeypatch):
    monkeypatch.setattr("trajectories.simulation.executors.PATIENCE", 0.5)
    with pytest.raises(InvalidInput) as refusal, dask_executor(address):
        pass
    assert address in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("extra", "enter", "packages"),
    [("distributed", lambda: dask_executor("x"), "distributed"), ("mpi4py", mpi_executor, "mpi4py mpich")],
)
def test_a_missing_package_is_one_line_with_its_remedy(monkeypatch, extra, enter, packages):
    monkeypatch.setitem(sys.modules, extra, None)
    with pytest.raises(InvalidInput) as refusal, enter():
        pass
    assert str(refusal.value).endswith(f"; {sys.executable} -m pip install {packages}")


@pytest.fixture(scope="module")
def mpiexec():
    """The command that starts three ranks here."""
    found = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or shutil.which("mpiexec")
    assert found, f"no mpiexec; {sys.executable} -m pip install mpi4py mpich"
    launch = [found, "-n", "3"]
    if "Open MPI" in subprocess.run([found, "--version"], capture_output=True, text=True).stdout:
        launch += ["--oversubscribe", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]
    hello = [sys.executable, "-c", "from mpi4py import MPI; print(MPI.COMM_WORLD.size)"]
    said = subprocess.run([*launch, *hello], env=environment(), capture_output=True, text=True, timeout=60)
    assert "".join(said.stdout.split()) == "333", f"mpi4py and {found} do not fit: {said.stderr[-200:]}"
    return launch


class TestMPI:
    """Real ranks: mpi4py and MPICH come with the extra `test`."""

    def test_ranks_give_the_same_bits(self, mpiexec, here):
        (here / "mine.py").write_text(ATOM, encoding="utf-8")
        size = ("--trajectories", "20", "--duration", "50", "--seed", "1", "--quiet")
        arguments = command("simulate", "mine.py:system", "--out", "out", *size, "--mpi")
        done = subprocess.run(
            [*mpiexec, *arguments], env=environment(), capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("20 trajectories") == 1  # one rank reports
        sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
        system = tj.OpenSystem(0.5 * (sigma + sigma.T), [tj.Channel("atom", np.sqrt(0.4) * sigma)])
        assert same(tj.load("out"), tj.simulate(system, 20, 50.0, seed=1, workers=1, progress=False))

    def test_a_refusal_ends_every_rank(self, mpiexec, here):
        arguments = command("simulate", "nowhere.toml", "--out", "out", "--mpi")
        done = subprocess.run(
            [*mpiexec, *arguments], env=environment(), capture_output=True, text=True, timeout=100
        )
        assert done.returncode != 0
        assert done.stderr.count("error: configuration nowhere.toml does not exist") == 1
        assert not (here / "out").exists()

    def test_one_rank_is_told_how_to_start_more(self, mpiexec, here):
        done = subprocess.run(
            command("simulate", "nowhere.toml", "--out", "out", "--mpi"),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2
        assert "mpiexec -n 4" in done.stderr
        assert done.stderr.count("\n") == 1
