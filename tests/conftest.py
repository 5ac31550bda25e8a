"""Fixtures of the command-line tests."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from trajectories import cli
from trajectories.cli import simulate


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys, here):
    """Run the command line in this process; return its status, its output lines and its error lines."""

    def call(*arguments: str) -> tuple[int, list[str], list[str]]:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # as outside the tests, where a warning is a line
            try:
                status = cli.main(list(arguments))
            except SystemExit as leave:  # how argparse refuses
                status = leave.code
            except KeyboardInterrupt:  # would end the tests, not the test
                pytest.fail("KeyboardInterrupt was not handled")
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err.splitlines()

    return call


@pytest.fixture
def quick_report(monkeypatch):
    monkeypatch.setattr(simulate, "report_run", lambda *_: None)
