"""The paper's headline values, g₂_ab = 0.49 and g₂_am = 0.29: which truncation gives them, and what others give.

    python examples/headline_numbers.py --out runs/figures

The orange regime at the paper's feasible κ = 0.008: bundle correlation g₂(0) of photon–phonon pairs driven from
the left and of photon–magnon pairs driven from the right. Every truncation is taken at one fixed Δ_ad, the
resonance of four levels a mode, and at its own resonance, because resonances move with the truncation. `converge`
says which truncation suffices; wave functions along simulated trajectories confirm the value at four levels and
there.
"""

from __future__ import annotations

import argparse
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import regimes
from figures import DIRECTIONS, MODES, figure, options, panel, save, style, timed, write_rows
from matplotlib.axes import Axes
from regimes import PAPER_LEVELS, SYMBOLS, joined

import trajectories as tj
from trajectories import lindblad
from trajectories.errors import TruncationWarning
from trajectories.results import Estimate

KAPPA = 0.008  # κ/2π = 16 MHz beside ω_b/2π = 2 GHz
PAPER = {"left": ("phonon", 0.49), "right": ("magnon", 0.29)}  # by direction: the pair's other mode, and g₂(0)
EQUAL = ((3, 3, 3), (4, 4, 4), (5, 5, 5), (6, 6, 6))
TRAJECTORIES = 64
Levels = tuple[int, int, int]


def scan(
    resonator: tj.SpinningResonator, equal: tuple[Levels, ...], tolerance: float, largest: int
) -> list[dict[str, Any]]:
    """Return g₁(0) and g₂(0) at every truncation tried, at the given Δ_ad and at its own resonance."""
    mode, paper = PAPER[resonator.direction]
    watched = regimes.observables([mode])
    found = lindblad.converge(
        resonator.system, watched, start=PAPER_LEVELS, tolerance=tolerance, max_dimension=largest
    )
    print(f"\n{mode} pairs, {DIRECTIONS[resonator.direction]}, Δ_ad = {resonator.detuning:.5f}\n{found.table()}")
    known = {step.levels: step.values for step in found.steps}
    rows = []
    for levels in dict.fromkeys((*equal, *known)):
        row = {"direction": resonator.direction, "pair": SYMBOLS[mode], "paper": paper, "levels": joined(levels)}
        row |= {"dimension": resonator.space(levels).dimension, "converged": int(levels == found.levels)}
        places = {"fixed": resonator.detuning}
        if levels in equal or levels == found.levels:
            places["own resonance"] = lindblad.resonance(resonator, f"photon-{mode}", levels)
        for place, detuning in places.items():
            values = known.get(levels) if place == "fixed" else None
            if values is None:
                steady = lindblad.steady_state(replace(resonator, detuning=detuning).system(levels))
                values = {name: value(steady) for name, value in watched.items()}
            g1, g2 = values.values()
            more = {"detuning_of": place, "detuning": detuning, "g1": g1, "g2": g2}
            rows.append(row | more | {"difference_from_paper": g2 - paper})
    return rows


