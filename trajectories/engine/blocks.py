"""Blocks of trajectories: compute the trajectories of a block, and run blocks on workers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConvergenceError, InvalidInput, TrajectoriesError
from ..random_streams import trajectory_stream, warm_up_stream
from .compiled import CompiledSystem
from .interruption import Interruption
from .jump_kernels import Jumps
from .propagator import TrajectoryState
from .system_file import StoredSystem
from .trajectory_state import HORIZON, NEED_UNIFORMS, NO_BRACKET

# Sizes of the buffers between Python and the kernel; the record does not depend on them.
UNIFORMS = 512
CLICKS = 512
# Number of clicks after which the total is extrapolated, and the most clicks of a trajectory.
FIRST_LOOK, MOST_CLICKS = 100_000, 1e15
# Seconds between calls of `poll` while the caller waits.
POLL = 0.2

# Called from worker threads with the simulated time and the clicks since the last call.
Report = Callable[[float, int], None]


@dataclass(frozen=True)
class Sampling:
    """Operators and times of sampled expectation values.

    Attributes
    ----------
    count : int
        Number of operators.
    operators : Jumps
        The stacked operators.
    times : ndarray of shape (n_times,)
        Ascending sample times.
    kets : bool
        Whether the states at these times are kept too.
    """

    count: int
    operators: Jumps
    times: NDArray[np.float64]
    kets: bool = False


NO_SAMPLING = Sampling(
    0, Jumps(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.complex128)), np.zeros(0)
)


@dataclass(frozen=True)
class BlockTask:
    """Task of a worker: trajectories `first` … `last` − 1, each from 0 to `duration`.

    `stage` is the number of runs before this one of the same trajectories, and `final_states` says whether their
    states at the end are kept. The first click comes when S has fallen to a number drawn uniformly from
    `first_threshold`: with (S(T), 1) every trajectory clicks before T, with (0, 0) none does.
    """

    first: int
    last: int
    seed: int
    duration: float
    sampling: Sampling = NO_SAMPLING
    stage: int = 0
    final_states: bool = False
    first_threshold: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Block:
    """Clicks of consecutive trajectories, sorted by trajectory, then time.

    `counts` is the number of clicks of each trajectory, `sampled` ⟨O⟩ of shape (trajectories, times, operators),
    `kets` the requested normalised states, shape (trajectories, times, N), and `final_kets` those at the end.
    `worst_error` is the largest bound of |ΔS|/S over the clicks, `products` the number of products with H_eff.
    """

    first: int
    last: int
    counts: NDArray[np.int64]
    time: NDArray[np.float64]
    channel: NDArray[np.int16]
    sampled: NDArray[np.float64]
    worst_error: float
    products: int
    kets: NDArray[np.complex128]
    final_kets: NDArray[np.complex128] | None = None

    @property
    def trajectory(self) -> NDArray[np.int64]:
        """Trajectory of each click, counted from 0 over the whole run."""
        return np.repeat(np.arange(self.first, self.last), self.counts)

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return the columns that a run folder stores."""
        columns: dict[str, NDArray[Any]] = {
            "counts": self.counts,
            "time": self.time,
            "channel": self.channel,
            "sampled": self.sampled,
            "worst_error": np.array(self.worst_error),
        }
        return columns if self.final_kets is None else columns | {"final_kets": self.final_kets}


class WorkerLost(TrajectoriesError):
    """A worker process died, and the executor cannot continue."""


class Aborted(Exception):
    """A block was aborted by the caller."""


def run_block(
    compiled: CompiledSystem | StoredSystem,
    task: BlockTask,
    report: Report | None = None,
    abort: threading.Event | None = None,
) -> Block:
    """Compute the trajectories of one block.

    Raises
    ------
    ConvergenceError
        No bracket of a click time was found.
    Aborted
        `abort` was set.
    """
    if isinstance(compiled, StoredSystem):
        compiled = compiled.load()
    size, times = task.last - task.first, task.sampling.times
    if task.final_states:
        times = np.append(times, task.duration)
    wanted = len(times) if task.sampling.kets else int(task.final_states)
    sampled = np.full((size, len(times), task.sampling.count), np.nan)
    kets = np.full((size, wanted, compiled.dimension), np.nan, np.complex128)
    pieces: list[tuple[NDArray[np.float64], NDArray[np.int16]]] = []
    worst, products = 0.0, 0
    spare: list[TrajectoryState] = []
    for row, index in enumerate(range(task.first, task.last)):
        sampling = (task.sampling.operators, times, sampled[row], kets[row])
        clicked, channels, error, spent = _follow(compiled, task, index, sampling, report, abort, spare)
        pieces.append((clicked, channels))
        worst, products = max(worst, error), products + spent
    counts = np.array([len(clicked) for clicked, _ in pieces], dtype=np.int64)
    time, channel = (np.concatenate(column) for column in zip(*pieces, strict=True))
    clicks = (task.first, task.last, counts, time, channel)
    if not task.final_states:
        return Block(*clicks, sampled, worst, products, kets)
    return Block(*clicks, sampled[:, :-1], worst, products, kets[:, :-1], kets[:, -1])


