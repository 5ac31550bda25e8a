"""The sparse propagator at large N beside QuTiP's mcsolve, in one process on one core.

    OMP_NUM_THREADS=1 python tests/benchmarks/large_sparse.py [--levels 15,15,15] [--repeats 3]

The paper's system driven from the left at Δ_ad = 1.3406, κ = 0.005, from the ket |000+⟩: at N = 6750 a density
matrix alone takes 730 MB. Clicks are rare, so simulated time a second is compared, and turned into clicks with the
exact rate of the steady state at 5,5,5 levels. QuTiP has its default settings, and its set-up is taken off.
"""

from __future__ import annotations

import argparse
import platform
import resource
import time

import numpy as np
import qutip
import scipy

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import compile_system
from trajectories.lindblad import steady_state
from trajectories.simulation.estimate import memory_of

DETUNING, KAPPA = 1.3406, 0.005
OURS, THEIRS = 1000.0, 20.0


def peak() -> float:
    """Return the largest memory that this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def spent_by_qutip(system: tj.OpenSystem, ket: np.ndarray, repeats: int) -> list[float]:
    """Return seconds for THEIRS of simulated time, the set-up taken off by a run of half the time."""
    hamiltonian, operators = (
        qutip.Qobj(system.hamiltonian),
        [qutip.Qobj(channel.operator) for channel in system.channels],
    )
    settings = {"progress_bar": "", "store_states": False, "keep_runs_results": False}
    found = []
    for repeat in range(repeats):
        spent = []
        for span in (2.0 * THEIRS, THEIRS):
            begun = time.perf_counter()
            qutip.mcsolve(
                hamiltonian,
                qutip.Qobj(ket),
                np.linspace(0.0, span, 3),
                operators,
                ntraj=1,
                options=settings,
                seeds=repeat,
            )
            spent.append(time.perf_counter() - begun)
        found.append(spent[0] - spent[1])
    return found


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", default="15,15,15")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(
        f"trajectories {tj.__version__}, QuTiP {qutip.__version__}, numpy {np.__version__}, "
        f"scipy {scipy.__version__}, Python {platform.python_version()}, one core"
    )
    resonator = tj.SpinningResonator(direction="left", detuning=DETUNING, kappa=KAPPA)
    system = resonator.system(levels=tuple(int(part) for part in options.levels.split(",")))
    steady = steady_state(resonator.system(levels=(5, 5, 5)))
    rate = sum(steady.rate(name) for name in system.channel_names)
    ket = resonator.dressed_ket(system.space, 0, 0, 0, "+")
    before, begun = peak(), time.perf_counter()
    compiled = compile_system(system, ket, propagator="sparse")
    print(f"N={system.dimension}, compiled in {time.perf_counter() - begun:.2g} s")
    run_block(compiled, BlockTask(0, 1, 1, 1.0))  # compiles the kernels
    mine = []
    for seed in range(options.repeats):
        begun = time.perf_counter()
        block = run_block(compiled, BlockTask(0, 1, seed, OURS))
        mine.append(OURS / (time.perf_counter() - begun))
    memory = memory_of(compiled)
    print(
        f"this engine: {max(mine):.0f}/ω_b of simulated time a second ({min(mine):.0f} … {max(mine):.0f}), "
        f"{max(mine) * rate:.3g} clicks/s; {block.products / OURS:.3g} products with H_eff per 1/ω_b"
    )
    print(
        f"memory: {memory.propagator / 1e6:.1f} MB for the propagator, {memory.trajectory / 1e6:.1f} MB a "
        f"trajectory; the process grew by {peak() - before:.0f} MB to {peak():.0f} MB, libraries and kernels in it"
    )
    theirs = [THEIRS / spent for spent in spent_by_qutip(system, ket, options.repeats)]
    print(
        f"QuTiP mcsolve, default: {max(theirs):.1f}/ω_b a second ({min(theirs):.1f} … {max(theirs):.1f}), "
        f"{max(theirs) * rate:.2g} clicks/s; peak {peak():.0f} MB"
    )
    print(f"ratio {np.median(mine) / np.median(theirs):.1f}, of the best {max(mine) / max(theirs):.1f}")


if __name__ == "__main__":
    main()
