"""The choice of a propagator by its cost: time and memory to prepare against the clicks it would save."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from click_systems import ground, jumps_of, random_system, weak_cavity
from command_line import command, environment
from scipy import sparse

import trajectories as tj
from trajectories.engine import compiled
from trajectories.engine.compiled import compile_system, stack_operators
from trajectories.engine.cost import Cost, modes_bytes, modes_seconds, predicted_cost
from trajectories.engine.modes.eigenmodes import ModesPropagator
from trajectories.engine.reduced.pilot import gaps
from trajectories.engine.sparse.sparse_action import SparsePropagator
from trajectories.simulation.estimate import memory_of


def lossy_chain(sites: int, losses: int) -> tj.OpenSystem:
    """Return one quantum on a chain whose last site leaks, with as many places at which it may be lost."""
    ones = np.ones(sites - 1)
    channels = []
    for k in range(losses):
        site = (k + 1) * sites // losses - 1
        entry = ([np.sqrt(0.2)], ([0], [site]))
        channels.append(tj.Channel(f"site {site}", sparse.csr_array(entry, shape=(sites, sites))))
    return tj.OpenSystem(sparse.diags_array([ones, ones], offsets=[1, -1]), channels)


def test_a_long_chain_with_many_channels_is_not_diagonalised(monkeypatch):
    """21 s and 3.5 GB for what the action of the exponential does in a tenth of a second."""
    monkeypatch.setattr(ModesPropagator, "compile", lambda *_: pytest.fail("it was diagonalised"))
    chosen = compile_system(lossy_chain(1024, 20), np.eye(1024)[500])
    assert chosen.propagator.name == "sparse"
    assert chosen.reason.startswith("auto: the eigenbasis takes about")
    assert "1.2 GB" in chosen.reason


def test_a_slow_system_of_the_same_size_is(monkeypatch):
    """With clicks a thousand oscillations apart a diagonalisation pays off soon."""
    monkeypatch.setattr(compiled, "SHORT", 0.0)
    system = tj.SpinningResonator().system(levels=(4, 4, 4))
    ket = np.eye(system.dimension)[0]
    assert compile_system(system, ket, rate=2.3e-4).propagator.name == "modes"
    jumps = stack_operators([channel.operator for channel in system.channels], system.dimension)
    action = SparsePropagator.compile(system, 1e-10)
    slow, fast = (predicted_cost(system, action, jumps, ket.astype(complex), rate) for rate in (2.3e-4, 1e3))
    assert slow.seconds_per_click > 20.0 * fast.seconds_per_click
    assert not slow.avoids_modes


def test_alternatives_tell_what_each_propagator_takes():
    """The choice is made for a thousand clicks; another propagator may be quicker for more, and is shown."""
    system = tj.SpinningResonator(direction="left", detuning=1.3406).system(levels=(6, 6, 6))
    jumps = stack_operators([channel.operator for channel in system.channels], system.dimension)
    action = SparsePropagator.compile(system, 1e-10)
    found = predicted_cost(system, action, jumps, np.eye(1, 432)[0].astype(complex), 2.3e-4).alternatives
    for clicks, quickest in ((1, "sparse"), (1000, "modes"), (1e7, "reduced")):
        assert min(found, key=lambda one: one.total(clicks)).name == quickest
    assert {one.name: one.bytes for one in found}["sparse"] < 1e6


LEFT = {"direction": "left", "detuning": 1.3406}
# Each with its click rate, as runs of 1e3 clicks have it.
SYSTEMS = {
    "paper": (lambda: tj.SpinningResonator(**LEFT).system(levels=(6, 6, 6)), 5.06e-4),
    "hot": (lambda: tj.SpinningResonator(**LEFT, thermal=(0.0, 2.0, 0.0)).system(levels=(3, 20, 3)), 0.06),
    "cavity": (lambda: weak_cavity(200), 3.08e-3),
    "chain of 100": (lambda: lossy_chain(100, 20), 0.0334),
    "chain of 300": (lambda: lossy_chain(300, 20), 0.0103),
    "chain of 1024": (lambda: lossy_chain(1024, 20), 3.38e-3),
}


def cost_of(system: tj.OpenSystem, rate: float | None) -> Cost:
    action = SparsePropagator.compile(system, 1e-10)
    return predicted_cost(system, action, jumps_of(system), ground(system), rate)


@pytest.mark.parametrize(
    ("name", "few", "quickest"),
    [
        ("paper", "sparse", "modes"),
        ("hot", "sparse", "modes"),
        ("cavity", "modes", "modes"),
        ("chain of 100", "sparse", "modes"),
        ("chain of 300", "sparse", "sparse"),
        ("chain of 1024", "sparse", "sparse"),
    ],
)
def test_order_of_the_alternatives(name, few, quickest):
    """As measured (table in `trajectories/README.md`): for a few clicks, and by the click of modes and sparse."""
    make, rate = SYSTEMS[name]
    cost = cost_of(make(), rate)
    assert min(cost.alternatives, key=lambda one: one.total(1)).name == "sparse"
    if name != "paper":
        assert min((cost.modes, cost.sparse), key=lambda one: one.total(100)).name == few
    assert min((cost.modes, cost.sparse), key=lambda one: one.seconds_per_click).name == quickest
    assert cost.avoids_modes == (quickest == "sparse")
    assert ("likely refused" in cost.reduced.remark) == (name == "chain of 1024")


def test_a_chain_of_300_sites_takes_the_sparse_action(monkeypatch):
    """All its modes count at each click: its eigenbasis is quick to make and slow to use."""
    monkeypatch.setattr(ModesPropagator, "compile", lambda *_: pytest.fail("it was diagonalised"))
    for rate in (None, 0.0103):
        assert compile_system(lossy_chain(300, 20), np.eye(300)[150], rate=rate).propagator.name == "sparse"


def test_pairs_of_modes_that_count_have_the_order_of_those_predicted():
    """Counted in the states before clicks: |z_i G_ij z_j| above what the tolerance of S leaves to a pair."""
    counted, predicted = {}, {}
    for name, system in {
        "chain": lossy_chain(64, 8),
        "hot": tj.SpinningResonator(**LEFT, thermal=(0.0, 1.0, 0.0)).system(levels=(2, 8, 2)),
        "cold": weak_cavity(40),
    }.items():
        modes = ModesPropagator.compile(system, 1e-10).arrays
        start = ground(system)[None, :], np.ones(1)
        seen = list(gaps(modes, jumps_of(system), *start, np.random.default_rng(1), 200, 200))
        pairs = []
        for z in (np.abs(gap.before) for gap in seen):
            coupled = np.abs(modes.form[0, 0] + 1j * modes.form[0, 1])[: len(z), : len(z)]
            shares = z[:, None] * coupled * z / np.sum(z**2)
            pairs.append(2 * np.count_nonzero(shares > 1e-10 / len(z)) + len(z))
        counted[name] = np.sqrt(np.mean(pairs)) / system.dimension
        rate = 1.0 / np.mean([gap.wait for gap in seen])
        predicted[name] = cost_of(system, rate).occupied / system.dimension
    assert sorted(counted, key=counted.get) == sorted(predicted, key=predicted.get) == ["cold", "hot", "chain"]
    assert min(counted["chain"], predicted["chain"]) > 0.9
    assert max(counted["cold"], predicted["cold"]) < 0.1
    assert predicted["hot"] == pytest.approx(counted["hot"], rel=0.3)


def test_the_alternatives_of_a_long_chain_are_told():
    """A plan of 1024 sites and 20 channels names each propagator, and the one that would be refused."""
    expected = tj.estimate_run(lossy_chain(1024, 20), 2, 1e3, initial=np.eye(1024)[50], workers=1, seconds=0.1)
    lines = {line.split()[0]: line for line in expected.table().splitlines()}
    assert expected.propagator == "sparse"
    told = [lines[name] for name in ("modes", "reduced", "sparse")]
    assert all("to prepare" in line and "clicks/s each" in line for line in told)
    assert ["likely refused" in line for line in told] == [False, True, False]
    assert min(expected.alternatives, key=lambda one: one.total(1e5)).name == "sparse"


@pytest.mark.slow
def test_dry_run_tells_the_alternatives_of_a_long_chain(tmp_path):
    """The same by the command line, which finds the steady state first."""
    (tmp_path / "chain.py").write_text(
        "from test_cost import lossy_chain\nsystem = lossy_chain(1024, 20)\n", encoding="utf-8"
    )
    places = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]
    done = subprocess.run(
        command("simulate", "chain.py:system", "--trajectories", "3", "--duration", "1e5", "--dry-run"),
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": os.pathsep.join([environment()["PYTHONPATH"], *places])},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert lines["propagator"].split()[1] == "sparse"
    assert "likely refused" in lines["reduced"]
    assert all("to prepare" in lines[name] for name in ("modes", "reduced", "sparse"))


def test_tables_beyond_memory_are_avoided_whatever_the_clicks():
    system = lossy_chain(2000, 60)
    jumps = stack_operators([channel.operator for channel in system.channels], system.dimension)
    action = SparsePropagator.compile(system, 1e-10)
    cost = predicted_cost(system, action, jumps, np.eye(2000)[0].astype(complex), 1e-12)
    assert cost.seconds < 1000.0 * cost.seconds_per_click
    assert cost.bytes > 4e9
    assert cost.avoids_modes


def test_the_choice_is_the_same_for_any_request(tmp_path):
    """A record depends on the seed and on the system, not on how many trajectories are asked for."""
    system = lossy_chain(700, 12)
    names = set()
    for trajectories, duration in ((1, 1.0), (3, 20.0)):
        record = tj.simulate(
            system, trajectories, duration, seed=1, initial=np.eye(700)[200], workers=1, progress=False
        )
        names.add((record.provenance["compiled_propagator"], record.provenance["propagator_reason"]))
    assert len(names) == 1


@pytest.mark.parametrize("channels", [1, 4, 20])
def test_memory_is_that_of_the_formula(channels):
    """Compiled arrays, and the most while they are made: the tables of all channels are never there twice."""
    system = random_system(1, 120, channels)
    tracemalloc.start()
    made = compile_system(system, np.eye(120)[0], propagator="modes")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Operators of this test are dense: 16 bytes and an index for each entry, and as stacked rows once more.
    operators = 24.0 * channels * 120**2
    assert memory_of(made).propagator - operators == pytest.approx(modes_bytes(120, channels), rel=0.1)
    assert most - 4.0 * operators < 1.1 * modes_bytes(120, channels, peak=True)


MEASURED = """
import gc, re, sys
from pathlib import Path
import numpy as np
from test_cost import lossy_chain
from trajectories.engine.compiled import compile_system
from trajectories.engine.cost import modes_bytes

