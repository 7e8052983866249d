"""Nodes in the making: which operations each stands for, and the rules by which they grow.

Must not know single operations of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opgraph.formats.graphdef.flat import Flat, Operation, Value
from opgraph.formats.graphdef.statics import PASSES, source


@dataclass(eq=False)
class Draft:
    """A node in the making.

    Attributes:
        kind: name of the op.
        given: its attributes.
        inputs: what it reads, by slot.
        members: operations that it stands for, in order; the last is its output.
        weights: constants and variables by the name that Keras has for them.
    """

    kind: str
    given: dict[str, Any]
    inputs: list[Value]
    members: list[Operation]
    weights: dict[str, Operation] = field(default_factory=dict[str, Operation])


class Workshop:
    """All drafts, and which of them hands out the value of an operation."""

    def __init__(self, flat: Flat, static: set[Operation]) -> None:
        self.operations, self.static = flat.operations, static
        self.outputs = {source(value).of for value in flat.outputs.values()}
        self.drafts: dict[Draft, None] = {}
        self.maker: dict[Operation, Draft] = {}
        self.done: set[Operation] = set()

    def is_static(self, value: Value) -> bool:
        """Whether a value depends on no input of the graph."""
        return value.of in self.static

    def add(
        self,
        kind: str,
        given: Mapping[str, Any],
        inputs: Sequence[Value],
        *members: Operation,
        weights: Mapping[str, Operation] | None = None,
    ) -> Draft:
        """A new draft, whose output is that of the last member."""
        read = [source(value) for value in inputs]
        draft = Draft(kind, dict(given), read, list(members), dict(weights or {}))
        self.drafts[draft] = None
        self._claim(draft)
        return draft

    def grow(self, draft: Draft, *members: Operation) -> None:
        """Let a draft stand for further operations; the last of them is its output now."""
        draft.members += members
        self._claim(draft)

    def drop(self, draft: Draft) -> None:
        """Take a draft back, to let another one stand for its operations."""
        del self.drafts[draft]

    def _claim(self, draft: Draft) -> None:
        for member in draft.members:
            self.done.add(member)
        self.maker[draft.members[-1]] = draft

    def made(self, value: Value, *, alone: bool = True) -> Draft | None:
        """The draft that hands out a value.

        Args:
            value: any value.
            alone: only if nothing else reads it.
        """
        found = source(value)
        draft = self.maker.get(found.of)
        if draft is None or draft.members[-1] is not found.of or draft not in self.drafts:
            return None
        return draft if not alone or self.is_alone(found.of) else None

    def is_alone(self, operation: Operation) -> bool:
        """Whether exactly one operation reads the value, and it is no output of the graph."""
        return len(readers(operation)) == 1 and operation not in self.outputs


def readers(operation: Operation) -> list[Operation]:
    """Who reads an operation, behind those that only hand its value on."""
    found: list[Operation] = []
    waiting, seen = [operation], set[Operation]()
    while waiting:
        read = waiting.pop()
        for reader in read.readers:
            if reader.op not in PASSES:
                found.append(reader)
            elif reader not in seen and _hands_on(reader, read):
                seen.add(reader)
                waiting.append(reader)
    return found


def _hands_on(reader: Operation, read: Operation) -> bool:
    """Whether anybody reads that output of an `IdentityN` which is the value in question."""
    if reader.op != "IdentityN":
        return True
    ports = {port for port, value in enumerate(reader.inputs) if value.of is read}
    return any(
        value.of is reader and value.port in ports
        for further in reader.readers
        for value in further.inputs
    )
