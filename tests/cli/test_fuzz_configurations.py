"""Configurations made at random: an error in one line, or a correct run; no traceback, no hang, no changed file.

The default suite tries a tenth of them; ``pytest -m slow tests/cli/test_fuzz_configurations.py`` tries all.
"""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter

import numpy as np
import pytest
from command_line import simulate
from outcomes import of_command
from random_configurations import SOUND, configuration, document

import trajectories as tj
from trajectories.records import Run

CONFIGURATIONS = 3400
SIZE = ("--trajectories", "2", "--duration", "20", "--seed", "1")


def check(here, seed: int) -> str:
    """Simulate the configuration of a seed, and say what came of it."""
    kind, content, options = configuration(seed)
    name = "some.py" if kind == "python" else "some.toml"
    path, out = here / name, here / "out"
    shutil.rmtree(out, ignore_errors=True)
    path.write_bytes(content)
    source = (f"{name}:system", *SIZE) if kind == "python" else (name,)
    found = of_command("simulate", *source, "--out", "out", "--quiet", "--workers", "1", *options)
    assert path.read_bytes() == content
    assert found.kind in ("answer", "one line"), (seed, options, content.decode(errors="replace"), found)
    if found.kind == "answer" and "--dry-run" not in options:
        _check_run(out, kind, content, options)
    return found.kind


def _check_run(out, kind: str, content: bytes, options: list[str]) -> None:
    """What was simulated is what was asked for; loading it compares its exact rates with its operators."""
    run = Run.open(out)
    asked = {"trajectories": 2, "duration": 20.0, "seed": 1}
    if kind != "python":
        asked = tomllib.loads(content.decode())["simulation"]
    if "--duration" in options:  # so long a time is answered where nothing ever clicks
        asked["duration"] = float(options[options.index("--duration") + 1])
    assert run.configuration["duration"] == asked["duration"]
    assert run.configuration["seed"] == asked["seed"]
    assert run.trajectories == asked["trajectories"] or "--until" in options
    if not run.leading():  # the time was up at once
        assert "--time" in options
        return
    record = tj.load(out)
    assert record.provenance["complete"] or "--time" in options
    assert np.isfinite(record.time).all()
    assert record.total_time == pytest.approx(record.n_trajectories * asked["duration"])
    assert record.channel_names == tuple(run.metadata["steady_state"]["rates"])


@pytest.fixture
def warm(here, quick_report):
    """Kernels compiled, which may take longer than any configuration may."""
    (here / "good.toml").write_text(document(SOUND))
    for propagator in ("modes", "sparse"):
        of_command("simulate", "good.toml", "--out", propagator, "--quiet", "--propagator", propagator)


@pytest.mark.usefixtures("warm")
def test_some_configurations_are_one_line_or_right(here):
    counted = Counter(check(here, seed) for seed in range(0, CONFIGURATIONS, 20))
    assert min(counted["answer"], counted["one line"]) > 0.15 * counted.total()


@pytest.mark.slow
@pytest.mark.usefixtures("warm")
def test_all_configurations_are_one_line_or_right(here):
    counted = Counter(check(here, seed) for seed in range(CONFIGURATIONS))
    print(counted)
    assert min(counted["answer"], counted["one line"]) > 0.15 * counted.total()


def test_reports_of_some_configurations(here):
    """The report too, with its tables and pictures, of the first six that run."""
    python = [seed for seed in range(CONFIGURATIONS) if configuration(seed)[0] == "python"]
    reported = 0
    for seed in python[:80]:
        reported += check(here, seed) == "answer"
        if reported == 6:
            break
    assert reported == 6


def test_the_fuzz_finds_a_planted_traceback(here, monkeypatch, quick_report):
    """A command that lets a ValueError through is caught by the check above."""

    def broken(*_):
        raise ValueError("two\nlines")

    monkeypatch.setattr("trajectories.cli.configuration._check_keys", broken)
    sound = next(seed for seed in range(100) if configuration(seed)[0] == "toml")
    with pytest.raises(AssertionError, match="traceback ValueError"):
        check(here, sound)


def test_the_sound_configuration_runs(run, here, quick_report):
    """Else every example above would be a refusal."""
    (here / "good.toml").write_text(document(SOUND))
    assert simulate(run, "good.toml")[0] == 0
