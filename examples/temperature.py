"""The paper's emitter at finite temperature: how purity, antibunching and the contrast of the directions are lost.

    python examples/temperature.py --out runs/figures

Phonons of 2 GHz and magnons of 2.1 GHz meet baths of n = 1/(e^{hf/kT} − 1) quanta (Bose–Einstein); light stays
cold. Blue regime, photon–magnon pairs, κ = 0.005. (a) Quanta of the baths (lines) and of the modes (points).
(b) Pair purity (δ = 3/κ; clicks of photon, phonon and magnon; quanta from the baths are not clicks). Dashed: the
share that the pairs of 10 mK would have among all clicks. Dotted, above 100 mK: the purity that a phonon without
any click for 2δ allows at most. (c) g₂(0) and g₁(0) of the pairs, and what independent thermal light and magnons
have (dotted): 4 and 1. (d) Contrast of ⟨a†a m†m⟩ between the drives from the left and right.

Everything but the purity is in moments (`lindblad.steady_moments`), whose order `converge` raises until nothing
moves by 1 %: at 1 K Fock levels would be 40,000 states. The rate of pairs needs time, so Fock levels; silence of
δ before and after a pair cools the modes, so that few suffice, which `converge` accepts to 3 %.
"""

from __future__ import annotations

from collections.abc import Sequence
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
WINDOW = 3.0 / KAPPA
TEMPERATURES = (10, 15, 20, 30, 40, 50, 70, 100, 150, 200, 300, 500, 700, 1000)  # mK
QUICK = (10, 30, 1000)
# Above this temperature hardly any window without clicks is left; Fock levels of the rate of pairs.
PURE_TO = {False: 100, True: 30}
LARGEST = {False: 260, True: 130}
START = {False: (4, 3, 4), True: (3, 2, 3)}
# Levels show the powers of H and of the observables to the moments, no more.
POWERS = (4, 3, 4)
CLICKS = ("photon", "phonon", "magnon")
# g₁ and g₂ of two independent thermal modes.
THERMAL = {"g1": 1.0, "g2": 4.0}
COLOURS = {"purity": "#0072B2", "g1": "#0072B2", "g2": "#D55E00", "contrast": "#009E73"}


def occupation(frequency: float, kelvin: float) -> float:
    """Return the mean number of quanta 1/(e^{hf/kT} − 1) of a bath."""
    return float(1.0 / np.expm1(Planck * frequency / (Boltzmann * kelvin)))


def warm(resonator: tj.SpinningResonator, kelvin: float) -> tj.SpinningResonator:
    """Return the resonator with phonon and magnon baths at this temperature."""
    return replace(resonator, thermal=(0.0, *(occupation(f, kelvin) for f in FREQUENCIES)))


def pairs(state: lindblad.SteadyMoments | lindblad.SteadyState) -> float:
    """Return ⟨a†a m†m⟩."""
    space = state.system.space
    return float(state.expect(space.number("photon") @ space.number("magnon")))


def watched() -> dict[str, Any]:
    """Return what the order must not move: clicks of the pair's modes, and what is drawn from them."""
    rates = {name: lambda s, name=name: s.rate(name) for name in CLICKS}
    return {**rates, **regimes.observables(["magnon"]), "pairs": pairs}


def in_moments(resonator: tj.SpinningResonator, kelvin: float) -> dict[str, Any]:
    """Return the numbers of one time, at the order that `converge` accepts for both directions."""
    emitting = warm(resonator, kelvin)
    systems = [emitting.system(POWERS), replace(emitting, direction="right").system(POWERS)]
    found = [
        lindblad.converge(
            lambda n, system=system: lindblad.steady_moments(system, 2 * n[0]),
            wanted,
            start=(4,),
            tolerance=0.01,
            maximum=(7,),
        )
        for system, wanted in zip(systems, (watched(), {"pairs": pairs}), strict=True)
    ]
    if not all(one.converged for one in found):
        raise SystemExit(f"{1e3 * kelvin:g} mK: no order of moments is accepted")
    state = lindblad.steady_moments(systems[0], 2 * found[0].levels[0])
    space = state.system.space
    values, silent = found[0].values, found[1].values["pairs"]
    row = {"millikelvin": 1e3 * kelvin, "order": state.order, "moved": max(one.moves["order"] for one in found)}
    row |= {f"quanta_{name}": float(state.expect(space.number(name))) for name in CLICKS}
    row |= {"clicks": sum(values[name] for name in CLICKS), "clicks_magnon": values["magnon"]}
    row |= {"g1": values["g1_am"], "g2": values["g2_am"]}
    return row | {"contrast": (values["pairs"] - silent) / (values["pairs"] + silent)}


