"""All exact curves that `validate` asks for, against N; the commands themselves; and QuTiP's g² and steady state.

    OMP_NUM_THREADS=1 python tests/benchmarks/exact_curves.py [--levels 4,4,4 5,4,4 …] [--repeats 5]
        [--run RUN] [--run-levels 5,5,5 …] [--qutip SECONDS]

The paper's system driven from the left, Δ_ad = 1.3406, κ = 0.005. Every repeat computes everything anew: medians
of processor time (user and system, all threads) and of elapsed time, and the largest relative error stated.
``--run`` times ``trajectories analyse`` and ``validate`` of a copy of a run folder, each without and after the
other; ``--run-levels 5,5,5 …`` simulates the README's run with these levels first, and times the commands on each.
``--qutip`` compares g² to 5000/ω_b at N = 54 and 128 and the steady state at N = 250 in the same run, each call
ended after the seconds given, by tests/benchmarks/lindblad_vs_qutip.py.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from trajectories import SpinningResonator, lindblad
from trajectories.lindblad.solver import solver_of

DETUNING, KAPPA = 1.3406, 0.005
DELTA = 3.0 / KAPPA
EMITTED = ("photon", "phonon", "magnon")
PROGRAM = [sys.executable, "-m", "trajectories.cli"]
# The README's run with its detuning as a number: to locate it takes longer than all else at these levels.
BLUE_LEFT = f"""
resonator = {{direction = "left", detuning = {DETUNING}, kappa = {KAPPA}}}
simulation = {{trajectories = 512, duration = 1e6, seed = 7}}
analysis = {{pair = ["photon", "magnon"], window = {DELTA}}}
"""


def curves(steady: lindblad.SteadyState) -> None:
    """Ask everything that `validate` asks of the paper's system, and heralding."""
    side = DELTA * (np.arange(25) / 24.0) ** 2
    lindblad.g2_matrix(steady, np.concatenate([-side[:0:-1], side]))
    for first in steady.system.channel_names:
        for second in steady.system.channel_names:
            lindblad.waiting_times(steady, first, second, np.append(side, 10.0 * DELTA))
    lindblad.fano(steady, [0.2 * DELTA, DELTA, 3.0 * DELTA])
    lindblad.order_rates(steady, DELTA, EMITTED, 2)
    lindblad.purity(steady, 2, [0.5 * DELTA, DELTA], EMITTED)
    lindblad.lag_histogram(steady, "photon", "magnon", np.linspace(-DELTA, DELTA, 49), DELTA, EMITTED)
    pair = ("photon", "magnon")
    lindblad.cluster_g2(steady, pair, pair, DELTA * np.array([1.0, 1.5, 2.0, 3.0, 4.0]), DELTA, EMITTED)
    lindblad.heralding_efficiency(steady, *pair, DELTA)
    lindblad.heralding_efficiency(steady, *pair[::-1], DELTA)


def timed(task: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Return the medians of processor and elapsed seconds."""
    used, elapsed = [], []
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        task()
        used.append(time.process_time() - cpu)
        elapsed.append(time.perf_counter() - wall)
    return statistics.median(used), statistics.median(elapsed)


def scaling(levels: list[tuple[int, ...]], repeats: int) -> None:
    print("CPU and elapsed seconds")
    print(f"{'levels':>9} {'N':>5}  {'steady state':>18}  {'all curves':>18}  {'stated error':>12}")
    for chosen in levels:
        resonator = SpinningResonator(direction="left", detuning=DETUNING, kappa=KAPPA)
        system = resonator.system(levels=chosen)
        found: list[lindblad.SteadyState] = []
        cpu, wall = timed(lambda s=system, f=found: f.append(lindblad.steady_state(s)), repeats)
        states = [found[-1].with_solver("auto") for _ in range(repeats)]
        more = iter(states)
        cpu_curves, wall_curves = timed(lambda m=more: curves(next(m)), repeats)
        asked = solver_of(states[-1]).answers
        worst = max(float(a.method.rsplit(" ", 1)[1]) for a in asked)
        name = ",".join(map(str, chosen))
        print(
            f"{name:>9} {system.dimension:5d}  {cpu:8.2f} {wall:8.2f}   {cpu_curves:8.2f} {wall_curves:8.2f}   "
            f"{worst:12.1e}",
            flush=True,
        )


def simulated(levels: str, folder: Path, *options: str) -> Path:
    """Return the README's run with these levels, from the folder where it is there."""
    run = folder / f"blue-left-{levels}"
    if not run.exists():
        folder.mkdir(parents=True, exist_ok=True)
        configuration = folder / "blue_left.toml"
        configuration.write_text(BLUE_LEFT)
        chosen = ["--levels", levels, "--out", str(run), *options]
        subprocess.run([*PROGRAM, "simulate", str(configuration), *chosen], check=True, stdout=subprocess.DEVNULL)
    return run


def warmed(folder: Path) -> None:
    """Compile what the commands need, on a small run."""
    small = simulated("2,2,2", folder, "--trajectories", "8", "--duration", "1e5")
    for command in ("analyse", "validate"):
        subprocess.run([*PROGRAM, command, str(small)], check=False, stdout=subprocess.DEVNULL)


def commands(original: Path, run: Path, repeats: int) -> None:
    """Time the commands on a copy of a run: validate alone, analyse, validate after it."""
    shutil.copytree(original, run)
    results: dict[str, list[tuple[float, float]]] = {"validate alone": [], "analyse": [], "validate after it": []}
    for _ in range(repeats):
        for what, values in results.items():
            if what != "validate after it":  # nothing is known
                shutil.rmtree(run / "analysis", ignore_errors=True)
            before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run([*PROGRAM, what.split()[0], str(run)], check=False, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
            values.append((used, time.perf_counter() - begun))
    for what, values in results.items():
        used, elapsed = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{what:18} {used:7.1f} s of processor time, {elapsed:7.1f} s elapsed (medians of {repeats})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", nargs="*", default=["4,4,4", "5,4,4", "5,5,5", "6,6,6", "8,8,8", "10,10,10"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--run", type=Path, help="time analyse and validate of this run folder, too")
    parser.add_argument("--run-levels", nargs="+", default=[], help="and of the README's run at these levels")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the runs of --run-levels here, or use them")
    parser.add_argument("--qutip", type=float, metavar="SECONDS", help="compare with QuTiP, too")
    options = parser.parse_args()
    curves(lindblad.steady_state(SpinningResonator(detuning=DETUNING, kappa=KAPPA).system(levels=(2, 2, 2))))
    scaling([tuple(int(n) for n in text.split(",")) for text in options.levels], options.repeats)
    with tempfile.TemporaryDirectory() as folder:
        runs = {} if options.run is None else {str(options.run): options.run}
        for levels in options.run_levels:
            runs[levels] = simulated(levels, options.keep or Path(folder))
        if runs:
            warmed(Path(folder))
        for number, (name, run) in enumerate(runs.items()):
            print(f"commands on {name}")
            commands(run, Path(folder) / f"timed-{number}", options.repeats)
    if options.qutip is not None:
        other = Path(__file__).with_name("lindblad_vs_qutip.py")
        asked = ["--limit", str(options.qutip), "--g2", "54", "128", "--steady", "250"]
        subprocess.run([sys.executable, str(other), *asked], check=True)


if __name__ == "__main__":
    main()
