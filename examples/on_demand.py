"""Light on demand: the blue regime under pulses of the drive, and a spin that switches the emission's direction.

    python examples/on_demand.py --out runs/figures

The drive ξ(t) is switched on for a while and off again, over 100/ω_b, so slowly that the atom follows: |000g⟩
becomes |000+⟩, |000+⟩ oscillates to |101−⟩, the photon and the magnon leak, and |−⟩ ends as an excited atom, which
must decay before a second pair can come. At most two quanta are kept in the modes (N = 18), where the resonance
lies at Δ_ad = 1.311. (a) One pulse: ξ(t), and the clicks of photon and magnon per pulse and unit of time, steps
from clicks, lines exact; driven from the right (dotted) there is hardly a magnon. (b) Per pulse against its
length: magnons, pulses with exactly one photon and one magnon, and with more than one click in a channel; lines
exact, dots from clicks, open ones driven from the right. (c) The contrast of the two directions in pulses of one
pair, (P − P')/(P + P'), the share of one-pair pulses among all with a click, and the correlation g²[0] of photon
and magnon in a pulse, of which 1 would be independence. (d) Two pulses in a period, and a spin that is reversed
for the second: magnons come from the first pulse if driven from the left, from the second if from the right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from figures import MODES, figure, options, panels, save, style, timed, write_rows
from matplotlib.axes import Axes

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad

RESONANCE, DRIVE, FIZEAU, RAMP = 1.311, 0.8, 0.025, 100.0
PERIOD, BEGIN = 12000.0, 200.0
LENGTHS, FEW_LENGTHS = (300.0, 700.0, 1300.0, 2000.0, 3200.0, 4500.0), (700.0, 2000.0)
SHOWN = 2000.0
PAIR = ("photon", "magnon")


def pulse(begin: float, length: float) -> tj.Envelope:
    """Return ξ(t): on at full height for `length`, with ramps before and after."""
    up = tj.Ramp(begin, begin + RAMP)
    down = tj.Ramp(begin + RAMP + length, begin + 2.0 * RAMP + length)
    return DRIVE * (up - down)


def source(direction: str, length: float) -> tj.OpenSystem:
    """Return the pulsed resonator."""
    resonator = tj.SpinningResonator(
        direction=direction, detuning=RESONANCE, drive=pulse(BEGIN, length), period=PERIOD
    )
    return resonator.system((3, 2, 3), max_quanta=2)


def switched(direction: str, length: float) -> tj.OpenSystem:
    """Return the resonator under two pulses a period, whose spin is reversed for the second."""
    half = 0.5 * PERIOD
    turned = FIZEAU * (1.0 - 2.0 * tj.Square(half, PERIOD))
    drive = pulse(BEGIN, length) + pulse(half + BEGIN, length)
    resonator = tj.SpinningResonator(
        direction=direction, detuning=RESONANCE, drive=drive, fizeau=turned, period=PERIOD
    )
    return resonator.system((3, 2, 3), max_quanta=2)


def clicks_of(system: tj.OpenSystem, pulses: int, seed: int) -> tj.ClickRecord:
    """Simulate about so many pulses, from the periodic state."""
    return tj.simulate(system, 100, max(1, pulses // 100) * PERIOD, seed=seed, progress=False)


def seen_middle(edges: np.ndarray) -> np.ndarray:
    """Return the middles of bins."""
    return 0.5 * (edges[1:] + edges[:-1])


def draw_pulse(ax: Axes, records: dict[str, Any], states: dict[str, Any]) -> None:
    """Draw ξ(t) and when clicks come."""
    edges, fine = np.linspace(0.0, 5000.0, 26), np.linspace(0.0, 5000.0, 101)
    for name in PAIR:
        colour = MODES[name]["color"]
        seen = an.click_density(records["left"], name, edges)
        exact = lindblad.click_density(states["left"], name, fine)
        other = lindblad.click_density(states["right"], name, fine)
        ax.stairs(1e4 * seen.value, edges, color=colour, alpha=0.5, lw=1.0)
        ax.plot(seen_middle(fine), 1e4 * exact.value, color=colour, label=f"{name}, from the left")
        ax.plot(seen_middle(fine), 1e4 * other.value, color=colour, ls=":", label=f"{name}, from the right")
    height = 1.45 * ax.get_ylim()[1]
    shade(ax, pulse(BEGIN, SHOWN), height)
    ax.annotate(r"drive $\xi(t)$", (BEGIN + RAMP + 0.5 * SHOWN, 0.09 * height), ha="center", color="0.4")
    ax.set(xlabel=r"time since the period began ($1/\omega_b$)", ylabel=r"clicks per pulse ($10^{-4}\,\omega_b$)")
    ax.set(xlim=(0.0, 5000.0), ylim=(0.0, height))
    ax.legend(loc="upper right")


def shade(ax: Axes, envelope: tj.Envelope, height: float) -> None:
    """Shade when the drive is on, a sixth as high as the axes."""
    times = np.linspace(0.0, PERIOD, 1500)
    ax.fill_between(times, height / 6.0 * envelope(times) / DRIVE, color="0.87", lw=0.0, zorder=0)


def draw_lengths(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw clicks and pairs per pulse against its length."""
    kinds = {
        "magnons": (MODES["magnon"]["color"], "magnons"),
        "one": (MODES["photon"]["color"], "exactly one pair"),
        "more": ("0.3", "two or more in a channel"),
    }
    draw_directions(ax, rows, "length", kinds)
    ax.set(xlabel=r"length of the pulse ($1/\omega_b$)", ylabel="per pulse", xlim=(0.0, None), ylim=(0.0, None))
    ax.legend(loc="upper left")


