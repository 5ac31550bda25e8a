"""Ctrl-C and SIGTERM, at any moment and any number of times: one line, status 130, no traceback."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest
from command_line import ATOM, TINY, command, environment, simulate

from trajectories.cli.signals import AGAIN, Stop
from trajectories.engine.interruption import Interruption
from trajectories.records import Run

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends signals")
LONG = ("--out", "out", "--quiet", "--trajectories", "200000", "--duration", "1e4", "--seed", "1")


def press_when_loaded(arguments: list[str], module: str, delay: float, number: int) -> subprocess.CompletedProcess:
    """Start Python, send it a signal `delay` seconds after it has loaded a module, and return what it says after.

    Python lists the modules that it loads, each when it is loaded: so the moment is known.
    """
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", *arguments],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            for line in process.stderr:
                if line.rstrip().endswith(module):
                    break
            time.sleep(delay)
            process.send_signal(number)
            rest = process.communicate(timeout=60.0)[1]
        finally:
            process.kill()
    said = [line for line in rest.splitlines() if not line.startswith("import time:")]
    return subprocess.CompletedProcess(arguments, process.returncode, "", "\n".join(said))


SLOW_DELAYS = [pytest.param(delay, marks=pytest.mark.slow) for delay in (0.03, 0.2)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.01, 0.1, 0.3, *SLOW_DELAYS])
def test_while_libraries_are_loaded(here, delay, number):
    """As soon as our first module is there; what Python itself does before that is not ours."""
    (here / "mine.py").write_text(ATOM, encoding="utf-8")
    arguments = ["-m", "trajectories.cli", "simulate", "mine.py:system", *LONG]
    said = press_when_loaded(arguments, "trajectories.cli.signals", delay, number)
    assert said.returncode in (130, -signal.SIGINT), said.stderr  # the latter where it came while Python evaluates
    assert said.stderr.splitlines() == [AGAIN]


SWALLOWING = """
import traceback
try:
    import pressed_in
except BaseException:  # as import_array() of NumPy's C interface does
    traceback.print_exc()
    raise ImportError("could not be loaded")
"""
PRESSED = """
import os, signal, time
for _ in range(2):
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.1)
"""
WAITING = """
import time
from trajectories.cli.signals import Stop
try:
    with Stop() as stop:
        import swallowing
        print("loaded", stop.pressed, flush=True)
        time.sleep(5.0)
        print("not heard")
except KeyboardInterrupt:
    print("heard")
"""


def test_what_loads_a_library_in_c_cannot_swallow_it(here):
    """It waits until the library is there, however often it comes meanwhile, and is then heard at once."""
    (here / "swallowing.py").write_text(SWALLOWING, encoding="utf-8")
    (here / "pressed_in.py").write_text(PRESSED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", WAITING], cwd=here, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.split("\n")[-2], done.stderr) == ("heard", "")


HALF_MADE = """
import signal, sys
from trajectories.cli import entry, process
class Half:
    def __init__(self):
        {}
        signal.raise_signal(signal.SIGINT)
        self.made = True
    def __del__(self):  # as of objects of LLVM
        del self.made
entry._commanded = lambda *_: Half()
sys.exit(process.start())
"""


@pytest.mark.parametrize("until", ["pass", "self.me = self"], ids=["it is dropped", "the interpreter ends"])
def test_what_is_left_half_made_does_not_complain(here, until):
    """It said "Exception ignored in … AttributeError" after our line."""
    done = subprocess.run(
        [sys.executable, "-c", HALF_MADE.format(until)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", f"{AGAIN}\n")


def test_planted_fault_libraries_loaded_first_are_a_traceback(here):
    """What the console script did before: the same signal, the same moment."""
    arguments = ["-c", "from trajectories.cli.entry import main; main(['--help'])"]
    said = press_when_loaded(arguments, "trajectories.cli", 0.02, signal.SIGINT)
    assert "Traceback" in said.stderr


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_five_times_while_blocks_run(here, number):
    """The second gives up the blocks in flight, the others change nothing; the run is sound."""
    (here / "mine.py").write_text(ATOM, encoding="utf-8")
    pause = random.Random(1)
    with subprocess.Popen(
        command("simulate", "mine.py:system", *LONG),
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            deadline = time.monotonic() + 60.0
            while not (here / "out" / "run.json").exists():
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            for _ in range(5):
                time.sleep(0.2 * pause.random())
                process.send_signal(number)
            out, err = process.communicate(timeout=60.0)
        finally:
            process.kill()
    assert process.returncode in (130, -signal.SIGINT)
    assert (out, err.count("\n")) == ("", 1)
    assert "run the same command again" in err
    assert not Run.open("out").damaged()
    assert not [path for path in (here / "out").rglob("*.tmp")]


def test_the_first_is_an_interruption_and_the_others_are_nothing():
    with Stop() as stop:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
        assert stop.pressed
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_while_blocks_run_the_second_is_the_interruption():
    with Stop(), Interruption() as interruption:
        signal.raise_signal(signal.SIGTERM)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_in_a_program_of_a_user_sigterm_is_left_alone():
    with Interruption():
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_ignored_stays_ignored(monkeypatch):
    """As under nohup."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Stop(), Interruption() as interruption:
            signal.raise_signal(signal.SIGINT)
            assert not interruption.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_elsewhere_than_in_the_main_thread_nothing_is_changed():
    seen = []

    def command_in_a_thread():
        with Stop(), Interruption():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=command_in_a_thread)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]


@pytest.mark.parametrize(
    "turned_into", [ImportError("cut short"), SystemError("returned NULL"), KeyboardInterrupt()]
)
def test_an_interruption_that_comes_out_as_another_error_is_one(run, here, monkeypatch, turned_into):
    def press(*_, **__):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise turned_into from None

    (here / "good.toml").write_text(TINY)
    monkeypatch.setattr("trajectories.cli.configuration.read_job", press)
    assert simulate(run, "good.toml") == (130, [], [AGAIN])


def test_another_error_is_no_interruption(run, here, monkeypatch):
    def fail(*_, **__):
        raise SystemError("on purpose")

    (here / "good.toml").write_text(TINY)
    monkeypatch.setattr("trajectories.cli.configuration.read_job", fail)
    with pytest.raises(SystemError, match="on purpose"):
        simulate(run, "good.toml")
