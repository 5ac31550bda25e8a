"""Verdicts on records of imperfect detectors: false alarms, and the paper's system; writes the table of the tests.

Run, row by row or all (some ten minutes of one core): .venv/bin/python tests/support/imperfect_study.py [--row N]
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from click_systems import watch
from scipy import stats
from systems_with_answers import PairSource

import trajectories as tj
from trajectories import analysis as an
from trajectories.lindblad import steady_state

TABLE = Path(__file__).parents[1] / "statistics" / "imperfect_study.csv"
COLUMNS = ("system", "detectors", "believed", "records", "clicks", "level", "rejected", "lowest", "by", "uniform")
HEAD = """\
# .venv/bin/python tests/support/imperfect_study.py
# 'lowest' p after Holm's correction, of the test 'by'; of many records 'by' is the test whose p-values are least
# uniform, and 'uniform' its p (Kolmogorov, Smirnov) times the number of tests
"""
Detectors = dict[str, tj.Detector]

# Pair source: channel rates are of order 1.
LOSSY = {"photon": tj.Detector(0.5, 0.005), "magnon": tj.Detector(0.3, 0.005)}
DEAD = {"photon": tj.Detector(0.5, 0.005, dead_time=0.5), "magnon": tj.Detector(0.3)}
RECORDS, LEVEL = 120, 0.1

# The paper's system at N = 128, κ = 0.005: a photon lives 200/ω_b, and one is detected every 20,000/ω_b.
CLICKS = 1.1e5
HALF = {name: tj.Detector(0.5, 2e-6) for name in ("photon", "phonon", "magnon", "atom")}
HALF_DEAD = HALF | {"photon": tj.Detector(0.5, 2e-6, dead_time=400.0)}


def changed(detectors: Detectors, channel: str, **values: float) -> Detectors:
    """Return detectors of which one is believed to be another."""
    return detectors | {channel: replace(detectors[channel], **values)}


def false_alarms(detectors: Detectors) -> dict[str, object]:
    """Validate many right records of a pair source."""
    system, p_values, lowest, clicks = PairSource(coupling=0.2, levels=3).system(), [], [], []
    for seed in range(RECORDS):
        seen = an.apply_detectors(watch(system, 40, 600.0, seed=1000 + seed), detectors, seed=seed)
        found = an.validate(seen, system, window=3.0, detectors=detectors, significance=LEVEL)
        p_values.append({test.name: test.p_value for test in found.tests})
        lowest.append(min(test.adjusted for test in found.tests))
        clicks.append(len(seen))
    uniform = {
        name: stats.kstest([p[name] for p in p_values if name in p], "uniform").pvalue
        for name in p_values[0]
        if sum(name in p for p in p_values) > RECORDS // 2
    }
    worst = min(uniform, key=lambda name: uniform[name])
    print({name: round(float(p), 4) for name, p in uniform.items()}, flush=True)
    return {
        "records": RECORDS,
        "clicks": int(np.mean(clicks)),
        "level": LEVEL,
        "rejected": int(np.sum(np.array(lowest) < LEVEL)),
        "lowest": f"{min(lowest):.3g}",
        "by": worst,
        "uniform": f"{uniform[worst] * len(uniform):.3g}",
    }


def verdict(detectors: Detectors, believed: Detectors) -> dict[str, object]:
    """Validate one record of the paper's system."""
    system = tj.SpinningResonator(direction="left", detuning=1.341).system(levels=(4, 4, 4))
    steady = steady_state(system)
    rate = sum(tj.lindblad.rates(steady, detectors)[name].value for name in detectors)
    record = watch(system, 250, CLICKS / rate / 250, seed=7, initial=steady.rho)
    seen = replace(an.apply_detectors(record, detectors, seed=1), provenance={})
    found = an.validate(seen, system, detectors=believed, initial="steady", significance=0.01)
    print(found, flush=True)
    first = min(found.tests, key=lambda test: test.adjusted)
    return {
        "records": 1,
        "clicks": len(seen),
        "level": 0.01,
        "rejected": int(not found.accepted),
        "lowest": f"{first.adjusted:.3g}",
        "by": first.name,
        "uniform": "",
    }


ROWS = (
    ("pair source", "lossy and dark", "the same", lambda: false_alarms(LOSSY)),
    ("pair source", "with dead time", "the same", lambda: false_alarms(DEAD)),
    ("N = 128", "lossy and dark", "the same", lambda: verdict(HALF, HALF)),
    ("N = 128", "lossy and dark", "photon's η 5 % too large",
     lambda: verdict(HALF, changed(HALF, "photon", efficiency=0.525))),
    ("N = 128", "lossy and dark", "magnon's dark rate forgotten",
     lambda: verdict(HALF, changed(HALF, "magnon", dark_rate=0.0))),
    ("N = 128", "with dead time", "the same", lambda: verdict(HALF_DEAD, HALF_DEAD)),
    ("N = 128", "with dead time", "photon's dead time forgotten",
     lambda: verdict(HALF_DEAD, changed(HALF_DEAD, "photon", dead_time=0.0))),
    ("N = 128", "with dead time", "photon's η 5 % too small",
     lambda: verdict(HALF_DEAD, changed(HALF_DEAD, "photon", efficiency=0.475))),
)  # fmt: skip


def main() -> None:
    """Compute rows, and write them into the table."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "--row", type=int, action="append", choices=range(len(ROWS)), help="which; all if not given"
    )
    chosen = options.parse_args().row or range(len(ROWS))
    warnings.simplefilter("ignore")
    known: dict[tuple[str, ...], dict[str, object]] = {}
    if TABLE.exists():
        with TABLE.open(encoding="utf-8") as lines:
            rows = csv.DictReader(line for line in lines if not line.startswith("#"))
            known = {tuple(row[column] for column in COLUMNS[:3]): dict(row) for row in rows}
    for number in chosen:
        *key, compute = ROWS[number]
        began = time.process_time()
        known[tuple(key)] = dict(zip(COLUMNS[:3], key, strict=True)) | compute()
        print(known[tuple(key)], f"{time.process_time() - began:.0f} s", file=sys.stderr, flush=True)
        with TABLE.open("w", encoding="utf-8", newline="\n") as file:
            file.write(HEAD)
            table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
            table.writeheader()
            table.writerows(known[tuple(row[:3])] for row in ROWS if tuple(row[:3]) in known)


if __name__ == "__main__":
    main()
