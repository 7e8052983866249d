"""ONNX operations that move numbers without computing."""

from __future__ import annotations

from typing import Any

from opgraph.formats.exported import (
    Call,
    Found,
    FullShape,
    Perm,
    Program,
    Step,
    along_one_axis,
    first,
)


def turned(step: Step, program: Program) -> Perm | None:
    """The order in which a step puts the axes, if it is a Transpose."""
    if step.kind != "Transpose" or len(step.inputs) != 1 or len(step.outputs) != 1:
        return None
    shape = program.facts(step.inputs[0]).shape
    perm = step.attrs.get("perm") or (None if shape is None else [*reversed(range(len(shape)))])
    fits = perm is not None and (shape is None or len(perm) == len(shape))
    return tuple(perm) if perm and fits and sorted(perm) == [*range(len(perm))] else None


def transpose(call: Call) -> Found | None:
    """Transpose, where it is asked for as it stands."""
    perm = turned(call.step, call.program)
    if perm is None or len(perm) < 2 or perm[0] != 0:
        return None
    return Found("Permute", {"dims": perm[1:]})


def identity(call: Call) -> Found | None:
    """Identity and what is none in inference."""
    return Found("Identity")


def dropout(call: Call) -> Found | None:
    """Dropout; its mask must not be wanted."""
    if any(tensor and call.program.readers.get(tensor) for tensor in call.step.outputs[1:]):
        return None
    values = call.values(1)
    rate = values[0] if values else call.attr("ratio", 0.5)
    return Found("Dropout", {"rate": rate}, reads=(call.input(0),))


def flatten(call: Call) -> Found | None:
    """Flatten behind the batch."""
    return Found("Flatten") if call.attr("axis", 1) == 1 else None


def reshape(call: Call) -> Found | None:
    """Reshape that leaves the batch alone."""
    before, after = call.shape(0), call.full(call.step.outputs[0])
    if (
        call.perm is not None
        or not before
        or not after
        or None in before[1:]
        or len(call.step.outputs) != 1
    ):
        return None
    target = after[1:]
    if None in target:
        return None
    pooled = squeezed(call, after)
    if pooled is not None:
        return pooled
    if call.turns and target == (*before[1:], *(1 for _ in target[1:])) and len(target) > 2:
        last = (*target[1:], *before[1:])  # a row as a map of one place, its channels last
        perms = (first(len(after)),)
        return Found("Reshape", {"target_shape": last}, reads=(call.input(0),), perms=perms)
    if len(after) == 2 and len(before) > 2:
        return Found("Flatten", reads=(call.input(0),))
    return Found("Reshape", {"target_shape": target}, reads=(call.input(0),)) if target else None


def squeeze(call: Call) -> Found | None:
    """Squeeze and Unsqueeze: axes of size 1 come and go."""
    after = call.full(call.step.outputs[0])
    pooled = None if after is None else squeezed(call, after)
    return pooled or along_one_axis(call) or _with_one_axis(call) or reshape(call)


def _with_one_axis(call: Call) -> Found | None:
    """A turned tensor with an axis of size 1 more or less: the node's first behind the batch."""
    axes, before, perm = call.attr("axes") or call.values(1), call.shape(0), call.perm
    if not axes or len(axes) != 1 or perm is None or not before or len(before) != len(perm):
        return None
    if None in before[1:]:
        return None
    if call.step.kind == "Squeeze":
        if len(perm) < 3 or not -len(perm) <= axes[0] < len(perm) or perm[axes[0]] != 1:
            return None
        turned = tuple(axis - (axis > 1) for axis in perm if axis != 1)
        given = {"target_shape": before[2:]}
        return Found("Reshape", given, reads=(call.input(0),), perms=(turned,))
    place = axes[0] % (len(perm) + 1)
    if not place:
        return None
    moved = [axis + (axis > 0) for axis in perm]
    turned = (*moved[:place], 1, *moved[place:])
    given = {"target_shape": (1, *before[1:])}
    return Found("Reshape", given, reads=(call.input(0),), perms=(turned,))


def squeezed(call: Call, after: FullShape) -> Found | None:
    """A global pooling without the axes of size 1 that it has kept."""
    made = call.maker(call.input(0))
    if made is None or not made.kind.kind.startswith("Global") or len(after) != 2:
        return None
    given: dict[str, Any] = {**made.given}
    if call.step.kind != "Squeeze" or not given.pop("keepdims", False):
        return None
    return Found(made.kind.kind, given, {}, (), (made.name,), made.reads, perms=(None,))


def concat(call: Call) -> Found | None:
    """Concat of tensors along an axis."""
    if len(call.data) != len(call.step.inputs):
        return None
    if len(call.data) == 1:
        return Found("Identity")
    axis, rank = call.axis(call.attr("axis", 0)), call.rank()
    if axis is None or rank is None:
        return None
    return Found("Concatenate", {"axis": -1 if axis == rank - 1 else axis})
