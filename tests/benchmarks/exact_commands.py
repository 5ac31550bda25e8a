"""`analyse`, `validate` after it and `validate` alone on README's run at several N, each started anew.

    python tests/benchmarks/exact_commands.py --keep DIR --levels 5,4,4 [5,5,5 …] [--turns 5] [--seconds 170]
    python tests/benchmarks/exact_commands.py --keep DIR --table

The paper's system driven from the left, Δ_ad = 1.3406, κ = 0.005, 260,000 clicks. Its runs are kept in DIR, or
made there. A turn times three commands on a copy of a run from which all that was known is removed: `validate`;
`analyse`, from which it is removed again; and `validate` after that. Each turn is a line of DIR/commands.jsonl, so
that an interrupted benchmark goes on; `--turns` counts those that are there. No turn begins that would end after
so many seconds. The table has the medians of elapsed seconds and of processor time (user and system, all threads).
"""

from __future__ import annotations

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from math import prod
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from timing_lines import append, print_medians, rows

DETUNING, KAPPA = 1.3406, 0.005
PROGRAM = [sys.executable, "-m", "trajectories.cli"]
LEVELS = ["5,4,4", "5,5,5", "6,6,6", "8,8,8", "10,10,10"]
# README's run with its detuning as a number: to locate it takes longer than all else at these levels.
BLUE_LEFT = f"""
resonator = {{direction = "left", detuning = {DETUNING}, kappa = {KAPPA}}}
simulation = {{trajectories = 512, duration = 1e6, seed = 7}}
analysis = {{pair = ["photon", "magnon"], window = {3.0 / KAPPA}}}
"""
TABLE = [
    ("analyse elapsed", "`analyse`"),
    ("validate after it elapsed", "`validate` after it"),
    ("validate alone elapsed", "`validate` alone"),
    ("analyse used", "processor time of `analyse`"),
    ("validate alone used", "of `validate` alone"),
]


def dimension(levels: str) -> int:
    return 2 * prod(int(n) for n in levels.split(","))


def simulated(levels: str, folder: Path, *options: str) -> Path:
    """Return README's run with these levels, from the folder where it is there."""
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


def timed(command: str, run: Path) -> tuple[float, float]:
    """Return elapsed and processor seconds of a command."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([*PROGRAM, command, str(run)], check=False, stdout=subprocess.DEVNULL)
    elapsed, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):  # 1 is a record that was rejected
        raise SystemExit(f"{command} {run} ended with status {done.returncode}")
    return elapsed, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def turn(run: Path) -> dict[str, float]:
    """Time the three commands once."""
    row = {}
    for what in ("validate alone", "analyse", "validate after it"):
        if what != "validate after it":  # nothing is known
            shutil.rmtree(run / "analysis", ignore_errors=True)
        elapsed, used = timed(what.split()[0], run)
        row[f"{what} elapsed"], row[f"{what} used"] = round(elapsed, 3), round(used, 3)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, required=True, metavar="DIR", help="where runs and times are kept")
    parser.add_argument("--levels", nargs="+", default=LEVELS)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no turn that ends later")
    parser.add_argument("--table", action="store_true", help="print the table of what was timed")
    options = parser.parse_args()
    lines, begun = options.keep / "commands.jsonl", time.monotonic()
    if options.table:
        print_medians(rows(lines), TABLE)
        return
    warmed(options.keep)
    with tempfile.TemporaryDirectory() as folder:
        for levels in options.levels:
            size = dimension(levels)
            run = Path(folder) / levels
            shutil.copytree(simulated(levels, options.keep), run)
            before: list[dict[str, Any]] = [row for row in rows(lines) if row["N"] == size]
            for _ in range(len(before), options.turns):
                takes = max(
                    (sum(v for k, v in row.items() if k.endswith("elapsed")) for row in before), default=0.0
                )
                if time.monotonic() - begun + takes > options.seconds:
                    return
                before.append({"N": size, "levels": levels, **turn(run)})
                append(lines, before[-1])


if __name__ == "__main__":
    main()
