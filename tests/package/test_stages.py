"""What long work prints while it runs: at a terminal, in a file, and when nobody watches."""

from __future__ import annotations

import io
import os
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from click_systems import driven_atom

import trajectories as tj
from trajectories import analysis as an
from trajectories import displays, stages
from trajectories.analysis.inference import exact_tests
from trajectories.analysis.inference.fit import RecordLikelihood
from trajectories.displays import CLEAR
from trajectories.progress import Progress
from trajectories.stages import Stage, Steps, call, under_way, watched


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(stages, "PATIENCE", 0.02)
    monkeypatch.setattr(stages, "CALL_PATIENCE", 0.02)
    monkeypatch.setattr(stages, "REDRAW", 0.005)
    monkeypatch.setattr(displays, "BETWEEN_LINES", 0.0)


def wait_for(out: io.StringIO, text: str) -> None:
    deadline = time.monotonic() + 20.0
    while text not in out.getvalue():
        assert time.monotonic() < deadline, out.getvalue()
        time.sleep(0.005)


def test_a_file_gets_a_line_for_each_stage():
    out = io.StringIO()
    with watched(out), Stage("steady state"):
        wait_for(out, "steady state …\n")
        with Stage("compiling kernels"):
            wait_for(out, "compiling kernels …\n")
    assert out.getvalue() == "steady state …\ncompiling kernels …\n"


def test_a_terminal_gets_one_line_that_is_taken_away():
    out = Terminal()
    with watched(out), Stage("exact values") as stage:
        wait_for(out, "exact values … 0 s")
        stage.say("exact values 3 of 9")
        wait_for(out, "exact values 3 of 9 … 0 s")
    assert "\n" not in out.getvalue()
    assert out.getvalue().endswith(CLEAR)


def test_stages_of_threads_are_shown_and_hidden_ones_are_not():
    out, over = io.StringIO(), threading.Event()

    def work() -> None:
        with Stage("replaying"):
            over.wait(20.0)

    with watched(out), Stage("simulating"):
        with Stage("bar", covers=True, shown=False), Stage("inside"):
            time.sleep(0.1)
        assert "bar" not in out.getvalue()
        assert "inside" not in out.getvalue()
        thread = threading.Thread(target=work)
        thread.start()
        wait_for(out, "replaying …\n")
        over.set()
        thread.join()


def test_at_a_terminal_a_stage_may_be_shown_at_once_and_nowhere_else(monkeypatch):
    terminal, file, hidden = Terminal(), io.StringIO(), Terminal()
    with watched(terminal), Stage("starting", at_once=True):
        assert terminal.getvalue().startswith(f"{CLEAR}starting … 0 s")
    assert terminal.getvalue().endswith(CLEAR)
    with watched(file), Stage("starting", at_once=True):
        time.sleep(0.1)  # five times as long as others wait
    assert file.getvalue() == ""
    with watched(hidden), Stage("quiet", covers=True, shown=False), Stage("starting", at_once=True):
        assert hidden.getvalue() == ""


def test_a_stage_may_stand_for_what_is_inside():
    out = io.StringIO()
    with watched(out), Stage("truncation 3, 3, 3", covers=True), Stage("steady state"):
        wait_for(out, "truncation 3, 3, 3 …\n")
        time.sleep(0.05)
    assert "steady state" not in out.getvalue()


def test_short_stages_in_a_row_are_not_silent(monkeypatch):
    monkeypatch.setattr(stages, "PATIENCE", 20.0)
    monkeypatch.setattr(stages, "SILENCE", 0.1)
    out = io.StringIO()
    with watched(out):
        for number in range(400):
            with Stage(f"truncation {number}"):
                time.sleep(0.01)
            if out.getvalue().count("truncation") >= 2:
                break
    assert out.getvalue().count("truncation") >= 2


def test_short_stages_and_unwatched_ones_say_nothing(monkeypatch, capsys):
    monkeypatch.setattr(stages, "PATIENCE", 20.0)
    out = io.StringIO()
    with watched(out), Stage("short"):
        time.sleep(0.05)
    with Stage("alone"):
        time.sleep(0.05)
    assert out.getvalue() == ""
    assert capsys.readouterr() == ("", "")


