"""The two packages as they are installed: one place, one version, public names."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import trajectories as tj
from trajectories import analysis, lindblad

INSTALLED = Path(tj.__file__).resolve().parents[1]
CHECKOUT = Path(__file__).resolve().parents[2]


def test_both_packages_come_from_the_same_place():
    """A stale install of one beside a checkout of the other would go unnoticed otherwise."""
    assert Path(analysis.__file__).parents[2].resolve() == INSTALLED


@pytest.mark.parametrize(
    "name",
    [
        "Channel",
        "ClickRecord",
        "HilbertSpace",
        "OpenSystem",
        "SpinningResonator",
        "fizeau_shift",
        "load",
        "simulate",
    ],
)
def test_public_names_are_there(name):
    assert name in tj.__all__
    assert name in dir(tj)
    assert callable(getattr(tj, name))
    assert getattr(tj, name).__doc__


def test_every_promised_name_is_there_and_no_other():
    for name in tj.__all__:
        assert getattr(tj, name) is not None
    with pytest.raises(AttributeError, match="simulatte"):
        _ = tj.simulatte


def test_the_version_is_the_one_of_the_package():
    described = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))
    assert described["project"]["version"] == tj.__version__


def test_importing_is_cheap_and_draws_nothing():
    """`import trajectories` loads no engine, and the engine no plotting library."""
    script = (
        "import sys, trajectories; assert 'numba' not in sys.modules and 'scipy' not in sys.modules;"
        "trajectories.simulate; assert 'matplotlib' not in sys.modules and 'analysis' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=INSTALLED, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_a_folder_of_ones_own_named_analysis_is_not_in_the_way(tmp_path):
    """People have folders `analysis` and `tests` of their own; ours are parts of the one package."""
    for name in ("analysis", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise AssertionError('{name} of the user imported')")
    script = (
        "import trajectories as tj; from trajectories import analysis as an, lindblad;"
        "assert an.g2 and lindblad.g2 and tj.lindblad is lindblad and tj.analysis is an; import analysis"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert "analysis of the user imported" in done.stderr.splitlines()[-1]  # theirs, and only when they ask for it
    command = [sys.executable, "-m", "trajectories.cli", "analyse", "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["reduced", "steady_state"])
def test_a_function_with_the_name_of_a_module_stays_the_function(name):
    """However the module of that name is imported; a function of the user's pickles, too, as workers need it."""
    module = importlib.import_module(f"trajectories.lindblad.{name}")
    assert isinstance(module, ModuleType)
    function = getattr(lindblad, name)
    assert callable(function)
    assert getattr(importlib.reload(lindblad), name) is function
    assert pickle.loads(pickle.dumps(function)) is function
    found: dict = {}
    exec(f"import trajectories.lindblad.{name}\nfrom trajectories.lindblad import {name} as taken", found)
    assert found["taken"] is getattr(found["trajectories"].lindblad, name) is function
