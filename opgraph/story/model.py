"""A story as data: phases, blocks, sentences, formulas with their checks, tables, pictures.

Owns the frozen tree; has no words of any language and draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from opgraph.record import Array
from opgraph.story.formula import Expr, evaluate
from opgraph.story.numerals import settle

PHASES = ("initial", "forward", "loss", "backward", "update", "moving")
Verdict = Literal["agrees", "tie", "disagrees", "unchecked"]


@dataclass(frozen=True)
class Sentence:
    """A sentence of the catalogue, with what stands in its blanks."""

    key: str
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])


def say(key: str, **values: Any) -> Sentence:
    """A sentence by its key."""
    return Sentence(key, values)


@dataclass(frozen=True)
class Check:
    """A worked number beside those it should equal.

    Attributes:
        recorded: what the training computed, in float32.
        independent: what `reference` computes from the op's own recorded inputs, in float64.
        difference: between the recorded number and the independent one (or the worked one).
        tolerance: how much they may differ.
        terms: how many numbers were added, whose square root the tolerance grows with.
        verdict: whether they agree.
    """

    recorded: float | None
    independent: float | None
    difference: float | None
    tolerance: float
    terms: int
    verdict: Verdict


@dataclass(frozen=True)
class Worked:
    """A formula in symbols, the same with numbers, and the result.

    Attributes:
        name: what is worked out, such as `conv2d_1.output[3, 4, 4, 7]`.
        formula: in symbols; None where the numbers say it all.
        numbers: the same with the numbers in place.
        check: the same number from elsewhere; None for a step on the way.
        by_example: what each example of the batch adds to it; None where that is not known.
    """

    name: str
    formula: Expr | None
    numbers: Expr
    check: Check | None = None
    by_example: Array | None = field(default=None, compare=False, repr=False)

    @cached_property
    def value(self) -> float:
        """The result, in float64."""
        return evaluate(self.numbers)

    @cached_property
    def digits(self) -> tuple[int, int]:
        """Digits that the numbers and the result are printed with."""
        return settle(self.numbers)


Cell = float | str | Sentence


@dataclass(frozen=True)
class Table:
    """A few rows of numbers under a title."""

    title: Sentence
    columns: tuple[Sentence, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, eq=False)
class Picture:
    """A map of numbers with a window marked on it: top, left, height, width."""

    title: Sentence
    array: Array
    window: tuple[int, int, int, int]


Item = Sentence | Worked | Table | Picture


@dataclass(frozen=True)
class Block:
    """What is told about one node (or one weight, or the loss) in a phase.

    Attributes:
        name: of the node; of the output for the loss.
        kind: its op.
        items: sentences, formulas, tables and pictures in the order they are read.
        label: the node's second name, in another language for instance.
    """

    name: str
    kind: str
    items: tuple[Item, ...]
    label: str | None = None

    @property
    def checks(self) -> list[tuple[str, Check]]:
        """What was checked, by the name of the number."""
        worked = [item for item in self.items if isinstance(item, Worked)]
        return [(item.name, item.check) for item in worked if item.check is not None]


@dataclass(frozen=True)
class Phase:
    """One of the six parts of a step."""

    name: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Story:
    """How one training step comes to its numbers.

    Attributes:
        step: its number.
        example: which example of the batch is followed.
        verified: whether the tensors are proved to be the recorded ones.
        opening: sentences before the first phase.
        phases: in order.
        title: what stands above; the number of the step when left out.
    """

    step: int
    example: int
    verified: bool
    opening: tuple[Item, ...]
    phases: tuple[Phase, ...]
    title: Sentence | None = None

    def checks(self) -> Iterator[tuple[str, str, str, Check]]:
        """Phase, block, number and check of everything that was checked."""
        for phase in self.phases:
            for block in phase.blocks:
                for name, check in block.checks:
                    yield phase.name, block.name, name, check

    def count(self, verdict: Verdict) -> int:
        """How many checks came out so."""
        return sum(check.verdict == verdict for *_, check in self.checks())

    @property
    def defects(self) -> list[tuple[str, str, str, Check]]:
        """The checks that do not agree."""
        return [found for found in self.checks() if found[-1].verdict == "disagrees"]