def rate_of_pairs(
    resonator: tj.SpinningResonator, kelvin: float, largest: int, start: Sequence[int]
) -> tuple[float, tuple[int, ...]]:
    """Return how often a photon and a magnon come together and alone, and the levels that `converge` accepts."""
    emitting = warm(resonator, kelvin)

    def rate(steady: lindblad.SteadyState) -> float:
        return float(lindblad.pair_bundles(steady, "photon", "magnon", WINDOW, CLICKS).rate.value)

    found = lindblad.converge(emitting.system, {"pairs": rate}, start=start, tolerance=0.03, max_dimension=largest)
    if not found.converged:
        raise SystemExit(f"{1e3 * kelvin:g} mK: {found.reason}")
    return found.values["pairs"], found.levels


def silence(quanta: float, time: float) -> float:
    """Return the probability that a thermal mode makes no click for a time.

    Without a click p_m(t) = A rᵐ stays geometric, with A' = −κnA and r' = κn − κ(2n + 1)r.
    """
    last = quanta / (2.0 * quanta + 1.0)
    ratio = last + (quanta / (quanta + 1.0) - last) * np.exp(-KAPPA * (2.0 * quanta + 1.0) * time)
    return float(np.exp(-KAPPA * quanta * time) / ((quanta + 1.0) * (1.0 - ratio)))


def at_most(row: dict[str, Any], kelvin: float) -> float:
    """Return the purity that a phonon silent from δ before a pair to δ after it allows.

    Each pair has one of the magnon's clicks, and the phonon, which these pairs do not involve, is independent.
    """
    return 2.0 * row["clicks_magnon"] * silence(occupation(FREQUENCIES[0], kelvin), 2.0 * WINDOW) / row["clicks"]


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
        rows, start = [], START[chosen.quick]
        for millikelvin in QUICK if chosen.quick else TEMPERATURES:
            kelvin = 1e-3 * millikelvin
            row = in_moments(resonator, kelvin)
            row |= {"purity_at_most": at_most(row, kelvin), "pair_rate": np.nan, "purity": np.nan, "levels": ""}
            if millikelvin <= PURE_TO[chosen.quick]:
                rate, start = rate_of_pairs(resonator, kelvin, LARGEST[chosen.quick], start)
                row |= {"pair_rate": rate, "purity": 2.0 * rate / row["clicks"], "levels": regimes.joined(start)}
            print(
                f"{millikelvin:5.0f} mK: order {row['order']}, g1 {row['g1']:.3f}, g2 {row['g2']:.3f}, contrast "
                f"{row['contrast']:.3f}, purity {row['purity']:.3g} ({row['levels'] or 'at most'} "
                f"{row['purity_at_most']:.2g})"
            )
            rows.append(row)
    table = {name: [row[name] for row in rows] for name in rows[0]}
    write_table(chosen.out / "temperature.csv", table)
    save(drawn({name: np.array(column) for name, column in table.items()}, rows[0]), chosen.out, "temperature")


def drawn(table: dict[str, NDArray[Any]], coldest: dict[str, Any]) -> Any:
    """Draw the four panels."""
    kelvin = np.geomspace(0.01, 1.0, 61)
    x = table["millikelvin"]
    page = figure(4.4)
    axes = page.subplots(2, 2).ravel()
    for name, frequency in zip(("phonon", "magnon"), FREQUENCIES, strict=True):
        axes[0].loglog(1e3 * kelvin, [occupation(frequency, t) for t in kelvin], **MODES[name])
    for name in CLICKS:
        axes[0].loglog(x, table[f"quanta_{name}"], "o", color=MODES[name]["color"], markersize=3.5, label=name)
    axes[0].set(ylabel="quanta")
    axes[0].legend(loc="lower right")
    panel(axes[0], "a", "what baths and modes hold")
    axes[1].loglog(1e3 * kelvin, by_hot_clicks(coldest, kelvin), "k--", linewidth=0.9, label="pairs of 10 mK")
    axes[1].loglog(x, table["purity"], "o-", color=COLOURS["purity"], markersize=3.5, label="exact")
    hot = x >= 70.0
    axes[1].loglog(x[hot], table["purity_at_most"][hot], ":", color=COLOURS["purity"], label="at most")
    axes[1].set(ylabel="pair purity", ylim=(1e-9, 3.0))
    axes[1].legend(loc="lower left")
    panel(axes[1], "b", "purity")
    axes[2].loglog(x, table["g2"], "o-", color=COLOURS["g2"], markersize=3.5, label=r"$g_2(0)$ of pairs")
    axes[2].loglog(x, table["g1"], "s-", color=COLOURS["g1"], markersize=3.5, label=r"$g_1(0)$ in pairs")
    for name, level in THERMAL.items():
        axes[2].axhline(level, color=COLOURS[name], linestyle=":", linewidth=1.0)
    axes[2].set(ylabel="correlation")
    axes[2].legend(loc="lower right")
    panel(axes[2], "c", "bunching")
    axes[3].semilogx(x, table["contrast"], "o-", color=COLOURS["contrast"], markersize=3.5)
    axes[3].set(ylabel="contrast of the directions", ylim=(0, 1.05))
    panel(axes[3], "d", "directionality")
    for ax in axes:
        ax.set(xlabel="temperature  (mK)", xlim=(9, 1100))
    return page


if __name__ == "__main__":
    main()
