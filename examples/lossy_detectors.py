"""Imperfect detectors: the clicks they missed, inferred from those they saw, and what loss costs a measurement.

    python examples/lossy_detectors.py --out runs/figures

Blue regime, driven from the left; half of the photon, magnon and phonon clicks are detected, and a quarter of the
atom's. (a) A stretch of one trajectory: detected clicks are lines, lost ones, which only the simulation knows, are
crosses, and curves are the posterior rates of lost clicks given the whole record: near a single photon the rate of
a lost magnon is high, and the other way round. (b) Calibration: clicks of photon and magnon, grouped by the
probability that a lost click of the other belongs to them (within 1/κ), and how many truly had one. (c) Fisher
information of the record about κ and Δ_ad, beside that of ideal detectors: one channel alone, and all with losses.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import regimes
from figures import MODES, decades, figure, options, panel, save, style, timed, write_table
from matplotlib.axes import Axes

import trajectories as tj
from trajectories import analysis as an
from trajectories.errors import TruncationWarning

RESONATOR = tj.SpinningResonator(direction="left", detuning=1.341)
SEEN = {name: tj.Detector(0.5) for name in ("photon", "phonon", "magnon")} | {"atom": tj.Detector(0.25)}
PAIR = ("photon", "magnon")
WINDOW = 1.0 / RESONATOR.kappa
# Steps of the derivatives: small beside κ, and beside the width of the resonance in Δ_ad, 0.001.
STEPS = {"kappa": 2e-5, "detuning": 2e-5}
SYMBOLS = {"kappa": r"$\kappa$", "detuning": r"$\Delta_{ad}$"}


def true_and_seen(levels: tuple[int, int, int], clicks: int) -> tuple[Any, tj.ClickRecord, tj.ClickRecord]:
    """Return the system, about so many clicks of it, and what the detectors see of them."""
    system = RESONATOR.system(levels)
    duration = regimes.duration_for(clicks, system, 100)
    record = tj.simulate(system, trajectories=100, duration=duration, seed=5, progress=False)
    return system, record, an.apply_detectors(record, SEEN, seed=6)


def lost_ones(record: tj.ClickRecord, seen: tj.ClickRecord) -> np.ndarray:
    """Return which clicks were lost."""
    known = set(zip(seen.trajectory.tolist(), seen.time.tolist(), strict=True))
    return np.array([c not in known for c in zip(record.trajectory.tolist(), record.time.tolist(), strict=True)])


def richest_stretch(record: tj.ClickRecord, seen: tj.ClickRecord, span: float) -> tuple[int, float]:
    """Return a trajectory and the start of a stretch with many single clicks of the pair."""
    alone = an.single_clicks(seen, PAIR, WINDOW)
    best, most = (0, 0.0), -1
    for n in np.flatnonzero(alone):
        row, start = int(seen.trajectory[n]), float(seen.time[n]) - 0.1 * span
        if start < 0.0 or start + span > record.stop[row]:
            continue
        near = (seen.trajectory == row) & (seen.time >= start) & (seen.time <= start + span)
        here = alone & near
        both = min((here & (seen.channel == seen.channel_number(name))).sum() for name in PAIR)
        if both > most:
            best, most = (row, start), both
    return best


def draw_stream(
    ax: Axes, system: Any, record: tj.ClickRecord, seen: tj.ClickRecord, span: float
) -> dict[str, Any]:
    """Draw a stretch of the stream with the posterior of what was lost; return the curves."""
    row, start = richest_stretch(record, seen, span)
    times = np.linspace(start, start + span, 2400)
    low, high = seen.offsets[row : row + 2]
    one = tj.ClickRecord.from_arrays(
        np.zeros(high - low, dtype=int), seen.time[low:high], seen.channel[low:high],
        channel_names=seen.channel_names, start=seen.start[row], stop=seen.stop[row], provenance=seen.provenance,
    )  # fmt: skip
    found = an.lost_clicks(one, system, times=times)
    lost = lost_ones(record, seen)
    shown = (times - start) / 1000.0
    for level, name in enumerate(PAIR):
        color = MODES[name]["color"]
        k = record.channel_number(name)
        rate = found.rates[0, :, found.channel_names.index(name)] / RESONATOR.kappa
        ax.plot(shown, rate, color=color, linewidth=1.0, label=f"lost {name}s")
        mine = (record.trajectory == row) & (record.time >= start) & (record.time <= start + span)
        mine &= record.channel == k
        for place in (record.time[mine & ~lost] - start) / 1000.0:
            ax.axvline(place, color=color, linewidth=0.9, alpha=0.55, linestyle=MODES[name]["linestyle"])
        crosses = (record.time[mine & lost] - start) / 1000.0
        ax.plot(crosses, np.full(len(crosses), 0.72 - 0.06 * level), "x", color=color, ms=5, mew=1.4)
    ax.set(xlabel=r"time  ($10^3/\omega_b$)", ylabel=r"posterior rate of lost clicks / $\kappa$")
    ax.set(xlim=(0.0, span / 1000.0), ylim=(0.0, 0.76))
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2)
    return {"time": times - start} | {
        f"lost_{name}": found.rates[0, :, found.channel_names.index(name)] for name in PAIR
    }


def draw_calibration(ax: Axes, system: Any, record: tj.ClickRecord, seen: tj.ClickRecord) -> dict[str, Any]:
    """Draw how often clicks had the lost companion that was inferred; return the points."""
    said = an.lost_clicks(seen, system, pair=PAIR, window=WINDOW).companion
    lost, pair = lost_ones(record, seen), np.isfinite(said)
    happened = np.zeros(len(seen), dtype=bool)
    for n in np.flatnonzero(pair):
        partner = PAIR[1 - PAIR.index(seen.channel_names[seen.channel[n]])]
        near = (record.trajectory == seen.trajectory[n]) & (np.abs(record.time - seen.time[n]) <= WINDOW)
        happened[n] = (near & lost & (record.channel == record.channel_number(partner))).any()
    groups = np.array_split(np.flatnonzero(pair)[np.argsort(said[pair])], 8)
    points = [
        (said[g].mean(), happened[g].mean(), np.sqrt((said[g] * (1 - said[g])).sum()) / len(g)) for g in groups
    ]
    x, y, error = np.array(points).T
    ax.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    ax.errorbar(x, y, error, fmt="o", color="k", markersize=3, linewidth=0.8)
    ax.set(
        xlabel="predicted probability of a lost partner",
        ylabel="observed share with one",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    return {"said": x, "found": y, "error": error}


def draw_information(ax: Axes, levels: tuple[int, int, int], record: tj.ClickRecord) -> dict[str, Any]:
    """Draw the information about κ and Δ_ad of each channel and of lossy records; return the bars."""

    def family(kappa: float, detuning: float) -> tj.OpenSystem:
        return replace(RESONATOR, kappa=kappa, detuning=detuning).system(levels)

    every = record.channel_names
    cases = {"all ideal": record} | {
        f"{name}\nalone": record.select(name) for name in ("photon", "magnon", "atom")
    }
    for eta in (0.5, 0.2):
        cases[f"all\nη = {eta:g}"] = an.apply_detectors(record, dict.fromkeys(every, tj.Detector(eta)), seed=8)
    at = {"kappa": RESONATOR.kappa, "detuning": RESONATOR.detuning}
    found = {name: an.information(case, family, at, steps=STEPS) for name, case in cases.items()}
    ideal = np.diag(found["all ideal"].rate)
    rows: dict[str, Any] = {"case": [name.replace("\n", " ") for name in found]}
    for i, (name, color) in enumerate(zip(at, ("#444444", "#D55E00"), strict=True)):
        value = np.array([one.rate[i, i] / ideal[i] for one in found.values()])
        error = np.array([one.standard_error[i, i] / ideal[i] for one in found.values()])
        place = np.arange(len(found)) + 0.38 * (i - 0.5)
        ax.bar(
            place,
            value,
            0.36,
            yerr=error,
            color=color,
            label=f"about {SYMBOLS[name]}",
            error_kw={"linewidth": 0.8},
        )
        rows |= {name: value, f"{name}_error": error, f"{name}_rate": [one.rate[i, i] for one in found.values()]}
    ax.set_xticks(np.arange(len(found)), list(found), fontsize=6.5)
    decades(ax)
    ax.set(ylabel="information, ideal = 1", ylim=(1e-3, 3.0))
    ax.legend(loc="upper right", ncols=2)
    return rows


with timed(), warnings.catch_warnings():
    warnings.simplefilter("ignore", TruncationWarning)
    chosen = options(__doc__, clicks=6000, quick_clicks=1500)
    levels = (3, 2, 2) if chosen.quick else (4, 4, 4)
    system, record, seen = true_and_seen(levels, chosen.clicks)
    print(f"{len(record)} clicks, {len(seen)} detected")
    style()
    picture = figure(4.2)
    rows = picture.add_gridspec(2, 2, width_ratios=(1, 1.7))
    stream_ax, calibration_ax, information_ax = (
        picture.add_subplot(rows[0, :]), picture.add_subplot(rows[1, 0]), picture.add_subplot(rows[1, 1])
    )  # fmt: skip
    tables = {"lost_clicks": draw_stream(stream_ax, system, record, seen, 2.5e4)}
    tables["calibration"] = draw_calibration(calibration_ax, system, record, seen)
    tables["information"] = draw_information(information_ax, levels, record)
    panel(stream_ax, "a", "detected photons (—) and magnons (– ·); crosses: lost clicks")
    panel(calibration_ax, "b", "single clicks and their partners")
    panel(information_ax, "c", "what each channel tells, and what loss costs")
    for name, columns in tables.items():
        write_table(chosen.out / f"lossy_detectors_{name}.csv", columns)
    save(picture, chosen.out, "lossy_detectors")
