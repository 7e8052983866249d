"""What converters write in several steps, as one step again; each join says what must be there.

Nothing is joined that something else reads as well. Must not know which op a step is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from opgraph.formats.exported.steps import Program, Step, TensorFacts
from opgraph.formats.exported.wiring import Steps, replaced


def join_copies(program: Program) -> Program:
    """Steps whose first input comes out as it is, unless it is an output of the graph."""
    steps = Steps(program)
    same: dict[str, str] = {}
    kept: list[Step] = []
    for step in program.steps:
        step = replace(step, inputs=tuple(same.get(tensor, tensor) for tensor in step.inputs))
        if _changes_nothing(steps, step) and step.outputs[0] not in program.outputs:
            same[step.outputs[0]] = step.inputs[0]
        else:
            kept.append(step)
    return replace(program, steps=tuple(kept)) if same else program


def _changes_nothing(steps: Steps, step: Step) -> bool:
    if steps.is_one(step, "Identity"):
        return len(step.inputs) == len(step.outputs) == 1
    if not steps.is_one(step, "Reshape") or step.inputs[0] in steps.program.constants:
        return False
    before, after = (steps.program.facts(t).shape for t in (step.inputs[0], step.outputs[0]))
    return bool(before and after and before[1:] == after[1:] and None not in before[1:])


def join_rows(program: Program) -> Program:
    """A matrix product between two Reshapes, of all but the last axis to one and back."""
    steps = Steps(program)
    by: dict[str, Step] = {}
    gone: set[str] = set()
    tensors = dict(program.tensors)
    for step in program.steps:
        before = steps.maker(step.inputs[0], "Reshape") if _is_product(steps, step) else None
        if before is None or step.inputs[1] not in program.constants:
            continue
        bias = steps.only_reader(step.outputs[0], "Add")
        last = bias or step
        after = steps.only_reader(last.outputs[0], "Reshape")
        if after is None or not _is_by_rows(steps, before, step, after):
            continue
        made, shape = after.outputs[0], program.facts(after.outputs[0])
        by[step.name] = replace(step, inputs=(before.inputs[0], *step.inputs[1:]))
        gone |= {after.name, before.name}
        if bias is None:
            by[step.name] = replace(by[step.name], outputs=(made,))
        else:
            tensors[step.outputs[0]] = TensorFacts(shape.shape, shape.dtype)
            by[bias.name] = replace(bias, outputs=(made,))
    return replaced(replace(program, tensors=tensors), by, gone) if by else program


def _is_product(steps: Steps, step: Step) -> bool:
    whole = len(step.inputs) > 1 and len(step.outputs) > 0
    return whole and steps.program.common.get(step.kind, step.kind) == "MatMul"


def _is_by_rows(steps: Steps, before: Step, product: Step, after: Step) -> bool:
    facts = steps.program.facts
    whole, rows = facts(before.inputs[0]).shape, facts(before.outputs[0]).shape
    made = facts(after.outputs[0]).shape
    alone = steps.only_reader(before.outputs[0]) is product
    channels = steps.program.constants[product.inputs[1]].shape
    if not alone or not whole or not rows or not made or len(rows) != 2 or len(whole) < 3:
        return False
    fits = rows[-1] in (None, whole[-1]) and whole[-1] in channels
    return fits and whole[:-1] == made[:-1]


def join_indices(program: Program) -> Program:
    """Rows of a table by numbers that may count from the end: `where(i < 0, i + rows, i)`."""
    steps = Steps(program)
    by: dict[str, Step] = {}
    for step in program.steps:
        table = program.constants.get(step.inputs[0]) if steps.is_one(step, "Gather") else None
        index = None if table is None else _wrapped(steps, step.inputs[1], table.shape[0])
        if index is not None:
            by[step.name] = replace(step, inputs=(step.inputs[0], index))
    return replaced(program, by, set()) if by else program


def _wrapped(steps: Steps, tensor: str, rows: int) -> str | None:
    """The tensor that is made to count from the end as well; None if it is no such thing."""
    passed: list[Step] = []
    sources = _sources(steps, tensor, passed)
    if len(sources) != 1:
        return None
    (source,) = sources
    compares = [s for s in passed if steps.is_one(s, "Less") and steps.number(s.inputs[1]) == 0]
    adds = [s for s in passed if steps.is_one(s, "Add") and steps.number(s.inputs[1]) == rows]
    return source if len(compares) == len(adds) == 1 and adds[0].inputs[0] == source else None


def _sources(steps: Steps, tensor: str, passed: list[Step]) -> set[str]:
    """Tensors behind a chain of whole-number steps."""
    step = steps.maker(tensor, "Add", "Mul", "Less", "Not", "Cast", "Where")
    if step is None or len(passed) > 16:
        return {tensor}
    passed += [] if step in passed else [step]
    data = [t for t in step.inputs if t not in steps.program.constants]
    return {found for t in data for found in _sources(steps, t, passed)}


def join_shapes(program: Program) -> Program:
    """A Reshape to a shape that is computed, where the file says what comes out all the same."""
    by: dict[str, Step] = {}
    steps = Steps(program)
    for step in program.steps:
        if step.kind == "TRANSPOSE_CONV" and step.outputs and program.facts(step.outputs[0]).shape:
            by[step.name] = replace(step, inputs=("", *step.inputs[1:]))
        if (
            not steps.is_one(step, "Reshape")
            or step.inputs[1:2] == ()
            or step.inputs[1] in (program.constants)
        ):
            continue
        before, after = (program.facts(t).shape for t in (step.inputs[0], step.outputs[0]))
        known = before and after and None not in (*before[1:], *after[1:])
        if before and after and known and _count(before) == _count(after):
            by[step.name] = replace(step, inputs=step.inputs[:1])
    return replaced(program, by, set()) if by else program


def _count(shape: Sequence[int | None]) -> int:
    return math.prod(dim for dim in shape[1:] if dim is not None)


def is_zero(program: Program) -> Callable[[str], bool]:
    """Whether a tensor holds zeros alone, in whatever shape."""
    steps = Steps(program)

    def is_it(tensor: str) -> bool:
        for _ in range(16):
            source = program.constants.get(tensor)
            if source is not None:
                return not source.read().any()
            step = steps.maker(tensor, "Expand", "Unsqueeze", "Squeeze", "Reshape", "Cast")
            step = step or steps.maker(tensor, "ConstantOfShape", "Slice", "Transpose")
            if step is None:
                return False
            if step.kind == "ConstantOfShape":
                return not any(step.attrs.get("value") or [0])
            tensor = step.inputs[0]
        return False

    return is_it
