"""JSON documents of the commands: never over an existing file."""

from __future__ import annotations

from pathlib import Path

from ..errors import InvalidInput


def refuse_existing(place: str | None) -> None:
    """Refuse, before any work, a file that would be overwritten; ``-`` is standard output."""
    if place not in (None, "-") and Path(place).exists():  # type: ignore[arg-type]
        raise InvalidInput(f"{place} exists; give a new file for --json")


def write_json(place: str, document: str) -> None:
    """Write a document to a new file."""
    try:
        with open(place, "x", encoding="utf-8") as stream:
            stream.write(document + "\n")
    except OSError as error:
        raise InvalidInput(f"cannot write {place}: {error.strerror}; give a new file") from error
