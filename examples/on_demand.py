"""Light on demand: the blue regime under pulses of the drive, and a spin that switches the emission's direction.

    python examples/on_demand.py --out runs/figures

The drive ξ(t) is switched on for a while and off again, over 100/ω_b, so slowly that the atom follows: |000g⟩
becomes |000+⟩, |000+⟩ swings to |101−⟩, the photon and the magnon leak, and |−⟩ ends as an excited atom, which
must decay before a second pair can come. At most two quanta are kept in the modes (N = 18), where the resonance
lies at Δ_ad = 1.311. (a) One pulse: ξ(t), and the clicks of photon and magnon per pulse and unit of time, steps
from clicks, lines exact; driven from the right (dotted) no magnon comes. (b) Per pulse against its length:
magnons, pulses with exactly one photon and one magnon, and with more than one click in a channel; lines exact,
dots from clicks, open ones driven from the right. (c) The contrast of one-pair pulses, (P − P')/(P + P'), their
share of all pulses with a click, and the correlation g²[0] of photon and magnon in a pulse; 1 would be
independence. (d) Two pulses in a period, and a spin that turns the other way for the second: magnons come from the
first pulse if driven from the left, from the second if driven from the right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from figures import MODES, figure, options, panel, save, style, timed, write_table
from matplotlib.axes import Axes

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad

RESONANCE, DRIVE, FIZEAU, RAMP = 1.311, 0.8, 0.025, 100.0
PERIOD, BEGIN = 12000.0, 200.0
LENGTHS, FEW_LENGTHS = (700.0, 2000.0, 4500.0), (700.0, 2000.0)
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


def draw_pulse(ax: Axes, records: dict[str, Any], states: dict[str, Any]) -> None:
    """Draw ξ(t) and when clicks come."""
    edges = np.concatenate([np.linspace(0.0, 6000.0, 25), [8000.0, 10000.0, PERIOD]])
    for name in PAIR:
        colour = MODES[name]["color"]
        seen = an.click_density(records["left"], name, edges)
        exact = lindblad.click_density(states["left"], name, edges)
        ax.stairs(1e4 * seen.value, edges, color=colour, alpha=0.45, lw=1.0)
        ax.plot(seen_middle(edges), 1e4 * exact.value, color=colour, label=name)
        other = lindblad.click_density(states["right"], name, edges)
        ax.plot(seen_middle(edges), 1e4 * other.value, color=colour, ls=":", label=f"{name}, from the right")
    times = np.linspace(0.0, PERIOD, 1500)
    height = ax.get_ylim()[1]
    ax.fill_between(times, 0.25 * height * pulse(BEGIN, SHOWN)(times) / DRIVE, color="0.85", zorder=0)
    ax.annotate(r"$\xi(t)$", (BEGIN + RAMP + 0.5 * SHOWN, 0.16 * height), ha="center", color="0.4")
    ax.set(xlabel=r"time in the period ($1/\omega_b$)", ylabel=r"clicks per pulse ($10^{-4}\,\omega_b$)")
    ax.set(xlim=(0.0, 0.5 * PERIOD), ylim=(0.0, height))
    ax.legend()


def seen_middle(edges: np.ndarray) -> np.ndarray:
    """Return the middles of bins."""
    return 0.5 * (edges[1:] + edges[:-1])


def draw_lengths(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw what a pulse gives against its length."""
    kinds = {
        "magnons": ("magnon", "magnons"),
        "one": ("photon", "exactly one pair"),
        "more": (None, "more than one in a channel"),
    }
    for key, (mode, label) in kinds.items():
        colour = "0.3" if mode is None else MODES[mode]["color"]
        for direction, filled in (("left", colour), ("right", "white")):
            mine = [row for row in rows if row["direction"] == direction]
            x = np.array([row["length"] for row in mine])
            ax.plot(x, [row[f"{key}_exact"] for row in mine], color=colour, ls="-" if filled == colour else ":",
                    label=label if filled == colour else None)  # fmt: skip
            ax.errorbar(
                x, [row[key] for row in mine], [row[f"{key}_error"] for row in mine], fmt="o", ms=3.5,
                color=colour, mfc=filled, lw=1.0,
            )  # fmt: skip
    ax.set(xlabel=r"length of the pulse ($1/\omega_b$)", ylabel="per pulse", xlim=(0.0, None), ylim=(0.0, None))
    ax.legend()


