"""Facts about a graph that need no run: completion, shapes, parameters, cost, receptive fields.

Knows graphs and ops; must not print, draw, or know TensorFlow.
"""

from opgraph.analysis.analyze import analyze
from opgraph.analysis.complete import complete
from opgraph.analysis.data import as_data, folds_as_data
from opgraph.analysis.diff import Change, GraphDiff, NodeDiff, Status, diff_graphs
from opgraph.analysis.fold import Folded, FoldFacts, fold
from opgraph.analysis.result import Analysis, NodeFacts, ReceptiveField, Sum, Totals
from opgraph.analysis.sight import seen_inputs
from opgraph.analysis.union import Union, unite

__all__ = [
    "Analysis",
    "Change",
    "FoldFacts",
    "Folded",
    "GraphDiff",
    "NodeDiff",
    "NodeFacts",
    "ReceptiveField",
    "Status",
    "Sum",
    "Totals",
    "Union",
    "analyze",
    "as_data",
    "complete",
    "diff_graphs",
    "fold",
    "folds_as_data",
    "seen_inputs",
    "unite",
]
