"""Drafts: kernels that kernels call, in LLVM's intermediate language until the calling kernel is compiled.

Numba compiles each function separately to machine code, with entry points for Python and C, then links it into its
callers and optimises it there again, once for every level of calls. For a tree of small kernels that takes most of
the time until the first click. A draft stays in LLVM's intermediate language, like Numba's own inner functions,
and can be stored on disk in this form, for other kernels and other processes.
"""

from __future__ import annotations

import gc
import itertools
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding
import numba
from llvmlite.binding import Linkage
from numba.core import types
from numba.core.bytecode import FunctionIdentity
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult

from .stages import Stage

COMPILING = "compiling kernels, once for this machine"
# Versions of Numba with which drafts are tested; with others, inner kernels are compiled by Numba's default.
TESTED = ((0, 68), (0, 68))
DRAFTED = TESTED[0] <= numba.version_info.short <= TESTED[1]
if DRAFTED:
    # It rests on Numba's inner parts, which other versions may have elsewhere.
    from .kernel_records import passed, pipeline

    # Numba numbers the functions of a process to distinguish equal names. A kernel may contain drafts of several
    # processes, so the numbers of different processes must differ.
    FunctionIdentity._unique_ids = itertools.count(secrets.randbits(60))


# Drafts of more instructions are not inlined: inlining would enlarge all callers, fewer loops vectorise in a large
# function, and the cost of a call is small compared with this many instructions.
LARGE = 100


class DraftLibrary(JITCodeLibrary):
    """Code that is linked into other code, but neither optimised as a whole nor compiled to machine code."""

    def _optimize_final_module(self) -> None:
        """Do nothing: callers optimise it, with their constants."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class ApartDraftLibrary(DraftLibrary):
    """The same for a kernel whose loops vectorise only if it is optimised without its callers."""

    _optimize_final_module = JITCodeLibrary._optimize_final_module


class EntryLibrary(JITCodeLibrary):
    """The code of a kernel that Python calls, with all drafts in it."""

    def _optimize_final_module(self) -> None:
        """Optimise it, and remove unused arguments from calls of drafts, which have no other callers."""
        for function in self._final_module.functions:
            shared = not function.is_declaration and function.linkage == Linkage.linkonce_odr
            if shared and not function.name.startswith("NRT_"):
                function.linkage = "internal"
        super()._optimize_final_module()


def entry_point() -> Any:
    """Return a stand-in for the compiled function of a draft in Numba's tables.

    Dispatchers need a builtin function; this one is never called, and is unique.
    """
    return [].append  # type: ignore[var-annotated]


class DraftCompiler(Compiler):
    """Numba's compiler for an inner kernel, up to the code that its callers link."""

    library: type[DraftLibrary] = DraftLibrary

    def define_pipelines(self) -> Any:
        """Return the passes."""
        return pipeline(self.state)

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Return the result of compiling `func`, whose entry point is a stand-in that identifies its code."""
        state = self.state
        state.library = self.library(state.targetctx.codegen(), func.__qualname__)
        state.flags.no_compile = True
        state.flags.no_cpython_wrapper = True
        state.flags.no_cfunc_wrapper = True
        compiled = super().compile_extra(func)
        function = compiled.library.get_function(compiled.fndesc.llvm_func_name)
        instructions = itertools.chain.from_iterable(block.instructions for block in function.blocks)
        large = next(itertools.islice(instructions, LARGE, None), None) is not None
        if large or self.library is ApartDraftLibrary:
            function.add_function_attribute("noinline")
        key = entry_point()
        compiled.target_context.insert_user_function(key, compiled.fndesc, [compiled.library])
        return compiled._replace(entry_point=key)


class ApartDraftCompiler(DraftCompiler):
    """The same for a kernel that is optimised separately and not inlined."""

    library = ApartDraftLibrary


class EntryCompiler(Compiler):
    """Numba's compiler for a kernel with an entry point for Python, but none for C."""

    def define_pipelines(self) -> Any:
        """Return the passes."""
        return pipeline(self.state)

    def compile_extra(self, func: Callable[..., Any]) -> Any:
        """Return the result of compiling `func`, with all drafts in it."""
        state = self.state
        state.library = EntryLibrary(state.targetctx.codegen(), func.__qualname__)
        state.library.enable_object_caching()
        state.flags.no_cfunc_wrapper = True
        with Stage(COMPILING), compiler_eased():
            compiled = super().compile_extra(func)
        # The environments of drafts have not been set in the code yet.
        for environment in compiled._find_referenced_environments():
            compiled.library.codegen.set_env(environment.env_name, environment)
        return compiled


def inner_dispatcher(dispatcher: Any) -> Any:
    """Make Numba's dispatcher one for drafts.

    They are not compiled again for constant arguments, and take named tuples as records.
    """
    get_call_template, compile_for = dispatcher.get_call_template, dispatcher.compile

    def called_with(args: Any, kws: Any) -> Any:
        return get_call_template([passed(types.unliteral(arg)) for arg in args], kws)

    dispatcher.get_call_template = called_with
    dispatcher.compile = lambda args: compile_for(tuple(passed(arg) for arg in args))
    return dispatcher


def reduced(compiled: Any) -> tuple[Any, ...]:
    """Return a draft in a form that can be pickled."""
    description = compiled.fndesc
    description.typemap = description.calltypes = None  # as in Numba: not needed, and perhaps not picklable
    library = compiled.library
    return (
        (library.name, library._get_module_for_linking().as_bitcode()),
        description,
        compiled.environment,
        compiled.signature,
        compiled.reload_init,
        tuple(compiled._find_referenced_environments()),
    )


def rebuilt(target: Any, parts: tuple[Any, ...]) -> CompileResult:
    """Return the draft from the form of `reduced`."""
    (name, bitcode), description, environment, signature, reload_init, environments = parts
    for initialise in reload_init:
        initialise()
    library = DraftLibrary(target.codegen(), name)
    library._final_module = llvmlite.binding.parse_bitcode(bitcode)
    library._finalize_final_module()
    known = dict.fromkeys(CompileResult._fields) | {
        "typing_context": target.typing_context,
        "target_context": target,
        "entry_point": entry_point(),
        "signature": signature,
        "objectmode": False,
        "lifted": (),
        "fndesc": description,
        "library": library,
        "environment": environment,
        "reload_init": reload_init,
        "referenced_envs": environments,
    }
    return CompileResult(**known)


# Signatures of operators on numbers.
_KNOWN: dict[tuple[Any, ...], Any] = {}
_found = types.BaseFunction.get_call_type


def _found_once(function: Any, context: Any, args: Any, kws: Any) -> Any:
    """Return what `function` takes and gives for arguments of some types, from memory if they are numbers."""
    if kws or not all(isinstance(arg, types.Number | types.Boolean) for arg in args):
        return _found(function, context, args, kws)
    key = (function, *args)
    if key not in _KNOWN:
        _KNOWN[key] = _found(function, context, args, kws)
    return _KNOWN[key]


@contextmanager
def compiler_eased() -> Iterator[None]:
    """Spare the compiler what takes a tenth of its time.

    Garbage collection is suspended, because a compiler makes millions of objects and little garbage. Numba tries
    all templates of an operator at each of its uses, several times; here each pair of types is tried once.
    """
    enabled = gc.isenabled()
    gc.disable()
    types.Function.get_call_type = _found_once  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        if "get_call_type" in vars(types.Function):
            del types.Function.get_call_type
        if enabled:
            gc.enable()
