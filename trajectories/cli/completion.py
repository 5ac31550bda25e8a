"""``trajectories completion``: what a shell needs to complete commands, options and files."""

from __future__ import annotations

import argparse

from .arguments import Commands

SHELLS = ("bash", "zsh", "fish")
WHERE = """Print a script that completes commands, options and files.

  bash   trajectories completion bash > ~/.local/share/bash-completion/completions/trajectories
  zsh    trajectories completion zsh > "${fpath[1]}/_trajectories"
  fish   trajectories completion fish > ~/.config/fish/completions/trajectories.fish"""

BASH = """# bash completion of trajectories
_trajectories() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} command=${{COMP_WORDS[1]}} words=""
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "{commands}" -- "$current"))
        return
    fi
    case $command in
{cases}
    esac
    if [[ $current == -* ]]; then
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


def _options(parser: argparse.ArgumentParser) -> list[tuple[str, str]]:
    """Return the long options of a command, each with the first words of its help."""
    found = []
    for action in parser._actions:
        for name in action.option_strings:
            if name.startswith("--"):
                found.append((name, _brief(action.help or "")))
    return found


def _brief(text: str) -> str:
    """Return help as a shell's completion can show it: one short line without what shells read as code."""
    line = " ".join(text.replace("%%", "%").split())
    for sign in "[]:'\"\\`$":
        line = line.replace(sign, " ")
    return " ".join(line.split())[:70]


def _described(parsers: dict[str, argparse.ArgumentParser]) -> dict[str, str]:
    return {name: _brief((parser.description or "").partition("\n")[0]) for name, parser in parsers.items()}


def _bash(parsers: dict[str, argparse.ArgumentParser]) -> str:
    cases = [f'        {name}) words="{" ".join(o for o, _ in _options(p))}" ;;' for name, p in parsers.items()]
    return BASH.format(commands=" ".join(parsers), cases="\n".join(cases))


def _zsh(parsers: dict[str, argparse.ArgumentParser]) -> str:
    named = [f"        '{name}:{brief}'" for name, brief in _described(parsers).items()]
    cases = []
    for name, parser in parsers.items():
        options = " ".join(f"'{option}[{brief}]'" for option, brief in _options(parser))
        cases.append(f"        {name}) _arguments {options} '*:file:_files' ;;")
    return ZSH.format(commands="\n".join(named), cases="\n".join(cases))


def _fish(parsers: dict[str, argparse.ArgumentParser]) -> str:
    lines = ["# fish completion of trajectories"]
    for name, brief in _described(parsers).items():
        lines.append(f"complete -c trajectories -n __fish_use_subcommand -f -a {name} -d '{brief}'")
    for name, parser in parsers.items():
        for option, brief in _options(parser):
            seen = f"'__fish_seen_subcommand_from {name}'"
            lines.append(f"complete -c trajectories -n {seen} -l {option[2:]} -d '{brief}'")
    return "\n".join(lines) + "\n"
