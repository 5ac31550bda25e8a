"""kill -9, a crash before any file operation, a full disk: the folder stays readable and can be completed."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time

import long_run
import pytest
from command_line import ROOT, environment
from run_folders import same

import trajectories as tj
from trajectories.errors import RunFolderError
from trajectories.records import Run

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="uses signals and fork")


def script(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / "tests" / "support" / name), *arguments]


def output_of(name: str, *arguments: str, timeout: float = 120.0) -> str:
    done = subprocess.run(
        script(name, *arguments), env=environment(), capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def check_what_is_left(folder, reference: tj.ClickRecord) -> int:
    """Whatever is there is whole, and the leading trajectories are those of the reference; return the blocks."""
    if not (folder / "run.json").exists():
        return 0
    run = Run.open(folder)
    assert run.damaged() == {}
    if run.leading():
        part = run.record()
        assert part.time.tobytes() == reference.time[: len(part)].tobytes()
        assert part.channel.tobytes() == reference.channel[: len(part)].tobytes()
    return len(run.finished())


@pytest.mark.parametrize(
    ("kills", "duration", "longest"),
    [(1, 2000.0, 0.3), pytest.param(50, 100_000.0, 0.2, marks=pytest.mark.slow)],
)
def test_killed_at_random_moments_the_run_ends_with_the_same_bits(tmp_path, kills, duration, longest):
    rng = random.Random(20240607)
    reference = long_run.simulated(128, duration, workers=2)
    finished = [0]
    for _ in range(kills):
        with subprocess.Popen(
            script("long_run.py", str(tmp_path / "run"), str(duration)),
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout.readline() == "begun\n"
            time.sleep(rng.uniform(0.0, longest))
            process.send_signal(signal.SIGKILL)
            assert process.stdout.read() == "", "it was done before it was killed"
        finished.append(check_what_is_left(tmp_path / "run", reference))
    # Nothing that was finished is lost, and the kills came in the middle.
    assert finished == sorted(finished)
    assert 0 < finished[-1] < 128
    assert output_of("long_run.py", str(tmp_path / "run"), str(duration)) == "begun\ndone\n"
    assert same(tj.load(tmp_path / "run"), reference)


def test_killed_before_any_file_operation_the_run_is_completed(tmp_path):
    """While it is made, extended and repaired."""
    made, extended, repaired = map(int, output_of("crash_points.py", str(tmp_path)).split())
    assert made >= 20
    assert extended >= 12
    assert repaired >= 8


@pytest.mark.parametrize("how", ["limit", pytest.param("mount", marks=pytest.mark.slow)])
def test_a_full_disk_is_one_line_and_then_the_run_is_completed(tmp_path, how):
    if how == "mount":
        allowed = shutil.which("mount") and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", tmp_path], capture_output=True
        )
        if not allowed or allowed.returncode != 0:
            pytest.skip("mounting is not allowed here")
        subprocess.run(["umount", tmp_path], check=True)
    *said, blocks = output_of("full_disk.py", str(tmp_path), how).splitlines()
    assert len(said) == 2
    for line in said:
        assert "free space, then run the same command again" in line or "cannot make a run" in line
    assert int(blocks.split()[0]) > 0 or how == "limit"


def test_an_interrupted_extension_is_a_run_of_the_larger_size(tmp_path, monkeypatch):
    """run.json is replaced first, so that no block is ever there that it does not know."""
    long_run.simulated(4, out=str(tmp_path / "run"))

    def full(*_):
        raise RunFolderError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(Run, "write_block", full)
        with pytest.raises(RunFolderError, match="disk full"):
            long_run.simulated(9, out=str(tmp_path / "run"))
    assert tj.load(tmp_path / "run").provenance["complete"] is False
    assert same(tj.load(tmp_path / "run"), long_run.simulated(4))
    assert same(long_run.simulated(9, out=str(tmp_path / "run")), long_run.simulated(9))
