"""Facts about a graph that need no run: completion, shapes, parameters, cost, receptive fields.

Knows graphs and ops; must not print, draw, or know TensorFlow.
"""

from opgraph.analysis.analyze import analyze
from opgraph.analysis.complete import complete
from opgraph.analysis.data import as_data, folds_as_data
from opgraph.analysis.fold import Folded, FoldFacts, fold
from opgraph.analysis.result import Analysis, NodeFacts, ReceptiveField, Sum, Totals
from opgraph.analysis.sight import seen_inputs

__all__ = [
    "Analysis",
    "FoldFacts",
    "Folded",
    "NodeFacts",
    "ReceptiveField",
    "Sum",
    "Totals",
    "analyze",
    "as_data",
    "complete",
    "fold",
    "folds_as_data",
    "seen_inputs",
]
