"""The reduced model beside propagation of the whole space: every statistic, its error and the error stated.

OMP_NUM_THREADS=1 python tests/support/reduced_study.py [--finer] [--references DIR] [--cases NAME …]

Writes the table tests/lindblad/reduced_study.csv, one row a statistic of a case; rows of cases that are not asked
for stay. What propagation found is kept in DIR if given. Processor time: 7 s a case at N = 54 and as much for the
reference, some minutes at N = 160 and N = 250.

With `--finer` what `with_solver(accuracy=1e-8)` gives stands beside another way: modes and their pairs, at N = 54
all of them, at N = 128 some 3,700, where orders and sizes of bundles state 4e-7; or propagation, where pairs are
what is chosen. The table is tests/lindblad/finer_study.csv. A minute and a half a case at N = 54, five at N = 128.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trajectories import OpenSystem, SpinningResonator, lindblad
from trajectories.detectors import Detector
from trajectories.lindblad import levels
from trajectories.lindblad.answers import Answer, scale_of
from trajectories.lindblad.solver import PROPAGATED, solver_of

TABLE = Path(__file__).resolve().parents[1] / "lindblad" / "reduced_study.csv"
HEAD = (
    "case",
    "levels",
    "detuning",
    "direction",
    "kappa",
    "detectors",
    "statistic",
    "way",
    "error",
    "stated",
    "ratio",
)
FINER = TABLE.with_name("finer_study.csv")
FINER_HEAD = (*HEAD[:7], "way", "beside", "difference", "stated", "beside stated", "ratio")
# Cases whose two ways are compared at the least accuracy that may be asked for.
FINER_CASES = ("54-1.3406-left-0.005", "54-1.3406-right-0.005", "54-1.3984-right-0.005", "128")
FINEST = 1e-8
# Larger cores than the solver makes: the pairs of N = 128 that state 1e-8.
LARGEST = 4000
Arrays = Mapping[str, NDArray[np.float64]]
LOSSY = {"photon": Detector(efficiency=0.6, dark_rate=1e-6), "magnon": Detector(efficiency=0.8)}
EMITTED = ("photon", "phonon", "magnon")


def answers(
    steady: lindblad.SteadyState, detectors: Mapping[str, Detector] | None = None
) -> tuple[dict[str, NDArray[np.float64]], dict[str, Answer]]:
    """Return every statistic of the paper's channels, by name, and the answers that state their errors."""
    delta = 3.0 / 0.005
    edges = delta * np.array([-1.0, -0.2, -0.01, 0.0, 0.01, 0.2, 1.0])
    found: dict[str, NDArray[np.float64]] = {}
    stated: dict[str, Answer] = {}

    def take(name: str, value: object) -> None:
        found[name] = np.asarray(value, dtype=float)
        stated[name] = solver_of(steady).answers[-1]

    curves = lindblad.g2_matrix(steady, edges, detectors)
    take("g2", [curve.value for curve in curves.values()])
    take("fano", [e.value for e in lindblad.fano(steady, [0.2 * delta, 5 * delta], EMITTED, detectors)])
    orders = lindblad.order_rates(steady, delta, EMITTED, 2, detectors)
    take("orders", [e.value for e in orders.values()])
    take("purity", [e.value for e in lindblad.purity(steady, 2, [0.3 * delta, delta], EMITTED, detectors)])
    sizes = lindblad.cluster_rates(steady, delta, EMITTED, 4, detectors)
    take("sizes", [e.value for e in sizes])
    lags = lindblad.lag_histogram(steady, "photon", "magnon", edges, delta, EMITTED, detectors)
    take("lags", lags.value)
    stated["lags"] = replace(stated["lags"], error=lags.numerical_error)
    kind = "photon+magnon"
    bins = delta * np.array([1.0, 1.5, 2.5, 6.0])
    take("clusters", lindblad.cluster_g2(steady, kind, kind, bins, delta, EMITTED, detectors).value)
    take("herald", lindblad.heralding_efficiency(steady, "photon", "magnon", delta, detectors).value)
    next_click = lindblad.next_click_probabilities(steady, "photon", EMITTED, detectors)
    take("next", [e.value for e in next_click.values()])
    waits = lindblad.waiting_times(steady, "photon", "magnon", delta * np.geomspace(0.01, 10, 7), None, detectors)
    take("waits", waits.value)
    take("silence", lindblad.no_click_probability(steady, "photon", [delta, 10 * delta], detectors))
    take("cumulants", lindblad.cumulants(steady, EMITTED, 3, detectors))
    return found, stated


# The reference's own error: 1e-9 of its start, which small values of a curve see enlarged.
REFERENCE = 5e-8


def compared(
    system: OpenSystem, detectors: Mapping[str, Detector] | None = None, reference: Arrays | None = None
) -> list[tuple[str, str, float, float, float]]:
    """Compare every statistic with propagation, or with what it gave before.

    Returns for each statistic its name; the way; the largest relative error; the largest error stated; and the
    largest ratio of an error to that stated for the same value, with the reference's own on top.
    """
    steady = lindblad.steady_state(system)
    if reference is None:
        reference, _ = answers(steady.with_solver("propagation"), detectors)
    found, stated = answers(steady.with_solver("reduced"), detectors)
    rows = []
    for name, value in found.items():
        right = np.asarray(reference[name])
        error = np.reshape(stated[name].error, value.shape)
        scale, off = scale_of(right), np.abs(value - right)
        ratio = float((off / (error + REFERENCE * scale)).max())
        rows.append((name, way_of(stated[name]), float((off / scale).max()), float((error / scale).max()), ratio))
    return rows


