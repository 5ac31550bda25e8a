"""Kernels that kernels call, kept as drafts: made into machine code once, in the entry that Python calls.

Numba compiles each function by itself, to machine code with ways in from Python and from C, then links it into its
callers and optimises it there again, once for every level of calls. For a tree of small kernels that is most of
the time until the first click. A draft stays in LLVM's intermediate language, as Numba's own inner functions do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

from .stages import Stage

COMPILING = "compiling kernels, once for this machine"
# Versions of Numba with which drafts are tested; with another one inner kernels are compiled as Numba does it.
TESTED = ((0, 68), (0, 68))
DRAFTED = TESTED[0] <= numba.version_info.short <= TESTED[1]


class DraftLibrary(JITCodeLibrary):
    """Code that is only linked into other code: neither optimised as a whole nor made into machine code."""

    def _optimize_final_module(self) -> None:
        """Leave that to the callers, which know what is constant."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class OptimisedDraftLibrary(DraftLibrary):
    """The same for a kernel whose loops vectorise only as long as nothing is known of its callers."""

    _optimize_final_module = JITCodeLibrary._optimize_final_module


class DraftCompiler(Compiler):
    """Numba's compiler for an inner kernel, as far as the code that its callers link."""

    library: type[DraftLibrary] = DraftLibrary

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Return the result of compiling `func`; its entry point is no function, but the key to its code."""
        state = self.state
        state.library = self.library(state.targetctx.codegen(), func.__qualname__)
        state.flags.no_compile = True
        state.flags.no_cpython_wrapper = True
        state.flags.no_cfunc_wrapper = True
        compiled = super().compile_extra(func)
        # Dispatchers want a builtin function; this one is never called, and differs from all others.
        key: Any = [].append  # type: ignore[var-annotated]
        compiled.target_context.insert_user_function(key, compiled.fndesc, [compiled.library])
        return compiled._replace(entry_point=key)


class OptimisedDraftCompiler(DraftCompiler):
    """The same for a kernel that is optimised by itself."""

    library = OptimisedDraftLibrary


class EntryCompiler(Compiler):
    """Numba's compiler for a kernel that Python calls and that no C code does."""

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Return the result of compiling `func`, with all drafts in it."""
        self.state.flags.no_cfunc_wrapper = True
        with Stage(COMPILING):
            compiled = super().compile_extra(func)
        # Of a draft nobody has told the code where its environment is.
        for environment in compiled._find_referenced_environments():
            compiled.library.codegen.set_env(environment.env_name, environment)
        return compiled
