"""``exact``, ``analyse``, ``validate``, ``info`` and ``export`` of a pulsed system, and its train as a T3 file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.cli import main

SOURCE = """import trajectories as tj

space = tj.HilbertSpace(photon=3, atom=2)
a, s = space.lower("photon"), space.lower("atom")

def made(width):
    drive = tj.Drive(s + s.T, tj.Square(1.0, 1.0 + width, 0.8))
    channels = [tj.Channel("photon", 0.6 * a), tj.Channel("atom", 0.3 * s)]
    return tj.OpenSystem(0.5 * (a.T @ s + s.T @ a), channels, space, drives=[drive], period=20.0)

def system():
    return made(2.0)

def shorter():
    return made(1.7)
"""
NUMBERS = ("clicks of photon per pulse", "exactly one photon–atom pair", "one-pair purity of photon–atom")


def command(*words: object) -> int:
    """Return the exit status of the command line."""
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def simulated(tmp_path_factory) -> tuple[Path, tj.OpenSystem]:
    folder = tmp_path_factory.mktemp("pulsed")
    (folder / "source.py").write_text(SOURCE, encoding="utf-8")
    space: dict = {}
    exec(compile(SOURCE, "source.py", "exec"), space)
    tj.simulate(space["system"](), 100, 1000.0, seed=6, workers=1, out=folder / "run", progress=False)
    return folder, space["system"]()


@pytest.fixture
def undrawn(monkeypatch):
    """Leaves out the pictures, which take most of the time."""
    monkeypatch.setattr("trajectories.analysis.report.figures.pictures", lambda *_: iter(()))


def test_exact_prints_what_the_periodic_state_emits(simulated, capsys):
    folder, system = simulated
    assert command("exact", f"{folder}/source.py:system", "--json", "-") == 0
    table = json.loads(capsys.readouterr().out)
    state = lindblad.periodic_state(system)
    counts = lindblad.pulse_counts(state, ["photon", "atom"], 2)
    for name in ("photon", "atom"):
        mean = lindblad.brightness(state, name).value
        assert table["clicks per pulse"][name] == pytest.approx(mean, rel=1e-9)
        density = list(table[f"click density of {name}"].values())
        assert sum(density) * 20.0 / len(density) == pytest.approx(mean, rel=1e-9)
    assert table["clicks of a pulse"]["one-pair purity"] == pytest.approx(counts.purity.value, rel=1e-9)
    # ⟨n_k n_l⟩ of the counts and g²[0], which come from different equations.
    peak = table["g2[m]"]["photon,atom m=0"]
    assert peak == pytest.approx(lindblad.pulsed_g2(state, "photon", "atom", 1, normalise="rates").value[1])
    assert table["residual"]["relative"] < 1e-10
    assert command("exact", f"{folder}/source.py:system", "--window", "3") == 2
    assert "leave it out for pulses" in capsys.readouterr().err


def test_info_tells_the_clicks_of_a_pulse(simulated, capsys):
    folder, system = simulated
    assert command("info", f"{folder}/source.py:system") == 0
    mean = lindblad.brightness(lindblad.periodic_state(system), "photon").value
    assert f"per pulse     photon       {mean:.6g}" in capsys.readouterr().out


@pytest.mark.usefixtures("undrawn")
def test_analyse_shows_pulses_beside_their_exact_values(simulated, tmp_path, capsys):
    """Eighteen numbers within 4.3σ, one seed; a shorter pulse is far off."""
    folder, system = simulated
    out = tmp_path / "analysis"
    assert command("analyse", folder / "run", "--out", out) == 0
    assert "clicks of photon per pulse" in capsys.readouterr().out
    found = json.loads((out / "analysis.json").read_text(encoding="utf-8"))
    compared = {n["name"]: n for n in found["numbers"] if n["deviation"] is not None}
    assert len(compared) >= 12
    assert set(NUMBERS) <= set(compared)
    assert max(abs(n["deviation"]) for n in compared.values()) < 4.3
    state = lindblad.periodic_state(system)
    assert compared[NUMBERS[0]]["exact"] == pytest.approx(lindblad.brightness(state, "photon").value, rel=1e-9)
    curve = found["curves"]["pulse"]["photon"]
    exact = lindblad.click_density(state, "photon", np.array(curve["edges"])).value
    np.testing.assert_allclose(curve["exact"], exact, rtol=1e-9)
    assert (
        command("analyse", folder / "run", "--model", f"{folder}/source.py:shorter", "--out", tmp_path / "b") == 0
    )
    other = json.loads((tmp_path / "b" / "analysis.json").read_text(encoding="utf-8"))
    assert max(abs(n["deviation"]) for n in other["numbers"] if n["deviation"] is not None) > 6.0


def test_validate_tells_a_right_model_from_a_wrong_one(simulated, capsys):
    folder, _ = simulated
    assert command("validate", folder / "run") == 0
    assert "clicks of a pulse: photon, atom" in capsys.readouterr().out
    assert command("validate", folder / "run", "--model", f"{folder}/source.py:shorter") == 1


def test_validate_follows_a_lossy_train(simulated, tmp_path, capsys):
    """A record that remembers its detectors, from a file: accepted with them, rejected without."""
    folder, _ = simulated
    seen = an.apply_detectors(
        tj.Run.open(folder / "run").record(), {"photon": tj.Detector(0.5, 0.002), "atom": tj.Detector(0.8)}, seed=3
    )
    tj.export(seen, tmp_path / "lossy.npz")
    model = f"{folder}/source.py:system"
    assert command("validate", tmp_path / "lossy.npz", "--model", model) == 0
    shown = capsys.readouterr().out
    assert "time rescaling" in shown
    assert "filter" not in shown
    (tmp_path / "other.toml").write_text("[photon]\nefficiency = 0.7\ndark_rate = 0.002\n", encoding="utf-8")
    detectors = ("--detectors", tmp_path / "other.toml")
    assert command("validate", tmp_path / "lossy.npz", "--model", model, *detectors) == 1


@pytest.mark.usefixtures("undrawn")
def test_a_train_as_a_t3_file_tells_the_same(simulated, tmp_path, capsys):
    """Written as PTU in T3 mode and read back: pulse-wise estimates are those of the run, and so are verdicts."""
    folder, _ = simulated
    file = tmp_path / "train.ptu"
    assert command("export", folder / "run", "--synced", "--out", file, "--unit", "1e-9") == 0
    run, again = tj.Run.open(folder / "run").record(), tj.load(file)
    assert again.clock is not None
    assert again.clock.fine == pytest.approx(20.0 / 2**15, rel=1e-12)
    assert again.n_trajectories == run.n_trajectories
    for name in ("photon", "atom"):
        assert an.brightness(again, name).value == an.brightness(run, name).value
        edges = np.linspace(0.0, 20.0, 9)
        seen, given = (an.click_density(record, name, edges) for record in (again, run))
        np.testing.assert_array_equal(seen.counts, given.counts)
    seen, given = (an.pulse_counts(record, ["photon", "atom"], 2) for record in (again, run))
    np.testing.assert_array_equal(seen.probability, given.probability)
    for pair in (("photon", "atom"), ("photon", "photon")):
        seen, given = (an.pulsed_g2(record, *pair, pulses=3, normalise="rates") for record in (again, run))
        np.testing.assert_allclose(seen.value, given.value, rtol=1e-12)
    model = f"{folder}/source.py:system"
    assert command("analyse", file, "--model", model, "--out", tmp_path / "analysis") == 0
    found = json.loads((tmp_path / "analysis" / "analysis.json").read_text(encoding="utf-8"))
    compared = {n["name"]: n["deviation"] for n in found["numbers"] if n["deviation"] is not None}
    assert set(NUMBERS) <= set(compared)
    assert max(map(abs, compared.values())) < 4.3
    assert command("validate", file, "--model", model) == 0
    assert command("validate", file, "--model", f"{folder}/source.py:shorter") == 1
    capsys.readouterr()


PULSED = """
[resonator]
direction = "left"
detuning = 1.311
kappa = 0.1
gamma = 0.2
period = 60.0
drive = {shape = "Gaussian", centre = 15.0, sigma = 2.0, height = 0.8}

