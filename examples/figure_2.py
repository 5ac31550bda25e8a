"""Fig. 2: super-Rabi oscillations in the three regimes, and quantum trajectories round a photon–magnon emission.

    python examples/figure_2.py --out runs/figures

(a)–(c) Closed system (γ = κ = 0) from |000+⟩, at the avoided crossing of each regime; insets show the other
direction at the same Δ_ad. In the orange regime each direction has its own pair and its own crossing, 1e-4 apart,
and Δ_ad is halfway. (d)–(g) The blue regime driven from the left, with decay: a trajectory that emits the photon
first, one that emits the magnon first, and a closer look at each. Both are found in a simulated record. The pair
state itself is hardly populated: it decays at 2κ, about ten times faster than 2g_eff. A photon that clicks first
leaves a superposition of |001−⟩, the quantum left over, and of |000+⟩, whose own small photon part may have
clicked; the magnon's click then decides for a pair.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from figures import DIRECTIONS, figure, options, panel, save, style, timed, write_table
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.analysis.plot.style import BLACK, BLUE, VERMILION
from trajectories.model.spinning_resonator import REGIMES as EMITTED
from trajectories.simulation.follow import follow

# Panel, regime, and which pair each direction emits, the direction of the large picture first.
REGIMES = tuple((letter, *regime) for letter, regime in zip("abc", EMITTED.items(), strict=True))
LOOK = {
    "000+": {"color": BLUE, "linestyle": "-"},
    "101-": {"color": VERMILION, "linestyle": "--"},
    "110-": {"color": BLACK, "linestyle": "-."},
}
SHOWN = ("000+", "101-", "100-", "001-", "000-")
# Panel of the whole cycle, panel of the closer look, order of emission.
ORDERS = (("d", "e", ("photon", "magnon")), ("f", "g", ("magnon", "photon")))
TRAJECTORIES = 32
AROUND = 60.0  # 1/ω_b shown before and after the two clicks in the closer look
BESIDE = 1e-5  # 1/ω_b from a click to the samples on its two sides


@dataclass(frozen=True)
class Cycle:
    """Row of a record, and times of four clicks in a row: the atom, the two of the pair, the atom again."""

    row: int
    times: np.ndarray


def oscillations(resonator: tj.SpinningResonator, pairs: dict[str, str], levels: tuple[int, int, int]) -> dict:
    """Return `lindblad.super_rabi` of both directions by name, at the crossing of the emitting ones' pairs."""
    crossings = [replace(resonator, direction=d).avoided_crossing(pair, levels) for d, pair in pairs.items()]
    detuning = float(np.mean([crossing.detuning for crossing in crossings]))
    times = np.linspace(0.0, 4.0 * np.pi / min(crossing.gap for crossing in crossings), 3001)
    first = next(iter(pairs))
    closed = {}
    for direction in (first, next(other for other in DIRECTIONS if other != first)):
        tuned = replace(resonator, direction=direction, detuning=detuning)
        closed[direction] = lindblad.super_rabi(tuned, pairs.get(direction, pairs[first]), times, levels)
    return closed


def write_oscillations(chosen: argparse.Namespace, every: dict[str, dict], finer: dict[str, dict]) -> None:
    """Write the populations of each panel, and coupling, period and largest population of each direction."""
    rows = []
    for letter, regime, pairs in REGIMES:
        closed = every[letter]
        columns = {"time": next(iter(closed.values())).times}
        for direction, run in closed.items():
            columns |= {f"{DIRECTIONS[direction]} {state}": run.populations[state] for state in LOOK}
            best = finer[letter][direction]
            row = {"regime": regime, "direction": direction, "pair": run.pair, "emits": int(direction in pairs)}
            row |= {"detuning": run.detuning, "crossing": run.crossing, "period": run.period}
            row |= {"effective_coupling": run.effective_coupling, "maximum": run.maximum}
            row |= {"levels": "-".join(map(str, run.levels)), "finer_levels": "-".join(map(str, best.levels))}
            row |= {"finer_coupling": best.effective_coupling, "finer_period": best.period}
            rows.append(row)
            name = f"({letter}) {regime:6} {DIRECTIONS[direction]} {run.pair} at Δ_ad = {run.detuning:.5f}"
            if direction in pairs:
                print(
                    f"{name}: g_eff = {run.effective_coupling:.4e} ω_b, period {run.period:.0f}/ω_b;"
                    f" with {row['finer_levels']} levels {best.effective_coupling:.4e}, {best.period:.0f}"
                )
            else:
                print(f"{name} stays below {run.maximum:.1e}")
        write_table(chosen.out / f"figure_2_{letter}.csv", columns)
    write_table(chosen.out / "figure_2_super_rabi.csv", {name: [row[name] for row in rows] for name in rows[0]})


