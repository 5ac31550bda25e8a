"""The click engine beside QuTiP's mcsolve, in one process on one core.

    OMP_NUM_THREADS=1 python tests/benchmarks/engine_vs_qutip.py [--levels 4,4,4 5,5,5] [--repeats 3]

The paper's system driven from the left at Δ_ad = 1.3406, κ = 0.005. Clicks are counted as simulated time × the
exact click rate of the steady state, so that luck cancels. QuTiP's `diag` is given each output grid in turn and
its best counts. The accuracy of individual waits is measured by replaying them with dense eigenvectors: each gap
starts from the state that the record's own clicks leave, and the time at which S meets its number is compared.
"""

from __future__ import annotations

import argparse
import platform
import time

import numba
import numpy as np
import qutip
import scipy

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.lindblad import steady_state
from trajectories.random_streams import trajectory_stream

DETUNING, KAPPA = 1.3406, 0.005
GRIDS = (200, 800, 2000)
TIGHT = {"method": "diag", "norm_tol": 1e-10, "norm_t_tol": 1e-9, "norm_steps": 200}
LOOSE = {"method": "diag"}
DEFAULT: dict[str, object] = {}


def ours(compiled: CompiledSystem, duration: float, seed: int) -> float:
    """Return the wall time of one trajectory of `duration`."""
    begun = time.perf_counter()
    run_block(compiled, BlockTask(0, 1, seed, duration))
    return time.perf_counter() - begun


def theirs(
    system: tj.OpenSystem, ket: np.ndarray, options: dict[str, object], duration: float, grid: int
) -> float:
    """Return the wall time of one QuTiP trajectory, its set-up taken off by a run of a thousandth of the time."""
    hamiltonian = qutip.Qobj(system.hamiltonian)
    operators = [qutip.Qobj(channel.operator) for channel in system.channels]
    settings = {"progress_bar": "", "store_states": False, "keep_runs_results": False, **options}
    spent = []
    for span in (duration, 1e-3 * duration):
        begun = time.perf_counter()
        qutip.mcsolve(
            hamiltonian,
            qutip.Qobj(ket),
            np.linspace(0.0, span, grid),
            operators,
            ntraj=1,
            options=settings,
            seeds=1,
        )
        spent.append(time.perf_counter() - begun)
    return spent[0] - spent[1]


def wait_errors(system: tj.OpenSystem, ket: np.ndarray, duration: float) -> tuple[float, float]:
    """Return the median and largest error of individual waits, in 1/ω_b.

    Every gap of the record is replayed from the state that the record's own clicks leave, with dense eigenvectors;
    a Newton step from the recorded time gives the time at which S would meet the number that was drawn.
    """
    compiled = compile_system(system, ket)
    block = run_block(compiled, BlockTask(0, 1, 5, duration))
    stream = trajectory_stream(5, 0)
    stream.random()
    numbers = 1.0 - stream.random(2 * len(block.time))[::2]
    exact = compile_system(system, ket, tolerance=1e-13)
    arrays = exact.propagator.arrays
    # The arrays are filled up to whole blocks.
    rotation = (-1j * arrays.energy - arrays.decay)[: len(ket)]
    psi, errors = ket, []
    for wait, number, channel in zip(np.diff(block.time, prepend=0.0), numbers, block.channel, strict=True):
        z = arrays.inverse @ psi
        state = arrays.vectors @ (np.exp(rotation * wait) * z)
        survival = np.vdot(state, state).real
        slope = -sum(np.linalg.norm(c.operator @ state) ** 2 for c in system.channels)
        errors.append(abs((survival - number) / slope))
        psi = system.channels[channel].operator @ state
        psi /= np.linalg.norm(psi)
    return float(np.median(errors)), float(np.max(errors))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", nargs="*", default=["4,4,4", "5,5,5", "8,8,8"])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(
        f"trajectories {tj.__version__}, QuTiP {qutip.__version__}, numpy {np.__version__}, "
        f"scipy {scipy.__version__}, numba {numba.__version__}, Python {platform.python_version()}, one core"
    )
    print(f"{'N':>5} {'engine':24} {'clicks/s':>10} {'ratio: median (least … largest)':>36}")
    for text in options.levels:
        levels = tuple(int(part) for part in text.split(","))
        resonator = tj.SpinningResonator(direction="left", detuning=DETUNING, kappa=KAPPA)
        system = resonator.system(levels=levels)
        steady = steady_state(resonator.system(levels=min(levels, (5, 5, 5))))
        rate = sum(steady.rate(name) for name in system.channel_names)
        ket = resonator.dressed_ket(system.space, 0, 0, 0, "+")
        compiled = compile_system(system, ket)
        ours(compiled, 1e4, 1)  # compiles the kernels
        span = 2e7 if system.dimension < 500 else 4e6
        times = [ours(compiled, span, 2) for _ in range(options.repeats)]
        mine = rate * span / np.array([max(times), np.median(times), min(times)])
        print(f"{system.dimension:5d} {'this engine':24} {mine[1]:10.0f}")
        peers = [("mcsolve default", DEFAULT, 4e3, (200,)), ("diag, tight", TIGHT, 2e6, GRIDS)]
        peers.append(("diag, loosest", LOOSE, 2e6, GRIDS))
        for name, settings, duration, grids in peers:
            if system.dimension > 500:
                # Long enough that the set-up, ten seconds of diagonalisation, can be taken off.
                duration *= 0.5 if grids is GRIDS else 0.1
            quickest = min(theirs(system, ket, settings, duration, grid) for grid in grids)
            if not quickest > 0.0:
                print(f"{system.dimension:5d} {name:24} its set-up varied by more than its run; repeat when quiet")
                continue
            peer = rate * duration / quickest
            ratio = mine / peer
            spread = f"{ratio[1]:14.1f} ({ratio[0]:.1f} … {ratio[2]:.1f})"
            print(f"{system.dimension:5d} {name:24} {peer:10.1f} {spread}", flush=True)
        median, largest = wait_errors(system, ket, 2e6)
        print(f"{system.dimension:5d} error of a wait: median {median:.1e}, largest {largest:.1e}/ω_b", flush=True)


if __name__ == "__main__":
    main()
