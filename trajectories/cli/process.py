"""The process of the command line, which handles Ctrl-C from start to exit."""

from __future__ import annotations

import atexit
import gc
import sys
from contextlib import nullcontext

from .signals import INTERRUPTED, ignore, leave_at_once


def start() -> int:
    """Run the command line as a process; return the exit status.

    Before the libraries are loaded and after the command has ended there is nothing to finish, so Ctrl-C and
    SIGTERM end the process at once. In between `main` handles them.
    """
    leave_at_once()
    # At exit the operating system frees the memory: the garbage collection of Python's exit takes up to a second.
    # Registered before all other exit functions, this one is called last.
    atexit.register(gc.freeze)
    from ..stages import Stage, watched
    from .entry import main

    status = INTERRUPTED
    try:
        # A terminal shows something before the first named stage; a log needs only named stages.
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
