"""Compiled kernels on disk: renewed when a source changes, and never the reason of a failure."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import itertools
import operator
import os
import secrets
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from command_line import ROOT
from numba.core import config, types
from numba.core.bytecode import FunctionIdentity
from numba.core.errors import TypingError
from numba.core.registry import cpu_target

from trajectories import kernel_cache
from trajectories.engine.modes import modes_kernels
from trajectories.kernel_cache import KernelCache, cached_kernel, source_digest
from trajectories.kernel_drafts import compiler_eased

KERNEL_FILES = sorted(
    path
    for package in ("trajectories", "analysis")
    for path in (ROOT / package).rglob("*.py")
    if "import kernel\n" in path.read_text(encoding="utf-8")
)
INNER = "from trajectories.kernel_cache import cached_kernel\n\n@cached_kernel\ndef inner(x):\n    return x + {}\n"
OUTER = (
    "from trajectories.kernel_cache import cached_kernel\nfrom .inner import inner\n\n"
    "@cached_kernel(nogil=True)\ndef outer(x):\n    return inner(x)\n"
)


@pytest.fixture
def upgraded(tmp_path, monkeypatch):
    """Return a function that writes a package of two kernels, loads it afresh and returns the outer one."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(config, "CACHE_DIR", "")
    folder = tmp_path / "kernels_of_a_test"
    folder.mkdir()
    names = [folder.name, f"{folder.name}.inner", f"{folder.name}.outer"]

    def load(number: int):
        (folder / "__init__.py").touch()
        (folder / "inner.py").write_text(INNER.format(number))
        (folder / "outer.py").write_text(OUTER)
        for name in names:
            sys.modules.pop(name, None)
        for compiled in folder.rglob("*.pyc"):
            compiled.unlink()
        importlib.invalidate_caches()
        source_digest.cache_clear()  # as in a new process
        return importlib.import_module(names[2]).outer

    yield load
    for name in names:
        sys.modules.pop(name, None)
    source_digest.cache_clear()


def hits(kernel) -> int:
    return sum(kernel.entry.stats.cache_hits.values())


def entries(folder: Path) -> list[Path]:
    """Kernels on disk as Python calls them."""
    return [path for path in folder.rglob("*.nbc") if not path.name.startswith("draft-")]


def test_a_kernel_is_compiled_once(upgraded):
    first = upgraded(1)
    assert (first(1), hits(first)) == (2, 0)
    second = upgraded(1)
    assert (second(1), hits(second)) == (2, 1)


def test_a_kernel_is_compiled_again_when_one_that_it_calls_has_changed(upgraded):
    assert upgraded(1)(1) == 2
    assert upgraded(2)(1) == 3


def raising_kernels():
    @cached_kernel(nogil=True)
    def checked(x):
        if x < 0.0:
            raise ValueError("negative")
        return np.sqrt(x) * np.ones(3)

    @cached_kernel(nogil=True, apart=True)
    def total(x):
        return checked(x).sum()

    @cached_kernel(nogil=True)
    def outer(x, n):
        return total(x) if n == 0 else total(x + n)

    return checked, total, outer


