"""Kill a run before each of its file operations in turn: ``python crash_points.py SCRATCH``.

Each time a forked process simulates and ends, as by SIGKILL, at the k-th operation on a file of the run. What it
leaves must be readable and hold whole blocks only, and the same call must complete it with the same bits. Prints
the number of crashes while a run is made, extended, and repaired.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path

from long_run import simulated
from run_folders import same

from trajectories.records import Run, repair

SIZE = 4
# Audit events of Python that change what is on disk.
OPERATIONS = ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "os.truncate", "fcntl.flock")


def crashes(scratch: Path, kind: str) -> int:
    """Crash until a run gets through, and return how often."""
    reference, crash, before = simulated(SIZE), 0, scratch / f"before {kind}"
    if kind != "new":
        simulated(SIZE - 2 if kind == "extend" else SIZE, out=str(before), inline=True)
    if kind == "repair":
        next((before / "blocks").iterdir()).write_bytes(b"spoiled")
    while True:
        folder = scratch / f"{kind} {crash}"
        if before.exists():
            shutil.copytree(before, folder)
        child = os.fork()
        if child == 0:
            _crash_at(crash, folder)
            if kind == "repair":
                repair(folder)
            simulated(SIZE, out=str(folder), inline=True)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            return crash
        assert status == 9, status
        complete = False
        if (folder / "run.json").exists():
            run = Run.open(folder)
            complete = run.complete and run.trajectories == SIZE
            assert kind == "repair" or run.damaged() == {}
            if run.leading() and not run.damaged():
                part = run.record()
                assert part.time.tobytes() == reference.time[: len(part)].tobytes()
        if kind == "repair":
            repair(folder)
        assert same(simulated(SIZE, out=str(folder), inline=True), reference)
        # A complete run is only read, so that the file of a lock may stay; nothing else does.
        left = {path.name for path in folder.rglob(".*")}
        assert left <= ({".lock"} if complete else set()), left
        shutil.rmtree(folder)
        crash += 1


def _crash_at(number: int, folder: Path) -> None:
    """End this process at the number-th operation on the folder from now on, or in the middle of a write."""
    done, really_open = 0, io.open

    def tick() -> None:
        nonlocal done
        if done == number:
            os._exit(9)
        done += 1

    def audit(event: str, arguments: tuple) -> None:
        if event in OPERATIONS and (event == "fcntl.flock" or str(folder) in str(arguments[0])):
            tick()

    def torn_open(path, mode="r", *more, **options):
        stream = really_open(path, mode, *more, **options)
        return Halves(stream, tick) if "w" in mode and str(folder) in str(path) else stream

    sys.addaudithook(audit)
    io.open = torn_open  # which pathlib calls


class Halves:
    """A file to which everything is written in two halves."""

    def __init__(self, stream, between) -> None:
        self.stream, self.between = stream, between

    def write(self, content: bytes) -> None:
        half = len(content) // 2
        self.stream.write(content[:half])
        self.stream.flush()
        self.between()
        self.stream.write(content[half:])

    def __getattr__(self, name: str):
        return getattr(self.stream, name)

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        self.stream.close()


if __name__ == "__main__":
    os.fsync = lambda _: None  # what a killed process wrote is there all the same
    print(*(crashes(Path(sys.argv[1]), kind) for kind in ("new", "extend", "repair")))
