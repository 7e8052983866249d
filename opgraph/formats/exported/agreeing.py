"""Whether an op agrees with its step: what it says of shapes and weights is asked here.

Must not know how nodes are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opgraph.errors import AttributeValueError, ShapeError
from opgraph.formats.exported.call import Found
from opgraph.formats.exported.steps import FullShape
from opgraph.ops import Shape, require


def op_shapes(
    found: Found, given: Mapping[str, Any], inputs: Sequence[Shape | None]
) -> list[Shape | None] | None:
    """Output shapes of an op; None if it takes no such attributes or inputs, or other weights."""
    try:
        op = require(found.kind)(**given)
        _, fewest, most = op.slots()
        if len(inputs) < fewest or (most is not None and len(inputs) > most):
            return None
        if any(shape is None for shape in inputs):
            return [None] if not found.weights else None
        output = op.shape(*inputs)
        weights = op.weights(*inputs) or {}
    except (AttributeValueError, ShapeError):
        return None
    if list(weights) != list(found.weights):
        return None
    if not all(
        is_same(weight.shape, found.weights[name].shape) for name, weight in weights.items()
    ):
        return None
    return list(output) if isinstance(output, list) else [output]


def is_same(one: FullShape | None, other: FullShape | None) -> bool:
    """Whether two shapes do not contradict each other."""
    if one is None or other is None:
        return True
    pairs = zip(one, other, strict=False)
    return len(one) == len(other) and all(a is None or b is None or a == b for a, b in pairs)


def inside(shape: FullShape | None) -> Shape | None:
    """A shape without its batch; None where there is none, or where it is empty."""
    if not shape or any(dim is not None and dim < 1 for dim in shape[1:]):
        return None
    return tuple(shape[1:])
