"""A recorded training: what is measured, and how it stands on disk.

Needs NumPy, pyarrow and safetensors; must not know TensorFlow, or how a step is computed.
"""

from opgraph.record.keyframes import Keyframe
from opgraph.record.layout import Entry, Layout, Site
from opgraph.record.quantities import (
    KINDS,
    MOMENTS,
    QUANTITIES,
    Array,
    Quantity,
    SiteKind,
    quantities,
)
from opgraph.record.reader import Record, open_run
from opgraph.record.schema import SCHEMA_VERSION, RunInfo, Status, fingerprint_of
from opgraph.record.tables import make_tables
from opgraph.record.tensors import StepTensors, TensorName, output_name
from opgraph.record.writer import RunWriter, check_free

__all__ = [
    "KINDS",
    "MOMENTS",
    "QUANTITIES",
    "SCHEMA_VERSION",
    "Array",
    "Entry",
    "Keyframe",
    "Layout",
    "Quantity",
    "Record",
    "RunInfo",
    "RunWriter",
    "Site",
    "SiteKind",
    "Status",
    "StepTensors",
    "TensorName",
    "check_free",
    "fingerprint_of",
    "make_tables",
    "open_run",
    "output_name",
    "quantities",
]
