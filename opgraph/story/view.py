"""A step as the story looks at it: the tensors of a node by what they are for it.

Owns the way from graph and tensors to the arrays that a family asks for, and asks `reference` for
the independent opinion; tells nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from opgraph.analysis import Analysis, NodeFacts
from opgraph.errors import OpgraphError
from opgraph.graph import Endpoint, Node
from opgraph.record import Array, StepTensors, TensorName, output_name
from opgraph.reference import Computed, Given, Pulled, compute, has_reference
from opgraph.story.checks import epsilon

Index = tuple[int, ...]
# Forward operations, over all nodes, up to which whole batches are computed independently.
BUDGET, LEAST_BUDGET = 8e9, 2e7


@dataclass(frozen=True)
class RunFacts:
    """What the story needs to know about the training, as plain data.

    Attributes:
        optimizer: Keras's class name.
        settings: the optimizer's own, as Keras serialises them.
        heads: what `Objective.as_dict` says of each output.
        seed: of weights, dropout and data order.
        accumulate: parts that a batch is taken in.
        first_step: the step whose state the run begins with.
        started: where the weights come from, if not from initialisers.
        initial: weights before the first step by `node/weight`; empty where they are not known.
        class_names: of the classes that are told apart.
    """

    optimizer: str
    settings: Mapping[str, Any]
    heads: tuple[Mapping[str, Any], ...]
    seed: int = 0
    accumulate: int = 1
    first_step: int = 0
    started: str | None = None
    initial: Mapping[str, Array] = field(default_factory=dict[str, Array])
    class_names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class StepView:
    """A step with what surrounds it.

    Attributes:
        analysis: of the graph that was trained.
        tensors: everything the step computed.
        facts: of the run.
        example: which example of the batch is followed.
        index: the user's own choice of an element, for tensors of that many axes.
        only: the one node that is told; all when left out.
        some: the nodes that are told, if those are several but not all.
    """

    analysis: Analysis
    tensors: StepTensors
    facts: RunFacts
    example: int = 0
    index: Index | None = None
    only: str | None = None
    some: frozenset[str] | None = None

    @property
    def told(self) -> list[NodeView]:
        """The nodes that are told, in topological order."""
        known = self.nodes.items()
        return [
            view
            for name, view in known
            if self.only in (None, name) and (self.some is None or name in self.some)
        ]

    @cached_property
    def nodes(self) -> dict[str, NodeView]:
        """All nodes in topological order."""
        return {name: NodeView(self, name) for name in self.analysis.graph.order}

    @cached_property
    def batch(self) -> int:
        """Examples in the batch."""
        arrays = (*self.tensors.labels, *self.tensors.inputs)
        return len(arrays[0])

    @cached_property
    def parts(self) -> list[slice]:
        """The micro-batches, as NumPy splits a batch."""
        count = min(max(1, self.facts.accumulate), self.batch)
        sizes = [len(part) for part in np.array_split(np.arange(self.batch), count)]
        ends = np.cumsum(sizes).tolist()
        return [slice(end - size, end) for size, end in zip(sizes, ends, strict=True)]

    @property
    def part(self) -> int:
        """The micro-batch that the example is in."""
        return next(at for at, part in enumerate(self.parts) if self.example < part.stop)

    @property
    def budget(self) -> float:
        """Forward operations up to which a node's whole batch is computed independently."""
        return max(LEAST_BUDGET, BUDGET / max(1, len(self.analysis.facts)))

    def get(self, node: str, what: str) -> Array | None:
        """A tensor; None if there is none."""
        return self.tensors.arrays.get(TensorName(node, what))


