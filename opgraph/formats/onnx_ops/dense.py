"""ONNX operations with matrices and tables, and normalisations."""

from __future__ import annotations

import math

from opgraph.formats.exported import Call, Found, arithmetic, row
from opgraph.graph import WeightSource


def gemm(call: Call) -> Found | None:
    """Gemm with a constant matrix and no factors."""
    kernel, bias = call.constant(1), call.constant(2)
    plain = call.attr("alpha", 1.0) == 1.0 and call.attr("beta", 1.0) == 1.0
    if kernel is None or not plain or call.attr("transA", 0) or not call.is_data(0):
        return None
    if call.attr("transB", 0):
        kernel = _transposed(kernel)
    units = kernel.shape[-1]
    if bias is not None and math.prod(bias.shape) != units:
        return None
    return _dense(kernel, None if bias is None else row(bias))


def matmul(call: Call) -> Found | None:
    """MatMul with a constant matrix, or of two sequences."""
    kernel = call.constant(1)
    if kernel is not None and len(kernel.shape) == 2 and call.is_data(0):
        return _dense(kernel, None)
    if call.is_data(0, 1) and call.rank(0) == call.rank(1) == 3:
        return Found("Dot", {"axes": (2, 1)})
    return None


def _dense(kernel: WeightSource, bias: WeightSource | None) -> Found | None:
    if len(kernel.shape) != 2:
        return None
    given = {"units": kernel.shape[1], "use_bias": bias is not None}
    return Found("Dense", given, {"kernel": kernel, **({"bias": bias} if bias else {})})


def _transposed(kernel: WeightSource) -> WeightSource:
    return kernel.changed(tuple(reversed(kernel.shape)), lambda array: array.transpose())


def embedding(call: Call) -> Found | None:
    """Gather of rows of a constant table."""
    table = call.constant(0)
    if table is None or len(table.shape) != 2 or call.attr("axis", 0) or not call.is_data(1):
        return None
    given = {"input_dim": table.shape[0], "output_dim": table.shape[1]}
    cast = call.maker(call.input(1))
    if cast is not None and cast.given.get("class_name") == "Cast" and len(cast.reads) == 1:
        return Found("Embedding", given, {"embeddings": table}, (), (cast.name,), cast.reads)
    return Found("Embedding", given, {"embeddings": table})


def einsum(call: Call) -> Found | None:
    """Einsum of a tensor and a constant."""
    kernel, made = call.constant(1), call.program.facts(call.step.outputs[0]).shape
    if kernel is None or made is None or not call.is_data(0):
        return None
    equation = call.attr("equation", "").replace(" ", "")
    given = {"equation": equation, "output_shape": tuple(made[1:])}
    return Found("EinsumDense", given, {"kernel": kernel})


# Normalisation -----------------------------------------------------------------------------------


def batch_norm(call: Call) -> Found | None:
    """BatchNormalization as at inference."""
    arrays = [call.constant(slot) for slot in (1, 2, 3, 4)]
    axis, rank = call.axis(1), call.rank()
    one_output = not any(call.step.outputs[1:])
    if None in arrays or axis is None or call.attr("training_mode", 0) or not one_output:
        return None
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {n: a for n, a in zip(names, arrays, strict=True) if a is not None}
    given = {"axis": -1 if axis == (rank or 0) - 1 else axis}
    given |= {"epsilon": call.attr("epsilon", 1e-5), "momentum": call.attr("momentum", 0.9)}
    return Found("BatchNormalization", given, weights)


def instance_norm(call: Call) -> Found | None:
    """InstanceNormalization: each channel is a group of its own."""
    return _grouped(call, -1)


def group_norm(call: Call) -> Found | None:
    """GroupNormalization with a factor for each channel."""
    return _grouped(call, call.attr("num_groups", 0))


def _grouped(call: Call, groups: int) -> Found | None:
    gamma, beta, axis = call.constant(1), call.constant(2), call.axis(1)
    if gamma is None or beta is None or axis is None or not groups:
        return None
    given = {"groups": groups, "axis": axis, "epsilon": call.attr("epsilon", 1e-5)}
    return Found("GroupNormalization", given, {"gamma": gamma, "beta": beta})


def rms_norm(call: Call) -> Found | None:
    """RMSNormalization over the last axes."""
    scale, axes = call.constant(1), arithmetic.last_axes(call)
    if scale is None or axes is None:
        return None
    given = {"axis": axes, "epsilon": call.attr("epsilon", 1e-5)}
    return Found("RMSNormalization", given, {"scale": scale})


def unit_norm(call: Call) -> Found | None:
    """LpNormalization by the Euclidean length."""
    axis = call.axis(call.attr("axis", -1))
    return Found("UnitNormalization", {"axis": axis}) if axis and call.attr("p", 2) == 2 else None
