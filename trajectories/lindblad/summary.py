"""Everything exact about a steady state in one table: what `trajectories exact` prints and writes as JSON."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from ..model.space import HilbertSpace
from ..names import printable, spelled
from ..stages import Steps
from .bundles.pair_bundles import PairBundles
from .click_statistics.bundle_rates import by_composition, order_rates
from .click_statistics.counting import rates
from .entanglement import entanglement_witness, negativity
from .inputs import bundle_channels, pair_of
from .steady_state import SteadyState
from .superoperators.detected import DetectedSystem
from .superoperators.hermitian_vectors import pack
from .two_time import bundle_correlation, cross_correlation

# Populations below this are rounding: ratios of them mean nothing.
EMPTY = 1e-14


def summary(
    steady: SteadyState, pair: tuple[str, str] | None = None, window: float | None = None
) -> dict[str, dict[str, float]]:
    """Return the zero-delay correlations, rates, bundles, order and entanglement of a steady state.

    Parameters
    ----------
    steady : SteadyState
        The steady state.
    pair : tuple of two str, optional
        Channels whose bundles are described; without it that section is left out.
    window : float, optional
        Gap δ that separates bundles, in 1/ω_b; by default 3/κ of the system's parameters.

    Returns
    -------
    dict of str to dict of str to float
        Sections ``populations``, ``rates``, ``g1(0)``, ``g2(0)`` (the paper's g₁ and g₂ for pairs of modes),
        ``bundles``, ``entanglement`` (the paper's W, and the negativity), ``truncation`` and ``residual``.
        Sections that need a `HilbertSpace` are left out without one.

    Raises
    ------
    InvalidInput
        An unknown channel, or no window and no κ to take it from.
    """
    space = steady.system.space
    table: dict[str, dict[str, float]] = {}
    if space is not None:
        table["populations"] = {name: float(steady.expect(space.number(name)).real) for name in space.names}
    table["rates"] = {name: estimate.value for name, estimate in rates(steady).items()}
    steps = Steps("exact numbers", [1.0] * ((space is not None) * 2 + (pair is not None)))
    if space is not None:
        occupied = [mode for mode in space.modes if table["populations"][mode] > EMPTY]
        both = list(combinations(occupied, 2))
        with steps.next("correlations at zero delay"):
            table["g1(0)"] = {f"{a},{b}": float(cross_correlation(steady, a, b)) for a, b in both}
            table["g2(0)"] = {f"{a},{b}": _bundle_g2(steady, a, b) for a, b in both}
    if pair is not None:
        with steps.next("bundles"):
            table["bundles"] = _bundles(steady, pair, window)
    if space is not None:
        with steps.next("entanglement"):
            table["entanglement"] = _entanglement(steady, space)
        table["truncation"] = {f"top level of {name}": float(value) for name, value in steady.top_level.items()}
    table["residual"] = {"relative": float(steady.residual), "largest relative error of a rate": steady.error}
    return table


def _bundle_g2(steady: SteadyState, first: str, second: str) -> float:
    value: Any = bundle_correlation(steady, (first, second))
    return float(value)


def _bundles(steady: SteadyState, pair: tuple[str, str], window: float | None) -> dict[str, float]:
    names = bundle_channels(steady.system, None)
    first, second = pair_of(names, pair)
    total = DetectedSystem(steady.system, names).total_rate(pack(steady.rho))
    # One table of orders for everything below, because it takes most of the time.
    ordered = order_rates(steady, window=window, max_size=2)
    forward, backward = ordered[first, second].value, ordered[second, first].value
    bundles = PairBundles(forward, backward, total)
    compositions = by_composition(ordered, names, max_size=2)
    quantities = {_cluster_label(name): estimate.value for name, estimate in compositions.items()}
    quantities[f"purity of {spelled(pair, '+')}"] = bundles.purity.value
    if bundles.rate.value > 0.0:
        quantities[f"{first} first"] = bundles.order_fraction.value
    return quantities


def _cluster_label(composition: tuple[str, ...]) -> str:
    label = f"rate of {spelled(composition, '+')}"
    return label if len(composition) > 1 else f"{label} alone"


def _entanglement(steady: SteadyState, space: HilbertSpace) -> dict[str, float]:
    atoms = [name for name in space.names[len(space.modes) :] if space.levels[name] == 2]
    found: dict[str, float] = {}
    for first, second in combinations(space.modes, 2):
        for parts in ((first, second), (first, second, *atoms)):
            if len(parts) == 2 or atoms:
                found[f"W {', '.join(parts)}"] = float(entanglement_witness(steady, space, parts).value)
        found[f"negativity {first}, {second}"] = float(negativity(steady, space, first, second))
    return found


def format_summary(table: dict[str, dict[str, float]]) -> str:
    """Return the table as text, one section a block."""
    lines: list[str] = []
    for section, values in table.items():
        if not values:
            continue
        lines.append(section)
        lines += [f"  {printable(name):44} {value:14.6g}" for name, value in values.items()]
        lines.append("")
    return "\n".join(lines)
