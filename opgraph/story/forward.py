"""The second phase: how each node makes its output of what it reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from opgraph.story import families
from opgraph.story.checks import worked
from opgraph.story.formula import Num
from opgraph.story.kinds import FORWARD
from opgraph.story.model import Block, Item, Sentence, Table, say
from opgraph.story.numerals import shape_text
from opgraph.story.view import NodeView, StepView, named

_ = families


def tell_forward(step: StepView) -> Iterator[Block]:
    """A block for each node, in the order of the computation."""
    for view in step.told:
        yield Block(view.name, view.kind, tuple(_told(view)), view.node.label)


def _told(view: NodeView) -> Iterator[Item]:
    if step_output(view) is None:
        yield say("forward.not_recorded")
        return
    if view.reads:
        shapes = " + ".join(
            shape_text(view.read(slot).shape[1:]) for slot in range(len(view.reads))
        )
        yield say("forward.shapes", before=shapes, after=shape_text(view.output.shape[1:]))
    teller = FORWARD.get(view.kind)
    items = (
        [say("forward.by_reference")] if teller is None or view.output.size == 0 else teller(view)
    )
    for item in items:
        if isinstance(item, Sentence) and item.key == "forward.by_reference":
            yield from _by_reference(view)
        else:
            yield item


def step_output(view: NodeView) -> object:
    """The recorded output; None where there is none."""
    return view.step.get(view.name, "output")


def _by_reference(view: NodeView) -> Iterator[Item]:
    """The recorded number beside the independent one, where the formula is not written out."""
    value, recorded = view.independent(view.here), float(view.output[view.here])
    if value is None:
        yield say(
            "forward.recorded_only",
            kind=view.kind,
            element=named(view.name, "output", view.here),
            recorded=recorded,
        )
        return
    yield say("forward.by_reference", kind=view.kind)
    yield worked(
        named(view.name, "output", view.here),
        None,
        Num(value),
        recorded=recorded,
        independent=value,
        terms=_depth(view),
        scale=_size(view.output[view.step.example]),
        unit=view.unit,
    )
    yield from _on_the_way(view)


def _on_the_way(view: NodeView) -> Iterator[Item]:
    """What the reference found inside the op, such as gates and scores, which nobody records."""
    parts = {} if view.computed is None else view.computed.parts
    rows = tuple(
        (name, shape_text(part.shape), float(part.min()), float(part.max()), float(part.mean()))
        for name, part in parts.items()
        if part.size
    )
    if rows:
        names = ("part", "shape", "smallest", "largest", "mean")
        columns = tuple(say(f"column.{name}") for name in names)
        yield Table(say("forward.parts", kind=view.kind), columns, rows)


def _depth(view: NodeView) -> int:
    """How many operations stand behind one number of the output."""
    flops = view.facts.flops or 1
    return max(16, flops // max(1, view.output[0].size))


def _size(array: np.ndarray) -> float:
    """The usual size of the numbers of an array, at least that of the largest by a tenth."""
    wide = np.abs(array.astype(np.float64))
    return float(max(np.sqrt((wide**2).mean()), wide.max() / 10))