def test_a_stream_that_is_closed_costs_nothing():
    out = Terminal()
    with watched(out), Stage("exact values"):
        wait_for(out, "exact values")
        out.close()
        time.sleep(0.05)


def test_errors_end_their_stage():
    with pytest.raises(ValueError, match="wrong"), Stage("failing"):
        raise ValueError("wrong")
    assert not stages._active


def test_steps_are_counted_and_what_is_inside_stands_behind_them():
    out, steps = io.StringIO(), Steps("exact values", [3.0, 1.0, 1.0])
    with watched(out):
        with steps.next("g²"), Stage("diagonalising"):
            wait_for(out, "exact values 1 of 3: g²; diagonalising …\n")
        steps.skip()
        with steps.next("purity"):
            wait_for(out, "exact values 3 of 3: purity …\n")


def test_the_time_left_follows_from_the_steps_before(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(stages.time, "monotonic", lambda: clock[0])
    steps = Steps("exact values", [4.0, 2.0, 1.0])
    with steps.next("g²") as first:
        clock[0] = 8.0
        assert first.left(8.0) == 0.0  # nothing to judge by
    with steps.next("rates") as second:
        assert second.left(9.0) == pytest.approx(4.0 - 1.0 + 2.0)
        assert second.left(20.0) == pytest.approx(2.0)  # longer than expected: the rest alone
    with steps.next("order"), steps.next("not planned") as extra:
        assert "4 of 4" in extra.text


def test_time_left_is_told_at_a_terminal():
    out, steps = Terminal(), Steps("exact values", [1.0, 400.0])
    with watched(out):
        with steps.next("first"):
            time.sleep(0.02)
        with steps.next("second"):
            wait_for(out, " s left")
    assert "exact values 2 of 2: second" in out.getvalue()


def test_long_work_is_announced_before_it_can_block_and_wrong_expectations_are_dropped(monkeypatch):
    monkeypatch.setattr(stages, "PATIENCE", 20.0)
    monkeypatch.setattr(stages, "REDRAW", 20.0)  # the watcher's thread gets no turn
    out = Terminal()
    with watched(out), Stage("diagonalising", expected=4.0) as stage:
        assert out.getvalue() == f"{CLEAR}diagonalising, some 4 s … 0 s"
        assert stage.words(stage.begun + 7.0) == "diagonalising"


def test_of_like_work_side_by_side_the_first_is_shown():
    out = Terminal()
    with watched(out), Stage("diagonalising 9"):
        with Stage("diagonalising 5", whole=under_way("diagonalising")):
            wait_for(out, "diagonalising 9 …")
            time.sleep(0.05)
        assert not under_way("solving")
    assert "diagonalising 5" not in out.getvalue()
    assert not under_way("diagonalising")


def test_a_line_is_not_wider_than_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    with watched(out), Stage("a text that is longer than the line"):
        wait_for(out, "a text that is long")
    assert "longer" not in out.getvalue()


@pytest.fixture
def script(monkeypatch):
    """Return a function that gives a script a terminal; pytest sets standard error anew before the test itself."""

    def at_terminal() -> Terminal:
        out = Terminal()
        monkeypatch.setattr(sys, "stderr", out)
        return out

    return at_terminal


def test_a_script_at_a_terminal_is_told_what_takes_long_and_the_line_is_taken_away(script):
    terminal = script()
    with call("validation", progress=True):
        wait_for(terminal, "validation … 0 s")
        watcher = stages._aside
        with Stage("steady state"):
            wait_for(terminal, "steady state … 0 s")
        with Steps("exact values", [1.0, 1.0]).next("g²"), Stage("exact values", whole=True):
            wait_for(terminal, "exact values 1 of 2: g² … 0 s")
    assert "\n" not in terminal.getvalue()
    assert terminal.getvalue().rstrip("\r").rsplit("\r", 1)[-1].strip() == ""
    watcher.join(20.0)
    assert not watcher.is_alive()


def test_a_loop_over_short_calls_is_left_in_peace(script, monkeypatch):
    terminal = script()
    monkeypatch.setattr(stages, "CALL_PATIENCE", 1.0)
    for _ in range(30):
        with Stage("steady state"):
            time.sleep(0.02)
    assert terminal.getvalue() == ""


def test_a_long_call_of_short_stages_is_not_silent(script):
    terminal = script()
    with call("fit", progress=True):
        for number in range(200):
            with Stage(f"replay {number}", covers=True):
                time.sleep(0.01)
            if "replay" in terminal.getvalue():
                break
    assert "replay" in terminal.getvalue()


@pytest.mark.parametrize("silence", [lambda: call("validation", progress=False), tj.quiet])
def test_what_was_asked_to_be_silent_is(script, silence):
    terminal = script()
    with silence(), Stage("steady state"), Stage("diagonalising", expected=20.0):
        time.sleep(0.1)
    assert terminal.getvalue() == ""


def test_a_bar_of_the_simulation_takes_the_place_of_the_stage(script):
    terminal = script()
    with call("simulation", progress=True), Progress(100.0, shown=True) as bar:
        wait_for(terminal, "simulating … 0 s")
        bar.add(50.0, 7)
        bar.refresh()
        drawn = len(terminal.getvalue())
        time.sleep(0.1)
        bar.refresh()
        assert "simulating" not in terminal.getvalue()[drawn:]
    assert "100" in terminal.getvalue()


def test_a_notebook_is_watched_and_its_lines_are_not_cut(monkeypatch):
    out = io.StringIO()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(sys, "stderr", out)
    monkeypatch.setenv("COLUMNS", "20")
    with Stage("a text that is longer than the line of a terminal"):
        wait_for(out, "longer than the line of a terminal … 0 s")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_is_silent_and_does_not_wait_for_threads_it_has_not(script):
    terminal = script()
    with Stage("outside"):
        wait_for(terminal, "outside")
        with stages._lock:  # held by another thread, as the fork finds it
            process = os.fork()
        if process == 0:
            before = terminal.getvalue()
            with Stage("inside"):
                time.sleep(0.1)
            os._exit(0 if terminal.getvalue() == before else 1)
        deadline = time.monotonic() + 20.0
        while (ended := os.waitpid(process, os.WNOHANG))[0] == 0:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert os.waitstatus_to_exitcode(ended[1]) == 0


def test_functions_with_progress_are_silent_without_it(script):
    """At a terminal, and from compiling to the last estimate."""
    terminal = script()
    record = tj.simulate(driven_atom(1.0, 0.4), 20, 100.0, seed=1, workers=1, progress=False)
    an.validate(record, driven_atom(1.0, 0.4), progress=False)
    an.analyse(record, driven_atom(1.0, 0.4), progress=False)
    found = an.fit(record, lambda rabi: driven_atom(rabi, 0.4), {"rabi": 0.9}, profile=False, progress=False)
    assert found.values.shape == (1,)
    assert terminal.getvalue() == ""


def test_functions_with_progress_say_what_they_do(script, monkeypatch):
    terminal = script()
    monkeypatch.setattr(stages, "REDRAW", 0.001)

    def slowed(module, name):
        """Let a step last longer than the watcher sleeps, however quick the machine, the first three times."""
        function, pauses = getattr(module, name), iter([0.2] * 3)
        monkeypatch.setattr(module, name, lambda *given: (time.sleep(next(pauses, 0.0)), function(*given))[1])

    slowed(exact_tests, "_add_g2")
    slowed(RecordLikelihood, "_replayed")
    record = tj.simulate(driven_atom(1.0, 0.4), 20, 100.0, seed=1, workers=1, progress=False)
    assert terminal.getvalue() == ""
    an.validate(record, driven_atom(1.0, 0.4))
    assert "exact values 1 of" in terminal.getvalue()
    drawn = len(terminal.getvalue())
    an.fit(record, lambda rabi: driven_atom(rabi, 0.4), {"rabi": 0.9}, profile=False)
    assert "fit, replay 2" in terminal.getvalue()[drawn:]


def test_seconds_of_unnamed_work_are_those_since_the_last_name(monkeypatch):
    """After a bar of 80 s the command said "working … 80 s"."""
    out = Terminal()
    with watched(out), Stage("working", whole=True) as unnamed:
        unnamed.begun -= 80.0
        with Stage("simulate", covers=True, shown=False):
            pass
        wait_for(out, "working … ")
    assert "working … 0 s" in out.getvalue()
    assert "working … 8" not in out.getvalue()
