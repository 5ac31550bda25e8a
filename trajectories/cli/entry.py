"""main(): run a command, with warnings, errors and interruptions as one line, and its exit status."""

from __future__ import annotations

import argparse
import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

from ..errors import TrajectoriesError
from ..names import printable
from ..stages import clear_line
from .parser import command_line_parser
from .remedies import for_commands
from .signals import INTERRUPTED, Stop


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 success, 1 a record that contradicts its model, 2 bad input or an unusable run folder, 130 interrupted.
    """
    # Set before NumPy is loaded: blocks run on threads, so that threads of BLAS would only wait for each other.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # no error if a terminal cannot show ω, or a path is not text
            stream.reconfigure(errors="backslashreplace")
    options = argparse.Namespace()
    with Stop() as stop:
        try:
            try:
                return _commanded(arguments, options)
            except BaseException:  # an interrupted import, for example, may raise another error
                if not stop.pressed and not isinstance(sys.exception(), KeyboardInterrupt):
                    raise
                stop.pressed = True
                return _interrupted(options)
        except KeyboardInterrupt:  # a signal just before signals are ignored
            return _interrupted(options)


def _commanded(arguments: Sequence[str] | None, options: argparse.Namespace) -> int:
    """Parse the arguments into `options`, and run the command."""
    try:
        try:
            return _run(command_line_parser().parse_args(arguments, options))
        finally:
            print(end="", flush=True)  # a closed pipe raises here
    except BrokenPipeError:  # e.g. `| head`; else Python would print an error at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # an unreachable path, or standard output on a full disk
        from ..records.files import remedy_for

        print(f"error: {printable(str(error))}; {remedy_for(error)}, or give another path", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            return int(options.command(options) or 0)
        except TrajectoriesError as error:
            print(f"error: {for_commands(str(error))}", file=sys.stderr)
            return 2


def _interrupted(options: argparse.Namespace) -> int:
    print(f"interrupted{_how_far(options)}", file=sys.stderr)
    return INTERRUPTED


def _how_far(options: argparse.Namespace) -> str:
    """Return which blocks an interrupted command has kept, and how to continue."""
    from ..records import Run

    try:
        run = Run.open(options.out)
    except (AttributeError, TrajectoriesError):  # not a simulation, or not started
        return "; run the same command again"
    return (
        f": {len(run.finished())} of {run.n_blocks} blocks are kept in {run.folder}; "
        "run the same command again to continue"
    )


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    clear_line()
    print(f"warning: {for_commands(printable(str(message)))}", file=sys.stderr)
