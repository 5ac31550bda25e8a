"""The parser: all commands, errors of one line that name the most similar valid word, help with examples."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator
from typing import Any, NoReturn

from ..names import nearest, printable
from . import analyse, completion, converge, exact, export, info, simulate, validate

OVERVIEW = """bundle-trajectories {version}: clicks of driven quantum emitters, simulated and analysed

  trajectories simulate CONFIG --out RUN    clicks into a run folder; the same command continues it
  trajectories analyse RUN                  every estimate with its exact value, and a page with pictures
  trajectories validate RUN                 can these clicks have come from this model?
  trajectories exact CONFIG                 exact numbers of the steady state, without clicks
  trajectories export RUN --format csv      clicks for other programs

CONFIG is a TOML file (examples/*.toml) or my_system.py:system; RUN may also be a file of measured clicks.
More: trajectories COMMAND --help, trajectories info, trajectories converge, trajectories completion."""

DESCRIPTION = """Monte Carlo wave-function click records of open quantum systems.

Times are in 1/ω_b and rates in ω_b, unless your own system uses another unit."""

# Words that users may try, and the commands that they mean.
ALIASES = {"analyze": "analyse"}
EXAMPLES = {
    simulate: (
        "trajectories simulate examples/blue_left.toml --out runs/blue-left",
        "trajectories simulate examples/blue_left.toml --dry-run",
        "trajectories simulate my_system.py:system --out runs/mine --trajectories 256 --duration 1e5 --seed 1",
    ),
    analyse: (
        "trajectories analyse runs/blue-left",
        "trajectories analyse hbt.ptu --pair left,right --window 20",
    ),
    exact: ("trajectories exact examples/orange_left.toml --json numbers.json",),
    converge: ("trajectories converge examples/orange_left.toml --tolerance 1e-3",),
    info: ("trajectories info runs/blue-left", "trajectories info hbt.ptu"),
    export: (
        "trajectories export runs/blue-left --format csv",
        "trajectories export runs/blue-left --out clicks.ptu",
    ),
    validate: (
        "trajectories validate runs/blue-left",
        "trajectories validate hbt.ptu --model my_system.py:system --unit 5e-9",
    ),
    completion: ("trajectories completion bash > ~/.local/share/bash-completion/completions/trajectories",),
}


class Help(argparse.RawDescriptionHelpFormatter):
    """Formatter that fills paragraphs and keeps indented lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = re.split(r"\n(?=\s*\n|  |examples:)|(?<=:)\n", text)
        return "\n".join(
            part if part.startswith("  ") else textwrap.fill(" ".join(part.split()), width) for part in paragraphs
        )


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Print one line with the error and a suggestion, and exit with status 2."""
        print(f"error: {printable(self._explained(message))}", file=sys.stderr)
        self.exit(2)

    def _explained(self, message: str) -> str:
        ask = f"{self.prog} --help"
        if match := re.match(r"argument COMMAND: invalid choice: '(.*)' \(choose from .*\)", message):
            known = [name for name in commands_of(self) if name not in ALIASES]
            hint = nearest(match[1], known)
            return f"unknown command {match[1]!r}; the commands are {', '.join(known)}{hint}"
        if match := re.match(r"unrecognized arguments: (.*)", message):
            word = match[1].split()[0]
            command = next((name for name in self._words if name in commands_of(self)), None)
            ask = f"{self.prog} {command} --help" if command else ask
            option = word.partition("=")[0]
            # That of another command is spelled right: nothing near it is meant.
            elsewhere = option in self._options_of(None)
            hint = "" if elsewhere else nearest(option, sorted(self._options_of(command)))
            what = "option" if word.startswith("-") else "argument"
            return f"unknown {what} {word!r}{hint or f'; {ask} lists them'}"
        if match := re.match(r"argument (.*): invalid choice: '(.*)' \(choose from (.*)\)", message):
            known = [word.strip("'") for word in match[3].split(", ")]
            return f"{match[1]} {match[2]} must be one of {', '.join(known)}{nearest(match[2], known)}"
        return f"{message}; see {ask}"

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and keep the words: an error is about the options of their command."""
        self._words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def _options_of(self, command: str | None) -> set[str]:
        parsers = [self, *(parser for name, parser in commands_of(self).items() if command in (None, name))]
        return {option for parser in parsers for action in parser._actions for option in action.option_strings}


def commands_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """Return the parsers of the commands by name."""
    found: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found |= action.choices
    return found


def command_line_parser() -> Parser:
    """Return the parser of the command line."""
    from .. import __version__

    parser = Parser(
        prog="trajectories", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"bundle-trajectories {__version__}")
    parser.set_defaults(command=_overview)
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=Parser)
    for module, examples in EXAMPLES.items():
        module.register(commands)
        name = next(reversed(commands.choices))
        commands.choices[name].formatter_class = Help
        commands.choices[name].epilog = "examples:\n" + "\n".join(f"  {example}" for example in examples)
    for alias, name in ALIASES.items():
        commands.choices[alias] = commands.choices[name]
    _register_help(commands, parser)
    return parser


def examples() -> Iterator[str]:
    """Yield every example in the help texts."""
    for lines in EXAMPLES.values():
        yield from lines


def _overview(options: argparse.Namespace) -> None:
    from .. import __version__

    print(OVERVIEW.format(version=__version__))


def _register_help(commands: Any, parser: argparse.ArgumentParser) -> None:
    brief = "show the help of a command"
    helper = commands.add_parser("help", help=brief, description=f"{brief.capitalize()}.")
    helper.add_argument("of", metavar="COMMAND", nargs="?", help="the command; without it, an overview")

    def show(options: argparse.Namespace) -> None:
        if options.of is None:
            parser.print_help()
        elif options.of in commands.choices:
            commands.choices[options.of].print_help()
        else:
            parser.error(f"argument COMMAND: invalid choice: {options.of!r} (choose from help)")

    helper.set_defaults(command=show)
