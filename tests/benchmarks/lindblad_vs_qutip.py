"""The density-matrix solver against QuTiP, in one run on one machine: ratios of times, and how far results differ.

Run with ``OMP_NUM_THREADS=1 python tests/benchmarks/lindblad_vs_qutip.py [--limit SECONDS] [--largest N]
[--steady N …] [--g2 N …]``. Each QuTiP call runs in a process of its own, which is ended at the time limit and
then reported as not finished. Steady states and g² of all dimensions up to the largest, or of those named.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from trajectories import OpenSystem, SpinningResonator, lindblad

LEVELS = ((2, 2, 2), (3, 3, 3), (4, 4, 4), (5, 5, 5))
STEADY_METHODS = ("direct", "power")
# Points and longest delay of g²; QuTiP's time grows in proportion to the delay.
CORRELATIONS = ((101, 100.0), (101, 5000.0))
PAIR = ("photon", "magnon")


def paper_system(levels: tuple[int, int, int]) -> OpenSystem:
    return SpinningResonator(direction="left", detuning=1.3406).system(levels=levels)


def in_qutip(system: OpenSystem) -> tuple[Any, list[Any]]:
    import qutip

    jumps = [qutip.Qobj(c.operator.toarray()).to("CSR") for c in system.channels]
    return qutip.Qobj(system.hamiltonian.toarray()).to("CSR"), jumps


def qutip_steady(levels: tuple[int, int, int], method: str) -> tuple[float, np.ndarray]:
    import qutip

    hamiltonian, jumps = in_qutip(paper_system(levels))
    start = time.perf_counter()
    state = qutip.steadystate(hamiltonian, jumps, method=method)
    return time.perf_counter() - start, state.full()


def qutip_g2(levels: tuple[int, int, int], points: int, longest: float) -> tuple[float, np.ndarray]:
    """g² from ⟨c†c(τ)⟩ after a click, which is what correlation_2op_1t gives for the state after the click."""
    import qutip

    system = paper_system(levels)
    steady = lindblad.steady_state(system)
    hamiltonian, jumps = in_qutip(system)
    first, second = (jumps[system.channel_names.index(name)] for name in PAIR)
    clicked = first * qutip.Qobj(steady.rho) * first.dag() / steady.rate(PAIR[0])
    tau = np.linspace(0.0, longest, points)
    options = {"atol": 1e-12, "rtol": 1e-8, "nsteps": 10**7, "progress_bar": ""}
    start = time.perf_counter()
    joint = qutip.correlation_2op_1t(
        hamiltonian, clicked, tau, jumps, second.dag() * second, qutip.qeye_like(hamiltonian), options=options
    )
    seconds = time.perf_counter() - start
    return seconds, joint.real / steady.rate(PAIR[1])


def within(limit: float, task: Callable[..., Any], *arguments: Any) -> Any:
    """Return task(*arguments), computed in another process, or None if that takes longer than `limit`."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, task, arguments))
    process.start()
    sender.close()
    answer = receiver.recv() if receiver.poll(limit) else None
    process.terminate()
    process.join()
    return answer


def _send(sender: Connection, task: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    sender.send(task(*arguments))


def fastest(task: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    times, answer = [], None
    for _ in range(repeats):
        start = time.perf_counter()
        answer = task()
        times.append(time.perf_counter() - start)
    return min(times), answer


def report(what: str, size: int, ours: float, theirs: Any, result: np.ndarray, limit: float) -> None:
    if theirs is None:
        outcome = f"not finished after {limit:.0f} s: ratio > {limit / ours:.0f}"
    else:
        seconds, values = theirs
        difference = np.abs(values - result).max()
        outcome = f"{seconds:9.3f} s  ratio {seconds / ours:8.1f}  largest difference {difference:.1e}"
    print(f"{what:34s} N = {size:3d}   ours {ours:8.3f} s   QuTiP {outcome}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds allowed to each QuTiP call")
    parser.add_argument("--largest", type=int, default=128, help="largest dimension N")
    parser.add_argument("--steady", type=int, nargs="*", metavar="N", help="dimensions of the steady states")
    parser.add_argument("--g2", type=int, nargs="*", metavar="N", help="dimensions of the correlations")
    options = parser.parse_args()
    if options.steady is not None or options.g2 is not None:
        options.largest, options.steady, options.g2 = 10**9, options.steady or [], options.g2 or []
    lindblad.g2(lindblad.steady_state(paper_system((2, 2, 2))), *PAIR, [0.0, 1.0])  # compiles the kernel
    systems = {levels: paper_system(levels) for levels in LEVELS}
    systems = {levels: system for levels, system in systems.items() if system.dimension <= options.largest}
    for levels, system in systems.items():
        if options.steady is not None and system.dimension not in options.steady:
            continue
        ours, steady = fastest(lambda system=system: lindblad.steady_state(system))
        for method in STEADY_METHODS:
            theirs = within(options.limit, qutip_steady, levels, method)
            report(f"steadystate({method!r})", system.dimension, ours, theirs, steady.rho, options.limit)
    for levels, system in systems.items():
        if options.g2 is not None and system.dimension not in options.g2:
            continue
        steady = lindblad.steady_state(system)
        for points, longest in CORRELATIONS:
            tau = np.linspace(0.0, longest, points)
            ours, values = fastest(lambda s=steady, t=tau: lindblad.g2_at(s, *PAIR, t), 1)
            theirs = within(options.limit, qutip_g2, levels, points, longest)
            report(f"correlation_2op_1t to {longest:g}", system.dimension, ours, theirs, values, options.limit)


if __name__ == "__main__":
    main()
