"""An exported graph as it stands in its file: tensors, constants, and steps between them.

The same for ONNX and TFLite. Owns the form only; must not know which op a step is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from opgraph.errors import FormatError
from opgraph.graph import WeightSource

MOST_STEPS = 200_000
FullShape = tuple[int | None, ...]


@dataclass(frozen=True)
class TensorFacts:
    """What a file says about a tensor: its shape with the batch, its dtype; None if nothing."""

    shape: FullShape | None = None
    dtype: str | None = None


@dataclass(frozen=True)
class Step:
    """One operation of a file.

    Attributes:
        kind: as the file spells it.
        name: unique; what messages and pictures call it.
        inputs: tensors by slot; empty where one is left out.
        outputs: tensors by port; empty where one is left out.
        attrs: attributes, as plain data.
        members: what it was before the file's maker put several operations into one.
    """

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Program:
    """Everything that a file holds.

    Attributes:
        name: of the file.
        path: of the file, for messages.
        language: the format whose operations these are.
        called: what inputs are called by those who use the file, if otherwise.
        common: what operations are called where formats have the same, as ONNX spells it.
        steps: each after those that it reads from.
        inputs: tensors that are handed in.
        outputs: tensors that are handed back.
        tensors: what is said about them.
        constants: tensors whose values stand in the file.
    """

    name: str
    path: str
    language: str
    steps: tuple[Step, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, TensorFacts]
    constants: Mapping[str, WeightSource]
    called: Mapping[str, str] = field(default_factory=dict[str, str])
    common: Mapping[str, str] = field(default_factory=dict[str, str])

    def facts(self, tensor: str) -> TensorFacts:
        """What is known of a tensor."""
        constant = self.constants.get(tensor)
        if constant is not None:
            return TensorFacts(constant.shape, constant.dtype)
        return self.tensors.get(tensor, TensorFacts())

    @cached_property
    def readers(self) -> Mapping[str, int]:
        """How often each tensor is read, by steps or as an output of the graph."""
        counts: dict[str, int] = dict.fromkeys(self.outputs, 1)
        for step in self.steps:
            for tensor in step.inputs:
                counts[tensor] = counts.get(tensor, 0) + 1
        return counts

    def check(self) -> None:
        """Refuse tensors that nothing makes, or that are made twice or later than they are read.

        Raises:
            FormatError: naming the step and the tensor.
        """
        made = {*self.inputs, *self.constants, ""}
        for step in self.steps:
            self._refuse_unmade(step.name, step.inputs, made)
            for tensor in step.outputs:
                if tensor and tensor in made:
                    raise FormatError(f"{step.name!r} makes {tensor!r} again", where=self.path)
                made.add(tensor)
        self._refuse_unmade("the graph", self.outputs, made - {""})

    def _refuse_unmade(self, who: str, tensors: Iterable[str], made: set[str]) -> None:
        for tensor in tensors:
            if tensor not in made:
                whose = who if who == "the graph" else repr(who)
                raise FormatError(
                    f"{whose} reads {tensor!r}, which nothing before it makes", where=self.path
                )
