"""The paper's emitter at finite temperature: how purity, g₂ and the contrast between the two directions die.

    python examples/temperature.py --out runs/figures

Phonons of 2 GHz and magnons of 2.1 GHz meet baths of n = 1/(e^{hf/kT} − 1) quanta (Bose–Einstein); light stays
cold. Blue regime, photon–magnon pairs, κ = 0.005. (a) n against temperature. (b) Pair purity (δ = 3/κ; clicks of
photon, phonon and magnon; heating makes no click): exact where `converge` accepts a truncation; dashed: the share
that the pairs of 10 mK would have among all clicks. (c) g₂(0) and g₁(0) of the pairs, and what independent thermal
light and magnons have (dotted): 4 and 1. (d) Contrast of ⟨a†a m†m⟩ between the drives from the left and right.

Filled: truncations that `converge` accepts to 3 %. Open: the first temperature at which it accepts none, at fixed
truncations, with a bar as long as the last level moved the number. Above it there are neither: at 1 K a mode needs
some seventy levels, N = 40,000, and there is no pair left to look at: the last purity is below 1e-3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import regimes
from figures import MODES, figure, options, panel, save, style, timed, write_table
from numpy.typing import NDArray
from scipy.constants import Boltzmann, Planck

import trajectories as tj
from trajectories import lindblad

FREQUENCIES = (2.0e9, 2.1e9)  # Hz: phonon, magnon
KAPPA = 0.005
TEMPERATURES = (10, 15, 20, 30, 40, 50, 70)  # mK
QUICK = (10, 30)
LARGEST = {False: 450, True: 260}
# Beyond: a temperature, and truncations of which the last two are compared.
HOT = {False: (100, ((4, 5, 5), (4, 6, 6))), True: (50, ((3, 3, 3), (3, 4, 4)))}
DRAWN = ("purity", "g1", "g2", "contrast")
COLOURS = {"purity": "#0072B2", "g1": "#0072B2", "g2": "#D55E00", "contrast": "#009E73"}
# g₁ and g₂ of two independent thermal modes.
THERMAL = {"g1": 1.0, "g2": 4.0}


def occupation(frequency: float, kelvin: float) -> float:
    """Return the mean number of quanta 1/(e^{hf/kT} − 1) of a bath."""
    return float(1.0 / np.expm1(Planck * frequency / (Boltzmann * kelvin)))


def warm(resonator: tj.SpinningResonator, kelvin: float) -> tj.SpinningResonator:
    """Return the resonator with phonon and magnon baths at this temperature."""
    return replace(resonator, thermal=(0.0, *(occupation(f, kelvin) for f in FREQUENCIES)))


def pairs(steady: lindblad.SteadyState) -> float:
    """Return ⟨a†a m†m⟩."""
    space = steady.system.space
    return float(steady.expect(space.number("photon") @ space.number("magnon")))


def watched() -> dict[str, regimes.Observable]:
    """Return what the truncation must not move: clicks of the pair's modes, and what is drawn from them."""
    rates = {name: lambda s, name=name: s.rate(name) for name in ("photon", "phonon", "magnon")}
    return {**rates, **regimes.observables(["magnon"]), "pairs": pairs}


def at(
    resonator: tj.SpinningResonator, kelvin: float, largest: int, start: tuple[int, ...]
) -> dict[str, Any] | None:
    """Return the numbers at one temperature, or None where no truncation is accepted."""
    emitting = warm(resonator, kelvin)
    found = lindblad.converge(emitting.system, watched(), start=start, tolerance=0.03, max_dimension=largest)
    if not found.converged:
        print(f"{1e3 * kelvin:5.0f} mK: not converged to 3 % with {largest} states ({found.reason})")
        return None
    row = numbers(resonator, kelvin, found.levels)
    print(
        f"{1e3 * kelvin:5.0f} mK: levels {row['levels']}, purity {row['purity']:.4f}, g2 {row['g2']:.3f}, "
        f"contrast {row['contrast']:.3f}"
    )
    return row | {"next": found.levels}


def numbers(resonator: tj.SpinningResonator, kelvin: float, levels: tuple[int, ...]) -> dict[str, Any]:
    """Return what is drawn, at a truncation."""
    emitting = warm(resonator, kelvin)
    steady = lindblad.steady_state(emitting.system(levels))
    silent = lindblad.steady_state(replace(emitting, direction="right").system(levels))
    bundles = lindblad.pair_bundles(steady, "photon", "magnon", channels=["photon", "phonon", "magnon"])
    there, back = pairs(steady), pairs(silent)
    row = {"millikelvin": 1e3 * kelvin, "levels": regimes.joined(levels), "purity": float(bundles.purity.value)}
    row |= {
        "pair_rate": float(bundles.rate.value),
        "clicks": sum(steady.rate(n) for n in ("photon", "phonon", "magnon")),
    }
    both = regimes.observables(["magnon"])
    row |= {"g1": float(both["g1_am"](steady)), "g2": float(both["g2_am"](steady))}
    return row | {"contrast": (there - back) / (there + back)}


