"""Normalisation that a converter has written out in its arithmetic, as one step again.

Batch normalisation is left as a product and a sum. Both forms of layer normalisation hold x, its
mean, and the root of its variance plus epsilon, over the last axes:
(x - mean) / root * gamma + beta, and x * m - mean * m + beta with m = gamma / root.
"""

from __future__ import annotations

from typing import NamedTuple

from opgraph.formats.exported import Call, Found, Program, Step
from opgraph.formats.onnx_ops.dense import filled, row
from opgraph.formats.onnx_ops.joined import Steps, replaced


class _Root(NamedTuple):
    """The root of the variance of a tensor, and what it was made of."""

    tensor: str
    x: str
    mean: str
    centred: str
    axis: int
    epsilon: float


class _Norm(NamedTuple):
    """The step that the arithmetic ends in, and the arrays it takes."""

    last: Step
    gamma: str = ""
    beta: str = ""


def join_layer_norms(program: Program) -> Program:
    """Each layer normalisation that is written out, as a step of its own."""
    steps = Steps(program)
    by: dict[str, Step] = {}
    for step in program.steps:
        root = _root(steps, step) if step.kind == "Sqrt" else None
        norm = None if root is None else _divided(steps, root) or _multiplied(steps, root)
        if root is None or norm is None:
            continue
        inputs = (root.x, norm.gamma, norm.beta)
        attrs = {"axis": root.axis, "epsilon": root.epsilon}
        last = norm.last
        by[last.name] = Step("LayerNormalization", last.name, inputs, last.outputs, attrs)
    return replaced(program, by, set()) if by else program


def _root(steps: Steps, step: Step) -> _Root | None:
    added = steps.maker(step.inputs[0], "Add")
    epsilon = None if added is None else steps.number(added.inputs[1])
    if added is None or epsilon is None:
        return None
    variance = _mean(steps, added.inputs[0])
    square = None if variance is None else steps.maker(variance[0], "Mul", "Pow")
    centred = None if square is None else steps.maker(square.inputs[0], "Sub")
    if variance is None or square is None or centred is None:
        return None
    is_square = square.inputs[1] == square.inputs[0] or (
        square.kind == "Pow" and steps.number(square.inputs[1]) == 2
    )
    mean = _mean(steps, centred.inputs[1])
    if not is_square or mean is None or mean != (centred.inputs[0], variance[1]):
        return None
    epsilon = float(f"{epsilon:.7g}")
    return _Root(step.outputs[0], mean[0], centred.inputs[1], centred.outputs[0], mean[1], epsilon)


def _mean(steps: Steps, tensor: str) -> tuple[str, int] | None:
    """What a tensor is the mean of, over all axes from which one on."""
    step = steps.maker(tensor, "ReduceMean", "GlobalAveragePool")
    shape = None if step is None else steps.program.facts(step.inputs[0]).shape
    if step is None or shape is None:
        return None
    if step.kind == "GlobalAveragePool":
        return step.inputs[0], 2 - len(shape)
    source = steps.program.constants.get(step.inputs[1]) if len(step.inputs) > 1 else None
    said = step.attrs.get("axes") or ([] if source is None else source.read().tolist())
    axes: list[int] = sorted(axis - len(shape) if axis >= 0 else axis for axis in said)
    is_last = axes == [*range(-len(axes), 0)]
    return (step.inputs[0], axes[0]) if axes and is_last and step.attrs.get("keepdims", 1) else None


def _divided(steps: Steps, root: _Root) -> _Norm | None:
    """The form that divides by the root."""
    step = steps.only_reader(root.tensor, "Div")
    if step is None or step.inputs != (root.centred, root.tensor):
        return None
    scaled = steps.only_reader(step.outputs[0], "Mul")
    gamma = None if scaled is None else _other_constant(steps, scaled, step.outputs[0])
    if scaled is None or gamma is None:
        return _Norm(step)
    moved = steps.only_reader(scaled.outputs[0], "Add")
    beta = None if moved is None else _other_constant(steps, moved, scaled.outputs[0])
    return _Norm(scaled, gamma) if moved is None or beta is None else _Norm(moved, gamma, beta)


