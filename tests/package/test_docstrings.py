"""Public docstrings: every public callable shows an example, and every example runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import sys
import warnings

import pytest

import trajectories as tj
import trajectories.model
import trajectories.qutip
import trajectories.records
from trajectories import analysis, lindblad

PUBLIC = {
    f"{room.__name__}.{name}": getattr(room, name)
    for room in (tj, lindblad, analysis, trajectories.qutip)
    for name in room.__all__
    if callable(getattr(room, name))
}
# Public names that have no example yet; one that gets an example must be taken off the list.
WITHOUT_EXAMPLE: set[str] = set()
MODULES = sorted(
    {value.__module__ for value in PUBLIC.values()}
    | {f"trajectories.model.{module.name}" for module in pkgutil.iter_modules(trajectories.model.__path__)}
    | {f"trajectories.records.{module.name}" for module in pkgutil.iter_modules(trajectories.records.__path__)}
)


def has_example(value: object) -> bool:
    """Whether the docstring of an object itself holds an example, in a section of that name."""
    text = value.__doc__ or ""
    return "\n    Examples\n    --------\n" in text and bool(doctest.DocTestParser().get_examples(text))


def test_every_public_callable_has_a_docstring():
    assert [name for name, value in PUBLIC.items() if not (value.__doc__ or "").strip()] == []


def test_every_public_callable_has_an_example_but_those_listed():
    without = {name for name, value in PUBLIC.items() if not has_example(value)}
    assert without == WITHOUT_EXAMPLE


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    """Examples may write files: they run in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = doctest.testmod(module, optionflags=doctest.FAIL_FAST)
    assert result.failed == 0, "see the output above"


def test_the_examples_of_public_callables_are_among_those_run():
    """A doctest finder skips what it takes for imported; each public example must be found in its own module."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {
        (test.name, bool(test.examples)) for name in MODULES for test in finder.find(sys.modules[name], name=name)
    }
    for name, value in PUBLIC.items():
        if name not in WITHOUT_EXAMPLE:
            assert (f"{value.__module__}.{value.__qualname__}", True) in found, name


def test_an_example_that_is_wrong_is_noticed():
    """The planted fault: the machinery above must fail for a wrong output."""
    wrong = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "wrong", None, 0)
    report: list[str] = []
    assert doctest.DocTestRunner(verbose=False).run(wrong, out=report.append).failed == 1
    assert "Expected" in "".join(report)
