"""The command line: ``trajectories simulate CONFIG --out RUN`` and the other commands."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line in this process; see `trajectories.cli.entry.main`."""
    # Imported here, because the process must handle Ctrl-C before it loads libraries.
    from .entry import main as run

    return run(arguments)
