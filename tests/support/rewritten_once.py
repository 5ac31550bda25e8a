"""Assertions of a test file are rewritten by one of the processes: all collect every file, at the same time.

Where no compiled files are kept, or in a new checkout, rewriting takes longer than all else of the collection.
A process that wants a file which another has begun takes the next file meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import session_folder
from _pytest.assertion import rewrite

TESTS = Path(__file__).resolve().parents[1]
# Seconds after which a file that another process has begun is rewritten here too.
PATIENCE = 20.0


def share_rewriting() -> None:
    """Let pytest's assertion rewriting first look for what another process of this session made."""
    own = getattr(rewrite, "_rewrite_test", None)
    if own is None:  # not public: a pytest without it rewrites in each process
        return

    def kept_at(file: Path) -> Any:
        return session_folder.place(f"rewritten-{hashlib.sha256(str(file).encode()).hexdigest()[:24]}")

    def begun_here(file: Path, place: Path, config: Any) -> Any:
        try:
            found = own(file, config)
        except BaseException:  # a syntax error: who needs the file tells it
            _begun(place).unlink()
            raise
        session_folder.keep(place, pickle.dumps((found[0], marshal.dumps(found[1]))))
        return found

    def shared(file: Path, config: Any) -> Any:
        place = kept_at(file)
        if place is None:
            return own(file, config)
        further = _tests_after(file)
        end = time.monotonic() + PATIENCE
        while not place.exists():
            if _claimed(place):
                return begun_here(file, place, config)
            if time.monotonic() > end:
                return own(file, config)
            other = next(further, None)
            if other is None:
                time.sleep(0.002)
            elif _claimed(other_place := kept_at(other)):
                with contextlib.suppress(SyntaxError):
                    begun_here(other, other_place, config)
        source, code = pickle.loads(place.read_bytes())
        return source, marshal.loads(code)

    rewrite._rewrite_test = shared  # type: ignore[assignment]


def _tests_after(file: Path) -> Iterator[Path]:
    """Yield the test files that are collected after this one."""
    for folder in sorted(TESTS.iterdir()):
        if folder.name >= file.parent.name and folder.name != "examples":
            yield from (test for test in sorted(folder.glob("test_*.py")) if test > file)


def _claimed(place: Path) -> bool:
    """Whether this process is the first to begin."""
    try:
        os.close(os.open(_begun(place), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def _begun(place: Path) -> Path:
    return place.with_suffix(".begun")
