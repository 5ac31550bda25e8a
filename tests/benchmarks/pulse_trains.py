"""Trains of Gaussian pulses beside QuTiP's mcsolve with the same coefficients, at N = 16, 54, 128 and 432.

    .venv/bin/python tests/benchmarks/pulse_trains.py [--levels 2 3 4 6] [--prepared FOLDER]

The paper's system with ξ(t) = 0.05 + 0.75·exp(−(t − t₀)²/2σ²), σ = 100/ω_b, every 4000/ω_b. Processor time for
one period of the train: by the tree (above four levels the reduced tree), by steps and eigenmodes alone, and by
mcsolve for one trajectory over one period, at its default tolerance and at 1e-10, where it is as accurate.
Preparation is counted apart; what was prepared is kept in the folder for the next run.
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


def main() -> None:
    """Print one line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--levels", type=int, nargs="+", default=[2, 3, 4], help="levels of each mode (2 3 4)")
    parser.add_argument("--prepared", type=Path, help="folder that keeps what was prepared")
    options = parser.parse_args()
    print("  N  build s  ms/period  clicks/s  worst |dS|/S  steps ms/period  mcsolve ms/period default, 1e-10")
    for levels in options.levels:
        system = source(levels)
        ket = system.space.ket(photon=0, phonon=0, magnon=0, atom="g") if system.space is not None else None
        assert ket is not None
        tree, built = prepared(system, ket, "tree" if levels <= 4 else "reduced tree", options.prepared)
        steps = compile_system(system, ket, propagator="steps")
        run_block(tree, BlockTask(0, 1, 1, 20 * PERIOD))
        run_block(steps, BlockTask(0, 1, 1, 0.1 * PERIOD))
        periods = 20_000 if levels < 4 else 4_000
        begun = time.process_time()
        block = run_block(tree, BlockTask(0, 1, 2, periods * PERIOD))
        each = (time.process_time() - begun) / periods
        begun = time.process_time()
        some = 20 if levels <= 4 else 4
        run_block(steps, BlockTask(0, 1, 2, some * PERIOD))
        stepped = (time.process_time() - begun) / some
        default = qutip_seconds(system, ket, {})
        accurate = qutip_seconds(system, ket, {"method": "vern7", "atol": 1e-12, "rtol": 1e-10})
        print(
            f"{system.dimension:4d} {built:7.1f} {1e3 * each:10.4f} {len(block.time) / (periods * each):9.0f}"
            f" {block.worst_error:13.1e} {1e3 * stepped:16.1f} {1e3 * default:18.0f}, {1e3 * accurate:.0f}"
            f"    tree {default / each:,.0f}x, {accurate / each:,.0f}x; steps {accurate / stepped:.1f}x",
            flush=True,
        )


if __name__ == "__main__":
    main()