def draw_quality(ax: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw contrast and correlation against the length of the pulse."""
    left = [row for row in rows if row["direction"] == "left"]
    right = [row for row in rows if row["direction"] == "right"]
    x = np.array([row["length"] for row in left])
    p, q = (np.array([row["one_exact"] for row in of]) for of in (left, right))
    ax.plot(x, (p - q) / (p + q), "-", color="0.3", label="contrast of one-pair pulses")
    ax.plot(
        x, [row["purity_exact"] for row in left], "--", color=MODES["photon"]["color"], label="one-pair purity"
    )
    ax.errorbar(
        x, [row["purity"] for row in left], [row["purity_error"] for row in left], fmt="o", ms=3.5,
        color=MODES["photon"]["color"],
    )  # fmt: skip
    ax.set(xlabel=r"length of the pulse ($1/\omega_b$)", ylabel="share", ylim=(0.0, 1.05), xlim=(0.0, None))
    g2 = ax.twinx()
    g2.plot(
        x,
        [row["g2_exact"] for row in left],
        color=MODES["magnon"]["color"],
        label=r"$g^{(2)}_{am}[0]$ (right axis)",
    )
    g2.errorbar(
        x, [row["g2"] for row in left], [row["g2_error"] for row in left], fmt="o", ms=3.5,
        color=MODES["magnon"]["color"],
    )  # fmt: skip
    g2.set(ylabel=r"$g^{(2)}_{am}[0]$", ylim=(0.0, None))
    lines = [*ax.get_legend_handles_labels()[0], *g2.get_legend_handles_labels()[0]]
    ax.legend(lines, [str(line.get_label()) for line in lines], loc="lower left")


def draw_switch(ax: Axes, pulses: int) -> list[dict[str, Any]]:
    """Draw the magnons of a spin that turns round every half period, driven from both sides."""
    edges, length = np.linspace(0.0, PERIOD, 49), SHOWN
    rows = []
    for direction, style_of in (("left", "-"), ("right", ":")):
        system = switched(direction, length)
        state, record = lindblad.periodic_state(system), clicks_of(system, pulses, 31 + (direction == "right"))
        seen, exact = (of.click_density(x, "magnon", edges) for of, x in ((an, record), (lindblad, state)))
        colour = MODES["magnon"]["color"] if direction == "left" else "0.3"
        ax.stairs(1e4 * seen.value, edges, color=colour, alpha=0.45, lw=1.0)
        ax.plot(
            seen_middle(edges), 1e4 * exact.value, style_of, color=colour, label=f"driven from the {direction}"
        )
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
    height = ax.get_ylim()[1]
    times = np.linspace(0.0, PERIOD, 1500)
    both = pulse(BEGIN, length)(times) + pulse(0.5 * PERIOD + BEGIN, length)(times)
    ax.fill_between(times, 0.25 * height * both / DRIVE, color="0.85", zorder=0)
    for middle, text in ((0.25, "spin one way"), (0.75, "the other way")):
        ax.annotate(text, (middle * PERIOD, 1.22 * height), ha="center", color="0.4")
    ax.set(xlabel=r"time in the period ($1/\omega_b$)", ylabel=r"magnons per period ($10^{-4}\,\omega_b$)")
    ax.axvline(0.5 * PERIOD, color="0.8", lw=0.7, zorder=0)
    ax.set(xlim=(0.0, PERIOD), ylim=(0.0, 1.35 * height))
    ax.legend(loc="upper center", bbox_to_anchor=(0.36, 0.86))
    return rows


def row_of(direction: str, length: float, state: lindblad.PeriodicState, record: tj.ClickRecord) -> dict[str, Any]:
    """Return the numbers of one pulse length, from clicks and exactly."""
    seen, exact = (of.pulse_counts(x, PAIR, most=2) for of, x in ((an, record), (lindblad, state)))
    magnons = [of.brightness(x, "magnon") for of, x in ((an, record), (lindblad, state))]
    g2 = [of.pulsed_g2(x, *PAIR, pulses=1, normalise="rates") for of, x in ((an, record), (lindblad, state))]
    row: dict[str, Any] = {"direction": direction, "length": length}
    pairs = {
        "magnons": magnons,
        "one": (seen.one_each, exact.one_each),
        "more": (seen.more, exact.more),
        "purity": (seen.purity, exact.purity),
    }
    for key, (mine, there) in pairs.items():
        row |= {key: mine.value, f"{key}_error": mine.standard_error, f"{key}_exact": there.value}
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
                record = clicks_of(system, chosen.clicks, int(length))
                rows.append(row_of(direction, length, state, record))
                if length == SHOWN or direction not in records:
                    records[direction], states[direction] = record, state
        draw_pulse(axes[0, 0], records, states)
        draw_lengths(axes[0, 1], rows)
        draw_quality(axes[1, 0], rows)
        switch = draw_switch(axes[1, 1], chosen.clicks)
        titles = ("one pulse", "per pulse", "how good", "two pulses, the spin reversed for the second")
        for ax, letter, title in zip(axes.flat, "abcd", titles, strict=True):
            panel(ax, letter, title)
        save(drawn, chosen.out, "on_demand")
        write_table(chosen.out / "on_demand_lengths.csv", {key: [row[key] for row in rows] for key in rows[0]})
        write_table(chosen.out / "on_demand_switch.csv", {key: [row[key] for row in switch] for key in switch[0]})


if __name__ == "__main__":
    main()
