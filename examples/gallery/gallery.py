"""A gallery of emitters on one page: three baselines, and bundles of two and three photons.

    python examples/gallery/gallery.py --out runs/figures

Each system is simulated, validated against the density matrix, and held against its closed form or publication.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).resolve().parents[1]))

import cavity_bundles
import fluorescence
import fock_decay
import pair_source
from figures import figure, options, panel, save, style, timed, write_table

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad

Row = tuple[str, str, float, float, float, str]  # system, quantity, clicks, error, exact, reference


def simulated(system: tj.OpenSystem, clicks: int, seed: int) -> tuple[tj.ClickRecord, lindblad.SteadyState]:
    """Return a record of about so many clicks in 64 trajectories, and the steady state."""
    steady = lindblad.steady_state(system)
    total = sum(float(rate.value) for rate in lindblad.rates(steady).values())
    return tj.simulate(system, 64, clicks / total / 64, seed=seed, progress=False), steady


def say(name: str, verdict: str) -> None:
    """Print what validation found."""
    print(f"{name:24} {verdict}")


def main() -> None:
    """Simulate, validate, print and draw."""
    chosen: argparse.Namespace = options(__doc__ or "", clicks=30_000, quick_clicks=8_000)
    style()
    page, rows = figure(4.6), []
    axes = page.subplots(2, 3).ravel()
    with timed():
        cases = [
            (fluorescence, ("atom", "atom"), "click rate", "atom"),
            (pair_source, ("signal", "idler"), "signal rate", "signal"),
        ]
        for ax, letter, (module, pair, quantity, channel) in zip(axes, "ab", cases, strict=False):
            system = module.emitter()
            record, steady = simulated(system, chosen.clicks, seed=3)
            say(module.NAME, an.validate(record, system).verdict)
            seen = an.rates(record)[channel]
            exact, closed = module.numbers()[quantity]
            words = f"{closed:.5f} closed form"
            rows.append((module.NAME, quantity, seen.value, seen.standard_error, exact, words))
            edges = np.linspace(-6.0, 6.0, 41)
            an.plot.correlation(an.g2(record, *pair, edges), lindblad.g2(steady, *pair, edges), ax=ax)
            unit = r"$1/\gamma$" if module is fluorescence else r"$1/\kappa$"
            ax.set(xlabel=rf"lag  $\tau$  ({unit})", ylabel=r"$g^{(2)}(\tau)$")
            ax.legend(loc="lower left" if module is fluorescence else "upper left", handlelength=1.2)
            panel(ax, letter, module.NAME)

        count = max(1000, chosen.clicks // 3)
        record = tj.simulate(
            fock_decay.emitter(), count, 12.0, seed=4, initial=fock_decay.initial(), progress=False
        )
        verdict = an.validate(record, fock_decay.emitter(), initial=fock_decay.initial()).verdict
        say(fock_decay.NAME, verdict)
        law = fock_decay.counting_law()
        share, error = fock_decay.counted(record) / count, np.sqrt(law * (1 - law) / count)
        for k, (a, b, c) in enumerate(zip(share, error, law, strict=True)):
            rows.append((fock_decay.NAME, f"p({k}) by 1/kappa", a, b, c, "binomial law"))
        axes[2].bar(range(len(law)), law, color="0.8", label="closed form")
        axes[2].errorbar(range(len(law)), share, 2 * error, fmt="ko", markersize=3, label="clicks, 2σ")
        axes[2].set(xlabel=r"photons by $t=1/\kappa$", ylabel="probability", xticks=range(len(law)))
        axes[2].legend(loc="upper left")
        panel(axes[2], "c", fock_decay.NAME)

        strip = None
        for n, ax, letter in zip((2, 3), axes[3:], "de", strict=False):
            name, kappa = f"{n}-photon bundles", cavity_bundles.SETTINGS[n][0]
            system = cavity_bundles.emitter(n, cavity_bundles.resonance(n))
            record, steady = simulated(system, chosen.clicks, seed=5)
            say(name, an.validate(record, system).verdict)
            windows = np.geomspace(0.1, 10.0, 21) / kappa
            exact_curve = cavity_bundles.numbers(n, windows)
            found = an.purity(record, n, windows, channels=["cavity"])
            rate = float(lindblad.rates(steady)["cavity"].value)
            poisson = [float(p.value) for p in an.accidental_purity(rate, n, windows)]
            an.plot.purity(windows, {n: found}, {n: exact_curve}, {n: poisson}, ax=ax)
            ax.set(xlabel=r"bundle window  $\delta$  ($1/g$)", ylim=(0, 1.12))
            ax.set_ylabel(rf"purity  $\pi_{n}(\delta)$")
            stated = cavity_bundles.STATED[n]
            ax.axhline(stated, color="0.5", linestyle=":", linewidth=0.9)
            ax.text(windows[0], stated + 0.02, "stated as within reach", fontsize=6, color="0.35")
            ax.get_legend().remove() if ax.get_legend() else None
            panel(ax, letter, name)
            top = int(np.argmax(exact_curve))
            seen = found[top]
            words = f"about {stated:g} stated as within reach"
            rows.append((name, "largest purity", seen.value, seen.standard_error, float(exact_curve[top]), words))
            strip = record.select("cavity") if n == 2 else strip
        from_start = float(np.sort(strip.time[strip.trajectory == 0])[0])
        shown = strip.time[(strip.trajectory == 0) & (strip.time < from_start + 12_000.0)] - from_start
        axes[5].eventplot([shown], colors=["black"], linewidths=0.7)
        for group in np.split(shown, np.flatnonzero(np.diff(shown) > 5.0 / cavity_bundles.SETTINGS[2][0]) + 1):
            axes[5].text(group.mean(), 1.55, str(len(group)), ha="center", fontsize=7)
        axes[5].set(xlabel=r"time  ($1/g$)", yticks=[], xlim=(-200, 12_000))
        panel(axes[5], "f", "clicks of (d): photons in each")
    print(f"{'system':24} {'quantity':20} {'clicks':>20} {'exact':>10}  reference")
    for name, quantity, value, error, exact, reference in rows:
        print(f"{name:24} {quantity:20} {value:10.5f} ±{error:8.5f} {exact:10.5f}  {reference}")
    heads = ("system", "quantity", "clicks", "standard_error", "exact", "reference")
    write_table(chosen.out / "gallery.csv", dict(zip(heads, zip(*rows, strict=True), strict=True)))
    save(page, chosen.out, "gallery")


if __name__ == "__main__":
    main()
