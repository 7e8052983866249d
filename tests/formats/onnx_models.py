"""Short ways to write ONNX models down."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(nodes, x=(None, 3, 8, 8), outputs=("y",), opset=18, dtype="float32", **arrays):
    """A model of nodes `(op, inputs, outputs, attributes)` that reads `x`."""
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    inputs = [helper.make_tensor_value_info("x", number, [d or "N" for d in x])]
    graph = helper.make_graph(
        [
            helper.make_node(op, list(reads), list(makes), name=f"{op.lower()}_{i}", **dict(attrs))
            for i, (op, reads, makes, attrs) in enumerate(nodes)
        ],
        "net",
        inputs,
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in arrays.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def saved(path, *args, **kwargs):
    """The path of a model that is written there."""
    onnx.save(model(*args, **kwargs), path)
    return path


def numbers(*shape, seed=0):
    """Random float32 numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype("float32")
