"""The progress bar: simulated time, clicks, clicks a second and time left, from any thread."""

from __future__ import annotations

import re

import pytest
from click_systems import driven_atom

import trajectories as tj
from trajectories.progress import Progress


def last_line(text: str) -> str:
    return text.replace("\n", "\r").strip("\r ").rsplit("\r", 1)[-1]


@pytest.fixture
def drawn(capsys):
    """Return a function that draws a bar after ten seconds, when a quarter of the time is simulated."""

    def draw(*reports: tuple[float, int]) -> str:
        with Progress(100.0, shown=True) as bar:
            bar._bar.start_t -= 10.0
            bar._bar.last_print_t -= 10.0
            for report in reports:
                bar.add(*report)
            bar.refresh()
            return last_line(capsys.readouterr().err)

    return draw


def test_it_shows_simulated_time_clicks_their_rate_and_the_time_left(drawn):
    line = drawn((20.0, 900), (5.0, 100))
    assert " 25%|" in line
    assert "t=25/100" in line
    clicks, rate = re.search(r"(\d+) clicks, (\d+) clicks/s", line).groups()
    assert int(clicks) == 1000
    assert 98 <= int(rate) <= 100
    elapsed, left = re.search(r"\[00:(\d\d)<00:(\d\d)", line).groups()
    assert (int(elapsed), int(left)) in ((10, 30), (10, 29), (11, 32))


def test_time_beyond_the_total_is_not_drawn(drawn):
    """The last steps of trajectories may reach a little further than their windows."""
    assert "100%" in drawn((100.5, 10))


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
