"""Targets and time budgets: what --until says, when a run ends, and what the record then holds."""

from __future__ import annotations

import itertools

import click_systems
import numpy as np
import pytest
from click_systems import driven_atom, random_system, watch
from command_line import ATOM, TINY
from run_folders import same

import trajectories as tj
from trajectories import analysis
from trajectories.cli.targets import LEAST_EVENTS, read_target
from trajectories.errors import InvalidInput, RunFolderError
from trajectories.records import Run
from trajectories.simulation import simulate as simulation
from trajectories.simulation import workers
from trajectories.simulation.request import checked_request
from trajectories.simulation.simulate import simulate_run

SYSTEM = random_system(1, 4, 2)
KET = np.eye(4)[0]


def simulated(trajectories: int, duration: float = 20.0, **options) -> tj.ClickRecord:
    return watch(SYSTEM, trajectories, duration, seed=4, initial=KET, **options)


def run_of(folder, trajectories: int, duration: float = 20.0, **options) -> Run:
    request = checked_request(SYSTEM, trajectories, duration, seed=4, initial=KET)
    return simulate_run(request, folder, **({"workers": 1, "progress": False} | options))


def block(folder, bounds):
    return folder / "blocks" / f"{bounds[0]:09d}-{bounds[1] - 1:09d}.npz"


class TestExtension:
    @pytest.mark.parametrize(
        "sizes", [(1, 2), (5, 12), (200, 201), pytest.param((130, 700), marks=pytest.mark.slow), (3, 9, 150, 400)]
    )
    def test_an_extended_run_is_the_larger_run_and_its_blocks_stay(self, tmp_path, sizes):
        for size in sizes:
            kept = {path: path.read_bytes() for path in (tmp_path / "run" / "blocks").glob("*")}
            record = simulated(size, out=tmp_path / "run")
            assert same(record, simulated(size))
            assert record.provenance["complete"] is True
            assert all(path.read_bytes() == content for path, content in kept.items())
        assert same(tj.load(tmp_path / "run"), simulated(sizes[-1]))
        assert len(Run.open(tmp_path / "run").block_bounds()) <= 128 * len(sizes)

    def test_an_unfinished_run_can_be_extended(self, tmp_path):
        run = run_of(tmp_path / "run", 10)
        block(run.folder, run.block_bounds()[3]).unlink()
        assert same(simulated(15, out=tmp_path / "run"), simulated(15))

    def test_another_machine_is_warned_of(self, tmp_path, monkeypatch):
        """Bits are promised for the same processor and versions only."""
        simulated(3, out=tmp_path / "run")
        here = simulation.software()
        monkeypatch.setattr(simulation, "software", lambda: here | {"cpu": "z80", "platform": "CP/M"})
        with pytest.warns(UserWarning, match=r"started with cpu \S+ and continues with cpu z80") as said:
            simulated(5, out=tmp_path / "run")
        assert [str(each.filename) for each in said] == [click_systems.__file__]

    def test_averages_are_those_of_the_larger_run(self, tmp_path):
        options = {"observables": {"p": KET}, "sample_times": [0.0, 5.0, 20.0]}
        simulated(7, out=tmp_path / "run", **options)
        extended = simulated(30, out=tmp_path / "run", **options)
        whole = simulated(30, **options)
        assert extended.expectations["p"].value.tobytes() == whole.expectations["p"].value.tobytes()

    def test_fewer_trajectories_are_refused_with_the_remedy(self, tmp_path):
        simulated(10, out=tmp_path / "run")
        with pytest.raises(
            RunFolderError, match=r"has 10 finished trajectories, more than trajectories=9; give 10 or more"
        ):
            simulated(9, out=tmp_path / "run")
        with pytest.raises(InvalidInput, match="give 10 or more"):
            Run.open(tmp_path / "run").extend(9, 1)

    def test_a_block_does_not_fit_elsewhere_in_the_extended_run(self, tmp_path):
        run = run_of(tmp_path / "run", 4)
        block(run.folder, (1, 2)).rename(block(run.folder, (2, 3)))
        with pytest.raises(RunFolderError, match="damaged or belongs to another run"):
            simulated(8, out=tmp_path / "run")