def beyond(resonator: tj.SpinningResonator, quick: bool) -> dict[str, Any]:
    """Return the numbers of the hot temperature, and by how much the last level moved them."""
    millikelvin, truncations = HOT[quick]
    before, row = (numbers(resonator, 1e-3 * millikelvin, levels) for levels in truncations)
    moved = {name: abs(row[name] - before[name]) for name in DRAWN}
    print(f"{millikelvin:5.0f} mK: levels {row['levels']}, not converged; the last level moved {moved}")
    return row | {f"{name}_moved": value for name, value in moved.items()}


def by_hot_clicks(row: dict[str, Any], kelvin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the coldest pairs among all clicks: baths give κ n(n + 1) clicks more for each mode."""
    heat = sum(KAPPA * n * (n + 1.0) for n in (np.array([occupation(f, t) for t in kelvin]) for f in FREQUENCIES))
    return 2.0 * row["pair_rate"] / (row["clicks"] + heat)


def main() -> None:
    """Compute, print and draw."""
    chosen = options(__doc__ or "")
    style()
    with timed():
        detuning = lindblad.resonance(tj.SpinningResonator("left"), "photon-magnon", regimes.FEW_LEVELS)
        resonator = tj.SpinningResonator("left", detuning, kappa=KAPPA)
        rows, start = [], (3, 2, 3) if chosen.quick else (4, 3, 4)
        for millikelvin in QUICK if chosen.quick else TEMPERATURES:
            row = at(resonator, 1e-3 * millikelvin, LARGEST[chosen.quick], start)
            if row is None:
                break
            start = row.pop("next")
            rows.append(row)
        hot = beyond(resonator, chosen.quick)
    table = {name: [row[name] for row in rows] for name in rows[0]}
    kelvin = np.geomspace(0.01, 1.0, 61)
    x = table["millikelvin"]
    page = figure(4.4)
    axes = page.subplots(2, 2).ravel()
    for name, frequency in zip(("phonon", "magnon"), FREQUENCIES, strict=True):
        axes[0].loglog(1e3 * kelvin, [occupation(frequency, t) for t in kelvin], label=name, **MODES[name])
    axes[0].set(ylabel="quanta of the bath  $n$")
    axes[0].legend(loc="lower right")
    panel(axes[0], "a", "what the baths hold")
    axes[1].semilogx(1e3 * kelvin, by_hot_clicks(rows[0], kelvin), "k--", linewidth=0.9, label="pairs of 10 mK")
    axes[1].semilogx(x, table["purity"], "o-", color="#0072B2", markersize=3.5, label="exact")
    axes[1].set(ylabel="pair purity", ylim=(0, 0.75))
    axes[1].legend(loc="upper right")
    panel(axes[1], "b", "purity")
    axes[2].loglog(x, table["g2"], "o-", color="#D55E00", markersize=3.5, label=r"$g_2(0)$ of pairs")
    axes[2].loglog(x, table["g1"], "s-", color="#0072B2", markersize=3.5, label=r"$g_1(0)$ in pairs")
    axes[2].set(ylabel="correlation")
    axes[2].legend(loc="upper right")
    panel(axes[2], "c", "bunching")
    axes[3].semilogx(x, table["contrast"], "o-", color="#009E73", markersize=3.5)
    axes[3].set(ylabel="contrast of the directions", ylim=(0, 1.05))
    panel(axes[3], "d", "directionality")
    for ax, names in ((axes[1], ("purity",)), (axes[2], ("g2", "g1")), (axes[3], ("contrast",))):
        for name in names:
            look = {"fmt": "s" if name == "g1" else "o", "color": COLOURS[name], "markerfacecolor": "white"}
            ax.errorbar(hot["millikelvin"], hot[name], hot[f"{name}_moved"], markersize=3.5, linewidth=1.0, **look)
    for name, level in THERMAL.items():
        axes[2].axhline(level, color=COLOURS[name], linestyle=":", linewidth=1.0)
    for ax in axes:
        ax.set(xlabel="temperature  (mK)", xlim=(9, 1100))
    nothing = [np.nan] * len(rows)
    table |= {f"{name}_moved": [*nothing, hot[f"{name}_moved"]] for name in DRAWN}
    table |= {name: [*table[name], hot[name]] for name in rows[0]}
    write_table(chosen.out / "temperature.csv", table)
    save(page, chosen.out, "temperature")


if __name__ == "__main__":
    main()