def way_of(answer: Answer) -> str:
    """Return how an answer was computed."""
    return answer.method.removeprefix("exact, ").rsplit(",", 1)[0]


def compared_finer(
    system: OpenSystem, detectors: Mapping[str, Detector] | None, reference: Callable[[], Arrays]
) -> list[tuple[str, str, str, float, float, float, float]]:
    """Compare every statistic at an accuracy of 1e-8 by the way that is chosen and by another one.

    That is modes and their pairs; where these are chosen, propagation of the whole space.

    Returns for each statistic its name; both ways; the largest relative difference; the largest error that each
    states; and the largest ratio of a difference to both errors together.
    """
    steady = lindblad.steady_state(system)
    limits = levels.LARGEST_CORE, levels.LARGEST_FINER
    chosen, stated = answers(steady.with_solver(accuracy=FINEST), detectors)
    levels.LARGEST_CORE = levels.LARGEST_FINER = LARGEST
    try:
        others, beside = answers(steady.with_solver("reduced", FINEST), detectors)
    finally:
        levels.LARGEST_CORE, levels.LARGEST_FINER = limits
    rows = []
    for name, value in chosen.items():
        scale, way, other = scale_of(value), way_of(stated[name]), way_of(beside[name])
        error, found = np.reshape(beside[name].error, value.shape), others[name]
        if other == way:
            found, error = reference()[name], PROPAGATED * scale
            other = f"propagation of {system.dimension} dimensions"
        off, errors = np.abs(found - value), [np.reshape(stated[name].error, value.shape), error]
        ratio = float((off / sum(errors)).max())
        rows.append((name, way, other, *(float((part / scale).max()) for part in (off, *errors)), ratio))
    return rows


def cases() -> dict[str, tuple[tuple[int, int, int], float, str, float, bool]]:
    """Return levels, Δ_ad, direction, κ and whether there are losses, by name."""
    found = {}
    for kappa in (1e-3, 5e-3, 2e-2):
        for direction in ("left", "right"):
            for detuning in (1.3406, 1.3984, 1.3695):
                found[f"54-{detuning}-{direction}-{kappa:g}"] = ((3, 3, 3), detuning, direction, kappa, False)
    found["54-lossy-left"] = ((3, 3, 3), 1.3406, "left", 5e-3, True)
    found["54-lossy-right"] = ((3, 3, 3), 1.3695, "right", 5e-3, True)
    found["128"] = ((4, 4, 4), 1.3406, "left", 5e-3, False)
    found["160"] = ((5, 4, 4), 1.3406, "left", 5e-3, False)
    found["250"] = ((5, 5, 5), 1.3406, "left", 5e-3, False)
    return found


def reference_of(name: str, system: OpenSystem, lossy: bool, folder: Path | None) -> Arrays:
    """Return what propagation finds, from the folder where it is there."""
    path = None if folder is None else folder / f"{name}.npz"
    if path is not None and path.exists():
        with np.load(path) as arrays:
            return dict(arrays)
    steady = lindblad.steady_state(system).with_solver("propagation")
    found, _ = answers(steady, LOSSY if lossy else None)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, **found)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--references", type=Path, metavar="DIR", help="keep what propagation found here")
    parser.add_argument("--cases", nargs="+", choices=cases(), metavar="NAME")
    parser.add_argument("--only-references", action="store_true", help="propagate, and compare nothing")
    parser.add_argument("--finer", action="store_true", help="compare two ways at an accuracy of 1e-8")
    options = parser.parse_args()
    worst = 0.0
    asked = options.cases or (FINER_CASES if options.finer else list(cases()))
    for name in asked:
        fock, detuning, direction, kappa, lossy = cases()[name]
        resonator = SpinningResonator(direction=direction, detuning=detuning, kappa=kappa)
        system, detectors = resonator.system(levels=fock), LOSSY if lossy else None
        print(name, flush=True)
        if options.finer:
            again = partial(reference_of, name, system, lossy, options.references)
            found = compared_finer(system, detectors, again)
        else:
            reference = reference_of(name, system, lossy, options.references)
            if options.only_references:
                continue
            found = compared(system, detectors, reference)
        seen = "lossy" if lossy else "ideal"
        head = (name, ",".join(map(str, fock)), f"{detuning:g}", direction, f"{kappa:g}", seen)
        rows = [(*head, *(part if isinstance(part, str) else f"{part:.2g}" for part in row)) for row in found]
        merge(name, rows, *((FINER, FINER_HEAD) if options.finer else (TABLE, HEAD)))
        worst = max(worst, *(float(row[-1]) for row in rows))
    print(f"largest ratio of an error to what is stated: {worst:.2g}")


def merge(name: str, rows: list[tuple[str, ...]], table: Path, head: tuple[str, ...]) -> None:
    """Put the rows of a case into a table; those of other cases stay."""
    kept: list[tuple[str, ...]] = []
    if table.exists():
        with table.open(newline="") as stream:
            kept = [tuple(row) for row in csv.reader(stream)][1:]
    order = list(cases())
    rows = sorted([*(row for row in kept if row[0] != name), *rows], key=lambda row: order.index(row[0]))
    with table.open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([head, *rows])


if __name__ == "__main__":
    main()
