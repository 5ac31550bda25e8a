"""CSV: one click a line, for eyes and spreadsheets; comment lines hold what is no click."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from ...checks import plain_value
from .source import FORMAT, VERSION, Source


def write_csv(source: Source, path: Path) -> None:
    """Write ``trajectory,time,channel`` lines; times in full precision, or whole ticks.

    Each trajectory is announced by a comment with its window, so that those without clicks are not lost.
    """
    heading: dict[str, Any] = {"channel_names": source.channel_names, "provenance": source.provenance}
    heading["unit"] = source.unit.to_dict()
    sizes = [(piece.n_trajectories, len(piece)) for piece in source.pieces()]
    heading["trajectories"], heading["clicks"] = (sum(column) for column in zip(*sizes, strict=True))
    if source.tick is not None:
        origins = [piece.clock.origin for piece in source.pieces() if piece.clock is not None]
        heading["clock"] = {"tick": source.tick, "origin": np.concatenate(origins)}
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(f"# {FORMAT}, version {VERSION}\n")
        stream.write(f"# {json.dumps(plain_value(heading, 'heading'), ensure_ascii=False)}\n")
        stream.write(f"trajectory,{'time' if source.tick is None else 'tick'},channel\n")
        number = 0
        for piece in source.pieces():
            names = [_quoted(name) for name in piece.channel_names]
            bounds = piece.offsets.tolist()
            for row, window in enumerate(zip(piece.start.tolist(), piece.stop.tolist(), strict=True)):
                stream.write(f"# trajectory {number} from {window[0]!r} to {window[1]!r}\n")
                clicks = slice(bounds[row], bounds[row + 1])
                columns = zip(piece.stamp[clicks].tolist(), piece.channel[clicks].tolist(), strict=True)
                stream.writelines(f"{number},{time!r},{names[channel]}\n" for time, channel in columns)
                number += 1


def _quoted(name: str) -> str:
    """Return a channel name as a CSV field."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([name])
    return line.getvalue()[:-1]
