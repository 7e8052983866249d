"""A GraphDef as one flat list of operations: functions put in place, only what outputs depend on.

TensorFlow 2 keeps a network in functions that call each other, under names that differ from export
to export; they are found by what is reachable from the signature. Knows no operation by name but
those that call functions. What is read is untrusted: depth and number of operations are bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opgraph.errors import FormatError
from opgraph.formats.graphdef.messages import Program, empty_attribute

MOST_OPERATIONS = 500_000
DEEPEST = 64
MOST_CALLS = 50_000
CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
# Names of outputs, of operations that have several; a function body calls outputs by name.
OUTPUTS = {
    "FusedBatchNorm": ("y", "batch_mean", "batch_variance"),
    "FusedBatchNormV2": ("y", "batch_mean", "batch_variance"),
    "FusedBatchNormV3": ("y", "batch_mean", "batch_variance"),
    "TopKV2": ("values", "indices"),
    "Unique": ("y", "idx"),
}


class Attributes(dict[str, Any]):
    """Attributes by name. A SavedModel leaves out those that have their default value."""

    def __missing__(self, key: str) -> Any:
        return empty_attribute()


@dataclass(eq=False)
class Operation:
    """One operation.

    Attributes:
        name: with its scopes; unique in the list.
        op: its type.
        attr: attributes, protocol buffers by name; those that are left out read as empty.
        inputs: what it reads; control inputs are left out.
        readers: operations that read it, one entry a reading.
    """

    name: str
    op: str
    attr: Attributes
    inputs: list[Value]
    readers: list[Operation] = field(default_factory=list["Operation"], repr=False)


class Value(NamedTuple):
    """An output of an operation."""

    of: Operation
    port: int = 0


@dataclass(frozen=True)
class Flat:
    """All operations, each after those that it reads, and what comes out at the end."""

    operations: Sequence[Operation]
    outputs: Mapping[str, Value]


def flatten(program: Program) -> Flat:
    """The operations that the outputs of a program depend on.

    Raises:
        FormatError: something that is read is not there, functions call each other in a ring, or
            there are too many operations.
    """
    flattener = _Flattener(program)
    names = list(program.outputs)
    wanted = [program.outputs[name] for name in names]
    values = flattener.body(program.graph.node, {}, wanted)
    for operation in flattener.operations:
        for value in operation.inputs:
            value.of.readers.append(operation)
    return Flat(flattener.operations, dict(zip(names, values, strict=True)))


class _Flattener:
    def __init__(self, program: Program) -> None:
        library = program.graph.library.function
        self.functions = {function.signature.name: function for function in library}
        self.operations: list[Operation] = []
        self.names: set[str] = set()
        self.calls = 0

    def body(
        self,
        nodes: Iterable[Any],
        arguments: Mapping[str, Value],
        wanted: Sequence[str],
        scope: str = "",
        depth: int = 0,
    ) -> list[Value]:
        """Add the operations of a graph or function and hand back the tensors that are wanted."""
        if depth > DEEPEST:
            raise FormatError(f"functions that call each other more than {DEEPEST} deep")
        table = {node.name: node for node in nodes}
        made: dict[str, Operation | list[Value]] = {k: [v] for k, v in arguments.items()}
        for name in _in_order(table, wanted, arguments):
            inputs = [_value(made, text) for text in _data(table[name])]
            made[name] = self._node(table[name], inputs, scope, depth)
        return [_value(made, text) for text in wanted]

    def _node(
        self, node: Any, inputs: list[Value], scope: str, depth: int
    ) -> Operation | list[Value]:
        called = node.attr["f"].func.name if node.op in CALLS else node.op
        function = self.functions.get(called)
        if function is not None:
            return self._call(function, inputs, scope + _scope(node.name), depth)
        if len(self.operations) >= MOST_OPERATIONS:
            raise FormatError(f"more than {MOST_OPERATIONS:,} operations")
        operation = Operation(self._free(scope + node.name), node.op, Attributes(node.attr), inputs)
        self.operations.append(operation)
        return operation

    def _call(self, function: Any, inputs: list[Value], scope: str, depth: int) -> list[Value]:
        self.calls += 1
        if self.calls > MOST_CALLS:
            raise FormatError(f"more than {MOST_CALLS:,} calls of functions")
        names = [argument.name for argument in function.signature.input_arg]
        if len(names) != len(inputs):
            problem = f"takes {len(names)} arguments, received {len(inputs)}"
            raise FormatError(problem, where=f"function {function.signature.name}")
        wanted = [function.ret[argument.name] for argument in function.signature.output_arg]
        arguments = dict(zip(names, inputs, strict=True))
        return self.body(function.node_def, arguments, wanted, scope, depth + 1)

    def _free(self, name: str) -> str:
        """The name, or the next one that is free where a function is called several times."""
        number, free = 2, name
        while free in self.names:
            free, number = f"{name}@{number}", number + 1
        self.names.add(free)
        return free


def _scope(name: str) -> str:
    return name[: name.rfind("/") + 1]


def _data(node: Any) -> list[str]:
    return [text for text in node.input if not text.startswith("^")]


def _in_order(
    table: Mapping[str, Any], wanted: Iterable[str], known: Mapping[str, Any]
) -> list[str]:
    """Nodes that the wanted tensors depend on, each after those that it reads."""
    ordered: list[str] = []
    state: dict[str, bool] = {}  # False while what a node reads is being ordered
    waiting = [(text.split(":", 1)[0], False) for text in reversed(list(wanted))]
    while waiting:
        name, is_left = waiting.pop()
        if is_left:
            state[name] = True
            ordered.append(name)
            continue
        if name in known or state.get(name):
            continue
        if name in state:
            raise FormatError(f"{name!r} reads its own output: loops are not read", where=name)
        if name not in table:
            raise FormatError(f"there is no node {name!r}")
        state[name] = False
        waiting.append((name, True))
        read = [text.split(":", 1)[0] for text in _data(table[name])]
        waiting += [(source, False) for source in reversed(read)]
    return ordered


def _value(made: Mapping[str, Operation | list[Value]], text: str) -> Value:
    """The value of `node`, `node:1`, or `node:output:1` in a function."""
    name, *rest = text.split(":")
    found = made[name]
    number = int(rest[-1]) if rest and rest[-1].isdecimal() and len(rest[-1]) < 6 else 0
    if isinstance(found, list):
        if number >= len(found):
            raise FormatError(f"reads output {number} of {name!r}, which has {len(found)}")
        return found[number]
    known = OUTPUTS.get(found.op, ())
    if len(rest) == 2 and rest[0] in known:
        number += known.index(rest[0])
    return Value(found, number)
