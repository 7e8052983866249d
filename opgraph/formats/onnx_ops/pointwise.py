"""ONNX operations on each number, and those that bring branches together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from opgraph.formats.exported import Call, Found, Made, Reader
from opgraph.formats.onnx_ops.dense import bias_for, row
from opgraph.graph import WeightSource

HALF_ROOT = math.sqrt(0.5)
CLOSE = 1e-5


def plain(kind: str) -> Reader:
    """A reader of an operation without attributes."""

    def read(call: Call) -> Found | None:
        return Found(kind) if len(call.step.inputs) == 1 and call.is_data(0) else None

    return read


def usual(kind: str, **expected: float) -> Reader:
    """A reader of an operation whose attributes must be those that the op has built in."""

    def read(call: Call) -> Found | None:
        values = {name: call.attr(name) for name in expected}
        same = all(_near(values[n], x) for n, x in expected.items() if values[n] is not None)
        return Found(kind) if same and call.is_data(0) else None

    return read


def renamed(kind: str, names: Mapping[str, tuple[str, Any]]) -> Reader:
    """A reader that gives attributes Keras's names: ONNX name -> (Keras's, ONNX's default)."""

    def read(call: Call) -> Found | None:
        given = {keras: call.attr(name, usual) for name, (keras, usual) in names.items()}
        return Found(kind, given) if call.is_data(0) else None

    return read


def _near(value: Any, expected: float) -> bool:
    return isinstance(value, int | float) and abs(value - expected) < CLOSE


def hard_sigmoid(call: Call) -> Found | None:
    """HardSigmoid with Keras's slope."""
    same = _near(call.attr("alpha", 0.2), 1 / 6) and _near(call.attr("beta", 0.5), 0.5)
    return Found("HardSigmoid") if same else None


def clip(call: Call) -> Found | None:
    """Clip: a ReLU with a bound, or a hard tanh."""
    low = call.attr("min") if call.step.inputs[1:2] in ((), ("",)) else _single(call, 1)
    high = call.attr("max") if call.step.inputs[2:3] in ((), ("",)) else _single(call, 2)
    if not call.is_data(0) or low is None:
        return None
    if (low, high) == (-1, 1):
        return Found("HardTanh")
    return Found("ReLU", {} if high is None else {"max_value": high}) if low == 0 else None


def _single(call: Call, slot: int) -> Any:
    values = call.values(slot)
    return values[0] if values and len(values) == 1 else None


def prelu(call: Call) -> Found | None:
    """PRelu with a constant slope."""
    slope, shape = call.constant(1), call.shape(0)
    if slope is None or not shape or call.perm is not None or None in shape[1:]:
        return None
    axes = (*(1 for _ in range(len(shape) - 1 - len(slope.shape))), *slope.shape)
    if len(axes) != len(shape) - 1:
        return None
    shared = tuple(at for at, dim in enumerate(axes, start=1) if dim == 1)
    alpha = slope.changed(axes, lambda array: array.reshape(axes))
    return Found("PReLU", {"shared_axes": shared} if shared else {}, {"alpha": alpha})


def softmax(call: Call) -> Found | None:
    """Softmax over one axis."""
    axis, rank = call.axis(call.attr("axis", -1)), call.rank()
    if axis is None or rank is None or (call.attr("coerced") and axis != rank - 1):
        return None
    return Found("Softmax", {"axis": -1 if axis == rank - 1 else axis})


def log_softmax(call: Call) -> Found | None:
    """LogSoftmax over the last axis."""
    rank = call.rank()
    return Found("LogSoftmax") if rank and call.axis(call.attr("axis", -1)) == rank - 1 else None


def gelu(call: Call) -> Found | None:
    """Gelu by the error function."""
    return Found("GELU") if call.attr("approximate", "none") == "none" else None


def shrink(call: Call) -> Found | None:
    """Shrink by a half, hard or soft."""
    if not _near(call.attr("lambd", 0.5), 0.5):
        return None
    bias = call.attr("bias", 0.0)
    return Found({0.0: "HardShrink", 0.5: "SoftShrink"}[bias]) if bias in (0.0, 0.5) else None


