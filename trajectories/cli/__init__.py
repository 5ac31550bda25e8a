"""The command line: ``trajectories simulate CONFIG --out RUN`` and its companions."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line in this process; see `trajectories.cli.entry.main`."""
    # Loaded when it is called: the process must handle Ctrl-C before libraries are loaded.
    from .entry import main as run

    return run(arguments)