def sampled(resonator: tj.SpinningResonator, levels: Levels, clicks: int) -> Estimate:
    """Estimate g₂(0) from wave functions along trajectories of about `clicks` clicks in all."""
    mode, _ = PAPER[resonator.direction]
    system = resonator.system(levels)
    pair = ("photon", mode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        found = tj.moments(
            system,
            {"pair": pair, "two pairs": pair * 2},
            trajectories=TRAJECTORIES,
            duration=regimes.duration_for(clicks, system, TRAJECTORIES),
            seed=11,
            samples=max(64, clicks // 100),
        )
    return found.ratio("two pairs", "pair", "pair")


def measure(chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Return the whole table: both pairs, every truncation, with estimates beside two exact values each."""
    equal, tolerance, largest = (EQUAL[1:2], 0.05, 160) if chosen.quick else (EQUAL, 1e-3, 450)
    detuning = regimes.detunings(["orange"], kappa=KAPPA)["orange"]
    rows = []
    for direction in PAPER:
        resonator = tj.SpinningResonator(direction=direction, detuning=detuning, kappa=KAPPA)
        mine = scan(resonator, equal, tolerance, largest)
        for row in mine:
            estimate = Estimate(float("nan"), float("nan"))
            if row["detuning_of"] == "fixed" and (row["converged"] or row["levels"] == joined(PAPER_LEVELS)):
                levels = tuple(int(n) for n in row["levels"].split("-"))
                estimate = sampled(resonator, levels, chosen.clicks // 4)
            row |= {"estimate": estimate.value, "standard_error": estimate.standard_error}
        rows += mine
    return rows


def say(rows: list[dict[str, Any]]) -> None:
    """Print the table, and how far the paper's values and the converged ones differ."""
    print(f"\n{'pair':4}  {'levels':8} {'N':>4}  {'Δ_ad':8}  {'of':13}  {'g1':>6}  {'g2':>6}  wave functions")
    for row in rows:
        estimate = "" if np.isnan(row["estimate"]) else str(Estimate(row["estimate"], row["standard_error"]))
        levels = row["levels"] + "*" * row["converged"]
        print(
            f"{row['pair']:4}  {levels:8} {row['dimension']:4}  {row['detuning']:.5f}   {row['detuning_of']:13}  "
            f"{row['g1']:6.2f}  {row['g2']:6.3f}  {estimate}"
        )
    for direction, (mode, paper) in PAPER.items():
        mine = [r for r in rows if r["direction"] == direction and r["detuning_of"] == "fixed"]
        four = next(r["g2"] for r in mine if r["levels"] == joined(PAPER_LEVELS))
        converged = next(r["g2"] for r in mine if r["converged"])
        print(
            f"g2_{SYMBOLS[mode]}: the paper's {paper} is the value of four levels a mode, {four:.3f}; "
            f"the converged one is {converged:.3f}, {converged / paper - 1.0:+.0%} from the paper's"
        )


def draw(ax: Axes, rows: list[dict[str, Any]], direction: str) -> None:
    """Draw g₂(0) against the truncation for one pair."""
    mode, paper = PAPER[direction]
    colour = MODES[mode]["color"]
    mine = [row for row in rows if row["direction"] == direction]
    names = list(dict.fromkeys(row["levels"] for row in sorted(mine, key=lambda row: row["dimension"])))
    ax.axhline(paper, color="grey", linestyle="--", linewidth=0.8, label="paper")
    for place, look in (("fixed", {"mfc": colour}), ("own resonance", {"mfc": "none"})):
        chosen = [row for row in mine if row["detuning_of"] == place]
        where = [names.index(row["levels"]) for row in chosen]
        label = r"exact, one $\Delta_{ad}$" if place == "fixed" else "exact, at its own resonance"
        size = 4 if place == "fixed" else 7
        ax.plot(where, [row["g2"] for row in chosen], "o", color=colour, ms=size, label=label, **look)
    known = [row for row in mine if not np.isnan(row["estimate"])]
    ax.errorbar(
        [names.index(row["levels"]) + 0.25 for row in known],
        [row["estimate"] for row in known],
        [row["standard_error"] for row in known],
        fmt="s",
        ms=3,
        color="black",
        label="wave functions",
    )
    marked = {row["levels"] for row in mine if row["converged"]}
    ax.set_xticks(range(len(names)), [f"{n}*" if n in marked else n for n in names], rotation=60)
    ax.set_xlabel("levels of photon, phonon, magnon   (* converged)")
    panel(ax, "ab"[list(PAPER).index(direction)], f"photon–{mode} pairs, {DIRECTIONS[direction]}")


def main() -> None:
    """Compute, write the table, draw."""
    chosen = options(__doc__ or "", clicks=400_000, quick_clicks=20_000)
    style()
    rows = measure(chosen)
    say(rows)
    write_rows(chosen.out / "headline_numbers.csv", rows)
    picture = figure(3.2)
    axes = picture.subplots(1, 2)
    for ax, direction in zip(axes, PAPER, strict=True):
        draw(ax, rows, direction)
        ax.set_ylabel(rf"$g_{{2,{SYMBOLS[PAPER[direction][0]]}}}^{{(2)}}(0)$")
    handles, _ = axes[0].get_legend_handles_labels()
    picture.legend(handles=handles, loc="outside lower center", ncols=4)
    save(picture, chosen.out, "headline_numbers")


if __name__ == "__main__":
    with timed():
        main()
