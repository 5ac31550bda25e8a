"""A small picture of a record's first clicks, drawn without a plotting library, for notebooks."""

from __future__ import annotations

import html

from ..names import display
from .columns import Columns

# Clicks that are drawn, channels that have a row, and sizes in pixels.
CLICKS, CHANNELS = 60, 8
WIDTH, ROW, LABEL = 520, 18, 110
# Colours that most colour-blind readers can distinguish (Okabe and Ito), legible on white and on black.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def click_strip(record: Columns) -> str:
    """Return the first clicks of a trajectory as SVG, one row a channel; nothing for a record without clicks."""
    if len(record) == 0:
        return ""
    row = int(record.trajectory[0])
    mine = slice(int(record.offsets[row]), min(int(record.offsets[row]) + CLICKS, int(record.offsets[row + 1])))
    time, channel = record.time[mine], record.channel[mine]
    low, high = float(record.start[row]), float(time[-1])
    span = high - low or 1.0
    names = record.channel_names[:CHANNELS]
    parts = []
    for number, name in enumerate(names):
        top, colour = ROW * number, COLOURS[number % len(COLOURS)]
        parts.append(f'<text x="0" y="{top + 13}" fill="currentColor">{html.escape(_short(display(name)))}</text>')
        lines = "".join(
            f"M{LABEL + (WIDTH - LABEL) * (t - low) / span:.1f} {top + 2}v{ROW - 4}"
            for t in time[channel == number].tolist()
        )
        parts.append(f'<path d="{lines}" stroke="{colour}" stroke-width="1.5"/>' if lines else "")
    bottom = ROW * len(names) + 12
    unit = html.escape(record.unit.name)
    parts.append(f'<text x="{LABEL}" y="{bottom}" fill="currentColor">{low:g}</text>')
    parts.append(
        f'<text x="{WIDTH}" y="{bottom}" fill="currentColor" text-anchor="end">{high:.5g}, unit {unit}</text>'
    )
    title = f"first clicks of trajectory {row}"
    return (
        f'<svg role="img" aria-label="{title}" viewBox="0 0 {WIDTH} {bottom + 4}" width="{WIDTH}" '
        f'style="max-width:100%;font:12px sans-serif">{"".join(parts)}</svg>'
    )


def _short(name: str) -> str:
    return name if len(name) <= 16 else f"{name[:15]}…"
