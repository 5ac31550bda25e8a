"""What the model of costs predicts of each propagator of constant systems, beside what is measured.

    OMP_NUM_THREADS=1 python tests/benchmarks/costs.py [part of a name …]

Prints a row of the table in `trajectories/README.md` for each system: seconds of processor time to prepare and for
a click, predicted and measured; and how much longer a run of 100 and of 1e5 clicks takes with what "auto" chooses
than with the fastest, both as measured. Click rates are those of the run of the first propagator.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CONSTANT, compile_system
from trajectories.engine.cost import Alternative, predicted_cost
from trajectories.engine.operators import stack_operators
from trajectories.engine.sparse.sparse_action import SparsePropagator
from trajectories.errors import InvalidInput

for room in ("support", "engine"):
    sys.path.append(str(Path(__file__).resolve().parents[1] / room))

from click_systems import weak_cavity  # noqa: E402
from test_cost import lossy_chain  # noqa: E402

SECONDS, MOST_TRAJECTORIES, CLICKS_EACH, CLICKS_SPARSE = 1.0, 400, 200, 10
FEW, MANY = 100, 100_000


def systems() -> dict[str, tuple[tj.OpenSystem, int]]:
    """Return systems by name, with the basis state that trajectories start from."""
    left = {"direction": "left", "detuning": 1.3406}
    paper, hot = tj.SpinningResonator(**left), tj.SpinningResonator(**left, thermal=(0.0, 2.0, 0.0))
    return {
        "paper's system, N = 128": (paper.system(levels=(4, 4, 4)), 0),
        "paper's system, N = 432": (paper.system(levels=(6, 6, 6)), 0),
        "hot, 3×20×3 levels, N = 360": (hot.system(levels=(3, 20, 3)), 0),
        "driven cavity with an atom, N = 120": (weak_cavity(), 0),
        "driven cavity with an atom, N = 400": (weak_cavity(200), 0),
        "chain of 100 sites, 20 channels": (lossy_chain(100, 20), 0),
        "chain of 300 sites, 20 channels": (lossy_chain(300, 20), 0),
        "chain of 1024 sites, 20 channels": (lossy_chain(1024, 20), 0),
    }


def measured(system: tj.OpenSystem, ket: NDArray[np.complex128], name: str, span: float) -> tuple[float, ...]:
    """Return seconds to prepare and for a click, and clicks per unit of time, of trajectories of a duration."""
    begun = time.process_time()
    compiled = compile_system(system, ket, propagator=name)
    prepared = time.process_time()
    run_block(compiled, BlockTask(0, 1, 0, 1e-2 * span))  # loads what this level of the kernels needs
    ready = time.process_time()
    clicks, count, spent = 0, 0, 0.0
    while spent < SECONDS and count < MOST_TRAJECTORIES:
        clicks += len(run_block(compiled, BlockTask(count, count + 1, 1, span)).time)
        count, spent = count + 1, time.process_time() - ready
    return prepared - begun, spent / clicks, clicks / (count * span)


def rate_of(system: tj.OpenSystem, ket: NDArray[np.complex128]) -> float:
    """Return clicks per unit of time, from a trajectory of some clicks."""
    compiled = compile_system(system, ket)
    span = 1.0
    while True:
        clicks = len(run_block(compiled, BlockTask(0, 1, 0, span)).time)
        if clicks >= CLICKS_SPARSE:
            return clicks / span
        span *= 2.0


def row(name: str, system: tj.OpenSystem, start: int) -> str:
    """Return a row of the table."""
    ket = np.eye(1, system.dimension, start, dtype=complex)[0]
    stacked = stack_operators([channel.operator for channel in system.channels], system.dimension)
    pace = rate_of(system, ket)
    found: dict[str, Alternative] = {}
    rate, told = None, {}
    for each in CONSTANT:
        clicks_each = CLICKS_SPARSE if each == "sparse" else CLICKS_EACH
        try:
            seconds, click, seen = measured(system, ket, each, clicks_each / pace)
        except InvalidInput:
            told[each] = "refused"
            continue
        rate = rate or seen
        found[each] = Alternative(each, seconds, click, 0.0)
        told[each] = f"{seconds:.2g}, {click:.1e}"
    action = SparsePropagator.compile(system, 1e-10)
    predicted = {one.name: one for one in predicted_cost(system, action, stacked, ket, rate).alternatives}
    cells = [f"{predicted[n].seconds:.2g}, {predicted[n].seconds_per_click:.1e} | {told[n]}" for n in CONSTANT]
    # Without a rate, as where trajectories start from a ket.
    chosen = {compile_system(system, ket, rate=known).propagator.name for known in (None, rate)}
    slower = []
    for clicks in (FEW, MANY):
        best = min(one.total(clicks) for one in found.values())
        slower.append(max(found[each].total(clicks) for each in chosen) / best)
    choice = f"{', '.join(sorted(chosen))} | {slower[0]:.2g}, {slower[1]:.2g}"
    return f"| {name} | {' | '.join(cells)} | {choice} |"


def main() -> None:
    """Print a row for each system whose name contains one of the parts given."""
    small = weak_cavity()
    for name in CONSTANT:  # loads the kernels, or compiles them
        run_block(compile_system(small, np.eye(1, 120)[0], propagator=name), BlockTask(0, 1, 1, 1e3))
    heads = [f"{name}, predicted | measured" for name in CONSTANT]
    print(f"| | {' | '.join(heads)} | auto | over the fastest, {FEW} and {MANY:,} clicks |")
    print("|---|" + "---|" * (2 * len(CONSTANT) + 2))
    for name, case in systems().items():
        if any(part in name for part in sys.argv[1:] or [""]):
            print(row(name, *case), flush=True)


if __name__ == "__main__":
    main()
