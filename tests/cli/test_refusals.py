"""The command line refuses what cannot be right: one line, status 2, no traceback, nothing written."""

from __future__ import annotations

import pytest
from command_line import ATOM, SIMULATION, TINY, refused, simulate

import trajectories as tj

BAD_TOML = {
    "syntax": ("[simulation\n", "not valid TOML"),
    "not text": (b"\xff\xfe\x00", "not valid TOML"),
    "key twice": ("[simulation]\nseed = 1\nseed = 2\n", "not valid TOML"),
    "unknown table": (TINY + "[physics]\n", "physics"),
    "a value at the top": ("seed = 1\n", "seed"),
    "a table that is none": ("simulation = 3\n", "simulation"),
    "tables in a list": ("[[simulation]]\nseed = 1\n", "simulation"),
    "unknown key": (TINY + "[resonator]\ncapa = 0.1\n", "capa"),
    "key of another table": (TINY + "[resonator]\nseed = 1\n", "seed"),
    "trajectories missing": ("[simulation]\nduration = 1.0\nseed = 1\n", "--trajectories"),
    "duration missing": ("[simulation]\ntrajectories = 1\nseed = 1\n", "--duration"),
    "seed missing": ("[simulation]\ntrajectories = 1\nduration = 1.0\n", "--seed"),
    "nothing": ("", "--trajectories"),
    "trajectories = many": (
        '[simulation]\ntrajectories = "many"\nduration = 1.0\nseed = 1\n',
        "trajectories='many'",
    ),
    "trajectories = 0": ("[simulation]\ntrajectories = 0\nduration = 1.0\nseed = 1\n", "trajectories=0"),
    "trajectories = 2.5": ("[simulation]\ntrajectories = 2.5\nduration = 1.0\nseed = 1\n", "trajectories=2.5"),
    "trajectories = true": ("[simulation]\ntrajectories = true\nduration = 1.0\nseed = 1\n", "trajectories=True"),
    "duration = long": ('[simulation]\ntrajectories = 1\nduration = "long"\nseed = 1\n', "duration='long'"),
    "duration = nan": ("[simulation]\ntrajectories = 1\nduration = nan\nseed = 1\n", "duration=nan"),
    "duration = inf": ("[simulation]\ntrajectories = 1\nduration = inf\nseed = 1\n", "duration=inf"),
    "duration = -1": ("[simulation]\ntrajectories = 1\nduration = -1.0\nseed = 1\n", "duration=-1"),
    "seed = -1": ("[simulation]\ntrajectories = 1\nduration = 1.0\nseed = -1\n", "seed=-1"),
    "seed = x": ('[simulation]\ntrajectories = 1\nduration = 1.0\nseed = "x"\n', "seed='x'"),
    "tolerance = x": (SIMULATION + 'tolerance = "x"\n', "tolerance"),
    "tolerance = 0": (SIMULATION + "tolerance = 0.0\n", "tolerance=0"),
    "tolerance = true": (SIMULATION + "tolerance = true\n", "tolerance"),
    "propagator = magic": (SIMULATION + 'propagator = "magic"\n', "magic"),
    "propagator = list": (SIMULATION + 'propagator = ["auto"]\n', "propagator"),
    "detuning = x": (TINY + '[resonator]\ndetuning = "x"\n', "detuning='x'"),
    "detuning = nan": (TINY + "[resonator]\ndetuning = nan\n", "detuning=nan"),
    "detuning = true": (TINY + "[resonator]\ndetuning = true\n", "detuning=True"),
    "detuning = a date": (TINY + "[resonator]\ndetuning = 1979-05-27\n", "detuning"),
    "detuning = a list": (TINY + "[resonator]\ndetuning = [1.0]\n", "detuning"),
    "detuning beyond floats": (TINY + f"[resonator]\ndetuning = 1{'0' * 400}\n", "detuning"),
    "kappa = -1": (TINY + "[resonator]\nkappa = -1.0\n", "kappa"),
    "kappa of two": (TINY + "[resonator]\nkappa = [0.1, 0.1]\n", "kappa"),
    "kappa of three, one bad": (TINY + '[resonator]\nkappa = [0.1, "x", 0.1]\n', "kappa"),
    "gamma = -1": (TINY + "[resonator]\ngamma = -1.0\n", "gamma"),
    "thermal of two": (TINY + "[resonator]\nthermal = [0.1, 0.1]\n", "thermal"),
    "thermal = -1": (TINY + "[resonator]\nthermal = [0.1, -0.1, 0.0]\n", "thermal"),
    "direction = up": (TINY + '[resonator]\ndirection = "up"\n', "up"),
    "direction = 3": (TINY + "[resonator]\ndirection = 3\n", "direction=3"),
    "regime = red": (TINY + '[resonator]\nregime = "red"\n', "red"),
    "regime = 3": (TINY + "[resonator]\nregime = 3\n", "regime"),
    "regime = list": (TINY + '[resonator]\nregime = ["blue"]\n', "blue"),
    "regime = table": (TINY + "[resonator.regime]\nname = 3\n", "regime"),
    "orange without direction": (TINY + '[resonator]\nregime = "orange"\n', "direction"),
    "regime and detuning": (TINY + '[resonator]\nregime = "blue"\ndetuning = 1.3\n', "keep one"),
    "levels = 5.5": (SIMULATION + "[truncation]\nlevels = [5.5, 4, 4]\n", "5.5"),
    "levels of two": (SIMULATION + "[truncation]\nlevels = [4, 4]\n", "levels"),
    "levels = 4": (SIMULATION + "[truncation]\nlevels = 4\n", "levels=4"),
    "levels = text": (SIMULATION + '[truncation]\nlevels = "444"\n', "levels"),
    "levels of text": (SIMULATION + '[truncation]\nlevels = ["4", "4", "4"]\n', "'4'"),
    "levels = 1": (SIMULATION + "[truncation]\nlevels = [1, 4, 4]\n", "photon=1"),
    "levels = 0": (SIMULATION + "[truncation]\nlevels = [4, 0, 4]\n", "phonon=0"),
    "levels = -4": (SIMULATION + "[truncation]\nlevels = [4, 4, -4]\n", "magnon=-4"),
    "levels absurd": (SIMULATION + "[truncation]\nlevels = [1000, 1000, 1000]\n", "lower"),
    "levels too many": (SIMULATION + "[truncation]\nlevels = [40, 40, 40]\n", "give fewer levels"),
    "levels too many for a regime": (
        SIMULATION + '[resonator]\nregime = "blue"\n[truncation]\nlevels = [40, 40, 40]\n',
        "give fewer levels",
    ),
    "levels beyond floats": (SIMULATION + f"[truncation]\nlevels = [1{'0' * 400}, 4, 4]\n", "lower"),
    "max_quanta = 0": (SIMULATION + "[truncation]\nmax_quanta = 0\n", "max_quanta=0"),
    "max_quanta = x": (SIMULATION + '[truncation]\nmax_quanta = "x"\n', "max_quanta"),
    "window = 0": (TINY + "[analysis]\nwindow = 0.0\n", "window=0"),
    "window = -1": (TINY + "[analysis]\nwindow = -1.0\n", "window=-1"),
    "window = nan": (TINY + "[analysis]\nwindow = nan\n", "window=nan"),
    "window = inf": (TINY + "[analysis]\nwindow = inf\n", "window=inf"),
    "window = x": (TINY + '[analysis]\nwindow = "x"\n', "window='x'"),
    "window = true": (TINY + "[analysis]\nwindow = true\n", "window=True"),
    "pair unknown": (TINY + '[analysis]\npair = ["photon", "gluon"]\n', "gluon"),
    "pair of one": (TINY + '[analysis]\npair = ["photon"]\n', "pair"),
    "pair = text": (TINY + '[analysis]\npair = "photon-magnon"\n', "pair"),
    "pair of numbers": (TINY + "[analysis]\npair = [0, 2]\n", "pair"),
    "pair of one channel twice": (TINY + '[analysis]\npair = ["photon", "photon"]\n', "pair|different"),
}


