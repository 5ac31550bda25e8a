"""The Fizeau shift of the spinning resonator: how fast it has to spin for the paper's 50 MHz.

    python examples/fizeau_shift.py --out runs/figures

|Δ_F| = r n ω_a Ω [1 − 1/n² − (λ/n)(dn/dλ)]/c. The paper gives |Δ_F|/2π = 50 MHz, but neither radius, index,
wavelength nor spin rate. Assumed are n = 2.2 (YIG), λ = 1550 nm and no dispersion, the defaults of
`trajectories.fizeau_shift`, which says where they come from; a dispersion of −0.04/µm shows how little it matters.
Only the speed of the rim, rΩ, enters: a larger resonator may spin more slowly.
"""

from __future__ import annotations

import numpy as np
from figures import figure, options, save, style, timed, write_table
from matplotlib.axes import Axes

import trajectories as tj

UNIT = 2.0e9  # ω_b/2π in Hz, of the paper's feasibility set
RADII = {"125 µm": 125e-6, "0.5 mm": 0.5e-3, "1.1 mm": 1.1e-3}  # 1.1 mm: spun by Maayani et al. (2018)
DISPERSIONS = (0.0, -4.0e4)  # dn/dλ in 1/m
LOOKS = (("#56B4E9", ":"), ("#CC79A7", "--"), ("#000000", "-"))


def spin_rates(target: float) -> dict[str, list]:
    """Return spin rate Ω/2π and speed of the rim for a shift `target` in rad/s, which is proportional to Ω."""
    rows = []
    for radius in RADII.values():
        for dispersion in DISPERSIONS:
            omega = target / tj.fizeau_shift(1.0, radius=radius, dispersion=dispersion)
            rows.append((radius, dispersion, omega / (2.0 * np.pi), radius * omega))
    names = ("radius_m", "dispersion_per_m", "spin_Hz", "rim_m_per_s")
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def draw(ax: Axes, target: float) -> None:
    """Draw the shift against the spin rate for each radius, and the shift that is wanted."""
    turns = np.geomspace(1e3, 2e5, 50)
    for (name, radius), (colour, line) in zip(RADII.items(), LOOKS, strict=True):
        shifts = np.array([tj.fizeau_shift(2.0 * np.pi * x, radius=radius) for x in turns])
        ax.loglog(1e-3 * turns, shifts / (2e6 * np.pi), color=colour, linestyle=line, label=f"$r$ = {name}")
    ax.axhline(target / (2e6 * np.pi), color="#999999", linewidth=0.8)
    ax.set_xlim(1e-3 * turns[0], 1e-3 * turns[-1])
    ax.set_xlabel(r"spin rate  $\Omega/2\pi$  (kHz)")
    ax.set_ylabel(r"Fizeau shift  $|\Delta_F|/2\pi$  (MHz)")
    ax.legend()


def main() -> None:
    """Print and write the spin rates, draw the shift."""
    chosen = options(__doc__ or "")
    style()
    target = 2.0 * np.pi * UNIT * tj.SpinningResonator().fizeau
    columns = spin_rates(target)
    for radius, dispersion, turns, rim in zip(*columns.values(), strict=True):
        print(
            f"{target / (2e6 * np.pi):.0f} MHz with r = {1e3 * radius:g} mm and dn/dλ = {1e-6 * dispersion:g}/µm:"
            f" {1e-3 * turns:.1f} kHz, the rim moving at {rim:.1f} m/s"
        )
    write_table(chosen.out / "fizeau_shift.csv", columns)
    picture = figure(2.6, width=3.4)
    draw(picture.subplots(), target)
    save(picture, chosen.out, "fizeau_shift")


if __name__ == "__main__":
    with timed():
        main()
