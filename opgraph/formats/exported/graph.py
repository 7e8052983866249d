"""An exported graph as a graph of ops: each step as what it is, where an op does exactly that.

Every recognised op is asked for its output shape and its weights, and both must be those of the
file; else the step is carried opaque, with its attributes and arrays. Nothing is dropped. Must not
know any format: a `Table` says what its operations are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from opgraph.formats.exported.agreeing import inside, is_same, op_shapes
from opgraph.formats.exported.call import After, Call, Found, Made, Perm, Table, first, turned_back
from opgraph.formats.exported.names import Name, Unique, name_nodes
from opgraph.formats.exported.steps import Program, Step
from opgraph.graph import Edge, Endpoint, Node, OpGraph, Origin, WeightSource
from opgraph.ops import Shape, require

KERAS_DTYPE = "float32"
POLICIES = frozenset({"float16", "bfloat16", "float64"})
SETTING = 64


def to_graph(program: Program, table: Table, raw: bool) -> OpGraph:
    """The graph of a file.

    Args:
        program: what the file holds.
        table: how its operations are read.
        raw: one node for each step, in the file's own layout, nothing put together.
    """
    return _Maker(program, table, raw).graph()


class _Maker:
    """Makes node after node, in the order of the steps."""

    def __init__(self, program: Program, table: Table, raw: bool) -> None:
        self.program, self.table, self.raw = program, table, raw
        self.made: dict[str, Made] = {}
        self.seen: dict[str, tuple[Endpoint, Perm | None]] = {}
        self.plain: dict[str, Endpoint] = {}
        self.used: set[str] = set()
        self.turns = False
        self.unique = Unique()

    def graph(self) -> OpGraph:
        for tensor in self.program.inputs:
            self._input(tensor)
        for step in self.program.steps:
            self._step(step)
        self._outputs()
        names = name_nodes(
            {m.name: next(iter(m.weights.values()), None) for m in self.made.values()}
        )
        nodes = [_node(made, names[made.name]) for made in self.made.values()]
        edges = [
            Edge(names[end.node].short, names[made.name].short, slot, end.port)
            for made in self.made.values()
            for slot, end in enumerate(made.reads)
        ]
        return OpGraph(_sharing(nodes), edges, self.program.name)

    # Inputs and outputs --------------------------------------------------------------------------

    def _input(self, tensor: str) -> None:
        facts = self.program.facts(tensor)
        shape = inside(facts.shape)
        given: dict[str, Any] = {} if shape is None else {"shape": shape}
        if facts.dtype not in (None, KERAS_DTYPE):
            given["dtype"] = facts.dtype
        called = self.program.called.get(tensor, tensor)
        made = Made(called, require("Input"), given, {}, (), (tensor,), (shape,), facts.dtype)
        self.seen[tensor] = Endpoint(self._add(made)), None

    def _outputs(self) -> None:
        """Mark outputs of the graph that are read inside it as well, or handed back twice."""
        read = {end for made in self.made.values() for end in made.reads}
        nodes = {end.node for end in read}
        for tensor in dict.fromkeys(self.program.outputs):
            if tensor not in self.seen:
                self._opaque(Step("Constant", tensor, (tensor,), (tensor,)))
            end = self._plain(tensor)
            if end.node in nodes or self.made[end.node].kind.category == "input":
                shape = self._shape(end)
                dtype = self.program.facts(tensor).dtype
                marker = Made(
                    f"{tensor} ", require("Identity"), {}, {}, (end,), (tensor,), (shape,), dtype
                )
                self.seen[tensor] = Endpoint(self._add(marker)), None

    # Steps ---------------------------------------------------------------------------------------

    def _step(self, step: Step) -> None:
        perm = None if self.raw else self._turned(step)
        if perm is not None:
            end, before = self.seen[step.inputs[0]]
            self.turns |= perm == first(len(perm)) and len(perm) > 3
            whole = perm if before is None else tuple(before[axis] for axis in perm)
            self.seen[step.outputs[0]] = end, None if whole == tuple(range(len(whole))) else whole
            return
        perm = self._common_order(step)
        if (perm is not None and self._recognised(step, perm)) or self._recognised(step, None):
            return
        self._opaque(step)

    def _turned(self, step: Step) -> Perm | None:
        is_data = step.inputs and step.inputs[0] in self.seen
        return self.table.turned(step, self.program) if is_data else None

    def _common_order(self, step: Step) -> Perm | None:
        """The order of the axes of all inputs, if the operation does not mind it."""
        if step.kind in self.table.order_of_first and step.inputs:
            return self.seen[step.inputs[0]][1] if step.inputs[0] in self.seen else None
        perms = {self.seen[tensor][1] for tensor in step.inputs if tensor in self.seen}
        return perms.pop() if len(perms) == 1 and step.kind in self.table.any_order else None

    def _recognised(self, step: Step, perm: Perm | None) -> bool:
        reader = self.table.readers.get(step.kind)
        if reader is None or not step.inputs or not step.outputs:
            return False
        near = (partial(self._maker, perm), partial(self._source, perm))
        nodes = (self._node, self.made.__getitem__)
        call = Call(self.program, step, perm, *near, *nodes, self.turns, self.raw)
        found = reader(call)
        return found is not None and self._accepted(call, found)

    def _source(self, perm: Perm | None, tensor: str) -> Endpoint | None:
        end, own = self.seen[tensor]
        return end if own == perm else self.plain.get(tensor)

    def _node(self, tensor: str) -> Made:
        return self.made[self.seen[tensor][0].node]

    def _maker(self, perm: Perm | None, tensor: str) -> Made | None:
        """The node that makes a tensor for this step alone, in the order the step is read in."""
        alone = self.program.readers.get(tensor) == 1 and not self.raw
        if not alone or tensor not in self.seen or self.seen[tensor][1] != perm:
            return None
        return self._node(tensor)

    def _accepted(self, call: Call, found: Found) -> bool:
        """Add the node of an op, if it has the shapes and weights that the file says."""
        ends = found.ends
        if ends is None:
            reads = call.data if found.reads is None else found.reads
            if any(tensor not in self.seen for tensor in reads):
                return False
            ends = tuple(self._end(tensor, call.perm) for tensor in reads)
        given = {**found.given, **self._policy(call.step)}
        inputs = [self._shape(end) for end in ends]
        pad = None if found.pad is None else self._pad_shape(found, inputs)
        shapes = op_shapes(found, given, [pad] if pad else inputs)
        if shapes is None or not self._agree(call, found, shapes):
            return False
        self._place(call, found, given, ends, shapes)
        return True

    def _policy(self, step: Step) -> dict[str, str]:
        dtype = self.program.facts(step.outputs[0]).dtype if step.outputs else None
        return {"dtype": dtype} if dtype in POLICIES else {}

    def _agree(self, call: Call, found: Found, shapes: Sequence[Shape | None]) -> bool:
        """Whether the shapes are those of the file, and the batch is what it was."""
        batch = self._batch(call)
        for port, tensor in enumerate(call.step.outputs):
            perm = _order(call, found, port)
            full = self.program.facts(tensor).shape
            if not tensor or full is None or port >= len(shapes):
                continue
            if perm is not None and len(perm) != len(full):
                return False
            full = full if perm is None else turned_back(full, perm)
            if not full or not is_same((batch,), full[:1]) or not is_same(shapes[port], full[1:]):
                return False
        return True

    def _batch(self, call: Call) -> int | None:
        full = next((s for t in call.data if (s := call.full(t))), None)
        return full[0] if full else None

    def _place(
        self,
        call: Call,
        found: Found,
        given: dict[str, Any],
        ends: tuple[Endpoint, ...],
        shapes: Sequence[Shape | None],
    ) -> None:
        step = call.step
        gone = [self.made.pop(name) for name in found.swallows]
        for each in gone:
            self.unique.release(each.name)
        name = gone[0].name if gone else step.name
        if found.pad is not None:
            ends = (self._padded(name, found, ends[0]),)
        facts = [self._fact(tensor, call, found, port) for port, tensor in enumerate(step.outputs)]
        known = [
            shapes[port] if port < len(shapes) and shapes[port] is not None else fact
            for port, fact in enumerate(facts)
        ]
        made = Made(
            name,
            require(found.kind),
            given,
            found.weights,
            ends,
            (*(n for each in gone for n in each.names), *step.members, *step.outputs[:1]),
            tuple(known),
            self.program.facts(step.outputs[0]).dtype if step.outputs else None,
            _order(call, found, 0),
        )
        name = self._add(made) if found.after is None else self._both(made, found.after)
        for port, tensor in enumerate(step.outputs):
            self.seen[tensor] = Endpoint(name, port), _order(call, found, port)
        self.used |= {source.name for source in found.weights.values()}

    def _both(self, made: Made, after: After) -> str:
        """A node, and the one behind it, which holds the output."""
        *before, output = made.names
        own = tuple(name for name in before if name == after.name)
        made.names = tuple(name for name in before if name != after.name) or (output,)
        end = Endpoint(self._add(made))
        name = after.name or f"{made.name}/{after.kind}"
        behind = Made(name, require(after.kind), after.given, {}, (end,), (*own, output),
                      made.shapes, made.dtype, made.axes)  # fmt: skip
        return self._add(behind)

    def _fact(self, tensor: str, call: Call, found: Found, port: int) -> Shape | None:
        full = self.program.facts(tensor).shape
        perm = _order(call, found, port)
        if full is not None and perm is not None and len(perm) == len(full):
            full = turned_back(full, perm)
        return inside(full)

    def _add(self, made: Made) -> str:
        made.name = self.unique(made.name)
        self.made[made.name] = made
        return made.name

    # Padding and order ---------------------------------------------------------------------------

    def _pad_shape(self, found: Found, inputs: Sequence[Shape | None]) -> Shape | None:
        shapes = op_shapes(Found(f"ZeroPadding{len(found.pad or ())}D"), _pad_given(found), inputs)
        return shapes[0] if shapes else None

    def _padded(self, name: str, found: Found, end: Endpoint) -> Endpoint:
        kind, shape = require(f"ZeroPadding{len(found.pad or ())}D"), self._shape(end)
        padded = self._pad_shape(found, [shape])
        return Endpoint(
            self._add(Made(f"{name}/pad", kind, _pad_given(found), {}, (end,), (), (padded,), None))
        )

    def _end(self, tensor: str, perm: Perm | None) -> Endpoint:
        """Where a tensor comes from, in an order of its axes."""
        end, own = self.seen[tensor]
        return end if own == perm else self._plain(tensor)

    def _plain(self, tensor: str) -> Endpoint:
        """Where a tensor comes from, with its axes as the file has them: turned, if need be."""
        end, perm = self.seen[tensor]
        if perm is None:
            return end
        if tensor not in self.plain:
            self.plain[tensor] = self._turn(tensor, end, perm)
        return self.plain[tensor]

    def _turn(self, tensor: str, end: Endpoint, perm: Perm) -> Endpoint:
        facts = self.program.facts(tensor)
        kind, given = "Permute", dict[str, Any](dims=perm[1:])
        if perm[0] != 0:  # the batch is moved, which no op does
            settings = {"module": self.program.language, "config": {"perm": list(perm)}}
            kind, given = "Opaque", {"class_name": "Transpose", "settings": settings, "arrays": {}}
            given |= {} if facts.shape is None else {"output": inside(facts.shape)}
        made = Made(f"{tensor} turned", require(kind), given, {}, (end,), (tensor,),
                    (inside(facts.shape),), facts.dtype)  # fmt: skip
        return Endpoint(self._add(made))

    def _shape(self, end: Endpoint) -> Shape | None:
        shapes = self.made[end.node].shapes
        return shapes[end.port] if end.port < len(shapes) else None

    # What no op does -----------------------------------------------------------------------------

    def _opaque(self, step: Step) -> None:
        constants = {
            t: self.program.constants[t] for t in step.inputs if t in self.program.constants
        }
        arrays = {t: s for t, s in constants.items() if _is_weight(s)}
        config = {**step.attrs}
        config |= {t: s.read().tolist() for t, s in constants.items() if _is_setting(s)}
        settings = {"module": self.program.language, "config": config}
        ends = tuple(self._plain(t) for t in step.inputs if t in self.seen)
        facts = [self.program.facts(tensor) for tensor in step.outputs]
        shapes = tuple(inside(fact.shape) for fact in facts)
        given: dict[str, Any] = {"class_name": step.kind, "settings": settings}
        given["arrays"] = {
            t: list(source.shape) for t, source in arrays.items() if source.name not in self.used
        }
        if any(shape is not None for shape in shapes):
            given["output"] = shapes[0]
            given |= {"more": shapes[1:]} if len(shapes) > 1 else {}
        made = Made(step.name, require("Opaque"), _said(given), arrays, ends,
                    (*step.members, *step.outputs[:1]), shapes,
                    facts[0].dtype if facts else None)  # fmt: skip
        name = self._add(made)
        self.used |= {source.name for source in arrays.values()}
        for port, tensor in enumerate(step.outputs):
            self.seen[tensor] = Endpoint(name, port), None


def _pad_given(found: Found) -> dict[str, Any]:
    layout = found.given.get("data_format", "channels_last")
    return {"padding": found.pad, **({} if layout == "channels_last" else {"data_format": layout})}


def _order(call: Call, found: Found, port: int) -> Perm | None:
    """The order of the axes of an output."""
    if found.perms is not None:
        return found.perms[port] if port < len(found.perms) else None
    return call.perm


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def _is_weight(source: WeightSource) -> bool:
    """Whether a constant of an opaque step is an array to be counted, not a setting."""
    size = math.prod(source.shape)
    is_index = source.dtype in ("int64", "int32", "bool", "string")
    return size > SETTING if is_index else size > 1


def _is_setting(source: WeightSource) -> bool:
    return not _is_weight(source) and math.prod(source.shape) <= SETTING


def _node(made: Made, name: Name) -> Node:
    origin = Origin(made.names, made.dtype, name.scope, made.weights, made.axes)
    return Node(name.short, made.kind, made.given, origin=origin if made.names else None)


def _sharing(nodes: Sequence[Node]) -> list[Node]:
    """Nodes with the same op and the very same arrays use one set of weights."""
    owners: dict[Any, str] = {}
    found: list[Node] = []
    for node in nodes:
        weights = node.origin.weights if node.origin else {}
        if weights and node.kind.category != "opaque":
            names = tuple((name, source.name) for name, source in weights.items())
            owner = owners.setdefault((node.op, names), node.name)
            node = node if owner == node.name else replace(node, shares=owner)
        found.append(node)
    return found
