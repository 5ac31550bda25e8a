"""A gallery of emitters on one page: three baselines, and seven sources of bundles.

    python examples/gallery/gallery.py --out runs/figures

Each system is simulated, validated against the density matrix, and compared with its closed form or publication.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

sys.path.append(str(Path(__file__).resolve().parents[1]))

import biexciton
import cavity_bundles
import dissipative_magnons
import fluorescence
import fock_decay
import josephson
import pair_source
import parity_photons
import stokes_phonons
import two_modes
from figures import figure, options, panel, save, style, timed, write_table

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad

EMITTERS = (
    cavity_bundles, stokes_phonons, parity_photons, biexciton, dissipative_magnons, josephson, two_modes,
)  # fmt: skip
COLOURS = ("#0072B2", "#D55E00")
Row = tuple[str, str, float, float, float, str]  # system, quantity, clicks, error, exact, compared with


def simulated(system: tj.OpenSystem, clicks: int, seed: int, channels: tuple[str, ...] = ()) -> tj.ClickRecord:
    """Return a record in 64 trajectories, of about so many clicks in the channels, or in all."""
    rates = lindblad.rates(lindblad.steady_state(system))
    total = sum(float(rates[channel].value) for channel in channels or rates)
    return tj.simulate(system, 64, clicks / total / 64, seed=seed, tolerance=1e-8, progress=False)


def say(name: str, verdict: str) -> None:
    """Print what validation found."""
    print(f"{name:40} {verdict}")


def correlated(ax: Axes, module: ModuleType, pair: tuple[str, str], quantity: str, clicks: int) -> Row:
    """Draw g² of a baseline, and return its rate beside the closed form."""
    system = module.emitter()
    record = simulated(system, clicks, 3)
    say(module.NAME, an.validate(record, system).verdict)
    edges = np.linspace(-6.0, 6.0, 41)
    an.plot.correlation(
        an.g2(record, *pair, edges), lindblad.g2(lindblad.steady_state(system), *pair, edges), ax=ax
    )
    unit = r"$1/\gamma$" if module is fluorescence else r"$1/\kappa$"
    ax.set(xlabel=rf"lag  $\tau$  ({unit})", ylabel=r"$g^{(2)}(\tau)$")
    ax.legend(loc="lower left" if module is fluorescence else "upper left", handlelength=1.2)
    seen = an.rates(record)[pair[0]]
    exact, closed = module.numbers()[quantity]
    return module.NAME, quantity, seen.value, seen.standard_error, exact, f"{closed:.5f} closed form"


def counted(ax: Axes, count: int) -> list[Row]:
    """Draw how many photons of |3⟩ have come, and return the law's probabilities."""
    system, initial = fock_decay.emitter(), fock_decay.initial()
    record = tj.simulate(system, count, 12.0, seed=4, initial=initial, progress=False)
    say(fock_decay.NAME, an.validate(record, system, initial=initial).verdict)
    law = fock_decay.counting_law()
    share, error = fock_decay.counted(record) / count, np.sqrt(law * (1 - law) / count)
    ax.bar(range(len(law)), law, color="0.8", label="closed form")
    ax.errorbar(range(len(law)), share, 2 * error, fmt="ko", markersize=3, label="clicks, 2σ")
    ax.set(xlabel=r"photons by $t=1/\kappa$", ylabel="probability", xticks=range(len(law)))
    ax.legend(loc="upper left")
    return [
        (fock_decay.NAME, f"p({k}) by 1/kappa", a, b, c, "binomial law")
        for k, (a, b, c) in enumerate(zip(share, error, law, strict=True))
    ]


