"""JSON output of the commands, which never replaces an existing file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def json_text(document: Any) -> str:
    """Return a document as JSON, with unprintable characters escaped."""
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def refuse_existing(place: str | None) -> None:
    """Refuse, before any work, a file that exists or cannot be made; ``-`` is standard output."""
    from ..records.formats.new_file import refuse_taken

    if place not in (None, "-"):
        refuse_taken(Path(place))  # type: ignore[arg-type]


def write_json(place: str, document: str) -> None:
    """Write a document to a new file, completely or not at all, so that a failed attempt can be repeated."""
    from ..records.formats.new_file import new_file

    with new_file(Path(place)) as file:
        file.write_text(document + "\n", encoding="utf-8", errors="backslashreplace")
