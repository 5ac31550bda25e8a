"""Clicks a second of the three propagators in one run: the paper's system at more and more levels.

Run it as ``.venv/bin/python tests/benchmarks/reduced_basis.py [levels …]``, each 6 of all modes or 25,20,20, on a
quiet machine and with one thread of BLAS. Times are of this process; kernels are compiled before. The sparse
action is timed over a short piece.
"""

from __future__ import annotations

import math
import resource
import sys
import time

import numpy as np

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import compile_system

# Up to this dimension all of H_eff is diagonalised for comparison.
MODES_TO = 1100
# Clicks per unit of time, to choose durations.
RATE = 5e-4
# Clicks that each propagator is timed over, and levels of the three modes.
CLICKS = {"modes": 2e4, "reduced": 4e4, "sparse": 3}
LEVELS = ("4", "5", "6", "8", "10", "15", "25,20,20")


def measure(levels: tuple[int, ...], name: str) -> str:
    """Return a line of the table."""
    system = tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=levels)
    begun = time.process_time()
    compiled = compile_system(system, np.eye(1, system.dimension)[0], propagator=name)
    made = time.process_time()
    duration = CLICKS[name] / RATE
    block = run_block(compiled, BlockTask(0, 1, 1, duration))
    spent = time.process_time() - made
    pace = len(block.time) / spent if name != "sparse" else RATE * duration / spent
    return (
        f"{system.dimension:6} {name:8} {pace:12,.2f} clicks/s, {made - begun:6.1f} s to prepare, "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f} GB at the most so far, "
        f"|ΔS|/S ≤ {block.worst_error:.1e}  {compiled.reason}"
    )


def main() -> None:
    """Print the table."""
    for name in CLICKS:
        compiled = compile_system(
            tj.SpinningResonator().system(levels=(3, 3, 3)), np.eye(1, 54)[0], propagator=name
        )
        run_block(compiled, BlockTask(0, 1, 1, 1e4))
    for argument in sys.argv[1:] or LEVELS:
        given = tuple(map(int, argument.split(",")))
        levels = given if len(given) == 3 else given * 3
        for name in CLICKS:
            if name != "modes" or 2 * math.prod(levels) <= MODES_TO:
                print(measure(levels, name), flush=True)


if __name__ == "__main__":
    main()