def _follow(
    compiled: CompiledSystem,
    task: BlockTask,
    index: int,
    sampling: tuple[Jumps, NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]],
    report: Report | None,
    abort: threading.Event | None,
    spare: list[TrajectoryState],
) -> tuple[NDArray[np.float64], NDArray[np.int16], float, int]:
    """Compute one trajectory, emptying and refilling the kernel's buffers."""
    stream = trajectory_stream(task.seed, index, task.stage)
    if compiled.warm_up > 0.0:
        ket = _warmed_up(compiled, task.seed, index, abort, spare)
    else:
        ket = compiled.kets[compiled.initial(task.seed, index, stream)]
    return _follow_from(ket, compiled, task, index, stream, sampling, report, abort, spare)


def _warmed_up(
    compiled: CompiledSystem,
    seed: int,
    index: int,
    abort: threading.Event | None,
    spare: list[TrajectoryState],
) -> NDArray[np.complex128]:
    """Return the state of a trajectory at t = 0, after the time before it in which it is not recorded."""
    stream, kets = warm_up_stream(seed, index), np.zeros((1, compiled.dimension), np.complex128)
    task = BlockTask(index, index + 1, seed, compiled.warm_up)
    sampling = (NO_SAMPLING.operators, np.array([compiled.warm_up]), np.zeros((1, 0)), kets)
    first = compiled.kets[compiled.initial(seed, index, stream)]
    _follow_from(first, compiled, task, index, stream, sampling, None, abort, spare)
    return kets[0]


def _follow_from(
    ket: NDArray[np.complex128],
    compiled: CompiledSystem,
    task: BlockTask,
    index: int,
    stream: np.random.Generator,
    sampling: tuple[Jumps, NDArray[np.float64], NDArray[np.float64], NDArray[np.complex128]],
    report: Report | None,
    abort: threading.Event | None,
    spare: list[TrajectoryState],
) -> tuple[NDArray[np.float64], NDArray[np.int16], float, int]:
    """Compute one trajectory from a state, with the numbers of a random stream.

    `spare` holds the state of a trajectory that has ended, if any, and in the end that of this one.
    """
    n_channels = (len(compiled.jumps.indptr) - 1) // compiled.dimension
    state = compiled.propagator.start(ket, n_channels, spare.pop() if spare else None)
    fields = state.fields  # by name in brackets: as attributes they are read four times as slowly
    uniforms = stream.random(UNIFORMS)
    if task.first_threshold != (0.0, 1.0):
        low, high = task.first_threshold
        uniforms[0] = 1.0 - low - (high - low) * (1.0 - uniforms[0])  # the kernels take 1 − u
    times, channels = np.zeros(CLICKS), np.zeros(CLICKS, np.int16)
    drained: list[tuple[NDArray[np.float64], NDArray[np.int16]]] = []
    reached, seen = 0.0, 0
    while True:
        status = compiled.propagator.advance(
            compiled.jumps, task.duration, state, uniforms, sampling, (times, channels)
        )
        if status == NO_BRACKET:
            raise ConvergenceError(
                f"trajectory {index}: no click time could be bracketed after t={fields['gap_start']:.6g}; "
                "bring the entries of H and the rates closer together"
            )
        count = int(fields["n_clicks"])
        now = task.duration if status == HORIZON else min(fields["gap_start"] + fields["elapsed"], task.duration)
        if report is not None:
            report(now - reached, count)
        reached = now
        drained.append((times[:count].copy(), channels[:count].copy()))
        fields["n_clicks"] = 0
        if status == HORIZON:
            break
        seen += count
        if seen >= FIRST_LOOK and seen * (task.duration / max(reached, 1e-300)) > MOST_CLICKS:
            raise InvalidInput(
                f"duration={task.duration:g}: trajectory {index} has {seen} clicks by t={reached:.6g}, and would "
                f"have {seen * (task.duration / reached):.3g}; give a shorter duration"
            )
        if abort is not None and abort.is_set():
            raise Aborted
        if status == NEED_UNIFORMS:
            used = int(fields["next_uniform"])
            uniforms = np.concatenate([uniforms[used:], stream.random(UNIFORMS)])
            fields["next_uniform"] = 0
    spare.append(state)
    all_times, all_channels = (np.concatenate(column) for column in zip(*drained, strict=True))
    return all_times, all_channels, float(fields["worst_error"]), int(fields["products"])


