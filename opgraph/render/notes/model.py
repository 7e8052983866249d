"""What a note is: for each node one number or several, and what becomes of them in a fold.

Frozen data; knows neither where the numbers come from nor how they are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from opgraph.render.card import Show
from opgraph.render.wording import figure_text

Joined = Literal["sum", "max", "min", "size"]
MOST_PARTS = 4
JOINED_WORDS: Mapping[Joined, str] = {
    "sum": "the sum",
    "max": "the largest",
    "min": "the smallest",
    "size": "the largest in size",
}


class Part(NamedTuple):
    """A number of a node.

    Attributes:
        name: which weight or further port it is of; empty for the node itself.
        number: None where there is none.
        text: how it is written, where that is not the number.
        least: whether more would have to be added that is not known.
    """

    name: str
    number: float | None
    text: str | None = None
    least: bool = False

    def written(self, unit: str) -> str:
        """The number as it stands in a box; nothing if there is nothing to say."""
        if self.text is not None or self.number is None:
            return self.text or ""
        return f"{'>= ' if self.least else ''}{figure_text(self.number, unit)}"

    def exactly(self, unit: str) -> str:
        """The number with all its digits."""
        if self.text is not None or self.number is None:
            return self.text or ""
        return f"{'>= ' if self.least else ''}{self.number!r} {unit}".rstrip()


@dataclass(frozen=True, eq=False)
class Annotation:
    """One quantity over all nodes of a graph.

    Attributes:
        name: what it is called.
        unit: what it is counted in.
        values: the numbers of each node that has some.
        joined: what the box of a fold shows of the numbers inside.
        scope: which steps of a run they are of; empty for facts of the graph.
        wanted: the value that is neither too small nor too large, for ratios. The first part of
            a node, that of its largest weight, colours it then: others often begin at zero.
        zeros: whether a zero is written.
    """

    name: str
    unit: str
    values: Mapping[str, tuple[Part, ...]]
    joined: Joined = "max"
    scope: str = ""
    wanted: float | None = None
    zeros: bool = True

    @property
    def is_ratio(self) -> bool:
        """Whether there is a value that is wanted."""
        return self.wanted is not None

    def of(self, nodes: Sequence[str]) -> tuple[Part, ...]:
        """What a box shows that stands for these nodes."""
        if len(nodes) == 1:
            return self.values.get(nodes[0], ())
        most = 1 if self.is_ratio else None
        found = [part for node in nodes for part in self.values.get(node, ())[:most]]
        known = [part for part in found if part.number is not None]
        if not known:
            return ()
        if self.joined == "sum":
            total = sum(part.number or 0.0 for part in known)
            return (Part("", total, least=len(known) < len(found)),)
        chosen = self._extreme(known)
        return (Part("", chosen.number, chosen.text),)

    def _extreme(self, parts: Iterable[Part]) -> Part:
        """The part that stands for all: one that is not finite, if there is any."""
        return (min if self.joined == "min" else max)(parts, key=_rank(self.joined))

    def rows(self, nodes: Sequence[str]) -> list[tuple[str, str]]:
        """Label and value of each row; the largest of many."""
        parts = self.of(nodes)
        name = self.name
        if len(parts) > MOST_PARTS:
            known = [part for part in parts if part.number is not None]
            name = f"{name} of {len(parts)}"
            parts = (self._extreme(known)._replace(name=""),) if known else ()
        return [
            (f"{name} {part.name}".rstrip(), text)
            for part in parts
            if (text := part.written(self.unit)) and (self.zeros or part.number != 0)
        ]

    def lines(self, nodes: Sequence[str]) -> list[str]:
        """Every part in full, for tooltips."""
        scope = f" ({self.scope})" if self.scope else ""
        return [
            f"{' '.join(filter(None, (self.name, part.name)))}{scope}: {part.exactly(self.unit)}"
            for part in self.of(nodes)
        ]

    def number(self, nodes: Sequence[str]) -> float | None:
        """The number that colours a box, one for all if there are several."""
        known = [part for part in self.of(nodes) if part.number is not None]
        known = known[:1] if self.is_ratio else known
        if self.joined == "sum" and known:
            return sum(part.number or 0.0 for part in known)
        return self._extreme(known).number if known else None


def _rank(joined: Joined) -> Callable[[Part], float]:
    """NaN goes before everything; else the number decides, or its size."""
    away = -float("inf") if joined == "min" else float("inf")

    def rank(part: Part) -> float:
        number = part.number or 0.0
        if number != number:
            return away
        return abs(number) if joined == "size" else number

    return rank


@dataclass(frozen=True)
class Notes:
    """What is written into boxes and what colours them.

    Attributes:
        show: what stands in the boxes beside notes; None for the usual.
        rows: one or more rows each, in this order.
        colour: what colours the boxes, if anything.
    """

    show: Show | None = None
    rows: tuple[Annotation, ...] = ()
    colour: Annotation | None = None

    @property
    def all(self) -> tuple[Annotation, ...]:
        """Every annotation once."""
        return tuple(dict.fromkeys(note for note in (*self.rows, self.colour) if note is not None))

    @property
    def scopes(self) -> tuple[str, ...]:
        """Which steps the numbers are of."""
        return tuple(dict.fromkeys(note.scope for note in self.all if note.scope))