class TestUntil:
    def test_it_is_asked_at_fixed_stages_of_whole_runs(self, tmp_path):
        asked = []

        def enough(run):
            assert run.complete
            asked.append(run.trajectories)
            assert same(run.record(), simulated(run.trajectories))
            return run.trajectories >= 200

        record = simulated(5000, out=tmp_path / "run", until=enough)
        assert asked == [64, 128, 256]
        assert same(record, simulated(256))

    def test_stages_grow_by_what_is_missing_within_bounds(self, tmp_path):
        asked, answers = [], iter([np.inf, 1.5, 1.001, 7, 0.99])

        def enough(run):
            asked.append(run.trajectories)
            return next(answers)

        assert simulated(5000, out=tmp_path / "run", until=enough).n_trajectories == asked[-1]
        # Doubled, times 1.5 and a margin, by a tenth at least, doubled at the most.
        assert asked == [64, 128, 202, 223, 446]

    def test_the_same_call_asks_again_and_computes_nothing(self, tmp_path, monkeypatch):
        simulated(5000, out=tmp_path / "run", until=lambda run: True)
        monkeypatch.setattr(workers, "run_blocks", lambda *_, **__: pytest.fail("computed again"))
        assert simulated(5000, out=tmp_path / "run", until=lambda run: True).n_trajectories == 64

    def test_all_trajectories_are_the_most(self, tmp_path):
        assert simulated(100, out=tmp_path / "run", until=lambda run: False).n_trajectories == 100
        assert simulated(150, out=tmp_path / "run", until=lambda run: False).n_trajectories == 150

    def test_an_interrupted_stage_ends_with_the_same_bits(self, tmp_path, monkeypatch):
        write, written = Run.write_block, itertools.count()

        def fail_once(run, bounds, columns):
            if next(written) == 100:
                raise RunFolderError("disk full")
            write(run, bounds, columns)

        monkeypatch.setattr(Run, "write_block", fail_once)
        with pytest.raises(RunFolderError, match="disk full"):
            simulated(5000, out=tmp_path / "run", until=lambda run: run.trajectories >= 200)
        record = simulated(5000, out=tmp_path / "run", until=lambda run: run.trajectories >= 200)
        assert same(record, simulated(256))

    @pytest.mark.parametrize(("options", "message"), [({"until": 5}, "until=5"), ({"out": None}, "out=")])
    def test_what_cannot_be_asked_is_refused(self, tmp_path, options, message):
        with pytest.raises(InvalidInput, match=message):
            simulated(100, **({"out": tmp_path / "run", "until": lambda run: True} | options))
        assert not (tmp_path / "run").exists()


class TestTime:
    def test_time_that_is_up_leaves_the_leading_trajectories(self, tmp_path, monkeypatch):
        ticks = itertools.count()
        monkeypatch.setattr(workers.time, "monotonic", lambda: float(next(ticks)))
        run = run_of(tmp_path / "run", 120, 400.0, seconds=20.0, workers=2)
        assert 4 <= len(run.finished()) < 60
        assert run.leading() == run.finished()
        assert run.record().provenance["complete"] is False
        monkeypatch.undo()
        assert same(run_of(tmp_path / "run", 120, 400.0).record(), simulated(120, 400.0))

    def test_time_enough_changes_nothing(self, tmp_path):
        assert run_of(tmp_path / "run", 40, seconds=1e4).complete

    @pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), "soon"])
    def test_what_is_no_time_is_refused(self, tmp_path, seconds):
        with pytest.raises(InvalidInput, match="seconds="):
            run_of(tmp_path / "run", 40, seconds=seconds)
        assert not (tmp_path / "run").exists()


class TestExpressions:
    resonator = tj.SpinningResonator().system(levels=(3, 2, 2))

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def run(cls, tmp_path_factory):
        """A run of two channels that click together often."""
        cls.run = run_of(tmp_path_factory.mktemp("target") / "run", 64, 400.0)
        cls.window = 0.5

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("rate(c0)", lambda r, w: analysis.rates(r)["c0"]),
            ("purity(c0,c1)", lambda r, w: analysis.pair_purity(r, "c0", "c1", w)),
            ("order(c1,c0)", lambda r, w: analysis.order_fraction(r, "c1", "c0", w)),
            ("bundles(c1,c0)", lambda r, w: analysis.composition_rates(r, w)["c0+c1"]),
        ],
    )
    def test_an_error_is_that_of_the_estimate(self, text, expected):
        found = expected(self.run.record(), self.window)
        for percent, error in (("", found.standard_error), ("%", 100 * found.standard_error / found.value)):
            for factor in (0.99, 1.01):
                target = read_target(f"{text} error < {factor * error:.12g} {percent}", SYSTEM, self.window)
                assert target(self.run) == pytest.approx(factor**-2, rel=1e-5)
                assert ("not reached" in target.report(self.run)) == (factor < 1)

    def test_g2_is_over_the_window(self):
        found = analysis.g2(self.run.record(), "c0", "c1", [-self.window, self.window])
        relative = found.standard_error[0] / found.value[0]
        for factor in (0.99, 1.01):
            target = read_target(f"g2(c0, c1) error<{100 * factor * relative:.12g}%", SYSTEM, self.window)
            assert target(self.run) == pytest.approx(factor**-2, rel=1e-5)

    def test_events_are_counted(self):
        record = self.run.record()
        clicks = int(record.counts()[:, 1].sum())
        bundles = analysis.composition_rates(record, self.window)["c0+c1"].n
        for text, count in (("clicks(c1)", clicks), ("bundles(c1,c0)", bundles)):
            assert read_target(f"{text} >= {count}", SYSTEM, self.window)(self.run) == 1.0
            assert read_target(f"{text} >= {3 * count}", SYSTEM, self.window)(self.run) == 3.0

    def test_the_error_of_a_few_events_decides_nothing(self, tmp_path):
        """One bundle has order fraction 1 ± 0, which is below any limit."""
        few = run_of(tmp_path / "run", 3, 5.0)
        assert 0 < analysis.rates(few.record())["c0"].n < LEAST_EVENTS
        assert read_target("rate(c0) error < 1e9", SYSTEM, None)(few) > 1e6

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "is no target; write"),
            ("soon", "is no target"),
            ("g2(photon,magnon) error > 1%", "is no target"),
            ("g2(photon,magnon) < 1%", "is no target"),
            ("fidelity(photon) error < 1%", "'fidelity'.*rate"),
            ("g2(photon,magnon) >= 3", "'g2'.*clicks, bundles"),
            ("g2(photon,gluon) error < 1%", "'gluon'; there are photon, phonon"),
            ("g2(photon) error < 1%", "two different channels"),
            ("g2(photon,photon) error < 1%", "two different channels"),
            ("rate(photon,magnon) error < 1%", "one channel"),
            ("rate() error < 1%", "names the channel ''"),
            ("purity(photon,atom) error < 1%", "atom"),
            ("bundles(photon,magnon) >= 50%", "not a percentage"),
            ("bundles(photon,magnon) >= many", "'many', no number"),
            ("bundles(photon,magnon) >= -3", "positive"),
            ("bundles(photon,magnon) >= nan", "positive"),
            ("rate(photon) error < 0", "positive"),
            ("rate(photon) error < 1%%", "is no target"),
        ],
    )
    def test_what_cannot_be_meant_is_refused_in_one_line(self, text, message):
        with pytest.raises(InvalidInput, match=message) as refusal:
            read_target(text, self.resonator, None)
        assert "\n" not in str(refusal.value)

    def test_no_window_is_refused_before_any_work(self):
        with pytest.raises(InvalidInput, match="window"):
            read_target("purity(c0,c1) error < 1%", SYSTEM, None)


