"""What adds, multiplies and merges, in any format: bias, scale and offset, gates, branches.

Must not know how a format spells them.
"""

from __future__ import annotations

import math
from typing import Any

from opgraph.formats.exported.call import Call, Found, Made, Reader
from opgraph.formats.exported.steps import Program, Step
from opgraph.formats.exported.wiring import Steps, replaced
from opgraph.graph import WeightSource

BIASED = ("Dense", "Conv", "DepthwiseConv")
SCALED = "a factor and a term for each channel"


def row(array: WeightSource) -> WeightSource:
    """An array as one row of numbers.

    >>> row(WeightSource("b", (1, 3, 1), "float32", lambda: None)).shape
    (3,)
    """
    shape = (math.prod(array.shape),)
    return array if array.shape == shape else array.changed(shape, lambda x: x.reshape(-1))


def filled(like: WeightSource, number: int) -> WeightSource:
    """An array of one number that stands in no file, as long as another one."""

    def load() -> Any:
        import numpy as np

        return np.full(like.shape, number, like.read().dtype)

    return WeightSource("", like.shape, like.dtype, load)


def bias_for(call: Call, tensor: str, array: WeightSource) -> Found | None:
    """The layer that makes a tensor, with an array added to each of its channels as its bias."""
    made = call.maker(tensor)
    if made is None or not made.kind.kind.startswith(BIASED) or "bias" in made.weights:
        return None
    if made.given.get("activation"):
        return None
    axis = _channel_axis(call, tensor, made)
    rank = len(call.program.facts(tensor).shape or ())
    units = (made.shapes[0] or (None,))[0 if _is_first(made) else -1]
    padded = (*(1 for _ in range(rank - len(array.shape))), *array.shape)
    if axis is None or padded != tuple(units if at == axis else 1 for at in range(rank)):
        return None
    weights = {**made.weights, "bias": row(array)}
    return Found(made.kind.kind, {**made.given, "use_bias": True}, weights, (),
                 swallows=(made.name,), ends=made.reads)  # fmt: skip


def _is_first(made: Made) -> bool:
    return made.given.get("data_format") == "channels_first"


def _channel_axis(call: Call, tensor: str, made: Made) -> int | None:
    """The axis of the tensor that holds the channels of the node that makes it."""
    shape = call.program.facts(tensor).shape
    if shape is None:
        return None
    own = 1 if _is_first(made) else len(shape) - 1
    return own if made.axes is None else made.axes.index(own)


def single(call: Call, slot: int) -> Any:
    """The number of a constant of one element."""
    values = call.values(slot)
    return values[0] if values and len(values) == 1 else None


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
    number = single(call, slot)
    if array is not None and (found := bias_for(call, tensor, array)) is not None:
        return found
    return None if number is None else rescaled(call, 1 - slot, 1.0, number)


def subtract(call: Call) -> Found | None:
    """Sub: of tensors, or of a number."""
    if _is_whole(call):
        return Found("Subtract")
    slot = _constant_slot(call)
    number = None if slot is None else single(call, slot)
    if slot is None or number is None:
        return None
    return rescaled(call, 0, 1.0, -number) if slot else rescaled(call, 1, -1.0, number)


def multiply(call: Call) -> Found | None:
    """Mul: of tensors, or with a number; x * sigmoid(x) is SiLU and so on."""
    if _is_whole(call):
        return _gated(call) or Found("Multiply")
    slot = _constant_slot(call)
    number = None if slot is None else single(call, slot)
    if slot is None or number is None:
        return None if slot is None else layer_scale(call, call.constant(slot))
    return rescaled(call, 1 - slot, number, 0.0)


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
    number = single(call, 1)
    return rescaled(call, 0, 1 / number, 0.0) if number else None


def _constant_slot(call: Call) -> int | None:
    constant = [slot for slot in (0, 1) if call.constant(slot) is not None]
    return constant[0] if len(constant) == 1 and len(call.step.inputs) == 2 else None


def rescaled(call: Call, slot: int, scale: float, offset: float) -> Found | None:
    """A floating-point input times a number, plus a number."""
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
        if kind is not None and gate is not None:
            return Found(kind, {}, {}, (other,), (gate.name,))
    return None


def _gate(call: Call, gate: Made, other: str) -> str | None:
    end = call.end(other)
    if gate.reads == (end,) and gate.kind.kind in ("Sigmoid", "HardSigmoid"):
        return {"Sigmoid": "SiLU", "HardSigmoid": "HardSiLU"}[gate.kind.kind]
    return None


def join_scales(program: Program, product: str, total: str) -> Program:
    """A product and a sum with a row of constants along the same axis, as one step."""
    steps = Steps(program)
    by: dict[str, Step] = {}
    gone: set[str] = set()
    for step in program.steps:
        added = _sum(steps, step, product, total)
        x = None if added is None else next((t for t in step.inputs if _is_data(program, t)), None)
        if added is None or x is None:
            continue
        factor = other_constant(steps, step, x)
        term = other_constant(steps, added, step.outputs[0])
        axis = None if factor is None else _axis(program, x, factor)
        if factor is None or term is None or axis is None or axis != _axis(program, x, term):
            continue
        by[added.name] = Step(SCALED, step.name, (x, factor, term), added.outputs,
                              {**added.attrs, "axis": axis}, added.members)  # fmt: skip
        gone.add(step.name)
    return replaced(program, by, gone) if by else program


def _sum(steps: Steps, step: Step, product: str, total: str) -> Step | None:
    """The sum that a product goes into, and nothing else."""
    if step.kind != product or len(step.inputs) != 2 or not step.outputs:
        return None
    if step.attrs.get("fused_activation_function", "NONE") != "NONE":
        return None
    added = steps.only_reader(step.outputs[0])
    return added if added is not None and added.kind == total else None


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
    factor, term, axis = call.constant(1), call.constant(2), call.axis(call.attr("axis", 0))
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


def other_constant(steps: Steps, step: Step, tensor: str) -> str | None:
    """The other one of two inputs, if it is constant."""
    other = next((t for t in step.inputs if t != tensor), "")
    return other if other in steps.program.constants and len(step.inputs) == 2 else None


def layer_norm(call: Call) -> Found | None:
    """LayerNormalization over the last axes."""
    gamma, beta = call.constant(1), call.constant(2)
    axes = last_axes(call)
    if axes is None or any(call.step.outputs[1:]) or not call.is_data(0):
        return None
    given: dict[str, Any] = {"axis": axes, "epsilon": call.attr("epsilon", 1e-5)}
    given |= {} if beta else {"center": False}
    given |= {} if gamma else {"scale": False}
    weights = {"gamma": gamma, "beta": beta}
    flat = {n: row(a) if axes == -1 else a for n, a in weights.items() if a is not None}
    return Found("LayerNormalization", given, flat)


def last_axes(call: Call) -> int | tuple[int, ...] | None:
    """The axes from the one on that a step names, as Keras counts them."""
    rank, axis = call.rank(), call.axis(call.attr("axis", -1))
    if rank is None or axis is None:
        return None
    return -1 if axis == rank - 1 else tuple(range(axis, rank))
