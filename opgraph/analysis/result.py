"""What is known about a graph without running it: frozen results, no computation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from opgraph.errors import OpgraphError, raise_all
from opgraph.graph import Node, OpGraph
from opgraph.ops import Shape, Weight


@dataclass(frozen=True, slots=True)
class Sum:
    """A total and how many nodes could not be counted into it.

    >>> str(Sum(12, 0)), str(Sum(12, 1))
    ('12', '>= 12')
    """

    value: int
    unknown: int = 0

    def __str__(self) -> str:
        return f">= {self.value:,}" if self.unknown else f"{self.value:,}"


class ReceptiveField(NamedTuple):
    """The part of the input that one output position sees.

    Attributes:
        size: positions along each spatial axis; None for the whole input.
        stride: input positions between neighbouring output positions.
    """

    size: tuple[int | Fraction, ...] | None = ()
    stride: tuple[int | Fraction, ...] = ()


class NodeFacts(NamedTuple):
    """What is known about one node. None stands for unknown, never for zero.

    Attributes:
        node: the node, completed.
        inputs: shapes by slot, without the batch.
        outputs: shapes by port.
        weights: arrays by name; empty for a node without, None if they cannot be told.
        params: (trainable, not trainable) element counts; (0, 0) for a node that shares another's.
        flops: forward operations for one example.
        activation_bytes: size of the outputs of one example.
        weight_bytes: size of the weights.
        receptive_field: of one position of the first output.
        depth: nodes on the longest way from an input, the input being 0.
        error: why the shapes do not fit, where they do not.
    """

    node: Node
    inputs: tuple[Shape | None, ...]
    outputs: tuple[Shape | None, ...]
    weights: Mapping[str, Weight] | None
    params: tuple[int, int] | None
    flops: int | None
    activation_bytes: int | None
    weight_bytes: int | None
    receptive_field: ReceptiveField | None
    depth: int
    error: OpgraphError | None = None

    @property
    def output(self) -> Shape | None:
        """Shape of the first output."""
        return self.outputs[0] if self.outputs else None

    @property
    def total_params(self) -> int | None:
        """All elements of all weights."""
        return None if self.params is None else sum(self.params)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all nodes."""

    trainable: Sum
    non_trainable: Sum
    flops: Sum
    activation_bytes: Sum
    weight_bytes: Sum

    @property
    def params(self) -> Sum:
        """Trainable and not trainable together."""
        return Sum(self.trainable.value + self.non_trainable.value, self.trainable.unknown)


@dataclass(frozen=True)
class Analysis:
    """All facts of a graph.

    Attributes:
        graph: the completed graph.
        facts: by node name, in topological order.
        totals: sums; each says how many nodes it leaves out.
        depth: nodes on the longest path, inputs not counted.
        critical_path: the path with the most operations, from an input to an output.
        errors: everything that is wrong, in topological order.
    """

    graph: OpGraph
    facts: Mapping[str, NodeFacts]
    totals: Totals
    depth: int
    critical_path: tuple[str, ...]
    errors: tuple[OpgraphError, ...]

    def __getitem__(self, name: str) -> NodeFacts:
        return self.facts[name]

    def require(self) -> Analysis:
        """Itself, if nothing is wrong.

        Raises:
            OpgraphError: what is wrong; several at once as `Problems`.
        """
        raise_all(self.errors)
        return self
