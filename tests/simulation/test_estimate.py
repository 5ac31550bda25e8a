"""The estimate before the start: against real runs, and nothing is written."""

from __future__ import annotations

import doctest
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from click_systems import driven_atom, driven_cavity, leaky_cavity, watch
from command_line import ATOM, TINY

import trajectories as tj
from trajectories.engine.compiled import compile_system
from trajectories.errors import InvalidInput
from trajectories.records import Run
from trajectories.simulation import estimate
from trajectories.simulation.estimate import estimate_run, memory_of

QUICK = {"workers": 1, "seconds": 0.05}


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def clicks_off_by(simulated: tj.OpenSystem, estimated: tj.OpenSystem) -> float:
    """Return by how many standard errors the clicks of one system miss the estimate for another."""
    counts = watch(simulated, 400, 60.0, seed=3).counts().sum(axis=1)
    expected = estimate_run(estimated, 400, 60.0, **QUICK)
    return float(abs(counts.sum() - expected.total_clicks) / (counts.std(ddof=1) * np.sqrt(len(counts))))


def test_expected_clicks_are_those_of_a_run_and_a_wrong_rate_is_caught():
    assert clicks_off_by(driven_atom(1.0, 0.4), driven_atom(1.0, 0.4)) < 4.0  # 6e-5 by chance
    assert clicks_off_by(driven_atom(1.0, 0.4), driven_atom(1.0, 0.5)) > 4.0


def test_each_propagator_is_told_with_its_cost():
    expected = estimate_run(driven_cavity(0.5, 1.0), 50, 400.0, **QUICK)
    assert {one.name for one in expected.alternatives} == {"modes", "reduced", "sparse"}
    lines = expected.table().splitlines()
    for one in expected.alternatives:
        (line,) = (line for line in lines if line.split()[0] == one.name)
        assert "to prepare" in line
        assert "clicks/s each" in line
    seconds = [one.total(expected.total_clicks) for one in expected.alternatives]
    assert 0.0 < min(seconds) < 10.0


def test_from_a_given_ket_the_rates_are_those_of_the_piece_with_their_error():
    system, ket = driven_cavity(0.5, 1.0), np.eye(12)[0]
    expected = estimate_run(system, 50, 400.0, initial=ket, **QUICK).clicks["cavity"]
    exact = estimate_run(system, 50, 400.0, **QUICK).clicks["cavity"]
    assert exact.standard_error == 0.0
    assert 0.0 < expected.standard_error < 0.5 * expected.value
    assert abs(expected.deviation(exact)) < 4.5  # 7e-6 by chance


@pytest.mark.parametrize("duration", [5.0, 3000.0], ids=["the system", "the clicks"])
def test_disk_blocks_and_propagator_are_those_of_a_real_run(tmp_path, duration):
    """Whether the system dominates the folder or its clicks."""
    system = driven_cavity(0.5, 1.0, levels=8)
    expected = estimate_run(system, 30, duration, **QUICK)
    record = watch(system, 30, duration, seed=1, out=tmp_path / "run")
    run = Run.open(tmp_path / "run")
    assert expected.disk == pytest.approx(folder_bytes(run.folder), rel=0.2)
    assert (expected.bytes_per_click * len(record.time) > expected.fixed_bytes) == (duration > 100.0)
    assert expected.blocks == len(run.block_bounds())
    assert expected.block_size == run.metadata["layout"][-1][1]
    assert expected.propagator == run.metadata["compiled_propagator"]
    assert expected.reason == run.metadata["propagator_reason"]


@pytest.mark.parametrize(("propagator", "workers"), [("modes", 1), ("modes", 2), ("sparse", 1)])
def test_time_is_that_of_the_piece_scaled_to_the_run(monkeypatch, propagator, workers):
    """On a clock that knows what each piece costs: a millisecond a click, or ten microseconds a unit of time."""
    clock, real = [0.0], estimate.run_block

    def counted(compiled, task):
        block = real(compiled, task)
        span = (task.last - task.first) * task.duration
        clock[0] += 1e-3 * len(block.time) if propagator == "modes" else 1e-5 * span
        return block

    monkeypatch.setattr(estimate, "run_block", counted)
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(estimate, "checked_workers", lambda given: 8 if given is None else given)
    system = driven_atom(1.0, 0.4)
    expected = estimate_run(system, 300, 1e3, propagator=propagator, workers=workers, seconds=0.5)
    cost = 1e-3 * expected.total_clicks if propagator == "modes" else 1e-5 * 300 * 1e3
    assert expected.seconds == pytest.approx(cost / workers, rel=1e-9)
    assert expected.workers == workers
    assert expected.calibration.value < 300 * 1e3


