"""Compiled kernels on disk: never stale, never in the way.

What Python calls is kept as machine code, with all that it calls inside; what kernels call is kept as a draft, for
other kernels that call it. Numba knows a cached kernel by its own source file alone. Here the name of the cached
file holds a digest of them all, so that an upgraded or edited package never runs old code; and where nothing can
be written, or a cached file is damaged, the kernel is compiled anew.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import tempfile
import threading
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numba import njit
from numba.core import caching, config, types
from numba.core.compiler import Compiler
from numba.core.errors import NumbaWarning
from numba.core.runtime import rtsys
from numba.misc.appdirs import AppDirs

from .kernel_drafts import (
    COMPILING,
    DRAFTED,
    ApartDraftCompiler,
    DraftCompiler,
    EntryCompiler,
    inner_dispatcher,
    rebuilt,
    reduced,
)
from .stages import Stage

# How modules of ours import each other; a test holds the files of kernels to it.
RELATIVE_IMPORT = re.compile(r"^from (\.+)([\w.]*) import", re.MULTILINE)
# Modules that say what is being done while kernels are compiled: no code depends on them.
WORDS = tuple(Path(__file__).with_name(name) for name in ("stages.py", "displays.py"))


def cached_kernel(function: Callable[..., Any] | None = None, *, apart: bool = False, **options: Any) -> Any:
    """Compile a function with the given options of `numba.njit`, and keep it on disk; a decorator.

    Where kernels call it, it is optimised with them, and becomes part of them if it is small; `apart` asks for it
    to be optimised by itself, and to remain a function of its own.
    The place is ``NUMBA_CACHE_DIR`` if that is set, else the package's ``__pycache__``, else Numba's folder in the
    user's cache, whichever comes first that can be written to. If none can, one warning says so.
    """
    if function is None:
        return functools.partial(cached_kernel, apart=apart, **options)
    return function if getattr(config, "DISABLE_JIT", False) else Kernel(function, options, apart)


class Kernel:
    """A function to be compiled: by itself when Python calls it, and as part of the kernels that call it.

    Parameters
    ----------
    function : callable
        What to compile.
    options : mapping of str to object
        Options of `numba.njit`.
    apart : bool
        Whether it is optimised by itself, and remains a function of its own, also where kernels call it.

    Attributes
    ----------
    py_func : callable
        The function as it was written.
    """

    def __init__(self, function: Callable[..., Any], options: Mapping[str, Any], apart: bool) -> None:
        functools.update_wrapper(self, function)
        self.py_func = function
        self._options = dict(options)
        self._apart = apart
        self._lock = threading.Lock()
        self._entry: Any = None
        self._inner: Any = None
        self._awaited: Callable[[], object] | None = None

    def __call__(self, *args: Any) -> Any:
        """Call the compiled function."""
        return (self._entry or self.entry)(*args)

    def __reduce__(self) -> tuple[Any, ...]:
        """Numba pickles what a kernel closes over, to know it again."""
        return Kernel, (self.py_func, self._options, self._apart)

    def on_disk(self) -> bool:
        """Whether it was compiled before, or cannot be kept, so that it is no use to compile it elsewhere."""
        try:
            file = KernelCache(self.py_func)._cache_file
            names = file._load_index().values()
        except (RuntimeError, OSError):
            return True
        # Of what is being written the index is there first.
        return bool(names) and all(os.path.exists(file._data_path(name)) for name in names)

    def wait_for(self, compiled: Callable[[], object]) -> None:
        """Before the first call, wait until `compiled` returns: another process puts the kernel on disk."""
        with self._lock:
            self._awaited = compiled

    @property
    def entry(self) -> Any:
        """Numba's dispatcher for calls from Python."""
        with self._lock:
            if self._entry is None:
                if self._awaited is not None:
                    with Stage(COMPILING):
                        self._awaited()
                compiler = EntryCompiler if DRAFTED else Compiler
                dispatcher: Any = njit(**self._options, pipeline_class=compiler)(self.py_func)
                try:
                    dispatcher._cache = KernelCache(self.py_func)
                except (RuntimeError, OSError):
                    _warn_of_no_cache()
                self._entry = dispatcher
            return self._entry

    @property
    def _numba_type_(self) -> Any:
        """What Numba takes this for in a kernel: a dispatcher for calls from compiled code."""
        return types.Dispatcher(self.draft if DRAFTED else self.entry)

    @property
    def draft(self) -> Any:
        """Numba's dispatcher for calls from compiled code."""
        with self._lock:
            if self._inner is None:
                compiler = ApartDraftCompiler if self._apart else DraftCompiler
                dispatcher = inner_dispatcher(njit(**self._options, pipeline_class=compiler)(self.py_func))
                with contextlib.suppress(RuntimeError, OSError):  # the kernel that calls it says so
                    dispatcher._cache = DraftCache(self.py_func)
                self._inner = dispatcher
            return self._inner