@pytest.mark.parametrize("drafted", [True, False])
def test_what_kernels_call_is_in_them_and_can_be_called_by_itself(monkeypatch, tmp_path, drafted):
    """Also with a Numba that drafts were never tested with; errors come through; anything is compiled once."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(kernel_cache, "DRAFTED", drafted)
    checked, total, outer = raising_kernels()
    assert outer(4.0, 0) == outer(1.0, 3) == 6.0
    with pytest.raises(ValueError, match="negative"):
        outer(-1.0, 0)
    assert len(entries(tmp_path)) == (1 if drafted else 3)
    assert len(list(tmp_path.rglob("draft-*.nbc"))) == (2 if drafted else 0)
    assert total(9.0) == 9.0
    np.testing.assert_array_equal(checked(4.0), [2.0, 2.0, 2.0])
    again = raising_kernels()[2]
    with pytest.raises(ValueError, match="negative"):
        again(-1.0, 0)
    assert (again(4.0, 0), hits(again)) == (6.0, 1)


def shifted(by: int):
    """Return kernels as another process would have them; all have the same names and types, whatever `by` is."""

    @cached_kernel(nogil=True)
    def inner(x):
        return x + by

    @cached_kernel(nogil=True)
    def between(x):
        return inner(x) + 0.0

    return inner, between


def test_a_draft_on_disk_is_taken_by_other_kernels(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    first = raising_kernels()
    assert first[2](4.0, 0) == 6.0
    again, total, _ = raising_kernels()

    @cached_kernel(nogil=True)
    def other(x):
        return 2.0 * total(x)

    assert other(4.0) == 12.0
    with pytest.raises(ValueError, match="negative"):
        other(-1.0)
    assert sum(total.draft.stats.cache_hits.values()) == 1
    assert again._inner is None  # it is in the draft of `total`


@pytest.mark.parametrize("planted", [False, True])
def test_drafts_of_two_processes_are_not_mixed_up(monkeypatch, tmp_path, planted):
    """Functions of the same name and types are told apart by numbers, which must differ between processes."""
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    begin = itertools.repeat(1000) if planted else (secrets.randbits(60) for _ in itertools.count())
    for by in (1, 2):  # two processes, each with a count of its own
        monkeypatch.setattr(FunctionIdentity, "_unique_ids", itertools.count(next(begin)))
        shifted(by)[1].draft.compile((types.float64,))
    one, two = shifted(1)[1], shifted(2)[1]

    @cached_kernel(nogil=True)
    def both(x):
        return 10.0 * one(x) + two(x)

    assert (both(0.0) == 12.0) is not planted


def test_a_constant_does_not_make_another_draft(monkeypatch, tmp_path):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path))
    inner, _ = shifted(1)

    @cached_kernel(nogil=True)
    def outer(n):
        return inner(1) + inner(2) + inner(n)

    assert outer(3) == 9
    assert len(inner.draft.signatures) == 1


def test_operators_mean_the_same_while_kernels_are_compiled():
    context = cpu_target.typing_context
    context.refresh()
    kinds = (
        types.boolean,
        types.int64,
        types.uint8,
        types.literal(2),
        types.float32,
        types.float64,
        types.complex128,
    )

    def meanings():
        found = []
        for name in (operator.add, operator.mul, operator.truediv, operator.pow, operator.lt, operator.and_):
            function = context.resolve_value_type(name)
            for pair in itertools.product(kinds, kinds):
                try:
                    found.append(function.get_call_type(context, pair, {}))
                except TypingError:
                    found.append(None)
        return found

    before = meanings()
    assert 20 < len(set(before)) < len(before)
    assert None in before
    with compiler_eased():
        assert meanings() == meanings() == before
        with compiler_eased():
            assert "get_call_type" in vars(types.Function)
    assert "get_call_type" not in vars(types.Function)


def test_kernels_are_not_compiled_where_numba_is_switched_off(monkeypatch):
    monkeypatch.setattr(config, "DISABLE_JIT", 1)
    *_, outer = raising_kernels()
    assert outer(4.0, 0) == 6.0
    assert not hasattr(outer, "entry")


def test_without_the_digest_the_old_kernel_would_run(upgraded, monkeypatch):
    """The planted fault that the test above must catch: a digest that sees the kernel's own file only."""
    own = kernel_cache.hashlib.sha256
    monkeypatch.setattr(kernel_cache, "source_digest", lambda path: own(path.read_bytes()).hexdigest()[:16])
    assert upgraded(1)(1) == 2
    assert upgraded(2)(1) == 2


def test_former_kernels_are_taken_away(upgraded, tmp_path):
    upgraded(1)(1)
    before = {path.name for path in tmp_path.rglob("*.nb[ci]")}
    upgraded(2)(1)
    after = {path.name for path in tmp_path.rglob("*.nb[ci]")}
    assert len(after) == len(before) == 4
    assert not after & before


@pytest.mark.parametrize("damaged", ["*.nbc", "*.nbi"])
@pytest.mark.parametrize("content", [b"", b"rubbish"])
def test_a_damaged_file_costs_a_compilation(upgraded, tmp_path, damaged, content):
    upgraded(1)(1)
    for path in tmp_path.rglob(damaged):
        path.write_bytes(content)
    again = upgraded(1)
    assert (again(1), hits(again)) == (2, 0)
    mended = upgraded(1)
    assert (mended(1), hits(mended)) == (2, 1)


