"""Trains of Gaussian pulses beside QuTiP's mcsolve with the same coefficients, at N = 16, 54, 128 and 432.

    .venv/bin/python tests/benchmarks/pulse_trains.py [--levels 2 3 4 6] [--turns 5] [--prepared FOLDER]

The paper's system with ξ(t) = 0.05 + 0.75·exp(−(t − t₀)²/2σ²), σ = 100/ω_b, every 4000/ω_b. Processor time for
one period of the train: by the tree (above four levels the reduced tree), by steps and eigenmodes alone, and by
mcsolve for one trajectory over one period, at its default tolerance and at 1e-10, where it is as accurate.
The sizes take turns, and the median of the turns is printed, and then for each size the periods that
trajectories run before t = 0 to start from the periodic state. Preparation is counted apart; what was prepared is
kept in the folder for the next run.
"""

from __future__ import annotations

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.simulation.warm_up import warmed_up

PERIOD, CENTRE, SIGMA, REST = 4000.0, 1000.0, 100.0, 0.05


def source(levels: int) -> tj.OpenSystem:
    """Return the pulsed system with so many levels in each mode."""
    drive = REST + (0.8 - REST) * tj.Gaussian(CENTRE, SIGMA)
    return tj.SpinningResonator(detuning=1.3406, drive=drive, period=PERIOD).system((levels,) * 3)


def qutip_seconds(system: tj.OpenSystem, ket: np.ndarray, options: dict[str, object]) -> float:
    """Return mcsolve's processor seconds for one period."""
    import qutip

    # The coefficient as a spline, which QuTiP evaluates in compiled code.
    still, jumps = system.at(0.0).to_qutip()
    (drive,) = system.drives
    times = np.linspace(0.0, PERIOD, 8001)
    term = qutip.Qobj(sparse.csr_matrix(drive.operator), dims=still.dims)
    moved = np.asarray(drive.envelope(times)) - float(drive.envelope(0.0))
    hamiltonian = qutip.QobjEvo([still, [term, moved]], tlist=times)
    psi = qutip.Qobj(ket, dims=[still.dims[0], [1] * len(still.dims[0])])
    begun = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        qutip.mcsolve(
            hamiltonian, psi, [0.0, PERIOD], jumps, ntraj=1, seeds=1,
            options={"progress_bar": "", "max_step": 0.5 * SIGMA, "nsteps": 10**7, **options},
        )  # fmt: skip
    return time.process_time() - begun


def prepared(
    system: tj.OpenSystem, ket: np.ndarray, propagator: str, folder: Path | None
) -> tuple[CompiledSystem, float]:
    """Return the compiled system and the processor seconds that it took, from the folder where it is there."""
    file = None if folder is None else folder / f"{propagator.replace(' ', '_')}_{system.digest[:16]}.npz"
    if file is not None and file.exists():
        with np.load(file) as kept:
            arrays = dict(kept)
        return CompiledSystem.from_arrays(arrays), float(arrays["seconds"])
    begun = time.process_time()
    compiled = compile_system(system, ket, propagator=propagator)
    built = time.process_time() - begun
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **compiled.to_arrays(), seconds=np.array(built))
    return compiled, built


class Case:
    """One size: what was prepared, and seconds for a period by each way, turn by turn."""

    def __init__(self, levels: int, folder: Path | None) -> None:
        """Prepare the tree and the steps, and compile their kernels."""
        self.system = source(levels)
        assert self.system.space is not None
        self.ket = self.system.space.ket(photon=0, phonon=0, magnon=0, atom="g")
        self.tree, self.built = prepared(self.system, self.ket, "tree" if levels <= 4 else "reduced tree", folder)
        self.steps = compile_system(self.system, self.ket, propagator="steps")
        run_block(self.tree, BlockTask(0, 1, 1, 20 * PERIOD))
        run_block(self.steps, BlockTask(0, 1, 1, 0.1 * PERIOD))
        self.periods, self.stepped = (20_000 if levels < 4 else 4_000), (20 if levels <= 4 else 4)
        self.seconds: dict[str, list[float]] = {"tree": [], "steps": [], "default": [], "accurate": []}
        self.clicks, self.passed, self.worst = 0, 0, 0.0

    def take_turn(self) -> None:
        """Time each way once; every turn of the tree has a seed of its own."""
        seed = 2 + len(self.seconds["tree"])
        begun = time.process_time()
        block = run_block(self.tree, BlockTask(0, 1, seed, self.periods * PERIOD))
        self.seconds["tree"].append((time.process_time() - begun) / self.periods)
        self.clicks, self.passed = self.clicks + len(block.time), self.passed + self.periods
        self.worst = max(self.worst, block.worst_error)
        begun = time.process_time()
        run_block(self.steps, BlockTask(0, 1, seed, self.stepped * PERIOD))
        self.seconds["steps"].append((time.process_time() - begun) / self.stepped)
        self.seconds["default"].append(qutip_seconds(self.system, self.ket, {}))
        tight = {"method": "vern7", "atol": 1e-12, "rtol": 1e-10}
        self.seconds["accurate"].append(qutip_seconds(self.system, self.ket, tight))


def main() -> None:
    """Print one line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--levels", type=int, nargs="+", default=[2, 3, 4], help="levels of each mode (2 3 4)")
    parser.add_argument("--prepared", type=Path, help="folder that keeps what was prepared")
    parser.add_argument("--turns", type=int, default=5, help="turns, of which the median is printed (5)")
    options = parser.parse_args()
    cases = {levels: Case(levels, options.prepared) for levels in options.levels}
    for _ in range(options.turns):
        for case in cases.values():
            case.take_turn()
    print("  N  build s  ms/period  clicks/s  worst |dS|/S  steps ms/period  mcsolve ms/period default, 1e-10")
    for case in cases.values():
        tree, steps, default, accurate = (float(np.median(found)) for found in case.seconds.values())
        print(
            f"{case.system.dimension:4d} {case.built:7.1f} {1e3 * tree:10.4f}"
            f" {case.clicks / (case.passed * tree):9.0f}"
            f" {case.worst:13.1e} {1e3 * steps:16.1f} {1e3 * default:18.0f}, {1e3 * accurate:.0f}"
            f"    tree {default / tree:,.0f}x, {accurate / tree:,.0f}x; steps {accurate / steps:.1f}x;"
            f" tree in turns {', '.join(f'{1e3 * each:.4f}' for each in case.seconds['tree'])}",
            flush=True,
        )
    for case in cases.values():
        begun = time.process_time()
        _, start = warmed_up(case.system, case.tree)
        print(
            f"{case.system.dimension:4d} starts from its periodic state after {start.periods} periods,"
            f" {start.left:.1e} of the start left; found in {time.process_time() - begun:.1f} s"
        )
    per_period = {levels: float(np.median(case.seconds["tree"])) for levels, case in cases.items()}
    if {4, 6} <= set(per_period):
        print(f"N = 432 takes {per_period[6] / per_period[4]:.2f} times the period of N = 128")


if __name__ == "__main__":
    main()
