"""Progress bar in simulated time and clicks, updated from worker threads."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .displays import bar
from .stages import Stage, clear_line, in_lines

if TYPE_CHECKING:
    from tqdm import tqdm

# Seconds between two lines in a file.
LINE_EVERY = 10.0
BAR = "{desc} {percentage:3.0f}%|{bar}| t={n:.3g}/{total:.3g} [{elapsed}<{remaining}{postfix}]"


class Progress:
    """Counts simulated time and clicks from any thread; draws from the thread that calls `refresh`.

    Elapsed time counts from the first report, because compilation comes before it and has stages of its own.

    Parameters
    ----------
    total : float
        Total simulated time, summed over trajectories, in 1/ω_b.
    shown : bool
        Whether to draw.
    """

    def __init__(self, total: float, shown: bool) -> None:
        self._lock = threading.Lock()
        self._total = total
        self._shown = shown
        self._time, self._clicks = 0.0, 0
        self._first: tuple[float, float, int] | None = (
            None  # time of the first report, with simulated time and clicks
        )
        self._bar: tqdm[Any] | None = None
        self._next_line = 0.0
        self._stage = Stage("simulating")

    def add(self, simulated: float, clicks: int) -> None:
        """Count simulated time and clicks; safe to call from worker threads."""
        with self._lock:
            self._time += simulated
            self._clicks += clicks
            if self._first is None:
                self._first = (time.monotonic(), self._time, self._clicks)

    def refresh(self) -> None:
        """Redraw the bar, or update the text of the stage if there is no terminal."""
        with self._lock:
            reached, clicks, first = min(self._time, self._total), self._clicks, self._first
        if not self._shown or first is None:
            return
        begun, *before = first
        elapsed = time.monotonic() - begun
        said = f"{clicks} clicks"
        if clicks > before[1] and elapsed > 0.0:
            said += f", {(clicks - before[1]) / elapsed:.0f} clicks/s"
        if in_lines():
            self._say_line(reached, before[0], elapsed, said)
            return
        if self._bar is None:
            self._stage.covers, self._stage.shown = True, False
            clear_line()
            self._bar = bar(total=self._total, initial=before[0], desc="simulate", bar_format=BAR)
            self._bar.start_t -= elapsed
        self._bar.set_postfix_str(said, refresh=False)
        self._bar.update(reached - self._bar.n)
        self._bar.refresh()

    def _say_line(self, reached: float, before: float, elapsed: float, said: str) -> None:
        """Put the progress into the text of the stage every `LINE_EVERY` seconds, for output line by line."""
        if elapsed < self._next_line:
            return
        self._next_line = elapsed + LINE_EVERY
        left = (self._total - reached) * elapsed / (reached - before) if reached > before else 0.0
        to_go = f", {left:.0f} s left" if left > 0.0 else ""
        self._stage.say(f"simulating: {100.0 * reached / self._total:.0f} %, {said}{to_go}")

    def __enter__(self) -> Progress:
        self._stage.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refresh()
        self._stage.__exit__(kind, error, trace)
        if self._bar is not None:
            self._bar.close()
