"""The directed acyclic graph of operations, its checks and edits.

Knows ops; must not know where a graph was written down, what its shapes are, or how it is drawn.
"""

from opgraph.graph.checks import check, expected_inputs
from opgraph.graph.edit import override, zeroed
from opgraph.graph.model import Edge, Endpoint, Inferred, Node, OpGraph, Provenance, with_given
from opgraph.graph.names import NodeNames, layer_name, name_layers
from opgraph.graph.opaque import SLOT, opaque_arguments, opaque_entry
from opgraph.graph.select import matching

__all__ = [
    "SLOT",
    "Edge",
    "Endpoint",
    "Inferred",
    "Node",
    "NodeNames",
    "OpGraph",
    "Provenance",
    "check",
    "expected_inputs",
    "layer_name",
    "matching",
    "name_layers",
    "opaque_arguments",
    "opaque_entry",
    "override",
    "with_given",
    "zeroed",
]
