"""The colours of the emitter: spectra, pairs of colours, and how the atom's photon disturbs the bundles.

    python examples/colours.py --out runs/figures

The paper says that the atom's photon "is at another frequency and does not disrupt the bundle". Here is its
spectrum, and bundles of light and magnons when one detector takes all light, the cavity's and the atom's, with and
without a filter. A second picture shows which colours come together: g² behind two narrow filters, for all pairs
of frequencies.
"""

from __future__ import annotations

import warnings
from itertools import product
from typing import Any

import numpy as np
import regimes
from figures import DIRECTIONS, REGIMES, figure, options, panel, save, style, timed, write_rows
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.errors import TruncationWarning

Rows = list[dict[str, Any]]
CHANNELS = ("photon", "phonon", "magnon", "atom")
KAPPA = 0.005
WINDOW = 3.0 / KAPPA
RANGE = (-4.2, 4.2)
# The maps of pairs of colours: the second channel and its frequencies beside the photon's; width of both filters.
PAIRED = {"magnon": (0.0, 3.0), "atom": (-3.0, 3.0)}
FILTER = 0.05


def spectra(
    wanted: list[tuple[str, str, str]], tuned: dict[str, float], levels: tuple[int, int, int]
) -> tuple[Rows, dict[tuple[str, str, str], Any]]:
    """Return the peaks and the spectrum of each channel in each regime and direction, also where it is silent."""
    rows, found = [], {}
    for regime, direction in product(dict.fromkeys(regime for regime, *_ in wanted), DIRECTIONS):
        system = tj.SpinningResonator(direction, detuning=tuned[regime], kappa=KAPPA).system(levels)
        steady = lindblad.steady_state(system)
        for channel in CHANNELS:
            spectrum = lindblad.emission_spectrum(steady, channel)
            found[regime, direction, channel] = spectrum
            for peak in spectrum.peaks[:6]:
                row = {"regime": regime, "direction": direction, "channel": channel, "rate": spectrum.rate}
                row |= {"coherent": spectrum.coherent, "sum_rule": spectrum.sum_rule}
                row |= {"frequency": peak.frequency, "width": peak.width, "peak_rate": peak.rate}
                rows.append(row | {"transition": peak.transition, "share": peak.share})
    return rows, found


