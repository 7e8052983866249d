"""A recorded training: what is measured, and how it stands on disk.

Needs NumPy, pyarrow and safetensors; must not know TensorFlow, or how a step is computed.
"""

from opgraph.record.layout import Entry, Layout, Site
from opgraph.record.quantities import KINDS, QUANTITIES, Array, Quantity, SiteKind, quantities
from opgraph.record.tensors import StepTensors, TensorName, output_name

__all__ = [
    "KINDS",
    "QUANTITIES",
    "Array",
    "Entry",
    "Layout",
    "Quantity",
    "Site",
    "SiteKind",
    "StepTensors",
    "TensorName",
    "output_name",
    "quantities",
]
