"""The colours of the emitter: spectra of all four channels, and what the atom's photon does to the bundles.

    python examples/colours.py --out runs/figures

The paper says that the atom's photon "is at another frequency and does not disrupt the bundle". Here is its
spectrum, and bundles of light and magnons when one detector takes all light, the cavity's and the atom's, with and
without a filter.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import regimes
from figures import DIRECTIONS, REGIMES, figure, options, panel, save, style, timed, write_table
from matplotlib.axes import Axes
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


def spectra(
    wanted: list[tuple[str, str, str]], tuned: dict[str, float], levels: tuple[int, int, int]
) -> tuple[Rows, dict[tuple[str, str, str], Any]]:
    """Return the peaks and the spectrum of each channel in each regime and direction."""
    rows, found = [], {}
    for regime, direction, _ in wanted:
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

    The filter stands before the cavity's light; how much of the atom's an equal one would pass is given beside it.
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
    """Return the record in which some channels are one, called light, and others but phonon and magnon unseen."""
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


def draw_spectra(axes: NDArray[Any], found: dict[tuple[str, str, str], Any]) -> None:
    """Draw the four channels' spectra, a row for each regime and direction, whose lines nearly coincide."""
    cases = list(dict.fromkeys((regime, direction) for regime, direction, _ in found))
    for column, channel in enumerate(CHANNELS):
        top = max(s.density.max() for key, s in found.items() if key[2] == channel)
        for ax, (regime, direction) in zip(axes[:, column], cases, strict=True):
            spectrum = found[regime, direction, channel]
            omega = np.union1d(spectrum.omega, np.linspace(*RANGE, 1500))
            omega = omega[(omega > RANGE[0]) & (omega < RANGE[1])]
            ax.fill_between(omega, spectrum.at(omega), 1e-9 * top, color=REGIMES[regime], lw=0.7, rasterized=True)
            ax.set_yscale("log")
            ax.set_xlim(*RANGE)
            ax.set_ylim(1e-6 * top, 3.0 * top)
            ax.set_yticks([10.0 ** np.floor(np.log10(top)) * share for share in (1e-4, 1e-2, 1.0)])
            ax.minorticks_off()
            ax.tick_params(labelbottom=False)
            if column == 0:
                ax.set_ylabel(f"{regime}\n{DIRECTIONS[direction]}")
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
            ax.legend(fontsize=5.5, loc="upper center")
            ax.set_ylim(0.0, 1.45)
        ax.set_xticks(place, [label.replace(" ", "\n", 1) for label in labels], fontsize=5.5)
        ax.set_xlim(-0.6, len(rows) - 0.4)
        panel(ax, letter, title)


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
    write_table(chosen.out / "colours_peaks.csv", regimes.as_columns(peaks))
    photon = found["blue", "left", "photon"].peaks[0].frequency
    widths = [0.1] if chosen.quick else [0.03, 0.3]
    few = levels if chosen.quick else (4, 3, 4)
    rows = disruption(tuned["blue"], few, photon, widths, chosen.clicks)
    write_table(chosen.out / "colours_detectors.csv", regimes.as_columns(rows))
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
        np.array([[picture.add_subplot(grid[r, c]) for c in range(4)] for r in range(len(wanted))]), found
    )
    draw_disruption([picture.add_subplot(grid[-1, c]) for c in range(4)], rows)
    save(picture, chosen.out, "colours")


if __name__ == "__main__":
    with timed():
        main()
