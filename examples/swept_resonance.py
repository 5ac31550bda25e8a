"""A swept resonance as a source: Δ_ad(t) crosses the blue resonance while the drive is on, at different speeds.

    python examples/swept_resonance.py --out runs/figures

A pulse at fixed Δ_ad must hit the resonance to a linewidth (`on_demand.py`); a sweep passes it. The drive is
switched on over 100/ω_b, Δ_ad(t) rises through resonances and returns while the drive is off (N = 18, at most two
quanta).
Where |000+⟩ and a pair state cross, a sweep that leaves nothing in between turns one into the other with the
probability 1 − exp(−2πg²/α) of Landau and Zener: g is half the gap, α the rate at which the two energies
separate, both taken from the spectrum. (a) One wide sweep passes two resonances, of pairs with a magnon and then
with a phonon, earlier if driven from the left than from the right: the time of a photon tells which pair it
belongs to, and the direction. Dots on the grey line mark the crossings; photons leak out some 1/κ later. (b)
Sweeps of 0.04 about the resonance of 1.311, per pulse against their duration: exactly one photon and one magnon,
and more than one click in a channel; lines exact, dots from clicks, open ones and dotted lines driven from the
right; grey: Landau–Zener. (c) One-pair purity, and contrast of the two directions in pulses of one pair. (d)
One-pair pulses where the middle of the sweep is off by so much: dots a sweep, squares a pulse of the same duration
at fixed Δ_ad; from clicks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from figures import MODES, figure, options, panels, save, style, timed, write_rows
from matplotlib.axes import Axes
from on_demand import BEGIN, PAIR, RAMP, RESONANCE, compared, draw_directions, pulse, seen_middle

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad

PERIOD, SPAN = 9000.0, 0.04
DURATIONS, FEW_DURATIONS = (300.0, 1000.0, 3000.0), (300.0,)
WIDE, WIDE_DURATION, WIDE_MIDDLE = 0.12, 4000.0, 1.336
ERRORS, CHOSEN = (-0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03), 1000.0
# Where the four pairs of (direction, partner) cross, roughly, and how far from there the spectrum is computed.
CROSSINGS = {
    ("left", "magnon"): 1.311,
    ("left", "phonon"): 1.341,
    ("right", "magnon"): 1.339,
    ("right", "phonon"): 1.370,
}
NEAR, POINTS = 0.005, 21


def swept(direction: str, duration: float, span: float = SPAN, middle: float = RESONANCE) -> tj.OpenSystem:
    """Return the resonator whose Δ_ad rises by `span` about `middle` while the drive is on; fixed for span 0."""
    begin = BEGIN + RAMP
    detuning: Any = middle
    if span > 0.0:
        rise = tj.Ramp(begin, begin + duration, middle - 0.5 * span, middle + 0.5 * span)
        detuning = rise - span * tj.Square(PERIOD - 500.0, PERIOD)
    resonator = tj.SpinningResonator(
        direction=direction, detuning=detuning, drive=pulse(BEGIN, duration), period=PERIOD
    )
    return resonator.system((3, 2, 3), max_quanta=2)


def crossing(direction: str, partner: str) -> tuple[float, float, float]:
    """Return where |000+⟩ and the state of a pair cross, g, and how fast their energies separate with Δ_ad.

    Near the crossing the square of their distance is (2g)² + slope²·(Δ_ad − Δ)².
    """
    places = CROSSINGS[direction, partner] + NEAR * np.linspace(-1.0, 1.0, POINTS)
    distances = []
    for place in places:
        system = tj.SpinningResonator(direction=direction, detuning=place).system((3, 2, 3), max_quanta=2)
        energies, states = np.linalg.eigh(system.hamiltonian.toarray())
        assert system.space is not None
        bare = np.array([system.space.ket(photon=0, phonon=0, magnon=0, atom=level) for level in "ge"])
        plus = bare.T @ np.linalg.eigh((bare @ (system.hamiltonian @ bare.T)).real)[1][:, 1]
        near = np.argsort(-(np.abs(plus @ states) ** 2))[:2]
        distances.append(float(energies[near[0]] - energies[near[1]]) ** 2)
    square, linear, constant = np.polyfit(places, distances, 2)
    return (
        -0.5 * linear / square,
        0.5 * float(np.sqrt(constant - linear**2 / (4.0 * square))),
        float(np.sqrt(square)),
    )


def landau_zener(durations: np.ndarray) -> np.ndarray:
    """Return 1 − exp(−2πg²/α) for sweeps of these durations, driven from the left."""
    _, g, slope = crossing("left", "magnon")
    return np.asarray(1.0 - np.exp(-2.0 * np.pi * g**2 * durations / (slope * SPAN)))


def clicks_of(system: tj.OpenSystem, state: Any, pulses: int, seed: int) -> tj.ClickRecord:
    """Simulate about so many pulses from the periodic state."""
    count = max(1, pulses // 100)
    return tj.simulate(system, 100, count * PERIOD, seed=seed, initial=state.rho, progress=False)


def draw_times(ax: Axes, pulses: int) -> None:
    """Draw when photons come during a wide sweep, from both sides."""
    edges, fine = np.linspace(0.0, 5500.0, 29), np.linspace(0.0, 5500.0, 111)
    low, begin = WIDE_MIDDLE - 0.5 * WIDE, BEGIN + RAMP
    line = ax.twinx()
    line.plot([begin, begin + WIDE_DURATION], [low, low + WIDE], color="0.7", lw=1.0)
    for direction, colour, height in (("left", MODES["photon"]["color"], 0.66), ("right", "0.35", 0.76)):
        system = swept(direction, WIDE_DURATION, WIDE, WIDE_MIDDLE)
        state = lindblad.periodic_state(system)
        seen = an.click_density(clicks_of(system, state, pulses, 3), "photon", edges)
        exact = lindblad.click_density(state, "photon", fine)
        ax.stairs(1e4 * seen.value, edges, color=colour, alpha=0.5, lw=1.0)
        ax.plot(seen_middle(fine), 1e4 * exact.value, color=colour, label=f"driven from the {direction}")
        for partner in ("magnon", "phonon"):
            place = crossing(direction, partner)[0]
            time = begin + WIDE_DURATION * (place - low) / WIDE
            line.plot([time], [place], "o", ms=3.5, color=colour)
            ax.annotate(partner, (time + 200.0, height), xycoords=("data", "axes fraction"), color=colour,
                        ha="center", fontsize=7)  # fmt: skip
    top = 1.65 * ax.get_ylim()[1]
    ax.legend(loc="upper left")
    ax.set(xlabel=r"time since the period began ($1/\omega_b$)", ylabel=r"photons per pulse ($10^{-4}\,\omega_b$)")
    ax.set(xlim=(0.0, 5500.0), ylim=(0.0, top))
    ax.set_xticks([0, 1000, 2000, 3000, 4000, 5000])
    line.set(ylim=(low, low + 1.6 * WIDE), ylabel=r"$\Delta_{ad}$ during the sweep ($\omega_b$)")
    line.set_yticks([1.28, 1.31, 1.34, 1.37, 1.40])
    line.yaxis.label.set_color("0.5")
    line.tick_params(axis="y", colors="0.5")


def draw_durations(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw pairs per sweep against its duration."""
    kinds = {"one": (MODES["photon"]["color"], "exactly one pair"), "more": ("0.3", "more")}
    draw_directions(ax, rows, "duration", kinds)
    swept_over = np.geomspace(250.0, 3500.0, 60)
    ax.plot(swept_over, landau_zener(swept_over), color="0.7", lw=1.0, label="Landau–Zener")
    ax.set(xscale="log", xlabel=r"duration of the sweep ($1/\omega_b$)", ylabel="per pulse", ylim=(0.0, None))
    ax.set_xticks([300, 1000, 3000], ["300", "1000", "3000"])
    ax.minorticks_off()
    ax.legend(loc="upper left")


