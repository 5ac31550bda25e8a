"""JSON documents of the commands: never over an existing file."""

from __future__ import annotations

from pathlib import Path

from ..records.formats.new_file import new_file, refuse_taken


def refuse_existing(place: str | None) -> None:
    """Refuse, before any work, a file that would be overwritten or cannot be made; ``-`` is standard output."""
    if place not in (None, "-"):
        refuse_taken(Path(place))  # type: ignore[arg-type]


def write_json(place: str, document: str) -> None:
    """Write a document to a new file, whole or not at all, so that nothing stands in the way of a second try."""
    with new_file(Path(place)) as file:
        file.write_text(document + "\n", encoding="utf-8", errors="backslashreplace")