def kilobytes(name):
    return float(re.search(name + r":\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

size, channels = map(int, sys.argv[1:])
compile_system(lossy_chain(16, 2), np.eye(16)[0], propagator="modes")
system = lossy_chain(size, channels)
gc.collect()
Path("/proc/self/clear_refs").write_text("5")  # forgets the highest resident size so far
before = kilobytes("VmRSS")
compiled = compile_system(system, np.eye(size)[0], propagator="modes")
made, most = kilobytes("VmRSS") - before, kilobytes("VmHWM") - before
print(1024 * made / modes_bytes(size, channels), 1024 * most / modes_bytes(size, channels, peak=True))
"""


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="needs Linux' record of memory")
@pytest.mark.parametrize(("size", "channels"), [pytest.param(320, 2, marks=pytest.mark.slow), (320, 16)])
def test_memory_of_the_process_is_that_of_the_formula(size, channels):
    """At the most, LAPACK's work space included, for few and for many channels."""
    command = [sys.executable, "-c", MEASURED, str(size), str(channels)]
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]
    done = subprocess.run(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    made, most = map(float, done.stdout.split())
    assert 0.75 < most < 1.3
    # With few channels it is less than what the allocator keeps of the work space.
    assert channels < 10 or 0.75 < made < 1.3


def test_time_grows_with_channels():
    assert modes_seconds(1024, 20) > 2.0 * modes_seconds(1024, 1)
