"""Named tuples that kernels pass by a pointer: values, places and counts of references are those of Python."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, NamedTuple

import numpy as np
import pytest
from numba.core import config
from numba.core.errors import LoweringError
from numba.core.runtime import _nrt_python, rtsys

from trajectories import kernel_records
from trajectories.kernel_cache import cached_kernel
from trajectories.kernel_drafts import DRAFTED

pytestmark = pytest.mark.skipif(not DRAFTED, reason="drafts are made with the Numba that they were tested with")


@pytest.fixture(autouse=True)
def compiled_here(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))


class Pair(NamedTuple):
    values: np.ndarray
    step: float


class Pairs(NamedTuple):
    first: Pair
    second: Pair
    number: int


def kernels() -> tuple[Any, Any]:
    """Return a kernel that a kernel calls with records, and that one; neither creates arrays."""

    @cached_kernel(apart=True, _nrt=False)
    def add(pair, k):
        pair.values[k] += pair.step

    @cached_kernel(_nrt=False, apart=True)
    def through(pairs, n):
        """Pass arguments, their fields, variables that change, and tuples that are made here."""
        add(pairs.second, 0)
        here, there = pairs.first, pairs.second
        for k in range(n):
            add(here, k)
            here, there = there, here
            before = here
            here = there
            add(before, k)  # not what `here` is now
            here = before
        made = Pair(pairs.first.values, 100.0)
        for k in range(n):
            before = made
            made = Pair(pairs.second.values, 1000.0 * (k + 1))
            add(before, k)  # not the one that was made in its place
        add(made, n)
        return here.step

    return add, through


def outer_of(through: Any) -> Any:
    @cached_kernel(_nrt=False)
    def outer(pairs, n):
        return through(pairs, n)

    return outer


def pairs() -> Pairs:
    return Pairs(Pair(np.zeros(5), 1.0), Pair(np.zeros(5), 10.0), 4)


def results(function: Any, *given: Any) -> tuple[Any, list[float], list[float]]:
    values = pairs()
    return function(values, 4), values.first.values.tolist(), values.second.values.tolist()


def plain() -> tuple[Any, list[float], list[float]]:
    """What Python makes of the same functions."""
    values = pairs()

    def add(pair, k):
        pair.values[k] += pair.step

    add(values.second, 0)
    here, there = values.first, values.second
    for k in range(4):
        add(here, k)
        here, there = there, here
        add(here, k)
    made = Pair(values.first.values, 100.0)
    for k in range(4):
        before, made = made, Pair(values.second.values, 1000.0 * (k + 1))
        add(before, k)
    add(made, 4)
    return here.step, values.first.values.tolist(), values.second.values.tolist()


def test_records_have_the_values_of_named_tuples():
    add, through = kernels()
    assert results(outer_of(through)) == plain()
    for kernel in (add, through):
        for compiled in kernel.draft.overloads.values():
            function = compiled.library.get_function(compiled.fndesc.llvm_func_name)
            assert len(list(function.arguments)) == 4  # what is returned, the exception, the record, a number


def test_a_place_where_something_else_is_stored_later_is_noticed(monkeypatch):
    """Planted fault: every value is passed as the place that it was read from."""

    def careless(value):
        return value.operands[0] if isinstance(value, kernel_records.llvm.LoadInstr) else None

    monkeypatch.setattr(kernel_records, "place_of", careless)
    assert results(outer_of(kernels()[1])) != plain()


@pytest.fixture
def counted():
    _nrt_python.memsys_enable_stats()
    yield
    _nrt_python.memsys_disable_stats()


@pytest.mark.usefixtures("counted")
def test_references_are_counted_as_without_records():
    @cached_kernel(apart=True)
    def halved(pair):
        whole = pair
        values = whole.values
        return values[:2], values * 0.5

    @cached_kernel
    def outer(pairs):
        part, new = halved(pairs.first)
        for _ in range(3):
            part, new = halved(Pair(new, 1.0))
        return part, new

    given = np.ones(5)
    before = rtsys.get_allocation_stats()
    part, new = outer(Pairs(Pair(given, 1.0), Pair(given, 1.0), 0))
    np.testing.assert_array_equal(part, [0.125, 0.125])
    np.testing.assert_array_equal(new, np.full(5, 0.0625))
    del part, new
    after = rtsys.get_allocation_stats()
    assert after.alloc - before.alloc == after.free - before.free > 0
    assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free > 0


def test_a_kernel_does_not_return_what_it_was_given():
    @cached_kernel
    def same(pair):
        return pair

    @cached_kernel
    def outer(pair):
        return same(pair)

    with pytest.raises(LoweringError, match="cannot return a record"):
        outer(Pair(np.ones(1), 1.0))


def test_another_numba_needs_none_of_its_inner_parts():
    """With a version that records were not tested with, the module that uses inner parts is not imported."""
    script = (
        "import sys, numba\n"
        "numba.version_info = numba.version_info._replace(short=(0, 99))\n"
        "import trajectories, trajectories.kernel_drafts\n"
        "assert not trajectories.kernel_drafts.DRAFTED\n"
        "print('trajectories.kernel_records' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
