"""Workers: threads, or an executor of the caller, with a progress bar."""

from __future__ import annotations

import multiprocessing
import re
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ..checks import positive_number, shown
from ..engine.blocks import Block, WorkerLost, run_blocks
from ..engine.compiled import CompiledSystem
from ..engine.system_file import StoredSystem
from ..errors import InvalidInput
from ..progress import Progress
from ..records.files import checksum_of_file, pack
from .request import Request

# Remedy for scripts whose worker processes are spawned, not forked.
GUARD = (
    "spawned worker processes import the script again, which starts them again; put what it runs under "
    'if __name__ == "__main__":'
)


def deadline_in(seconds: float | None) -> float | None:
    """Return the time on the monotonic clock `seconds` from now; None without a limit."""
    return None if seconds is None else time.monotonic() + positive_number(seconds, "seconds")


@dataclass(frozen=True)
class Workers:
    """Threads, or an executor of the caller, that process blocks until a deadline."""

    executor: Executor | None
    workers: int
    progress: bool
    deadline: float | None = None

    def work(
        self,
        compiled: CompiledSystem,
        stored: StoredSystem | None,
        bounds: Sequence[tuple[int, int]],
        request: Request,
    ) -> Generator[Block, None, None]:
        """Run blocks and yield them as they finish, under a progress bar in simulated time and clicks."""
        if not bounds:
            return
        tasks = [request.task(first, last) for first, last in bounds]
        total = sum((last - first) * request.duration for first, last in bounds)
        with (
            Progress(total, self.progress) as bar,
            self._pool() as (pool, shares_memory),
            _reachable(compiled, stored, shares_memory) as system,
        ):
            report = bar.add if shares_memory else None
            ahead = None if self.deadline is None else 2 * self.workers
            with closing(
                run_blocks(
                    system, tasks, pool, report=report, poll=bar.refresh, expired=lambda: self.expired, ahead=ahead
                )
            ) as blocks:
                finished = 0
                try:
                    for block in blocks:
                        if report is None:
                            bar.add((block.last - block.first) * request.duration, len(block.time))
                        finished += 1
                        yield block
                except WorkerLost as lost:
                    kept = "finished blocks are kept; run the same command again"
                    if stored is None:
                        kept = "without out= no block is kept; give a run folder with out="
                    cause = _imports_script_again(pool) if not finished else ""
                    raise WorkerLost(f"{lost}; {cause or kept}") from lost.__cause__

    @contextmanager
    def _pool(self) -> Iterator[tuple[Executor, bool]]:
        """Yield the executor to use and whether it shares memory with this process."""
        if self.executor is not None:
            yield self.executor, isinstance(self.executor, ThreadPoolExecutor)
            return
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="trajectories")
        try:
            yield pool, True
        finally:
            pool.shutdown(cancel_futures=True)

    @property
    def expired(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() > self.deadline


def checked_executor(executor: Any) -> Executor | None:
    """Return an executor; refuse other objects, and executors made in worker processes of another executor.

    Raises
    ------
    InvalidInput
        Not an executor; or a process that an executor started runs the script again.
    """
    if executor is None:
        return None
    if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        raise InvalidInput(
            f"executor={shown(executor)} must be a concurrent.futures.Executor, such as ProcessPoolExecutor(4)"
        )
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise InvalidInput(f"this process was started as a worker, and {GUARD}")
    return cast(Executor, executor)


def _imports_script_again(pool: Executor) -> str:
    """Return a message if the processes of a pool died of importing a script without a main guard, else ""."""
    context = getattr(pool, "_mp_context", None)
    if context is None or context.get_start_method() == "fork":
        return ""
    try:
        script = Path(sys.modules["__main__"].__file__)  # type: ignore[arg-type]
        text = script.read_text(encoding="utf-8")
    except (
        AttributeError,
        KeyError,
        TypeError,
        OSError,
        ValueError,
    ):  # not a script, so nothing is imported again
        return ""
    return "" if re.search(r"__name__\s*==", text) else f"{script.name!r} has no main guard: {GUARD}"


@contextmanager
def _reachable(
    compiled: CompiledSystem, stored: StoredSystem | None, shares_memory: bool
) -> Iterator[CompiledSystem | StoredSystem]:
    """Yield the system for workers: the object, or for other processes a file, temporary if there is no run."""
    if shares_memory:
        yield compiled
    elif stored is not None:
        yield stored
    else:
        with tempfile.TemporaryDirectory(prefix="trajectories-") as folder:
            path = Path(folder) / "system.npz"
            path.write_bytes(pack(compiled.to_arrays()))
            yield StoredSystem(str(path), checksum_of_file(path))
