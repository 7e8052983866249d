"""A recurrent node as the story looks at it: the way in which it reads a sequence.

Owns where the numbers of a step of a cell are found; tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from opgraph.record import Array
from opgraph.story.functions import FUNCTIONS
from opgraph.story.model import Item, say
from opgraph.story.terms import Told, products
from opgraph.story.view import NodeView, named, wide

CELLS = {"SimpleRNN": "simple_rnn_cell", "LSTM": "lstm_cell", "GRU": "gru_cell"}


class Gate(NamedTuple):
    """A sum with a function behind it: its name, its block of columns, the attribute that names it.

    `GATES` lists them in the order in which they are told, which is not that of the columns.
    """

    part: str
    block: int
    attribute: str


GATES: dict[str, tuple[Gate, ...]] = {
    "SimpleRNN": (Gate("state", 0, "activation"),),
    "LSTM": (
        Gate("forget_gate", 1, "recurrent_activation"),
        Gate("input_gate", 0, "recurrent_activation"),
        Gate("content", 2, "activation"),
        Gate("output_gate", 3, "recurrent_activation"),
    ),
    "GRU": (
        Gate("reset_gate", 1, "recurrent_activation"),
        Gate("update_gate", 0, "recurrent_activation"),
        Gate("content", 2, "activation"),
    ),
}


@dataclass(frozen=True, eq=False)
class Way:
    """One direction in which a node reads its sequence.

    Attributes:
        view: the node.
        op: the recurrent op; the inner one of a `Bidirectional`.
        scope: what the names of its weights begin with.
        prefix: what the names of its numbers begin with.
        slots: the inputs that its states begin with; none where they begin with 0.
    """

    view: NodeView
    op: Any
    scope: str = ""
    prefix: str = ""
    slots: tuple[int, ...] = ()

    @property
    def kind(self) -> str:
        """The kind of its cell."""
        return str(self.op.kind)

    @cached_property
    def order(self) -> list[int]:
        """The places of the sequence in the order in which they are read."""
        places = list(range(self.view.read().shape[1]))
        return places[::-1] if self.op.go_backwards else places

    def weight_name(self, name: str) -> str:
        """The whole name of a weight of the cell."""
        return f"{self.scope}{CELLS[self.kind]}/{name}"

    def weight(self, name: str) -> Array:
        """A weight of the cell, in float64."""
        return wide(self.view.weights[self.weight_name(name)])

    def offset(self, column: int, row: int = 0) -> list[float]:
        """The bias of a column; GRU with `reset_after` has two rows of them."""
        if self.weight_name("bias") not in self.view.weights:
            return []
        bias = self.weight("bias")
        return [float(bias[column] if bias.ndim == 1 else bias[row, column])]

    def part(self, name: str) -> Array:
        """Numbers inside, of the example: one row a step, in the order of reading."""
        found = self.view.part_of(self.prefix + name)
        assert found is not None
        return found[self.view.row]

    def start(self, number: int = 0) -> Array:
        """A state before the first step, for the whole batch."""
        if not self.slots:
            return np.zeros((self.view.step.batch, self.op.units))
        return wide(self.view.read(self.slots[number]))

    def before(self, name: str, step: int) -> Array:
        """The states of the example before a step: `state`, or `carry` of an LSTM."""
        return self.part(name)[step - 1] if step else self.start(int(name == "carry"))[self.example]

    @property
    def example(self) -> int:
        """Which example of the batch is followed."""
        return self.view.step.example

    def x(self, step: int) -> Array:
        """What the example has at the place that a step reads."""
        return wide(self.view.read()[self.example, self.order[step]])

    def name(self, what: str, step: int, unit: int) -> str:
        """What a number inside is called."""
        return named(self.view.name, self.prefix + what, (self.example, step, unit))

    def column(self, gate: Gate, unit: int) -> int:
        """The column of the kernels that belongs to a unit of a gate."""
        return gate.block * int(self.op.units) + unit

    def function(self, gate: Gate) -> str:
        """The function behind a sum, by Keras's name."""
        return str(getattr(self.op, gate.attribute) or "linear")

    def acts_before(self, gate: Gate) -> bool:
        """Whether the reset gate of a GRU acts on the states before they are multiplied."""
        return self.kind == "GRU" and gate.part == "content" and not self.op.reset_after

    def sum(self, gate: Gate, step: int, unit: int) -> Told:
        """What a gate adds up: inputs and states before, each times a weight, and the bias."""
        column = self.column(gate, unit)
        x, h = self.x(step), self.before("state", step)
        kernel, own = self.weight("kernel")[:, column], self.weight("recurrent_kernel")[:, column]
        offset = self.offset(column)
        if self.kind == "GRU" and self.op.reset_after:
            if gate.part == "content":
                return products(x, kernel, *offset)
            offset = offset + self.offset(column, 1)
        if self.acts_before(gate):
            h = h * self.part("reset_gate")[step]
        return products(np.concatenate([x, h]), np.concatenate([kernel, own]), *offset)

    def product(self, step: int, unit: int) -> Told:
        """What the content of a GRU with `reset_after` adds up of the states, before the gate."""
        column = self.column(GATES["GRU"][2], unit)
        own = self.weight("recurrent_kernel")[:, column]
        return products(self.before("state", step), own, *self.offset(column, 1))

    @property
    def is_read(self) -> Array:
        """Whether the example reads each step, in the order of reading."""
        steps = self.view.steps_read
        if steps is None:
            return np.ones(len(self.order), bool)
        return steps[self.example].astype(bool)[self.order]


def find_ways(view: NodeView) -> list[Way]:
    """The ways in which a recurrent node reads."""
    count = len(view.reads) - 1
    if view.kind != "Bidirectional":
        return [Way(view, view.op, slots=tuple(range(1, 1 + count)))]
    op, half = view.op, count // 2
    back = op.backward or type(op.inner)(**{**op.inner.values(), "go_backwards": True})
    scopes = [f"{name.split('/')[0]}/" for name in view.weights]
    there, other = (next(s for s in scopes if s.startswith(way)) for way in DIRECTIONS)
    return [
        Way(view, op.inner, there, "forward_", tuple(range(1, 1 + half))),
        Way(view, back, other, "backward_", tuple(range(1 + half, 1 + count))),
    ]


DIRECTIONS = ("forward_", "backward_")


def not_told(view: NodeView) -> Iterator[Item]:
    """Why nothing inside a recurrent node can be told; nothing where it can."""
    inner = [
        x for x in (getattr(view.op, "inner", view.op), getattr(view.op, "backward", None)) if x
    ]
    for op in inner:
        if op.dropout or op.recurrent_dropout:
            rates = {"dropout": float(op.dropout), "recurrent": float(op.recurrent_dropout)}
            yield say("inside.dropout", kind=view.kind, **rates)
            return
        if op.stateful:
            yield say("inside.stateful", kind=view.kind)
            return
        unknown = [f for f in _functions(op) if f not in FUNCTIONS]
        if unknown:
            yield say("inside.function", function=unknown[0])
            return
    if len(view.weights) < len(view.facts.weights or ()):
        yield say("forward.weights_unknown")
    elif view.computed is None:
        yield say("inside.unknown", kind=view.kind)


def _functions(op: Any) -> list[str]:
    names = ("activation", "recurrent_activation")
    return [str(getattr(op, name) or "linear") for name in names if hasattr(op, name)]
