"""What a run ends with: the table and the pictures, as README shows them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from command_line import ATOM, ROOT, TINY, command, environment, simulate

import trajectories as tj
from trajectories import analysis


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory) -> tuple[subprocess.CompletedProcess, Path]:
    """The README's command on its example, at reduced size, as a newcomer runs it.

    A cut-off of the total excitation makes the system smaller still, N = 64, without a warning.
    """
    folder = tmp_path_factory.mktemp("newcomer")
    example = (ROOT / "examples" / "blue_left.toml").read_text(encoding="utf-8")
    assert "levels = [5, 4, 4]" in example
    small = example.replace("levels = [5, 4, 4]", "levels = [4, 4, 4]\nmax_quanta = 4")
    (folder / "blue_left.toml").write_text(small, encoding="utf-8")
    size = ("--trajectories", "24", "--duration", "2e4", "--workers", "1")
    done = subprocess.run(
        command("simulate", "blue_left.toml", "--out", "runs/blue-left", *size),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done, folder / "runs" / "blue-left"


def test_the_run_ends_with_each_rate_beside_the_exact_one(newcomer):
    done, folder = newcomer
    record = tj.load(folder)
    exact = record.provenance["steady_state"]["rates"]
    number = r"[-+]?[\d.]+(?:e[-+]?\d+)?"
    rows = re.findall(
        rf"^(\w+) +(\d+) +({number}) ± +({number}|\?) +({number}) +(?:({number}) σ|–)$", done.stdout, re.MULTILINE
    )
    assert [row[0] for row in rows] == ["photon", "phonon", "magnon", "atom"]
    for (name, clicks, rate, error, right, deviation), count in zip(
        rows, record.counts().sum(axis=0), strict=True
    ):
        assert int(clicks) == count
        assert float(rate) == pytest.approx(count / record.total_time, rel=1e-4)
        assert float(right) == pytest.approx(exact[name], rel=1e-4)
        if count < 5:
            assert (error, deviation) == ("?", "")  # from so few clicks the error is not known
        else:
            # The error is printed with two digits, the deviation with one decimal.
            scale = abs(float(rate) - float(right)) / float(error)
            assert abs(abs(float(deviation)) - scale) <= 0.06 * scale + 0.06
        if count > 20:
            assert abs(float(deviation)) < 5.0


def test_the_run_ends_with_the_bundles_of_the_pair(newcomer):
    out = newcomer[0].stdout
    found = re.search(r"photon–magnon bundles +(\d+) of (\d+)", out)
    assert found, out
    assert 0 < int(found[1]) <= int(found[2])
    assert re.search(r"δ = 600/ω_b", out)
    for label in ("purity", "photon first"):
        value, error = re.search(rf"{label}[^\n]*? +([\d.]+) ± ([\d.]+)", out).groups()
        assert 0.0 < float(value) < 1.0
        assert 0.0 < float(error) < 0.5


def test_the_run_ends_with_where_its_pictures_lie(newcomer):
    done, folder = newcomer
    assert re.search(r"^record +runs/blue-left$", done.stdout, re.MULTILINE)
    paths = re.findall(r"^picture +(\S+)$", done.stdout, re.MULTILINE)
    names = {Path(path).name for path in paths}
    assert names == {"click_stream.png", "lag_histogram.png", "populations.png"}
    for path in paths:
        content = (folder.parent.parent / path).read_bytes()
        assert content.startswith(b"\x89PNG")
        assert len(content) > 5000


def test_the_run_shows_its_progress_and_says_nothing_else(newcomer):
    err = newcomer[0].stderr
    # Where nobody watches, a line for each stage that takes longer than a moment.
    assert all(line.endswith("…") or line.startswith("simulating") for line in err.splitlines())
    assert "Traceback" not in err
    assert "arning" not in err


def test_a_finished_run_reports_again_the_same(newcomer, run, monkeypatch):
    done, folder = newcomer
    monkeypatch.chdir(folder.parent.parent)
    size = ("--trajectories", "24", "--duration", "2e4")
    again = run("simulate", "blue_left.toml", "--out", "runs/blue-left", "--quiet", *size)
    assert again == (0, done.stdout.splitlines(), [])


@pytest.mark.parametrize("clicks", ["none", "few"])
def test_a_record_with_hardly_a_click_is_still_reported(run, here, clicks):
    """NaN where the data cannot give a value, and no picture of nothing; but no failure and no warning."""
    duration = 1.0 if clicks == "none" else 3000.0
    (here / "good.toml").write_text(
        TINY.replace("10.0", f"{duration}") + '[analysis]\npair = ["photon", "magnon"]\n'
    )
    status, out, err = simulate(run, "good.toml")
    assert (status, err) == (0, [])
    assert any(line.startswith("record") for line in out)
    if clicks == "none":
        assert len(tj.load("out")) == 0
        assert not any(line.startswith("picture") for line in out)


def test_the_exact_lag_density_is_drawn_over_the_estimate(run, here, monkeypatch):
    drawn = {}
    save = analysis.plot.save
    monkeypatch.setattr(analysis.plot, "save", lambda ax, path: save(drawn.setdefault(path.stem, ax), path))
    (here / "good.toml").write_text(TINY.replace("10.0", "3000.0") + '[analysis]\npair = ["photon", "magnon"]\n')
    status, out, err = simulate(run, "good.toml")
    assert (status, err) == (0, [])
    exact = [patch for patch in drawn["lag_histogram"].patches if patch.get_label() == "exact"]
    assert any("exact" in line for line in out if "purity" in line)
    (patch,) = exact
    values, edges, _ = patch.get_data()
    assert values.min() >= 0.0
    assert values @ np.diff(edges) == pytest.approx(1.0, rel=1e-9)


def test_a_system_of_one_s_own_is_reported_without_a_pair(run, here):
    (here / "mine.py").write_text(ATOM, encoding="utf-8")
    size = ("--trajectories", "20", "--duration", "200", "--seed", "1")
    status, out, err = simulate(run, "mine.py:system", *size)
    assert (status, err) == (0, [])
    assert any(line.startswith("atom ") for line in out)
    assert any(line.endswith("click_stream.png") for line in out)
