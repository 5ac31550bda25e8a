"""The process of the command line: handles Ctrl-C from its first moment to its last."""

from __future__ import annotations

import sys

from .signals import INTERRUPTED, ignore, leave_at_once


def start() -> int:
    """Run the command line as a process of its own; return the exit status.

    Until the libraries are loaded, and after the command has ended, Ctrl-C and SIGTERM end it at once: there is
    nothing to finish. In between `main` handles them.
    """
    leave_at_once()
    from ..stages import Stage, watched
    from .entry import main

    status = INTERRUPTED
    try:
        with watched(sys.stderr), Stage("loading"):  # what is shown before the work has a name, and between two
            status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:  # between two handlers
        pass
    if status == INTERRUPTED:
        ignore()
    else:
        leave_at_once(status, "")
    return status
