"""Cache of compiled kernels on disk, which is renewed when any of their source files changes.

A kernel that Python calls is stored as machine code, including the kernels that it calls; a kernel that kernels
call is stored as a draft (see `kernel_drafts`), for other kernels that call it. Numba identifies a cached kernel
by its own source file only. Here the name of the cached file contains a digest of all source files, so that an
upgraded or edited package never runs old code. If nothing can be written, or a cached file is damaged, the kernel
is compiled.
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

# Form of the imports inside this package; a test checks that files of kernels use it.
RELATIVE_IMPORT = re.compile(r"^ *from (\.+)([\w.]*) import", re.MULTILINE)
# Modules that only display progress: the code of kernels does not depend on them.
WORDS = tuple(Path(__file__).with_name(name) for name in ("stages.py", "displays.py"))


def cached_kernel(function: Callable[..., Any] | None = None, *, apart: bool = False, **options: Any) -> Any:
    """Compile a function with the given options of `numba.njit`, and store it on disk; a decorator.

    In kernels that call it, it is optimised with them, and inlined if it is small; with `apart` it is optimised
    separately and never inlined.
    The place is ``NUMBA_CACHE_DIR`` if that is set, else the package's ``__pycache__``, else Numba's folder in the
    user's cache, whichever comes first that can be written to. If none can, one warning says so.
    """
    if function is None:
        return functools.partial(cached_kernel, apart=apart, **options)
    return function if getattr(config, "DISABLE_JIT", False) else Kernel(function, options, apart)


class Kernel:
    """A function that is compiled separately for calls from Python, and with the kernels that call it.

    Parameters
    ----------
    function : callable
        The function.
    options : mapping of str to object
        Options of `numba.njit`.
    apart : bool
        Whether it is optimised separately, and not inlined, in kernels that call it.

    Attributes
    ----------
    py_func : callable
        The Python function.
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
        """Return how to pickle it: Numba pickles the kernels that a kernel uses, to identify them."""
        return Kernel, (self.py_func, self._options, self._apart)

    def on_disk(self) -> bool:
        """Whether it was compiled before, or cannot be stored, so that another process need not compile it."""
        try:
            file = KernelCache(self.py_func)._cache_file
            names = file._load_index().values()
        except (RuntimeError, OSError):
            return True
        # The index is written before the data.
        return bool(names) and all(os.path.exists(file._data_path(name)) for name in names)

    def wait_for(self, compiled: Callable[[], object]) -> None:
        """Before the first call, wait until `compiled` returns, while another process stores the kernel."""
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
        """Numba's type of this object in a kernel: a dispatcher for calls from compiled code."""
        return types.Dispatcher(self.draft if DRAFTED else self.entry)

    @property
    def draft(self) -> Any:
        """Numba's dispatcher for calls from compiled code."""
        with self._lock:
            if self._inner is None:
                compiler = ApartDraftCompiler if self._apart else DraftCompiler
                dispatcher = inner_dispatcher(njit(**self._options, pipeline_class=compiler)(self.py_func))
                with contextlib.suppress(RuntimeError, OSError):  # the kernel that calls it warns
                    dispatcher._cache = DraftCache(self.py_func)
                self._inner = dispatcher
            return self._inner


@functools.cache
def source_digest(path: Path) -> str:
    """Return a digest of a module, of the modules of this package that it imports, and of the compiler."""
    known: set[Path] = set()
    words = {module.resolve() for module in WORDS}
    waiting = [path, Path(__file__).resolve()]  # kernels of the analysis import the compiler by its full name
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
    """Folder and file name of a cached kernel: Numba's interface of a cache locator."""

    def __init__(self, function: Callable[..., Any], folder: Path, digest: str) -> None:
        self._py_file = function.__code__.co_filename  # Numba names it if a function cannot be stored
        self._line = function.__code__.co_firstlineno
        self._folder = folder
        self._digest = digest

    @classmethod
    def from_function(cls, function: Callable[..., Any], file: str) -> Locator | None:
        """Return the first folder that can be written to, or None."""
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
        """Make the folder; OSError if it cannot be written to."""
        os.makedirs(self._folder, exist_ok=True)
        tempfile.TemporaryFile(dir=self._folder).close()

    def get_cache_path(self) -> str:
        """Return the folder."""
        return str(self._folder)

    def get_source_stamp(self) -> str:
        """Return the stamp that must be unchanged."""
        return self._digest

    def get_disambiguator(self) -> str:
        """Return the part of the file name that identifies this kernel and the state of its sources."""
        return f"{self._line}.{self._digest}"


class KernelCacheImpl(caching.CompileResultCacheImpl):
    """Numba's storage of compiled functions, with the locator of this module."""

    _locator_classes = (Locator,)  # type: ignore[assignment]

    def check_cachable(self, cres: Any) -> bool:
        """Return whether a compiled function can be stored; unoptimised code, for example, contains addresses."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NumbaWarning)
            possible = bool(super().check_cachable(cres))
        if not possible:
            _warn_of_no_cache("give NUMBA_OPT its default value, with which they can be stored")
        return possible


class DraftCacheImpl(KernelCacheImpl):
    """The same for drafts, in separate files."""

    def get_filename_base(self, fullname: str, abiflags: str) -> str:
        """Return the beginning of the names of its files."""
        return f"draft-{super().get_filename_base(fullname, abiflags)}"

    def reduce(self, data: Any) -> Any:
        """Return the stored form of a draft."""
        return reduced(data)

    def rebuild(self, target_context: Any, reduced_data: Any) -> Any:
        """Return a draft from its stored form."""
        return rebuilt(target_context, reduced_data)


class KernelCache(caching.FunctionCache):
    """A cache whose failures only cause a compilation."""

    _impl_class = KernelCacheImpl

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled kernel, or None if there is none or it cannot be read.

        Numba would first load its compiler, which takes 0.2 s; machine code needs only the allocator.
        """
        try:
            if not DRAFTED:
                return super().load_overload(sig, target_context)
            rtsys.initialize(target_context)
            with self._guard_against_spurious_io_errors():
                return self._load_overload(sig, target_context)
        except Exception:  # unpickling a damaged file can raise any exception
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store a compiled kernel, and remove those of its former sources."""
        try:
            super().save_overload(sig, data)
            self._remove_former()
        except OSError:  # a full disk, for example
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
    """Warn once that compiled kernels cannot be stored, with a remedy."""
    message = (
        "compiled kernels cannot be stored on disk, so every start compiles them again, about half a minute; "
        f"{remedy}"
    )
    warnings.warn(message, RuntimeWarning, stacklevel=1)
