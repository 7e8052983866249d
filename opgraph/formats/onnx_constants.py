"""Steps that only rearrange constants are taken into the constants.

Converters write `Transpose` of a kernel and the like. Nothing is computed before the array is asked
for. Must not know which op a step is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from opgraph.formats.exported import Program, Step, TensorFacts
from opgraph.formats.quantized import dequantized
from opgraph.graph import WeightSource

MOST_NUMBERS = 1 << 28
SMALL = 4096


def fold_constants(program: Program) -> Program:
    """The same graph without steps on constants alone."""
    folding = _Folding(program)
    steps = tuple(step for step in map(folding.step, program.steps) if step is not None)
    return replace(program, steps=steps, constants=folding.constants)


class _Folding:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.constants = dict(program.constants)

    def step(self, step: Step) -> Step | None:
        """The step; None if what it makes is constant."""
        if {*step.outputs} & {*self.program.outputs} or not step.inputs:
            return step
        found = self._constant(step)
        if found is None:
            return step
        self.constants[step.outputs[0]] = found
        return None

    def _constant(self, step: Step) -> WeightSource | None:
        fold = FOLDS.get(step.kind)
        sources = [self.constants.get(tensor) for tensor in step.inputs if tensor]
        if step.kind == "DequantizeLinear" and len(sources) < 2:
            return None
        if fold is None or len(step.outputs) != 1 or not sources or not all(sources):
            return None
        known = [source for source in sources if source is not None]
        return fold(_Constant(step, known, self.program.facts(step.outputs[0])))


@dataclass(frozen=True)
class _Constant:
    """A step whose inputs are all constant."""

    step: Step
    sources: list[WeightSource]
    facts: TensorFacts

    @property
    def first(self) -> WeightSource:
        return self.sources[0]

    def numbers(self, slot: int, attribute: str) -> list[int] | None:
        """Whole numbers that stand in an attribute or, later, in an input."""
        said = self.step.attrs.get(attribute)
        if said is None and slot < len(self.sources):
            source = self.sources[slot]
            said = source.read().reshape(-1).tolist() if math.prod(source.shape) < SMALL else None
        return said


def _transposed(call: _Constant) -> WeightSource | None:
    shape = call.first.shape
    perm = call.step.attrs.get("perm") or [*reversed(range(len(shape)))]
    if sorted(perm) != [*range(len(shape))]:
        return None
    return call.first.changed(tuple(shape[axis] for axis in perm), lambda x: x.transpose(perm))


def _reshaped(call: _Constant) -> WeightSource | None:
    """Another shape of the same numbers, if the file says or implies which."""
    shape = call.facts.shape
    if shape is None or None in shape:
        return None
    target = tuple(dim for dim in shape if dim is not None)
    if math.prod(target) != math.prod(call.first.shape):
        return None
    return call.first.changed(target, lambda x: x.reshape(target))


def _cast(call: _Constant) -> WeightSource | None:
    dtype = call.facts.dtype
    if dtype not in ("float32", "float64", "float16", "int64", "int32"):
        return None
    return replace(call.first.changed(call.first.shape, lambda x: x.astype(dtype)), dtype=dtype)


def _dequantized(call: _Constant) -> WeightSource | None:
    """DequantizeLinear: whole numbers as what they stand for."""
    array, scale, *zero = call.sources
    axis = call.step.attrs.get("axis", 1)
    scales = scale.read().reshape(-1).tolist() if math.prod(scale.shape) < SMALL else []
    zeros = zero[0].read().reshape(-1).tolist() if zero and zero[0].shape == scale.shape else []
    rank = len(array.shape)
    alone = len(scales) == 1
    along = -rank <= axis < rank and len(scale.shape) == 1 and array.shape[axis] == len(scales)
    if not (alone or along) or call.step.attrs.get("block_size", 0) or len(zero) > 1:
        return None
    return dequantized(array, scales, zeros, axis)


def _filled(call: _Constant) -> WeightSource | None:
    """ConstantOfShape: one number everywhere."""
    import numpy as np

    shape, dtype = call.numbers(0, ""), call.facts.dtype or "float32"
    if shape is None or min(shape, default=0) < 0 or math.prod(shape) > MOST_NUMBERS:
        return None
    value = (call.step.attrs.get("value") or [0.0])[0]
    target = tuple(shape)
    try:
        kind = np.dtype(dtype)
    except TypeError:
        return None
    return WeightSource(
        call.step.outputs[0], target, dtype, lambda: np.broadcast_to(kind.type(value), target)
    )


FOLDS: Mapping[str, Callable[[_Constant], WeightSource | None]] = {
    "Identity": lambda call: call.first,
    "Transpose": _transposed,
    "Reshape": _reshaped,
    "Squeeze": _reshaped,
    "Unsqueeze": _reshaped,
    "Flatten": _reshaped,
    "Cast": _cast,
    "DequantizeLinear": _dequantized,
    "ConstantOfShape": _filled,
}
