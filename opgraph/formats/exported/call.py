"""What a step is asked to be an op with, and the answer.

A tensor of a file may be the output of a node with its axes in another order (converters turn
images to and fro). An op is looked for in the node's order: `Call` translates axis numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opgraph.formats.exported.steps import FullShape, Program, Step
from opgraph.graph import Endpoint, WeightSource
from opgraph.ops import Op, Shape

Perm = tuple[int, ...]
MOST_NUMBERS = 4096


def first(rank: int) -> Perm:
    """The order that moves the channels of a map from the last place to the first.

    >>> first(4)
    (0, 3, 1, 2)
    """
    return (0, rank - 1, *range(1, rank - 1))


def turned_back(shape: Sequence[Any], perm: Perm) -> tuple[Any, ...]:
    """The shape of the node's output, from that of the tensor, whose axes are `perm` of it.

    >>> turned_back((None, 3, 8, 9), (0, 3, 1, 2))
    (None, 8, 9, 3)
    """
    back: list[Any] = [None] * len(shape)
    for dim, axis in zip(shape, perm, strict=True):
        back[axis] = dim
    return tuple(back)


@dataclass
class Made:
    """A node as far as it is made.

    Attributes:
        name: of the node.
        kind: its op.
        given: its attributes.
        weights: its arrays, by the op's names.
        reads: what it reads, by slot.
        names: tensors of the file that it stands for, its output last.
        shapes: of its outputs, without the batch.
        dtype: of its first output.
        axes: the order in which the file's tensor has the axes of the output, if another one.
    """

    name: str
    kind: type[Op]
    given: Mapping[str, Any]
    weights: Mapping[str, WeightSource]
    reads: tuple[Endpoint, ...]
    names: tuple[str, ...]
    shapes: tuple[Shape | None, ...]
    dtype: str | None
    axes: Perm | None = None


@dataclass(frozen=True)
class After:
    """An op on the output of another one, which the file has in the same step.

    Attributes:
        kind: name of the op.
        given: its attributes.
        name: of its node; made up where the file says none.
    """

    kind: str
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    name: str = ""


@dataclass(frozen=True)
class Found:
    """The op that a step is.

    Attributes:
        kind: name of the op.
        given: its attributes.
        weights: its arrays, by the op's names and in its axis order.
        reads: tensors it reads; all that are not constant when None.
        swallows: names of nodes that vanish in this one, the first gives it its name.
        ends: what it reads where that are no tensors of the step.
        pad: zeros around each spatial axis, put by a node before it.
        perms: axis orders of its outputs; that of the inputs when None.
        after: an op of its own behind it.
    """

    kind: str
    given: Mapping[str, Any] = field(default_factory=dict[str, Any])
    weights: Mapping[str, WeightSource] = field(default_factory=dict[str, WeightSource])
    reads: tuple[str, ...] | None = None
    swallows: tuple[str, ...] = ()
    ends: tuple[Endpoint, ...] | None = None
    pad: tuple[tuple[int, int], ...] | None = None
    perms: tuple[Perm | None, ...] | None = None
    after: After | None = None


@dataclass(frozen=True)
class Call:
    """A step, and what is known where it stands.

    Attributes:
        program: the file.
        step: the operation.
        perm: the order in which all its inputs have the axes of the nodes that make them.
        maker: the node that makes a tensor in that order, if no other step reads that.
        end: the output that a tensor is in that order, if there is one.
        node: the node that makes a tensor.
        named: the node of a name.
        turns: whether the file turns maps whose channels are last, as converters do.
        raw: whether nothing is put together or taken apart.
    """

    program: Program
    step: Step
    perm: Perm | None
    maker: Callable[[str], Made | None]
    end: Callable[[str], Endpoint | None]
    node: Callable[[str], Made]
    named: Callable[[str], Made]
    turns: bool
    raw: bool = False

    @property
    def data(self) -> tuple[str, ...]:
        """Inputs that are not constant."""
        return tuple(t for t in self.step.inputs if t and t not in self.program.constants)

    def attr(self, name: str, default: Any = None) -> Any:
        """An attribute of the step."""
        return self.step.attrs.get(name, default)

    def input(self, slot: int) -> str:
        """The tensor in a slot; empty where none is."""
        return self.step.inputs[slot] if slot < len(self.step.inputs) else ""

    def is_data(self, *slots: int) -> bool:
        """Whether exactly these slots hold tensors that are not constant."""
        return self.data == tuple(self.input(slot) for slot in slots)

    def constant(self, slot: int) -> WeightSource | None:
        """The array in a slot, if it is constant."""
        return self.program.constants.get(self.input(slot))

    def values(self, slot: int) -> list[Any] | None:
        """The numbers of a small constant, in one row; None if it is none."""
        source = self.constant(slot)
        if source is None or math.prod(source.shape) > MOST_NUMBERS:
            return None
        return source.read().reshape(-1).tolist()

    def full(self, tensor: str) -> FullShape | None:
        """Shape of a tensor in the order of the nodes, with the batch."""
        shape = self.program.facts(tensor).shape
        if shape is None or self.perm is None or len(shape) != len(self.perm):
            return shape
        return turned_back(shape, self.perm)

    def shape(self, slot: int) -> FullShape | None:
        """Shape of an input in the order of the nodes, with the batch."""
        return self.full(self.input(slot))

    def rank(self, slot: int = 0) -> int | None:
        """Number of axes of an input, the batch among them."""
        shape = self.program.facts(self.input(slot)).shape
        return None if shape is None else len(shape)

    def axis(self, number: int, slot: int = 0) -> int | None:
        """Keras's number of an axis of an input; None if there is none, or if it is the batch."""
        rank = self.rank(slot)
        if rank is None or not -rank <= number < rank:
            return None
        place = number % rank
        place = place if self.perm is None else self.perm[place]
        return place or None

    def data_format(self, rank: int) -> str | None:
        """Where the node's channels stand, in a map whose channels the file has first."""
        if self.perm is None:
            return "channels_first"
        return "channels_last" if self.perm == first(rank) else None


Reader = Callable[[Call], Found | None]


@dataclass(frozen=True)
class Table:
    """How the operations of a format are read.

    Attributes:
        readers: by the format's name of the operation.
        any_order: those that take their inputs with the axes in any order.
        order_of_first: those that do so with their first input, and do without the others.
        turned: the order in which a step puts the axes, if it does nothing else.
    """

    readers: Mapping[str, Reader]
    any_order: frozenset[str]
    order_of_first: frozenset[str]
    turned: Callable[[Step, Program], Perm | None]