def draw_quality(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw purity and contrast against the duration."""
    left, right = ([row for row in rows if row["direction"] == side] for side in ("left", "right"))
    x = [row["duration"] for row in left]
    colour = MODES["photon"]["color"]
    ax.plot(x, [row["purity_exact"] for row in left], color=colour, label="one-pair purity, from the left")
    ax.errorbar(
        x, [row["purity"] for row in left], [row["purity_error"] for row in left], fmt="o", ms=3.5, color=colour
    )
    p, q = (np.array([row["one_exact"] for row in of]) for of in (left, right))
    ax.plot(x, (p - q) / (p + q), color="0.3", label="contrast, left against right")
    ax.set(xscale="log", xlabel=r"duration of the sweep ($1/\omega_b$)", ylabel="share", ylim=(0.0, 1.05))
    ax.set_xticks([300, 1000, 3000], ["300", "1000", "3000"])
    ax.minorticks_off()
    ax.legend(loc="lower right")


def draw_errors(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw what an error of Δ_ad costs a sweep and a pulse."""
    for kind, fmt, colour in (
        ("sweep", "o-", MODES["photon"]["color"]),
        ("pulse", "s--", MODES["magnon"]["color"]),
    ):
        mine = [row for row in rows if row["kind"] == kind]
        x = [row["off"] for row in mine]
        label = f"{kind} of {CHOSEN:g}/$\\omega_b$"
        ax.errorbar(x, [r["one"] for r in mine], [r["one_error"] for r in mine], fmt=fmt, ms=3.5, color=colour,
                    lw=1.0, label=label)  # fmt: skip
    ax.set(xlabel=r"$\Delta_{ad}$ off by ($\omega_b$)", ylabel="exactly one pair, per pulse", ylim=(0.0, None))
    ax.set_xticks([-0.03, -0.02, -0.01, 0.0, 0.01, 0.02, 0.03])
    ax.set_ylim(0.0, 1.25 * ax.get_ylim()[1])
    ax.legend(loc="upper left")


def row_of(direction: str, duration: float, pulses: int) -> dict[str, Any]:
    """Return the numbers of one duration, from clicks and exactly."""
    system = swept(direction, duration)
    state = lindblad.periodic_state(system)
    # Of its own in each row: the same numbers would move all rows alike.
    record = clicks_of(system, state, pulses, 2 * int(duration) + (direction == "right"))
    seen, exact = (of.pulse_counts(x, PAIR, most=2) for of, x in ((an, record), (lindblad, state)))
    pairs = {
        "one": (seen.one_each, exact.one_each),
        "more": (seen.more, exact.more),
        "purity": (seen.purity, exact.purity),
    }
    return {"direction": direction, "duration": duration, "rate": SPAN / duration, **compared(pairs)}


def row_off(kind: str, off: float, pulses: int, seed: int) -> dict[str, Any]:
    """Return one-pair pulses of a sweep, or of a pulse, whose Δ_ad is off by so much, from clicks."""
    system = swept("left", CHOSEN, SPAN if kind == "sweep" else 0.0, RESONANCE + off)
    ket = system.space.ket(photon=0, phonon=0, magnon=0, atom="g") if system.space is not None else None
    record = tj.simulate(system, 100, max(2, pulses // 100) * PERIOD, seed=seed, initial=ket, progress=False)
    one = an.pulse_counts(record, PAIR, most=2).one_each
    return {"kind": kind, "off": off, "one": one.value, "one_error": one.standard_error}


def main() -> None:
    """Simulate, compare and draw."""
    chosen = options(__doc__ or "", clicks=20_000, quick_clicks=2_000)
    style()
    with timed():
        drawn = figure(4.9)
        axes = drawn.subplots(2, 2)
        durations, errors = (FEW_DURATIONS, (0.0, 0.02)) if chosen.quick else (DURATIONS, ERRORS)
        rows = [row_of(direction, d, chosen.clicks) for d in durations for direction in ("left", "right")]
        places = [(kind, error) for kind in ("sweep", "pulse") for error in errors]
        off = [row_off(kind, error, chosen.clicks, 50 + seed) for seed, (kind, error) in enumerate(places)]
        draw_times(axes[0, 0], chosen.clicks)
        draw_durations(axes[0, 1], rows)
        draw_quality(axes[1, 0], rows)
        draw_errors(axes[1, 1], off)
        titles = (
            "a wide sweep: the time tells the pair",
            "the slower the sweep, the more pairs",
            "slow enough to convert, short enough for one",
            "a sweep tolerates an error of the resonance",
        )
        panels(axes.flat, titles)
        save(drawn, chosen.out, "swept_resonance")
        write_rows(chosen.out / "swept_durations.csv", rows)
        write_rows(chosen.out / "swept_errors.csv", off)


if __name__ == "__main__":
    main()
