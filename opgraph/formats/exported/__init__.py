"""Exported graphs of several formats as graphs of ops: steps, what they are, and their names.

Must not know any format.
"""

from opgraph.formats.exported import arithmetic
from opgraph.formats.exported.arithmetic import (
    SCALED,
    filled,
    other_constant,
    rescaled,
    row,
    single,
)
from opgraph.formats.exported.call import After, Call, Found, Made, Perm, Reader, Table, first
from opgraph.formats.exported.cutting import WHOLE, cropped
from opgraph.formats.exported.graph import to_graph
from opgraph.formats.exported.joins import is_zero, join_copies
from opgraph.formats.exported.names import Unique
from opgraph.formats.exported.one_axis import along_one_axis
from opgraph.formats.exported.putting import join_common
from opgraph.formats.exported.steps import MOST_STEPS, FullShape, Program, Step, TensorFacts
from opgraph.formats.exported.wiring import Steps, replaced

__all__ = [
    "MOST_STEPS",
    "SCALED",
    "WHOLE",
    "After",
    "Call",
    "Found",
    "FullShape",
    "Made",
    "Perm",
    "Program",
    "Reader",
    "Step",
    "Steps",
    "Table",
    "TensorFacts",
    "Unique",
    "along_one_axis",
    "arithmetic",
    "cropped",
    "filled",
    "first",
    "is_zero",
    "join_common",
    "join_copies",
    "other_constant",
    "replaced",
    "rescaled",
    "row",
    "single",
    "to_graph",
]
