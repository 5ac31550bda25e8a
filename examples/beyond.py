"""Beyond the paper: emission order, purity, imperfect detectors and nonreciprocity, from clicks and exactly.

    python examples/beyond.py --out runs/figures

Bundles are gap clusters of photon, phonon and magnon clicks; the truncation is the one at which `converge` finds
the click rates converged. (a)–(d) Signed lag inside pair bundles of each emission, steps from clicks, dots exact:
either quantum may come first. (e) Pair purity, the share of quanta in bundles of exactly the pair, δ = 3/κ,
against κ; dotted: what a Poisson stream of the same rates would give. (f) Correlation of bundles 2/κ to 4/κ apart,
δ = 1/κ, against the dark rate of every detector for three efficiencies: loss alone leaves it where it is, dark
counts raise it to 1, the sooner the more is lost. (g) Rate of pair bundles in the drive direction that emits them
(filled) and in the other, with the contrast (R − R')/(R + R'); bars exact, dots from clicks.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import regimes
from figures import DIRECTIONS, MODES, REGIMES, decades, figure, options, panel, save, style, timed, write_rows
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from regimes import joined

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.detectors import Detector
from trajectories.errors import TruncationWarning

TRAJECTORIES = 128
EFFICIENCIES = {1.0: "-", 0.5: "--", 0.25: ":"}
NO_DARK = 1e-6  # where a dark rate of zero is drawn
Rows = list[dict[str, Any]]


class Emission:
    """One emission of the paper: its pair, and the systems of both drive directions at a click truncation."""

    def __init__(self, regime: str, direction: str, mode: str, detuning: float, tolerance: float) -> None:
        self.regime, self.direction, self.mode = regime, direction, mode
        self.resonator = tj.SpinningResonator(direction=direction, detuning=detuning)
        self.levels = regimes.click_levels(self.resonator, mode, tolerance)
        self.seed = 10 * regimes.EMISSIONS.index((regime, direction, mode))  # of the first of its own records
        self.label = {"regime": regime, "direction": direction, "pair": regimes.SYMBOLS[mode]}
        self.label |= {"levels": joined(self.levels)}

    def system(self, **changed: Any) -> tj.OpenSystem:
        """Return the system, with some parameters changed."""
        return replace(self.resonator, **changed).system(self.levels)


def clicks_of(system: tj.OpenSystem, clicks: float, seed: int) -> tj.ClickRecord:
    """Simulate about so many clicks."""
    duration = regimes.duration_for(clicks, system, TRAJECTORIES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)
        return tj.simulate(system, trajectories=TRAJECTORIES, duration=duration, seed=seed, progress=False)


def order(emission: Emission, clicks: float, bins: int) -> tuple[Rows, dict[str, Any], dict[str, Any]]:
    """Return the lag histogram, the order fraction, and the rates of bundles in both directions."""
    mode, window = emission.mode, 3.0 / emission.resonator.kappas[0]
    record = clicks_of(emission.system(), clicks, emission.seed)
    steady = lindblad.steady_state(emission.system())
    edges = np.linspace(-window, window, bins + 1)
    lags, exact = (
        f(of, "photon", mode, edges) for f, of in ((an.lag_histogram, record), (lindblad.lag_histogram, steady))
    )
    rows = [
        emission.label
        | {"lag_low": float(edges[b]), "lag_high": float(edges[b + 1]), "density": float(lags.value[b])}
        | {"standard_error": float(lags.standard_error[b]), "exact": float(exact.value[b])}
        for b in range(bins)
    ]
    bundles = lindblad.pair_bundles(steady, "photon", mode)
    fraction = an.order_fraction(record, "photon", mode)
    reversal = an.time_reversal_test(record, "photon", mode, edges[bins // 2 :], seed=1)
    summary = emission.label | {"photon_first": fraction.value, "standard_error": fraction.standard_error}
    summary |= {"exact": bundles.order_fraction.value, "bundles": fraction.n, "time_reversal_p": reversal.p_value}
    other = "right" if emission.direction == "left" else "left"
    silent = emission.system(direction=other)
    kind = f"photon+{mode}"
    seen = [
        an.composition_rates(r, max_size=2)[kind]
        for r in (record, clicks_of(silent, 0.5 * clicks, emission.seed + 1))
    ]
    known = [bundles.rate.value, lindblad.pair_bundles(lindblad.steady_state(silent), "photon", mode).rate.value]
    rates = emission.label | {"rate": seen[0].value, "rate_error": seen[0].standard_error, "exact_rate": known[0]}
    rates |= {"other_rate": seen[1].value, "other_error": seen[1].standard_error, "exact_other": known[1]}
    total = seen[0].value + seen[1].value
    # C = (R − R')/(R + R'), both rates estimated independently.
    slopes = np.array([seen[1].value, seen[0].value]) * 2.0 / total**2
    error = float(np.hypot(*(slopes * [seen[0].standard_error, seen[1].standard_error])))
    rates |= {"contrast": (seen[0].value - seen[1].value) / total, "contrast_error": error}
    return rows, summary, rates | {"exact_contrast": (known[0] - known[1]) / sum(known)}


def purity(emission: Emission, kappas: list[float], clicks: float) -> Rows:
    """Return the pair purity against κ from clicks, exactly, and of a Poisson stream of the same rates."""
    rows = []
    for i, kappa in enumerate(kappas):
        system = emission.system(kappa=kappa)
        steady = lindblad.steady_state(system)
        found = an.pair_purity(clicks_of(system, clicks, emission.seed + 3 + i), "photon", emission.mode)
        rate = {name: steady.rate(name) for name in ("photon", "phonon", "magnon")}
        total = sum(rate.values())
        # Of pairs by chance, those of one photon and one other: either may be first.
        mixed = 2.0 * rate["photon"] * rate[emission.mode] / total**2
        chance = mixed * lindblad.accidental_purity(total, 2, [3.0 / kappa])[0].value
        row = {"kappa": kappa, "purity": found.value, "standard_error": found.standard_error, "bundles": found.n}
        exact = lindblad.pair_purity(steady, "photon", emission.mode).value
        rows.append(emission.label | row | {"exact": exact, "accidental": chance})
    return rows


def detectors(emission: Emission, dark_rates: list[float], efficiencies: list[float], clicks: float) -> Rows:
    """Return the correlation of bundles, 2δ to 4δ apart, against efficiency and dark counts."""
    window = 1.0 / emission.resonator.kappas[0]
    edges = [2.0 * window, 4.0 * window]
    kind = f"photon+{emission.mode}"
    record = clicks_of(emission.system(), clicks, emission.seed + 2)
    steady = lindblad.steady_state(emission.system())
    rows = []
    for efficiency in efficiencies:
        for dark in dark_rates:
            detector = Detector(efficiency=efficiency, dark_rate=dark)
            used = dict.fromkeys(("photon", "phonon", "magnon"), detector)
            seen = an.cluster_g2(an.apply_detectors(record, used, seed=25), kind, kind, edges, window=window)
            exact = lindblad.cluster_g2(steady, kind, kind, edges, window=window, detectors=used)
            row = {"efficiency": efficiency, "dark_rate": dark, "g2": float(seen.value[0])}
            row |= {"standard_error": float(seen.standard_error[0]), "pairs": int(seen.counts[0])}
            rows.append(emission.label | row | {"exact": float(exact.value[0])})
    return rows


def draw_lags(ax: Axes, rows: Rows, summary: dict[str, Any], mode: str) -> None:
    """Draw one lag histogram."""
    edges = [*(row["lag_low"] for row in rows), rows[-1]["lag_high"]]
    middle = 0.5 * (np.array(edges[1:]) + edges[:-1])
    density, error, exact = (1e3 * np.array([r[k] for r in rows]) for k in ("density", "standard_error", "exact"))
    ax.stairs(density, edges, color=MODES[mode]["color"], linewidth=1.0)
    ax.errorbar(middle, density, error, fmt="none", ecolor=MODES[mode]["color"], elinewidth=0.8, capsize=0)
    ax.plot(middle, exact, ".", color="black", ms=2.5)
    ax.axvline(0.0, color="grey", linewidth=0.5)
    ax.set_xlabel(f"$t$({mode}) − $t$(photon)  ($1/\\omega_b$)", fontsize=7)
    ax.set_ylim(0.0, 1.35 * density.max())
    fraction = f"{summary['photon_first']:.3f} ± {summary['standard_error']:.3f}"
    text = f"photon first\n{fraction}\nexact {summary['exact']:.3f}"
    ax.text(0.97, 0.97, text, transform=ax.transAxes, ha="right", va="top", fontsize=6)


def draw_purity(ax: Axes, rows: Rows) -> None:
    """Draw the pair purity against κ."""
    for regime, direction, mode in regimes.EMISSIONS:
        mine = [r for r in rows if (r["regime"], r["direction"]) == (regime, direction)]
        kappa, exact, chance, value, error = (
            [r[k] for r in mine] for k in ("kappa", "exact", "accidental", "purity", "standard_error")
        )
        marker = {"phonon": "o", "magnon": "s"}[mode]
        label = f"{regime} {DIRECTIONS[direction]}, {regimes.SYMBOLS[mode]}"
        ax.plot(kappa, exact, color=REGIMES[regime], linestyle=MODES[mode]["linestyle"], linewidth=1.0)
        ax.errorbar(kappa, value, error, fmt=marker, ms=3, color=REGIMES[regime], label=label)
        ax.plot(kappa, chance, ":", color=REGIMES[regime], linewidth=0.8)
    regimes.kappa_axis(ax)
    ax.set_ylim(0.0, 1.05)
    ax.set_ylabel(r"pair purity, $\delta=3/\kappa$")
    ax.legend(fontsize=6, loc="upper center", ncols=2)


def draw_detectors(ax: Axes, rows: Rows) -> None:
    """Draw how dark counts remove the antibunching of bundles."""
    for efficiency, line in EFFICIENCIES.items():
        mine = [r for r in rows if r["efficiency"] == efficiency]
        dark = [max(r["dark_rate"], NO_DARK) for r in mine]
        ax.plot(dark, [r["exact"] for r in mine], line, color="black", linewidth=0.9)
        seen = [(d, r) for d, r in zip(dark, mine, strict=True) if r["pairs"] >= 20]
        shade = str(0.7 * (1.0 - efficiency))
        value, error = ([r[k] for _, r in seen] for k in ("g2", "standard_error"))
        ax.errorbar([d for d, _ in seen], value, error, fmt="o", ms=3, color=shade, elinewidth=0.8)
    ax.axhline(1.0, color="grey", linewidth=0.6)
    ax.set_xscale("log")
    ax.set_ylim(0.0, 1.4)
    ax.set_xlabel(r"dark rate ($\omega_b$); leftmost: none")
    ax.set_ylabel(r"$g_2$ of bundles, $2/\kappa<\tau<4/\kappa$")
    ax.legend(
        handles=[
            Line2D([], [], color="black", linestyle=line, label=rf"$\eta={e:g}$")
            for e, line in EFFICIENCIES.items()
        ]
    )


def draw_contrast(ax: Axes, rows: Rows) -> None:
    """Draw the rates of pair bundles in the direction that emits and in the other."""
    for x, row in enumerate(rows):
        colour = REGIMES[row["regime"]]
        for shift, name, error, exact, face in (
            (-0.15, "rate", "rate_error", "exact_rate", colour),
            (0.15, "other_rate", "other_error", "exact_other", "white"),
        ):
            ax.bar(x + shift, row[exact], 0.3, color=face, edgecolor=colour)
            ax.errorbar(x + shift, row[name], row[error], fmt=".", ms=4, color="black", elinewidth=0.8)
        ax.text(x, 2.2e-4, f"{row['contrast']:.3f}", ha="center", va="bottom", fontsize=6.5)
    names = [f"{r['regime']}\n{r['pair']}, {DIRECTIONS[r['direction']]}" for r in rows]
    ax.set_xticks(range(len(rows)), names, fontsize=6)
    decades(ax)
    ax.set_ylim(5e-7, 6e-4)
    ax.set_ylabel(r"rate of pair bundles ($\omega_b$)")


def main() -> None:
    """Compute, write the tables, draw."""
    chosen = options(__doc__ or "", clicks=2_400_000, quick_clicks=120_000)
    style()
    quick = chosen.quick
    wanted = regimes.EMISSIONS[:1] if quick else regimes.EMISSIONS
    tuned = regimes.detunings(
        dict.fromkeys(regime for regime, *_ in wanted), regimes.FEW_LEVELS if quick else regimes.PAPER_LEVELS
    )
    emissions = [Emission(*each, tuned[each[0]], 1e-2 if quick else 2e-3) for each in wanted]
    kappas = [0.005, 0.0125] if quick else [0.002, 0.0035, 0.005, 0.008, 0.0125, 0.02]
    dark = [0.0, 1e-4, 1e-3] if quick else [0.0, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3]
    efficiencies = [1.0, 0.5] if quick else list(EFFICIENCIES)
    share = chosen.clicks / len(emissions)
    found = [order(emission, 0.35 * share, 8 if quick else 24) for emission in emissions]
    lags, orders, rates = ([row[i] for row in found] for i in range(3))
    purities = [row for e in emissions for row in purity(e, kappas, 0.25 * share / len(kappas))]
    imperfect = detectors(emissions[0], dark, efficiencies, 0.4 * chosen.clicks)
    tables = {"lags": [row for rows in lags for row in rows], "order": orders, "contrast": rates}
    for name, rows in (tables | {"purity": purities, "detectors": imperfect}).items():
        write_rows(chosen.out / f"beyond_{name}.csv", rows)
    for o, r in zip(orders, rates, strict=True):
        print(
            f"{o['regime']:6} {DIRECTIONS[o['direction']]} {o['pair']}: photon first {o['photon_first']:.4f} ± "
            f"{o['standard_error']:.4f} (exact {o['exact']:.4f}), time reversal p = {o['time_reversal_p']:.2f}; "
            f"contrast {r['contrast']:.4f} ± {r['contrast_error']:.4f} (exact {r['exact_contrast']:.4f})"
        )

    picture = figure(4.6)
    upper, lower = picture.subfigures(2, 1, height_ratios=(1.0, 1.35))
    axes = dict(zip("abcdefg", [*upper.subplots(1, 4), *lower.subplots(1, 3)], strict=True))
    for letter in "abcd":
        axes[letter].set_visible(False)
    for letter, emission, rows, summary in zip("abcd", emissions, lags, orders, strict=False):
        axes[letter].set_visible(True)
        draw_lags(axes[letter], rows, summary, emission.mode)
        panel(axes[letter], letter, f"{emission.regime}, {DIRECTIONS[emission.direction]}")
    axes["a"].set_ylabel(r"density ($10^{-3}\,\omega_b$)")
    draw_purity(axes["e"], purities)
    draw_detectors(axes["f"], imperfect)
    draw_contrast(axes["g"], rates)
    for letter, title in (
        ("e", "purity"),
        ("f", "imperfect detectors"),
        ("g", "nonreciprocity"),
    ):
        panel(axes[letter], letter, title)
    save(picture, chosen.out, "beyond")


if __name__ == "__main__":
    with timed():
        main()
