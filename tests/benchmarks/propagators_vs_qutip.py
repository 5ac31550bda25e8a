"""Eigenmodes and the reduced basis beside QuTiP's `diag` at its default tolerance.

    OMP_NUM_THREADS=1 python tests/benchmarks/propagators_vs_qutip.py [levels …]

The paper's system driven from the left at Δ_ad = 1.3406, in processor time. The three take turns, so that other
work of the machine meets all of them. Ours is the median of its turns, QuTiP's the best of its output grids and
turns, its set-up taken off.
"""

from __future__ import annotations

import sys
import time

import engine_vs_qutip
import numpy as np

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import compile_system

RATE = 5.08e-4  # clicks per unit of time of the steady state, from N = 432 on to three digits
TURNS, DURATION = 3, 2e7


def compare(levels: int) -> None:
    """Print clicks a second of each at so many levels of all modes."""
    resonator = tj.SpinningResonator(direction="left", detuning=engine_vs_qutip.DETUNING)
    system = resonator.system(levels=(levels,) * 3)
    ket = resonator.dressed_ket(system.space, 0, 0, 0, "+")
    large = system.dimension > 500
    made = {name: compile_system(system, ket, propagator=name) for name in ("modes", "reduced")}
    for compiled in made.values():
        run_block(compiled, BlockTask(0, 1, 1, 1e5))
    ours: dict[str, list[float]] = {name: [] for name in made}
    theirs: list[float] = []
    for turn in range(TURNS):
        for name, compiled in made.items():
            begun = time.process_time()
            block = run_block(compiled, BlockTask(0, 1, 2 + turn, DURATION))
            ours[name].append(len(block.time) / (time.process_time() - begun))
        # At large N its set-up takes nearly all of the time.
        for grid in (2000,) if large else (800, 2000):
            if turn == 0 or not large:
                span = 1e6 if large else 2e6
                spent = engine_vs_qutip.theirs(system, ket, engine_vs_qutip.LOOSE, span, grid)
                theirs.append(RATE * span / spent)
    print(f"N = {system.dimension}: QuTiP's diag {max(theirs):,.0f} clicks/s")
    for name, found in ours.items():
        pace = float(np.median(found))
        print(f"  {name:8} {pace:9,.0f} clicks/s, {pace / max(theirs):.1f} times as many", flush=True)


def main() -> None:
    """Compare at each size asked for."""
    engine_vs_qutip.time.perf_counter = time.process_time  # type: ignore[assignment]
    for levels in map(int, sys.argv[1:] or (4, 5, 8)):
        compare(levels)


if __name__ == "__main__":
    main()
