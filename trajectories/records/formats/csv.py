"""CSV: one line for each click, for people and spreadsheets; comment lines hold all metadata."""

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
    """Write lines ``trajectory,time,channel``, with times in full precision or whole ticks.

    Synced records have a fourth column, the steps since the sync pulse; their ticks are sync periods.

    A comment line with the observation window precedes each trajectory, so that those without clicks are kept.
    """
    heading: dict[str, Any] = {"channel_names": source.channel_names, "provenance": source.provenance}
    heading["unit"] = source.unit.to_dict()
    sizes = [(piece.n_trajectories, len(piece)) for piece in source.pieces()]
    heading["trajectories"], heading["clicks"] = (sum(column) for column in zip(*sizes, strict=True))
    if source.tick is not None:
        origins = [piece.clock.origin for piece in source.pieces() if piece.clock is not None]
        heading["clock"] = {"tick": source.tick, "origin": np.concatenate(origins)}
        if source.fine is not None:
            heading["clock"]["fine"] = source.fine
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(f"# {FORMAT}, version {VERSION}\n")
        stream.write(f"# {json.dumps(plain_value(heading, 'heading'), ensure_ascii=False)}\n")
        columns = f"trajectory,{'time' if source.tick is None else 'tick'},channel"
        stream.write(f"{columns}\n" if source.fine is None else f"{columns},step\n")
        number = 0
        for piece in source.pieces():
            names = [_quoted(name) for name in piece.channel_names]
            bounds = piece.offsets.tolist()
            for row, window in enumerate(zip(piece.start.tolist(), piece.stop.tolist(), strict=True)):
                stream.write(f"# trajectory {number} from {window[0]!r} to {window[1]!r}\n")
                clicks = slice(bounds[row], bounds[row + 1])
                pairs = zip(piece.stamp[clicks].tolist(), piece.channel[clicks].tolist(), strict=True)
                lines = (f"{number},{time!r},{names[channel]}" for time, channel in pairs)
                if piece.within is None:
                    stream.writelines(f"{line}\n" for line in lines)
                else:
                    steps = zip(lines, piece.within[clicks].tolist(), strict=True)
                    stream.writelines(f"{line},{step}\n" for line, step in steps)
                number += 1


def _quoted(name: str) -> str:
    """Return a channel name as a CSV field."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([name])
    return line.getvalue()[:-1]