@pytest.mark.parametrize("case", BAD_TOML)
def test_a_configuration_that_cannot_be_right_is_one_line(run, here, case):
    content, message = BAD_TOML[case]
    path = here / "bad.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(here, simulate(run, "bad.toml"), message)


BAD_PYTHON = {
    "syntax": ("def\n", "system", "SyntaxError"),
    "it fails": (ATOM + "1 / 0\n", "system", "ZeroDivisionError"),
    "it fails in two lines": (ATOM + "raise ValueError('first\\nsecond')\n", "system", "first"),
    "it exits": (ATOM + "import sys\nsys.exit('bye')\n", "system", "bye"),
    "no such name": (ATOM, "sistem", "sistem"),
    "no name": (ATOM, "", "name"),
    "a number": (ATOM + "answer = 42\n", "answer", "int"),
    "a class": (ATOM + "class System: pass\n", "System", "type"),
    "a module": (ATOM, "np", "module"),
    "needs arguments": (ATOM + "def make(kappa): return system\n", "make", "without arguments"),
    "returns nothing": (ATOM + "def make(): pass\n", "make", "NoneType"),
    "its function fails": (ATOM + "def make(): raise RuntimeError('no luck')\n", "make", "no luck"),
    "its function has a TypeError": (ATOM + "def make(): return 1 + 'a'\n", "make", "unsupported operand"),
    "not Hermitian": (ATOM + "system = tj.OpenSystem(sigma, [channel])\n", "system", "not Hermitian"),
    "not Hermitian, made": (
        ATOM + "def make(): return tj.OpenSystem(sigma, [channel])\n",
        "make",
        "not Hermitian",
    ),
    "dimensions": (ATOM + "system = tj.OpenSystem(np.eye(3), [channel])\n", "system", "dimension"),
    "NaN": (ATOM + "system = tj.OpenSystem(np.eye(2) * np.nan, [channel])\n", "system", "nan"),
    "no channels": (ATOM + "system = tj.OpenSystem(np.eye(2), [])\n", "system", "no channel"),
    "names twice": (ATOM + "system = tj.OpenSystem(np.eye(2), [channel, channel])\n", "system", "twice"),
    "two steady states": (
        ATOM + "system = tj.OpenSystem(np.eye(4), [tj.Channel('c', np.kron(np.eye(2), sigma))])\n",
        "system",
        "not unique",
    ),
}


