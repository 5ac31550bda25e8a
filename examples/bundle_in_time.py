"""A bundle in time: its two clicks, their order and lag, and what the state does before, between and after them.

    python examples/bundle_in_time.py --out runs/figures

Photon–magnon bundles of the blue regime, driven from the left. (a) One of them: populations of the state given
the record, with the clicks. (b) The average over all bundles: before the first click against the time to it,
between the two clicks against the share of the lag that has passed, after the second click against the time since.
The dressed ground state |000+⟩ leaks through the pair state |101−⟩, which never holds more than some per cent:
it decays faster than it is filled. The first click leaves one quantum, which lives for about 1/κ until
the second; then the atom is down, and must be pumped back before the next bundle. (c) The signed lag between the
clicks, with the exact density: which mode clicks first is random, because both leak at the same rate κ.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from figures import MODES, figure, options, panel, save, style, timed, write_table
from matplotlib.axes import Axes
from numpy.typing import NDArray

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.analysis.plot.style import BLACK, GREY

PAIR = ("photon", "magnon")
REACH = 400.0  # time shown before and after a bundle, in 1/ω_b; shorter than the window that parts bundles
POINTS = 16  # of each of the three stretches
CURVES = {
    "photon": {**MODES["photon"], "label": r"$\langle a^\dagger a\rangle$"},
    "magnon": {**MODES["magnon"], "label": r"$\langle m^\dagger m\rangle$"},
    "vacuum": {"color": GREY, "linestyle": "-", "label": "|000+⟩"},
    "pair": {"color": BLACK, "linestyle": "--", "label": "|101−⟩"},
}
Table = NDArray[np.float64]
Chosen = NDArray[np.bool_]
Watched = dict[str, object]


def emitter(quick: bool) -> tuple[tj.OpenSystem, dict[str, object]]:
    """Return the system, and the observables that are sampled along its trajectories."""
    levels = (5, 3, 4) if quick else (5, 4, 4)
    resonator = tj.SpinningResonator.regime("blue", levels=levels)
    system = resonator.system(levels=levels)
    space = resonator.space(levels)
    watched: dict[str, object] = {name: space.number(name) for name in PAIR}
    watched["vacuum"] = resonator.dressed_ket(space, 0, 0, 0, "+")
    watched["pair"] = resonator.dressed_ket(space, 1, 0, 1, "-")
    return system, watched


def sample_times(first: Table, second: Table) -> Table:
    """Return sample times of bundles, shape (bundles, 3, POINTS): before, between, after."""
    away = np.linspace(-REACH, 0.0, POINTS, endpoint=False)
    share = (np.arange(POINTS) + 0.5) / POINTS
    before = first[:, None] + away
    between = first[:, None] + share * (second - first)[:, None]
    after = second[:, None] - away[::-1] - away[-1] * 0.5
    return np.stack([before, between, after], axis=1)


def averaged(run: tj.Run, bundles: an.Bundles, chosen: Chosen, watched: Watched) -> Table:
    """Return populations averaged over the chosen bundles, shape (names, 3, POINTS), and their standard errors.

    Trajectories are independent: the error of the mean over bundles is the spread of sums over trajectories.
    """
    shape = (len(watched), 3, POINTS)
    sums, counts = [], []
    for trajectory in np.unique(bundles.trajectory[chosen]):
        mine = chosen & (bundles.trajectory == trajectory)
        times = sample_times(bundles.start[mine], bundles.stop[mine])
        order = np.argsort(times.ravel(), kind="stable")
        found = tj.follow(run.folder, int(trajectory), watched, times.ravel()[order])
        table = np.empty((len(watched), times.size))
        table[:, order] = list(found.values())
        sums.append(table.reshape(len(watched), *times.shape).sum(axis=1))
        counts.append(int(mine.sum()))
    total = sum(counts)
    mean = np.sum(sums, axis=0) / total
    deviations = np.array(sums) - np.array(counts)[:, None, None, None] * mean
    groups = len(sums)
    error = np.sqrt((deviations**2).sum(axis=0) * groups / max(groups - 1, 1)) / total
    return np.stack([mean.reshape(shape), error.reshape(shape)])


def one(run: tj.Run, bundles: an.Bundles, chosen: Chosen, watched: Watched) -> dict[str, Table]:
    """Return populations along the bundle whose lag is nearest to 1/κ, against the time since its first click."""
    wanted = np.flatnonzero(chosen)
    k = int(wanted[np.argmin(np.abs(bundles.length[wanted] - 200.0))])
    times = np.linspace(bundles.start[k] - REACH, bundles.stop[k] + REACH, 1500)
    found = tj.follow(run.folder, int(bundles.trajectory[k]), watched, times)
    return {"t": times - bundles.start[k], **found, "second": np.array([bundles.length[k]])}


def simulated(system: tj.OpenSystem, clicks: int, folder: Path) -> tj.Run:
    """Return a run of about so many clicks in trajectories of a million."""
    steady = lindblad.steady_state(system)
    total = clicks / sum(float(steady.rate(name)) for name in system.channel_names)
    trajectories = max(20, round(total / 1e6))
    tj.simulate(system, trajectories, total / trajectories, seed=12, out=folder / "run", progress=False)
    return tj.Run.open(folder / "run")


def draw_one(ax: Axes, single: dict[str, Table]) -> None:
    """Draw one bundle."""
    for name, look in CURVES.items():
        ax.plot(single["t"], single[name], linewidth=0.9, **look)
    for at, mark in ((0.0, "first click"), (float(single["second"][0]), "second")):
        ax.axvline(at, color=GREY, linewidth=0.8, linestyle=":")
        ax.text(at, 1.02, mark, ha="center", fontsize=7)
    ax.set_xlim(single["t"][0], single["t"][-1])
    ax.set_ylim(0.0, 1.0)
    ax.set_xlabel(r"time since the first click  ($1/\omega_b$)")
    ax.set_ylabel("population")


def draw_average(ax: Axes, table: Table) -> None:
    """Draw the average over bundles in three stretches."""
    away = np.linspace(-REACH, 0.0, POINTS, endpoint=False)
    share = (np.arange(POINTS) + 0.5) / POINTS
    places = [-1.0 + (away + REACH) / REACH, share, 1.0 + (-away[::-1] - 0.5 * away[-1]) / REACH]
    for row, look in enumerate(CURVES.values()):
        for stretch, x in enumerate(places):
            mean, error = table[0, row, stretch], table[1, row, stretch]
            known = {key: value for key, value in look.items() if key != "label"}
            ax.plot(x, mean, **known, label=look["label"] if stretch == 0 else None)
            ax.fill_between(x, mean - 2 * error, mean + 2 * error, color=look["color"], alpha=0.25, linewidth=0)
    for at in (0.0, 1.0):
        ax.axvline(at, color=GREY, linewidth=0.8, linestyle=":")
    ax.set_xlim(-1.0, 2.0)
    ax.set_ylim(0.0, 1.0)
    words = [f"−{REACH:g}", f"−{REACH / 2:g}", "first", "½", "second", f"{REACH / 2:g}", f"{REACH:g}"]
    ax.set_xticks([-1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0], words)
    ax.set_xlabel(r"time to the first click, share of the lag, time since the second  ($1/\omega_b$)")
    ax.set_ylabel("population")
    ax.legend(loc="upper right")


def draw_lags(ax: Axes, lags: tj.Histogram, exact: tj.Histogram) -> None:
    """Draw the density of the signed lag."""
    half = 2.0 * lags.standard_error
    ax.stairs(lags.value * 1e3, lags.edges, baseline=None, color=MODES["photon"]["color"], label="clicks, 2σ")
    ax.stairs((lags.value + half) * 1e3, lags.edges, baseline=(lags.value - half) * 1e3, fill=True, alpha=0.3)
    look = {"color": BLACK, "linestyle": "--", "linewidth": 0.9}
    ax.stairs(exact.value * 1e3, exact.edges, baseline=None, label="exact", **look)
    ax.axvline(0.0, color=GREY, linewidth=0.6)
    ax.set_ylim(bottom=0.0)
    ax.set_xlim(lags.edges[0], lags.edges[-1])
    ax.set_xlabel(r"$t$(magnon) − $t$(photon)  ($1/\omega_b$)")
    ax.set_ylabel(r"density  ($10^{-3}\,\omega_b$)")
    ax.text(0.03, 0.9, "magnon first", transform=ax.transAxes, fontsize=7)
    ax.text(0.97, 0.9, "photon first", transform=ax.transAxes, ha="right", fontsize=7)
    ax.legend(loc="lower center")


def main() -> None:
    """Simulate, follow and draw."""
    chosen: argparse.Namespace = options(__doc__ or "", clicks=650_000, quick_clicks=6_000)
    style()
    system, watched = emitter(chosen.quick)
    with timed(), tempfile.TemporaryDirectory() as folder:
        run = simulated(system, chosen.clicks, Path(folder))
        bundles = an.find_bundles(run.record(), channels=["photon", "phonon", "magnon"])
        pairs = bundles.of_kind(PAIR) & bundles.complete
        single, table = one(run, bundles, pairs, watched), averaged(run, bundles, pairs, watched)
        edges = np.linspace(-600.0, 600.0, 31)
        lags = an.lag_histogram(run, *PAIR, edges)
        exact = lindblad.lag_histogram(lindblad.steady_state(system), *PAIR, edges)
        first = an.order_fraction(run, *PAIR)
    drawn = figure(4.4)
    grid = drawn.add_gridspec(2, 2, width_ratios=[1.7, 1.0])
    one_ax, average_ax = drawn.add_subplot(grid[0, 0]), drawn.add_subplot(grid[1, 0])
    lag_ax = drawn.add_subplot(grid[:, 1])
    draw_one(one_ax, single)
    draw_average(average_ax, table)
    draw_lags(lag_ax, lags, exact)
    count = int(pairs.sum())
    panel(one_ax, "a", "one bundle", pad=12.0)
    panel(average_ax, "b", f"average of {count} bundles")
    panel(lag_ax, "c", f"photon first: {first}")
    save(drawn, chosen.out, "bundle_in_time")
    rows = [
        (name, stretch, k, *table[:, row, place, k])
        for row, name in enumerate(CURVES)
        for place, stretch in enumerate(("before", "between", "after"))
        for k in range(POINTS)
    ]
    heads = ("population", "stretch", "point", "mean", "standard_error")
    write_table(chosen.out / "bundle_in_time.csv", dict(zip(heads, zip(*rows, strict=True), strict=True)))
    columns = {"from": lags.edges[:-1], "to": lags.edges[1:], "density": lags.value}
    columns |= {"standard_error": lags.standard_error, "exact": exact.value}
    write_table(chosen.out / "bundle_in_time_lags.csv", columns)
    print(f"{count} bundles, photon first {first}")


if __name__ == "__main__":
    main()
