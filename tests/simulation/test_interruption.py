"""Ctrl-C, failing blocks and callers that leave: what is finished is kept, and nothing is left running."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from click_systems import driven_atom, leaky_cavity
from run_folders import same

import trajectories as tj
from trajectories.engine.blocks import BlockTask, run_blocks
from trajectories.engine.compiled import compile_system
from trajectories.errors import ConvergenceError
from trajectories.records import Run

ATOM = driven_atom(1.0, 0.4)
GROUND = np.array([1.0, 0.0])


def atom(**options) -> tj.ClickRecord:
    return tj.simulate(ATOM, 23, 40.0, seed=2, workers=1, progress=False, **options)


def _fail() -> None:
    raise ConvergenceError("on purpose")


class Inline(ThreadPoolExecutor):
    """Runs each task where it is submitted, so that all are finished before anyone waits."""

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        future.set_result(fn(*args, **kwargs))
        return future


def test_ctrl_c_while_waiting_finishes_the_blocks_in_flight(tmp_path):
    """Ctrl-C comes while one block is running and others wait: that one is kept, and they do not start."""
    started = threading.Event()

    class Impatient(ThreadPoolExecutor):
        def submit(self, fn, compiled, task, *args):
            def block():
                started.set()
                time.sleep(0.6)
                return fn(compiled, task, *args)

            return super().submit(block)

    def interrupt():
        started.wait()
        time.sleep(0.2)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with Impatient(1) as pool, pytest.raises(KeyboardInterrupt):
        atom(executor=pool, out=tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert 1 <= len(run.finished()) <= 2
    assert run.leading() == run.finished()
    assert same(atom(out=tmp_path / "run"), atom())


def test_ctrl_c_while_drawing_loses_no_finished_block():
    compiled = compile_system(ATOM, GROUND)
    tasks = [BlockTask(k, k + 1, 2, 40.0) for k in range(5)]
    presses = iter([KeyboardInterrupt])

    def poll():
        for press in presses:
            raise press

    kept = []
    with Inline(1) as pool, pytest.raises(KeyboardInterrupt):
        kept.extend(block.first for block in run_blocks(compiled, tasks, pool, poll=poll))
    # list.extend keeps what came before the exception.
    assert sorted(kept) == [0, 1, 2, 3, 4]


def test_ctrl_c_while_a_block_is_written_still_finishes_those_in_flight(tmp_path, monkeypatch):
    """With many short blocks most of this thread's time is spent writing, so that is when Ctrl-C comes."""
    running, release = threading.Event(), threading.Event()
    write = Run.write_block
    pressed = []

    class Two(ThreadPoolExecutor):
        """The first block ends at once; the second is in flight until Ctrl-C was pressed."""

        def submit(self, fn, compiled, task, *args):
            def block():
                if task.first == 1:
                    running.set()
                    release.wait(5.0)
                return fn(compiled, task, *args)

            return super().submit(block)

    def write_and_press(run, bounds, columns):
        write(run, bounds, columns)
        if not pressed:
            pressed.append(bounds)
            running.wait(5.0)
            threading.Timer(0.3, release.set).start()
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Run, "write_block", write_and_press)
    with Two(2) as pool, pytest.raises(KeyboardInterrupt):
        atom(executor=pool, out=tmp_path / "run")
    assert (1, 2) in Run.open(tmp_path / "run").finished()


def test_a_second_ctrl_c_gives_up_at_once():
    system = leaky_cavity(kappa=0.1)
    driven = tj.OpenSystem(
        system.hamiltonian + system.space.lower("cavity") + system.space.lower("cavity").T, system.channels
    )
    compiled = compile_system(driven, np.eye(5)[0])

    def press():
        for _ in range(2):
            time.sleep(0.5)
            signal.raise_signal(signal.SIGINT)

    threading.Thread(target=press).start()
    begun = time.monotonic()
    with ThreadPoolExecutor(1) as pool, pytest.raises(KeyboardInterrupt):
        list(run_blocks(compiled, [BlockTask(0, 10**6, 1, 1e6)], pool, report=lambda *_: None))
    assert time.monotonic() - begun < 10.0


def test_an_error_in_one_block_stops_the_others():
    compiled = compile_system(ATOM, GROUND)

    class Broken(ThreadPoolExecutor):
        def submit(self, fn, compiled, task, *args):
            return super().submit(_fail) if task.first == 0 else super().submit(fn, compiled, task, *args)

    tasks = [BlockTask(k, k + 1, 1, 1e9) for k in range(4)]
    begun = time.monotonic()
    with Broken(2) as pool, pytest.raises(ConvergenceError, match="on purpose"):
        list(run_blocks(compiled, tasks, pool, report=lambda *_: None))
    assert time.monotonic() - begun < 10.0


def test_a_consumer_that_leaves_early_leaves_nothing_running():
    compiled = compile_system(ATOM, GROUND)
    tasks = [BlockTask(0, 1, 1, 1.0), *(BlockTask(k, k + 1, 1, 1e9) for k in range(1, 4))]
    begun = time.monotonic()
    with ThreadPoolExecutor(2) as pool:
        for block in run_blocks(compiled, tasks, pool, report=lambda *_: None):
            assert block.first == 0
            break
    assert time.monotonic() - begun < 10.0
