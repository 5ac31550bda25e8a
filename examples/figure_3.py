"""Fig. 3(a)–(f): cross correlation g₁ and bundle correlation g₂ against κ, three regimes, both drive directions.

    python examples/figure_3.py --out runs/figures

Thick lines: exact, at four levels a mode, which the paper's values belong to. Thin dashed lines: exact, at the
levels that `converge` finds at the smallest κ, where most are needed. Filled points with error bars: wave
functions along simulated trajectories, at four levels. Open squares: g² of actual clicks no further apart than
0.05/κ, which is g₁(0) but for what changes within that time; the table has its exact value, too. Antibunched
bundles, g₁ > 1 and g₂ < 1 of the exact curve at four levels, are shaded. The paper's text gives no range of κ;
0.001 to 0.02 is taken.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import regimes
from figures import (
    DIRECTIONS,
    MODES,
    REGIMES,
    as_columns,
    decades,
    figure,
    options,
    panel,
    save,
    style,
    timed,
    write_rows,
    write_table,
)
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from regimes import PAPER_LEVELS, SYMBOLS

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.errors import TruncationWarning
from trajectories.results import Estimate

NEAR = 0.05  # clicks closer than this, in 1/κ, stand for g²(0)
TRAJECTORIES = 64
SAMPLES = 512  # states taken from each trajectory
FEWEST = 10  # pairs of clicks below which an estimate is in the table, but not drawn
LINES = {"g1": ":", "g2": "-"}
Table = dict[str, NDArray[np.float64]]


@dataclass
class Panel:
    """One panel: its exact curves at both truncations, and the points estimated from trajectories."""

    letter: str
    regime: str
    direction: str
    detuning: float
    kappa: NDArray[np.float64]
    paper: Table
    converged: Table
    levels: tuple[int, ...]
    points: list[dict[str, Any]]

    @property
    def partners(self) -> tuple[str, ...]:
        """Modes whose pairs with the photon are drawn."""
        return regimes.partners(self.regime)

    def resonator(self, kappa: float) -> tj.SpinningResonator:
        """Return the panel's system at one κ."""
        return tj.SpinningResonator(direction=self.direction, detuning=self.detuning, kappa=float(kappa))


def curves(panel: Panel, levels: tuple[int, ...]) -> Table:
    """Return g₁(0) and g₂(0) of both pairs at every κ; each steady state starts the search for the next."""
    wanted = regimes.observables(SYMBOLS)
    table, steady = {name: np.empty(len(panel.kappa)) for name in wanted}, None
    for i, kappa in enumerate(panel.kappa):
        steady = lindblad.steady_state(panel.resonator(kappa).system(levels), guess=steady)
        for name, value in wanted.items():
            table[name][i] = value(steady)
    return table


