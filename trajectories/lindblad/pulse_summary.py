"""Everything exact about the pulses of a periodic state in one table, for `trajectories exact`."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from ..checks import forms_bundles
from ..stages import staged
from .click_statistics.pulse_counts import brightness, click_density, pulse_counts
from .click_statistics.pulses import pulsed_g2
from .inputs import pair_of
from .pulses.periodic import PeriodicState

# Bins of the period, largest distance in pulses of a correlation, and largest count that is resolved.
BINS, APART, MOST = 12, 2, 2


@staged("exact numbers of pulses")
def pulse_summary(state: PeriodicState, pair: tuple[str, str] | None = None) -> dict[str, dict[str, float]]:
    """Return brightness, click density, g²[m], joint counts and populations of a periodic state.

    Parameters
    ----------
    state : PeriodicState
        From `periodic_state`.
    pair : tuple of two str, optional
        Channels whose counts in a pulse are described; by default the two brightest of those that form bundles.

    Returns
    -------
    dict of str to dict of str to float
        Sections ``populations`` (means over a period, where there is a `HilbertSpace`), ``clicks per pulse``,
        ``rates``, ``g2[m]`` by the rates, ``clicks of a pulse``, ``click density`` of each channel, ``truncation``
        (largest over the period) and ``residual``.

    Raises
    ------
    InvalidInput
        A pair that is not two different channels.
    """
    system, space = state.system, state.system.space
    table: dict[str, dict[str, float]] = {}
    edges = np.linspace(0.0, state.period, BINS + 1)
    if space is not None:
        table["populations"] = {
            name: float(np.einsum("tij,ji->t", state.over_the_period, space.number(name).toarray()).real.mean())
            for name in space.names
        }
    # Before the brightness, which is the sum of the bins.
    densities = {name: click_density(state, name, edges).value for name in system.channel_names}
    means = {name: brightness(state, name).value for name in system.channel_names}
    table["clicks per pulse"] = means
    table["rates"] = {name: mean / state.period for name, mean in means.items()}
    clicking = [name for name, mean in means.items() if mean > 0.0]
    table["g2[m]"] = {}
    for first, second in combinations_with_replacement(clicking, 2):
        found = pulsed_g2(state, first, second, APART, normalise="rates").value
        signed = range(APART + 1) if first == second else range(-APART, APART + 1)
        table["g2[m]"] |= {f"{first},{second} m={m}": float(found[APART + m]) for m in signed}
    chosen = _brightest(state, means) if pair is None else pair_of(system.channel_names, pair)
    if chosen is not None:
        table["clicks of a pulse"] = _counts(state, *chosen)
    for name in clicking:
        table[f"click density of {name}"] = {
            f"{low:g} to {high:g}": float(value)
            for low, high, value in zip(edges[:-1], edges[1:], densities[name], strict=True)
        }
    if space is not None:
        table["truncation"] = {f"top level of {name}": value for name, value in state.top_level.items()}
    table["residual"] = {"relative": float(state.residual)}
    return table


def _brightest(state: PeriodicState, means: dict[str, float]) -> tuple[str, str] | None:
    """Return the two brightest channels that form bundles, in the system's order; None without two."""
    finite = () if state.system.space is None else state.system.space.declared_finite
    names = [name for name, mean in means.items() if mean > 0.0 and forms_bundles(name, finite)]
    if len(names) < 2:
        names = [name for name, mean in means.items() if mean > 0.0]
    kept = sorted(names, key=lambda name: -means[name])[:2]
    if len(kept) < 2:
        return None
    first, second = (name for name in names if name in kept)
    return first, second


def _counts(state: PeriodicState, first: str, second: str) -> dict[str, float]:
    counts = pulse_counts(state, [first, second], MOST)
    return {
        f"no click of {first} or {second}": counts.no_click.value,
        f"exactly one pair of {first} and {second}": counts.one_each.value,
        f"more than one {first} or {second}": counts.more.value,
        "one-pair purity": counts.purity.value,
        f"{first} heralds {second}": counts.heralding(first).value,
        f"{second} heralds {first}": counts.heralding(second).value,
    }
