"""Layer normalisation that a converter has written out in its arithmetic, as one step again.

Both forms hold x, its mean, and the root of its variance plus epsilon, over the last axes:
(x - mean) / root * gamma + beta, and x * m - mean * m + beta with m = gamma / root.
"""

from __future__ import annotations

from typing import NamedTuple

from opgraph.formats.exported.arithmetic import other_constant
from opgraph.formats.exported.steps import Program, Step
from opgraph.formats.exported.wiring import Steps, replaced


class _Centred(NamedTuple):
    """A tensor, its mean, and the one without the other, where that stands by itself."""

    x: str
    mean: str
    tensor: str


class _Root(NamedTuple):
    """The step that takes the root of the variance of a tensor, and what that was made of."""

    step: Step
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
        root = _root(steps, step) if steps.is_one(step, "Sqrt", "Rsqrt") else None
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
    square = None if variance is None else _centred(steps, variance[0])
    mean = None if square is None else _mean(steps, square.mean)
    if variance is None or square is None or mean is None or mean != (square.x, variance[1]):
        return None
    epsilon = float(f"{epsilon:.7g}")
    return _Root(step, square.x, square.mean, square.tensor, mean[1], epsilon)


def _centred(steps: Steps, square: str) -> _Centred | None:
    """A tensor minus its mean, of which another one is the square."""
    difference = steps.maker(square, "SquaredDifference")
    if difference is not None:
        return _Centred(difference.inputs[0], difference.inputs[1], "")
    step = steps.maker(square, "Mul", "Pow")
    centred = None if step is None else steps.maker(step.inputs[0], "Sub")
    if step is None or centred is None:
        return None
    same, power = step.inputs[1] == step.inputs[0], steps.number(step.inputs[1])
    if not same and (steps.is_one(step, "Mul") or power != 2):
        return None
    return _Centred(centred.inputs[0], centred.inputs[1], centred.outputs[0])


def _mean(steps: Steps, tensor: str) -> tuple[str, int] | None:
    """What a tensor is the mean of, over all axes from which one on."""
    step = steps.maker(tensor, "ReduceMean", "GlobalAveragePool")
    shape = None if step is None else steps.program.facts(step.inputs[0]).shape
    if step is None or shape is None:
        return None
    if step.kind == "GlobalAveragePool":  # ONNX's converters use it for the last axis of three
        return step.inputs[0], 2 - len(shape)
    source = steps.program.constants.get("".join(step.inputs[1:2]))
    said = step.attrs.get("axes") or ([] if source is None else source.read().tolist())
    axes: list[int] = sorted(axis - len(shape) if axis >= 0 else axis for axis in said)
    is_last = axes == [*range(-len(axes), 0)]
    return (step.inputs[0], axes[0]) if axes and is_last and _keeps(step) else None


def _keeps(step: Step) -> bool:
    return bool(step.attrs.get("keepdims", step.attrs.get("keep_dims", True)))


def _divided(steps: Steps, root: _Root) -> _Norm | None:
    """The form that divides by the root."""
    tensor = root.step.outputs[0]
    step = steps.only_reader(tensor, "Div")
    if step is None or step.inputs != (root.centred, tensor):
        return None
    scaled = steps.only_reader(step.outputs[0], "Mul")
    gamma = None if scaled is None else other_constant(steps, scaled, step.outputs[0])
    if scaled is None or gamma is None:
        return _Norm(step)
    moved = steps.only_reader(scaled.outputs[0], "Add")
    beta = None if moved is None else other_constant(steps, moved, scaled.outputs[0])
    return _Norm(scaled, gamma) if moved is None or beta is None else _Norm(moved, gamma, beta)


def _multiplied(steps: Steps, root: _Root) -> _Norm | None:
    """The form that multiplies by gamma over the root."""
    is_inverse = steps.is_one(root.step, "Rsqrt")
    inverse = root.step if is_inverse else steps.only_reader(root.step.outputs[0], "Reciprocal")
    if inverse is None:
        return None
    factor, gamma = inverse.outputs[0], ""
    scaled = steps.only_reader(factor, "Mul")
    found = None if scaled is None else other_constant(steps, scaled, factor)
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
    found = None if last is None else other_constant(steps, last, down.outputs[0])
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
