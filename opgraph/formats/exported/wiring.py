"""The steps of a program by the tensors between them, and steps put in or left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from opgraph.formats.exported.steps import Program, Step

# Inputs that a step must have to be one of its kind; a damaged file may hold fewer.
TWO = ("Add", "Sub", "Mul", "Div", "Pow", "Less", "MatMul", "Gather", "SquaredDifference")
FEWEST = {**dict.fromkeys(TWO, 2), "Where": 3}


@dataclass(frozen=True)
class Steps:
    """The steps of a program by the tensors that they make and read."""

    program: Program

    @cached_property
    def makers(self) -> Mapping[str, Step]:
        """The step that makes each tensor."""
        return {t: step for step in self.program.steps for t in step.outputs if t}

    @cached_property
    def readers(self) -> Mapping[str, list[Step]]:
        """The steps that read each tensor."""
        found: dict[str, list[Step]] = {}
        for step in self.program.steps:
            for tensor in dict.fromkeys(step.inputs):
                found.setdefault(tensor, []).append(step)
        return found

    def is_one(self, step: Step | None, *kinds: str) -> bool:
        """Whether a step is one of these, by the name that formats have in common."""
        if step is None or step.attrs.get("fused_activation_function", "NONE") != "NONE":
            return False
        kind = self.program.common.get(step.kind, step.kind)
        is_whole = len(step.inputs) >= FEWEST.get(kind, 1) and len(step.outputs) > 0
        return kind in kinds and is_whole

    def maker(self, tensor: str, *kinds: str) -> Step | None:
        """The step that makes a tensor, if it is one of these."""
        step = self.makers.get(tensor)
        return step if self.is_one(step, *kinds) else None

    def only_reader(self, tensor: str, *kinds: str) -> Step | None:
        """The one step that reads a tensor, if it is one of these; any when none is named."""
        steps = self.readers.get(tensor, [])
        alone = len(steps) == 1 and self.program.readers.get(tensor) == 1
        return steps[0] if alone and (not kinds or self.is_one(steps[0], *kinds)) else None

    def number(self, tensor: str) -> float | None:
        """The number that a constant of one element holds."""
        source = self.program.constants.get(tensor)
        if source is None or any(dim != 1 for dim in source.shape):
            return None
        value = source.read().reshape(-1)[0]
        return None if isinstance(value, str | bytes) else float(value)


def replaced(program: Program, by: Mapping[str, Step], gone: set[str]) -> Program:
    """The program with steps replaced, by name, and others left out."""
    steps = (by.get(step.name, step) for step in program.steps if step.name not in gone)
    return replace(program, steps=tuple(steps))


def without_unused(program: Program, before: Program) -> Program:
    """The program without steps that were needed before and are not any more."""
    gone = _needed(before) - _needed(program)
    return replaced(program, {}, gone) if gone else program


def _needed(program: Program) -> set[str]:
    """Names of the steps that an output depends on."""
    makers = Steps(program).makers
    waiting, found = list(program.outputs), set[str]()
    while waiting:
        step = makers.get(waiting.pop())
        if step is not None and step.name not in found:
            found.add(step.name)
            waiting += step.inputs
    return found
