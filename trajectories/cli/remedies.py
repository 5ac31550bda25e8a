"""Remedies in messages, translated for the command line: "give duration=" becomes "give --duration"."""

from __future__ import annotations

import re

# Arguments as messages name them, without a value. Columns and ticks in seconds belong to text files.
ARGUMENT = re.compile(
    r"\b(columns=\(time, channel\)|tick= in seconds|(?:tick|duration|unit|markers|window|detectors|system)="
    r"(?![\w'\"(.+-])|by lindblad\.periodic_state|corrections\.(?:renamed|selected|delayed,))"
)
OPTIONS = {
    "columns=(time, channel)": "--text-columns TIME,CHANNEL",
    "tick= in seconds": "--text-tick, in seconds",
    "system=": "--model",
    "by lindblad.periodic_state": "by `trajectories exact --long`",
    "corrections.renamed": "--rename",
    "corrections.selected": "--only",
    "corrections.delayed,": "--delay",
}


def for_commands(text: str) -> str:
    """Return a message whose remedies are options of the command line."""
    return ARGUMENT.sub(lambda found: OPTIONS.get(found[1], f"--{found[1].rstrip('=')}"), text)
