"""One process at a time on a run folder: the second is refused by name, and a lock never outlives its owner."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from click_systems import driven_atom, watch
from command_line import environment

from trajectories.errors import RunFolderError
from trajectories.records import Run, lock, repair
from trajectories.records.lock import LOCK, RunLock

HOLD = """
import sys, time
from pathlib import Path
from trajectories.records.lock import RunLock
with RunLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60.0)
"""

# Fails where another is in there too. Both begin when told: to start Python takes longer than all turns.
TAKE_TURNS = """
import sys, time
from pathlib import Path
from trajectories.errors import RunFolderError
from trajectories.records.lock import RunLock
folder, turns = Path(sys.argv[1]), 0
print("ready", flush=True)
sys.stdin.readline()
while turns < 50:
    try:
        with RunLock(folder):
            (folder / "inside").touch(exist_ok=False)
            time.sleep(0.001)
            (folder / "inside").unlink()
        turns += 1
        print("worked")
    except RunFolderError:
        print("refused")
"""


def simulated(folder, **options):
    return watch(driven_atom(1.0, 0.4), 5, 20.0, seed=3, out=folder, initial=np.array([1.0, 0.0]), **options)


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "run")], env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_second_process_is_refused_by_host_and_pid_and_changes_nothing(tmp_path, holder):
    with pytest.raises(RunFolderError) as refusal:
        simulated(tmp_path / "run")
    assert re.search(rf"in use by process {holder.pid} on {re.escape(socket.gethostname())};", str(refusal.value))
    assert "\n" not in str(refusal.value)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]


def test_the_lock_of_a_killed_process_is_gone(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / LOCK).exists()
    assert len(simulated(tmp_path / "run")) > 0
    assert not (tmp_path / "run" / LOCK).exists()


def test_a_forked_worker_does_not_keep_the_lock_of_its_killed_parent(tmp_path):
    """As workers of a ProcessPoolExecutor do, which wait for more when their parent is killed."""
    forked = "    import os\n    if os.fork() == 0: print(os.getpid(), flush=True)\n"
    code = HOLD.replace('    print("held", flush=True)\n', forked)
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")], env=environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        child = int(process.stdout.readline())
        try:
            with pytest.raises(RunFolderError, match=f"in use by process {process.pid} "):
                simulated(tmp_path / "run")
            process.kill()
            process.wait()
            os.kill(child, 0)  # it lives
            assert len(simulated(tmp_path / "run")) > 0
        finally:
            os.kill(child, signal.SIGKILL)


def test_another_thread_of_the_same_process_is_refused_too(tmp_path):
    with RunLock(tmp_path / "run"), pytest.raises(RunFolderError, match=f"process {os.getpid()} "):
        simulated(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_repairing_needs_the_lock_and_reading_does_not(tmp_path):
    record = simulated(tmp_path / "run")
    with RunLock(tmp_path / "run"):
        with pytest.raises(RunFolderError, match="in use"):
            repair(tmp_path / "run")
        assert len(Run.open(tmp_path / "run").record()) == len(record)
        # A finished run is only read.
        assert len(simulated(tmp_path / "run")) == len(record)


def test_a_run_that_fails_leaves_no_lock(tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("on purpose")

    monkeypatch.setattr("trajectories.simulation.simulate.prepare", fail)
    with pytest.raises(RuntimeError):
        simulated(tmp_path / "deep" / "run")
    assert list(tmp_path.iterdir()) == []


def test_two_are_never_in_there_together(tmp_path):
    """While each removes the lock file behind itself and the other opens it."""
    command = [sys.executable, "-c", TAKE_TURNS, str(tmp_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(command, env=environment(), text=True, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    said = [process.communicate(timeout=60.0)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    for words in said:
        assert words.count("worked") == 50
    # They did get into each other's way.
    assert sum(words.count("refused") for words in said) > 0


class TestWithoutFlock:
    """File systems that have no flock: the owner in the file is believed, unless it is known to be gone."""

    @pytest.fixture(autouse=True)
    def no_flock(self, monkeypatch):
        def refuse(*_):
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")

        monkeypatch.setattr(lock.fcntl, "flock", refuse)

    def left(self, folder, **owner):
        folder.mkdir()
        (folder / LOCK).write_text(json.dumps(owner))

    def test_the_lock_still_locks(self, tmp_path):
        with RunLock(tmp_path / "run"), pytest.raises(RunFolderError, match=f"process {os.getpid()} "):
            simulated(tmp_path / "run")
        assert len(simulated(tmp_path / "run")) > 0

    def test_a_dead_process_of_this_host_is_gone(self, tmp_path):
        process = subprocess.Popen([sys.executable, "-c", ""])
        process.wait()
        self.left(tmp_path / "run", pid=process.pid, host=socket.gethostname())
        assert len(simulated(tmp_path / "run")) > 0

    def test_a_process_of_another_host_is_believed_and_the_remedy_is_told(self, tmp_path):
        self.left(tmp_path / "run", pid=1, host="node7")
        with pytest.raises(RunFolderError, match=r"process 1 on node7; .*if it is gone, delete .*\.lock"):
            simulated(tmp_path / "run")

    def test_a_torn_lock_file_names_no_process(self, tmp_path):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / LOCK).write_text('{"pid": 12')
        assert len(simulated(tmp_path / "run")) > 0
