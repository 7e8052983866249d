"""What the operations of ONNX are, one file a family; what none says exactly stays opaque.

Must not know files, nor import `onnx`.
"""

from opgraph.formats.exported import (
    SCALED,
    Program,
    Reader,
    Table,
    arithmetic,
    join_common,
    join_copies,
)
from opgraph.formats.onnx_ops import dense, pointwise, recurrent, shaping, windows
from opgraph.formats.onnx_ops.recurrent import drop_zero_states, join_squeezes

__all__ = ["TABLE", "join"]

WINDOWS: dict[str, Reader] = {
    "Conv": windows.conv,
    "ConvTranspose": windows.conv_transpose,
    "MaxPool": windows.max_pool,
    "AveragePool": windows.average_pool,
    "GlobalAveragePool": windows.global_average,
    "GlobalMaxPool": windows.global_max,
    "ReduceMean": windows.reduced("GlobalAveragePooling"),
    "ReduceMax": windows.reduced("GlobalMaxPooling"),
    "Pad": windows.pad,
    "Slice": windows.crop,
    "Resize": windows.resize,
    "Upsample": windows.resize,
}
DENSE: dict[str, Reader] = {
    "Gemm": dense.gemm,
    "MatMul": dense.matmul,
    "Gather": dense.embedding,
    "Einsum": dense.einsum,
    "LayerNormalization": arithmetic.layer_norm,
    "RMSNormalization": dense.rms_norm,
    "LpNormalization": dense.unit_norm,
}
NORMALIZATION: dict[str, Reader] = {
    "BatchNormalization": dense.batch_norm,
    SCALED: arithmetic.scaled,
    "InstanceNormalization": dense.instance_norm,
    "GroupNormalization": dense.group_norm,
}
ACTIVATIONS: dict[str, Reader] = {
    "Relu": pointwise.plain("ReLU"),
    "Sigmoid": pointwise.plain("Sigmoid"),
    "Tanh": pointwise.plain("Tanh"),
    "Softplus": pointwise.plain("Softplus"),
    "Softsign": pointwise.plain("Softsign"),
    "Mish": pointwise.plain("Mish"),
    "Exp": pointwise.plain("Exponential"),
    "HardSwish": pointwise.plain("HardSiLU"),
    "Swish": pointwise.usual("SiLU", alpha=1.0),
    "Selu": pointwise.usual("SELU", alpha=1.6732632, gamma=1.0507010),
    "Celu": pointwise.usual("CELU", alpha=1.0),
    "Elu": pointwise.renamed("ELU", {"alpha": ("alpha", 1.0)}),
    "LeakyRelu": pointwise.renamed("LeakyReLU", {"alpha": ("negative_slope", 0.01)}),
    "ThresholdedRelu": pointwise.renamed("ReLU", {"alpha": ("threshold", 1.0)}),
    "HardSigmoid": pointwise.hard_sigmoid,
    "Clip": pointwise.clip,
    "Gelu": pointwise.gelu,
    "PRelu": pointwise.prelu,
    "Shrink": pointwise.shrink,
    "Softmax": pointwise.softmax,
    "LogSoftmax": pointwise.log_softmax,
    "Neg": pointwise.negative,
}
MERGES: dict[str, Reader] = {
    "Add": arithmetic.add,
    "Sub": arithmetic.subtract,
    "Mul": arithmetic.multiply,
    "Div": arithmetic.divide,
    "Sum": arithmetic.merge("Add"),
    "Mean": arithmetic.merge("Average"),
    "Max": arithmetic.merge("Maximum"),
    "Min": arithmetic.merge("Minimum"),
    "Concat": shaping.concat,
}
SHAPING: dict[str, Reader] = {
    "Transpose": shaping.transpose,
    "Flatten": shaping.flatten,
    "Reshape": shaping.reshape,
    "Squeeze": shaping.squeeze,
    "Unsqueeze": shaping.squeeze,
}
UNCHANGED: dict[str, Reader] = {"Identity": shaping.identity, "Dropout": shaping.dropout}
RECURRENT: dict[str, Reader] = {
    "LSTM": recurrent.lstm,
    "GRU": recurrent.gru,
    "RNN": recurrent.simple,
}
ANY_ORDER = {**WINDOWS, **NORMALIZATION, **ACTIVATIONS, **MERGES, **UNCHANGED}
TABLE = Table(
    readers=ANY_ORDER | DENSE | SHAPING | RECURRENT,
    any_order=frozenset({*ANY_ORDER, "Squeeze", "Unsqueeze"}),
    order_of_first=frozenset(RECURRENT),
    turned=shaping.turned,
)


def join(program: Program) -> Program:
    """The same graph, in which what converters have taken apart is put together again."""
    joined = join_squeezes(drop_zero_states(join_copies(program)))
    return join_common(joined, program, "Mul", "Add")
