"""What all askers share: which node and which element they ask about, and how a question is made.

Owns the choice, which is the same for the same run and seed; asks nothing itself.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from opgraph.record import Array
from opgraph.story.lesson.model import Given, Question
from opgraph.story.model import Item, Sentence, Worked
from opgraph.story.view import Index, NodeView, StepView

# Numbers that a sum may have so that somebody can still add them up.
MOST_NUMBERS = 300
EASIEST, STRIKING = 3, 8


@dataclass(frozen=True, eq=False)
class Quiz:
    """A step that is asked about.

    Attributes:
        step: the step, and the example that is followed.
        seed: another one asks about other nodes and elements.
    """

    step: StepView
    seed: int = 0

    def draw(self, topic: str) -> random.Random:
        """Chance that is the same for the same seed and topic."""
        return random.Random(f"{self.seed}/{topic}")

    def views(self, *kinds: str) -> list[NodeView]:
        """The nodes of these kinds whose output is recorded."""
        return [
            view
            for name, view in self.step.nodes.items()
            if view.kind in kinds and self.step.get(name, "output") is not None
        ]

    def easiest(
        self, topic: str, views: Iterable[NodeView], numbers: Callable[[NodeView], int]
    ) -> NodeView | None:
        """One of the nodes with the fewest numbers to add; None if all have too many."""
        sized = sorted(((numbers(view), at, view) for at, view in enumerate(views)), key=_order)
        fewest = min((count for count, *_ in sized if count), default=0)
        most = min(MOST_NUMBERS, 2 * fewest)
        few = [view for count, _, view in sized if 0 < count <= most][:EASIEST]
        return self.draw(topic).choice(few) if few else None

    def focus(self, view: NodeView, at: Index) -> NodeView:
        """The same node, with this element to be worked out and nothing else told."""
        return replace(self.step, index=at, only=view.name).nodes[view.name]

    def with_example(self, view: NodeView, example: int) -> NodeView:
        """The same node, alone, with another example followed."""
        return replace(self.step, index=None, only=view.name, example=example).nodes[view.name]

    def on_output(self, topic: str, view: NodeView) -> NodeView:
        """The node at one of the outputs that matter most: with a large gradient, and not 0."""
        output = view.output[self.step.example]
        size = np.abs(output.astype(np.float64))
        if view.grad is not None:
            passed = np.where(output != 0, view.grad[self.step.example].astype(np.float64), 0.0)
            size = np.abs(passed) if passed.any() else size
        return self.focus(view, striking(self.draw(topic), size))


def _order(entry: tuple[int, int, NodeView]) -> tuple[int, int]:
    return entry[:2]


def striking(draw: random.Random, array: Array) -> Index:
    """One of the elements of the largest magnitude."""
    size = np.abs(array.astype(np.float64)).ravel()
    size = np.where(np.isfinite(size), size, -1.0)
    order = np.argsort(-size, kind="stable")[:STRIKING]
    large = [int(at) for at in order if size[at] > 0] or [0]
    return tuple(int(at) for at in np.unravel_index(draw.choice(large), array.shape))


def up_to(items: Iterable[Item], name: str) -> tuple[Item, ...]:
    """The items up to the worked line of this name; none if there is no such line."""
    found: list[Item] = []
    for item in items:
        found.append(item)
        if isinstance(item, Worked) and item.name == name:
            return tuple(found)
    return ()


def behind(items: Sequence[Item], key: str) -> tuple[Item, ...]:
    """The items from this sentence on; none if it is not said."""
    for at, item in enumerate(items):
        if isinstance(item, Sentence) and item.key == key:
            return tuple(items[at:])
    return ()


def make(
    kind: str,
    view: NodeView,
    asked: Sentence,
    given: Mapping[str, Given | None],
    answer: Sequence[Item],
    arrays: Mapping[str, Array | None],
    *,
    says_all: bool = False,
) -> Iterator[Question]:
    """A question, if it has an answer that agrees with what was recorded."""
    lines = [item for item in answer if isinstance(item, Worked)]
    if not lines or any(line.check and line.check.verdict == "disagrees" for line in lines):
        return
    yield Question(
        kind,
        view.name,
        view.kind,
        view.node.label,
        asked,
        {name: value for name, value in given.items() if value is not None},
        tuple(answer),
        {name: array for name, array in arrays.items() if array is not None},
        says_all,
    )


def numbered(name: str, values: Array, start: int = 0) -> dict[str, float]:
    """Numbers by name and place.

    >>> numbered("x", np.array([0.5, 2.0]))
    {'x[0]': 0.5, 'x[1]': 2.0}
    """
    return {f"{name}[{at}]": float(value) for at, value in enumerate(values.ravel(), start)}


def inputs_of(view: NodeView) -> dict[str, Array]:
    """What the node was given for the example that is followed."""
    example = view.step.example
    return {f"{end}/output": view.read(slot)[example] for slot, end in enumerate(view.reads)}


def weights_of(view: NodeView, *names: str) -> dict[str, Array]:
    """Weights of the node before the update."""
    return {f"{view.owner}/{name}": view.weights[name] for name in names if name in view.weights}


def whole(view: NodeView, what: str, array: Array) -> dict[str, Array]:
    """Numbers of the whole batch."""
    return {f"{view.name}/{what}.batch": array}