class NodeView:
    """What a step did at one node."""

    def __init__(self, step: StepView, name: str) -> None:
        self.step = step
        self.name = name
        self.node: Node = step.analysis.graph[name]
        self.op: Any = self.node.op
        self.kind: str = self.node.kind.kind
        self.facts: NodeFacts = step.analysis[name]
        self.owner: str = step.analysis.graph.owner(name)
        self.reads: tuple[Endpoint, ...] = step.analysis.graph.inputs(name)

    # Recorded -------------------------------------------------------------------------------

    def read(self, slot: int = 0) -> Array:
        """What the node was given, batch first."""
        end = self.reads[slot]
        return self.step.tensors.find(*output_name(end.node, end.port))

    @property
    def output(self) -> Array:
        """What it made, batch first."""
        return self.step.tensors.find(self.name, "output")

    @property
    def grad(self) -> Array | None:
        """Gradient of the loss at its output; None where there is none."""
        return self.step.get(self.name, "output.grad")

    def own(self, what: str) -> Array | None:
        """A tensor of the node itself: a mask, batch statistics."""
        return self.step.get(self.name, what)

    def weight(self, what: str) -> Array | None:
        """A weight before the update, or what `what` says of it; of the node it belongs to."""
        return self.step.get(self.owner, what)

    @cached_property
    def weights(self) -> dict[str, Array]:
        """All weights before the update, by the names of the op library."""
        found: dict[str, Array] = {}
        for name in self.facts.weights or ():
            array = self._weight(name)
            if array is not None:
                found[name] = array
        return found

    def _weight(self, name: str) -> Array | None:
        own = self.own(name) if name.startswith("moving_") else None
        if own is not None:
            return own
        nested, _, last = f"{self.owner}/{name}".rpartition("/")
        found = self.step.get(nested, last)
        return self.step.facts.initial.get(f"{self.owner}/{name}") if found is None else found

    def trained(self, name: str, what: str = "grad") -> Array | None:
        """Gradient, update, after or a slot of a weight, by the op library's name of it."""
        nested, _, last = f"{self.owner}/{name}".rpartition("/")
        return self.step.get(nested, f"{last}.{what}")

    @property
    def unit(self) -> float:
        """Machine epsilon of what the node computes in."""
        return epsilon(self.output)

    # Chosen ---------------------------------------------------------------------------------

    @cached_property
    def at(self) -> Index:
        """The element that is worked out: the user's, or the one with the largest gradient."""
        example = self.output[self.step.example]
        if fits(self.step.index, example.shape):
            return self.step.index or ()
        if self.grad is None:
            return largest(example)
        grad = self.grad[self.step.example]
        passed = np.where(example != 0, grad, 0)  # where something got through there is more to see
        return largest(passed if passed.any() else grad)

    @property
    def here(self) -> Index:
        """The same with the example in front."""
        return (self.step.example, *self.at)

    def weight_at(self, name: str) -> Index:
        """The element of a weight that is worked out."""
        array = self.weights[name]
        if fits(self.step.index, array.shape):
            return self.step.index or ()
        grad = self.trained(name)
        return largest(array if grad is None else grad)

    def input_at(self, slot: int = 0) -> Index:
        """The element of an input with the largest gradient, example in front."""
        grad = self.input_grad(slot)
        array = self.read(slot) if grad is None else grad
        return (self.step.example, *largest(array[self.step.example]))

    def input_grad(self, slot: int = 0) -> Array | None:
        """The recorded gradient at what the node reads, whoever it comes from."""
        end = self.reads[slot]
        return self.step.get(*output_name(end.node, end.port).grad)

    def is_only_reader(self, slot: int = 0) -> bool:
        """Whether the gradient at the input comes from this node alone."""
        end = self.reads[slot]
        edges = self.step.analysis.graph.edges_from(end.node)
        heads = [head["output"] for head in self.step.facts.heads]
        return sum(edge.port == end.port for edge in edges) == 1 and str(end) not in heads

    def recorded_input_grad(self, slot: int, at: Index) -> float | None:
        """The recorded gradient at an input, where it comes from this node alone."""
        grad = self.input_grad(slot)
        return None if grad is None or not self.is_only_reader(slot) else float(grad[at])

    # Independent ----------------------------------------------------------------------------

    @property
    def couples(self) -> bool:
        """Whether the examples of a batch depend on each other here."""
        return self.own("batch_mean") is not None

    @cached_property
    def is_cheap(self) -> bool:
        """Whether the whole batch may be computed independently."""
        flops = self.facts.flops
        size = self.output.size if flops is None else flops * self.step.batch
        return max(size, self.output.size) <= self.step.budget

    @cached_property
    def computed(self) -> Computed | None:
        """The independent opinion on the example's part of the batch; None if there is none."""
        return self._compute(self._span)

    @property
    def _span(self) -> slice:
        step = self.step
        if self.couples or self.is_cheap:
            return step.parts[step.part]
        return slice(step.example, step.example + 1)

    def _compute(self, span: slice) -> Computed | None:
        if not has_reference(self.kind):
            return None
        mask = self.own("mask")
        given = Given(
            op=self.op,
            inputs=tuple(wide(self.read(slot)[span]) for slot in range(len(self.reads))),
            weights={name: wide(array) for name, array in self.weights.items()},
            training=self.couples or self.own("moving_mean") is None,
            mask=None if mask is None else mask[span],
        )
        try:
            return compute(given)
        except OpgraphError:
            return None

    def independent(self, at: Index, port: int = 0) -> float | None:
        """The independent value of an output element of the example."""
        if self.computed is None:
            return None
        return float(self.computed.outputs[port][(self._row, *at[1:])])

    def part_of(self, name: str) -> Array | None:
        """An intermediate that the reference names, for the example's part of the batch."""
        return None if self.computed is None else self.computed.parts.get(name)

    @property
    def row(self) -> int:
        """Where the example stands in what `computed` holds."""
        return self._row

    @property
    def _row(self) -> int:
        return self.step.example - self._span.start

    @cached_property
    def pulled(self) -> Pulled | None:
        """The independent gradients for the example's part of the batch."""
        return None if self.computed is None else self._pull(self.computed, self._span)

    def _pull(self, computed: Computed, span: slice) -> Pulled | None:
        grads: list[Array | None] = []
        for port in range(len(computed.outputs)):
            grad = self.step.get(*output_name(self.name, port).grad)
            grads.append(None if grad is None else wide(grad[span]))
        return None if all(grad is None for grad in grads) else computed.pull(grads)

    def pulled_input(self, slot: int, at: Index) -> float | None:
        """The independent gradient that this node hands to an element of an input."""
        found = None if self.pulled is None else self.pulled.inputs[slot]
        return None if found is None else float(found[(self._row, *at[1:])])

    @cached_property
    def weight_pulls(self) -> dict[str, Array]:
        """The independent gradients of the weights over the whole batch; empty if too dear."""
        if not (self.couples or self.is_cheap):
            return {}
        total: dict[str, Array] = {}
        for part, span in enumerate(self.step.parts):
            computed = self.computed if part == self.step.part else self._compute(span)
            pulled = None if computed is None else self._pull(computed, span)
            if pulled is None:
                return {}
            for name, grad in pulled.weights.items():
                total[name] = total[name] + grad if name in total else grad
        return total

    def pulled_by_example(self, name: str, at: Index) -> Array | None:
        """What each example adds to the independent gradient of an element; None if too dear.

        None as well where examples depend on each other, or nodes share the weight.
        """
        if self.couples or self.is_shared or not self.is_cheap:
            return None
        found: list[float] = []
        for example in range(self.step.batch):
            span = slice(example, example + 1)
            computed = self._compute(span)
            pulled = None if computed is None else self._pull(computed, span)
            if pulled is None or name not in pulled.weights:
                return None
            found.append(float(pulled.weights[name][at]))
        return np.array(found)

    def pulled_weight(self, name: str, at: Index) -> float | None:
        """The independent gradient of an element of a weight, as far as it comes from this node."""
        found = self.weight_pulls.get(name)
        return None if found is None else float(found[at])

    def pulled_shares(self, name: str, at: Index) -> dict[str, float] | None:
        """The same for each node that uses the weight; None if one of them is not known."""
        shares = {user.name: user.pulled_weight(name, at) for user in self.users}
        known = {user: share for user, share in shares.items() if share is not None}
        return known if len(known) == len(shares) else None

    @property
    def users(self) -> list[NodeView]:
        """The nodes that use these weights."""
        return [view for view in self.step.nodes.values() if view.owner == self.owner]

    @property
    def is_shared(self) -> bool:
        """Whether several nodes use these weights."""
        return len(self.users) > 1


def wide(array: Array) -> Array:
    """An array in float64; whole numbers stay whole."""
    return array if array.dtype.kind in "iub" else array.astype(np.float64)


def largest(array: Array) -> Index:
    """Where the element of the largest magnitude stands; numbers that are not finite come last."""
    size = np.abs(array.astype(np.float64))
    flat = int(np.argmax(np.where(np.isfinite(size), size, -1.0)))
    return tuple(int(at) for at in np.unravel_index(flat, array.shape))


def fits(index: Index | None, shape: tuple[int, ...]) -> bool:
    """Whether an index chooses one element of a shape."""
    return (
        index is not None
        and len(index) == len(shape)
        and all(0 <= at < size for at, size in zip(index, shape, strict=True))
    )


def named(node: str, what: str, at: Index) -> str:
    """The name of an element, such as `conv.kernel[0, 1, 2]`."""
    place = ", ".join(map(str, at))
    return f"{node}.{what}[{place}]" if at else f"{node}.{what}"
