"""The command line's own texts: overview, help with examples, hints, completion."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest

import trajectories as tj
from trajectories.cli import main
from trajectories.cli.completion import _options
from trajectories.cli.parser import ALIASES, command_line_parser, commands_of, examples

COMMANDS = sorted(set(commands_of(command_line_parser())))


def test_alone_it_shows_the_five_things_that_one_can_do(capsys):
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert len(re.findall(r"^  trajectories \w+", shown, re.MULTILINE)) == 5
    assert tj.__version__ in shown
    by_module = subprocess.run([sys.executable, "-m", "trajectories"], capture_output=True, text=True, check=True)
    assert by_module.stdout == shown


def test_every_example_of_a_help_is_a_command(capsys):
    given = [shlex.split(line.partition(">")[0]) for line in examples()]
    assert {words[1] for words in given} == set(COMMANDS) - set(ALIASES) - {"help"}
    for words in given:
        options = command_line_parser().parse_args(words[1:])
        assert callable(options.command)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_can_be_asked_for_in_two_ways_and_fits_a_terminal(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([command, "--help"])
    by_option = capsys.readouterr().out
    assert main(["help", command]) == 0
    assert capsys.readouterr().out == by_option
    text = [line for line in by_option.splitlines() if not line.startswith("  ")]
    assert max(map(len, text)) <= 80
    assert command == "help" or "examples:\n  trajectories" in by_option


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["simualte", "x.toml"], "did you mean 'simulate'?"),
        (["help", "exprot"], "did you mean 'export'?"),
        (["simulate", "x.toml", "--trajectores", "3"], "did you mean '--trajectories'?"),
        (["simulate", "x.toml", "--trajectores=3"], "did you mean '--trajectories'?"),
        (["validate", "x", "--quiet"], "unknown option '--quiet'; trajectories validate --help lists them"),
        (["exact"], "required: CONFIG; see trajectories exact --help"),
        (["validate", "x", "--levels", "3"], "three integers"),
        (["analyse", "x", "y"], "unknown argument 'y'"),
        (["completion", "tcsh"], "must be one of bash, zsh, fish"),
        (["frobnicate"], "the commands are simulate, "),
    ],
)
def test_mistakes_are_one_line_with_the_nearest_word(arguments, told, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["export", "RUN", "--format", "cvs"], "did you mean 'csv'?"),
        (["completion", "fisch"], "did you mean 'fish'?"),
        (["simulate", "systm.toml", "--dry-run"], "did you mean 'system.toml'?"),
        (["simulate", "mine.py:sytem", "--dry-run"], "did you mean 'system'?"),
        (["simulate", "mime.py:system", "--dry-run"], "did you mean 'mine.py'?"),
        (["info", "system.tml"], "did you mean 'system.toml'?"),
        (["simulate", "system.toml", "--dry-run", "--propagator", "mode"], "did you mean 'modes'?"),
    ],
)
def test_formats_shells_files_and_systems_have_hints_too(arguments, told, here, capsys):
    (here / "system.toml").write_text("[simulation]\ntrajectories = 1\nduration = 1.0\n")
    (here / "mine.py").write_text("system = 3\n")
    try:
        status = main(arguments)
    except SystemExit as left:
        status = left.code
    assert status == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[resonatr]\nregime = "blue"\n', "did you mean 'resonator'?"),
        ('[resonator]\nregime = "blue"\nkapa = 0.1\n', "did you mean 'kappa'?"),
        ('[resonator]\nregime = "bleu"\n', "did you mean 'blue'?"),
        ('[resonator]\nregime = "blue"\ndirection = "lft"\n', "did you mean 'left'?"),
    ],
)
def test_words_of_configurations_and_channels_have_hints_too(text, told, tmp_path, capsys):
    config = tmp_path / "x.toml"
    config.write_text(text)
    assert main(["exact", str(config)]) == 2
    assert told in capsys.readouterr().err


def test_channels_and_systems_have_hints_too():
    sigma = tj.HilbertSpace(atom=2).lower("atom")
    system = tj.OpenSystem(sigma + sigma.T, [tj.Channel("photon", sigma)])
    with pytest.raises(tj.InvalidInput, match="did you mean 'photon'"):
        system.channel("foton")
    record = tj.ClickRecord.from_arrays([0], [1.0], [0], channel_names=["photon"], start=0.0, stop=2.0)
    with pytest.raises(tj.InvalidInput, match="did you mean 'photon'"):
        record["Photons"]


def test_a_run_of_another_system_is_told_by_its_parameters(tmp_path):
    def simulate(**parameters):
        sigma = tj.HilbertSpace(atom=2).lower("atom")
        channels = [tj.Channel("photon", parameters["rate"] ** 0.5 * sigma)]
        system = tj.OpenSystem(sigma + sigma.T, channels, parameters=parameters)
        tj.simulate(system, 2, 5.0, seed=1, out=tmp_path / "run", progress=False)

    simulate(rate=1.0, kept=3)
    with pytest.raises(
        tj.RunFolderError, match=r"another run: rate is 1.0 in the run and 1.5 in the request; choose"
    ):
        simulate(rate=1.5, kept=3)
    with pytest.raises(
        tj.RunFolderError,
        match=r"rate is 1.0 in the run and 1.5 in the request, extra is not given in the run",
    ):
        simulate(rate=1.5, kept=3, extra=2)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_option(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for name, parser in commands_of(command_line_parser()).items():
        assert name in script
        for option in _options(parser):
            assert (option.name if shell != "fish" else f"-l {option.name[2:]} ") in script
    assert "%%" not in script
    assert "npz csv photon-hdf5 ptu" in script
    assert "bash zsh fish" in script
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def completed(script, *words):
    """Return what bash would offer for the last word."""
    line = " ".join(shlex.quote(word) for word in words)
    asked = f"COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _trajectories"
    code = f"{script}\n{asked}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    found = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return found.stdout.split()


def test_bash_completes(capsys, tmp_path, monkeypatch):
    main(["completion", "bash"])
    script = capsys.readouterr().out
    assert completed(script, "trajectories", "sim") == ["simulate"]
    assert completed(script, "trajectories", "simulate", "x", "--tr") == ["--trajectories"]
    assert "--json" in completed(script, "trajectories", "exact", "--")
    assert completed(script, "trajectories", "export", "run", "--format", "p") == ["photon-hdf5", "ptu"]
    assert completed(script, "trajectories", "completion", "") == ["bash", "zsh", "fish"]
    assert completed(script, "trajectories", "help", "val") == ["validate"]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blue.toml").touch()
    assert completed(script, "trajectories", "simulate", "bl") == ["blue.toml"]


def test_deviations_are_never_minus_nought():
    assert tj.Estimate(1.0, 1.0).deviation_text(1.01) == "+0.0 σ"
    assert tj.Estimate(1.0, 1.0).deviation_text(1.2) == "-0.2 σ"
    assert tj.Estimate(1.0, float("nan")).deviation_text(1.2) == "–"


def test_the_process_ends_without_looking_for_cycles():
    """Python looks through all that the libraries hold when it ends, which took a second."""
    code = """
import atexit, sys
from trajectories.cli import process

class Cycle:
    def __init__(self):
        self.itself = self
    def __del__(self):
        print("collected")

kept = Cycle()
sys.argv = ["trajectories", "--version"]
atexit.register(print, "handler before")
try:
    process.start()
except SystemExit as leave:
    atexit.register(print, "handler after")
    raise
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["handler after", "handler before"], done.stderr
