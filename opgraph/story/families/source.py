"""Where the data come in."""

from __future__ import annotations

from collections.abc import Iterator

from opgraph.story.kinds import backward, forward
from opgraph.story.model import Item, Picture, say
from opgraph.story.numerals import shape_text
from opgraph.story.view import NodeView


@forward("Input")
def tell_input(view: NodeView) -> Iterator[Item]:
    """What the example looks like."""
    example = view.output[view.step.example]
    yield say(
        "forward.input",
        shape=shape_text(example.shape),
        low=float(example.min()),
        high=float(example.max()),
        mean=float(example.mean()),
    )
    if example.ndim == 3:
        height, width, _ = example.shape
        title = say("picture.example", example=view.step.example)
        yield Picture(title, example, (0, 0, height, width))


@backward("Input")
def tell_input_backward(view: NodeView) -> Iterator[Item]:
    """Nothing is learned here."""
    yield say("backward.input")
