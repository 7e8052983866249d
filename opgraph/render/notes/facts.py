"""Notes that need no training: costs and sizes, as the analysis tells them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from opgraph.analysis import Analysis, NodeFacts
from opgraph.render.notes.model import Annotation, Joined, Part
from opgraph.render.wording import UNKNOWN, sizes_text


class Fact(NamedTuple):
    """A fact that can be a note.

    Attributes:
        unit: what it is counted in.
        part: the number of a node; None where it has nothing of the kind.
        joined: what the box of a fold shows.
        doc: one line for help.
    """

    unit: str
    part: Callable[[NodeFacts], Part | None]
    joined: Joined
    doc: str


def _known(number: float | None) -> Part:
    return Part("", number, UNKNOWN if number is None else None)


def _field(facts: NodeFacts) -> Part | None:
    """The part of the input that is seen; its longest side is the number."""
    field = facts.receptive_field
    if field is None:
        return Part("", None, UNKNOWN)
    if field.size is None:
        return Part("", None, "all")
    if not field.size:
        return None
    return Part("", float(max(field.size)), sizes_text(field.size))


FACTS: Mapping[str, Fact] = {
    "params": Fact("", lambda f: _known(f.total_params), "sum", "elements of the weights"),
    "flops": Fact("FLOP", lambda f: _known(f.flops), "sum", "forward operations, one example"),
    "memory": Fact("B", lambda f: _known(f.activation_bytes), "sum", "output of one example"),
    "weight_memory": Fact("B", lambda f: _known(f.weight_bytes), "sum", "size of the weights"),
    "receptive_field": Fact("", _field, "max", "part of the input that one position sees"),
    "depth": Fact("", lambda f: _known(f.depth), "max", "nodes on the longest way from an input"),
}


def fact_note(analysis: Analysis, name: str) -> Annotation:
    """A fact of all nodes."""
    fact = FACTS[name]
    values = {node: fact.part(facts) for node, facts in analysis.facts.items()}
    known = {node: (part,) for node, part in values.items() if part is not None}
    return Annotation(name, fact.unit, known, fact.joined, zeros=False)