def run_blocks(
    compiled: CompiledSystem | StoredSystem,
    tasks: Sequence[BlockTask],
    executor: Executor,
    *,
    report: Report | None = None,
    poll: Callable[[], None] | None = None,
    expired: Callable[[], bool] | None = None,
    ahead: int | None = None,
) -> Generator[Block, None, None]:
    """Run blocks on an executor and yield them as they finish, in any order.

    Blocks start in the order of the tasks. After Ctrl-C, also while the caller handles a block, no further block
    starts; running ones are finished and yielded, then KeyboardInterrupt is raised. A second Ctrl-C aborts the
    running blocks.

    Parameters
    ----------
    compiled : CompiledSystem or StoredSystem
        The system; a stored one for executors that do not share memory.
    tasks : sequence of BlockTask
        The blocks.
    executor : concurrent.futures.Executor
        Executor that runs the blocks.
    report : callable, optional
        Called from worker threads; only for executors that share memory.
    poll : callable, optional
        Called regularly from this thread, e.g. to redraw a progress bar; its KeyboardInterrupt counts as
        Ctrl-C.
    expired : callable, optional
        Called regularly; returns whether the time is over. From then on no block is submitted, and submitted ones
        are finished, so that the number of blocks does not depend on the content of the last ones.
    ahead : int, optional
        Largest number of submitted unfinished blocks; all of them by default.

    Raises
    ------
    WorkerLost
        A worker process died and the executor cannot continue; finished blocks were yielded.
    InvalidInput
        The executor refuses work.
    """
    abort = threading.Event() if report is not None else None
    upcoming = deque(tasks)
    # In the order of submission.
    waiting: dict[Future[Block], None] = {}
    with Interruption() as interruption:
        try:
            while upcoming or waiting:
                if interruption.asked:
                    upcoming.clear()
                    # Cancelled from the last on, so that started blocks have no gaps between them.
                    waiting = dict.fromkeys([f for f in reversed(waiting) if not f.cancel()][::-1])
                elif expired is not None and expired():
                    upcoming.clear()
                while upcoming and (ahead is None or len(waiting) < ahead):
                    waiting[_submit(executor, compiled, upcoming.popleft(), report, abort)] = None
                done, _ = wait(waiting, timeout=POLL, return_when=FIRST_COMPLETED)
                for future in done:
                    del waiting[future]
                # A failed block comes last, so that blocks that finished at the same time are kept.
                for future in sorted(done, key=_failed):
                    yield _result(future)
                try:
                    if poll is not None:
                        poll()
                except KeyboardInterrupt:
                    interruption.asked = True
        finally:
            # Also reached when the consumer stops early or a block failed: no block keeps running.
            if abort is not None:
                abort.set()
            for future in reversed(waiting):
                future.cancel()
    if interruption.asked:
        raise KeyboardInterrupt


def _submit(
    executor: Executor,
    compiled: CompiledSystem | StoredSystem,
    task: BlockTask,
    report: Report | None,
    abort: threading.Event | None,
) -> Future[Block]:
    try:
        future = executor.submit(run_block, compiled, task, report, abort)
    except BrokenExecutor as error:
        raise _lost(error) from error
    except RuntimeError as error:  # raised by executors after their shutdown
        raise InvalidInput(f"the executor takes no work ({error}); give one that is not shut down") from error
    if not isinstance(future, Future):
        raise InvalidInput(
            f"the executor's submit() returned {type(future).__name__}, not a concurrent.futures.Future; "
            "for a Dask client give its get_executor()"
        )
    return future


def _failed(future: Future[Block]) -> bool:
    return future.cancelled() or future.exception() is not None


def _result(future: Future[Block]) -> Block:
    try:
        return future.result()
    except (BrokenExecutor, CancelledError) as error:
        raise _lost(error) from error
    except Exception as error:
        if (
            type(error).__module__.partition(".")[0] == "distributed"
        ):  # which have no common base class with the others
            raise _lost(error) from error
        raise


def _lost(error: BaseException) -> WorkerLost:
    return WorkerLost(f"workers were lost ({type(error).__name__}: {error})")
