"""How often `validate` rejects correct records, and whether it rejects wrong ones: 2,000 records of forty systems.

OMP_NUM_THREADS=1 python tests/support/false_alarm_study.py [--systems NAME …] [--share 1.0] [--table FILE]

Every system gives 25 records of 1e3 clicks, 20 of 1e4 and 5 of 1e5, or a share of these, whose exact values are
computed once a size; some give one of 1e6 in place of one of 1e3. Each gives one record of 1e5 clicks with each
fault of `false_alarm_systems.FAULTS`, and one of which 2 % of the clicks are lost. Writes the table
tests/statistics/false_alarm_study.csv, one row for every system and kind of record, after each system; rows of
systems that are not asked for are kept. On one core it takes about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import csv
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from false_alarm_systems import FAULTS, Case, cases

import trajectories as tj
from trajectories import analysis, lindblad
from trajectories.analysis.inference.exact_setting import Comparisons, setting_of
from trajectories.analysis.inference.exact_tests import compare_curves, compare_rates
from trajectories.analysis.inference.replay import replay
from trajectories.analysis.inference.validation import filter_tests
from trajectories.analysis.inference.validation_results import SIGNIFICANCE
from trajectories.analysis.statistics.goodness_of_fit import holm
from trajectories.engine.compiled import CompiledSystem, compile_system
from trajectories.errors import InvalidInput, TruncationWarning

TABLE = Path(__file__).resolve().parents[1] / "statistics" / "false_alarm_study.csv"
SIZES = (1e3, 1e4, 1e5, 1e6)
RECORDS = (25, 20, 5, 0)
WITH_A_LARGE_ONE = (24, 20, 5, 1)
LARGE = {
    *("weak atom", "weaker atom, two ports", "atom at 0.03", "strong atom", "detuned atom, two ports"),
    *("near-dark Λ atom", "driven cavity, 4 photons", "displaced atom", "thermal light, 0.3", "ladder of 6"),
    *("bursts of 12", "random, 4 channels", "two atoms"),
}
CORRECT = "correct"
LOST = "2 % of the clicks lost"
FAULTY_CLICKS = 1e5


@dataclass(frozen=True)
class Verdict:
    """What a validation concluded, and the test with the smallest p-value."""

    tests: int
    smallest: float
    adjusted: float
    worst: str

    @property
    def rejected(self) -> bool:
        return self.adjusted < SIGNIFICANCE


class Judge:
    """`validate`, with what it computes of a system and of a size of record computed once."""

    def __init__(self, case: Case) -> None:
        self.case, self.steady = case, lindblad.steady_state(case.system)
        self.rate = sum(e.value for e in lindblad.rates(self.steady, case.detectors).values())
        self._compiled: CompiledSystem = compile_system(case.system, self.steady.rho)
        self._made: dict[tuple[int, float], list[Comparisons]] = {}

    def verdict(self, record: tj.ClickRecord) -> Verdict:
        """Return what `validate` finds."""
        size = (record.n_trajectories, float(record.stop[0]))
        if size not in self._made:
            setting = setting_of(record, self.steady, self.case.detectors, self.case.window, None)
            self._made[size] = [compare_rates(setting), compare_curves(setting)]
        found = {name: test(record) for made in self._made[size] for name, test in made.tests.items()}
        p_values = {name: result.p_value for name, result in found.items() if np.isfinite(result.p_value)}
        p_values |= {name: result.p_value for name, result in self._filter(record).items()}
        names, adjusted = list(p_values), holm(list(p_values.values()))
        worst = int(np.argmin(adjusted))
        return Verdict(len(names), min(p_values.values()), float(adjusted[worst]), names[worst])

    def _filter(self, record: tj.ClickRecord) -> dict[str, Any]:
        ideal, state = None if self.case.detectors else self._compiled, self.steady.rho
        try:
            replayed = replay(record, self.case.system, state, detectors=self.case.detectors, compiled=ideal)
        except InvalidInput:  # loss or dark counts in a large system
            return {}
        return filter_tests(replayed)

    def records(
        self, clicks: float, count: int, seed: int, system: tj.OpenSystem | None = None
    ) -> Iterator[tj.ClickRecord]:
        """Yield records of so many clicks each, of this system or of another in its place."""
        size, start = self.case.trajectories, self.steady.rho
        made = self.case.system if system is None else system
        initial = start if system is None else lindblad.steady_state(made).rho
        duration = clicks / self.rate / size
        # Waits of a million lifetimes are predicted to a few 1e-10, of which no test here would know.
        options = {"initial": initial, "tolerance": 1e-8, "workers": 1, "progress": False}
        whole = tj.simulate(made, size * count, duration, seed=seed, **options)
        if self.case.detectors:
            whole = analysis.apply_detectors(whole, self.case.detectors, seed=seed)
        for first in range(0, size * count, size):
            low, high = whole.offsets[first], whole.offsets[first + size]
            yield tj.ClickRecord.from_arrays(
                whole.trajectory[low:high] - first,
                whole.time[low:high],
                whole.channel[low:high],
                channel_names=whole.channel_names,
                start=whole.start[first : first + size],
                stop=whole.stop[first : first + size],
            )


def thinned(record: tj.ClickRecord, share: float, seed: int) -> tj.ClickRecord:
    """Return a record of which a share of the clicks is lost."""
    kept = np.random.default_rng(seed).random(len(record)) >= share
    return tj.ClickRecord.from_arrays(
        record.trajectory[kept],
        record.time[kept],
        record.channel[kept],
        channel_names=record.channel_names,
        start=record.start,
        stop=record.stop,
    )


def numbers_of_records(name: str) -> dict[float, int]:
    """Return how many records of each size a system gives: 50 in all."""
    numbers = WITH_A_LARGE_ONE if name in LARGE else RECORDS
    return {size: number for size, number in zip(SIZES, numbers, strict=True) if number}


def seed_of(*words: object) -> int:
    """Return a seed that depends on nothing but words."""
    return zlib.crc32(" ".join(map(str, words)).encode())


def study(name: str, share: float = 1.0) -> list[dict[str, Any]]:
    """Return one row for every kind of record of a system."""
    case, rows = cases()[name], []
    judge = Judge(case)
    for clicks, count in numbers_of_records(name).items():
        number = round(share * count)
        if number:
            records = judge.records(clicks, number, seed_of(name, clicks))
            rows.append(row(name, case, CORRECT, clicks, [judge.verdict(record) for record in records]))
    for fault, plant in FAULTS.items():
        if fault not in case.hidden:
            [record] = judge.records(FAULTY_CLICKS, 1, seed_of(name, fault), plant(case.system))
            rows.append(row(name, case, fault, FAULTY_CLICKS, [judge.verdict(record)]))
    [record] = judge.records(FAULTY_CLICKS, 1, seed_of(name, LOST))
    if LOST not in case.hidden:
        lost = thinned(record, 0.02, seed_of(name))
        rows.append(row(name, case, LOST, FAULTY_CLICKS, [judge.verdict(lost)]))
    return rows


def row(name: str, case: Case, kind: str, clicks: float, verdicts: list[Verdict]) -> dict[str, Any]:
    worst = min(verdicts, key=lambda verdict: verdict.adjusted)
    return {
        "system": name,
        "dimension": case.system.dimension,
        "channels": len(case.system.channels),
        "records": kind,
        "clicks": f"{clicks:g}",
        "number": len(verdicts),
        "tests": max(verdict.tests for verdict in verdicts),
        "rejected": sum(verdict.rejected for verdict in verdicts),
        "smallest p": f"{worst.smallest:.2g}",
        "after Holm": f"{worst.adjusted:.2g}",
        "of the test": worst.worst,
    }


def main() -> None:
    """Run the study, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--systems", nargs="+", choices=cases(), default=list(cases()), metavar="NAME")
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--table", type=Path, default=TABLE)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if options.table.exists():
        with options.table.open(encoding="utf-8") as file:
            rows = [entry for entry in csv.DictReader(file) if entry["system"] not in options.systems]
    for name in options.systems:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TruncationWarning)
            made = study(name, options.share)
        rows += made
        for entry in made:
            print("  ".join(f"{key}={value}" for key, value in entry.items()), flush=True)
        rows.sort(key=lambda entry: list(cases()).index(entry["system"]))
        with options.table.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0], lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    correct = [entry for entry in rows if entry["records"] == CORRECT]
    wrong = [entry for entry in rows if entry["records"] != CORRECT]
    print(
        f"correct: {sum(int(r['rejected']) for r in correct)} of {sum(int(r['number']) for r in correct)} rejected"
    )
    print(f"wrong: {sum(int(r['rejected']) for r in wrong)} of {len(wrong)} rejected")


if __name__ == "__main__":
    main()
