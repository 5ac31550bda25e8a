"""The command line: what it does, what it prints and returns, and Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from click_systems import driven_atom
from command_line import ATOM, ROOT, TINY, command, environment, simulate

import trajectories as tj
from trajectories.cli.configuration import read_job
from trajectories.engine.blocks import BlockTask, run_block
from trajectories.engine.compiled import CompiledSystem
from trajectories.errors import InvalidInput
from trajectories.records import Run

EXAMPLES = sorted((ROOT / "examples").glob("*.toml"))


def test_a_run_is_continued_and_then_only_loaded(run, here, quick_report, monkeypatch):
    (here / "good.toml").write_text(TINY)
    assert simulate(run, "good.toml")[0] == 0
    record = tj.load("out")
    (here / "out" / "blocks" / "000000000-000000000.npz").unlink()
    assert run("info", "out")[1][1].endswith("unfinished: 1 of 2 blocks")
    assert simulate(run, "good.toml", "--workers", "2")[0] == 0
    assert tj.load("out").time.tobytes() == record.time.tobytes()
    monkeypatch.setattr(
        "trajectories.simulation.workers.run_blocks", lambda *_, **__: pytest.fail("computed again")
    )
    assert simulate(run, "good.toml")[0] == 0


@pytest.mark.parametrize("how", ["an OpenSystem", "a SpinningResonator", "a function"])
def test_a_python_file_gives_any_system(run, here, quick_report, how):
    text = {
        "an OpenSystem": ATOM + "chosen = system\n",
        "a SpinningResonator": "import trajectories as tj\nchosen = tj.SpinningResonator(detuning=1.3)\n",
        "a function": ATOM + "def chosen(): return system\n",
    }[how]
    (here / "mine.py").write_text(text, encoding="utf-8")
    more = ("--levels", "4,4,4") if how == "a SpinningResonator" else ()
    arguments = ("--trajectories", "3", "--duration", "50", "--seed", "1", *more)
    assert simulate(run, "mine.py:chosen", *arguments) == (0, [], [])
    system = tj.SpinningResonator(detuning=1.3).system((4, 4, 4)) if more else driven_atom(1.0, 0.4)
    record = tj.simulate(system, 3, 50.0, seed=1, workers=1, progress=False)
    assert tj.load("out").time.tobytes() == record.time.tobytes()


SPIN = """import numpy as np
import trajectories as tj

