"""``trajectories converge``: how the exact numbers change with the truncation."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import InvalidInput
from ..model import OpenSystem
from .arguments import Commands, integer, levels, number


def register(commands: Commands) -> None:
    """Add ``trajectories converge``."""
    converge = commands.add_parser(
        "converge",
        help="compute how the exact numbers change with the truncation",
        description="Raise the Fock levels mode by mode, from --levels on, until no click rate and no zero-delay "
        "correlation of the pair changes by more than the tolerance; print every truncation. For a pulsed "
        "configuration: the clicks per pulse, the probability of exactly one pair and its purity. The detuning "
        "is that of the configuration, unless --follow locates the resonance anew at each truncation.",
    )
    converge.set_defaults(command=_run)
    converge.add_argument("config", metavar="CONFIG", help="a TOML file (see examples/)")
    converge.add_argument(
        "--levels", type=levels, metavar="A,B,M", default=(3, 3, 3), help="first truncation (default: 3,3,3)"
    )
    converge.add_argument(
        "--tolerance", type=number, metavar="X", default=1e-3, help="largest relative change (default: 0.001)"
    )
    converge.add_argument(
        "--max-dimension",
        type=integer,
        metavar="N",
        help="largest dimension (default: 600; of pulses, what takes two minutes)",
    )
    converge.add_argument("--follow", action="store_true", help="locate the pair's resonance at each truncation")


def _run(options: argparse.Namespace) -> None:
    from ..lindblad import at_resonance, converge
    from ..lindblad.pulses.periodic import affordable_dimension
    from .configuration import read_job

    # At the configuration's truncation, which fixes the detuning of a named regime; --levels is only the start.
    job = read_job(options.config)
    if job.resonator is None or job.pair is None:
        raise InvalidInput(
            f"{options.config} has a fixed truncation or no pair; call lindblad.converge from Python"
        )
    pulsed = job.system.depends_on_time
    if pulsed and options.follow:
        raise InvalidInput("--follow is for constant parameters; leave it out for pulses")
    observables = _of_pulses(job.system, job.pair) if pulsed else _of_steady_state(job.system, job.pair)
    source: Any = at_resonance(job.resonator, "-".join(job.pair)) if options.follow else job.resonator.system
    most = options.max_dimension
    if most is None:
        most = min(600, affordable_dimension(job.system.period)) if job.system.period is not None else 600
    found = converge(
        lambda given: job.made(source(given)),
        observables,
        start=options.levels,
        tolerance=options.tolerance,
        max_dimension=most,
        progress=sys.stderr.isatty(),
    )
    where = "at its resonance for each truncation" if options.follow else f"at Δ_ad={job.resonator.detuning:g}"
    print(f"{' and '.join(job.pair)}, driven from the {job.resonator.direction}, {where}\n")
    print(found.table())


def _of_steady_state(system: OpenSystem, pair: tuple[str, str]) -> dict[str, Any]:
    """Return functions of the steady state by name: the rates, and g1(0) and g2(0) of the pair."""
    from ..lindblad import bundle_correlation, cross_correlation

    found: dict[str, Any] = {
        f"rate of {name}": lambda steady, name=name: steady.rate(name) for name in system.channel_names
    }
    modes = () if system.space is None else system.space.modes
    if all(name in modes for name in pair):  # not for filtered channels
        found["g1(0)"] = lambda steady: float(cross_correlation(steady, *pair))
        found["g2(0)"] = lambda steady: float(bundle_correlation(steady, pair))
    return found


def _of_pulses(system: OpenSystem, pair: tuple[str, str]) -> dict[str, Any]:
    """Return functions of the periodic state by name: clicks per pulse, one-pair probability, purity."""
    from ..lindblad import brightness, pulse_counts

    found: dict[str, Any] = {
        f"{name} per pulse": lambda state, name=name: brightness(state, name).value
        for name in system.channel_names
    }
    found["one pair"] = lambda state: pulse_counts(state, pair, 2).one_each.value
    found["purity"] = lambda state: pulse_counts(state, pair, 2).purity.value
    return found
