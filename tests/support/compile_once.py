"""Processes that run tests side by side compile each kernel once: who comes second waits, and loads it."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from trajectories.kernel_cache import KernelCache

# Seconds after which a kernel is compiled without waiting any longer.
PATIENCE = 120.0


def share_compilation() -> None:
    """Let `KernelCache` hold a lock from finding no kernel until it is stored."""
    if sys.platform == "win32":
        return
    held: dict[str, Any] = {}
    load, save = KernelCache.load_overload, KernelCache.save_overload

    def load_or_lock(cache: KernelCache, sig: Any, target_context: Any) -> Any:
        found = load(cache, sig, target_context)
        key = _key(cache, sig)
        if found is not None or key in held:
            return found
        lock = (Path(tempfile.gettempdir()) / f"trajectories-kernel-{key}.lock").open("w")
        if not _locked(lock):
            lock.close()
            return None
        found = load(cache, sig, target_context)
        if found is None:
            held[key] = lock
        else:
            _release(lock)
        return found

    def save_and_unlock(cache: KernelCache, sig: Any, data: Any) -> None:
        try:
            save(cache, sig, data)
        finally:
            lock = held.pop(_key(cache, sig), None)
            if lock is not None:
                _release(lock)

    KernelCache.load_overload, KernelCache.save_overload = load_or_lock, save_and_unlock  # type: ignore[method-assign]


def _release(lock: Any) -> None:
    Path(lock.name).unlink(missing_ok=True)
    lock.close()


def _locked(lock: Any) -> bool:
    import fcntl

    end = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except OSError:
            if time.monotonic() > end:
                return False
            time.sleep(0.1)


def _key(cache: KernelCache, sig: Any) -> str:
    what = f"{cache._impl.locator.get_cache_path()} {cache._impl.filename_base} {sig}"
    return hashlib.sha256(what.encode()).hexdigest()[:24]
