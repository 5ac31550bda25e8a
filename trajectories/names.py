"""Names of channels: which can be stored, how several are joined unambiguously, and how they are shown."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

Value = TypeVar("Value")

LONGEST_NAME = 255
ESCAPE = "\\"
# Most entries of a folder that are searched for the probably intended path.
MOST_BESIDE = 1000


def can_be_kept(name: object) -> bool:
    """Whether every file format stores a name unchanged: UTF-8 text without NUL, of 1 to 255 characters."""
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or "\0" in name:
        return False
    try:
        name.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True


def printable(text: str) -> str:
    """Return text with control characters and line breaks escaped, safe for a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def display(name: str) -> str:
    """Return a name for a table or a page; in quotation marks if it has spaces at its ends."""
    return printable(name) if name == name.strip() and name else f"“{printable(name)}”"


def counted(number: int, one: str, several: str) -> str:
    """Return a number with its noun: "1 trajectory", "3 trajectories"."""
    return f"{number} {one if number == 1 else several}"


def nearest(given: object, known: Iterable[str]) -> str:
    """Return "; did you mean …?" with the most similar known word, or an empty string."""
    words = list(known)
    if not isinstance(given, str):
        return ""
    folded = {word.casefold(): word for word in words}
    found = get_close_matches(given.casefold(), folded, n=1)
    return f"; did you mean {folded[found[0]]!r}?" if found else ""


def spelled(names: Iterable[str], separator: str) -> str:
    r"""Join names so that they can be separated again: "a", "b+c" → ``a+b\+c``.

    Parameters
    ----------
    names : iterable of str
        At least one; none is empty.
    separator : str
        One character. A backslash is put before it, and before a backslash, inside a name.
    """
    return separator.join(
        name.replace(ESCAPE, 2 * ESCAPE).replace(separator, ESCAPE + separator) for name in names
    )


def parted(text: str, separator: str) -> tuple[str, ...]:
    r"""Return the names that `spelled` joined: ``a+b\+c`` → ("a", "b+c")."""
    parts, current, characters = [], "", iter(text)
    for character in characters:
        if character == ESCAPE:
            current += next(characters, ESCAPE)
        elif character == separator:
            parts.append(current)
            current = ""
        else:
            current += character
    return (*parts, current)


class ByChannels(dict[tuple[str, ...], Value]):
    """Results by channels: keyed by tuples of names; looked up also as `spelled`, ``rates["photon+magnon"]``.

    Parameters
    ----------
    *entries
        As for a dictionary, with tuples of names as keys.
    separator : str
        Separator of the names in a key that is a string.
    """

    def __init__(self, *entries: Any, separator: str) -> None:
        super().__init__(*entries)
        self.separator = separator

    def __missing__(self, key: Any) -> Value:
        names = self._names(key)
        if names == key:
            raise KeyError(key)
        return super().__getitem__(names)

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._names(key))

    def get(self, key: Any, default: Any = None) -> Any:
        """Return the value of a key, or the default."""
        return super().get(self._names(key), default)

    def by_spelling(self) -> dict[str, Value]:
        """Return a dictionary with joined names as keys, for JSON."""
        return {spelled(names, self.separator): value for names, value in self.items()}

    def _names(self, key: Any) -> Any:
        return parted(key, self.separator) if isinstance(key, str) else key


def nearest_beside(path: str | Path) -> str:
    """Return "; did you mean …?" with the most similar path in the same folder, or an empty string."""
    place = Path(path)
    try:
        found = [entry.name for entry in islice(place.parent.iterdir(), MOST_BESIDE)]
    except OSError:
        return ""
    return nearest(place.name, sorted(found))
