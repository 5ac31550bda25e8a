"""The paper's Eq. (3) at τ ≠ 0: how long bundles stay antibunched, in each regime and direction that emits them.

    python examples/bundle_g2.py --out runs/figures

Coloured lines: g₂(τ) = ⟨(oo')†(0)(oo')†(τ)(oo')(τ)(oo')(0)⟩/⟨(oo')†oo'⟩², exact, at four levels a mode; thin
dashed: at the levels at which g₁(0) and g₂(0) have converged. Points: the same from wave functions, oo' applied to
states along trajectories that are then followed on. Black steps: another quantity, the correlation of the bundles
that detectors see, gap clusters of one click each, from clicks, with its exact value dotted. It begins at the
window δ = 1/κ, below which two clusters are one. Both return to 1 as the atom is pumped back, in some 1/γ. The
ripple of Eq. (3) is the beat of the pair with the state that emitted it, at the pair's energy of about 2.4 ω_b.
"""

from __future__ import annotations

import argparse
import warnings
from typing import Any

import numpy as np
import regimes
from figures import DIRECTIONS, MODES, figure, options, panel, save, style, timed, write_rows
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from regimes import PAPER_LEVELS, joined

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.errors import TruncationWarning

TRAJECTORIES = 64
LONGEST = 6000.0  # τ in 1/ω_b
EARLY = 15.0  # end of the insets
RIPPLE = 2000.0  # τ after which the ripple has decayed
Emission = tuple[str, str, str]  # regime, direction, mode beside the photon


def curves(emission: Emission, detuning: float, chosen: argparse.Namespace) -> tuple[list[dict[str, Any]], float]:
    """Return rows of g₂(τ), exact at both truncations with estimates at some τ, and κ."""
    regime, direction, mode = emission
    resonator = tj.SpinningResonator(direction=direction, detuning=detuning)
    kappa = resonator.kappas[0]
    tolerance, largest = (0.02, 160) if chosen.quick else (0.02, 300)
    levels = regimes.converged_levels(resonator, [mode], tolerance, largest)
    sampled = np.concatenate([np.linspace(0.0, 600.0, 7)[:-1], np.linspace(600.0, LONGEST, 7)])
    if chosen.quick:
        sampled = sampled[[0, 1, 2, 4, 6, 8]]
    # Fine enough for the ripple, whose period is 2.6.
    fine = (
        []
        if chosen.quick
        else [np.arange(0.0, EARLY, 0.1), np.arange(0.0, RIPPLE, 0.5), np.linspace(RIPPLE, LONGEST, 80)]
    )
    tau = np.unique(np.concatenate([sampled, *fine]))
    pair = ("photon", mode)
    systems = [resonator.system(size) for size in (PAPER_LEVELS, levels)]
    paper, converged = (lindblad.bundle_correlation(lindblad.steady_state(s), pair, tau) for s in systems)
    number = 32 if chosen.quick else TRAJECTORIES
    with warnings.catch_warnings():  # that four levels are few is shown, not hidden
        warnings.simplefilter("ignore", TruncationWarning)
        found = tj.bundle_correlation(
            systems[0],
            pair,
            sampled,
            trajectories=number,
            duration=regimes.duration_for(chosen.clicks / 8, systems[0], number),
            seed=2 * regimes.EMISSIONS.index(emission),
            samples=32 if chosen.quick else 128,
        )
    rows = []
    for i, at in enumerate(tau):
        row = {"regime": regime, "direction": direction, "pair": regimes.SYMBOLS[mode], "tau": float(at)}
        row |= {"levels": joined(PAPER_LEVELS), "exact": float(paper[i])}
        row |= {"converged_levels": joined(levels), "converged": float(converged[i])}
        j = int(np.searchsorted(sampled, at))
        seen = j < len(sampled) and sampled[j] == at
        row |= {"estimate": float(found.value[j]) if seen else np.nan}
        rows.append(row | {"standard_error": float(found.standard_error[j]) if seen else np.nan})
    return rows, kappa


def clusters(emission: Emission, detuning: float, chosen: argparse.Namespace) -> list[dict[str, Any]]:
    """Return rows of the correlation of gap clusters of one photon and one other click, δ = 1/κ."""
    regime, direction, mode = emission
    resonator = tj.SpinningResonator(direction=direction, detuning=detuning)
    window = 1.0 / resonator.kappas[0]
    levels = regimes.click_levels(resonator, mode, 1e-2 if chosen.quick else 2e-3)
    system = resonator.system(levels)
    edges = np.array([1.0, 2.0, 4.0]) * window
    edges = np.concatenate([edges, np.linspace(edges[-1], LONGEST, 3 if chosen.quick else 9)[1:]])
    duration = regimes.duration_for(chosen.clicks / (2 if chosen.quick else 8), system, TRAJECTORIES)
    seed = 2 * regimes.EMISSIONS.index(emission) + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        record = tj.simulate(system, trajectories=TRAJECTORIES, duration=duration, seed=seed, progress=False)
    kind = f"photon+{mode}"
    found = an.cluster_g2(record, kind, kind, edges, window=window)
    exact = lindblad.cluster_g2(lindblad.steady_state(system), kind, kind, edges, window=window)
    return [
        {"regime": regime, "direction": direction, "bundle": kind, "window": window, "levels": joined(levels)}
        | {"tau_low": float(edges[b]), "tau_high": float(edges[b + 1]), "exact": float(exact.value[b])}
        | {"estimate": float(found.value[b]), "standard_error": float(found.standard_error[b])}
        | {"pairs": int(found.counts[b]), "clicks": len(record)}
        for b in range(len(edges) - 1)
    ]


