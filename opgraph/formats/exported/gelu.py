"""GELU that a converter has written out: x / 2 * (1 + erf(x / sqrt(2))), in any order."""

from __future__ import annotations

import math

from opgraph.formats.exported.steps import Program, Step
from opgraph.formats.exported.wiring import Steps, replaced

CLOSE = 1e-4


def join_gelus(program: Program) -> Program:
    """Each GELU that is written out, as a step of its own."""
    steps = Steps(program)
    by: dict[str, Step] = {}
    for step in program.steps:
        x = _argument(steps, step) if step.kind == "Erf" and len(step.outputs) == 1 else None
        last = None if x is None else _last(steps, step, x)
        if x is not None and last is not None:
            by[last.name] = Step("Gelu", last.name, (x,), last.outputs)
    return replaced(program, by, set()) if by else program


def _argument(steps: Steps, erf: Step) -> str | None:
    """The tensor that the error function takes over the root of two."""
    scaled = steps.maker("".join(erf.inputs[:1]), "Div", "Mul")
    if scaled is None:
        return None
    wanted = math.sqrt(2) if steps.is_one(scaled, "Div") else math.sqrt(0.5)
    number = steps.number(scaled.inputs[1])
    return scaled.inputs[0] if number is not None and abs(number - wanted) < CLOSE else None


def _last(steps: Steps, erf: Step, x: str) -> Step | None:
    """The product that the function ends in."""
    added = steps.only_reader(erf.outputs[0], "Add")
    if added is None or _number_beside(steps, added, erf.outputs[0]) != 1:
        return None
    left = {"x", "half"}
    step, tensor = added, added.outputs[0]
    while left:
        product = steps.only_reader(tensor, "Mul")
        found = None if product is None else _factors(steps, product, tensor, x)
        if product is None or not found or not found <= left:
            return None
        left -= found
        step, tensor = product, product.outputs[0]
    return step


def _factors(steps: Steps, product: Step, tensor: str, x: str) -> set[str]:
    """What a tensor is multiplied by, out of x and a half."""
    other = next((t for t in product.inputs if t != tensor), "")
    if other == x:
        return {"x"}
    if steps.number(other) == 0.5:
        return {"half"}
    inner = steps.maker(other, "Mul")
    return {"x", "half"} if inner and _number_beside(steps, inner, x) == 0.5 else set()


def _number_beside(steps: Steps, step: Step, tensor: str) -> float | None:
    """The number that stands beside a tensor in a step of two inputs."""
    if tensor not in step.inputs:
        return None
    return steps.number(next((t for t in step.inputs if t != tensor), ""))