def taken(place: Path) -> Path:
    """Put a file where a folder is wanted: not even root can write below it."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    return place


def test_a_read_only_package_is_cached_in_the_home_folder(upgraded, tmp_path, monkeypatch):
    taken(tmp_path / "kernels_of_a_test" / "__pycache__")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert upgraded(1)(1) == 2
    again = upgraded(1)
    assert (again(1), hits(again)) == (2, 1)
    assert len(entries(tmp_path / "home")) == 1
    assert upgraded(2)(1) == 3


def test_where_nothing_can_be_written_kernels_run_and_one_warning_says_so(upgraded, tmp_path, monkeypatch):
    taken(tmp_path / "kernels_of_a_test" / "__pycache__")
    monkeypatch.setenv("XDG_CACHE_HOME", str(taken(tmp_path / "home")))
    kernel_cache._warn_of_no_cache.cache_clear()
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert upgraded(1)(1) == 2
    assert [str(warning.message).partition(",")[0] for warning in said] == [
        "compiled kernels cannot be stored on disk"
    ]
    assert "NUMBA_CACHE_DIR" in str(said[0].message)


def test_the_folder_that_is_asked_for_comes_first(upgraded, tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "asked for"))
    assert upgraded(1)(1) == 2
    assert len(entries(tmp_path / "asked for")) == 1


def test_a_full_disk_costs_the_cache_not_the_run(upgraded, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile._save_data", full)
    kernel_cache._warn_of_no_cache.cache_clear()
    with pytest.warns(RuntimeWarning, match="cannot be stored"):
        assert upgraded(1)(1) == 2


def test_the_kernels_of_the_package_are_cached_so():
    assert isinstance(modes_kernels.advance.entry._cache, KernelCache)
    assert len(KERNEL_FILES) >= 10


def imports(path: Path) -> list[ast.Import | ast.ImportFrom]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_every_kernel_is_compiled_anew_when_the_compiler_changes(monkeypatch):
    read, files = Path.read_bytes, []
    monkeypatch.setattr(Path, "read_bytes", lambda path: files.append(path) or read(path))
    for path in KERNEL_FILES:
        files.clear()
        source_digest.__wrapped__(path.resolve())
        names = {"kernel_cache.py", "kernel_drafts.py", "kernel_records.py", path.name}
        assert names <= {file.name for file in files}, path
        # Each once; an installed package has a compiler besides that of the files of the repository.
        assert len(files) == len(set(files))


@pytest.mark.parametrize("path", KERNEL_FILES, ids=lambda path: f"{path.parent.name}.{path.stem}")
def test_every_import_of_a_kernel_file_is_one_that_the_digest_sees(path):
    """Relative and at the start of a line, or of a library, whose versions the digest holds."""
    text = path.read_text(encoding="utf-8")
    ours = 0
    for node in imports(path):
        if isinstance(node, ast.Import):
            assert all(name.name in ("numpy", "math") for name in node.names), ast.unparse(node)
        elif node.level == 0:
            assert node.module in ("__future__", "typing", "numpy.typing", "math", "numba"), ast.unparse(node)
        else:
            assert node.module is not None
            ours += 1
    assert len(kernel_cache.RELATIVE_IMPORT.findall(text)) == ours


def test_the_digest_follows_imports_however_deep(tmp_path):
    chain = ["first", "second", "third"]
    for name, following in itertools.pairwise([*chain, None]):
        (tmp_path / f"{name}.py").write_text(f"from .{following} import x\n" if following else "x = 1\n")
    before = source_digest(tmp_path / "first.py")
    (tmp_path / "third.py").write_text("x = 2\n")
    source_digest.cache_clear()
    assert source_digest(tmp_path / "first.py") != before


def test_unoptimised_kernels_run_uncached_and_one_warning_says_so():
    """With NUMBA_OPT=0 Numba cannot keep a kernel; the cache crashed where it was to say so."""
    script = (
        "import warnings; warnings.simplefilter('always')\n"
        "from trajectories.kernel_cache import cached_kernel\n"
        "import numpy as np\n"
        "@cached_kernel(nogil=True)\ndef f(x):\n    return np.sqrt(x) + np.linalg.norm(np.ones(3) * x)\n"
        "@cached_kernel(nogil=True)\ndef g(x):\n    return f(x) + 1.0\n"
        "print(g(4.0) - f(4.0))\n"
    )
    path = Path(tempfile.mkdtemp()) / "unoptimised.py"
    path.write_text(script)
    done = subprocess.run(
        [sys.executable, str(path)],
        env=os.environ | {"NUMBA_OPT": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1.0\n"
    assert "_py_file" not in done.stderr
    assert done.stderr.count("cannot be stored on disk") <= 1