def negative(call: Call) -> Found | None:
    """Neg: times minus one."""
    return _rescaled(call, 0, -1.0, 0.0)


# Two and more inputs -----------------------------------------------------------------------------


def merge(kind: str) -> Reader:
    """A reader of an operation on tensors of the same number of axes."""

    def read(call: Call) -> Found | None:
        if len(call.step.inputs) == 1:
            return Found("Identity")
        return Found(kind) if _is_whole(call) else None

    return read


def _is_whole(call: Call) -> bool:
    """Whether no input is constant and all have the same number of axes and the same batch."""
    if len(call.data) != len(call.step.inputs):
        return False
    shapes = [call.shape(slot) for slot in range(len(call.data))]
    known = [shape for shape in shapes if shape is not None]
    first = {(len(shape), shape[0]) for shape in known if shape}
    return len(known) == len(shapes) and len(first) == 1


def add(call: Call) -> Found | None:
    """Add: of tensors, of a bias, or of a number."""
    if _is_whole(call):
        return Found("Add")
    slot = _constant_slot(call)
    if slot is None:
        return None
    tensor, array = call.input(1 - slot), call.constant(slot)
    number = _single(call, slot)
    if array is not None and (found := bias_for(call, tensor, array)) is not None:
        return found
    return None if number is None else _rescaled(call, 1 - slot, 1.0, number)


def subtract(call: Call) -> Found | None:
    """Sub: of tensors, or of a number."""
    if _is_whole(call):
        return Found("Subtract")
    slot = _constant_slot(call)
    number = None if slot is None else _single(call, slot)
    if slot is None or number is None:
        return None
    return _rescaled(call, 0, 1.0, -number) if slot else _rescaled(call, 1, -1.0, number)


def multiply(call: Call) -> Found | None:
    """Mul: of tensors, or with a number; x * sigmoid(x) is SiLU and so on."""
    if _is_whole(call):
        return _gated(call) or Found("Multiply")
    slot = _constant_slot(call)
    number = None if slot is None else _single(call, slot)
    if slot is None or number is None:
        return None if slot is None else layer_scale(call, call.constant(slot))
    return _rescaled(call, 1 - slot, number, 0.0)


def layer_scale(call: Call, factor: WeightSource | None) -> Found | None:
    """A factor for each channel, where the channels are the last axis of the node."""
    rank = len(call.program.facts(call.data[0]).shape or ()) if call.data else 0
    own = () if factor is None else factor.shape
    axes = [rank - len(own) + at for at, dim in enumerate(own) if dim != 1]
    if factor is None or len(axes) != 1 or axes[0] < 0:
        return None
    place = axes[0] if call.perm is None else call.perm[axes[0]]
    if place != rank - 1:
        return None
    gamma = row(factor)
    return Found("LayerScale", {"projection_dim": gamma.shape[0]}, {"gamma": gamma})


def divide(call: Call) -> Found | None:
    """Div by a number."""
    number = _single(call, 1)
    return _rescaled(call, 0, 1 / number, 0.0) if number else None


def _constant_slot(call: Call) -> int | None:
    constant = [slot for slot in (0, 1) if call.constant(slot) is not None]
    return constant[0] if len(constant) == 1 and len(call.step.inputs) == 2 else None


def _rescaled(call: Call, slot: int, scale: float, offset: float) -> Found | None:
    facts = call.program.facts(call.input(slot))
    if facts.dtype not in ("float32", "float16", "bfloat16", "float64"):
        return None
    return Found("Rescaling", {"scale": scale, "offset": offset}, {}, (call.input(slot),))


def _gated(call: Call) -> Found | None:
    """A tensor times a function of itself."""
    for slot in (0, 1):
        tensor, other = call.input(slot), call.input(1 - slot)
        gate = call.maker(tensor)
        kind = None if gate is None else _gate(call, gate, other)
        if kind is not None:
            return Found(kind, {}, {}, (other,), (tensor,))
    return None


def _gate(call: Call, gate: Made, other: str) -> str | None:
    end = call.end(other)
    if gate.reads == (end,) and gate.kind.kind in ("Sigmoid", "HardSigmoid"):
        return {"Sigmoid": "SiLU", "HardSigmoid": "HardSiLU"}[gate.kind.kind]
    return None
