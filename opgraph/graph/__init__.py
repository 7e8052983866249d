"""The directed acyclic graph of operations, its checks and edits.

Knows ops; must not know where a graph was written down, what its shapes are, or how it is drawn.
"""

from opgraph.graph.checks import check, expected_inputs
from opgraph.graph.edit import override, zeroed
from opgraph.graph.folding import Fold, choose_folds, region_name
from opgraph.graph.model import Edge, Endpoint, Inferred, Node, OpGraph, Provenance, with_given
from opgraph.graph.names import NodeNames, layer_name, name_layers
from opgraph.graph.opaque import SLOT, opaque_arguments, opaque_entry
from opgraph.graph.origin import LaterWeights, Origin, WeightSource
from opgraph.graph.regions import find_regions
from opgraph.graph.select import matching
from opgraph.graph.sequence import Region

__all__ = [
    "SLOT",
    "Edge",
    "Endpoint",
    "Fold",
    "Inferred",
    "LaterWeights",
    "Node",
    "NodeNames",
    "OpGraph",
    "Origin",
    "Provenance",
    "Region",
    "WeightSource",
    "check",
    "choose_folds",
    "expected_inputs",
    "find_regions",
    "layer_name",
    "matching",
    "name_layers",
    "opaque_arguments",
    "opaque_entry",
    "override",
    "region_name",
    "with_given",
    "zeroed",
]