def disruption(
    detuning: float,
    levels: tuple[int, int, int],
    frequency: float,
    widths: list[float],
    clicks: int,
) -> Rows:
    """Return what bundles of light and magnons look like on different detectors of light.

    The filter is in front of the cavity's light; how much of the atom's light an equal one passes is given beside
    it.
    """
    source = tj.SpinningResonator("left", detuning=detuning, kappa=KAPPA).system(levels)
    cases: list[tuple[str, float, tj.OpenSystem, tuple[str, ...]]] = [
        ("cavity alone", np.nan, source, ("photon",)),
        ("all light", np.nan, source, ("photon", "atom")),
    ]
    for width in widths:
        system = source.filtered("photon", frequency, width, levels=levels[0] - 1)
        cases.append(("filtered", width, system, ("photon transmitted",)))
    rows = []
    for case, width, system, light in cases:
        row = seen_as(case, width, system, light, clicks // len(cases))
        passed = 0.0
        if case == "filtered":
            behind = source.filtered("atom", frequency, width, levels=2)
            passed = lindblad.steady_state(behind).rate("atom transmitted") / row["light"]
        rows.append(row | {"atom_passes": passed})
    return rows


def seen_as(case: str, width: float, system: tj.OpenSystem, light: tuple[str, ...], clicks: int) -> dict[str, Any]:
    """Return purity and order, exact and of clicks, with g² and heralding, when some channels share a detector."""
    steady = lindblad.steady_state(system)
    names = (*light, "phonon", "magnon")
    orders = lindblad.order_rates(steady, window=WINDOW, channels=names, max_size=2)
    first = sum(orders[name, "magnon"].value for name in light)
    second = sum(orders["magnon", name].value for name in light)
    total = sum(steady.rate(name) for name in names)
    row = {"case": case, "width": width, "light": sum(steady.rate(name) for name in light)}
    row |= {"exact_purity": 2.0 * (first + second) / total, "exact_light_first": first / (first + second)}
    record = tj.simulate(system, 64, clicks / total / 64, seed=41, progress=False)
    merged = one_detector(record, light)
    purity = an.pair_purity(merged, "light", "magnon", window=WINDOW)
    order = an.order_fraction(merged, "light", "magnon", window=WINDOW)
    heralded = an.heralding_efficiency(merged, "magnon", "light", window=WINDOW)
    herald = an.heralding_efficiency(merged, "light", "magnon", window=WINDOW)
    edges = np.array([0.0, 0.5 / KAPPA])
    g2 = an.g2(merged, "light", "magnon", edges)
    for name, found in (("purity", purity), ("light_first", order), ("heralded", heralded), ("herald", herald)):
        row |= {name: found.value, f"{name}_error": found.standard_error}
    exact = [lindblad.g2(steady, name, "magnon", edges).value[0] * steady.rate(name) for name in light]
    row |= {"g2": g2.value[0], "g2_error": g2.standard_error[0], "exact_g2": sum(exact) / row["light"]}
    return row | {"top_level": max(steady.top_level.values()), "N": system.dimension}


def one_detector(record: tj.ClickRecord, light: tuple[str, ...]) -> tj.ClickRecord:
    """Return the record in which some channels are one, called light, with phonon and magnon, and no others."""
    names = ("light", "phonon", "magnon")
    new = {name: 0 for name in light} | {"phonon": 1, "magnon": 2}
    place = np.array([new.get(name, -1) for name in record.channel_names])[record.channel]
    kept = place >= 0
    return tj.ClickRecord.from_arrays(
        record.trajectory[kept],
        record.time[kept],
        place[kept],
        channel_names=names,
        start=record.start,
        stop=record.stop,
    )


def draw_spectra(axes: NDArray[Any], cases: list[tuple[str, str]], found: dict[tuple[str, str, str], Any]) -> None:
    """Draw the four channels' spectra, a row for each that emits pairs, with the name of the strongest peak.

    Black lines: the same regime driven from the silent side.
    """
    for column, channel in enumerate(CHANNELS):
        top = max(s.density.max() for key, s in found.items() if key[2] == channel)
        for ax, (regime, direction) in zip(axes[:, column], cases, strict=True):
            spectrum = found[regime, direction, channel]
            omega = np.union1d(spectrum.omega, np.linspace(*RANGE, 1500))
            omega = omega[(omega > RANGE[0]) & (omega < RANGE[1])]
            ax.fill_between(omega, spectrum.at(omega), 1e-9 * top, color=REGIMES[regime], lw=0.7, rasterized=True)
            silent = "right" if direction == "left" else "left"
            if (regime, silent) not in cases:
                other = found[regime, silent, channel]
                places = np.union1d(other.omega, omega)
                places = places[(places > RANGE[0]) & (places < RANGE[1])]
                ax.plot(places, other.at(places), color="black", lw=0.4, rasterized=True)
            peak = spectrum.peaks[0]
            name = peak.transition.replace(",", "")
            ax.text(np.clip(peak.frequency, -1.7, 1.7), 8.0 * top, name, fontsize=5, ha="center", va="center")
            ax.set_yscale("log")
            ax.set_xlim(*RANGE)
            ax.set_ylim(1e-6 * top, 40.0 * top)
            ax.set_yticks([10.0 ** np.floor(np.log10(top)) * share for share in (1e-4, 1e-2, 1.0)])
            ax.minorticks_off()
            ax.tick_params(labelbottom=False)
            if column == 0:
                line = "" if (regime, silent) in cases else f"\nline: {DIRECTIONS[silent]}"
                ax.set_ylabel(f"{regime}\n{DIRECTIONS[direction]}{line}", fontsize=6)
        axes[-1, column].tick_params(labelbottom=True)
        axes[-1, column].set_xlabel(r"$\omega$ beside the drive ($\omega_b$)")
        panel(axes[0, column], "abcd"[column], rf"{channel}, $S(\omega)$")


def draw_disruption(axes: list[Axes], rows: Rows) -> None:
    """Draw purity, order, g² and heralding, one detector a place."""
    labels = [r["case"] if np.isnan(r["width"]) else f"filter\n$\\Gamma={r['width']:g}$" for r in rows]
    panels = (
        ("purity", "exact_purity", "pair purity"),
        ("light_first", "exact_light_first", "light clicks first"),
        ("g2", "exact_g2", r"$g^{(2)}$ light, then magnon"),
        ("heralded", None, "heralding"),
    )
    place = np.arange(len(rows))
    for ax, (name, exact, title), letter in zip(axes, panels, "efgh", strict=True):
        if exact is not None:
            ax.bar(place, [r[exact] for r in rows], 0.6, color="0.85", edgecolor="0.5", linewidth=0.5)
        ax.errorbar(
            place, [r[name] for r in rows], [r[f"{name}_error"] for r in rows], fmt="o", ms=3, color="black"
        )
        if name == "heralded":
            values, errors = ([r[key] for r in rows] for key in ("herald", "herald_error"))
            ax.errorbar(place, values, errors, fmt="s", ms=3, color="#D55E00")
            ax.plot([], [], "o", ms=3, color="black", label="light heralded by a magnon")
            ax.plot([], [], "s", ms=3, color="#D55E00", label="magnon heralded by light")
            ax.legend(fontsize=5, loc="upper center", handlelength=1.0, handletextpad=0.3, borderpad=0.2)
            ax.set_ylim(0.0, 1.45)
        ax.set_xticks(place, [label.replace(" ", "\n", 1) for label in labels], fontsize=5.5)
        ax.set_xlim(-0.6, len(rows) - 0.4)
        panel(ax, letter, title)


def pair_maps(detuning: float, levels: tuple[int, int, int], points: int) -> dict[str, Any]:
    """Return spectra, g²_Γ(ω₁, ω₂) of a photon with quanta of other channels, and its values where lines cross."""
    steady = lindblad.steady_state(tj.SpinningResonator("left", detuning=detuning, kappa=KAPPA).system(levels))
    spectra = {name: lindblad.emission_spectrum(steady, name) for name in ("photon", *PAIRED)}
    omega = np.linspace(-3.0, 3.0, points)
    maps, rows = {}, []
    for name, (low, high) in PAIRED.items():
        lines = [[peak.frequency for peak in spectra[key].peaks[:4]] for key in ("photon", name)]
        values = lindblad.two_photon_spectrum(steady, "photon", name, *lines, FILTER)
        for (i, first), (j, second) in product(enumerate(lines[0]), enumerate(lines[1])):
            rows.append({"second": name, "photon": first, "other": second, "g2": values[i, j]})
        other = np.linspace(low, high, max(round(points * (high - low) / 6.0), 3))
        maps[name] = (omega, other, lindblad.two_photon_spectrum(steady, "photon", name, omega, other, FILTER))
    return {"spectra": spectra, "maps": maps, "rows": rows}


def draw_pairs(picture: Figure, found: dict[str, Any]) -> None:
    """Draw each map between the spectra of its two channels, with the sums of frequencies that energy allows."""
    grid = picture.add_gridspec(2, 5, height_ratios=[1.0, 5.0], width_ratios=[1.0, 5.0, 1.0, 5.0, 0.25])
    photon, flip = found["spectra"]["photon"], -found["spectra"]["atom"].peaks[0].frequency
    pair = [found["spectra"][name].peaks[0].frequency for name in ("photon", "magnon")]
    white = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    for number, (name, (omega, other, values)) in enumerate(found["maps"].items()):
        ax = picture.add_subplot(grid[1, 2 * number + 1])
        norm = LogNorm(1e-2, 1e2)
        mesh = ax.pcolormesh(omega, other, values.T, cmap="RdBu_r", norm=norm, rasterized=True)
        ax.set_xlim(omega[0], omega[-1])
        ax.set_ylim(other[0], other[-1])
        ax.set_xlabel(r"$\omega_1$ of the photon, beside the drive ($\omega_b$)")
        ax.tick_params(labelleft=False)
        above = picture.add_subplot(grid[0, 2 * number + 1], sharex=ax)
        beside = picture.add_subplot(grid[1, 2 * number], sharey=ax)
        second = found["spectra"][name]
        for strip, spectrum, turned in ((above, photon, False), (beside, second, True)):
            places = np.union1d(spectrum.omega, omega)
            places = places[(places >= omega[0]) & (places <= omega[-1])]
            density = spectrum.at(places)
            span = (1e-6 * density.max(), 3.0 * density.max())
            if turned:
                strip.fill_betweenx(places, density, span[0], color="0.4", lw=0.5)
                strip.set_xscale("log")
                strip.set_xlim(*span[::-1])
            else:
                strip.fill_between(places, density, span[0], color="0.4", lw=0.5)
                strip.set_yscale("log")
                strip.set_ylim(*span)
        for axis in (above.yaxis, beside.xaxis):
            axis.set_ticks([])
            axis.set_ticks([], minor=True)
        above.tick_params(labelbottom=False)
        unit = r", beside the drive ($\omega_b$)" if name == "atom" else r" ($\omega_b$)"
        beside.set_ylabel(rf"$\omega_2$ of the {name}{unit}")
        panel(above, "ab"[number], rf"$g^{{(2)}}_\Gamma(\omega_1,\omega_2)$, photon and {name}")
        marked = {0.0: (-2.55, 2.55), flip: (0.35, flip - 0.35)}
        if name == "atom":
            marked = {-flip: (-2.0, 2.0 - flip), 0.0: (-1.55, 1.55), flip: (0.45, flip - 0.45)}
        for total, place in marked.items():
            ax.plot(omega, total - omega, ":", color="black", lw=0.6)
            slope = -62 if name == "magnon" else -45
            text = f"sum {total:.2f}".replace("-", "−") if total else "sum 0"
            ax.text(*place, text, fontsize=6, rotation=slope, bbox=white, ha="center", va="center")
        if name == "magnon":
            ax.plot(*pair, "o", ms=9, mfc="none", mec="black", mew=1.1)
            line = {"arrowstyle": "-", "lw": 0.6}
            ax.annotate("bundle", pair, (1.75, 1.75), fontsize=7, bbox=white, arrowprops=line)
        else:
            for centre in (-flip, flip):
                ax.axhline(centre, color="black", lw=0.4, ls=":")
            ax.axvline(pair[0], color="black", lw=0.4, ls=":")
            ax.text(
                pair[0], -2.95, "bundle's photon", fontsize=6, rotation=90, bbox=white, ha="right", va="bottom"
            )
            ax.text(-2.95, -flip, "atom's photon", fontsize=6, bbox=white, ha="left", va="bottom")
    bar = picture.colorbar(mesh, cax=picture.add_subplot(grid[1, 4]), extend="both")
    bar.set_label("apart (blue) – independent (1) – together (red)")


def main() -> None:
    """Compute, write the tables, draw."""
    chosen = options(__doc__ or "", clicks=100_000, quick_clicks=9_000)
    style()
    if chosen.quick:  # a check, whose three levels are too few
        warnings.simplefilter("ignore", TruncationWarning)
    wanted = list(regimes.EMISSIONS[:1] if chosen.quick else regimes.EMISSIONS)
    levels = (3, 2, 3) if chosen.quick else regimes.PAPER_LEVELS
    names = dict.fromkeys(regime for regime, *_ in wanted)
    tuned = {"blue": 1.34} if chosen.quick else regimes.detunings(names, levels)
    peaks, found = spectra(wanted, tuned, levels)
    write_rows(chosen.out / "colours_peaks.csv", peaks)
    photon = found["blue", "left", "photon"].peaks[0].frequency
    widths = [0.1] if chosen.quick else [0.03, 0.3]
    few = levels if chosen.quick else (4, 3, 4)
    rows = disruption(tuned["blue"], few, photon, widths, chosen.clicks)
    write_rows(chosen.out / "colours_detectors.csv", rows)
    for row in rows:
        print(
            f"{row['case']}, width {row['width']:g}: purity {row['purity']:.3f} ± {row['purity_error']:.3f} "
            f"(exact {row['exact_purity']:.3f}), light first {row['light_first']:.3f} (exact "
            f"{row['exact_light_first']:.3f}), g2 {row['g2']:.3g} (exact {row['exact_g2']:.3g}), light heralded "
            f"{row['heralded']:.3f}, heralding {row['herald']:.3f}, of the atom {row['atom_passes']:.2g}"
        )
    picture = figure(2.6 + 0.9 * len(wanted))
    grid = picture.add_gridspec(len(wanted) + 1, 4, height_ratios=[0.9] * len(wanted) + [2.6])
    draw_spectra(
        np.array([[picture.add_subplot(grid[r, c]) for c in range(4)] for r in range(len(wanted))]),
        [(regime, direction) for regime, direction, _ in wanted],
        found,
    )
    draw_disruption([picture.add_subplot(grid[-1, c]) for c in range(4)], rows)
    save(picture, chosen.out, "colours")
    found_pairs = pair_maps(tuned["blue"], (2, 2, 2) if chosen.quick else (3, 3, 3), 31 if chosen.quick else 241)
    write_rows(chosen.out / "colours_pairs.csv", found_pairs["rows"])
    picture = figure(3.2)
    draw_pairs(picture, found_pairs)
    save(picture, chosen.out, "colours_pairs")


if __name__ == "__main__":
    with timed():
        main()
