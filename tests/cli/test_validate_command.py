"""``trajectories validate``: verdict, exit status, JSON, refusals."""

from __future__ import annotations

import json

import pytest
from command_line import ATOM

from trajectories.cli import entry

OTHER = ATOM.replace("0.4", "0.5")
pytestmark = pytest.mark.usefixtures("quick_report")


@pytest.fixture
def finished(run, here):
    (here / "atom.py").write_text(ATOM)
    (here / "other.py").write_text(OTHER)
    size = ("--trajectories", "40", "--duration", "300", "--seed", "1")
    status, _, err = run("simulate", "atom.py:system", "--out", "out", "--quiet", "--workers", "1", *size)
    assert (status, err) == (0, [])
    return here


def test_a_run_agrees_with_its_own_model(run, finished):
    status, out, err = run("validate", "out", "--json", "tests.json")
    assert (status, err) == (0, [])
    assert any(line.startswith("accepted: none of") for line in out)
    document = json.loads((finished / "tests.json").read_text())
    assert document["accepted"] is True
    assert document["source"] == "out"
    assert "time rescaling" in [test["name"] for test in document["tests"]]


def test_another_model_is_contradicted(run, finished):
    status, out, _ = run("validate", "out", "--model", "other.py:system", "--json", "-")
    document = json.loads("\n".join(out))
    assert status == 1
    assert document["accepted"] is False
    assert document["verdict"].startswith("rejected at 0.01")


def test_the_same_model_from_its_configuration_is_accepted(run, finished):
    assert run("validate", "out", "--model", "atom.py:system", "--significance", "0.001")[0] == 0


def test_exported_clicks_need_a_model(run, finished):
    run("export", "out", "--format", "npz")
    status, _, err = run("validate", "out/clicks.npz")
    assert status == 2
    assert "--model CONFIG" in err[0]
    assert run("validate", "out/clicks.npz", "--model", "atom.py:system")[0] == 0


def test_refusals(run, finished):
    for arguments, message in [
        (("nowhere",), "nowhere"),
        (("out", "--levels", "4,4,4"), "--levels is only for --model"),
        (("out", "--significance", "2"), "significance=2"),
        (("out", "--window", "-1"), "window"),
        (("out", "--json", "atom.py"), "atom.py exists"),
    ]:
        status, out, err = run("validate", *arguments)
        assert (status, out, len(err)) == (2, [], 1)
        assert message in err[0]


def test_a_pair_of_one_is_refused_by_the_parser(run):
    status, _, err = run("validate", "out", "--pair", "photon")
    assert status == 2
    assert "two channel names" in err[-1]


def test_help_names_the_exit_status(run):
    status, out, _ = run("validate", "--help")
    assert status == 0
    assert any("Exit status 0" in line for line in out)
    assert "1 a record that contradicts its model" in entry.main.__doc__
