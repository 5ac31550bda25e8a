"""Fig. 1(c)–(f): excitation spectra of both drive directions with their regimes, and the Mollow ladder.

    python examples/figure_1.py --out runs/figures

(c), (d) S_o = ⟨o†o⟩ of the steady state against Δ_ad, driven from the left (LD) and from the right (RD). The blue,
pink and orange regimes are found, not given: each is the range in which a pair population exceeds half its largest
value; where the ranges of both directions overlap the regime is the orange one, a range of the left drive alone is
the blue one, of the right drive alone the pink one. The peak marked aa is a resonance of two photons, which the
paper does not use. (e), (f) The cycle of the orange regime in the Mollow ladder: every level is an eigenvalue of
the full Hamiltonian, couplings included. The index k of |n_a n_b n_m ±⟩_k counts pump photons; the printed caption
has the opposite ± for the degenerate pair, and the two states that it names lie far apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from figures import DIRECTIONS, MODES, REGIMES, decades, figure, options, panel, save, style, timed, write_table
from matplotlib.axes import Axes
from mollow_ladder import degenerate, draw_ladder, ladder

import trajectories as tj
from trajectories import lindblad

SYMBOLS = {"photon-phonon": "$ab$", "photon-magnon": "$am$"}
RANGE = (1.19, 1.45)  # Δ_ad: both pair resonances of both directions, and the two-photon one beside them


@dataclass(frozen=True)
class Peak:
    """A pair resonance of one direction: its top, the range above half of it, and its regime."""

    direction: str
    pair: str
    centre: float
    low: float
    high: float
    height: float
    regime: str = ""


def half_maximum(spectrum: lindblad.Spectrum, pair: str) -> Peak:
    """Return the resonance of `pair` in a spectrum, with the range in which its population exceeds half of it."""
    x, y = spectrum.detunings, spectrum.pairs[pair]
    top = int(np.searchsorted(x, spectrum.resonances[pair]))
    half = 0.5 * y[top]
    left = top - int(np.argmax(y[top::-1] < half))
    right = top + int(np.argmax(y[top:] < half))
    low = np.interp(half, y[[left, left + 1]], x[[left, left + 1]])
    high = np.interp(half, y[[right, right - 1]], x[[right, right - 1]])
    return Peak(spectrum.direction, pair, float(x[top]), float(low), float(high), float(y[top]))


def find_regimes(spectra: dict[str, lindblad.Spectrum]) -> list[Peak]:
    """Name the regime of every resonance: orange if one of the other direction overlaps, else by direction."""
    peaks = [half_maximum(spectrum, pair) for spectrum in spectra.values() for pair in spectrum.resonances]

    def name(peak: Peak) -> str:
        others = [other for other in peaks if other.direction != peak.direction]
        if any(other.low < peak.high and peak.low < other.high for other in others):
            return "orange"
        return {"left": "blue", "right": "pink"}[peak.direction]

    return sorted((replace(peak, regime=name(peak)) for peak in peaks), key=lambda p: (p.centre, p.direction))


def write_resonances(
    path: Path, peaks: list[Peak], spectra: dict[str, lindblad.Spectrum], finer: tuple[int, int, int]
) -> None:
    """Write each resonance beside its closed-system crossing, other direction, and both at a finer truncation."""
    levels = spectra["left"].levels
    rows = []
    for peak in peaks:
        resonator = tj.SpinningResonator(direction=peak.direction)
        crossing, converged = (resonator.avoided_crossing(peak.pair, size) for size in (levels, finer))
        other = spectra["right" if peak.direction == "left" else "left"]
        silent = float(np.interp(peak.centre, other.detunings, other.pairs[peak.pair]))
        row = {"regime": peak.regime, "direction": peak.direction, "pair": peak.pair, "resonance": peak.centre}
        row |= {"low": peak.low, "high": peak.high, "pair_population": peak.height, "other_direction": silent}
        row |= {"crossing": crossing.detuning, "effective_coupling": crossing.effective_coupling}
        row |= {"levels": "-".join(map(str, levels)), "finer_levels": "-".join(map(str, finer))}
        row |= {"finer_resonance": lindblad.resonance(resonator, peak.pair, finer)}
        row |= {"finer_crossing": converged.detuning, "finer_coupling": converged.effective_coupling}
        rows.append(row)
        print(
            f"{peak.regime:6}  {DIRECTIONS[peak.direction]}  {peak.pair}  Δ_ad = {peak.centre:.5f}"
            f" ({row['finer_resonance']:.5f} at {row['finer_levels']} levels), crossing {crossing.detuning:.5f},"
            f" pair population {peak.height:.2e}, {silent:.1e} in the other direction"
        )
    write_table(path, {name: [row[name] for row in rows] for name in rows[0]})


def draw_spectrum(ax: Axes, spectrum: lindblad.Spectrum, peaks: list[Peak]) -> None:
    """Draw S_a, S_b and S_m of one direction and shade its regimes."""
    for (mode, look), symbol in zip(MODES.items(), "abm", strict=True):
        ax.plot(spectrum.detunings, spectrum.populations[mode], **look, label=f"$S_{symbol}$  {mode}")
    for peak in peaks:
        if peak.direction == spectrum.direction:
            ax.axvspan(peak.low, peak.high, color=REGIMES[peak.regime], alpha=0.45, linewidth=0, zorder=0)
            where = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "top", "fontsize": 6.5}
            ax.text(peak.centre, 0.98, f"{peak.regime}\n{SYMBOLS[peak.pair]}", **where)
    photons = spectrum.populations["photon"]
    top = int(np.argmax(photons))  # where |000+⟩ and |200−⟩ meet: a resonance of two photons, not of a pair
    ax.text(spectrum.detunings[top], 1.25 * photons[top], "$aa$", ha="center", va="bottom", fontsize=6.5)
    decades(ax)
    ax.set_xlim(RANGE)
    ax.set_ylim(1e-4, 6.0)
    ax.set_xlabel(r"detuning  $\Delta_{ad}$  ($\omega_b$)")


def main() -> None:
    """Compute, write the tables, draw."""
    chosen = options(__doc__ or "")
    levels, finer, points = ((3, 3, 3), (4, 3, 3), 14) if chosen.quick else ((4, 4, 4), (6, 4, 4), 105)
    style()
    detunings = np.linspace(*RANGE, points)
    spectra = {
        direction: lindblad.excitation_spectrum(tj.SpinningResonator(direction=direction), detunings, levels)
        for direction in DIRECTIONS
    }
    for direction, spectrum in spectra.items():
        columns = {"detuning": spectrum.detunings, **spectrum.populations, **spectrum.pairs}
        write_table(chosen.out / f"figure_1_spectrum_{direction}.csv", columns)
    peaks = find_regimes(spectra)
    write_resonances(chosen.out / "figure_1_resonances.csv", peaks, spectra, finer)

    picture = figure(5.6)
    axes = picture.subplot_mosaic([["c", "d"], ["e", "f"]], height_ratios=(1.0, 1.35))
    for letter, (direction, spectrum) in zip("cd", spectra.items(), strict=True):
        draw_spectrum(axes[letter], spectrum, peaks)
        panel(axes[letter], letter, f"driven from the {direction} ({DIRECTIONS[direction]})")
    axes["c"].set_ylabel(r"excitation  $S_o = \langle o^\dagger o\rangle$")
    axes["c"].legend(loc="upper left", bbox_to_anchor=(0.21, 1.0), handlelength=2.0)
    for letter, peak in zip("ef", (p for p in peaks if p.regime == "orange"), strict=True):
        cycle = ladder(tj.SpinningResonator(direction=peak.direction), peak.pair, levels)
        write_table(chosen.out / f"figure_1_ladder_{peak.pair}.csv", cycle.columns())
        print(degenerate(cycle))
        draw_ladder(axes[letter], cycle)
        panel(axes[letter], letter, f"{peak.pair.replace('-', '–')} cycle, {DIRECTIONS[peak.direction]}")
    save(picture, chosen.out, "figure_1")


if __name__ == "__main__":
    with timed():
        main()
