"""How long it takes until the first click: imports, and the command line with a cold and a warm kernel cache.

    python tests/benchmarks/start_up.py [--repeats 5] [--cold 1] [--reduced]

The command is ``trajectories simulate examples/blue_left.toml`` at a small size, each in a new process; the clock
runs from the start of the process until the first block of clicks is on the disk. The cold cache is an empty
folder of its own, so every kernel that is needed is compiled; the warm one is what that run left. Medians are
printed. The processor time of the whole command, with its report, tells how much of the wall time other people's
programs took. With --reduced the same is done at levels 6,6,6 with the reduced propagator.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numba

ROOT = Path(__file__).resolve().parents[2]
SIZE = ("--trajectories", "16", "--duration", "1e4", "--quiet")
REDUCED = ("--levels", "6,6,6", "--propagator", "reduced")


def environment(cache: Path) -> dict[str, str]:
    """Return the environment of a command that keeps its kernels in `cache`."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "NUMBA_CACHE_DIR": str(cache),
        "MPLBACKEND": "Agg",
    }


def import_time(package: str) -> float:
    """Return the wall time of importing a package in a new process."""
    script = f"import time; begun = time.perf_counter(); import {package}; print(time.perf_counter() - begun)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def first_click(cache: Path, out: Path, more: tuple[str, ...]) -> tuple[float, float, float]:
    """Return the wall time until the first block is there and until the end, and the processor time."""
    command = [sys.executable, "-m", "trajectories.cli", "simulate", "examples/blue_left.toml", "--out", str(out)]
    begun, before = time.perf_counter(), os.times()
    with subprocess.Popen(
        [*command, *SIZE, *more],
        cwd=ROOT,
        env=environment(cache),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        first = None
        while running.poll() is None:
            if first is None and any(out.glob("blocks/[0-9]*.npz")):
                first = time.perf_counter() - begun
            time.sleep(0.01)
    if running.returncode != 0 or first is None:
        raise SystemExit(f"the command failed with status {running.returncode}")
    after = os.times()
    cores = after.children_user + after.children_system - before.children_user - before.children_system
    return first, time.perf_counter() - begun, cores


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="starts with a warm cache")
    parser.add_argument("--cold", type=int, default=1, help="starts with a cold cache")
    parser.add_argument("--reduced", action="store_true", help="at levels 6,6,6 with the reduced propagator")
    options = parser.parse_args()
    print(f"Python {platform.python_version()}, numba {numba.__version__}; medians, in seconds")
    for package in ("trajectories", "analysis"):
        times = [import_time(package) for _ in range(options.repeats)]
        print(f"import {package:20} {statistics.median(times):8.3f}   of {options.repeats}")
    more = REDUCED if options.reduced else ()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        cold = [first_click(folder / f"kernels {k}", folder / f"cold {k}", more) for k in range(options.cold)]
        warm = [first_click(folder / "kernels 0", folder / f"warm {k}", more) for k in range(options.repeats)]
        for name, found in {"cold": cold, "warm": warm}.items():
            first, report, cores = (statistics.median(column) for column in zip(*found, strict=True))
            print(
                f"first click, {name} cache {first:8.2f}   end {report:6.1f}   processor time {cores:6.1f}   "
                f"of {len(found)}"
            )


if __name__ == "__main__":
    main()
