"""Systems that count in ns or in lifetimes: records, tables, pictures and files say so; the physics stays."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest

import trajectories as tj
from trajectories import analysis as an
from trajectories import lindblad
from trajectories.errors import InvalidInput, RunFolderError
from trajectories.time_units import NATURAL, TimeUnit

SIGMA = np.array([[0.0, 1.0], [0.0, 0.0]])
FILE = """import numpy as np
import trajectories as tj

sigma = np.array([[0.0, 1.0], [0.0, 0.0]])
system = tj.OpenSystem(0.5 * (sigma + sigma.T), [tj.Channel("atom", sigma)], time_unit="ns")
"""


def atom(unit=NATURAL, gamma: float = 1.0) -> tj.OpenSystem:
    channel = tj.Channel("atom", np.sqrt(gamma) * SIGMA)
    return tj.OpenSystem(0.5 * (SIGMA + SIGMA.T), [channel], time_unit=unit)


def clicks_of(system, **more):
    return tj.simulate(system, 20, 100.0, seed=1, workers=1, progress=False, **more)


def test_the_unit_is_a_word_and_not_physics():
    ns = atom("ns")
    assert ns.time_unit == TimeUnit("ns", 1e-9)
    assert ns.digest == atom().digest
    assert "ns" in repr(ns)
    assert "unit" not in repr(atom())
    np.testing.assert_array_equal(clicks_of(ns).time, clicks_of(atom()).time)


@pytest.mark.parametrize(
    ("unit", "name", "seconds", "rate"),
    [
        ("ns", "ns", 1e-9, "1/ns"),
        ("s", "s", 1.0, "Hz"),
        ("1/γ", "1/γ", None, "γ"),
        (8e-11, "1/ω_b", 8e-11, "ω_b"),
    ],
)
def test_records_and_estimates_have_the_unit_of_their_system(tmp_path, unit, name, seconds, rate):
    run = tmp_path / "run"
    for record in (clicks_of(atom(unit)), clicks_of(atom(unit), out=run), tj.load(run)):
        assert (record.unit.name, record.unit.seconds, record.unit.rate) == (name, seconds, rate)
    found = an.g2(tj.Run.open(run), "atom", "atom", [0.5, 1.0, 2.0])
    assert found.unit.name == name
    assert an.g2_matrix(record, [-1.0, 0.0, 1.0])["atom", "atom"].unit.name == name
    shown = name if name != "1/ω_b" else r"$1/\omega_b$"
    assert f"({shown})" in found.plot().get_xlabel()
    assert f"({shown})" in an.waiting_times(record, "atom", "atom", [0.1, 1.0, 5.0]).plot().get_xlabel()
    table = str(an.analyse(run, window=1.0).table())
    assert f"({rate})" in table
    assert own_unit(run) == atom(unit).time_unit


def own_unit(run) -> TimeUnit:
    """Unit of the system that a run keeps."""
    return an.inference.subject.own_system(tj.Run.open(run)).time_unit


def test_runs_without_a_unit_are_as_they_were(tmp_path):
    clicks_of(atom(), out=tmp_path / "run")
    described = json.loads((tmp_path / "run" / "run.json").read_text())
    assert "time_unit" not in described
    assert tj.load(tmp_path / "run").unit == NATURAL


def test_a_run_is_not_continued_in_another_unit(tmp_path):
    clicks_of(atom("ns"), out=tmp_path / "run")
    clicks_of(atom("ns"), out=tmp_path / "run")
    with pytest.raises(RunFolderError, match="its times are in ns of 1e-09 s, and the system's in us of 1e-06 s"):
        clicks_of(atom("us"), out=tmp_path / "run")
    with pytest.raises(RunFolderError, match=r"and the system's in 1/ω_b; choose another --out"):
        clicks_of(atom(), out=tmp_path / "run")


@pytest.mark.parametrize("unit", ["nanoseconds", "1/", "1/<b>", 0.0, -1.0, float("nan"), [1]])
def test_what_is_no_unit_is_refused(unit):
    with pytest.raises(InvalidInput, match="unit="):
        atom(unit)


def test_the_unit_survives_filters_moments_and_qutip():
    ns = atom("ns")
    assert ns.filtered("atom", 0.0, 0.5).time_unit.name == "ns"
    assert ns.at(0.0).time_unit.name == "ns"
    qutip = pytest.importorskip("qutip")
    made = tj.OpenSystem.from_qutip(qutip.sigmax(), [qutip.sigmam()], time_unit="us")
    assert made.time_unit == TimeUnit("us", 1e-6)


def test_clicks_in_another_unit_are_refused():
    seconds = clicks_of(atom("s"))
    with pytest.raises(InvalidInput, match="the clicks are in s of 1 s, and the system's times in ns of 1e-09 s"):
        an.validate(seconds, atom("ns"))
    with pytest.raises(InvalidInput, match="load the clicks with unit='ns'"):
        an.analyse(seconds, atom("ns"))
    assert an.validate(seconds, atom("s")).accepted
    assert an.validate(seconds, atom("1/γ")).accepted  # whose length nobody knows


def test_a_file_is_exported_with_the_length_of_the_unit_and_read_back_in_it(tmp_path):
    record = clicks_of(atom("ns"))
    path = tj.export(record, tmp_path / "clicks.ptu", tick=1e-3)
    back = tj.load(path)
    assert back.unit == TimeUnit("ns", 1e-9)
    np.testing.assert_allclose(back.time, record.time, atol=1e-3)


def test_a_run_is_exported_with_its_unit_too(tmp_path):
    clicks_of(atom("ns"), out=tmp_path / "run")
    for name in ("clicks.ptu", "clicks.csv", "clicks.npz"):
        path = tj.export(
            tj.Run.open(tmp_path / "run"), tmp_path / name, tick=1e-3 if name == "clicks.ptu" else None
        )
        assert tj.load(path).unit == TimeUnit("ns", 1e-9), name


def test_the_command_line_says_the_unit_and_reads_files_in_it(run, here):
    (here / "my_system.py").write_text(FILE)
    size = ("--trajectories", "40", "--duration", "200", "--seed", "1", "--quiet", "--workers", "1")
    status, out, _ = run("simulate", "my_system.py:system", "--out", "run", *size)
    assert status == 0
    assert any("in 8000 ns" in line for line in out), out
    assert any("rate in 1/ns" in line for line in out), out
    assert any("× 200 ns" in line for line in run("info", "run")[1])
    status, out, _ = run("exact", "my_system.py:system")
    assert out[0].endswith("times in ns, rates in 1/ns")
    rows = np.cumsum(np.random.default_rng(5).exponential(3.0, 400))
    (here / "clicks.txt").write_text("time channel\n" + "".join(f"{1e-9 * t:.15e} atom\n" for t in rows))
    (here / "seconds.py").write_text(FILE.replace(', time_unit="ns"', ""))
    refused = run("validate", "clicks.txt", "--model", "seconds.py:system")
    assert "give --unit" in refused[2][-1]
    status, out, err = run("validate", "clicks.txt", "--model", "my_system.py:system")
    assert status in (0, 1), err
    assert not any("unit" in line for line in err), err


def test_a_configuration_gives_the_length_of_its_unit(here, run):
    from trajectories.cli.configuration import read_job

    text = "[resonator]\ndetuning = 1.3\n[truncation]\nlevels = [3, 2, 2]\n[simulation]\ntime_unit = {}\n"
    (here / "good.toml").write_text(text.format("8e-11"))
    job = read_job("good.toml")
    assert job.system.time_unit == TimeUnit("1/ω_b", 8e-11)
    assert job.trajectories is None
    (here / "bad.toml").write_text(text.format('"ns"'))
    with pytest.raises(InvalidInput, match="must be the length of"):
        read_job("bad.toml")


def test_the_exact_side_counts_in_the_unit_of_its_system():
    steady = lindblad.steady_state(atom("ns"))
    assert steady.system.time_unit.name == "ns"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        exact = lindblad.g2(steady, "atom", "atom", [0.5, 1.0, 2.0])
    assert exact.value.shape == (2,)
