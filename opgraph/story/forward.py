"""The second phase: how each node makes its output of what it reads."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.story import families
from opgraph.story.by_reference import output_beside
from opgraph.story.kinds import FORWARD
from opgraph.story.model import Block, Item, Sentence, say
from opgraph.story.numerals import shape_text
from opgraph.story.view import NodeView, StepView

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
            yield from output_beside(view)
        else:
            yield item


def step_output(view: NodeView) -> object:
    """The recorded output; None where there is none."""
    return view.step.get(view.name, "output")