def draw_directions(ax: Axes, rows: list[dict[str, Any]], against: str, kinds: dict[str, tuple[str, str]]) -> None:
    """Draw quantities, a colour and label by key, against a column: lines exact, dots clicks, both directions."""
    for key, (colour, label) in kinds.items():
        for direction, line, fill in (("left", "-", colour), ("right", ":", "white")):
            mine = [row for row in rows if row["direction"] == direction]
            x = np.array([row[against] for row in mine])
            shown = label if direction == "left" else None
            ax.plot(x, [row[f"{key}_exact"] for row in mine], color=colour, ls=line, label=shown)
            ax.errorbar(
                x, [row[key] for row in mine], [row[f"{key}_error"] for row in mine], fmt="o", ms=3.5,
                color=colour, mfc=fill, lw=1.0,
            )  # fmt: skip
    ax.plot([], [], "o:", color="0.3", mfc="white", ms=3.5, label="open: driven from the right")


def draw_quality(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw contrast, purity and correlation against the length of the pulse."""
    left, right = ([row for row in rows if row["direction"] == side] for side in ("left", "right"))
    x = np.array([row["length"] for row in left])
    p, q = (np.array([row["one_exact"] for row in of]) for of in (left, right))
    ax.plot(x, (p - q) / (p + q), "-", color="0.3", label="contrast, left against right")
    seen, other = (np.array([row["one"] for row in of]) for of in (left, right))
    wrong, off = (np.array([row["one_error"] for row in of]) for of in (left, right))
    error = 2.0 * np.hypot(other * wrong, seen * off) / (seen + other) ** 2
    ax.errorbar(x, (seen - other) / (seen + other), error, fmt="o", ms=3.5, color="0.3")
    colour = MODES["photon"]["color"]
    ax.plot(x, [row["purity_exact"] for row in left], "-", color=colour, label="one-pair purity")
    ax.errorbar(
        x, [row["purity"] for row in left], [row["purity_error"] for row in left], fmt="o", ms=3.5, color=colour
    )
    ax.set(xlabel=r"length of the pulse ($1/\omega_b$)", ylabel="share", ylim=(0.0, 1.35), xlim=(0.0, None))
    ax.set_yticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    g2, colour = ax.twinx(), MODES["magnon"]["color"]
    g2.plot(x, [row["g2_exact"] for row in left], "--", color=colour, label="photon–magnon $g^{(2)}[0]$ →")
    g2.errorbar(x, [row["g2"] for row in left], [row["g2_error"] for row in left], fmt="s", ms=3.5, color=colour)
    g2.axhline(1.0, color=colour, lw=0.7, ls=":")
    g2.set(yscale="log")
    g2.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
    g2.set(ylim=(0.9, 40.0))
    g2.minorticks_off()
    g2.tick_params(axis="y", colors=colour)
    lines = [*ax.get_legend_handles_labels()[0], *g2.get_legend_handles_labels()[0]]
    ax.legend(lines, [str(line.get_label()) for line in lines], loc="upper right")


def draw_switch(ax: Axes, pulses: int) -> list[dict[str, Any]]:
    """Draw the magnons of a spin that turns round every half period, driven from both sides."""
    edges, fine, length = np.linspace(0.0, PERIOD, 49), np.linspace(0.0, PERIOD, 193), SHOWN
    rows = []
    for direction, colour in (("left", MODES["magnon"]["color"]), ("right", "0.35")):
        system = switched(direction, length)
        state, record = lindblad.periodic_state(system), clicks_of(system, pulses, 31 + (direction == "right"))
        seen, exact = (of.click_density(x, "magnon", edges) for of, x in ((an, record), (lindblad, state)))
        smooth = lindblad.click_density(state, "magnon", fine)
        ax.stairs(1e4 * seen.value, edges, color=colour, alpha=0.5, lw=1.0)
        ax.plot(seen_middle(fine), 1e4 * smooth.value, color=colour)
        for half in range(2):
            share = slice(24 * half, 24 * (half + 1))
            width = np.diff(edges)[share]
            rows.append(
                {
                    "direction": direction,
                    "pulse": half + 1,
                    "magnons": float(seen.value[share] @ width),
                    "magnons_exact": float(exact.value[share] @ width),
                }
            )
        top = float(1e4 * smooth.value.max())
        x = 0.23 * PERIOD if direction == "left" else 0.73 * PERIOD
        ax.annotate(f"driven from\nthe {direction}", (x, 0.7 * top), color=colour)
    height = 1.3 * ax.get_ylim()[1]
    shade(ax, pulse(BEGIN, length) + pulse(0.5 * PERIOD + BEGIN, length), height)
    for middle, text in ((0.25, "spin ↺"), (0.75, "spin ↻")):
        ax.annotate(text, (middle * PERIOD, 0.88 * height), ha="center", color="0.4", fontsize="large")
    ax.set(xlabel=r"time since the period began ($1/\omega_b$)")
    ax.set(ylabel=r"magnons per pulse ($10^{-4}\,\omega_b$)", xlim=(0.0, PERIOD), ylim=(0.0, height))
    ax.axvline(0.5 * PERIOD, color="0.6", lw=0.8, ls="--", zorder=0)
    return rows


def compared(pairs: dict[str, tuple[tj.Estimate, tj.Estimate]]) -> dict[str, float]:
    """Return estimate, error and exact value of each quantity as entries of a row."""
    row = {}
    for key, (seen, exact) in pairs.items():
        row |= {key: seen.value, f"{key}_error": seen.standard_error, f"{key}_exact": exact.value}
    return row


def row_of(direction: str, length: float, state: lindblad.PeriodicState, record: tj.ClickRecord) -> dict[str, Any]:
    """Return the numbers of one pulse length, from clicks and exactly."""
    seen, exact = (of.pulse_counts(x, PAIR, most=2) for of, x in ((an, record), (lindblad, state)))
    magnons = [of.brightness(x, "magnon") for of, x in ((an, record), (lindblad, state))]
    g2 = [of.pulsed_g2(x, *PAIR, pulses=1, normalise="rates") for of, x in ((an, record), (lindblad, state))]
    pairs = {
        "magnons": magnons,
        "one": (seen.one_each, exact.one_each),
        "more": (seen.more, exact.more),
        "purity": (seen.purity, exact.purity),
    }
    row = {"direction": direction, "length": length, **compared(pairs)}
    return row | {"g2": g2[0].value[1], "g2_error": g2[0].standard_error[1], "g2_exact": g2[1].value[1]}


def main() -> None:
    """Simulate, compare and draw."""
    chosen = options(__doc__ or "", clicks=20_000, quick_clicks=2_000)
    style()
    with timed():
        drawn = figure(4.9)
        axes = drawn.subplots(2, 2)
        rows, records, states = [], {}, {}
        for length in FEW_LENGTHS if chosen.quick else LENGTHS:
            for direction in ("left", "right"):
                system = source(direction, length)
                state = lindblad.periodic_state(system)
                record = clicks_of(system, chosen.clicks, 2 * int(length) + (direction == "right"))
                rows.append(row_of(direction, length, state, record))
                if length == SHOWN or direction not in records:
                    records[direction], states[direction] = record, state
        draw_pulse(axes[0, 0], records, states)
        draw_lengths(axes[0, 1], rows)
        draw_quality(axes[1, 0], rows)
        switch = draw_switch(axes[1, 1], chosen.clicks)
        titles = (
            "one pulse makes a photon and a magnon",
            "the longer the pulse, the more",
            "neither too short nor too long",
            "reversing the spin switches the direction",
        )
        panels(axes.flat, titles)
        save(drawn, chosen.out, "on_demand")
        write_rows(chosen.out / "on_demand_lengths.csv", rows)
        write_rows(chosen.out / "on_demand_switch.csv", switch)


if __name__ == "__main__":
    main()
