"""A progress bar in simulated time and clicks, fed from worker threads."""

from __future__ import annotations

import threading
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Counts simulated time and clicks from any thread; draws from the thread that calls `refresh`.

    Parameters
    ----------
    total : float
        Simulated time to go, summed over trajectories, in 1/ω_b.
    shown : bool
        Whether to draw at all.
    """

    def __init__(self, total: float, shown: bool) -> None:
        self._lock = threading.Lock()
        self._time = 0.0
        self._clicks = 0
        self._total = total
        self._drawn = 0.0
        self._bar = tqdm(
            total=total,
            disable=not shown,
            desc="simulate",
            bar_format="{desc} {percentage:3.0f}%|{bar}| t={n:.3g}/{total:.3g} [{elapsed}<{remaining}{postfix}]",
        )

    def add(self, time: float, clicks: int) -> None:
        """Count simulated time and clicks; safe to call from worker threads."""
        with self._lock:
            self._time += time
            self._clicks += clicks

    def refresh(self) -> None:
        """Redraw the bar."""
        with self._lock:
            time, clicks = self._time, self._clicks
        if self._bar.disable:
            return
        elapsed = max(self._bar.format_dict["elapsed"], 1e-9)
        self._bar.set_postfix_str(f"{clicks} clicks, {clicks / elapsed:.0f} clicks/s", refresh=False)
        reached = min(time, self._total)
        self._bar.update(reached - self._drawn)
        self._drawn = reached

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.refresh()
        self._bar.close()