@functools.cache
def source_digest(path: Path) -> str:
    """Return a digest of a module, of every module of ours that it imports, and of the compiler's version."""
    known: set[Path] = set()
    words = {module.resolve() for module in WORDS}
    waiting = [path]
    while waiting:
        module = waiting.pop()
        if module in known or module in words or not module.is_file():
            continue
        known.add(module)
        for dots, name in RELATIVE_IMPORT.findall(module.read_text(encoding="utf-8")):
            found = module.parents[len(dots) - 1].joinpath(*name.split("."))
            waiting += [found.with_suffix(".py"), found / "__init__.py"]
    state = hashlib.sha256(f"numba {numba.__version__} numpy {np.__version__}".encode())
    for module in sorted(known):
        state.update(hashlib.sha256(module.read_bytes()).digest())
    return state.hexdigest()[:16]


class Locator:
    """Where a kernel is kept, and under which name; what Numba asks of a cache locator."""

    def __init__(self, function: Callable[..., Any], folder: Path, digest: str) -> None:
        self._py_file = function.__code__.co_filename  # Numba names it where a function cannot be kept
        self._line = function.__code__.co_firstlineno
        self._folder = folder
        self._digest = digest

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> Locator | None:
        """Return the first place that can be written to, or None."""
        path = Path(file).resolve()
        digest = source_digest(path)
        of_this_package = f"{path.parent.name}_{hashlib.sha256(str(path.parent).encode()).hexdigest()[:16]}"
        folders = [path.parent / "__pycache__", Path(AppDirs("numba", False).user_cache_dir) / of_this_package]
        asked_for = getattr(config, "CACHE_DIR", "")
        if asked_for:
            folders.insert(0, Path(asked_for) / of_this_package)
        for folder in folders:
            locator = cls(function, folder, digest)
            try:
                locator.ensure_cache_path()
            except OSError:
                continue
            return locator
        return None

    def ensure_cache_path(self) -> None:
        """Make the folder, and raise OSError where it cannot be written to."""
        os.makedirs(self._folder, exist_ok=True)
        tempfile.TemporaryFile(dir=self._folder).close()

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """Return what must not have changed."""
        return self._digest

    def get_disambiguator(self) -> str:
        """Return the part of the file name that tells this kernel from others, and from its former self."""
        return f"{self._line}.{self._digest}"


class KernelCacheImpl(caching.CompileResultCacheImpl):
    """Numba's way of storing a compiled function, at our place."""

    _locator_classes = (Locator,)  # type: ignore[assignment]

    def check_cachable(self, cres: Any) -> bool:
        """Return whether a compiled function can be kept; unoptimised code, for one, holds addresses."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbaWarning)
            possible = bool(super().check_cachable(cres))
        if not possible:
            _warn_of_no_cache("give NUMBA_OPT its default, at which they can be kept")
        return possible


class DraftCacheImpl(KernelCacheImpl):
    """The same for drafts, in files of their own."""

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        """Return the beginning of the names of its files."""
        return f"draft-{super().get_filename_base(fullname, abiflags)}"

    def reduce(self, data: Any) -> Any:
        """Return what is stored of a draft."""
        return reduced(data)

    def rebuild(self, target_context: Any, reduced_data: Any) -> Any:
        """Return a draft as it was before it was stored."""
        return rebuilt(target_context, reduced_data)


class KernelCache(caching.FunctionCache):
    """A cache whose failures cost a compilation, not the run."""

    _impl_class = KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled kernel, or None where there is none or it cannot be read.

        Numba would first load all that it can compile, a fifth of a second. Machine code needs only the allocator.
        """
        try:
            if not DRAFTED:
                return super().load_overload(sig, target_context)
            rtsys.initialize(target_context)
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)
        except Exception:  # a damaged file can raise anything when it is unpickled
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled kernel, and take away those of its former sources."""
        try:
            super().save_overload(sig, data)
            self._remove_former()
        except OSError:  # a full disk, for one
            _warn_of_no_cache()

    def _remove_former(self) -> None:
        locator = self._impl.locator
        name = self._impl.filename_base.rpartition("-")[0]
        for file in Path(locator.get_cache_path()).glob(f"{name}-*.nb[ci]"):
            if not file.name.startswith(f"{name}-{locator.get_disambiguator()}."):
                file.unlink(missing_ok=True)


class DraftCache(KernelCache):
    """The cache of drafts."""

    _impl_class = DraftCacheImpl


@functools.cache
def _warn_of_no_cache(remedy: str = "set NUMBA_CACHE_DIR to a folder that can be written to") -> None:
    """Say once that compiled kernels cannot be kept, and what helps."""
    message = (
        "compiled kernels cannot be kept on disk, so every start compiles them again, for half a minute or so; "
        f"{remedy}"
    )
    warnings.warn(message, RuntimeWarning, stacklevel=1)
