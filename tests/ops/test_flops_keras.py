"""FLOPs against TensorFlow's own profiler, where it counts what we count.

It knows the operations below at batch 1 of a frozen graph. It leaves out ReLU and its kin, exp,
tanh, sigmoid, maxima over axes, 3-D pools, grouped convolutions and all einsum; it adds the padding
of dilated convolutions, and counts transposed ones by output size.
"""

from __future__ import annotations

import pytest

import opgraph.ops as ops

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
pytestmark = pytest.mark.tf

# For each op the attributes that must be as by default for the profiler to see everything.
COUNTED = {
    "Conv1D Conv2D Conv3D": {"dilation_rate", "activation", "groups", "data_format"},
    "Conv1DTranspose Conv2DTranspose": {"dilation_rate", "output_padding"},
    "DepthwiseConv1D DepthwiseConv2D": {"dilation_rate", "activation"},
    "SeparableConv1D SeparableConv2D": {"dilation_rate", "activation"},
    "Dense": {"activation"},
    "Dot": {"normalize"},
    "MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D": set(),
    "GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D": set(),
    "Add Subtract Multiply Average Maximum Minimum Concatenate": set(),
    "Flatten Reshape Permute Identity Rescaling LayerScale": set(),
    "Dropout SpatialDropout2D GaussianNoise StochasticDepth": set(),
    "HardTanh SparseSigmoid": set(),
}
KINDS = {kind: seen for kinds, seen in COUNTED.items() for kind in kinds.split()}
MOST_EACH = 5


def profile(op, shapes):
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    layer = op.layer(keras, name="under_test")
    function = tf.function(lambda *inputs: op.call(layer, list(inputs)))
    concrete = function.get_concrete_function(*[tf.TensorSpec((1, *s)) for s in shapes])
    graph = convert_variables_to_constants_v2(concrete).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


def comparable(kind, cases):
    """Cases without the attributes that the profiler does not see; transposed ones with `same`."""
    for case in cases[kind]:
        op = ops.require(kind)(**case.attrs)
        default = {spec.name: spec.default for spec in type(op).schema().values()}
        plain = all(op.values()[name] == default[name] for name in KINDS[kind])
        grows = kind.endswith("Transpose") and cropped_or_grown(op)
        if plain and not grows and None not in case.inputs:
            yield op, case


def cropped_or_grown(op):
    """Where the output is not exactly the input times the strides, the profiler estimates."""
    return op.padding != "same" or op.activation is not None or min(op.strides) != max(op.strides)


@pytest.mark.parametrize("kind", KINDS)
def test_flops_equal_tensorflow_profiler(kind, cases):
    rows = list(comparable(kind, cases))
    assert rows
    step = max(1, len(rows) // MOST_EACH)
    for op, case in rows[::step]:
        assert op.flops(*case.inputs) == profile(op, case.inputs), f"{op!r} on {case.inputs}"
