"""What we advise to install can be installed: names on the index, for the Python that runs."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from click_systems import driven_atom, watch

import trajectories as tj
from trajectories.errors import MissingPackage
from trajectories.simulation.executors import dask_executor, mpi_executor

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
NAME = re.compile(r"[A-Za-z0-9_-]+")
# What is not ours and that we name in a command: everything else is in an extra.
OTHERS = {"pycorrelate", "pdoc"}


def named_in(extra: str) -> set[str]:
    return {NAME.match(requirement)[0] for requirement in EXTRAS[extra]}


def enter(context) -> None:
    with context:
        pass


def record() -> tj.ClickRecord:
    return watch(driven_atom(1.0, 0.4), 2, 5.0, seed=1, initial=np.array([1.0, 0.0]))


@pytest.mark.parametrize(
    ("package", "extra", "use"),
    [
        ("h5py", "formats", lambda here: tj.export(record(), here / "clicks.h5", tick=1e-3, unit=1e-9)),
        ("h5py", "formats", lambda here: tj.load(here / "given.h5")),
        ("qutip", "qutip", lambda here: driven_atom(1.0, 0.4).to_qutip()),
        ("distributed", "cluster", lambda here: enter(dask_executor("tcp://127.0.0.1:1"))),
        ("mpi4py", "cluster", lambda here: enter(mpi_executor())),
    ],
)
def test_a_missing_package_names_a_command_that_installs_it(monkeypatch, tmp_path, package, extra, use):
    """The Python that runs, and names that the package index has because an extra of ours has them."""
    (tmp_path / "given.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingPackage) as refusal:
        use(tmp_path)
    said = str(refusal.value)
    assert "\n" not in said
    advice = re.search(r"; (\S+) -m pip install (.+)$", said)
    assert advice[1] == sys.executable
    assert package in advice[2].split()
    assert set(advice[2].split()) <= named_in(extra)


def texts() -> list[Path]:
    """Sources, documents and pipelines that people read; not this file."""
    found = [path for pattern in ("*.md", "*.py", "*.toml") for path in ROOT.rglob(pattern)]
    kept = ("README.md", "CHANGELOG.md", "trajectories", "analysis", "examples", "tests", ".github")
    return [path for path in found if path.relative_to(ROOT).parts[0] in kept and path != Path(__file__).resolve()]


def misadvice(text: str) -> list[str]:
    """Return what a text tells us to install and pip could not: from the checkout '.' and its extras are known."""
    known = {name for extra in EXTRAS for name in named_in(extra)} | OTHERS
    wrong = []
    for command in re.findall(r"pip install ((?:-\w+ )*[^`&;\n)\"]+)", text):
        for word in command.split():
            if word.startswith(("-", "{")):  # an option, or a name put in when the text is shown
                continue
            extra = re.fullmatch(r"'?\.(?:\[(\w+)\])?'?", word)
            if (extra is None and word not in known) or (extra and extra[1] and extra[1] not in EXTRAS):
                wrong.append(word)
    return wrong


def test_no_text_advises_what_cannot_be_installed():
    assert len(texts()) > 200
    wrong = {str(path.relative_to(ROOT)): misadvice(path.read_text(encoding="utf-8")) for path in texts()}
    assert {path: words for path, words in wrong.items() if words} == {}


def test_planted_fault_the_advice_of_before_is_caught():
    assert misadvice("pip install 'bundle-trajectories[formats]'") == ["'bundle-trajectories[formats]'"]
    assert misadvice("`.venv/bin/pip install '.[format]'`") == ["'.[format]'"]
    assert misadvice("`.venv/bin/pip install -e '.[dev]' && .venv/bin/pytest`") == []


def test_the_readme_needs_nothing_that_its_installation_does_not_bring(monkeypatch, tmp_path):
    """Each format that it shows `export` with is written without the packages of extras."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"export RUN --format (\w[\w-]*)", readme) + re.findall(r"also (\w+), (\w+), and", readme)
    formats = {name for found in shown for name in ((found,) if isinstance(found, str) else found)}
    assert formats >= {"csv"}
    for package in ("h5py", "qutip", "distributed", "mpi4py", "ptufile", "phconvert"):
        monkeypatch.setitem(sys.modules, package, None)
    for name in formats:
        clock = {"tick": 1e-3, "unit": 1e-9} if name == "ptu" else {}
        assert tj.export(record(), tmp_path / f"clicks.{name}", name, **clock).stat().st_size > 0


def test_the_extra_of_the_tests_has_everything_that_they_need():
    """So that none is skipped for want of a package, MPI included."""
    assert named_in("cluster") | named_in("formats") | named_in("qutip") <= named_in("test")
    assert {"mpi4py", "mpich"} <= named_in("cluster")