[truncation]
levels = [2, 2, 2]

[analysis]
pair = ["photon", "magnon"]
"""


def test_converge_follows_the_numbers_of_a_pulse(tmp_path, capsys):
    """The first row is what `exact` prints of the same truncation."""
    config = tmp_path / "pulsed.toml"
    config.write_text(PULSED, encoding="utf-8")
    assert command("converge", config, "--levels", "2,2,2", "--tolerance", "0.5", "--max-dimension", "24") == 0
    printed = capsys.readouterr().out
    head = next(line for line in printed.splitlines() if "levels" in line)
    assert all(name in head for name in ("photon per pulse", "atom per pulse", "one pair", "purity"))
    first = next(line for line in printed.splitlines() if line.split()[:1] in (["2,2,2"], ["2,2,2*"]))
    assert command("exact", config, "--json", "-") == 0
    table = json.loads(capsys.readouterr().out)
    value = dict(zip(("photon", "phonon", "magnon", "atom"), first.split()[3:7], strict=True))
    for name, mean in table["clicks per pulse"].items():
        assert float(value[name]) == pytest.approx(mean, rel=1e-5)
    assert float(first.split()[8]) == pytest.approx(table["clicks of a pulse"]["one-pair purity"], rel=1e-5)
    assert float(first.split()[2]) == pytest.approx(max(table["truncation"].values()), rel=0.1)
    assert command("converge", config, "--follow") == 2
    assert "leave it out for pulses" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ('drive = {shape = "Gaussian", centre = 5.0, sigma = 1.0, height = nan}', "must be a finite number"),
        ('drive = {shape = "Gaussian", centre = 5.0, sigma = 3.0}', "multiply it by a Square"),
        ('drive = {shape = "Sampled", t = [0, 1, 2, 3], values = [0.0, nan, 1.0, 0.0]}', "give finite numbers"),
        (
            f'drive = {{shape = "Sampled", t = {list(range(12))}, values = {[1.0, -1.0] * 6}}}',
            "samples are too coarse.*sample more finely",
        ),
        ('drive = {shape = "Rotation", frequency = 1.0}', "parameters are real"),
        ('kappa = -0.1\ndrive = {shape = "Square", start = 1.0, stop = 2.0}', "kappa=-0.1 must be"),
        ('drive = {shape = "Gaussian", centre = 10.0, sigma = 1.0}#', "or give it a period, `period` in the"),
    ],
)
def test_bad_envelopes_are_one_line_on_the_command_line(tmp_path, capsys, parameters, message):
    """With the remedy that Python gives; the last has no period."""
    period = "" if parameters.endswith("#") else "\nperiod = 20.0"
    (tmp_path / "c.toml").write_text(
        f'[resonator]\ndirection = "left"\ndetuning = 1.31\n{parameters}{period}\n\n[truncation]\n'
        "levels = [2, 2, 2]\n\n[simulation]\ntrajectories = 2\nduration = 100.0\nseed = 1\n",
        encoding="utf-8",
    )
    assert command("simulate", tmp_path / "c.toml", "--out", tmp_path / "run") == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert re.search(message, said[-1])
    assert sum(line.startswith("error:") for line in said) == 1
    assert not (tmp_path / "run").exists()
