"""``trajectories exact``: exact numbers of the steady state of a configuration, or of its pulses."""

from __future__ import annotations

import argparse

from ..errors import InvalidInput
from ..stages import Stage
from ..time_units import NATURAL
from .arguments import CONFIG_HELP, Commands, add_filters, levels, number
from .json_file import json_text, refuse_existing, write_json


def register(commands: Commands) -> None:
    """Add ``trajectories exact``."""
    exact = commands.add_parser(
        "exact",
        help="print exact numbers of the steady state of a configuration, or of its pulses",
        description="Solve the master equation for the steady state and print populations, click rates, the "
        "paper's zero-delay correlations g1 and g2 for every pair of modes, bundle rates, purity and order, "
        "entanglement, and the population of the top levels. For a pulsed configuration, solve for the periodic "
        "state and print the clicks per pulse, g2 of pulses m periods apart, the distribution of clicks in a "
        "pulse with the probability of exactly one pair and its purity, and the density of clicks in the period.",
    )
    exact.set_defaults(command=_run)
    exact.add_argument("config", metavar="CONFIG", help=CONFIG_HELP)
    exact.add_argument("--levels", type=levels, metavar="A,B,M", help="Fock levels of photon, phonon, magnon")
    add_filters(exact)
    exact.add_argument(
        "--window", type=number, metavar="D", help="largest gap inside a bundle, in 1/ω_b (default: 3/κ)"
    )
    exact.add_argument(
        "--long", action="store_true", help="compute a periodic state that takes longer than two minutes, too"
    )
    exact.add_argument("--json", metavar="FILE", help="write the numbers as JSON too; - prints only JSON")


def _run(options: argparse.Namespace) -> None:
    with Stage("starting", at_once=True):
        from ..lindblad import periodic_state, steady_state
        from ..lindblad.pulse_summary import pulse_summary
        from ..lindblad.pulses.periodic import affordable_periodic_state
        from ..lindblad.summary import format_summary, summary
        from .configuration import override, read_job

    refuse_existing(options.json)
    job = override(read_job(options.config, options.levels, options.filter), window=options.window)
    if job.system.depends_on_time:
        if options.window is not None:
            raise InvalidInput("--window is for bundles of a steady state; leave it out for pulses")
        solved = periodic_state if options.long else affordable_periodic_state
        table = pulse_summary(solved(job.system), pair=job.pair)
    else:
        table = summary(steady_state(job.system), pair=job.pair, window=job.window)
    document = json_text({"parameters": job.system.parameters, **table})
    if options.json == "-":
        print(document)
        return
    unit = job.system.time_unit
    counted = "" if unit == NATURAL else f"; times in {unit.name}, rates in {unit.rate}"
    print(f"N={job.system.dimension}, {job.system.parameters.get('model', options.config)}{counted}\n")
    print(format_summary(table))
    if options.json is not None:
        write_json(options.json, document)
        print(f"JSON      {options.json}")
