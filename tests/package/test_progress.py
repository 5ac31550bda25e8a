"""The progress bar: simulated time, clicks, clicks a second and time left, from any thread."""

from __future__ import annotations

import re

import pytest
from click_systems import driven_atom
from command_line import ATOM, command, environment
from terminal import at_terminal

import trajectories as tj
from trajectories import progress
from trajectories.progress import Progress


def last_line(text: str) -> str:
    return text.replace("\n", "\r").strip("\r ").rsplit("\r", 1)[-1]


@pytest.fixture
def drawn(capsys, monkeypatch):
    """Return a function that draws a bar ten seconds after the first of the reports."""
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])

    def draw(*reports: tuple[float, int]) -> str:
        with Progress(100.0, shown=True) as bar:
            clock[0] += 1000.0  # of compiling, say
            bar.refresh()
            assert capsys.readouterr().err == ""
            bar.add(*reports[0])
            clock[0] += 10.0
            for report in reports[1:]:
                bar.add(*report)
            bar.refresh()
            return last_line(capsys.readouterr().err)

    return draw


def test_it_shows_simulated_time_clicks_their_rate_and_the_time_left(drawn):
    """What came before the first report is not counted: no compiling in the rate, nor in the time left."""
    line = drawn((5.0, 100), (15.0, 900), (5.0, 100))
    assert " 25%|" in line
    assert "t=25/100" in line
    clicks, rate = re.search(r"(\d+) clicks, (\d+) clicks/s", line).groups()
    assert (int(clicks), int(rate)) == (1100, 100)
    elapsed, left = re.search(r"\[00:(\d\d)<00:(\d\d)", line).groups()
    assert (int(elapsed), int(left)) in ((10, 37), (10, 38), (11, 37), (11, 41), (11, 42))


def test_without_a_terminal_it_says_lines(monkeypatch):
    monkeypatch.setattr(progress, "in_lines", lambda: True)
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    with Progress(100.0, shown=True) as bar:
        bar.add(5.0, 100)
        clock[0] += 12.0
        bar.add(20.0, 600)
        bar.refresh()
        assert bar._stage.text == "simulating: 25 %, 700 clicks, 50 clicks/s, 45 s left"


def test_time_beyond_the_total_is_not_drawn(drawn):
    """The last steps of trajectories may reach a little further than their windows."""
    assert "100%" in drawn((50.0, 5), (50.5, 5))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_ends_at_its_whole_time_with_all_its_clicks(capsys, workers):
    record = tj.simulate(driven_atom(1.0, 0.4), 40, 300.0, seed=1, workers=workers, progress=True)
    line = last_line(capsys.readouterr().err)
    assert "100%" in line
    assert "t=1.2e+4/1.2e+4" in line.replace("e+04", "e+4")
    assert f"{len(record.time)} clicks" in line


def test_nothing_is_drawn_when_it_is_not_asked_for(capsys):
    tj.simulate(driven_atom(1.0, 0.4), 2, 50.0, seed=1, workers=1, progress=False)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("size", [(0, 0), pytest.param((24, 80), marks=pytest.mark.slow)])
def test_a_terminal_that_does_not_know_its_size_has_a_bar(tmp_path, size):
    """Containers and serial lines say 0 × 0; tqdm takes that for a screen on which no bar has room."""
    (tmp_path / "my_system.py").write_text(ATOM)
    arguments = ("simulate", "my_system.py:system", "--out", "out", "--trajectories", "40", "--duration", "4e3")
    told = {"COLUMNS": "80", "LINES": "24", "TERM": "xterm"}
    rows, columns = size
    seen = at_terminal(
        command(*arguments, "--seed", "1"), environment() | told, tmp_path, rows=rows, columns=columns
    )
    assert seen.status == 0, seen.text
    assert re.search(r"simulate 100%\|.*clicks", seen.text), seen.text
    assert seen.text.startswith("\r\x1b[Kstarting")
