"""Time of the paper's excitation spectra: 400 detunings for each drive direction at levels 4,4,4.

OMP_NUM_THREADS=1 python tests/benchmarks/excitation_spectra.py [--points 400] [--levels 4,4,4] [--workers 2]
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import trajectories as tj
from trajectories import lindblad


def main() -> None:
    """Sweep both directions and print times, sizes and the resonances found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=400)
    parser.add_argument("--levels", default="4,4,4")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    levels = tuple(int(part) for part in options.levels.split(","))
    detunings = np.linspace(1.2, 1.5, options.points)
    total = 0.0
    for direction in ("left", "right"):
        resonator = tj.SpinningResonator(direction=direction)
        begun = time.perf_counter()
        spectrum = lindblad.excitation_spectrum(
            resonator, detunings, levels, progress=True, workers=options.workers
        )
        spent = time.perf_counter() - begun
        total += spent
        found = ", ".join(f"{pair} at {value:.4f}" for pair, value in spectrum.resonances.items())
        worst = float(np.max(spectrum.residuals))
        print(f"{direction:5} {len(spectrum.detunings)} points in {spent:.1f} s, residual ≤ {worst:.0e}; {found}")
    print(f"both  {total:.1f} s on {options.workers} workers")


if __name__ == "__main__":
    main()
