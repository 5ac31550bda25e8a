"""Fig. 4(a),(b): entanglement of photon and phonon (and atom), photon and magnon (and atom), against κ.

    python examples/figure_4.py --out runs/figures

D₁ = max{0, W₁} in the orange regime, (a) driven from the left, (b) from the right. Thick lines: W₁ is the largest
eigenvalue of Q − 4Γ, which the paper's Eq. (4) and its definitions of F_Q and B give, at four levels a mode. Thin
dashed lines: at the converged levels. The text prints Q − Γ instead; that is far above zero even for the vacuum,
so it witnesses nothing, and it is only in the table. Grey: the pair that is not emitted in this direction. It is
entangled too: what is directional is the emission. Antibunched bundles are shaded, as in Fig. 3(c) and (f); where
they are antibunched best, at small κ, the witness is zero, which the paper's text does not say.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import regimes
from figures import DIRECTIONS, MODES, REGIMES, figure, options, panel, save, style, timed, write_rows
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from regimes import PAPER_LEVELS, SYMBOLS

import trajectories as tj
from trajectories import lindblad

EMITTED = {"left": "phonon", "right": "magnon"}  # of the orange regime
FACTORS = {"": 4.0, "_printed": 1.0}  # f in Q − fΓ: that of Eq. (4), and the one in the text
PARTS = {"": (), "σ": ("atom",)}  # pair, and pair with atom
LINES = {"": "-", "σ": "-."}


@dataclass
class Panel:
    """One drive direction: every quantity against κ, at four levels and at the converged ones."""

    letter: str
    direction: str
    levels: tuple[int, ...]
    paper: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    converged: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def quantities(steady: lindblad.SteadyState) -> dict[str, float]:
    """Return D₁ of both pairs, with and without the atom, under both factors, and what shades bundles."""
    space = steady.system.space
    assert space is not None
    found = {name: value(steady) for name, value in regimes.observables(SYMBOLS).items()}
    for mode, pair in SYMBOLS.items():
        for atom, more in PARTS.items():
            for convention, factor in FACTORS.items():
                witness = lindblad.entanglement_witness(
                    steady, space, ("photon", mode, *more), variance_factor=factor
                )
                found[f"D_{pair}{atom}{convention}"] = witness.D
    return found


def sweep(
    direction: str, detuning: float, kappa: NDArray[np.float64], levels: tuple[int, ...]
) -> dict[str, NDArray[np.float64]]:
    """Return `quantities` at every κ."""
    rows: list[dict[str, float]] = []
    steady = None
    for value in kappa:
        resonator = tj.SpinningResonator(direction=direction, detuning=detuning, kappa=float(value))
        steady = lindblad.steady_state(resonator.system(levels), guess=steady)
        rows.append(quantities(steady))
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def onset(kappa: NDArray[np.float64], witness: NDArray[np.float64]) -> float:
    """Return the smallest κ from which on D₁ stays above zero; NaN if it is zero at the largest."""
    zero = np.flatnonzero(witness <= 0.0)
    first = int(zero[-1]) + 1 if len(zero) else 0
    return float(kappa[first]) if first < len(kappa) else float("nan")


def draw(ax: Axes, shown: Panel, kappa: NDArray[np.float64]) -> None:
    """Draw one direction."""
    regimes.shade(ax, kappa, shown.paper, "orange")
    for mode, pair in SYMBOLS.items():
        emitted = mode == EMITTED[shown.direction]
        colour = MODES[mode]["color"] if emitted else "0.6"
        for atom, line in LINES.items():
            name = f"D_{pair}{atom}"
            ax.plot(kappa, shown.paper[name], line, color=colour, linewidth=1.6 if emitted else 0.9)
            if emitted:
                ax.plot(kappa, shown.converged[name], "--", color="black", linewidth=0.6)
    regimes.kappa_axis(ax)
    ax.set_ylim(0.0, 0.11)
    panel(ax, shown.letter, f"orange, {DIRECTIONS[shown.direction]}: photon–{EMITTED[shown.direction]} pairs")


def key() -> list[Any]:
    """Return what the figure's legend shows."""
    handles: list[Any] = [
        Line2D([], [], color=MODES[mode]["color"], linestyle=LINES[atom], label=rf"$D_1^{{{pair}{sigma}}}$")
        for mode, pair in SYMBOLS.items()
        for atom, sigma in (("", ""), ("σ", r"\sigma"))
    ]
    handles.append(Line2D([], [], color="black", linestyle="--", linewidth=0.6, label="converged levels"))
    handles.append(Line2D([], [], color="0.6", linewidth=0.9, label="pair not emitted"))
    handles.append(Patch(color=REGIMES["orange"], alpha=0.35, label="antibunched bundles"))
    return handles


