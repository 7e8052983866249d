"""What the operators of TFLite are, one file a family; what none says exactly stays opaque.

Must not know files, nor import `tflite`.
"""

from collections.abc import Mapping
from dataclasses import replace

from opgraph.formats.exported import (
    SCALED,
    Program,
    Reader,
    Step,
    Table,
    arithmetic,
    join_common,
)
from opgraph.formats.tflite_ops import layers, pointwise
from opgraph.graph import WeightSource

__all__ = ["COMMON", "TABLE", "join"]

COMMON = {
    "ADD": "Add",
    "CAST": "Cast",
    "FULLY_CONNECTED": "MatMul",
    "GATHER": "Gather",
    "LESS": "Less",
    "LOGICAL_NOT": "Not",
    "MEAN": "ReduceMean",
    "MUL": "Mul",
    "NEG": "Neg",
    "RESHAPE": "Reshape",
    "RSQRT": "Rsqrt",
    "SELECT_V2": "Where",
    "SQUARED_DIFFERENCE": "SquaredDifference",
    "SUB": "Sub",
}

LAYERS: dict[str, Reader] = {
    "CONV_2D": layers.conv,
    "CONV_3D": layers.conv_3d,
    "DEPTHWISE_CONV_2D": layers.depthwise,
    "TRANSPOSE_CONV": layers.transposed,
    "FULLY_CONNECTED": layers.dense,
    "MAX_POOL_2D": layers.pool("MaxPooling2D"),
    "AVERAGE_POOL_2D": layers.pool("AveragePooling2D"),
    "ADD": arithmetic.add,
    "SUB": arithmetic.subtract,
    "MUL": arithmetic.multiply,
    "DIV": arithmetic.divide,
    SCALED: arithmetic.scaled,
    "CONCATENATION": pointwise.concat,
}
OTHERS: dict[str, Reader] = {
    "GATHER": layers.embedding,
    "EMBEDDING_LOOKUP": layers.embedding,
    "MEAN": layers.reduced("GlobalAveragePooling"),
    "REDUCE_MAX": layers.reduced("GlobalMaxPooling"),
    "PAD": layers.pad,
    "PADV2": layers.pad,
    "STRIDED_SLICE": layers.crop,
    "RESIZE_NEAREST_NEIGHBOR": layers.resize("nearest"),
    "RESIZE_BILINEAR": layers.resize("bilinear"),
    "PRELU": layers.prelu,
    "LayerNormalization": arithmetic.layer_norm,
    "BATCH_MATMUL": pointwise.matmul,
    "MAXIMUM": arithmetic.merge("Maximum"),
    "MINIMUM": arithmetic.merge("Minimum"),
    "RELU": pointwise.plain("ReLU"),
    "RELU6": pointwise.plain("ReLU", {"max_value": 6.0}),
    "RELU_N1_TO_1": pointwise.plain("HardTanh"),
    "LEAKY_RELU": pointwise.leaky,
    "ELU": pointwise.plain("ELU"),
    "LOGISTIC": pointwise.plain("Sigmoid"),
    "TANH": pointwise.plain("Tanh"),
    "HARD_SWISH": pointwise.plain("HardSiLU"),
    "GELU": pointwise.gelu,
    "EXP": pointwise.plain("Exponential"),
    "NEG": pointwise.plain("Rescaling", {"scale": -1.0, "offset": 0.0}),
    "SOFTMAX": pointwise.softmax,
    "LOG_SOFTMAX": pointwise.plain("LogSoftmax"),
    "RESHAPE": pointwise.reshape,
    "SQUEEZE": pointwise.reshape,
    "EXPAND_DIMS": pointwise.reshape,
    "TRANSPOSE": pointwise.transpose,
}

TABLE = Table(
    readers=OTHERS | {kind: layers.with_function(read) for kind, read in LAYERS.items()},
    any_order=frozenset(),
    order_of_first=frozenset(),
    turned=lambda step, program: None,
)


def join(program: Program) -> Program:
    """The same graph, in which what the converter has taken apart is put together again."""
    joined = _without_dequantizing(program)
    return join_common(joined, program, "MUL", "ADD")


def _without_dequantizing(program: Program) -> Program:
    """Constants as what they stand for, without the step that says so."""
    constants, kept = dict(program.constants), list[Step]()
    names = {step.name for step in program.steps}
    for step in program.steps:
        source = constants.get(step.inputs[0]) if step.inputs else None
        if step.kind != "DEQUANTIZE" or source is None or len(step.outputs) != 1:
            kept.append(_named_by_kernel(step, program, constants, names))
            continue
        meant = source.changed(source.shape, lambda array: array.astype("float32"))
        constants[step.outputs[0]] = replace(meant, dtype="float32")
    return replace(program, steps=tuple(kept), constants=constants)


def _named_by_kernel(
    step: Step, program: Program, constants: Mapping[str, WeightSource], names: set[str]
) -> Step:
    """A step called after its kernel, which has turned out to be constant."""
    kernel = constants.get("".join(step.inputs[1:2]))
    is_new = kernel is not None and "".join(step.inputs[1:2]) not in program.constants
    if kernel is None or not is_new or kernel.name in names or "/" not in kernel.name:
        return step
    names.add(kernel.name)
    return replace(step, name=kernel.name)
