"""Measured times, one JSON object a line of a file: what was interrupted goes on, and a table has its medians."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def append(path: Path, row: dict[str, Any]) -> None:
    """Put a row at the end of the file, and print it."""
    line = json.dumps(row)
    print(line, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")


def rows(path: Path) -> list[dict[str, Any]]:
    """Return all rows of the file; none where there is no file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def print_medians(
    found: Sequence[dict[str, Any]], what: Sequence[tuple[str, str]], number: str = "{:.1f}"
) -> None:
    """Print a table in Markdown: a column for each dimension, a row for the medians of each key in `what`."""
    sizes = sorted({int(row["N"]) for row in found})
    print("| | " + " | ".join(f"N = {size}" if k == 0 else str(size) for k, size in enumerate(sizes)) + " |")
    print("|---" * (len(sizes) + 1) + "|")
    for key, name in what:
        columns = [[row[key] for row in found if row["N"] == size and key in row] for size in sizes]
        cells = [number.format(statistics.median(column)) if column else "–" for column in columns]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("| turns | " + " | ".join(str(sum(row["N"] == size for row in found)) for size in sizes) + " |")
