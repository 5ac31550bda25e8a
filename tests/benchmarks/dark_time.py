"""What a click in constant stretches of a train costs, beside a click of a constant system.

    .venv/bin/python tests/benchmarks/dark_time.py [--levels 2 3 4] [--turns 7] [--prepared FOLDER]

The paper's system at N = 16, 54 and 128, by processor time, the median of turns that all cases of a size take one
after the other. First a click of a constant system (ξ = 0.8) and of a train that has the same ξ but for one short
pulse in a million time units, so that its clicks come in constant stretches. Then the train of `pulse_trains.py`
with 2000/ω_b of dark time between its pulses and with a hundred times as much, a duty cycle below 1 %: what the
additional dark time costs for each additional click, beside a click of a constant system with the ξ of the dark
time. Last a train of square pulses, half of the time at 0.8 and half in the dark, with periods of 2,000, 20,000
and 200,000. What was prepared is kept in the folder for the next run.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from pulse_trains import REST, prepared

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_block

LONG, SHORT_DARK, LONG_DARK = 1e6, 2000.0, 200_000.0
SQUARES = (2_000.0, 20_000.0, 200_000.0)


def source(levels: int, drive: object, period: float | None) -> tj.OpenSystem:
    """Return the paper's system under a drive."""
    return tj.SpinningResonator(detuning=1.3406, drive=drive, period=period).system((levels,) * 3)


def systems(levels: int) -> dict[str, tuple[tj.OpenSystem, float]]:
    """Return every case by its name, and the duration of a turn."""
    pulse = REST + (0.8 - REST) * tj.Gaussian(1000.0, 100.0)
    square = {f"squares {period:g}": (REST + (0.8 - REST) * tj.Square(0.0, 0.5 * period)) for period in SQUARES}
    return {
        "constant": (source(levels, 0.8, None), 1e7),
        "stretches": (source(levels, 0.8 + 0.1 * tj.Square(500.0, 501.0), LONG), 1e7),
        "resting": (source(levels, REST, None), 6e8),
        "short dark": (source(levels, pulse, 1900.0 + SHORT_DARK), 4000 * (1900.0 + SHORT_DARK)),
        "long dark": (source(levels, pulse, 1900.0 + LONG_DARK), 3000 * (1900.0 + LONG_DARK)),
        **{
            name: (source(levels, drive, period), 2e7)
            for (name, drive), period in zip(square.items(), SQUARES, strict=True)
        },
    }


def main() -> None:
    """Print one line for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--levels", type=int, nargs="+", default=[2, 3, 4], help="levels of each mode (2 3 4)")
    parser.add_argument("--prepared", type=Path, help="folder that keeps what was prepared")
    parser.add_argument("--turns", type=int, default=7, help="turns, of which the median is printed (7)")
    options = parser.parse_args()
    cases = {}
    for levels in options.levels:
        for name, (system, duration) in systems(levels).items():
            ket = np.eye(system.dimension)[0]
            way = "tree" if system.depends_on_time else "modes"
            compiled, _ = prepared(system, ket, way, options.prepared)
            run_block(compiled, BlockTask(0, 1, 1, 0.02 * duration))
            cases[levels, name] = compiled, duration
    seconds: dict[tuple[int, str], list[float]] = {case: [] for case in cases}
    clicks = dict.fromkeys(cases, 0)
    for turn in range(options.turns):
        for case, (compiled, duration) in cases.items():
            begun = time.process_time()
            block = run_block(compiled, BlockTask(0, 1, 2 + turn, duration))
            seconds[case].append(time.process_time() - begun)
            clicks[case] += len(block.time)
    print(
        "  N  us/click constant  in stretches  ratio   resting  in additional dark time  ratio"
        "   us/period with 2000 dark  with 200,000   squares of 2,000  20,000  200,000 us/click"
    )
    for levels in options.levels:
        spent = {name: 1e6 * float(np.median(seconds[levels, name])) for name in systems(levels)}
        counted = {name: clicks[levels, name] / options.turns for name in spent}
        each = {name: spent[name] / max(counted[name], 1.0) for name in spent}
        periods = {"short dark": 4000, "long dark": 3000}
        time_of_period = {name: spent[name] / count for name, count in periods.items()}
        clicks_of_period = {name: counted[name] / count for name, count in periods.items()}
        more = (time_of_period["long dark"] - time_of_period["short dark"]) / (
            clicks_of_period["long dark"] - clicks_of_period["short dark"]
        )
        print(
            f"{2 * levels**3:4d} {each['constant']:14.2f} {each['stretches']:13.2f}"
            f" {each['stretches'] / each['constant']:6.2f} {each['resting']:9.2f} {more:17.2f}"
            f" {more / each['resting']:13.2f} {time_of_period['short dark']:20.2f}"
            f" {time_of_period['long dark']:17.2f}"
            + "".join(f" {each[f'squares {period:g}']:13.2f}" for period in SQUARES),
            flush=True,
        )


if __name__ == "__main__":
    main()
