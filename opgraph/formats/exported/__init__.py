"""Exported graphs of several formats as graphs of ops: steps, what they are, and their names.

Must not know any format.
"""

from opgraph.formats.exported.call import Call, Found, Made, Perm, Reader, Table, first
from opgraph.formats.exported.graph import to_graph
from opgraph.formats.exported.steps import FullShape, Program, Step, TensorFacts

__all__ = [
    "Call",
    "Found",
    "FullShape",
    "Made",
    "Perm",
    "Program",
    "Reader",
    "Step",
    "Table",
    "TensorFacts",
    "first",
    "to_graph",
]
