"""How the tests are dealt out to processes, and the fixtures of the command-line tests."""

from __future__ import annotations

import gc
import os
import warnings
from pathlib import Path

import pytest
import session_folder

TESTS = Path(__file__).parent
# Files that take longest, the longest first: begun last, one would go on while all else is done. Neighbours
# need different kernels, so that two processes compile them side by side.
LONGEST = (
    "engine/test_trajectory_kernels.py",
    "analysis/test_streaming.py",
    "analysis/test_pulse_counts.py",
    "statistics/test_validation.py",
    "lindblad/test_reduced.py",
    "cli/test_analyse_command.py",
    "analysis/test_recorded_detectors.py",
    "statistics/test_fit.py",
    "cli/test_pulsed_commands.py",
    "engine/test_reduced_audit.py",
    "simulation/test_crashes.py",
    "simulation/test_executors.py",
    "lindblad/test_spectra.py",
    "physics/test_two_time_wave_functions.py",
    "lindblad/test_filter.py",
    "statistics/test_imperfect_validation.py",
    "simulation/test_targets.py",
    "analysis/test_plot.py",
    "engine/test_pulses.py",
    "statistics/test_false_alarms.py",
    "records/test_harmful_files.py",
    "cli/test_report.py",
    "lindblad/test_detector_memory.py",
    "engine/test_reduced.py",
    "engine/test_dark_states.py",
    "lindblad/test_steady_state.py",
    "statistics/test_validate_pulses.py",
    "lindblad/test_reduced_answers.py",
    "simulation/test_warm_up.py",
    "lindblad/test_steady_ensemble.py",
    "simulation/test_initial_states.py",
    "physics/test_master_equation.py",
    "physics/test_pulsed_mcsolve.py",
    "lindblad/test_emission.py",
    "physics/test_click_laws.py",
    "lindblad/test_truncation.py",
    "cli/test_compile_ahead.py",
    "statistics/test_stopping.py",
    "engine/test_cost.py",
    "statistics/test_planted_faults.py",
)


def pytest_configure(config: pytest.Config) -> None:
    for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # the processes share the cores, not BLAS
        os.environ.setdefault(threads, "1")
    os.fsync = lambda _: None  # it guards against a loss of power, which no test makes, and takes milliseconds
    gc.set_threshold(300_000, 20, 20)  # looking for garbage took a twentieth of the time
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # by the number of tests, whatever time they take
    session_folder.begin()
    worker = "PYTEST_XDIST_WORKER" in os.environ
    if worker or not getattr(config.option, "tx", None):  # one that runs tests: the others start sooner without
        import solved_once

        solved_once.begin()
    if worker:
        from compile_once import share_compilation
        from rewritten_once import share_rewriting

        share_rewriting()
        share_compilation()


def pytest_unconfigure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" not in os.environ:
        session_folder.end()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    import solved_once

    solved_once.share_for(item)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """The examples are a suite of their own: where it is not asked for, it is not read either."""
    return True if collection_path == TESTS / "examples" and "not example" in config.option.markexpr else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {TESTS / name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish() -> None:
    gc.freeze()  # what was collected stays


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys, here):
    """Run the command line in this process; return its status, its output lines and its error lines."""

    from trajectories import cli

    def call(*arguments: str) -> tuple[int, list[str], list[str]]:
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # as outside the tests, where a warning is a line
            try:
                status = cli.main(list(arguments))
            except SystemExit as leave:  # how argparse refuses
                status = leave.code
            except KeyboardInterrupt:  # would end the tests, not the test
                pytest.fail("KeyboardInterrupt was not handled")
        said = capsys.readouterr()
        return status, said.out.splitlines(), said.err.splitlines()

    return call


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the pictures of an analysis, which take most of its time."""
    monkeypatch.setattr("trajectories.analysis.report.figures.pictures", lambda *_: iter(()))


@pytest.fixture
def quick_report(monkeypatch):
    monkeypatch.setattr("trajectories.cli.simulate.report_run", lambda *_: None)
