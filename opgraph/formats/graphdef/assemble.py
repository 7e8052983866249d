"""From the drafts of a GraphDef to a graph.

Owns the order of nodes, the wiring and the outputs; must not know single operations.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from opgraph.analysis import analyze
from opgraph.errors import AttributeValueError, FormatError
from opgraph.formats.graphdef.arrays import Arrays
from opgraph.formats.graphdef.draft import Draft, Workshop
from opgraph.formats.graphdef.flat import Flat, Operation, Value, flatten
from opgraph.formats.graphdef.messages import Program, read_graph_def, read_saved_model
from opgraph.formats.graphdef.naming import name_drafts, scope_of
from opgraph.formats.graphdef.recognise import raw as every_operation
from opgraph.formats.graphdef.recognise import recognise
from opgraph.formats.graphdef.statics import array_shape, dtype_of, source
from opgraph.graph import Edge, Node, OpGraph, Origin, with_given
from opgraph.ops import convert_value, require

MOST_NODES = 200_000


def read_saved_model_folder(folder: Path, *, raw: bool = False) -> OpGraph:
    """The graph behind the serving signature of a SavedModel; nothing in it is executed.

    Args:
        folder: with `saved_model.pb` or `saved_model.pbtxt` in it.
        raw: every operation as a node, instead of what the operations were.

    Raises:
        FormatError: it is no SavedModel, is damaged, has no signature, or points outside itself.
        MissingDependencyError: `tensorboard` is not there.
    """
    return _read(read_saved_model(folder), folder, folder.resolve().name, raw)


def read_pb_file(path: Path, *, raw: bool = False) -> OpGraph:
    """The graph of a frozen `.pb` or of a `.pbtxt`; nothing in it is executed.

    Args:
        path: the file.
        raw: every operation as a node, instead of what the operations were.

    Raises:
        FormatError: it is no GraphDef, or is damaged.
        MissingDependencyError: `tensorboard` is not there.
    """
    if path.name in ("saved_model.pb", "saved_model.pbtxt"):
        return read_saved_model_folder(path.parent, raw=raw)
    return _read(read_graph_def(path), path, path.stem, raw)


def _read(program: Program, path: Path, name: str, raw: bool) -> OpGraph:
    try:
        flat = flatten(program)
        shop = every_operation(flat) if raw else recognise(flat)
        if len(shop.drafts) > MOST_NODES:
            raise FormatError(f"more than {MOST_NODES:,} nodes")
        return _graph(shop, flat, program, name, raw)
    except FormatError as error:
        error.where = f"{path}: {error.where}" if error.where else str(path)
        raise


def _graph(shop: Workshop, flat: Flat, program: Program, name: str, raw: bool) -> OpGraph:
    rank = {operation: index for index, operation in enumerate(flat.operations)}
    inputs = {ident: index for index, ident in enumerate(program.inputs)}
    drafts = sorted(shop.drafts, key=lambda draft: _place(draft, rank, inputs))
    if raw:
        names = {draft: draft.members[0].name for draft in drafts}
    else:
        names = name_drafts(drafts, program.inputs)
    arrays = Arrays(program.folder)
    owners = _owners(drafts, names)
    nodes = {names[d]: _node(d, names[d], owners.get(d), arrays) for d in drafts}
    edges = [
        Edge(names[_maker(shop, value)], names[draft], slot, value.port)
        for draft in drafts
        for slot, value in enumerate(draft.inputs)
    ]
    ends = [(shop.maker.get(v.of), v.port) for v in map(source, flat.outputs.values())]
    _mark_outputs(nodes, edges, [(names[d], port) for d, port in ends if d is not None])
    graph = OpGraph(nodes.values(), edges, name)
    return graph if raw else _grouped(graph, {names[draft]: draft for draft in drafts})


def _owners(drafts: list[Draft], names: dict[Draft, str]) -> dict[Draft, str]:
    """The node that owns the weights of each draft that shares them."""
    first: dict[Any, Draft] = {}
    owners: dict[Draft, str] = {}
    for draft in drafts:
        if not draft.weights:
            continue
        key = (draft.kind, repr(draft.given), *draft.weights.values())
        owner = first.setdefault(key, draft)
        if owner is not draft:
            owners[draft] = names[owner]
    return owners


def _maker(shop: Workshop, value: Value) -> Draft:
    found = shop.maker.get(value.of)
    if found is None or found not in shop.drafts:
        raise FormatError("is read, but inside what was put together", where=value.of.name)
    return found


def _mark_outputs(nodes: dict[str, Node], edges: list[Edge], ends: list[tuple[str, int]]) -> None:
    """A node behind each output that something inside reads too, so that it is seen to be one."""
    read = {edge.source for edge in edges}
    for number, (name, port) in enumerate(ends, start=1):
        if name not in read and not port:
            continue
        marker = f"output_{number}"
        while marker in nodes:
            marker += "'"
        nodes[marker] = Node(marker, require("Identity"))
        edges.append(Edge(name, marker, 0, port))


def _grouped(graph: OpGraph, drafts: dict[str, Draft]) -> OpGraph:
    """Groups of convolutions, which only show in kernels that read part of the channels."""
    facts = analyze(graph).facts
    changed: dict[str, Node] = {}
    for name, draft in drafts.items():
        inputs = facts[name].inputs if draft.kind.startswith("Conv") else ()
        kernel = draft.weights.get("kernel")
        shape = array_shape(kernel) if kernel is not None else None
        if not inputs or inputs[0] is None or shape is None or "Transpose" in draft.kind:
            continue
        is_first = draft.given.get("data_format") == "channels_first"
        channels = inputs[0][0 if is_first else -1]
        if channels and channels != shape[-2] and channels % shape[-2] == 0:
            changed[name] = with_given(graph[name], {"groups": channels // shape[-2]})
    return graph.with_nodes(changed) if changed else graph


def _place(draft: Draft, rank: dict[Operation, int], inputs: dict[str, int]) -> tuple[bool, int]:
    """Inputs first, in their order; the others where their output is."""
    if draft.kind == "Input":
        return False, inputs.get(draft.members[0].name, len(inputs))
    return True, rank[draft.members[-1]]


def _node(draft: Draft, name: str, shares: str | None, arrays: Arrays) -> Node:
    kind = require(draft.kind)
    schema = kind.schema()
    try:
        given = {key: convert_value(schema[key], value) for key, value in draft.given.items()}
    except AttributeValueError as error:
        raise FormatError(error.problem, where=f"{name}.{error.where}", node=name) from None
    origin = Origin(
        tuple(member.name for member in draft.members),
        dtype_of(draft.members[-1]),
        scope_of(draft) or None,
        arrays.of(draft),
    )
    return Node(name, kind, given, shares=shares, origin=origin)
