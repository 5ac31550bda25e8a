"""Types and help texts of arguments that several commands share."""

from __future__ import annotations

import argparse
from typing import Any, TypeAlias

from ..names import parted

# The object to which argparse adds commands; its type is private.
Commands: TypeAlias = Any

# Up to this number every integer is exact as a float.
LARGEST_FLOAT_INTEGER = 2.0**53
CONFIG_HELP = """a TOML file (see examples/), or file.py:name where name is an OpenSystem, a SpinningResonator,
or a function without arguments that returns one; a Python file is executed"""


def integer(text: str) -> int:
    """Read an integer, which may be written as 1e6."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer") from error
    if not value.is_integer() or abs(value) > LARGEST_FLOAT_INTEGER:
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer")
    return int(value)


def number(text: str) -> float:
    """Read a number."""
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error


def levels(text: str) -> tuple[int, int, int]:
    """Read the Fock levels of photon, phonon and magnon."""
    try:
        photon, phonon, magnon = (int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not three integers such as 5,4,4") from error
    return photon, phonon, magnon


def two_names(text: str) -> tuple[str, str]:
    r"""Read two channel names; a comma inside a name is written as ``\,``."""
    names = parted(text, ",")
    if len(names) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} is not two channel names such as photon,magnon")
    return names[0], names[1]


FILTER_HELP = """put a spectral filter of full width G at frequency W behind a channel, which becomes the channels
"CHANNEL transmitted" and "CHANNEL reflected"; can be given several times"""


def spectral_filter(text: str) -> tuple[str, dict[str, float]]:
    """Read a filter: channel, frequency and width."""
    parts = parted(text, ",")
    if len(parts) != 3:
        raise argparse.ArgumentTypeError(f"{text!r} is not channel, frequency and width such as photon,1.35,0.05")
    return parts[0], {"frequency": number(parts[1]), "width": number(parts[2])}


def add_filters(command: argparse.ArgumentParser) -> None:
    """Add ``--filter`` to a command."""
    command.add_argument(
        "--filter", type=spectral_filter, action="append", metavar="CHANNEL,W,G", help=FILTER_HELP
    )
