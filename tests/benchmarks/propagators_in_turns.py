"""Clicks a second of eigenmodes and reduced basis from N = 128 to 20,000, in short turns of one run.

    OMP_NUM_THREADS=1 python tests/benchmarks/propagators_in_turns.py [--turns 20] [--prepared FOLDER] [levels …]

The paper's system driven from the left at Δ_ad = 1.3406, from the ground state; levels are 6 of all modes or
25,20,20. Everything is prepared before. A turn is some 10,000 clicks, and all take turns, so that other work of
the machine meets all of them. Printed are the median of the turns and the mean of their best quarter, in
processor time.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import numpy as np

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system

# Up to these dimensions all of H_eff is diagonalised; from the other on a reduced basis is worth its while.
MODES_TO, REDUCED_FROM = 1100, 200
DURATION = 2e7
LEVELS = ("4", "5", "6", "8", "10", "15", "25,20,20")


def prepared(levels: tuple[int, ...], propagator: str, folder: Path | None) -> CompiledSystem:
    """Return the compiled system, from the folder where it is there."""
    system = tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=levels)
    file = None if folder is None else folder / f"{propagator}_{system.dimension}_{system.digest[:16]}.npz"
    if file is not None and file.exists():
        with np.load(file) as kept:
            return CompiledSystem.from_arrays(dict(kept))
    compiled = compile_system(system, np.eye(1, system.dimension)[0], propagator=propagator)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **compiled.to_arrays())
    return compiled


def main() -> None:
    """Print one line for each propagator and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("levels", nargs="*", default=LEVELS)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--prepared", type=Path, help="folder that keeps what was prepared")
    options = parser.parse_args()
    cases: dict[tuple[str, int], CompiledSystem] = {}
    for text in options.levels:
        given = tuple(map(int, text.split(",")))
        levels = given if len(given) == 3 else given * 3
        dimension = 2 * math.prod(levels)
        for name in ("modes", "reduced"):
            if dimension <= MODES_TO if name == "modes" else dimension >= REDUCED_FROM:
                cases[name, dimension] = prepared(levels, name, options.prepared)
                run_block(cases[name, dimension], BlockTask(0, 1, 1, 1e5))
    pace: dict[tuple[str, int], list[float]] = {case: [] for case in cases}
    stated = dict.fromkeys(cases, 0.0)
    for turn in range(options.turns):
        for case, compiled in cases.items():
            begun = time.process_time()
            block = run_block(compiled, BlockTask(0, 1, 2 + turn, DURATION))
            pace[case].append(len(block.time) / (time.process_time() - begun))
            stated[case] = max(stated[case], block.worst_error)
    print("propagator      N    median  best quarter  clicks/s; worst |ΔS|/S; vectors, and beside them")
    for (name, dimension), found in pace.items():
        best = np.mean(np.sort(found)[-max(1, len(found) // 4) :])
        arrays = cases[name, dimension].propagator.arrays
        sizes = [level.vectors.shape[1] for level in getattr(arrays, "levels", ())]
        error = stated[name, dimension]
        print(f"{name:8} {dimension:8} {np.median(found):9,.0f} {best:13,.0f}  {error:.1e}  {sizes}", flush=True)


if __name__ == "__main__":
    main()
