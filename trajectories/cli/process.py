"""The process of the command line: handles Ctrl-C from its first moment to its last."""

from __future__ import annotations

import atexit
import gc
import sys
from contextlib import nullcontext

from .signals import INTERRUPTED, ignore, leave_at_once


def start() -> int:
    """Run the command line as a process of its own; return the exit status.

    Until the libraries are loaded, and after the command has ended, Ctrl-C and SIGTERM end it at once: there is
    nothing to finish. In between `main` handles them.
    """
    leave_at_once()
    # What the libraries hold is left to the system when the process ends: to look for unused cycles among their
    # objects takes Python up to a second. It was registered before all others, and so is the last to be called.
    atexit.register(gc.freeze)
    from ..stages import Stage, watched
    from .entry import main

    status = INTERRUPTED
    try:
        # At a terminal something is shown before the work has a name; a log needs only what has one.
        unnamed = Stage("working", whole=True) if sys.stderr is not None and sys.stderr.isatty() else nullcontext()
        with watched(sys.stderr), unnamed:
            status = main()
        sys.stdout.flush()
    except KeyboardInterrupt:  # between two handlers
        pass
    if status == INTERRUPTED:
        ignore()
    else:
        leave_at_once(status, "")
    return status
