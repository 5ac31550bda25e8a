"""A command at a terminal: what it writes there, and when."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import termios
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Recording:
    """What a command wrote to its terminal, each piece with the seconds since its start, and how it ended."""

    status: int
    seconds: float
    pieces: tuple[tuple[float, str], ...]

    @property
    def text(self) -> str:
        """All that was written."""
        return "".join(piece for _, piece in self.pieces)

    def silences(self) -> list[tuple[float, float, str]]:
        """Return the seconds between two pieces, when they began, and what was written last; the longest first."""
        begun = [0.0, *(at for at, _ in self.pieces)]
        ended = [*(at for at, _ in self.pieces), self.seconds]
        last = ["", *(piece for _, piece in self.pieces)]
        found = [(end - begin, begin, text) for begin, end, text in zip(begun, ended, last, strict=True)]
        return sorted(found, reverse=True)


def at_terminal(
    command: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    *,
    rows: int = 30,
    columns: int = 100,
    limit: float = 120.0,
) -> Recording:
    """Run a command at a terminal of its own, with so many rows and columns, and record it.

    It is ended after `limit` seconds, and its status is then that of a killed process.
    """
    begun = time.monotonic()
    process, terminal = pty.fork()
    if process == 0:
        try:
            os.chdir(folder)
            os.execvpe(command[0], list(command), dict(environment))
        finally:
            os._exit(127)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    pieces: list[tuple[float, str]] = []
    os.set_blocking(terminal, False)
    while True:
        try:
            data = os.read(terminal, 65536)
        except BlockingIOError:
            if time.monotonic() - begun > limit:
                os.kill(process, signal.SIGKILL)
            time.sleep(0.005)
            continue
        except OSError:  # Linux says so when the other end is closed
            break
        if not data:
            break
        pieces.append((time.monotonic() - begun, data.decode(errors="replace")))
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return Recording(os.waitstatus_to_exitcode(status), time.monotonic() - begun, tuple(pieces))