def recovery(tau: NDArray[np.float64], g2: NDArray[np.float64]) -> float:
    """Return the τ from which on g₂ is more than half of the way from its lowest value to 1."""
    half = 0.5 * (1.0 + g2.min())
    last = int(np.flatnonzero(g2 < half)[-1])
    return float(np.interp(half, g2[last : last + 2], tau[last : last + 2]))


def draw(ax: Axes, rows: list[dict[str, Any]], seen: list[dict[str, Any]], colour: str) -> None:
    """Draw one emission."""
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    ax.axhline(1.0, color="grey", linewidth=0.6)
    ax.plot(table["tau"], table["exact"], color=colour, linewidth=1.0)
    smooth = table["tau"] > RIPPLE
    early = table["tau"] <= EARLY
    if early.sum() > 2:  # the ripple, and what the truncation does at τ → 0
        inset = ax.inset_axes((0.62, 0.14, 0.35, 0.38))
        inset.plot(table["tau"][early], table["exact"][early], color=colour, linewidth=1.0)
        inset.plot(table["tau"][early], table["converged"][early], "--", color="black", linewidth=0.6)
        inset.errorbar(0.0, table["estimate"][0], table["standard_error"][0], fmt="o", ms=2.5, color=colour)
        inset.set_xlim(-0.5, EARLY)
        inset.set_ylim(0.0, 0.35)
        inset.tick_params(labelsize=6)
    ax.plot(table["tau"][smooth], table["converged"][smooth], "--", color="black", linewidth=0.6)
    ax.errorbar(
        table["tau"],
        table["estimate"],
        table["standard_error"],
        fmt="o",
        ms=3,
        lw=0.9,
        color=colour,
        mec="black",
        mew=0.4,
    )
    edges = [*(row["tau_low"] for row in seen), seen[-1]["tau_high"]]
    middle = 0.5 * (np.array(edges[1:]) + edges[:-1])
    value, error = (np.array([row[name] for row in seen]) for name in ("estimate", "standard_error"))
    ax.stairs(value, edges, baseline=None, color="black", linewidth=0.8)
    ax.errorbar(middle, value, error, fmt="none", ecolor="black", elinewidth=0.8)
    ax.stairs([row["exact"] for row in seen], edges, baseline=None, color="black", linestyle=":", linewidth=1.2)
    ax.set_xlim(0.0, LONGEST)
    ax.set_ylim(0.0, 1.15)


def key() -> list[Line2D]:
    """Return what the figure's legend shows."""
    return [
        Line2D([], [], color="0.4", label="Eq. (3), exact, 4-4-4 levels"),
        Line2D(
            [],
            [],
            color="black",
            linestyle="--",
            linewidth=0.6,
            label="Eq. (3), converged levels (inset; beyond 2000)",
        ),
        Line2D([], [], color="0.4", marker="o", ms=3, linestyle="", label="Eq. (3), wave functions"),
        Line2D([], [], color="black", linewidth=0.8, label="clusters of clicks"),
        Line2D([], [], color="black", linestyle=":", linewidth=1.2, label="clusters, exact"),
    ]


def main() -> None:
    """Compute, write the tables, draw."""
    chosen = options(__doc__ or "", clicks=1_600_000, quick_clicks=80_000)
    style()
    emissions = regimes.EMISSIONS[2:3] if chosen.quick else regimes.EMISSIONS
    tuned = regimes.detunings(
        dict.fromkeys(regime for regime, *_ in emissions), regimes.FEW_LEVELS if chosen.quick else PAPER_LEVELS
    )
    picture = figure(2.4 if chosen.quick else 4.6)
    axes = picture.subplots(*((1, 1) if chosen.quick else (2, 2)), squeeze=False, sharex=True, sharey=True)
    every: list[dict[str, Any]] = []
    seen: list[dict[str, Any]] = []
    for letter, ax, emission in zip("abcd", axes.flat, emissions, strict=False):
        regime, direction, mode = emission
        rows, kappa = curves(emission, tuned[regime], chosen)
        clicked = clusters(emission, tuned[regime], chosen)
        draw(ax, rows, clicked, MODES[mode]["color"])
        panel(ax, letter, f"{regime}, {DIRECTIONS[direction]}: photon–{mode} pairs")
        tau, exact = (np.array([row[name] for row in rows]) for name in ("tau", "exact"))
        print(
            f"{regime:6} {DIRECTIONS[direction]}  g2(0) = {exact[0]:.3f} ({rows[0]['converged']:.3f} at "
            f"{rows[0]['converged_levels']} levels), lowest {exact.min():.3f} at τ = {tau[np.argmin(exact)]:.0f}, "
            f"half recovered from τ = {recovery(tau, exact):.0f} = {kappa * recovery(tau, exact):.1f}/κ"
        )
        every, seen = every + rows, seen + clicked
    write_rows(chosen.out / "bundle_g2.csv", every)
    write_rows(chosen.out / "bundle_g2_clusters.csv", seen)
    for ax in axes[-1]:
        ax.set_xlabel(r"delay $\tau$ ($1/\omega_b$)")
    for ax in axes[:, 0]:
        ax.set_ylabel(r"$g_2^{(2)}(\tau)$")
    picture.legend(handles=key(), loc="outside lower center", ncols=3)
    save(picture, chosen.out, "bundle_g2")


if __name__ == "__main__":
    with timed():
        main()
