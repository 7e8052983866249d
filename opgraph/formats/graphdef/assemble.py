"""From the drafts of a GraphDef to a graph.

Owns the order of nodes, the wiring and the outputs; must not know single operations.
"""

from __future__ import annotations

from pathlib import Path

from opgraph.errors import FormatError
from opgraph.formats.graphdef.draft import Draft, Workshop
from opgraph.formats.graphdef.flat import Flat, Operation, flatten
from opgraph.formats.graphdef.messages import Program, read_graph_def, read_saved_model
from opgraph.formats.graphdef.naming import name_drafts
from opgraph.formats.graphdef.recognise import raw as every_operation
from opgraph.formats.graphdef.recognise import recognise
from opgraph.graph import Edge, Node, OpGraph
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
    nodes = {names[draft]: _node(draft, names[draft]) for draft in drafts}
    edges = [
        Edge(names[shop.maker[value.of]], names[draft], slot, value.port)
        for draft in drafts
        for slot, value in enumerate(draft.inputs)
    ]
    return OpGraph(nodes.values(), edges, name)


def _place(draft: Draft, rank: dict[Operation, int], inputs: dict[str, int]) -> tuple[bool, int]:
    """Inputs first, in their order; the others where their output is."""
    if draft.kind == "Input":
        return False, inputs.get(draft.members[0].name, len(inputs))
    return True, rank[draft.members[-1]]


def _node(draft: Draft, name: str) -> Node:
    kind = require(draft.kind)
    schema = kind.schema()
    given = {key: convert_value(schema[key], value) for key, value in draft.given.items()}
    return Node(name, kind, given)
