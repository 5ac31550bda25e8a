"""All exact curves that `validate` asks for, against N; and QuTiP's g² and steady state.

    OMP_NUM_THREADS=1 python tests/benchmarks/exact_curves.py --keep DIR [--levels 4,4,4 5,4,4 …] [--turns 5]
        [--seconds 170] [--qutip SECONDS]
    python tests/benchmarks/exact_curves.py --keep DIR --table

The paper's system driven from the left, Δ_ad = 1.3406, κ = 0.005. Every turn computes everything anew, and is a
line of DIR/curves.jsonl: processor time (user and system, all threads) and elapsed time of the steady state and of
the curves, and the largest relative error stated. An interrupted benchmark goes on; `--turns` counts the turns
that are there, and none begins that would end after so many seconds. The table has the medians.
``--qutip`` compares g² to 5000/ω_b at N = 54 and 128 and the steady state at N = 250 in the same run, each call
ended after the seconds given, by tests/benchmarks/lindblad_vs_qutip.py. The commands themselves are timed by
tests/benchmarks/exact_commands.py.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from trajectories import SpinningResonator, lindblad
from trajectories.lindblad.solver import solver_of

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from timing_lines import append, print_medians, rows

Found = TypeVar("Found")
DETUNING, KAPPA = 1.3406, 0.005
DELTA = 3.0 / KAPPA
EMITTED = ("photon", "phonon", "magnon")
LEVELS = ["4,4,4", "5,4,4", "5,5,5", "6,6,6", "8,8,8", "10,10,10"]
TABLE = [
    ("state elapsed", "steady state"),
    ("state used", "processor time of that"),
    ("curves elapsed", "every curve of `validate`"),
    ("curves used", "processor time of that"),
]


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


def timed(task: Callable[[], Found]) -> tuple[Found, float, float]:
    """Return what a task found, elapsed and processor seconds."""
    used, begun = time.process_time(), time.perf_counter()
    found = task()
    return found, time.perf_counter() - begun, time.process_time() - used


def turn(levels: str) -> dict[str, float]:
    """Compute everything once."""
    chosen = tuple(int(n) for n in levels.split(","))
    system = SpinningResonator(direction="left", detuning=DETUNING, kappa=KAPPA).system(levels=chosen)
    steady, elapsed, used = timed(lambda: lindblad.steady_state(system))
    _, elapsed_curves, used_curves = timed(lambda: curves(steady))
    worst = max(float(answer.method.rsplit(" ", 1)[1]) for answer in solver_of(steady).answers)
    return {
        "N": system.dimension,
        "state elapsed": round(elapsed, 3),
        "state used": round(used, 3),
        "curves elapsed": round(elapsed_curves, 3),
        "curves used": round(used_curves, 3),
        "error": worst,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, required=True, metavar="DIR", help="where times are kept")
    parser.add_argument("--levels", nargs="*", default=LEVELS)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no turn that ends later")
    parser.add_argument("--table", action="store_true", help="print the table of what was timed")
    parser.add_argument("--qutip", type=float, metavar="SECONDS", help="compare with QuTiP, too")
    options = parser.parse_args()
    lines, begun = options.keep / "curves.jsonl", time.monotonic()
    if options.table:
        print_medians(rows(lines), TABLE)
        print_medians(rows(lines), [("error", "relative error stated")], "{:.0e}")
        return
    curves(lindblad.steady_state(SpinningResonator(detuning=DETUNING, kappa=KAPPA).system(levels=(3, 3, 3))))
    for levels in options.levels:
        before = [row for row in rows(lines) if row["levels"] == levels]
        for _ in range(len(before), options.turns):
            takes = max((row["state elapsed"] + row["curves elapsed"] for row in before), default=0.0)
            if time.monotonic() - begun + takes > options.seconds:
                return
            before.append({"levels": levels, **turn(levels)})
            append(lines, before[-1])
    if options.qutip is not None:
        other = Path(__file__).with_name("lindblad_vs_qutip.py")
        asked = ["--limit", str(options.qutip), "--g2", "54", "128", "--steady", "250"]
        subprocess.run([sys.executable, str(other), *asked], check=True)


if __name__ == "__main__":
    main()
