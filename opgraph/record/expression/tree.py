"""What an expression is once it is read: a frozen tree, each part with its place in the text.

Owns the parts; knows neither how a text is read nor what a name stands for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import EllipsisType
from typing import NamedTuple

from opgraph.errors import ExpressionError, Place, Source


class Span(NamedTuple):
    """A stretch of the text: offsets `start` up to, not including, `end`."""

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """From the beginning of this to the end of the other."""
        return Span(self.start, other.end)


@dataclass(frozen=True)
class Number:
    """A number as it was written."""

    value: float
    span: Span


@dataclass(frozen=True)
class Reference:
    """A name with dots: `conv.kernel.grad.rms`, `loss`, `any.output.nonfinite`.

    Attributes:
        parts: what stands between the dots, without quotes.
        quoted: whether the first part stood in quotes, and so can only be a node.
        span: where it stands.
    """

    parts: tuple[str, ...]
    quoted: bool
    span: Span

    @property
    def text(self) -> str:
        """The parts joined by dots."""
        return ".".join(self.parts)


@dataclass(frozen=True)
class Call:
    """A function of other parts."""

    name: str
    arguments: tuple[Part, ...]
    span: Span


@dataclass(frozen=True)
class Index:
    """Some elements of an array: `x[0, :5]`."""

    operand: Part
    items: tuple[int | slice | EllipsisType, ...]
    span: Span


@dataclass(frozen=True)
class Statistic:
    """A statistic of something computed: `x[0].rms`."""

    operand: Part
    name: str
    span: Span


@dataclass(frozen=True)
class Unary:
    """`-x` or `not x`."""

    operator: str
    operand: Part
    span: Span


@dataclass(frozen=True)
class Binary:
    """Two parts with an operator between: arithmetic, a comparison, `and`, `or`."""

    operator: str
    left: Part
    right: Part
    span: Span


Part = Number | Reference | Call | Index | Statistic | Unary | Binary


@dataclass(frozen=True)
class Expression:
    """An expression over the tensors and figures of a step.

    Attributes:
        text: as it was written.
        root: its tree.
        source: the same text, able to tell lines and columns.
    """

    text: str
    root: Part
    source: Source

    def __str__(self) -> str:
        return self.text

    def references(self) -> Iterator[Reference]:
        """All names in it, from left to right."""
        return _references(self.root)

    def error(self, problem: str, span: Span, hint: str | None = None) -> ExpressionError:
        """What is wrong at a place of it."""
        return ExpressionError(problem, place=Place(self.source, *span), hint=hint)


def _references(part: Part) -> Iterator[Reference]:
    if isinstance(part, Reference):
        yield part
    elif isinstance(part, Call):
        for argument in part.arguments:
            yield from _references(argument)
    elif isinstance(part, Binary):
        yield from _references(part.left)
        yield from _references(part.right)
    elif not isinstance(part, Number):
        yield from _references(part.operand)
