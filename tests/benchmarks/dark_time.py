"""What constant stretches of a train cost beside the same waiting of a constant system.

    .venv/bin/python tests/benchmarks/dark_time.py [--levels 4]

The paper's system at N = 16, 54 and 128. First, processor time for a click of the constant system (ξ = 0.8) and
of a train that has the same ξ but for one short pulse in a million time units, so that its clicks come in constant
stretches. Then the time for a period of the train of `pulse_trains.py` with 2000/ω_b of dark time and with a
hundred times as much, a duty cycle below 1 %; and beside the difference the time that as much waiting takes in a
constant system with the ξ of the dark time.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from pulse_trains import REST

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem, compile_system

LONG, CLICKS = 1e6, 4_000


def source(levels: int, drive: object, period: float | None) -> tj.OpenSystem:
    """Return the paper's system under a drive."""
    return tj.SpinningResonator(detuning=1.3406, drive=drive, period=period).system((levels,) * 3)


def seconds(compiled: CompiledSystem, duration: float) -> tuple[float, int]:
    """Return the processor time of one trajectory, and its clicks."""
    run_block(compiled, BlockTask(0, 1, 1, 0.01 * duration))
    begun = time.process_time()
    block = run_block(compiled, BlockTask(0, 1, 2, duration))
    return time.process_time() - begun, len(block.time)


def main() -> None:
    """Print one line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--levels", type=int, default=4, help="largest number of levels of each mode (%(default)s)"
    )
    print(
        "  N  us/click constant  in stretches  ratio   us/period with 2000 dark  with 200,000  the difference"
        "  in a constant system"
    )
    for levels in range(2, parser.parse_args().levels + 1):
        constant = source(levels, 0.8, None)
        ket = np.eye(constant.dimension)[0]
        spent, clicks = seconds(compile_system(constant, ket, propagator="modes"), 5e6)
        duration = 5e6 * CLICKS / clicks
        spent, clicks = seconds(compile_system(constant, ket, propagator="modes"), duration)
        blip = 0.8 + 0.1 * tj.Square(500.0, 501.0)
        train = compile_system(source(levels, blip, LONG), ket, propagator="tree")
        timed, others = seconds(train, duration)
        each = []
        for dark in (2000.0, 200_000.0):
            pulse = REST + (0.8 - REST) * tj.Gaussian(1000.0, 100.0)
            period = 1900.0 + dark
            made = compile_system(source(levels, pulse, period), ket, propagator="tree")
            each.append(seconds(made, 1000 * period)[0])
        resting = compile_system(source(levels, REST, None), ket, propagator="modes")
        waiting = 1e6 * seconds(resting, 3e8)[0] * (200_000.0 - 2000.0) / 3e8
        print(
            f"{constant.dimension:4d} {1e6 * spent / clicks:14.1f} {1e6 * timed / others:13.1f}"
            f" {timed / others / (spent / clicks):6.2f} {1e3 * each[0]:18.1f} {1e3 * each[1]:20.1f}"
            f" {1e3 * (each[1] - each[0]):15.1f} {waiting:21.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