def draw_oscillations(ax: Axes, letter: str, regime: str, closed: dict[str, lindblad.SuperRabi]) -> None:
    """Draw one regime, the other direction in the inset."""
    (direction, run), (other, opposite) = closed.items()
    inset = ax.inset_axes((0.06, 0.60, 0.88, 0.21))
    for where, shown in ((ax, run), (inset, opposite)):
        for state, look in LOOK.items():
            where.plot(1e-3 * shown.times, shown.populations[state], linewidth=1.1, **look)
        where.set_xlim(0.0, 1e-3 * shown.times[-1])
    inset.set_ylim(-0.08, 1.08)
    inset.set_yticks([0.0, 1.0])
    inset.tick_params(labelbottom=False, labelsize=6)
    emits = opposite.maximum > 0.5
    silent = rf"no pair, $P<{_power(1.1 * opposite.maximum, 1)}$"
    inset.set_title(f"{DIRECTIONS[other]}: {_coupling(opposite) if emits else silent}", fontsize=6.2, pad=2.5)
    title = f"{DIRECTIONS[direction]}: {_coupling(run)}"
    ax.text(0.5, 0.985, title, transform=ax.transAxes, ha="center", va="top", fontsize=6.2)
    ax.set_ylim(0.0, 1.95)
    ax.set_yticks([0.0, 0.5, 1.0])
    ax.set_xlabel(r"time  $t$  ($10^3/\omega_b$)")
    panel(ax, letter, f"{regime}, $\\Delta_{{ad}}={run.detuning:.4f}\\,\\omega_b$")


def _coupling(run: lindblad.SuperRabi) -> str:
    return rf"$g_\mathrm{{eff}}={_power(run.effective_coupling, 2)}\,\omega_b$, $T={run.period:.0f}/\omega_b$"


def _power(value: float, digits: int) -> str:
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return rf"{mantissa}\times10^{{{int(exponent)}}}"


def typical_cycle(record: tj.ClickRecord, order: tuple[str, str]) -> Cycle:
    """Return a typical cycle: after any pair and the atom, the pair in the given order and the atom again.

    Of all such sequences it is the one whose waits are nearest to their medians on a logarithmic scale.
    """
    windows = np.lib.stride_tricks.sliding_window_view
    number = {name: k for k, name in enumerate(record.channel_names)}
    channels, rows = windows(record.channel, 7), windows(record.trajectory, 7)
    pair = sorted(number[name] for name in order)
    cycle = [number["atom"], *(number[name] for name in order), number["atom"]]
    found = np.flatnonzero(
        (np.sort(channels[:, :2], axis=1) == pair).all(axis=1)
        & (channels[:, 2:6] == cycle).all(axis=1)
        & (rows[:, 0] == rows[:, -1])
    )
    if len(found) == 0:
        raise SystemExit(f"no {' > '.join(order)} cycle among {len(record)} clicks; raise --clicks")
    waits = np.log(np.diff(windows(record.time, 7)[found], axis=1))
    best = int(found[np.argmin(((waits - np.median(waits, axis=0)) ** 2).sum(axis=1))])
    print(f"{order[0]} before {order[1]}: {len(found)} whole cycles among {len(record)} clicks")
    return Cycle(int(record.trajectory[best]), np.array(record.time[best + 2 : best + 6]))