def report(panels: list[Panel], kappa: NDArray[np.float64]) -> list[dict[str, Any]]:
    """Return the table's rows, and print where entanglement begins, and how much the truncation matters."""
    rows = []
    for shown in panels:
        emitted = EMITTED[shown.direction]
        inside = regimes.antibunched(shown.paper, emitted)
        for mode, pair in SYMBOLS.items():
            for atom in PARTS:
                name = f"D_{pair}{atom}"
                paper, converged = shown.paper[name], shown.converged[name]
                moved = np.abs(converged - paper)[inside].max()
                begins = [onset(kappa, table) for table in (paper, converged)]
                print(
                    f"({shown.letter}) {DIRECTIONS[shown.direction]}  {name:5} above zero from κ = {begins[0]:.4f}"
                    f" ({begins[1]:.4f} at {regimes.joined(shown.levels)} levels); for antibunched bundles up to"
                    f" {paper[inside].max():.3f}, moved by {moved:.3f} at most"
                    + ("" if mode == emitted else "; not emitted")
                )
        printed = np.array([shown.paper[f"D_{pair}_printed"] for pair in SYMBOLS.values()])
        print(f"({shown.letter}) Q − Γ, as printed, would be {printed.min():.1f} … {printed.max():.1f}")
        for i, value in enumerate(kappa):
            row = {"panel": shown.letter, "direction": shown.direction, "kappa": float(value)}
            row |= {"levels": regimes.joined(PAPER_LEVELS), "converged_levels": regimes.joined(shown.levels)}
            row |= {"antibunched": int(inside[i])} | {name: float(v[i]) for name, v in shown.paper.items()}
            rows.append(row | {f"{name}_converged": float(v[i]) for name, v in shown.converged.items()})
    return rows


def main() -> None:
    """Compute, write the table, draw."""
    chosen = options(__doc__ or "")
    style()
    detuning = regimes.detunings(["orange"], regimes.FEW_LEVELS if chosen.quick else PAPER_LEVELS)["orange"]
    kappa = np.geomspace(*regimes.KAPPA, 4 if chosen.quick else 25)
    tolerance, largest = (0.02, 160) if chosen.quick else (0.02, 450)
    panels = []
    for letter, direction in zip("ab", DIRECTIONS, strict=True):
        hardest = tj.SpinningResonator(direction=direction, detuning=detuning, kappa=regimes.KAPPA[0])
        shown = Panel(letter, direction, regimes.converged_levels(hardest, SYMBOLS, tolerance, largest))
        shown.paper = sweep(direction, detuning, kappa, PAPER_LEVELS)
        shown.converged = sweep(direction, detuning, kappa, shown.levels)
        panels.append(shown)
    write_rows(chosen.out / "figure_4.csv", report(panels, kappa))
    vacuum = lindblad.entanglement_witness(*_vacuum(), variance_factor=1.0)
    print(f"Q − Γ of the vacuum, which is separable: {vacuum.value:.3f}; above zero proves nothing there")

    picture = figure(3.2)
    axes = picture.subplots(1, 2, sharey=True)
    for ax, shown in zip(axes, panels, strict=True):
        draw(ax, shown, kappa)
    axes[0].set_ylabel("$D_1$")
    picture.legend(handles=key(), loc="outside lower center", ncols=4, columnspacing=2.0)
    save(picture, chosen.out, "figure_4")


def _vacuum() -> tuple[NDArray[np.complex128], tj.HilbertSpace, tuple[str, str]]:
    space = tj.HilbertSpace(photon=2, phonon=2)
    ket = space.ket(photon=0, phonon=0)
    return np.outer(ket, ket), space, ("photon", "phonon")


if __name__ == "__main__":
    with timed():
        main()