space = tj.HilbertSpace(spin=2, cavity=6{})
a, s = space.lower("cavity"), space.transition("spin", 0, 1)
h = 0.2 * (a.T @ s + s.T @ a) + 0.5 * (s + s.T)
system = tj.OpenSystem(h, [tj.Channel("cavity", a), tj.Channel("spin", np.sqrt(0.3) * s)], space)
"""


def test_a_spin_that_is_declared_finite_is_no_truncation(run, here, quick_report, undrawn):
    size = ("--trajectories", "2", "--duration", "20", "--seed", "1")
    (here / "spin.py").write_text(SPIN.format(", finite='spin'"), encoding="utf-8")
    assert simulate(run, "spin.py:system", *size) == (0, [], [])
    assert run("analyse", "out", "--window", "1", "--out", "analysed")[2] == []
    _, out, err = run("info", "spin.py:system")
    assert [line.split()[2] for line in out if line.startswith("top level")] == ["cavity"]
    assert not err
    (here / "mode.py").write_text(SPIN.format(""), encoding="utf-8")
    status, _, err = run("simulate", "mode.py:system", "--out", "mode", "--quiet", "--workers", "1", *size)
    assert status == 0
    assert "finite=('spin',)" in "".join(err)
    (here / "wrong.py").write_text(SPIN.format(", finite='spn'"), encoding="utf-8")
    status, _, err = run("info", "wrong.py:system")
    assert status != 0
    assert len(err) == 1
    assert "finite names 'spn'" in err[0]


def test_a_python_file_may_use_dataclasses_and_its_neighbours(run, here, quick_report):
    """As a script run by Python may: its annotations resolve, and it imports what lies beside it."""
    (here / "rates.py").write_text("GAMMA = 0.4\n")
    (here / "mine.py").write_text(
        "from __future__ import annotations\nfrom dataclasses import dataclass\n"
        + ATOM
        + "from rates import GAMMA\n\n@dataclass\nclass Rates:\n    gamma: float = GAMMA\n\n"
        + "assert Rates().gamma == 0.4\n"
    )
    size = ("--trajectories", "3", "--duration", "50", "--seed", "1")
    assert simulate(run, "mine.py:system", *size) == (0, [], [])


def test_options_override_the_configuration(run, here, quick_report):
    (here / "good.toml").write_text(TINY + '[resonator]\nkappa = [0.01, 0.02, 0.03]\ndirection = "right"\n')
    simulate(run, "good.toml", "--trajectories", "3", "--duration", "20", "--seed", "5", "--levels", "3,2,2")
    described = Run.open("out").metadata
    assert [described["configuration"][key] for key in ("trajectories", "duration", "seed")] == [3, 20.0, 5]
    assert described["space"]["levels"] == {"photon": 3, "phonon": 2, "magnon": 2, "atom": 2}
    assert described["parameters"]["kappa"] == [0.01, 0.02, 0.03]
    assert described["parameters"]["direction"] == "right"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_a_job(path):
    """The four examples: pairs that are emitted at their resonance, and enough to make two thousand clicks."""
    job = read_job(str(path), levels=(4, 3, 3))
    emitted = {"blue_left": "magnon", "pink_right": "phonon", "orange_left": "phonon", "orange_right": "magnon"}
    assert job.pair == ("photon", emitted[path.stem])
    assert job.resonator.direction == path.stem.split("_")[1]
    expected = job.resonator.resonance(f"photon-{emitted[path.stem]}", (4, 3, 3))
    assert job.resonator.detuning == round(expected, 6)
    assert job.window == pytest.approx(3.0 / job.resonator.kappas[0])
    # Click rates of the paper's regimes are about 5e-4.
    assert job.trajectories * job.duration * 5e-4 > 2000


def test_there_are_four_examples():
    assert [path.stem for path in EXAMPLES] == ["blue_left", "orange_left", "orange_right", "pink_right"]


def test_info_describes_a_configuration(run, here):
    (here / "good.toml").write_text(TINY + "[resonator]\nkappa = 0.01\n")
    status, out, err = run("info", "good.toml")
    assert (status, err) == (0, [])
    text = "\n".join(out)
    assert "N=64" in text
    assert re.search(r"kappa +0\.01", text)
    rates = dict(re.findall(r"exact rate +(\w+) +(\S+)", text))
    steady = tj.simulate(read_job("good.toml").system, 1, 1.0, seed=0, workers=1, progress=False).provenance[
        "steady_state"
    ]
    assert set(rates) == {"photon", "phonon", "magnon", "atom"}
    for name, rate in rates.items():
        assert float(rate) == pytest.approx(steady["rates"][name], rel=1e-5)
    assert re.search(r"top level +photon", text)
    # What its --help promises.
    assert "resonance" in text


def test_info_describes_a_run(run, here, quick_report):
    (here / "good.toml").write_text(TINY)
    simulate(run, "good.toml", "--duration", "5000")
    status, out, err = run("info", "out")
    assert (status, err) == (0, [])
    text = "\n".join(out)
    assert "complete: 2 of 2 blocks" in text
    assert re.search(r"seed +1\b", text)
    assert re.search(r"propagator +(modes|sparse)", text)
    counted = {name: int(count) for name, count in re.findall(r"clicks +(\w+) +(\d+)", text)}
    record = tj.load("out")
    assert counted == dict(zip(record.channel_names, record.counts().sum(axis=0).tolist(), strict=True))


def test_info_of_nothing_gives_versions(run):
    status, out, err = run("info")
    assert (status, err) == (0, [])
    assert any(line.startswith("numba") for line in out)
    assert any(tj.__version__ in line for line in out)


@pytest.mark.parametrize("target", ["nowhere", "nowhere.toml", "folder"])
def test_info_of_what_is_not_there_is_one_line(run, here, target):
    (here / "folder").mkdir()
    status, out, err = run("info", target)
    assert (status, out, len(err)) == (2, [], 1)
    assert target in err[0]


@pytest.mark.parametrize("command", ["simulate", "info"])
def test_help_is_enough_to_work_from(run, command):
    status, out, err = run(command, "--help")
    assert (status, err) == (0, [])
    text = "\n".join(out)
    assert "1/ω_b" in text or command == "info"
    if command == "simulate":
        for option in ("--out", "--trajectories", "--duration", "--seed", "--workers", "--levels"):
            assert option in text
        assert "Ctrl-C" in text


def test_version(run):
    assert run("--version")[1] == [f"bundle-trajectories {tj.__version__}"]


@pytest.mark.parametrize("where", ["read_job", "simulate", "report"])
def test_ctrl_c_at_any_moment_is_status_130_and_one_line(run, here, monkeypatch, where):
    """While the resonance is located, while simulating, or while the pictures are drawn."""

    def press(*_, **__):
        raise KeyboardInterrupt

    (here / "good.toml").write_text(TINY)
    if where == "read_job":
        monkeypatch.setattr("trajectories.cli.configuration.read_job", press)
    elif where == "simulate":
        monkeypatch.setattr("trajectories.simulation.workers.run_blocks", press)
    else:
        monkeypatch.setattr("trajectories.cli.simulate.report_run", press)
    status, out, err = simulate(run, "good.toml")
    assert (status, out, len(err)) == (130, [], 1)
    assert "run the same command again" in err[0]


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_real_ctrl_c_keeps_what_is_done(here, number):
    (here / "mine.py").write_text(ATOM, encoding="utf-8")
    size = ("--trajectories", "512", "--duration", "1e5", "--seed", "6", "--workers", "2")
    with subprocess.Popen(
        command("simulate", "mine.py:system", "--out", "out", "--quiet", *size),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 60.0
            while not list(here.glob("out/blocks/0*.npz")):
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            process.send_signal(number)
            out, err = process.communicate(timeout=60.0)
        finally:
            process.kill()
    assert process.returncode == 130
    assert out == ""
    said = re.fullmatch(
        r"interrupted: (\d+) of 128 blocks are kept in out; run the same command again to continue\n", err
    )
    assert said, err
    kept = Run.open("out").finished()
    assert int(said[1]) == len(kept) > 0
    assert not Run.open("out").complete
    # What is kept is whole: the same bits as an undisturbed block.
    first, last = kept[0]
    compiled = CompiledSystem.from_arrays(Run.open("out").arrays())
    block = run_block(compiled, BlockTask(first, last, 6, 1e5))
    assert Run.open("out").read_block((first, last))["time"].tobytes() == block.time.tobytes()


def test_a_refusal_from_outside_is_one_line_too(here):
    (here / "bad.toml").write_text(TINY + "[resonator]\ndetunning = 1.3\n")
    done = subprocess.run(
        command("simulate", "bad.toml", "--out", "out"),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "detunning" in done.stderr
    assert not (here / "out").exists()


@pytest.mark.skipif(os.name != "posix", reason="closes a pipe")
def test_a_reader_that_leaves_is_no_error(here):
    """`trajectories info | head -0`"""
    with subprocess.Popen(
        command("info"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        err = process.stderr.read()
        process.wait(60.0)
    assert err == ""
    assert process.returncode in (0, -signal.SIGPIPE, 128 + signal.SIGPIPE)


def test_reading_a_job_leaves_what_is_not_said_open(here):
    (here / "bare.toml").write_text("")
    job = read_job("bare.toml")
    assert (job.trajectories, job.duration, job.seed, job.window, job.pair) == (None,) * 5
    assert job.resonator == tj.SpinningResonator()
    assert job.system.dimension == 5 * 4 * 4 * 2
    with pytest.raises(InvalidInput):
        read_job("bare.toml", levels=(1, 1, 1))


def test_a_cut_off_is_read(here):
    (here / "cut.toml").write_text("[truncation]\nlevels = [4, 4, 4]\nmax_quanta = 2\n")
    space = read_job("cut.toml").system.space
    assert space.max_quanta == 2
    assert np.all(space.occupations[:, :3].sum(axis=1) <= 2)
