"""Coverage of 95 % intervals over 400 independent records of simulated systems.

OMP_NUM_THREADS=1 python tests/support/coverage_study.py [--runs DIR] [--workers 2] [--systems NAME …]

Writes the table tests/statistics/coverage_study.csv, one row a quantity. Coverage is counted over the records that
state an error; how many state none, because a few groups carry the spread, is a column of its own. Run folders are
kept in DIR if given, and an interrupted study continues there; it takes about ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import csv
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from coverage_checks import RECORDS, covers, limits

import trajectories as tj
from trajectories import analysis, lindblad
from trajectories.errors import TruncationWarning

TABLE = Path(__file__).resolve().parents[1] / "statistics" / "coverage_study.csv"
TRAJECTORIES = 100  # of each record
RECORDS_PER_RUN = 40


@dataclass(frozen=True)
class Case:
    """A system, how long it is watched, and which of its quantities are estimated.

    `pair` are the two channels whose correlations are taken, `channels` those that form bundles and are counted.
    Lags, windows and durations are in the system's unit of time.
    """

    truncation: str
    system: Callable[[], tj.OpenSystem]
    duration: float
    seed: int
    pair: tuple[str, str]
    channels: tuple[str, ...]
    lags: tuple[float, ...]
    windows: tuple[float, ...]
    counting: tuple[float, ...]


def fluorescence() -> tj.OpenSystem:
    """A two-level atom driven on resonance, Ω = 1, whose light of γ = 0.3 falls on two detectors."""
    space = tj.HilbertSpace(atom=2)
    sigma = space.lower("atom")
    ports = {"left": 0.18, "right": 0.12}
    channels = [tj.Channel(name, np.sqrt(rate) * sigma) for name, rate in ports.items()]
    return tj.OpenSystem(0.5 * (sigma + sigma.T), channels, space)


def thermal_light() -> tj.OpenSystem:
    """A cavity of κ = 1 in a bath of mean occupation 1/2, with two ports and absorption."""
    space = tj.HilbertSpace(cavity=14)
    lower, occupation = space.lower("cavity"), 0.5
    ports = {"left": 0.6, "right": 0.4}
    channels = [tj.Channel(name, np.sqrt(kappa * (occupation + 1)) * lower) for name, kappa in ports.items()]
    channels.append(tj.Channel("absorption", np.sqrt(occupation) * lower.T))
    return tj.OpenSystem(space.number("cavity"), channels, space)


def blue_regime() -> tj.OpenSystem:
    """The paper's photon–magnon pairs at the truncation (4, 3, 3)."""
    return tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=(4, 3, 3))


CASES = {
    "resonance fluorescence": Case(
        truncation="atom 2",
        system=fluorescence,
        duration=1460.0,
        seed=501,
        pair=("left", "right"),
        channels=("left", "right"),
        lags=(-10.0, -6.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 10.0),
        windows=(2.0, 5.0),
        counting=(2.0, 20.0, 200.0),
    ),
    "thermal light": Case(
        truncation="cavity 14",
        system=thermal_light,
        duration=290.0,
        seed=502,
        pair=("left", "right"),
        channels=("left", "right"),
        lags=(-3.0, -1.5, -0.6, -0.2, 0.0, 0.2, 0.6, 1.5, 3.0),
        windows=(0.2, 0.6),
        counting=(0.5, 5.0, 50.0),
    ),
    "blue regime": Case(
        truncation="photon 4 phonon 3 magnon 3 atom 2",
        system=blue_regime,
        duration=4.2e5,
        seed=503,
        pair=("photon", "magnon"),
        channels=("photon", "phonon", "magnon"),
        lags=(-3000.0, -1000.0, -300.0, -100.0, 0.0, 100.0, 300.0, 1000.0, 3000.0),
        windows=(300.0, 600.0),
        counting=(1e3, 1e4, 1e5),
    ),
}