def trajectories_of(resonator: tj.SpinningResonator, levels: tuple[int, int, int], clicks: int) -> dict:
    """Simulate a record and return, by panel, clicks, sample times and populations of the stretch to be drawn.

    Times count from the first click of the pair.
    """
    system = resonator.system(levels)
    kets = {
        f"|{state}⟩".replace("-", "−"): resonator.dressed_ket(system.space, *map(int, state[:3]), state[3])
        for state in SHOWN
    }
    rate = sum(rate.value for rate in lindblad.rates(lindblad.steady_state(system)).values())
    stretches = {}
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        record = tj.simulate(
            system, TRAJECTORIES, clicks / rate / TRAJECTORIES, seed=2024, out=run, progress=False
        )
        for whole, closer, order in ORDERS:
            cycle = typical_cycle(record, order)
            margin = 0.06 * float(np.ptp(cycle.times))
            for letter, low, high in (
                (whole, cycle.times[0] - margin, cycle.times[3] + margin),
                (closer, cycle.times[1] - AROUND, cycle.times[2] + AROUND),
            ):
                low, high = max(low, record.start[cycle.row]), min(high, record.stop[cycle.row])
                inside = (record.trajectory == cycle.row) & (record.time > low) & (record.time < high)
                at, channel = record.time[inside], record.channel[inside]
                # Samples just before and after every click, so that the jumps are drawn upright.
                times = np.sort(np.concatenate([np.linspace(low, high, 1400), at - BESIDE, at + BESIDE]))
                populations = follow(run, cycle.row, kets, times)
                zero = cycle.times[1]
                clicked = {
                    name: at[channel == k] - zero for k, name in enumerate(record.channel_names) if k in channel
                }
                stretches[letter] = (clicked, times - zero, populations)
    return stretches


def draw_trajectories(axes: dict[str, Axes], stretches: dict) -> list:
    """Draw the four panels; return what a legend for all of them needs."""
    handles = []
    for whole, closer, order in ORDERS:
        for letter, title in ((whole, f"{order[0]} first"), (closer, f"{order[0]} first, closer")):
            clicked, times, populations = stretches[letter]
            ax = an.plot.populations(times, populations, clicked, axes[letter])
            ax.set_xlabel(rf"time after the {order[0]}’s click  ($1/\omega_b$)")
            panel(ax, letter, title, pad=19)
            legend = ax.get_legend()
            if len(legend.legend_handles) > len(handles):
                handles = legend.legend_handles
            legend.remove()
    return handles


def main() -> None:
    """Compute, write the tables, draw."""
    chosen = options(__doc__ or "", clicks=16_000, quick_clicks=3_000)
    levels, finer = ((4, 3, 4), (5, 3, 4)) if chosen.quick else ((4, 4, 4), (6, 5, 5))
    style()
    resonator = tj.SpinningResonator()
    every, best = (
        {letter: oscillations(resonator, pairs, size) for letter, _, pairs in REGIMES} for size in (levels, finer)
    )
    write_oscillations(chosen, every, best)
    blue = replace(resonator, direction="left", detuning=every["a"]["left"].detuning)
    stretches = trajectories_of(blue, levels, chosen.clicks)
    for letter, (_, times, populations) in stretches.items():
        columns = {"time": times} | {name.strip("|⟩").replace("−", "-"): p for name, p in populations.items()}
        write_table(chosen.out / f"figure_2_{letter}.csv", columns)
    marks = [(p, name, t) for p, (clicked, *_) in stretches.items() for name, at in clicked.items() for t in at]
    columns = dict(zip(("panel", "channel", "time"), zip(*marks, strict=True), strict=True))
    write_table(chosen.out / "figure_2_clicks.csv", columns)

    picture = figure(6.4)
    axes = picture.subplot_mosaic([list("aabbcc"), list("dddeee"), list("fffggg")], height_ratios=(1.25, 1.0, 1.0))
    for letter, regime, _ in REGIMES:
        draw_oscillations(axes[letter], letter, regime, every[letter])
    axes["a"].set_ylabel("population")
    handles = draw_trajectories(axes, stretches)
    handles.insert(2, Line2D([], [], label="|110−⟩", **LOOK["110-"]))
    picture.legend(handles=handles, loc="outside lower center", ncols=5)
    save(picture, chosen.out, "figure_2")


if __name__ == "__main__":
    with timed():
        main()
