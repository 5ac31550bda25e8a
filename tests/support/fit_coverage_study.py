"""How often the 95 % intervals of fits with a lossy, dark detector cover the truth; writes the table of the tests.

Run: nice .venv/bin/python tests/support/fit_coverage_study.py (about two minutes on one core)
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from click_systems import driven_atom, watch
from scipy import stats

import trajectories as tj
from trajectories import analysis as an

GROUND = [1.0, 0.0]
RECORDS, TRAJECTORIES, DURATION = 200, 300, 80.0
TRUTH = {"rabi": 1.5, "atom.efficiency": 0.3, "atom.dark_rate": 0.01}
TABLE = Path(__file__).parents[1] / "statistics" / "fit_coverage_study.csv"


def family(rabi: float) -> tj.OpenSystem:
    """Return the atom that is fitted."""
    return driven_atom(rabi, 1.0)


def main() -> None:
    """Fit all records and write the table."""
    detectors = {"atom": tj.Detector(TRUTH["atom.efficiency"], TRUTH["atom.dark_rate"])}
    system = driven_atom(TRUTH["rabi"], 1.0)
    scores, ratios, at_end = [], [], 0
    for number in range(RECORDS):
        clicks = watch(system, TRAJECTORIES, DURATION, seed=50_000 + number, initial=GROUND)
        record = an.apply_detectors(clicks, detectors, seed=number)
        try:
            found = an.fit(record, family, TRUTH, initial=GROUND, profile=False)
        except tj.errors.ConvergenceError as error:  # a dark rate of 0 fits best
            print(number, error, file=sys.stderr)
            at_end += 1
            continue
        scores.append((found.values - list(TRUTH.values())) / found.standard_errors)
        ratios.append(found.standard_errors / found.bounds)
    deviations, far = np.array(scores), stats.norm.ppf(0.975)
    rows = ["parameter,records,covered,mean deviation,spread,error over bound"]
    for i, name in enumerate(TRUTH):
        one = deviations[:, i]
        covered = int((np.abs(one) < far).sum())
        ratio = float(np.mean([r[i] for r in ratios]))
        rows.append(f"{name},{len(one)},{covered},{one.mean():.3f},{one.std():.3f},{ratio:.3f}")
    head = f"# {RECORDS} records of {TRAJECTORIES} × {DURATION:g}, {at_end} with a dark rate of 0; {TRUTH}\n"
    head += "# nice .venv/bin/python tests/support/fit_coverage_study.py\n"
    TABLE.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