@pytest.mark.parametrize("case", BAD_PYTHON)
def test_a_python_file_that_cannot_be_right_is_one_line(run, here, case):
    content, name, message = BAD_PYTHON[case]
    (here / "mine.py").write_text(content, encoding="utf-8")
    size = ("--trajectories", "2", "--duration", "10", "--seed", "1")
    refused(here, simulate(run, f"mine.py:{name}", *size), message)


def test_a_python_file_without_a_name_is_told_how_to_name_it(run, here):
    (here / "mine.py").write_text(ATOM, encoding="utf-8")
    refused(here, simulate(run, "mine.py"), "file.py:name|mine.py:")


@pytest.mark.parametrize("source", ["nowhere.toml", "nowhere.py:system", "", "nowhere.txt:name"])
def test_a_configuration_that_is_not_there_is_one_line(run, here, source):
    refused(here, simulate(run, source), "does not exist")


def test_a_folder_is_no_configuration(run, here):
    refused(here, simulate(run, "."), "is a folder; give a TOML file")


@pytest.mark.parametrize("command", ["analyse", "validate", "info", "export"])
def test_a_run_that_is_not_there_is_said_before_any_remedy(run, here, command):
    refused(here, run(command, "runs/none"), "runs/none does not exist; give a run folder or a file of clicks")


def test_all_that_a_configuration_lacks_is_said_at_once(run, here):
    (here / "mine.py").write_text(ATOM, encoding="utf-8")
    message = "trajectories, duration and seed; give them as in --trajectories 256 --duration 1e5 --seed 1"
    refused(here, simulate(run, "mine.py:system"), message)


@pytest.mark.parametrize(
    ("text", "table"),
    [("direction = 'left'", "resonator"), ("levels = [3, 3, 3]", "truncation"), ("sed = 1", "simulation")],
)
def test_a_value_at_the_top_is_told_its_table(run, here, text, table):
    (here / "mine.toml").write_text(text, encoding="utf-8")
    refused(here, simulate(run, "mine.toml"), rf"belongs in \[{table}\]")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--trajectories", "0"),
        ("--duration", "nan"),
        ("--seed", "-1"),
        ("--workers", "0"),
        ("--propagator", "fast"),
        ("--until", "g2 < 1"),
    ],
)
def test_options_are_refused_before_the_resonance_is_located(run, here, monkeypatch, option, value):
    def located(*_, **__):
        raise AssertionError("work was done before the options were looked at")

    monkeypatch.setattr("trajectories.cli.configuration.read_job", located)
    refused(here, run("simulate", "blue.toml", "--out", "runs/x", option, value), value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--trajectories", "0"), "trajectories=0"),
        (("--trajectories", "-3"), "trajectories=-3"),
        (("--duration", "0"), "duration=0"),
        (("--duration", "nan"), "duration=nan"),
        (("--duration", "1e400"), "duration=inf"),
        (("--seed", "-1"), "seed=-1"),
        (("--workers", "0"), "workers=0"),
        (("--workers", "-1"), "workers=-1"),
        (("--levels", "1,4,4"), "photon=1"),
        (("--levels", "1000,1000,1000"), "lower"),
        (("--propagator", "magic"), "magic"),
        (("--window", "0"), "window=0"),
        (("--window", "-2"), "window=-2"),
        (("--window", "nan"), "window=nan"),
        (("--window", "inf"), "window=inf"),
    ],
    ids=" ".join,
)
def test_an_option_that_cannot_be_right_is_one_line(run, here, options, message):
    (here / "good.toml").write_text(TINY)
    refused(here, simulate(run, "good.toml", *options), message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--trajectories", "many"), "'many' is not an integer"),
        (("--trajectories", "2.5"), "'2.5' is not an integer"),
        (("--duration", "long"), "'long' is not a number"),
        (("--seed", "x"), "'x' is not an integer"),
        (("--workers", "all"), "'all' is not an integer"),
        (("--levels", "5,4"), "'5,4' is not three integers"),
        (("--levels", "5.5,4,4"), "not three integers"),
        (("--window", "wide"), "'wide' is not a number"),
        (("--speed", "3"), "--speed"),
    ],
    ids=" ".join,
)
def test_what_argparse_refuses_ends_in_the_value_and_status_2(run, here, arguments, message):
    (here / "good.toml").write_text(TINY)
    status, out, err = simulate(run, "good.toml", *arguments)
    assert status == 2
    assert out == []
    assert message in err[-1]
    assert not (here / "out").exists()


