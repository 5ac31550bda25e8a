"""Detectors that a record went through are honoured by analyse, validate, fit and the summary."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from click_systems import watch

import trajectories as tj
from trajectories import analysis as an
from trajectories.analysis.report.exact_values import ExactValues
from trajectories.analysis.report.run_summary import summary
from trajectories.cli.detector_file import read_detectors
from trajectories.detectors import Detector
from trajectories.errors import InvalidInput

SEEN = {"left": Detector(0.3), "right": Detector(0.6, 0.05)}
SCRIPT = """import numpy as np
import trajectories as tj

sigma = np.array([[0.0, 1.0], [0.0, 0.0]])

def atom(rabi=1.0, left=0.5, right=0.3):
    channels = [tj.Channel("left", np.sqrt(left) * sigma), tj.Channel("right", np.sqrt(right) * sigma)]
    return tj.OpenSystem(rabi / 2 * (sigma + sigma.T), channels)

system = atom()
"""
SPACE: dict = {}
exec(compile(SCRIPT, "mine.py", "exec"), SPACE)
SYSTEM = SPACE["system"]


@pytest.fixture(scope="module")
def clicks() -> tj.ClickRecord:
    return watch(SYSTEM, 60, 400.0, seed=3)


@pytest.fixture(scope="module")
def detected(clicks) -> tj.ClickRecord:
    return an.apply_detectors(clicks, SEEN, 11)


def without_log(record: tj.ClickRecord) -> tj.ClickRecord:
    return replace(record, provenance={k: v for k, v in record.provenance.items() if k != "detectors"})


def deviations(found) -> list[float]:
    return [abs(number.deviation) for number in found.numbers if number.deviation is not None]


def test_analyse_lays_the_values_of_the_detected_light_beside_the_clicks(detected):
    """Twenty numbers within 4.5 σ: a false alarm in 7,000. Without the log the rates are 50 σ off."""
    found = an.analyse(detected, exact_values=ExactValues(SYSTEM))
    assert len(deviations(found)) > 10
    assert max(deviations(found)) < 4.5
    assert "left: efficiency 0.3" in found.facts["detectors"]
    blind = an.analyse(without_log(detected), exact_values=ExactValues(SYSTEM))
    assert max(deviations(blind)) > 50.0


def test_detectors_that_are_given_come_before_those_recorded(detected):
    given = an.analyse(without_log(detected), exact_values=ExactValues(SYSTEM, SEEN))
    assert max(deviations(given)) < 4.5
    wrong = an.analyse(detected, exact_values=ExactValues(SYSTEM, {}))
    assert max(deviations(wrong)) > 50.0


def test_one_exact_side_may_look_at_one_record_after_another(clicks, detected):
    """Its answers to the first are not those to the second."""
    exact = ExactValues(SYSTEM)
    for record in (clicks, detected, clicks):
        assert max(deviations(an.analyse(record, exact_values=exact))) < 4.5


def test_what_no_single_detector_describes_has_no_exact_values_and_says_why(detected):
    dead = an.apply_detectors(detected, {"left": Detector(dead_time=0.1)}, 1)
    lossy = an.apply_detectors(dead, {"left": Detector(0.5)}, 2)
    found = an.analyse(lossy, exact_values=ExactValues(SYSTEM))
    assert deviations(found) == []
    assert any("'left' are not equivalent to a single one" in note for note in found.notes)
    with pytest.raises(InvalidInput, match="give detectors="):
        an.validate(lossy, SYSTEM)


def test_validate_takes_them(detected):
    assert an.validate(detected, SYSTEM).accepted
    assert not an.validate(without_log(detected), SYSTEM).accepted


def test_fit_takes_them(detected):
    """The Rabi frequency within 4.5 standard errors; without the log it is far from it, for clicks are too few."""

    def family(rabi):
        return SPACE["atom"](rabi)

    found = an.fit(detected, family, {"rabi": 0.9}, profile=False)["rabi"]
    assert abs(found.value - 1.0) < 4.5 * found.standard_error
    with pytest.warns(UserWarning, match="does not predict the clicks"):
        blind = an.fit(without_log(detected), family, {"rabi": 0.9}, profile=False)["rabi"]
    assert abs(blind.value - 1.0) > 10.0 * blind.standard_error


def test_the_summary_takes_them(detected):
    def worst(text: str) -> float:
        return max(abs(float(number)) for number in re.findall(r"([-+]\d+\.\d) σ", text))

    assert worst(summary(detected)) < 4.5
    assert worst(summary(without_log(detected))) > 50.0
    dead = summary(an.apply_detectors(detected, {"left": Detector(dead_time=0.1)}, 1))
    assert not re.search(r"^left .*σ$", dead, re.MULTILINE)
    assert re.search(r"^right .*σ$", dead, re.MULTILINE)


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_the_command_line_takes_them_from_a_file(run, here, undrawn, detected, suffix):
    (here / "mine.py").write_text(SCRIPT, encoding="utf-8")
    clock = {"tick": 1e-7, "unit": 1e-9} if suffix == "h5" else {}
    for name, record in (("seen", detected), ("blind", without_log(detected))):
        tj.export(record, f"{name}.{suffix}", **clock)
        assert run("analyse", f"{name}.{suffix}", "--model", "mine.py:system", "--out", name)[0] == 0
    worst = {}
    for name in ("seen", "blind"):
        numbers = json.loads(Path(name, "analysis.json").read_text("utf-8"))["numbers"]
        worst[name] = max(abs(n["deviation"]) for n in numbers if n["deviation"] is not None)
    assert worst["seen"] < 4.5
    assert worst["blind"] > 50.0
    assert run("validate", f"seen.{suffix}", "--model", "mine.py:system")[0] == 0
    assert run("validate", f"blind.{suffix}", "--model", "mine.py:system")[0] == 1


def test_detectors_of_the_command_line_come_after_those_recorded(run, here, undrawn, clicks):
    """η = 0.5 in the file and 0.6 on top: the exact side sees 0.3."""
    (here / "mine.py").write_text(SCRIPT, encoding="utf-8")
    (here / "more.toml").write_text("[left]\nefficiency = 0.6\n", encoding="utf-8")
    tj.export(an.apply_detectors(clicks, {"left": Detector(0.5)}, 1), "half.npz")
    assert run("analyse", "half.npz", "--model", "mine.py:system", "--detectors", "more.toml")[0] == 0
    numbers = json.loads(Path("half-analysis", "analysis.json").read_text("utf-8"))["numbers"]
    (left,) = (n for n in numbers if (n["section"], n["name"]) == ("click rates", "left"))
    exact = clicks.provenance["steady_state"]["rates"]["left"]
    assert left["exact"] == pytest.approx(0.3 * exact, rel=1e-9)
    assert abs(left["deviation"]) < 4.5


def test_a_file_may_say_that_a_detector_is_paralysable(tmp_path):
    path = tmp_path / "detectors.toml"
    path.write_text("[photon]\ndead_time = 0.5\nparalysable = true\n", encoding="utf-8")
    assert read_detectors(str(path)) == {"photon": tj.Detector(dead_time=0.5, paralysable=True)}
    path.write_text("[photon]\ndead_time = 0.5\nparalysable = 1\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="paralysable=1 must be true or false"):
        read_detectors(str(path))


def test_the_command_line_honours_dead_time(run, here, clicks):
    """Recorded or given as a file it is accepted; forgotten, the record is rejected."""
    (here / "mine.py").write_text(SCRIPT, encoding="utf-8")
    (here / "dead.toml").write_text("[left]\nefficiency = 0.8\ndead_time = 1.5\n", encoding="utf-8")
    (here / "alive.toml").write_text("[left]\nefficiency = 0.8\n", encoding="utf-8")
    seen = an.apply_detectors(clicks, {"left": Detector(0.8, dead_time=1.5)}, 4)
    tj.export(seen, "seen.npz")
    tj.export(without_log(seen), "blind.npz")
    model = ("--model", "mine.py:system")
    status, lines, _ = run("validate", "seen.npz", *model)
    text = "\n".join(lines)
    assert status == 0, text
    assert "time rescaling" in text
    assert "no exact value with dead time" in text
    assert run("validate", "blind.npz", *model, "--detectors", "dead.toml")[0] == 0
    assert run("validate", "blind.npz", *model, "--detectors", "alive.toml")[0] == 1
