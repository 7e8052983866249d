"""A recorded training: what is measured, and how it stands on disk.

Needs NumPy, pyarrow and safetensors; must not know TensorFlow, or how a step is computed.
"""

from opgraph.record.best import read_best, write_best
from opgraph.record.damage import Damage, find_damage, graph_problem
from opgraph.record.directory import check_free
from opgraph.record.histogram import BINS, bin_edges, bin_label, count_bins, describe_bins
from opgraph.record.indexing import parse_index, take_index
from opgraph.record.keyframes import Keyframe
from opgraph.record.layout import (
    DROPOUT,
    NORM,
    TENSOR,
    Block,
    Layout,
    Site,
    prefixed,
)
from opgraph.record.listing import RunSummary, drop_keyframes, list_runs, remove_run
from opgraph.record.measure import PRESETS, Measure, Schedule, measure_from, parse_measure
from opgraph.record.quantities import (
    BN_MOMENTS,
    CHANNEL_MOMENTS,
    KINDS,
    QUANTITIES,
    TENSOR_MOMENTS,
    WEIGHT_PARTS,
    Array,
    Quantity,
    SiteKind,
    quantities,
)
from opgraph.record.reader import Record, open_run
from opgraph.record.resume import compare_rows
from opgraph.record.run_diff import Deviation, RunDiff, Setting, diff_runs
from opgraph.record.schema import SCHEMA_VERSION, RunInfo, Status, fingerprint_of
from opgraph.record.survey import SITE_COLUMNS, Survey
from opgraph.record.tables import STEPS, StepRow, make_tables
from opgraph.record.tensor_facts import TensorFacts, as_numbers, count_linear, tensor_facts
from opgraph.record.tensors import StepTensors, TensorName, output_name
from opgraph.record.thinning import KeyframePolicy
from opgraph.record.writer import RunWriter

__all__ = [
    "BINS",
    "BN_MOMENTS",
    "CHANNEL_MOMENTS",
    "DROPOUT",
    "KINDS",
    "NORM",
    "PRESETS",
    "QUANTITIES",
    "SCHEMA_VERSION",
    "SITE_COLUMNS",
    "STEPS",
    "TENSOR",
    "TENSOR_MOMENTS",
    "WEIGHT_PARTS",
    "Array",
    "Block",
    "Damage",
    "Deviation",
    "Keyframe",
    "KeyframePolicy",
    "Layout",
    "Measure",
    "Quantity",
    "Record",
    "RunDiff",
    "RunInfo",
    "RunSummary",
    "RunWriter",
    "Schedule",
    "Setting",
    "Site",
    "SiteKind",
    "Status",
    "StepRow",
    "StepTensors",
    "Survey",
    "TensorFacts",
    "TensorName",
    "as_numbers",
    "bin_edges",
    "bin_label",
    "check_free",
    "compare_rows",
    "count_bins",
    "count_linear",
    "describe_bins",
    "diff_runs",
    "drop_keyframes",
    "find_damage",
    "fingerprint_of",
    "graph_problem",
    "list_runs",
    "make_tables",
    "measure_from",
    "open_run",
    "output_name",
    "parse_index",
    "parse_measure",
    "prefixed",
    "quantities",
    "read_best",
    "remove_run",
    "take_index",
    "tensor_facts",
    "write_best",
]
