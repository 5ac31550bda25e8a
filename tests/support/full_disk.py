"""A run on a disk that fills up: ``python full_disk.py FOLDER limit|mount``; prints what was said.

Either no file may grow beyond some size, or FOLDER is the place to mount a small disk. Then there is room, and the
run is completed.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

from long_run import simulated
from run_folders import same

from trajectories.errors import RunFolderError
from trajectories.records import Run

SIZE, DURATION = 12, 12000.0


def main(folder: Path, how: str) -> None:
    reference = simulated(SIZE, DURATION)
    if how == "mount":
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder], check=True)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
    try:
        for _ in range(2):
            try:
                simulated(SIZE, DURATION, out=str(folder / "run"))
                raise AssertionError("the disk was not full")
            except RunFolderError as error:
                print(error)
        run = Run.open(folder / "run")
        assert run.damaged() == {}
        assert len(run.finished()) < SIZE
        print(len(run.finished()), "blocks")
        assert not list((folder / "run").rglob("*.tmp"))
        if how == "mount":
            subprocess.run(["mount", "-o", "remount,size=10m", folder], check=True)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert same(simulated(SIZE, DURATION, out=str(folder / "run")), reference)
    finally:
        if how == "mount":
            subprocess.run(["umount", folder], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