def quantities(room: ModuleType, subject: Any, case: Case) -> dict[str, tuple[float, float, float]]:
    """Return value, error and number of events of every quantity, by name.

    `room` is `analysis` with a record or `lindblad` with a steady state: their functions have the same names.
    """
    first, second = case.pair
    window = case.windows[-1]
    found = {f"rate {name}": e for name, e in room.rates(subject).items()}
    for n in (1, 2):
        estimates = room.purity(subject, n, case.windows, case.channels)
        found |= {f"purity {n} δ={w:g}": e for w, e in zip(case.windows, estimates, strict=True)}
    found[f"pair purity δ={window:g}"] = room.pair_purity(subject, *case.pair, window, case.channels)
    found[f"order fraction δ={window:g}"] = room.order_fraction(subject, *case.pair, window, case.channels)
    estimates = room.fano(subject, case.counting, case.channels)
    found |= {f"Fano T={t:g}": e for t, e in zip(case.counting, estimates, strict=True)}
    rows = {name: (e.value, e.standard_error, float(e.n)) for name, e in found.items()}
    zero = case.lags.index(0.0)
    for one, other, lags in ((first, second, case.lags), (first, first, case.lags[zero:])):
        g2 = room.g2(subject, one, other, lags)
        columns = zip(lags[:-1], lags[1:], g2.value, g2.standard_error, g2.counts, strict=True)
        rows |= {f"g2 {one} {other} [{low:g}, {high:g}]": tuple(map(float, x)) for low, high, *x in columns}
    return rows


def records(case: Case, folder: Path | None, workers: int) -> Iterator[tj.ClickRecord]:
    """Yield the independent records of a case, cut from a few large runs."""
    for run in range(RECORDS // RECORDS_PER_RUN):
        whole = tj.simulate(
            case.system(),
            RECORDS_PER_RUN * TRAJECTORIES,
            case.duration,
            seed=1000 * case.seed + run,
            workers=workers,
            out=None if folder is None else folder / f"{case.seed}-{run}",
            progress=False,
        )
        for k in range(RECORDS_PER_RUN):
            rows = slice(k * TRAJECTORIES, (k + 1) * TRAJECTORIES)
            clicks = slice(whole.offsets[rows.start], whole.offsets[rows.stop])
            yield tj.ClickRecord.from_arrays(
                whole.trajectory[clicks] - rows.start,
                whole.time[clicks],
                whole.channel[clicks],
                channel_names=whole.channel_names,
                start=whole.start[rows],
                stop=whole.stop[rows],
                provenance=whole.provenance,
            )


def study(name: str, folder: Path | None, workers: int) -> list[dict[str, Any]]:
    """Return one row for each quantity of a case: exact value, mean estimate and error, and coverage."""
    case = CASES[name]
    with warnings.catch_warnings():
        # The blue regime is taken at a truncation that is stated, not converged; so is its exact value.
        warnings.simplefilter("ignore", TruncationWarning)
        exact = quantities(lindblad, lindblad.steady_state(case.system()), case)
        found = [(len(record), quantities(analysis, record, case)) for record in records(case, folder, workers)]
    truth = np.array([exact[quantity][0] for quantity in exact])
    table = np.array([[estimates[quantity] for quantity in exact] for _, estimates in found])
    value, error, events = np.moveaxis(table, 2, 0)
    # An error that rests on fewer than five effective groups is not stated; such an estimate gives no interval.
    stated, spread = np.isfinite(error), value.std(axis=0, ddof=1)
    share = covers(value, error, truth).sum(axis=0) / stated.sum(axis=0)
    return [
        {
            "system": name,
            "truncation": case.truncation,
            "records": len(table),
            "fewest clicks": min(clicks for clicks, _ in found),
            "quantity": quantity,
            "exact": f"{truth[k]:.6g}",
            "events": f"{events[:, k].mean():.0f}",
            "bias/spread": f"{(value[:, k].mean() - truth[k]) / spread[k]:.3f}",
            "error/spread": f"{np.nanmean(error[:, k]) / spread[k]:.3f}",
            "no error": int((~stated[:, k]).sum()),
            "coverage": f"{share[k]:.4f}",
        }
        for k, quantity in enumerate(exact)
    ]


def main() -> None:
    """Run the study, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--systems", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--table", type=Path, default=TABLE)
    options = parser.parse_args()
    rows = [row for name in options.systems for row in study(name, options.runs, options.workers)]
    with options.table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    share = np.array([float(row["coverage"]) for row in rows])
    for row in rows:
        print(f"{row['system']:24}{row['quantity']:36}{row['exact']:>12}{row['events']:>9}{row['coverage']:>9}")
    low, high = limits(len(rows))
    outside = int(((share < low) | (share > high)).sum())
    print(f"{len(rows)} quantities, limits {low:.4f} … {high:.4f}: {outside} outside; mean {share.mean():.4f}")


if __name__ == "__main__":
    main()
