"""Replay of lossy records: the reduced filter, all numbers of ρ, dense exponentials, and stepping with QuTiP.

Run: .venv/bin/python tests/benchmarks/imperfect_detectors.py [--clicks 100000] [--levels 4,4,4]
Processor seconds of one core, η = 0.5 in every channel of the paper's blue resonance.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import qutip
from scipy.linalg import expm

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
from click_systems import superoperator

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.analysis.inference.replay import Replayer

ETA = 0.5
# Of a wait QuTiP is given so much time, in 1/ω_b, which is scaled to the whole.
PART = 100.0


def lossy_record(system: tj.OpenSystem, clicks: int) -> tj.ClickRecord:
    """Return about so many detected clicks in 200 trajectories."""
    rate = ETA * sum(rate.value for rate in lindblad.rates(lindblad.steady_state(system)).values())
    record = tj.simulate(system, 200, clicks / rate / 200, seed=7, workers=1, progress=False)
    return an.apply_detectors(record, dict.fromkeys(system.channel_names, tj.Detector(ETA)), seed=1)


def timed(what: str, clicks: float, work) -> object:
    """Run and print processor seconds a click."""
    began = time.process_time()
    found = work()
    seconds = time.process_time() - began
    print(f"{what:58} {seconds:9.2f} s  {clicks / seconds:12.4g} clicks/s", flush=True)
    return found


def ours(system: tj.OpenSystem, record: tj.ClickRecord, note: str) -> None:
    """Time a replay from the steady state's computation on, and again once everything is made."""
    tj.replay(record[:1] if record.n_trajectories > 1 else record, system)  # compile
    made = []

    def first() -> tj.Replay:
        made.append(Replayer(record, system, "steady", None))
        return made[0].replay(record)

    found = timed(f"N = {system.dimension}, {note}, steady state and set-up included", len(record), first)
    print(
        f"    {found.method}; errors stated: ln L {found.log_likelihood:.1f} ± {found.log_likelihood_error:.2g},",
        end=" ",
    )
    print(f"hazard rms {np.sqrt(np.mean(found.hazard_error**2)):.1g}, ", end="")
    print(f"rates median {np.median(found.intensity_error):.1g}, largest {found.intensity_error.max():.1g}")
    timed(f"N = {system.dimension}, {note}, once made", len(record), lambda: made[0].replay(record))


def peers(system: tj.OpenSystem, record: tj.ClickRecord, clicks: int) -> None:
    """Follow the first clicks with dense exponentials, and by stepping with QuTiP's mesolve."""
    time_ = record.time[record.offsets[0] : record.offsets[1]][:clicks]
    gaps, channels = np.diff(time_, prepend=record.start[0]), record.channel[:clicks]
    c = [system.channel(name).operator.toarray() for name in record.channel_names]
    jumps = [ETA * np.kron(x, x.conj()) for x in c]
    silent = superoperator(system) - sum(jumps)
    rho = lindblad.steady_state(system).rho
    one = np.eye(system.dimension).ravel()

    def dense() -> float:
        state, total = rho.ravel().astype(complex), 0.0
        for gap, k in zip(gaps[: clicks // 2], channels, strict=False):
            state = jumps[k] @ (expm(gap * silent) @ state)
            total += np.log((one @ state).real)
            state = state / (one @ state).real
        return total

    def stepping() -> qutip.Qobj:
        operators = [qutip.Qobj(x) for x in c]
        generator = qutip.liouvillian(qutip.Qobj(system.hamiltonian.toarray()), operators)
        generator = generator - sum(ETA * qutip.sprepost(x, x.dag()) for x in operators)
        options = {"atol": 1e-10, "rtol": 1e-8, "nsteps": 10**7, "progress_bar": False}
        return qutip.mesolve(generator, qutip.Qobj(rho), [0.0, PART], options=options).states[-1]

    timed(f"N = {system.dimension}, dense exponentials", len(gaps) // 2, dense)
    wait = record.total_time / len(record)
    timed(f"N = {system.dimension}, QuTiP's mesolve, from {PART:g} of a wait of {wait:.0f}", PART / wait, stepping)


def main() -> None:
    """Time all."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--clicks", type=int, default=100_000)
    options.add_argument("--levels", default="4,4,4")
    options.add_argument("--no-peers", action="store_true")
    given = options.parse_args()
    warnings.simplefilter("ignore")
    resonator = tj.SpinningResonator(direction="left", detuning=1.341)
    if not given.no_peers:
        small = resonator.system(levels=(3, 2, 2))
        record = lossy_record(small, 4000)
        ours(small, record, "all numbers of ρ")
        peers(small, record, 4)
    system = resonator.system(levels=tuple(int(n) for n in given.levels.split(",")))
    ours(system, lossy_record(system, given.clicks), "core of mode pairs")


if __name__ == "__main__":
    main()
