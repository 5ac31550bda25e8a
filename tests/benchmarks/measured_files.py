"""Time reading a PTU file and g² of its clicks, beside ptufile, tttrlib and pycorrelate; and the memory it takes.

Run as `python tests/benchmarks/measured_files.py [--tags 1e7] [--peer-tags 1e6]`. Compilation is left out; each
time is the best of three, in CPU seconds of this process. Peers are measured where they are installed; pycorrelate
on fewer tags, because it takes that long.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from tagged_files import steady_file

import trajectories as tj
from trajectories import analysis as an
from trajectories.records.formats import open_measured

TICK, BINS = 1e-12, 1000
PEAK = """
import sys, tracemalloc, warnings, numpy as np, trajectories as tj
from trajectories import analysis as an
warnings.simplefilter("ignore")
edges = np.arange(0, 1001) * 1e-8
def g2(clicks):
    an.g2(clicks, "channel 0", "channel 1", edges)
g2(tj.load(sys.argv[2]))  # compiles
tracemalloc.start()
record = tj.load(sys.argv[1])
kept, peak = tracemalloc.get_traced_memory()
tracemalloc.reset_peak()
g2(record)
both = tracemalloc.get_traced_memory()[1]
count = len(record)
del record
tracemalloc.reset_peak()
stream = an.stream(tj.open_measured(sys.argv[1]), memory=0)
g2(stream)
pieces = tracemalloc.get_traced_memory()[1]
print(kept / count, peak / count, both / count, pieces / 2**20)
"""


def best(call: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Return the shortest CPU time in seconds, after one call that compiles, and the last result."""
    call()
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        result = call()
        times.append(time.process_time() - begin)
    return min(times), result


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--tags", type=float, default=1e7)
    parser.add_argument("--peer-tags", type=float, default=1e6)
    options = parser.parse_args()
    tags, peers = int(options.tags), int(options.peer_tags)
    warnings.simplefilter("ignore")
    edges = np.arange(0, BINS + 1) * 10_000  # ticks: 10 ns a bin, up to 10 µs
    with tempfile.TemporaryDirectory() as folder:
        path, small = steady_file(Path(folder) / "a.ptu", tags), steady_file(Path(folder) / "b.ptu", peers)
        print(f"{tags} tags, {path.stat().st_size / tags:.2f} bytes each in the file")

        def g2(clicks: Any) -> Any:
            return an.g2(clicks, "channel 0", "channel 1", edges * TICK)

        def told(name: str, seconds: float, count: int) -> None:
            print(f"{name:44} {seconds:8.3f} s  {1e9 * seconds / count:8.1f} ns a tag")

        seconds, record = best(lambda: tj.load(path))
        told("read", seconds, tags)
        if find_spec("ptufile"):
            import ptufile

            told("read, ptufile (decoded records)", best(lambda: ptufile.PtuFile(path).decode_records())[0], tags)
        if find_spec("tttrlib"):
            import tttrlib

            told("read, tttrlib", best(lambda: np.asarray(tttrlib.TTTR(str(path), "PTU").macro_times))[0], tags)
        told("g², 1000 bins", best(lambda: g2(record))[0], tags)
        seconds, _ = best(lambda: g2(open_measured(path)), 1)
        told("read and g², piece by piece", seconds, tags)
        times = record.without_ticks()
        told("g² of the same as times", best(lambda: g2(times))[0], tags)
        if find_spec("pycorrelate"):
            import pycorrelate

            part = tj.load(small)
            one, two = part.stamp[part.channel == 0], part.stamp[part.channel == 1]
            told(
                "g², ours on fewer tags",
                best(lambda: g2(part))[0],
                peers,
            )
            told("g², pycorrelate", best(lambda: pycorrelate.pcorrelate(one, two, edges), 1)[0], peers)
        command = [sys.executable, "-c", PEAK, str(path), str(small)]
        peak = subprocess.run(command, capture_output=True, text=True, check=True)
        kept, above, both, pieces = map(float, peak.stdout.split())
        print(
            f"memory: {kept:.1f} bytes a tag for the record, {above:.1f} at the peak of reading, {both:.1f} of g²"
        )
        print(f"        {pieces:.0f} MiB at the peak of g² piece by piece, whatever the file's size")


if __name__ == "__main__":
    main()
