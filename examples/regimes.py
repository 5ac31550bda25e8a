"""The paper's regimes as the scripts use them: their detunings, their pairs, and the levels they need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
from figures import REGIMES
from matplotlib.axes import Axes
from numpy.typing import NDArray

import trajectories as tj
from trajectories import lindblad
from trajectories.model.spinning_resonator import REGIMES as EMITTED

Observable = Callable[[lindblad.SteadyState], float]
# "The paper's truncation" is inferred: its headline values are those of four levels a mode.
PAPER_LEVELS = (4, 4, 4)
FEW_LEVELS = (4, 3, 3)  # enough to find resonances in a quick check
KAPPA = (0.001, 0.02)  # range of κ/ω_b in Figs. 3 and 4, whose text gives none
SYMBOLS = {"phonon": "ab", "magnon": "am"}  # the pair of a photon and this mode
# Every emission of the paper: regime, drive direction, and the mode whose quantum leaves with the photon.
EMISSIONS = tuple(
    (regime, direction, pair.removeprefix("photon-"))
    for regime, emitting in EMITTED.items()
    for direction, pair in emitting.items()
)


def partners(regime: str) -> tuple[str, ...]:
    """Return the modes whose pairs with the photon a regime emits, whichever the direction."""
    return tuple(mode for name, _, mode in EMISSIONS if name == regime)


def detunings(
    wanted: Iterable[str] = tuple(EMITTED), levels: tuple[int, int, int] = PAPER_LEVELS, **parameters: float
) -> dict[str, float]:
    """Return Δ_ad of some regimes: where the pair population is largest, averaged over the emitting directions.

    Both directions of the orange regime share one pump, so one Δ_ad; their resonances lie 1e-4 apart.
    """
    found = {}
    for regime in wanted:
        places = [
            lindblad.resonance(tj.SpinningResonator(direction=direction, **parameters), pair, levels)
            for direction, pair in EMITTED[regime].items()
        ]
        found[regime] = float(np.mean(places))
    return found


def observables(modes: Iterable[str]) -> dict[str, Observable]:
    """Return g₁(0) and g₂(0) of photon and each mode as functions of a steady state, named as "g1_ab"."""
    wanted: dict[str, Observable] = {}
    for mode in modes:
        wanted[f"g1_{SYMBOLS[mode]}"] = lambda s, mode=mode: lindblad.cross_correlation(s, "photon", mode)
        wanted[f"g2_{SYMBOLS[mode]}"] = lambda s, mode=mode: float(
            lindblad.bundle_correlation(s, ("photon", mode))
        )
    return wanted


def converged_levels(
    resonator: tj.SpinningResonator, modes: Iterable[str], tolerance: float, largest: int
) -> tuple[int, int, int]:
    """Return the levels at which one more moves no g₁(0) or g₂(0) of these pairs by more than `tolerance`.

    No fewer than the paper's, and no more than `largest` states in all.
    """
    return _levels(resonator, observables(modes), PAPER_LEVELS, tolerance, largest)


def click_levels(resonator: tj.SpinningResonator, mode: str, tolerance: float) -> tuple[int, int, int]:
    """Return the levels at which one more moves no rate of clicks, or of pairs, by more than `tolerance`.

    Clicks need fewer than g₂(0), which is made of the rare states with two pairs.
    """
    watched: dict[str, Observable] = {name: lambda s, name=name: s.rate(name) for name in ("photon", mode, "atom")}
    watched["pairs"] = lambda s: float(s.expect(s.system.space.number("photon") @ s.system.space.number(mode)))
    return _levels(resonator, watched, (3, 3, 3), tolerance, 200)


def _levels(
    resonator: tj.SpinningResonator,
    watched: Mapping[str, Observable],
    start: tuple[int, int, int],
    tolerance: float,
    largest: int,
) -> tuple[int, int, int]:
    found = lindblad.converge(resonator.system, watched, start=start, tolerance=tolerance, max_dimension=largest)
    if not found.converged:
        print(f"not converged to {tolerance:.1%} with {largest} states: using levels {joined(found.levels)}")
    photon, phonon, magnon = found.levels
    return photon, phonon, magnon


def antibunched(table: Mapping[str, NDArray[np.float64]], mode: str) -> NDArray[np.bool_]:
    """Return where pairs are antibunched bundles by the paper's criterion, g₁ > 1 and g₂ < 1."""
    pair = SYMBOLS[mode]
    return (table[f"g1_{pair}"] > 1.0) & (table[f"g2_{pair}"] < 1.0)


def onset_of_bunching(kappa: NDArray[np.float64], table: Mapping[str, NDArray[np.float64]], mode: str) -> float:
    """Return the κ at which g₂ of antibunched bundles rises through 1; NaN if it does not within the range."""
    inside = np.flatnonzero(antibunched(table, mode))
    if not len(inside) or inside[-1] + 1 == len(kappa):
        return float("nan")
    around = slice(inside[-1], inside[-1] + 2)
    return float(np.exp(np.interp(0.0, np.log(table[f"g2_{SYMBOLS[mode]}"][around]), np.log(kappa[around]))))


def shade(ax: Axes, kappa: NDArray[np.float64], table: Mapping[str, NDArray[np.float64]], regime: str) -> None:
    """Shade the ranges of κ in which pairs of a regime are antibunched bundles."""
    for mode in partners(regime):
        inside = kappa[antibunched(table, mode)]
        if len(inside):
            end = np.nanmax([onset_of_bunching(kappa, table, mode), inside[-1]])
            ax.axvspan(inside[0], end, color=REGIMES[regime], alpha=0.35, linewidth=0, zorder=0)


def kappa_axis(ax: Axes) -> None:
    """Put a logarithmic axis of κ with plain numbers."""
    ax.set_xscale("log")
    ax.set_xlim(KAPPA)
    ax.set_xticks([0.001, 0.002, 0.005, 0.01, 0.02], ["0.001", "0.002", "0.005", "0.01", "0.02"])
    ax.minorticks_off()
    ax.set_xlabel(r"$\kappa/\omega_b$")


def duration_for(clicks: float, system: tj.OpenSystem, trajectories: int) -> float:
    """Return how long each of some trajectories must be watched for about `clicks` clicks in all."""
    steady = lindblad.steady_state(system)
    return clicks / (trajectories * sum(rate.value for rate in lindblad.rates(steady).values()))


def joined(levels: Iterable[int]) -> str:
    """Return levels as tables and labels have them: 4-4-4."""
    return "-".join(map(str, levels))