def test_its_example_runs():
    result = doctest.testmod(estimate)
    assert result.attempted > 0
    assert result.failed == 0


def test_more_workers_than_blocks_have_nothing_to_do():
    assert estimate_run(driven_atom(1.0, 0.4), 1, 10.0, workers=64, seconds=0.01).workers == 1


def test_a_system_without_clicks_is_estimated_too():
    expected = estimate_run(leaky_cavity(), 5, 100.0, **QUICK)
    assert expected.total_clicks == pytest.approx(0.0, abs=1e-9)
    assert np.isfinite(expected.seconds)


@pytest.mark.parametrize("propagator", ["modes", "sparse"])
def test_memory_of_a_trajectory_and_of_the_propagator_is_what_they_take(propagator):
    system = leaky_cavity(levels=150)
    compiled = compile_system(system, np.eye(150)[0], propagator=propagator)
    stated = memory_of(compiled)
    tracemalloc.start()
    state = compiled.propagator.start(compiled.kets[0], 1)
    held, _ = tracemalloc.get_traced_memory()
    copies = {name: array.copy() for name, array in compiled.to_arrays().items()}
    copied, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert state.work is not None
    assert len(copies) > 0
    # Python's own objects round the arrays are the rest.
    assert held == pytest.approx(stated.trajectory, rel=0.05, abs=6000)
    assert copied - held == pytest.approx(stated.propagator, rel=0.05, abs=6000)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"trajectories": 0}, "trajectories=0"),
        ({"duration": -1.0}, "duration=-1"),
        ({"propagator": "magic"}, "magic"),
        ({"workers": 0}, "workers=0"),
        ({"seconds": 0.0}, "seconds=0"),
    ],
)
def test_what_cannot_be_right_is_refused(wrong, message):
    with pytest.raises(InvalidInput, match=message):
        estimate_run(driven_atom(1.0, 0.4), **({"trajectories": 2, "duration": 10.0} | wrong))


def test_dry_run_prints_the_estimate_and_writes_nothing(run, here):
    (here / "good.toml").write_text(TINY)
    for more in ((), ("--out", "out")):
        status, out, err = run("simulate", "good.toml", "--dry-run", *more)
        assert (status, err) == (0, [])
        said = dict(line.split(maxsplit=1) for line in out)
        told = {"clicks", "photon", "phonon", "magnon", "atom", "time", "disk", "memory", "propagator", "blocks"}
        assert said.keys() == told | {"modes", "reduced", "sparse"}
        assert "an estimate" in said["time"]
        assert [path.name for path in here.iterdir()] == ["good.toml"]


def test_dry_run_says_what_is_there_already(run, here, quick_report):
    (here / "mine.py").write_text(ATOM)
    size = ("--trajectories", "3", "--duration", "50")
    assert run("simulate", "mine.py:system", "--out", "out", "--quiet", "--seed", "1", *size)[0] == 0
    (here / "out" / "blocks" / "000000001-000000001.npz").unlink()
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    _, out, _ = run("simulate", "mine.py:system", "--out", "out", "--dry-run", *size)
    assert out[-1] == "finished    2 of 3 blocks of the run in out"
    assert {path: path.stat().st_mtime_ns for path in here.rglob("*")} == before


def test_without_dry_run_a_folder_is_asked_for(run, here):
    (here / "good.toml").write_text(TINY)
    status, _, err = run("simulate", "good.toml")
    assert status == 2
    assert err == ["error: --out is missing; give a run folder to create or continue, or --dry-run"]


def test_a_train_is_planned_by_the_clicks_of_its_pulses():
    """Blocks of a train that clicks often are as small as those of a constant system; the clicks are known."""
    sigma = tj.HilbertSpace(atom=2).lower("atom")
    flip = tj.Drive(sigma + sigma.T, tj.Square(1.0, 1.01, 50 * np.pi))
    train = tj.OpenSystem(0 * sigma, [tj.Channel("atom", sigma)], drives=[flip], period=20.0)
    expected = tj.estimate_run(train, 1000, 4e6, workers=1, seconds=0.01)
    assert expected.clicks["atom"].value == pytest.approx(2e8, rel=0.02)
    assert "expected from the rates of the periodic state" in expected.table()
    assert expected.clicks["atom"].standard_error == 0.0
    # A block holds at most half a million clicks; without the rate it would be eight trajectories of 200,000.
    assert expected.block_size * expected.clicks["atom"].value / 1000 <= 500_000
    assert expected.block_size == 2
    within = tj.estimate_run(train, 1000, 4e6 + 5.0, workers=1, seconds=0.01)
    assert within.clicks["atom"].standard_error == pytest.approx(1000.0, rel=0.02)
