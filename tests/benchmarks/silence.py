"""How long the commands are silent at a terminal: each on the README's run, cold and warm.

    python tests/benchmarks/silence.py [--rounds cold warm]

Every command runs at a terminal of its own, which records what is written and when; a counter that moves is no
silence. The cold round begins with an empty folder for compiled kernels, and the warm one uses what that left.
Printed are the longest silences of each command, when they began, and what was written last before them.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from terminal import Recording, at_terminal  # noqa: E402

SHOWN = 3


def recorded(arguments: tuple[str, ...], cache: Path) -> Recording:
    """Return a command at a terminal, with its kernels in `cache`."""
    told = {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": str(cache), "MPLBACKEND": "Agg", "TERM": "xterm"}
    return at_terminal(
        [sys.executable, "-m", "trajectories.cli", *arguments], os.environ | told, ROOT, limit=900.0
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", nargs="+", choices=("cold", "warm"), default=["cold", "warm"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for name in options.rounds:
            run = str(folder / name)
            commands = {
                "simulate": ("simulate", "examples/blue_left.toml", "--out", run),
                "analyse": ("analyse", run),
                "validate": ("validate", run),
                "exact": ("exact", "examples/blue_left.toml"),
                "converge": ("converge", "examples/blue_left.toml"),
                "info": ("info", run),
            }
            for command, arguments in commands.items():
                seen = recorded(arguments, folder / "kernels")
                print(f"{name:5} {command:9} status {seen.status} in {seen.seconds:6.1f} s; longest silences:")
                for seconds, begun, last in seen.silences()[:SHOWN]:
                    print(f"      {seconds:6.2f} s from {begun:6.1f} s on, after {last[-60:]!r}", flush=True)


if __name__ == "__main__":
    main()
