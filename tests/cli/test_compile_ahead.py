"""The engine's kernel, compiled by another process, is the one that this process would compile."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest
from command_line import PACKAGE

from trajectories.cli.compile_ahead import PACKAGE_FOLDER, _stored, compile_engine, parts
from trajectories.engine.modes import modes_kernels
from trajectories.kernel_cache import DraftCache, Kernel
from trajectories.kernel_records import passed

# A run into a folder, whose compiled system went through a file, as the command line makes it.
WHOLE = """
import tempfile, trajectories as tj
from trajectories.cli.compile_ahead import compile_engine, compiled_ahead
from trajectories.engine.modes.modes_kernels import advance
a = tj.HilbertSpace(photon=4).lower("photon")
system = tj.OpenSystem(0.3 * (a + a.T), [tj.Channel("photon", a)])

def follow():
    with tempfile.TemporaryDirectory() as folder:
        tj.simulate(system, 2, 20.0, seed=1, propagator="modes", workers=2, progress=False, out=folder + "/run")
"""
USE = """
before = advance.on_disk()
with compiled_ahead():
    awaited = advance._awaited is not None
    follow()
stats = advance.entry.stats
print(before, awaited, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""
# A kernel of one line stands for the engine's, which takes ten seconds to compile.
SMALL = """
from trajectories.cli import compile_ahead
from trajectories.engine.modes import modes_kernels
advance = modes_kernels.advance = modes_kernels.between
compile_ahead.SCRIPT = "from trajectories.engine.modes.modes_kernels import between; between(1.0, 3.0, 0.1)"
compiled_ahead, follow = compile_ahead.compiled_ahead, lambda: advance(1.0, 3.0, 0.1)
"""
SAME = """
compile_engine()
before = len(advance.entry.signatures)
follow()
print(before, len(advance.entry.signatures))
"""


# A cavity of which a reduced basis holds a part.
REDUCED = """
import tempfile, numpy as np, trajectories as tj
from trajectories.cli.compile_ahead import compile_reduced, _reduced_kernels
compile_reduced()
before = [len(kernel.entry.signatures) for kernel in _reduced_kernels()]
space = tj.HilbertSpace(cavity=40, atom=2)
a, s = space.lower("cavity"), space.lower("atom")
hamiltonian = 0.3 * space.number("cavity") + 0.2 * (a @ s.T + a.T @ s) + 0.05 * (a + a.T)
system = tj.OpenSystem(hamiltonian, [tj.Channel("cavity", 0.3 * a), tj.Channel("atom", 0.2 * s)])
with tempfile.TemporaryDirectory() as folder:
    options = dict(initial=np.eye(80)[0], propagator="reduced", workers=2, progress=False)
    tj.simulate(system, 2, 200.0, seed=1, out=folder + "/run", **options)
print(before, [len(kernel.entry.signatures) for kernel in _reduced_kernels()])
"""


needs_two = pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="with one processor nothing is started")


def used(script: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=PACKAGE,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def check(script: str, folder: Path) -> None:
    """The first process waits for the kernel and takes it from disk; the second has nothing to wait for."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder)}
    assert used(script, environment) == "False True 1 0"
    assert used(script, environment) == "True False 1 0"


@needs_two
def test_it_is_waited_for_and_used_and_made_only_once(tmp_path):
    check(SMALL + USE, tmp_path)


def test_the_kernel_that_is_compiled_is_the_one_that_a_run_calls():
    """One signature for both: another would be compiled once more."""
    assert used(WHOLE + SAME, dict(os.environ)) == "1 1"


def test_the_kernels_of_a_reduced_basis_are_those_that_a_run_calls():
    assert used(REDUCED, dict(os.environ)) == "[1, 1, 1] [1, 1, 1]"


@needs_two
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "failed"])
def test_a_kernel_is_waited_for_until_it_is_there_or_its_process_has_ended(tmp_path, monkeypatch, compiled):
    """One kernel at a time, of a process that compiles several: the first can be used while others are made."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(numba.core.config, "CACHE_DIR", str(tmp_path))
    kernel = Kernel(modes_kernels.between.py_func, {}, False)
    script = "import time; from trajectories.engine.modes.modes_kernels import between; {} time.sleep({})"
    command = script.format("between(1.0, 3.0, 0.1);", 60) if compiled else script.format("", 0)
    # The package that is tested, which need not be that of the folder: a kernel is known by its file.
    environment = os.environ | {"PYTHONPATH": str(PACKAGE_FOLDER)}
    with subprocess.Popen([sys.executable, "-c", command], cwd=tmp_path, env=environment) as process:
        _stored(kernel, process)
        assert kernel.on_disk() == compiled
        assert (process.poll() is None) == compiled
        process.kill()


@needs_two
@pytest.mark.slow
def test_the_engine_s_kernel_is_waited_for_and_used_and_made_only_once(tmp_path):
    check(WHOLE + USE, tmp_path)


def test_the_parts_are_those_that_the_whole_asks_for():
    """With the very types: otherwise the whole would ask for others, and two would lie on the disk."""
    if not isinstance(modes_kernels.advance, Kernel):
        pytest.skip("Numba is switched off")
    compile_engine()
    for kernel, signature in parts():
        kept = [types for types, *_ in DraftCache(kernel.py_func)._cache_file._load_index()]
        assert kept == [tuple(map(passed, signature))], kernel.__name__


def test_if_the_other_process_fails_it_is_compiled_here():
    failing = Kernel(modes_kernels.between.py_func, {}, False)
    waited = []
    failing.wait_for(lambda: waited.append(1))
    assert failing(1.0, 3.0, 0.1) == failing(1.0, 3.0, 0.1) == pytest.approx(2.0)
    assert waited == [1]
