"""The filter at N = 128 beside ρ itself, all 128² numbers propagated by Chebyshev series; writes the tests' table.

Run, row by row or all (some six minutes of one core each):
.venv/bin/python tests/support/filter_accuracy_study.py [--row N]
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from click_systems import watch

import trajectories as tj
from trajectories import analysis as an
from trajectories.lindblad import steady_state
from trajectories.lindblad.superoperators.full_model import FullModel
from trajectories.lindblad.superoperators.hermitian_vectors import pack

TABLE = Path(__file__).parents[1] / "lindblad" / "filter_accuracy_study.csv"
COLUMNS = (
    "seed", "detectors", "gaps", "core", "survival", "rate", "probability", "log likelihood", "stated", "above"
)  # fmt: skip
HEAD = """\
# .venv/bin/python tests/support/filter_accuracy_study.py
# N = 128, blue resonance, tolerance 1e-6. Largest errors along a record: of -ln S of a gap, of ln of the rate of
# the channel that clicked, of the probability of any channel at a click, of ln of the likelihood; the largest
# error that is stated of a gap or rate, and how many gaps or rates are off by more than 1e-6
"""
TOLERANCE = 1e-6
TIME = 1.2e5
CHANNELS = ("photon", "phonon", "magnon", "atom")
HALF = dict.fromkeys(CHANNELS, tj.Detector(0.5))
DARK = dict.fromkeys(CHANNELS, tj.Detector(0.5, 2e-6))
ROWS = ((1, "half", HALF), (2, "half", HALF), (3, "half", HALF), (4, "half and dark", DARK))


def propagated(
    system: tj.OpenSystem, rho: np.ndarray, record: tj.ClickRecord, detectors: dict[str, tj.Detector]
) -> tuple[np.ndarray, np.ndarray]:
    """Return −ln S of every gap and the rates at every click, by the motion of the whole density matrix."""
    model = FullModel(system, rho, record.channel_names, detectors)
    state, now = pack(rho), float(record.start[0])
    hazard, rates = [], []
    motion = model.click_free_motion(float(np.diff(record.time, prepend=now, append=record.stop[0]).max()))
    for n in range(len(record) + 1):
        target = float(record.time[n] if n < len(record) else record.stop[0])
        state = motion.propagate(state, np.array([target - now]))[0]
        survival, now = float(model.identity @ state), target
        hazard.append(-np.log(survival))
        if n == len(record):
            break
        rates.append([float(model.effect(name) @ state) / survival for name in record.channel_names])
        state = model.jump(record.channel_names[record.channel[n]], state)
        state = state / float(model.identity @ state)
    return np.array(hazard), np.array(rates)


def compared(seed: int, detectors: dict[str, tj.Detector]) -> dict[str, object]:
    """Follow one record both ways."""
    system = tj.SpinningResonator(direction="left", detuning=1.341).system(levels=(4, 4, 4))
    steady = steady_state(system)
    record = watch(system, 1, TIME, seed=seed, initial=steady.rho)
    seen = an.apply_detectors(record, detectors, seed=seed)
    found = tj.replay(seen, system, steady, detectors=detectors, tolerance=TOLERANCE)
    print(found.method, f"{time.process_time():.0f} s", file=sys.stderr, flush=True)
    hazard, rates = propagated(system, steady.rho, seen, detectors)
    clicked = np.arange(len(seen)), seen.channel
    gaps = np.abs(found.hazard - hazard)
    logs = np.abs(np.log(found.intensity[clicked] / rates[clicked]))
    chance = np.abs(found.probability - rates / rates.sum(axis=1, keepdims=True))
    likelihood = np.log(rates[clicked]).sum() - hazard.sum()
    stated = np.append(found.hazard_error, found.intensity_error)
    print(np.c_[hazard, gaps, np.append(logs, 0.0), found.hazard_error], file=sys.stderr, flush=True)
    return {
        "gaps": len(hazard),
        "core": found.method.replace(",", ";"),
        "survival": f"{gaps.max():.2g}",
        "rate": f"{logs.max():.2g}",
        "probability": f"{chance.max():.2g}",
        "log likelihood": f"{abs(found.log_likelihood - likelihood):.2g}",
        "stated": f"{stated.max():.2g}",
        "above": int((gaps > TOLERANCE).sum() + (logs > TOLERANCE).sum()),
    }


def main() -> None:
    """Compute rows, and write them into the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--row", type=int, action="append", choices=range(len(ROWS)), help="all if not given")
    warnings.simplefilter("ignore")
    known: dict[str, dict[str, object]] = {}
    if TABLE.exists():
        with TABLE.open(encoding="utf-8") as lines:
            known = {row["seed"]: row for row in csv.DictReader(x for x in lines if not x.startswith("#"))}
    for number in options.parse_args().row or range(len(ROWS)):
        seed, name, detectors = ROWS[number]
        known[str(seed)] = {"seed": seed, "detectors": name} | compared(seed, detectors)
        print(known[str(seed)], f"{time.process_time():.0f} s", file=sys.stderr, flush=True)
        with TABLE.open("w", encoding="utf-8", newline="\n") as file:
            file.write(HEAD)
            table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(known[str(row[0])] for row in ROWS if str(row[0]) in known)


if __name__ == "__main__":
    main()
