"""Named tuples passed between kernels by one pointer.

Numba passes a named tuple by value, each array as seven numbers or more. A call with the tables and the working
memory of a propagator has a thousand arguments, and a kernel takes the whole tuple apart for every field that it
reads: half of the time until the first click went into compiling that. A draft takes a pointer to the tuple, which
nobody changes, and reads a field from its place. What Python and Numba's own functions take and return is as in
Numba.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir as llvm
from numba.core import cgutils, ir, types
from numba.core.compiler import DefaultPassBuilder
from numba.core.compiler_machinery import PassManager, register_pass
from numba.core.datamodel.models import TupleModel
from numba.core.datamodel.registry import register_default
from numba.core.errors import LoweringError
from numba.core.lowering import Lower
from numba.core.typed_passes import BaseNativeLowering, NativeLowering


class Record(types.NamedTuple):
    """Type of a named tuple that was passed to a draft; its arrays belong to the caller, who counts references."""

    def __init__(self, fields: tuple[types.Type, ...], of: type) -> None:
        super().__init__(fields, of)
        self.name = f"record {of.__name__}"  # in the names of functions, which are otherwise kilobytes long


def passed(argument: types.Type) -> types.Type:
    """Return the type as which an argument is passed to a draft."""
    if isinstance(argument, types.NamedTuple) and not isinstance(argument, Record):
        return Record(argument.types, argument.instance_class)
    return argument


@register_default(Record)
class RecordModel(TupleModel):
    """How a record is stored, as a named tuple is, and passed."""

    def get_argument_type(self) -> Any:
        """Return the type of a pointer to it."""
        return self.get_value_type().as_pointer()

    def as_argument(self, builder: Any, value: Any) -> Any:
        """Return a pointer to a value: to where it was read from, if it stays there, or to a copy."""
        place = place_of(value)
        if place is not None:
            return place
        copy = cgutils.alloca_once(builder, value.type)
        builder.store(value, copy)
        return copy

    def from_argument(self, builder: Any, value: Any) -> Any:
        """Return the value at a pointer."""
        return builder.load(value)


def place_of(value: Any) -> Any:
    """Return a pointer to where a value was read from, or None if something else may be stored there later."""
    if not isinstance(value, llvm.LoadInstr):
        return None
    place = pointer = value.operands[0]
    while isinstance(pointer, llvm.GEPInstr):
        pointer = pointer.pointer
    return place if isinstance(pointer, llvm.Argument) or getattr(pointer, "assigned_once", False) else None


class RecordLower(Lower):
    """Numba's translation to LLVM's language, in which fields of named tuples are read from their places."""

    def init(self) -> None:
        """Find the variables that are assigned once."""
        super().init()
        assigned: dict[str, list[Any]] = {}
        for block in self.blocks.values():
            for inst in block.find_insts(ir.Assign):
                assigned.setdefault(inst.target.name, []).append(inst.value)
        self._once = {name for name, values in assigned.items() if len(values) == 1}
        # Arguments that keep their value: the caller holds references, and none is counted here.
        self._given = {name for name in self._once if isinstance(assigned[name][0], ir.Arg)}
        self._uncounted = False
        # An argument from Python arrives in pieces: it needs a place.
        self._singly_assigned_vars -= {
            name for name in self._given if isinstance(self.typeof(name), types.NamedTuple)
        }

    def setup_function(self, fndesc: Any) -> None:
        """Declare the function, and that nobody writes to its records."""
        super().setup_function(fndesc)
        records = [kind for kind in fndesc.argtypes if isinstance(kind, Record)]
        places = {self.context.get_value_type(kind).as_pointer() for kind in records}
        for argument in self.call_conv.get_arguments(self.function):
            if argument.type in places:
                for attribute in ("noalias", "captures(none)"):
                    argument.add_attribute(attribute)
                argument.attributes.dereferenceable = self.context.get_abi_sizeof(argument.type.pointee)

    def _borrowed(self, name: str) -> bool:
        """Whether references to the arrays of a variable are not counted by the kernel."""
        kind = self.typeof(name)
        if name in self._given or isinstance(kind, Record):
            return True
        return isinstance(kind, types.NamedTuple) and not self.context.enable_nrt

    def lower_assign(self, ty: Any, inst: Any) -> Any:
        """Translate an assignment."""
        self._uncounted = inst.target.name in self._given
        value = super().lower_assign(ty, inst)
        self._uncounted = False
        return value

    def alloca(self, name: str, type: Any) -> Any:
        """Make a place for a variable; one whose arrays are counted is cleared when it is no longer used."""
        place = super().alloca(name, type)
        place.assigned_once = name in self._once and self._borrowed(name)
        return place

    def storevar(self, value: Any, name: str, argidx: int | None = None) -> None:
        """Store a value in a variable; a named tuple that stays where it is, is not copied."""
        place = place_of(value)
        # Numba keeps variables of one block without a place.
        without = name in self._singly_assigned_vars or name in self.varmap
        if place is not None and name in self._once and self._borrowed(name) and not without:
            self.varmap[name] = place
        else:
            super().storevar(value, name, argidx)

    def delvar(self, name: str) -> None:
        """Forget a variable."""
        if not self._borrowed(name):
            super().delvar(name)

    def incref(self, typ: Any, val: Any) -> None:
        """Count a reference, but not those of arguments, which belong to the caller."""
        if not (self._uncounted or isinstance(typ, Record)):
            super().incref(typ, val)

    def decref(self, typ: Any, val: Any) -> None:
        """Remove a reference that was counted."""
        if not isinstance(typ, Record):
            super().decref(typ, val)

    def _cast_var(self, var: Any, ty: Any) -> Any:
        if isinstance(ty, Record):
            return self.loadvar(var.name)
        return super()._cast_var(var, ty)

    def lower_inst(self, inst: Any) -> None:
        """Translate a statement."""
        if isinstance(inst, ir.Return) and isinstance(self.fndesc.restype, Record):
            raise LoweringError("a kernel cannot return a record that it was given; return a part of it", inst.loc)
        super().lower_inst(inst)

    def lower_expr(self, resty: Any, expr: Any) -> Any:
        """Translate an expression; a field of a named tuple is read from its place."""
        if expr.op == "getattr":
            kind = self.typeof(expr.value.name)
            place = self._place(expr.value.name) if isinstance(kind, types.NamedTuple) else None
            if place is not None and expr.attr in kind.fields:
                number = kind.fields.index(expr.attr)
                value = self.builder.load(cgutils.gep_inbounds(self.builder, place, 0, number))
                self.incref(kind.types[number], value)
                return self.context.cast(self.builder, value, kind.types[number], resty)
        return super().lower_expr(resty, expr)

    def _place(self, name: str) -> Any:
        """Return a pointer to the variable, or None if it has none."""
        if name not in self._blk_local_varmap:
            return self.getvar(name)
        return place_of(self._blk_local_varmap[name])


@register_pass(mutates_CFG=True, analysis_only=False)
class RecordLowering(BaseNativeLowering):
    """Numba's pass of translation, by `RecordLower`."""

    _name = "record_lowering"  # type: ignore[assignment]

    @property
    def lowering_class(self) -> type[RecordLower]:
        """The class that translates."""
        return RecordLower


def pipeline(state: Any) -> list[PassManager]:
    """Return Numba's passes with that of records."""
    passes = DefaultPassBuilder.define_nopython_pipeline(state)
    passes.passes = [(RecordLowering if kind is NativeLowering else kind, says) for kind, says in passes.passes]
    passes.finalize()
    return [passes]