def _multiplied(steps: Steps, root: _Root) -> _Norm | None:
    """The form that multiplies by gamma over the root."""
    inverse = steps.only_reader(root.tensor, "Reciprocal")
    if inverse is None:
        return None
    factor, gamma = inverse.outputs[0], ""
    scaled = steps.only_reader(factor, "Mul")
    found = None if scaled is None else _other_constant(steps, scaled, factor)
    if scaled is not None and found is not None:
        factor, gamma = scaled.outputs[0], found
    products = {_other(step, factor): step for step in steps.readers.get(factor, [])}
    up = products.pop(root.x, None)
    moved = next(iter(products), "")
    down = products.get(moved)
    negative = steps.maker(moved, "Neg")
    if up is None or down is None or negative is None or len(products) != 1:
        return None
    if negative.inputs[0] != root.mean:
        return None
    last, beta = steps.only_reader(down.outputs[0], "Add"), ""
    found = None if last is None else _other_constant(steps, last, down.outputs[0])
    tensor = down.outputs[0]
    if last is not None and found is not None:
        beta, tensor = found, last.outputs[0]
        last = steps.only_reader(tensor, "Add")
    if last is None or {*last.inputs} != {tensor, up.outputs[0]}:
        return None
    return _Norm(last, gamma, beta)


def _other(step: Step, tensor: str) -> str:
    """The other one of two inputs."""
    return next((t for t in step.inputs if t != tensor), "")


def _other_constant(steps: Steps, step: Step, tensor: str) -> str | None:
    other = _other(step, tensor)
    return other if other in steps.program.constants and len(step.inputs) == 2 else None


# What is left of a batch normalisation ------------------------------------------------------------

SCALED = "a factor and a term for each channel"


def join_scales(program: Program) -> Program:
    """A product and a sum with a row of constants along the same axis, as one step."""
    steps = Steps(program)
    by: dict[str, Step] = {}
    gone: set[str] = set()
    for step in program.steps:
        added = steps.only_reader(step.outputs[0], "Add") if step.kind == "Mul" else None
        x = None if added is None else next((t for t in step.inputs if _is_data(program, t)), None)
        if added is None or x is None:
            continue
        factor = _other_constant(steps, step, x)
        term = _other_constant(steps, added, step.outputs[0])
        axis = None if factor is None else _axis(program, x, factor)
        if factor is None or term is None or axis is None or axis != _axis(program, x, term):
            continue
        by[added.name] = Step(SCALED, step.name, (x, factor, term), added.outputs, {"axis": axis})
        gone.add(step.name)
    return replaced(program, by, gone) if by else program


def _is_data(program: Program, tensor: str) -> bool:
    return tensor not in program.constants


def _axis(program: Program, tensor: str, constant: str) -> int | None:
    """The one axis of a tensor along which a constant differs; None if it is none, or the batch."""
    shape, own = program.facts(tensor).shape, program.constants[constant].shape
    if shape is None or len(own) > len(shape):
        return None
    padded = (*(1 for _ in range(len(shape) - len(own))), *own)
    axes = [at for at, dim in enumerate(padded) if dim != 1]
    fits = len(axes) == 1 and axes[0] > 0 and shape[axes[0]] == padded[axes[0]]
    return axes[0] if fits else None


def scaled(call: Call) -> Found | None:
    """A batch normalisation whose mean is 0 and whose variance is 1; no file holds those two."""
    factor, term, axis = call.constant(1), call.constant(2), call.axis(call.attr("axis"))
    if factor is None or term is None or axis is None:
        return None
    gamma, beta = row(factor), row(term)
    rank = call.rank() or 0
    weights = {
        "gamma": gamma,
        "beta": beta,
        "moving_mean": filled(gamma, 0),
        "moving_variance": filled(gamma, 1),
    }
    given = {"axis": -1 if axis == rank - 1 else axis, "epsilon": 0.0}
    return Found("BatchNormalization", given, weights)
