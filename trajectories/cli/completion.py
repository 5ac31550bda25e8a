"""``trajectories completion``: scripts with which shells complete commands, options and files."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .arguments import Commands

# Most characters of a description.
LONGEST = 70
SHELLS = ("bash", "zsh", "fish")
WHERE = """Print a script that completes commands, options and files.

  bash   trajectories completion bash > ~/.local/share/bash-completion/completions/trajectories
  zsh    trajectories completion zsh > "${fpath[1]}/_trajectories"
  fish   trajectories completion fish > ~/.config/fish/completions/trajectories.fish"""

BASH = """# bash completion of trajectories
_trajectories() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]}} words="" values=""
    local previous=${{COMP_WORDS[COMP_CWORD-1]}}
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$current"))
        return
    fi
    case $command in
{cases}
    esac
    case "$command $previous" in
{values}
    esac
    if [[ -n $values ]]; then
        COMPREPLY=($(compgen -W "$values" -- "$current"))
    elif [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    else
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -o filenames -F _trajectories trajectories
"""

ZSH = """#compdef trajectories
# zsh completion of trajectories
_trajectories() {{
    local -a commands
    commands=(
{commands}
    )
    if (( CURRENT == 2 )); then
        _describe command commands
        return
    fi
    case $words[2] in
{cases}
    esac
}}
_trajectories "$@"
"""


def register(commands: Commands) -> None:
    """Add ``trajectories completion``."""
    completion = commands.add_parser(
        "completion",
        help="print a script with which bash, zsh or fish completes commands and options",
        description=WHERE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    completion.set_defaults(command=lambda options: _run(options.shell, dict(commands.choices)))
    completion.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash, zsh or fish")


def _run(shell: str, parsers: dict[str, argparse.ArgumentParser]) -> None:
    print({"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](parsers), end="")


@dataclass(frozen=True)
class _Option:
    """A long option: name, short help, whether it takes a value, and the possible values."""

    name: str
    brief: str
    takes_value: bool
    values: tuple[str, ...]


def _options(parser: argparse.ArgumentParser) -> list[_Option]:
    """Return the long options of a command."""
    found = []
    for action in parser._actions:
        for name in action.option_strings:
            if name.startswith("--"):
                values = tuple(map(str, action.choices or ()))
                found.append(_Option(name, _brief(action.help or ""), action.nargs != 0, values))
    return found


def _words(name: str, parser: argparse.ArgumentParser, parsers: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the possible arguments of a command that takes neither a file nor a folder."""
    if name == "help":
        return tuple(parsers)
    positional = (action for action in parser._actions if not action.option_strings)
    return next((tuple(map(str, action.choices)) for action in positional if action.choices), ())


def _brief(text: str) -> str:
    """Return help as one short line without characters that shells interpret."""
    line = " ".join(text.replace("%%", "%").split())
    for sign in "[]:'\"\\`$":
        line = line.replace(sign, " ")
    return textwrap.shorten(line, LONGEST, placeholder=" …")


def _described(parsers: dict[str, argparse.ArgumentParser]) -> dict[str, str]:
    return {name: _brief((parser.description or "").partition("\n")[0]) for name, parser in parsers.items()}


def _bash(parsers: dict[str, argparse.ArgumentParser]) -> str:
    cases, values = [], []
    for name, parser in parsers.items():
        options = _options(parser)
        cases.append(f'        {name}) words="{" ".join(option.name for option in options)}" ;;')
        known = [(option.name, option.values) for option in options] + [(name, _words(name, parser, parsers))]
        values += [f'        "{name} {word}") values="{" ".join(those)}" ;;' for word, those in known if those]
    return BASH.format(commands=" ".join(parsers), cases="\n".join(cases), values="\n".join(values))


def _zsh(parsers: dict[str, argparse.ArgumentParser]) -> str:
    named = [f"        '{name}:{brief}'" for name, brief in _described(parsers).items()]
    cases = []
    for name, parser in parsers.items():
        options = " ".join(f"'{option.name}[{option.brief}]{_zsh_value(option)}'" for option in _options(parser))
        words = _words(name, parser, parsers)
        rest = f"2:word:({' '.join(words)})" if words else "*:file:_files"
        cases.append(f"        {name}) _arguments {options} '{rest}' ;;")
    return ZSH.format(commands="\n".join(named), cases="\n".join(cases))


def _zsh_value(option: _Option) -> str:
    if option.values:
        return f":value:({' '.join(option.values)})"
    return ":value:_files" if option.takes_value else ""


def _fish(parsers: dict[str, argparse.ArgumentParser]) -> str:
    lines = ["# fish completion of trajectories"]
    for name, brief in _described(parsers).items():
        lines.append(f"complete -c trajectories -n __fish_use_subcommand -f -a {name} -d '{brief}'")
    for name, parser in parsers.items():
        seen = f"'__fish_seen_subcommand_from {name}'"
        for option in _options(parser):
            value = f" -x -a '{' '.join(option.values)}'" if option.values else " -r" if option.takes_value else ""
            lines.append(f"complete -c trajectories -n {seen} -l {option.name[2:]}{value} -d '{option.brief}'")
        if words := _words(name, parser, parsers):
            lines.append(f"complete -c trajectories -n {seen} -f -a '{' '.join(words)}'")
    return "\n".join(lines) + "\n"
