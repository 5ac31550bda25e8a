"""Three small cases whose numbers are stored: the paper's system, a lossy record of it, and a streamed run.

`python tests/support/stored_cases.py` prints the numbers of the code that is installed as JSON.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import trajectories as tj
from trajectories import analysis as an
from trajectories.detectors import Detector

EDGES = np.linspace(-600.0, 600.0, 9)
FIRST = 8  # clicks that are stored one by one


def digest(record: Any) -> str:
    """Return a digest of every bit of the clicks."""
    state = hashlib.sha256()
    for column in (record.trajectory, record.time, record.channel, record.start, record.stop):
        state.update(np.ascontiguousarray(column, dtype="<f8").tobytes())
    return state.hexdigest()


def clicks_of(record: Any) -> dict[str, Any]:
    """Return what is stored of a record: its size, its first clicks and a digest of all."""
    return {
        "clicks": len(record),
        "digest": digest(record),
        "time": record.time[:FIRST].tolist(),
        "channel": record.channel[:FIRST].tolist(),
    }


def estimates_of(record: Any) -> dict[str, list[float]]:
    """Return values and errors of one estimator of every kind."""
    correlation = an.g2(record, "photon", "magnon", EDGES)
    waits = an.waiting_times(record, "photon", "magnon", [0.0, 200.0, 1000.0, 5000.0])
    single = {
        "rates": list(an.rates(record).values()),
        "purity": list(an.purity(record, 2, [100.0, 600.0])),
        "order": [an.order_fraction(record, "photon", "magnon")],
        "fano": list(an.fano(record, [500.0, 5000.0], ["photon"])),
    }
    numbers = {"g2": [*correlation.value, *correlation.standard_error], "waits": [*waits.value]}
    for name, estimates in single.items():
        numbers[name] = [x for e in estimates for x in (e.value, e.standard_error)]
    return {name: [float(x) for x in values] for name, values in numbers.items()}


def stored_cases() -> dict[str, Any]:
    """Return the numbers of all three cases."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # so small a truncation is warned about
        system = tj.SpinningResonator(direction="left", detuning=1.341).system(levels=(3, 2, 3))
        record = tj.simulate(system, 40, 2e4, seed=7, progress=False, workers=1)
        detectors = {
            "photon": Detector(efficiency=0.6, dark_rate=1e-4, dead_time=5.0, jitter=0.5),
            "magnon": Detector(efficiency=0.8),
        }
        lossy = an.apply_detectors(record, detectors, seed=3)
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            tj.simulate(system, 160, 1e4, seed=11, progress=False, workers=1, out=out)
            run = an.stream(tj.records.Run.open(out), memory=0)
            streamed = {"clicks": len(run), **estimates_of(run)}
    return {
        "paper": {**clicks_of(record), **estimates_of(record)},
        "lossy": {**clicks_of(lossy), **estimates_of(lossy)},
        "streamed": streamed,
    }


if __name__ == "__main__":
    from trajectories.simulation.preparation import software

    print(json.dumps({"software": software(), **stored_cases()}, indent=1))