@pytest.mark.parametrize("arguments", [("simulate",), ("simulate", "good.toml"), ("dance",)], ids=str)
def test_incomplete_commands_are_refused(run, here, arguments):
    status, out, _ = run(*arguments)
    assert status == 2
    assert out == []


def test_levels_do_not_apply_to_a_system_of_one_s_own(run, here):
    (here / "mine.py").write_text(ATOM, encoding="utf-8")
    size = ("--trajectories", "2", "--duration", "10", "--seed", "1")
    refused(here, simulate(run, "mine.py:system", "--levels", "4,4,4", *size), "--levels")


@pytest.mark.parametrize("kind", ["file", "folder", "unwritable"])
def test_a_place_that_is_taken_is_one_line(run, here, kind):
    """Also when the truncation would be warned about: the refusal comes before any work."""
    (here / "shallow.toml").write_text(SIMULATION + "[truncation]\nlevels = [2, 2, 2]\n")
    target = here / "taken"
    if kind == "file":
        target.write_text("precious")
    elif kind == "folder":
        target.mkdir()
        (target / "notes.txt").write_text("precious")
    place = "/proc/no/such/place" if kind == "unwritable" else "taken"
    status, out, err = run("simulate", "shallow.toml", "--out", place, "--quiet")
    assert (status, out) == (2, [])
    assert len(err) == 1, err
    assert place in err[0]
    if kind != "unwritable":
        assert [path.read_text() for path in (target, *target.rglob("*")) if path.is_file()] == ["precious"]


def test_a_run_of_another_configuration_is_one_line_and_is_left_alone(run, here, quick_report):
    (here / "good.toml").write_text(TINY)
    assert simulate(run, "good.toml")[0] == 0
    before = {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()}
    for options, named in (
        (("--seed", "2"), "seed"),
        (("--levels", "3,3,2"), "digest"),
        (("--duration", "9"), "dura"),
    ):
        status, out, err = simulate(run, "good.toml", *options)
        assert (status, out, len(err)) == (2, [], 1)
        assert named in err[0]
    assert {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()} == before


def test_a_damaged_block_is_one_line(run, here, quick_report):
    (here / "good.toml").write_text(TINY)
    simulate(run, "good.toml")
    block = here / "out" / "blocks" / "000000001-000000001.npz"
    block.write_bytes(block.read_bytes()[:100])
    for arguments in (("info", "out"), ("simulate", "good.toml", "--out", "out", "--quiet")):
        status, _, err = run(*arguments)
        assert (status, len(err)) == (2, 1)
        assert "000000001-000000001.npz" in err[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("export", "clicks", "--out", "a.npz", "--duration", "5"), "--duration is for measured files"),
        (("export", "clicks.npz", "--out", "a.npz", "--duration", "5"), "duration=5.* is for measured files"),
        (("export", "clicks.npz", "--out", "a.npz", "--markers"), "is for measured files"),
        (("export", "clicks.npz", "--out", "a.ptu", "--unit", "ns"), "--unit ns must be the length of 1/ω_b"),
        (("info", "clicks", "--unit", "ns"), "--unit has no effect here, because clicks is a run folder"),
        (("info", "clicks", "--find-delay", "a,b,1"), "--find-delay has no effect"),
        (("info", "clicks.npz", "--levels", "3,3,3"), "--levels has no effect .* is a file of clicks"),
        (("info", "atom.py:system", "--delay", "atom=1"), "--delay has no effect .* is a configuration"),
        (("info", "--levels", "3,3,3"), "--levels has no effect here, because there is no RUN"),
        (("simulate", "atom.py:system", "--out", "out", "--dask", "x", "--workers", "2"), "--dask x|--workers"),
        (("analyse", "clicks", "--detectors", "a", "--seen-with", "b"), "give only one"),
    ],
)
def test_an_option_without_effect_is_refused(run, here, arguments, message):
    (here / "clicks").mkdir()
    (here / "atom.py").write_text(ATOM, encoding="utf-8")
    record = tj.ClickRecord.from_arrays([0], [0.5], [0], channel_names=["atom"], start=0.0, stop=1.0)
    tj.export(record, here / "clicks.npz")
    refused(here, run(*arguments), message)
    assert not list(here.glob("a.*"))
