"""examples/figures.py: options, tables and pictures that every figure script writes."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import pytest
from example_scripts import assert_pictures, load_example, read_table
from PIL import Image

from trajectories.errors import InvalidInput


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    return load_example("figures.py")


@pytest.mark.parametrize(
    ("arguments", "clicks"),
    [([], 500), (["--quick"], 20), (["--quick", "--clicks", "7"], 7), (["--clicks", "1000"], 1000)],
)
def test_the_clicks_are_those_asked_for(figures, monkeypatch, tmp_path, arguments, clicks):
    monkeypatch.setattr(sys, "argv", ["figure.py", "--out", str(tmp_path / "new" / "folder"), *arguments])
    chosen = figures.options("A figure.", clicks=500, quick_clicks=20)
    assert chosen.clicks == clicks
    assert chosen.quick is ("--quick" in arguments)
    assert chosen.out.is_dir()


def test_no_clicks_at_all_are_refused_before_anything_is_written(figures, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(sys, "argv", ["figure.py", "--out", str(tmp_path / "new"), "--clicks", "0"])
    with pytest.raises(SystemExit):
        figures.options("A figure.", clicks=500)
    assert "--clicks 0 must be at least 1" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_table_comes_back_as_it_was(figures, tmp_path):
    columns = {"time": np.array([0.1, -123456.789012]), "count": [3, 4], "name": ["photon", "a, b"]}
    read = read_table(figures.write_table(tmp_path / "table.csv", columns))
    np.testing.assert_allclose(read["time"], columns["time"], rtol=1e-12)
    np.testing.assert_array_equal(read["count"], [3, 4])
    np.testing.assert_array_equal(read["name"], ["photon", "a, b"])
    with pytest.raises(InvalidInput, match="'b': 2"):
        figures.write_table(tmp_path / "table.csv", {"a": [1], "b": [1, 2]})


def test_a_picture_that_would_be_too_large_is_written_less_finely(figures, tmp_path):
    noise = np.random.default_rng(1).random((500, 1500))
    drawn = figures.figure(2.2)
    drawn.subplots().imshow(noise, interpolation="nearest", aspect="auto")
    figures.save(drawn, tmp_path, "noise")
    assert_pictures(tmp_path, "noise")
    with Image.open(tmp_path / "noise.png") as written:
        assert written.width < figures.DOUBLE_COLUMN * figures.RESOLUTIONS[0] - 1
    # An ordinary picture keeps the finest resolution.
    plain = figures.figure(2.2)
    plain.subplots().plot([0.0, 1.0])
    with Image.open(figures.save(plain, tmp_path, "plain")) as written:
        assert written.width == pytest.approx(figures.DOUBLE_COLUMN * figures.RESOLUTIONS[0], abs=1)
