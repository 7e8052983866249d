"""ONNX operations on each number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from opgraph.formats.exported import Call, Found, Reader, rescaled, single

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
    low = call.attr("min") if call.step.inputs[1:2] in ((), ("",)) else single(call, 1)
    high = call.attr("max") if call.step.inputs[2:3] in ((), ("",)) else single(call, 2)
    if not call.is_data(0) or low is None:
        return None
    if (low, high) == (-1, 1):
        return Found("HardTanh")
    return Found("ReLU", {} if high is None else {"max_value": high}) if low == 0 else None


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
    return rescaled(call, 0, -1.0, 0.0)
