"""``trajectories converge``: how the exact numbers move with the truncation."""

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
        help="measure how the exact numbers move with the truncation",
        description="Raise the Fock levels mode by mode, from --levels on, until no click rate and no zero-delay "
        "correlation of the pair moves by more than the tolerance; print every truncation tried. Of a pulsed "
        "configuration: the clicks per pulse, the probability of exactly one pair and its purity. The detuning "
        "stays where the configuration puts it, unless --follow relocates the resonance at each truncation.",
    )
    converge.set_defaults(command=_run)
    converge.add_argument("config", metavar="CONFIG", help="a TOML file (see examples/)")
    converge.add_argument(
        "--levels", type=levels, metavar="A,B,M", default=(3, 3, 3), help="first truncation (3,3,3)"
    )
    converge.add_argument(
        "--tolerance", type=number, metavar="X", default=1e-3, help="largest relative move (0.001)"
    )
    converge.add_argument(
        "--max-dimension", type=integer, metavar="N", default=600, help="largest dimension (600)"
    )
    converge.add_argument("--follow", action="store_true", help="relocate the pair's resonance at each truncation")


def _run(options: argparse.Namespace) -> None:
    from ..lindblad import at_resonance, converge
    from .configuration import read_job

    # At the configuration's own truncation, which places a named regime; --levels is only where the search starts.
    job = read_job(options.config)
    if job.resonator is None or job.pair is None:
        raise InvalidInput(
            f"{options.config} fixes its truncation or names no pair; call lindblad.converge from Python"
        )
    pulsed = job.system.depends_on_time
    if pulsed and options.follow:
        raise InvalidInput("--follow relocates the resonance of constant parameters; leave it out for pulses")
    observables = _of_pulses(job.system, job.pair) if pulsed else _of_steady_state(job.system, job.pair)
    source: Any = at_resonance(job.resonator, "-".join(job.pair)) if options.follow else job.resonator.system
    found = converge(
        lambda given: job.made(source(given)),
        observables,
        start=options.levels,
        tolerance=options.tolerance,
        max_dimension=options.max_dimension,
        progress=sys.stderr.isatty(),
    )
    where = "at its resonance for each truncation" if options.follow else f"at Δ_ad={job.resonator.detuning:g}"
    print(f"{' and '.join(job.pair)}, driven from the {job.resonator.direction}, {where}\n")
    print(found.table())


def _of_steady_state(system: OpenSystem, pair: tuple[str, str]) -> dict[str, Any]:
    """Return the rates, and g1(0) and g2(0) of the pair, as functions of the steady state."""
    from ..lindblad import bundle_correlation, cross_correlation

    found: dict[str, Any] = {
        f"rate of {name}": lambda steady, name=name: steady.rate(name) for name in system.channel_names
    }
    modes = () if system.space is None else system.space.modes
    if all(name in modes for name in pair):  # filtered channels are none
        found["g1(0)"] = lambda steady: float(cross_correlation(steady, *pair))
        found["g2(0)"] = lambda steady: float(bundle_correlation(steady, pair))
    return found


def _of_pulses(system: OpenSystem, pair: tuple[str, str]) -> dict[str, Any]:
    """Return the clicks per pulse, and one-pair probability and purity, as functions of the periodic state."""
    from ..lindblad import brightness, pulse_counts

    found: dict[str, Any] = {
        f"{name} per pulse": lambda state, name=name: brightness(state, name).value
        for name in system.channel_names
    }
    found["one pair"] = lambda state: pulse_counts(state, pair, 2).one_each.value
    found["purity"] = lambda state: pulse_counts(state, pair, 2).purity.value
    return found
