"""`trajectories exact` and `trajectories converge`: the numbers of the density matrix from the command line."""

from __future__ import annotations

import json

import pytest
from command_line import TINY

from trajectories import SpinningResonator, lindblad
from trajectories.cli import main

PAIR = '[analysis]\npair = ["photon", "phonon"]\nwindow = 300.0\n'
ORANGE = '[resonator]\ndirection = "left"\ndetuning = 1.3693\nkappa = 0.008\n'
SMALL = ORANGE + "[truncation]\nlevels = [3, 3, 2]\n" + PAIR


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def test_the_table_and_the_json_say_what_the_solver_says(small, tmp_path, capsys):
    target = tmp_path / "exact.json"
    assert main(["exact", str(small), "--json", str(target)]) == 0
    printed = capsys.readouterr().out
    written = json.loads(target.read_text(encoding="utf-8"))
    system = SpinningResonator(direction="left", detuning=1.3693, kappa=0.008).system(levels=(3, 3, 2))
    steady = lindblad.steady_state(system)
    assert written["rates"]["phonon"] == pytest.approx(steady.rate("phonon"), rel=1e-9)
    expected = float(lindblad.bundle_correlation(steady, ("photon", "phonon")))
    assert written["g2(0)"]["photon,phonon"] == pytest.approx(expected, rel=1e-9)
    order = lindblad.order_rates(steady, window=300.0, max_size=2)
    forward, backward = order["photon>phonon"].value, order["phonon>photon"].value
    assert written["bundles"]["photon first"] == pytest.approx(forward / (forward + backward), rel=1e-8)
    assert written["parameters"]["kappa"] == 0.008
    for section in ("populations", "g1(0)", "bundles", "entanglement", "truncation"):
        assert section in written
        assert section in printed


def test_json_alone_is_json(small, capsys):
    assert main(["exact", str(small), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["residual"]["relative"] < 1e-12


def test_a_file_is_not_overwritten(small, tmp_path, capsys):
    target = tmp_path / "kept.json"
    target.write_text("mine", encoding="utf-8")
    assert main(["exact", str(small), "--json", str(target)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert target.read_text(encoding="utf-8") == "mine"


def test_converge_stops_where_nothing_moves(tmp_path, capsys):
    """At three levels the photon rate is wrong by 40 %, which the table shows and mends."""
    path = tmp_path / "orange.toml"
    path.write_text(ORANGE + PAIR, encoding="utf-8")
    assert main(["converge", str(path), "--levels", "3,3,2", "--tolerance", "0.05", "--max-dimension", "150"]) == 0
    shown = capsys.readouterr().out
    assert "converged" in shown
    assert "3,3,2" in shown
    assert "g2(0)" in shown


@pytest.mark.parametrize("content", [TINY, "[truncation]\nlevels = [3, 3, 2]\n"])
def test_converge_needs_a_pair(content, tmp_path, capsys):
    path = tmp_path / "pairless.toml"
    path.write_text(content, encoding="utf-8")
    assert main(["converge", str(path), "--levels", "3,3,2"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_converge_and_exact_speak_of_one_detuning(tmp_path, capsys):
    """A named regime is placed at the configuration's truncation, not where the search for convergence starts."""
    path = tmp_path / "orange.toml"
    regime = '[resonator]\ndirection = "left"\nregime = "orange"\n[truncation]\nlevels = [4, 3, 2]\n' + PAIR
    path.write_text(regime, encoding="utf-8")
    assert main(["exact", str(path), "--json", "-"]) == 0
    exact = json.loads(capsys.readouterr().out)
    assert main(["converge", str(path), "--levels", "4,3,2", "--max-dimension", "60"]) == 0
    shown = capsys.readouterr().out
    assert f"Δ_ad={exact['parameters']['detuning']:g}" in shown
    first = next(line for line in shown.splitlines() if line.strip().startswith("4,3,2"))
    assert f"{exact['rates']['photon']:.5e}"[:6] in first or f"{exact['rates']['photon']:g}" in first


def test_a_filter_stands_behind_its_channel(small, capsys):
    arguments = ["exact", str(small), "--filter", "photon,1.36,0.05", "--filter", "atom,-2.4,0.1", "--json", "-"]
    small.write_text(SMALL.replace('"photon", "phonon"', '"photon transmitted", "phonon"'), encoding="utf-8")
    assert main(["exact", str(small)]) != 0  # the pair is named after a filter that is missing
    assert "photon transmitted" in capsys.readouterr().err
    small.write_text(ORANGE + "[truncation]\nlevels = [3, 2, 2]\n", encoding="utf-8")
    assert main(arguments) == 0
    rates = json.loads(capsys.readouterr().out)["rates"]
    system = SpinningResonator(direction="left", detuning=1.3693, kappa=0.008).system(levels=(3, 2, 2))
    steady = lindblad.steady_state(system)
    for name in ("photon", "atom"):
        both = rates[f"{name} transmitted"] + rates[f"{name} reflected"]
        assert both == pytest.approx(steady.rate(name), rel=1e-9)
    assert rates["phonon"] == pytest.approx(steady.rate("phonon"), rel=1e-9)


def test_a_channel_with_a_filter_in_the_configuration_gets_no_other_in_its_place(tmp_path, capsys):
    path = tmp_path / "filtered.toml"
    filtered = "[filters.photon]\nfrequency = 1.36\nwidth = 0.05\nlevels = 2\n"
    path.write_text(ORANGE + "[truncation]\nlevels = [2, 2, 2]\n" + filtered, encoding="utf-8")
    assert main(["exact", str(path), "--filter", "photon,1.3,0.05"]) == 2
    assert "'photon transmitted'" in capsys.readouterr().err
    assert main(["info", str(path)]) == 0
    assert "resonance     photon-magnon" in capsys.readouterr().out