def estimates(panel: Panel, kappa: float, clicks: int, seed: int) -> list[dict[str, Any]]:
    """Estimate g₁(0) and g₂(0) from wave functions, and g₁(0) from nearby clicks, each beside its exact value."""
    system = panel.resonator(kappa).system(PAPER_LEVELS)
    exact = lindblad.steady_state(system)
    size = {
        "trajectories": TRAJECTORIES,
        "duration": regimes.duration_for(clicks, system, TRAJECTORIES),
    }
    operators: dict[str, tuple[str, ...]] = {"a": ("photon",)}
    for mode in panel.partners:
        operators |= {mode: (mode,), SYMBOLS[mode]: ("photon", mode), 2 * SYMBOLS[mode]: ("photon", mode) * 2}
    with warnings.catch_warnings():  # that four levels are few is what this figure is about
        warnings.simplefilter("ignore", TruncationWarning)
        sampled = tj.moments(system, operators, samples=min(SAMPLES, clicks // 20), seed=seed, **size)
        record = tj.simulate(system, seed=seed, progress=False, **size)
    near = [-NEAR / kappa, NEAR / kappa]
    rows = []
    for mode in panel.partners:
        pair = SYMBOLS[mode]
        g2 = an.g2(record, "photon", mode, near)
        found = {
            ("g1", "wave functions"): sampled.ratio(pair, "a", mode),
            ("g2", "wave functions"): sampled.ratio(2 * pair, pair, pair),
            ("g1", "clicks"): Estimate(float(g2.value[0]), float(g2.standard_error[0]), int(g2.counts[0])),
        }
        at_zero = {name: value(exact) for name, value in regimes.observables([mode]).items()}
        for (name, method), estimate in found.items():
            binned = float(lindblad.g2(exact, "photon", mode, near).value[0])
            row = {"panel": panel.letter, "regime": panel.regime, "direction": panel.direction, "pair": pair}
            row |= {"quantity": name, "method": method, "kappa": kappa, "value": estimate.value}
            row |= {"standard_error": estimate.standard_error, "events": estimate.n}
            row |= {"exact": binned if method == "clicks" else at_zero[f"{name}_{pair}"]}
            rows.append(row | {"exact_at_zero": at_zero[f"{name}_{pair}"], "clicks": len(record)})
    return rows


def draw(ax: Axes, panel_: Panel) -> None:
    """Draw one panel: curves of the pairs its regime emits, estimates, and the antibunched range."""
    regimes.shade(ax, panel_.kappa, panel_.paper, panel_.regime)
    for mode in panel_.partners:
        colour, pair = MODES[mode]["color"], SYMBOLS[mode]
        for name, line in LINES.items():
            ax.plot(panel_.kappa, panel_.paper[f"{name}_{pair}"], line, color=colour)
            ax.plot(panel_.kappa, panel_.converged[f"{name}_{pair}"], "--", color="black", linewidth=0.6)
        for row in panel_.points:
            if row["pair"] == pair and row["events"] >= FEWEST:
                look = (
                    {"fmt": "o", "mfc": colour}
                    if row["method"] == "wave functions"
                    else {"fmt": "s", "mfc": "none"}
                )
                ax.errorbar(row["kappa"], row["value"], row["standard_error"], color=colour, ms=3, lw=0.9, **look)
    ax.axhline(1.0, color="grey", linewidth=0.6)
    regimes.kappa_axis(ax)
    decades(ax)
    ax.set_ylim(0.04, 150.0)
    panel(ax, panel_.letter, f"{panel_.regime}, {DIRECTIONS[panel_.direction]}")


def key() -> list[Any]:
    """Return what the figure's legend shows."""
    handles: list[Any] = [
        Line2D(
            [], [], color=MODES[mode]["color"], linestyle=line, label=rf"${name[0]}_{{{name[1]},{pair}}}^{{(2)}}$"
        )
        for mode, pair in SYMBOLS.items()
        for name, line in LINES.items()
    ]
    handles.append(Line2D([], [], color="black", linestyle="--", linewidth=0.6, label="converged levels"))
    handles.append(Line2D([], [], color="grey", marker="o", ms=3, linestyle="", label="wave functions"))
    near = rf"clicks, $|\tau|<{NEAR}/\kappa$"
    handles.append(Line2D([], [], color="grey", marker="s", ms=3, mfc="none", linestyle="", label=near))
    handles.append(Patch(color=REGIMES["orange"], alpha=0.35, label="antibunched bundles"))
    return handles


def write(panels: list[Panel], chosen: argparse.Namespace) -> None:
    """Write curves, points and antibunched ranges; print where four levels and the converged ones differ."""
    values, ranges = [], []
    for p in panels:
        for i, kappa in enumerate(p.kappa):
            row = {"panel": p.letter, "regime": p.regime, "direction": p.direction, "detuning": p.detuning}
            row |= {"kappa": float(kappa), "levels": regimes.joined(PAPER_LEVELS)}
            row |= {name: float(column[i]) for name, column in p.paper.items()}
            row |= {f"antibunched_{SYMBOLS[mode]}": int(regimes.antibunched(p.paper, mode)[i]) for mode in SYMBOLS}
            row |= {"converged_levels": regimes.joined(p.levels)}
            row |= {f"{name}_converged": float(column[i]) for name, column in p.converged.items()}
            values.append(row)
        for mode in p.partners:
            name = f"g2_{SYMBOLS[mode]}"
            parted = np.abs(p.converged[name] / p.paper[name] - 1.0)
            worst = int(np.argmax(parted))
            ends = [regimes.onset_of_bunching(p.kappa, table, mode) for table in (p.paper, p.converged)]
            row = {"panel": p.letter, "regime": p.regime, "direction": p.direction, "pair": SYMBOLS[mode]}
            row |= {"antibunched_below": ends[0], "antibunched_below_converged": ends[1]}
            row |= {"largest_difference": float(parted[worst]), "at_kappa": float(p.kappa[worst])}
            ranges.append(row)
            bunched = "never antibunched" if np.isnan(ends[0]) else f"antibunched bundles below κ = {ends[0]:.4f}"
            bunched += "" if np.isnan(ends[1]) else f" ({ends[1]:.4f} converged)"
            print(
                f"({p.letter}) {p.regime:6} {DIRECTIONS[p.direction]}  {SYMBOLS[mode]}: {bunched}; levels "
                f"{regimes.joined(p.levels)} move g2 by up to {parted[worst]:.0%}, at κ = {p.kappa[worst]:.4f}"
            )
    points = as_columns([row for p in panels for row in p.points])
    write_rows(chosen.out / "figure_3.csv", values)
    write_rows(chosen.out / "figure_3_ranges.csv", ranges)
    write_table(chosen.out / "figure_3_points.csv", points)
    seen = np.array(points["events"]) >= FEWEST
    pulls = ((np.array(points["value"]) - points["exact"]) / points["standard_error"])[seen]
    rms, most = np.sqrt(np.mean(pulls**2)), np.abs(pulls).max()
    print(f"{len(pulls)} points: they deviate from the exact values by {rms:.2f} σ rms, {most:.1f} σ at most")


def main() -> None:
    """Compute, write the tables, draw."""
    chosen = options(__doc__ or "", clicks=900_000, quick_clicks=36_000)
    style()
    tuned = regimes.detunings(levels=regimes.FEW_LEVELS if chosen.quick else PAPER_LEVELS)
    kappa = np.geomspace(*regimes.KAPPA, 3 if chosen.quick else 17)
    sampled = kappa[1:2] if chosen.quick else kappa[::4]
    tolerance, largest = (0.02, 160) if chosen.quick else (0.02, 450)
    panels = [
        Panel(letter, regime, direction, tuned[regime], kappa, {}, {}, (), [])
        for letter, (direction, regime) in zip(
            "abcdef", ((d, r) for d in DIRECTIONS for r in REGIMES), strict=True
        )
    ]
    for p in panels:
        p.levels = regimes.converged_levels(p.resonator(kappa[0]), p.partners, tolerance, largest)
        p.paper, p.converged = curves(p, PAPER_LEVELS), curves(p, p.levels)
        for i, value in enumerate(sampled):
            # Each point has its own seed, or their errors would be correlated.
            seed = 100 * ord(p.letter) + i
            p.points += estimates(p, float(value), chosen.clicks // (len(panels) * len(sampled)), seed)
    write(panels, chosen)

    picture = figure(4.6)
    axes = picture.subplots(2, 3, sharex=True, sharey=True)
    for ax, p in zip(axes.flat, panels, strict=True):
        draw(ax, p)
    for ax in axes[0]:
        ax.set_xlabel("")
    for ax in axes[:, 0]:
        ax.set_ylabel("correlation at zero delay")
    picture.legend(handles=key(), loc="outside lower center", ncols=4, columnspacing=2.0, handletextpad=0.5)
    save(picture, chosen.out, "figure_3")


if __name__ == "__main__":
    with timed():
        main()