def bundled(ax: Axes, module: ModuleType, clicks: int) -> list[Row]:
    """Draw the purities of an emitter's bundles against the window; return the largest."""
    rows = []
    for case, colour, marker in zip(module.gallery(), COLOURS, "os", strict=False):
        name = f"{module.NAME}: {plain(case.name)}"
        record = simulated(case.system, clicks, 5, case.channels)
        say(name, an.validate(record, case.system).verdict)
        x, exact = case.windows * case.decay, case.purity(case.windows)
        seen = an.purity(record, case.size, case.windows, channels=list(case.channels))
        rates = lindblad.rates(lindblad.steady_state(case.system))
        rate = sum(float(rates[channel].value) for channel in case.channels)
        chance = [p.value for p in an.accidental_purity(rate, case.size, case.windows)]
        ax.semilogx(x, exact, color=colour, label=case.name)
        ax.semilogx(x, chance, color=colour, linestyle=":", linewidth=0.9)
        values, errors = [p.value for p in seen], [2 * p.standard_error for p in seen]
        ax.errorbar(x, values, errors, fmt=marker, color=colour, markersize=2.6, linestyle="none")
        top = int(np.argmax(exact))
        rows.append((name, "largest purity", values[top], errors[top] / 2, float(exact[top]), "see the claims"))
    ax.set(xlabel=r"bundle window  $\delta$  ($1/\kappa$)", ylabel=r"purity  $\pi_n(\delta)$", ylim=(0, 1.12))
    ax.legend(loc="upper left", handlelength=1.2, borderaxespad=0.2)
    return rows


def plain(text: str) -> str:
    """Return a label without mathematics."""
    return text.replace("$", "").replace("\\", "")


def held(ax: Axes) -> list[tuple[str, str, float, str]]:
    """Draw g₂(0) of all bundles; return what publications say beside what is found."""
    names, values = [], []
    for module in EMITTERS:
        for case in module.gallery():
            names.append(f"{module.NAME}: {case.name}")
            values.append(case.g2())
    ax.semilogx(values, range(len(values)), "ko", markersize=3)
    ax.axvline(1.0, color="0.6", linewidth=0.8)
    for row, name in enumerate(names):
        ax.text(1.4e-8, row, name, fontsize=7, va="center")
    ax.set(xlim=(1e-8, 50.0), ylim=(len(values) - 0.4, -0.6), yticks=[])
    ax.set(xlabel=r"bundles' own correlation  $g_2(0)$", xticks=[1e-3, 1e-2, 0.1, 1.0, 10.0])
    ax.xaxis.set_minor_locator(NullLocator())
    found = []
    for module in EMITTERS:
        for claim in module.claims():
            found.append((module.NAME, claim.says, claim.found, "holds" if claim.holds else "does not hold"))
    return found


def main() -> None:
    """Simulate, validate, print and draw."""
    chosen: argparse.Namespace = options(__doc__ or "", clicks=30_000, quick_clicks=8_000)
    style()
    page, rows = figure(8.6), []
    grid = page.add_gridspec(4, 3)
    axes = [page.add_subplot(grid[k // 3, k % 3]) for k in range(10)]
    last = page.add_subplot(grid[3, 1:])
    with timed():
        rows.append(correlated(axes[0], fluorescence, ("atom", "atom"), "click rate", chosen.clicks))
        panel(axes[0], "a", fluorescence.NAME)
        rows.append(correlated(axes[1], pair_source, ("signal", "idler"), "signal rate", chosen.clicks))
        panel(axes[1], "b", pair_source.NAME)
        rows += counted(axes[2], max(1000, chosen.clicks // 3))
        panel(axes[2], "c", fock_decay.NAME)
        for ax, letter, module in zip(axes[3:], "defghij", EMITTERS, strict=True):
            rows += bundled(ax, module, chosen.clicks)
            panel(ax, letter, module.NAME)
        claims = held(last)
        panel(last, "k", "are the bundles themselves bunched? (exact)")
    print(f"{'system':40} {'quantity':20} {'clicks':>20} {'exact':>10}  compared with")
    for name, quantity, value, error, exact, reference in rows:
        print(f"{name:40} {quantity:20} {value:10.5f} ±{error:8.5f} {exact:10.5f}  {reference}")
    for name, says, value, verdict in claims:
        print(f"{name:40} {says:62} {value:10.5f}  {verdict}")
    heads = ("system", "quantity", "clicks", "standard_error", "exact", "reference")
    write_table(chosen.out / "gallery.csv", dict(zip(heads, zip(*rows, strict=True), strict=True)))
    words = ("system", "says", "found", "verdict")
    write_table(chosen.out / "gallery_claims.csv", dict(zip(words, zip(*claims, strict=True), strict=True)))
    save(page, chosen.out, "gallery")


if __name__ == "__main__":
    main()
