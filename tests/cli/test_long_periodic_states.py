"""What commands and tests do where the exact periodic state of a system takes hours: say so, and do the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

import trajectories as tj
from trajectories import analysis as an
from trajectories.analysis.report.run_summary import summary
from trajectories.cli import main
from trajectories.errors import ConvergenceError
from trajectories.lindblad.pulses import periodic
from trajectories.simulation import preparation

SOURCE = """import trajectories as tj

atom = tj.HilbertSpace(atom=2)
s = atom.lower("atom")

def made(height):
    drive = tj.Drive(s + s.T, tj.Square(1.0, 2.0, height))
    return tj.OpenSystem(0 * s, [tj.Channel("atom", 0.5 * s)], atom, drives=[drive], period=20.0)

def system():
    return made(1.2)
"""
COST = "the exact periodic state of N=2 takes about"


@pytest.fixture(autouse=True)
def _never_exact(monkeypatch):
    monkeypatch.setattr(periodic, "LONGEST", 0.0)
    monkeypatch.setattr(preparation, "LONGEST_EXACT", 0.0)
    monkeypatch.setattr("trajectories.analysis.report.figures.pictures", lambda *_: iter(()))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    folder = tmp_path_factory.mktemp("long")
    (folder / "source.py").write_text(SOURCE, encoding="utf-8")
    space: dict = {}
    exec(compile(SOURCE, "source.py", "exec"), space)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(preparation, "LONGEST_EXACT", 0.0)
        tj.simulate(space["system"](), 60, 1000.0, seed=6, workers=1, out=folder / "run", progress=False)
    return folder, space["made"]


def command(*words: object) -> int:
    """Return the exit status of the command line."""
    return main([str(word) for word in words])


def test_exact_and_info_say_what_it_would_take(simulated, capsys):
    folder, _ = simulated
    assert command("exact", f"{folder}/source.py:system") == 2
    said = capsys.readouterr().err
    assert COST in said
    assert "`trajectories exact --long`" in said
    assert command("exact", f"{folder}/source.py:system", "--long") == 0
    assert "clicks per pulse" in capsys.readouterr().out
    assert command("info", f"{folder}/source.py:system") == 0
    assert COST in capsys.readouterr().out


def test_validate_goes_on_without_the_estimates(simulated, capsys):
    """Rescaled time and channels are tested from 64 states of the run; a wrong model is rejected."""
    folder, made = simulated
    found = an.validate(folder / "run")
    assert found.accepted
    assert {"time rescaling"} <= {test.name for test in found.tests}
    assert any(text.startswith("estimates: the exact periodic state") for text in found.untested)
    assert command("validate", folder / "run") == 0
    assert COST in capsys.readouterr().out
    weaker = replace(made(1.2), drives=made(1.0).drives)

    assert not an.validate(folder / "run", weaker, initial=[1.0, 0.0]).accepted


def test_the_estimates_of_analyse_stand_without_exact_values(simulated, tmp_path, capsys):
    folder, _ = simulated
    assert command("analyse", folder / "run", "--out", tmp_path / "found") == 0
    said = capsys.readouterr().out
    assert COST in said


def test_rates_of_a_pilot_are_not_called_exact(simulated, capsys):
    folder, _ = simulated
    record = tj.load(folder / "run")
    assert record.provenance["periodic_state"]["clicks_per_pulse"]["atom"] > 0.0
    row = next(line for line in summary(record).splitlines() if line.startswith("atom"))
    assert len(row.split()) == 5


def test_python_refuses_in_one_line(simulated):
    folder, made = simulated
    record = tj.load(folder / "run")
    with pytest.raises(ConvergenceError, match=COST):
        tj.replay(record, made(1.2))
    with pytest.raises(ConvergenceError, match=COST):
        an.fit(record, lambda height: made(height), {"height": 1.0})
    assert tj.replay(record, made(1.2), initial=[1.0, 0.0]).log_likelihood < 0.0