class TestCommandLine:
    SIZE = ("--trajectories", "200", "--duration", "50", "--seed", "1", "--workers", "1", "--quiet")

    @pytest.fixture(autouse=True)
    def mine(self, here, quick_report):
        (here / "mine.py").write_text(ATOM, encoding="utf-8")

    def test_until_ends_the_run_and_says_so(self, run):
        arguments = ("simulate", "mine.py:system", "--out", "out", *self.SIZE, "--until", "clicks(atom) >= 1000")
        status, out, err = run(*arguments)
        assert (status, err) == (0, [])
        record = tj.load("out")
        # About 0.185 clicks a unit of time: 1000 of them need 108 trajectories, asked for with a margin.
        assert 108 < record.n_trajectories < 128
        assert out == [f"clicks(atom) >= 1000: reached, with {len(record)} events"]

    def test_a_target_out_of_reach_says_so(self, run):
        status, out, _ = run(
            "simulate", "mine.py:system", "--out", "out", *self.SIZE, "--until", "rate(atom) error < 0.01%"
        )
        assert status == 0
        assert "not reached" in out[0]
        assert tj.load("out").n_trajectories == 200

    def test_a_bad_target_is_refused_before_any_work(self, run, here):
        status, out, err = run("simulate", "mine.py:system", "--out", "out", *self.SIZE, "--until", "g2 < 1")
        assert (status, out, len(err)) == (2, [], 1)
        assert not (here / "out").exists()

    def test_time_that_is_up_is_said_and_the_same_command_continues(self, run):
        arguments = ("simulate", "mine.py:system", "--out", "out", *self.SIZE)
        status, out, err = run(*arguments, "--time", "1e-9")
        assert (status, err) == (0, [])
        assert out == ["time is up: 0 of 100 blocks are kept; run the same command again to continue"]
        assert run(*arguments) == (0, [], [])
        assert same(tj.load("out"), watch(driven_atom(1.0, 0.4), 200, 50.0, seed=1))

    def test_a_damaged_block_is_computed_again_on_request(self, run, here):
        (here / "good.toml").write_text(TINY)
        arguments = ("simulate", "good.toml", "--out", "out", "--workers", "1", "--quiet")
        assert run(*arguments)[0] == 0
        record = tj.load("out")
        block(here / "out", (1, 2)).write_bytes(b"spoiled")
        status, _, err = run(*arguments)
        assert (status, len(err)) == (2, 1)
        assert "--repair" in err[0]
        status, out, err = run(*arguments, "--repair")
        assert (status, err) == (0, [])
        assert out == ["set aside out/damaged/000000001-000000001.npz"]
        assert same(tj.load("out"), record)

    def test_there_is_nothing_to_repair_where_there_is_no_run(self, run):
        status, out, err = run("simulate", "mine.py:system", "--out", "out", *self.SIZE, "--repair")
        assert (status, out, len(err)) == (2, [], 1)
        assert "out" in err[0]
