"""The steps of a program by the tensors between them, and steps put in or left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from opgraph.formats.exported.steps import Program, Step


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

    def maker(self, tensor: str, *kinds: str) -> Step | None:
        """The step that makes a tensor, if it is one of these."""
        step = self.makers.get(tensor)
        return step if step is not None and step.kind in kinds else None

    def only_reader(self, tensor: str, *kinds: str) -> Step | None:
        """The one step that reads a tensor, if it is one of these."""
        steps = self.readers.get(tensor, [])
        alone = len(steps) == 1 and self.program.readers.get(tensor) == 1
        return steps[0] if alone and steps[0].kind in kinds else None

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
