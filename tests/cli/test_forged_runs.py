"""Forged runs, with renewed checksums: every command refuses them in one line, or gives the true answer."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import numpy as np
import pytest
from forged_runs import forge, seal, true_run
from outcomes import of_command

from trajectories.analysis.report.folder import AnalysisFolder
from trajectories.records.files import checksum_of_json

COMMANDS = {
    "info": (),
    "analyse": ("--no-exact", "--out", "analysed"),
    "validate": ("--window", "3"),
}
FORGED = 188


@pytest.fixture(scope="module")
def truth(tmp_path_factory):
    return true_run(tmp_path_factory.mktemp("forged") / "run").folder


@pytest.fixture
def answers(here, truth, undrawn):
    """What the commands say of the true run, which is copied to the place of the forged ones."""
    shutil.copytree(truth, here / "run")
    return {command: asked(command) for command in COMMANDS}


def asked(command):
    return of_command(command, "run", *COMMANDS[command])


def same(one, other) -> bool:
    """Whether two answers are the same; unequal trajectories are no forgery, but a run that goes on."""
    return one.value == other.value


def check(here, truth, answers, seeds) -> Counter:
    counted: Counter = Counter()
    for seed in seeds:
        what = forge(truth, here / "run", seed)
        for command, true in answers.items():
            found = asked(command)
            kind = found.kind
            if kind == "answer":
                kind = "true answer" if same(found, true) else "false answer"
            counted[kind] += 1
            assert kind in ("one line", "true answer"), (seed, what, command, found)
    return counted


def test_some_forged_runs_are_refused_in_one_line(here, truth, answers):
    counted = check(here, truth, answers, range(0, FORGED, 20))
    assert counted["one line"] >= 0.9 * counted.total()


@pytest.mark.slow
def test_all_forged_runs_are_refused_in_one_line(here, truth, answers):
    counted = check(here, truth, answers, range(FORGED))
    print(counted)
    assert counted.total() == 3 * FORGED
    assert counted["one line"] >= 0.9 * counted.total()


def test_the_true_run_is_answered(answers):
    """Otherwise every forged run would be refused for no reason."""
    assert {found.kind for found in answers.values()} == {"answer"}


LAST = {
    "names swapped": lambda d: d["channel_names"].reverse(),
    "duration doubled": lambda d: d["configuration"].update(duration=400.0),
    "kappa times ten": lambda d: d["parameters"].update(kappa=10.0),
    "an exact rate": lambda d: d["steady_state"]["rates"].update(photon=0.3),
    "another digest": lambda d: d["configuration"].update(digest="0" * 64),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("what", LAST)
def test_an_edit_under_a_new_checksum_is_one_line(here, truth, what, command):
    shutil.copytree(truth, here / "run")
    described = json.loads((truth / "run.json").read_text(encoding="utf-8"))
    LAST[what](described)
    depths = ["checksum", "run_id"]
    if what in ("names swapped", "an exact rate", "another digest"):  # the system denies these
        depths.append("blocks")
    for depth in depths:
        seal(here / "run", described, depth)
        found = asked(command)
        assert found.kind == "one line", (depth, found)


def test_edited_exact_values_are_computed_again(here, truth, undrawn):
    """They have a checksum of their own; all of them times 1.1 were 22 standard errors of nothing."""
    shutil.copytree(truth, here / "run")
    assert of_command("analyse", "run", "--window", "3", "--out", "analysed").kind == "answer"
    folder, path = AnalysisFolder(here / "analysed"), here / "analysed" / "exact.json"
    document = json.loads(path.read_text(encoding="utf-8"))
    assert folder.known() == document["exact"]
    answers = document["exact"]["answers"]
    answers.update({key: np.multiply(v, 1.1).tolist() for key, v in answers.items() if isinstance(v, list)})
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.warns(UserWarning, match="damaged or was edited; it is computed again"):
        assert folder.known() is None
    # Its twin: the values themselves are sound, and only the checksum tells.
    document["checksum"] = checksum_of_json(document["exact"])
    path.write_text(json.dumps(document), encoding="utf-8")
    assert folder.known() == document["exact"]
