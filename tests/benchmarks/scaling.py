"""How the engine scales: clicks a second against N, threads, κ and duration, as a picture and a table.

    OMP_NUM_THREADS=1 python tests/benchmarks/scaling.py [--out examples/pictures/scaling.png] [--quick]

The paper's system driven from the left, Δ_ad = 1.3406, κ = 0.005, levels 4,4,4 and one thread unless the panel
says otherwise. Clicks are simulated time × exact rate of the steady state, so that luck cancels; trajectories
start from that state, but for N > 250 from |000+⟩, and the rate is that of N = 250. A CSV file of the same name is
written beside the picture.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.ticker import NullFormatter

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block, run_blocks
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.lindblad import steady_state
from trajectories.records.layout import Layout

DETUNING, KAPPA = 1.3406, 0.005
ENGINES = {
    "modes": ("eigenmodes", "o-", "C0"),
    "sparse": ("sparse", "s--", "C1"),
    "reduced": ("reduced basis", "^-.", "C2"),
}
# Levels of all modes from which on a reduced basis, and to which the others, are measured.
REDUCED_FROM, OTHERS_TO = 5, 10
# Dimension up to which the exact rate is that of the truncation itself.
LARGEST_EXACT = 250
# Duration of a trajectory where it is not what is varied.
LONG = {"modes": 1e5, "sparse": 1e3, "reduced": 1e6}


@dataclass(frozen=True)
class Point:
    """One measurement."""

    panel: str
    engine: str
    x: float
    clicks_per_second: float


@dataclass(frozen=True)
class Case:
    """A compiled system and the click rate of its steady state."""

    compiled: CompiledSystem
    rate: float


def prepared(engine: str, levels: int = 4, kappa: float = KAPPA) -> Case:
    """Compile the paper's system at (levels, levels, levels)."""
    resonator = tj.SpinningResonator(direction="left", detuning=DETUNING, kappa=kappa)
    system = resonator.system(levels=(levels,) * 3)
    exact = system if system.dimension <= LARGEST_EXACT else resonator.system(levels=(5, 5, 5))
    steady = steady_state(exact)
    start = steady.rho if exact is system else resonator.dressed_ket(system.space, 0, 0, 0, "+")
    compiled = compile_system(system, start, propagator=engine)
    return Case(compiled, sum(steady.rate(name) for name in exact.channel_names))


def speed(case: Case, seconds: float, duration: float, threads: int = 1) -> float:
    """Return clicks a second of runs of ever more trajectories, until one takes `seconds`."""
    run_block(case.compiled, BlockTask(0, 1, 1, 1.0))  # loads the kernels
    count = threads
    with ThreadPoolExecutor(threads) as pool:
        while True:
            tasks = [BlockTask(*bounds, 1, duration) for bounds in Layout(((count, -(-count // (8 * threads))),))]
            begun = time.perf_counter()
            for _ in run_blocks(case.compiled, tasks, pool):
                pass
            spent = time.perf_counter() - begun
            if spent > seconds:
                return case.rate * count * duration / spent
            count *= max(2, min(8, round(1.2 * seconds / spent)))


def measure(seconds: float, quick: bool) -> Iterator[Point]:
    """Yield all points, those that take longest last."""
    cores = len(os.sched_getaffinity(0))
    for engine in ("modes", "sparse"):
        case = prepared(engine)
        for threads in range(1, cores + 1):
            yield Point("threads", engine, threads, speed(case, seconds, LONG[engine], threads))
        durations = (1e2, 1e3, 1e4, 1e5, 1e6, 1e7) if engine == "modes" else (1e2, 1e3, 1e4, 1e5)
        for duration in durations[:: 2 if quick else 1]:
            yield Point("T", engine, duration, speed(case, seconds, duration))
        for kappa in (1e-4, 1e-3, 1e-1) if quick else (1e-4, 3e-4, 1e-3, 3e-3, 5e-3, 1e-2, 3e-2, 1e-1):
            yield Point("kappa", engine, kappa, speed(prepared(engine, kappa=kappa), seconds, LONG[engine]))
    for levels in (2, 3, 4, 5) if quick else (2, 3, 4, 5, 6, 8, 10, 15):
        for engine in ENGINES:
            if levels < REDUCED_FROM if engine == "reduced" else levels > OTHERS_TO:
                continue
            case = prepared(engine, levels)
            yield Point("N", engine, case.compiled.dimension, speed(case, seconds, LONG[engine]))


def draw(points: list[Point], path: Path) -> None:
    """Draw the four panels."""
    figure, axes = plt.subplots(2, 2, figsize=(9.0, 6.2), layout="constrained")
    labels = {
        "N": "dimension N",
        "threads": "threads",
        "kappa": r"$\kappa/\omega_b$",
        "T": r"duration of a trajectory in $1/\omega_b$",
    }
    for ax, (panel, label) in zip(axes.flat, labels.items(), strict=True):
        for engine, (name, style, colour) in ENGINES.items():
            found = sorted((p.x, p.clicks_per_second) for p in points if (p.panel, p.engine) == (panel, engine))
            if found:
                ax.plot(*zip(*found, strict=True), style, color=colour, label=name)
        ax.set_yscale("log")
        if panel != "threads":
            ax.set_xscale("log")
            ax.xaxis.set_minor_formatter(NullFormatter())
        else:
            ax.set_xticks(sorted({int(p.x) for p in points if p.panel == panel}))
        ax.set_xlabel(label)
        ax.set_ylabel("clicks / s")
        ax.grid(alpha=0.3, which="both", linewidth=0.5)
    axes[0, 0].legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print, and write the picture and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("examples/pictures/scaling.png"))
    parser.add_argument("--seconds", type=float, default=2.0, help="time of each point")
    parser.add_argument("--quick", action="store_true", help="fewer points, N to 250")
    options = parser.parse_args()
    points = []
    for p in measure(options.seconds, options.quick):
        points.append(p)
        print(f"{p.panel:8} {p.engine:8} {p.x:10g} {p.clicks_per_second:12.4g} clicks/s", flush=True)
    draw(points, options.out)
    with options.out.with_suffix(".csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(("panel", "propagator", "x", "clicks_per_second"))
        table.writerows((p.panel, p.engine, f"{p.x:g}", f"{p.clicks_per_second:.4g}") for p in points)


if __name__ == "__main__":
    main()
