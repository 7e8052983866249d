"""An attention as the story looks at it: one query in one head, and the keys that it looks at.

Owns where the numbers inside are found; tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from opgraph.record import Array
from opgraph.story.model import Item, say
from opgraph.story.view import NodeView, named, read_mask, wide

HEADED = ("MultiHeadAttention", "GroupedQueryAttention")


@dataclass(frozen=True, eq=False)
class Look:
    """The query behind the output number that is followed.

    Attributes:
        view: the node.
    """

    view: NodeView

    @property
    def is_headed(self) -> bool:
        """Whether there are projections and heads."""
        return self.view.kind in HEADED

    @property
    def query(self) -> int:
        """The position that looks."""
        return self.view.at[0]

    @property
    def channel(self) -> int:
        """The channel of the output."""
        return self.view.at[-1]

    @cached_property
    def slots(self) -> dict[str, int]:
        """Which input is query, key and value; one that is left out is the one before it."""
        many = len(self.view.reads)
        value = min(1, many - 1)
        return {"query": 0, "key": 2 if many > 2 else value, "value": value}

    def read(self, role: str) -> Array:
        """What the example has in an input, in float64."""
        return wide(self.view.read(self.slots[role])[self.view.step.example])

    def part(self, name: str) -> Array:
        """Numbers inside, of the example."""
        found = self.view.part_of(name)
        assert found is not None
        return found[self.view.row]

    @cached_property
    def group(self) -> int:
        """How many heads of the query share a head of key and value."""
        return self.part("query").shape[1] // self.part("key").shape[1]

    def weight(self, name: str) -> Array:
        """A weight, in float64."""
        return wide(self.view.weights[name])

    @cached_property
    def shares(self) -> Array:
        """What each number of the heads adds to the output, (heads, depth)."""
        return (
            self.part("context")[self.query]
            * self.weight("attention_output/kernel")[..., self.channel]
        )

    @cached_property
    def head(self) -> int:
        """The head that adds most to the output; 0 where there are none."""
        return int(np.argmax(np.abs(self.shares.sum(axis=1)))) if self.is_headed else 0

    @property
    def shared_head(self) -> int:
        """The head of key and value that it looks at."""
        return self.head // self.group

    @cached_property
    def depth(self) -> int:
        """The number of a value that is worked out: in the head the one that adds most."""
        return int(np.argmax(np.abs(self.shares[self.head]))) if self.is_headed else self.channel

    def row(self, name: str) -> Array:
        """Scores, probabilities or their gradients of the query, one for each key."""
        return self._row(self.part(name))

    def _row(self, whole: Array) -> Array:
        return whole[self.head, self.query] if self.is_headed else whole[self.query]

    def grad_row(self, name: str) -> Array:
        """The gradients at scores or probabilities of the query, one for each key."""
        return self._row(self.view.whole_grad(name)[self.view.step.example])

    @property
    def factor(self) -> Array:
        """What dropout multiplied the weights of the query by; ones where nothing is dropped."""
        mask, rate = self.view.own("mask"), float(self.view.op.dropout)
        if mask is None:
            return np.ones(len(self.row("scores")))
        return self._row(mask[self.view.step.example]).astype(np.float64) / (1 - rate)

    @cached_property
    def key(self) -> int:
        """The key that gets the largest weight."""
        return int(np.argmax(self.row("probabilities")))

    def vector(self, role: str) -> Array:
        """Query, keys or values of the head, as they are compared and added."""
        if not self.is_headed:
            found = self.read(role)
            return found[self.query] if role == "query" else found
        found = self.part(role)
        return found[self.query, self.head] if role == "query" else found[:, self.shared_head]

    def name(self, what: str, *at: int) -> str:
        """What a number inside is called."""
        return named(self.view.name, what, (self.view.step.example, *at))

    def place(self, *at: int) -> tuple[int, ...]:
        """A place in scores or probabilities: head, query and key; no head where there is none."""
        return (self.head, self.query, *at) if self.is_headed else (self.query, *at)


def not_told(view: NodeView) -> Iterator[Item]:
    """Why nothing inside an attention can be told; nothing where it can."""
    op: Any = view.op
    if op.dropout and view.own("mask") is None:
        yield say("inside.dropped_weights", kind=view.kind, rate=float(op.dropout))
    elif any(_is_masked(view, slot) for slot in range(len(view.reads))):
        yield say("inside.masked", kind=view.kind)
    elif len(view.weights) < len(view.facts.weights or ()):
        yield say("forward.weights_unknown")
    elif _is_special(view) or view.computed is None:
        yield say("inside.unknown", kind=view.kind)


def _is_masked(view: NodeView, slot: int) -> bool:
    return read_mask(view, slot) is not None


def _is_special(view: NodeView) -> bool:
    """Several axes that are attended over, a gate, or scores that are no products."""
    op: Any = view.op
    if view.output.ndim != 3 or any(view.read(s).ndim != 3 for s in range(len(view.reads))):
        return True
    return bool(getattr(op, "use_gate", False)) or getattr(op, "score_mode", "dot") != "dot"
