"""What rules look at: a graph with its facts, and what else is known; questions that many ask.

Knows no rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from opgraph.analysis import Analysis
from opgraph.errors import AttributeValueError, Place
from opgraph.graph import Node, OpGraph
from opgraph.ops import Op, Shape
from opgraph.rules.targets import Target

LINEAR = frozenset({"convolution", "dense"})
PASSES_ON = frozenset({"Identity", "Flatten", "Reshape", "Permute"})
DROPOUTS = frozenset(
    {"Dropout", "AlphaDropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"}
)
COMPUTES_IN = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


@dataclass(frozen=True)
class Known:
    """What a graph does not say by itself; whatever is left out is not known.

    Attributes:
        loss: name of the loss, as Keras writes it.
        from_logits: whether the loss takes scores instead of probabilities.
        outputs: nodes that are outputs; without it every node that nothing reads is one.
        constants: nodes that hold stored numbers.
        dtypes: type of a node's output, where an export says it.
        arrays: the weights of nodes, by name.
        is_export: whether the graph is an export for inference.
        in_training_mode: nodes that run as in training.
        target: the runtime that the network is meant for.
    """

    loss: str | None = None
    from_logits: bool | None = None
    outputs: tuple[str, ...] | None = None
    constants: frozenset[str] = frozenset()
    dtypes: Mapping[str, str] = field(default_factory=dict[str, str])
    arrays: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, "Mapping[str, Any]"])
    is_export: bool = False
    in_training_mode: frozenset[str] = frozenset()
    target: Target | None = None


@dataclass(frozen=True)
class View:
    """A graph as rules see it.

    Attributes:
        analysis: the facts of the graph.
        known: what else is known.
    """

    analysis: Analysis
    known: Known = field(default_factory=Known)

    @property
    def graph(self) -> OpGraph:
        """The graph, completed."""
        return self.analysis.graph

    @cached_property
    def ops(self) -> Mapping[str, Op]:
        """The ops by node, in topological order; nodes that lack an attribute are left out."""
        ops: dict[str, Op] = {}
        for name in self.analysis.facts:
            try:
                ops[name] = self.graph[name].op
            except AttributeValueError:
                continue
        return ops

    def of(self, *kinds: str) -> Iterator[tuple[str, Op]]:
        """Nodes of these ops, or of these categories."""
        for name, op in self.ops.items():
            if op.kind in kinds or op.category in kinds:
                yield name, op

    def node(self, name: str) -> Node:
        """A node, completed."""
        return self.graph[name]

    def place(self, name: str) -> Place | None:
        """Where a node was written."""
        return self.graph[name].place if name in self.graph else None

    def sources(self, name: str) -> list[str]:
        """What a node reads, by slot."""
        return [end.node for end in self.graph.inputs(name)]

    def source(self, name: str) -> str | None:
        """What a node with one input reads."""
        sources = self.sources(name)
        return sources[0] if len(sources) == 1 else None

    def readers(self, name: str) -> list[str]:
        """Who reads a node, each once."""
        return list(dict.fromkeys(edge.target for edge in self.graph.edges_from(name)))

    def is_only_read_by(self, name: str, reader: str) -> bool:
        """Whether nobody else reads a node or shares its weights, and it is no output itself."""
        is_shared = self._uses[self.graph.owner(name)] > 1
        return not is_shared and self.readers(name) == [reader] and name not in self.outputs

    @cached_property
    def _uses(self) -> Counter[str]:
        """How many nodes use the weights of each."""
        return Counter(self.graph.owner(name) for name in self.analysis.facts)

    def shape(self, name: str) -> Shape | None:
        """The first output of a node, without the batch."""
        return self.analysis[name].output

    def input_shape(self, name: str) -> Shape | None:
        """The first input of a node, without the batch."""
        inputs = self.analysis[name].inputs
        return inputs[0] if inputs else None

    def behind(self, name: str, passes: Callable[[Op], bool]) -> str | None:
        """The nearest node before one that is not passed, going up where there is one input."""
        source = self.source(name)
        while source is not None and source in self.ops and passes(self.ops[source]):
            source = self.source(source)
        return source

    @cached_property
    def outputs(self) -> frozenset[str]:
        """Outputs of the network: those that are known, or all nodes that nothing reads."""
        known = self.known.outputs
        return frozenset(self.graph.sinks if known is None else known)

    def upstream(self, names: Iterable[str]) -> set[str]:
        """These nodes and all that they depend on."""
        return self._spread(names, self.sources)

    def downstream(self, names: Iterable[str]) -> set[str]:
        """These nodes and all that depend on them."""
        return self._spread(names, self.readers)

    def _spread(self, names: Iterable[str], further: Callable[[str], list[str]]) -> set[str]:
        waiting = [name for name in names if name in self.graph]
        seen = set(waiting)
        while waiting:
            for name in further(waiting.pop()):
                if name not in seen:
                    seen.add(name)
                    waiting.append(name)
        return seen

    def function(self, name: str) -> str | None:
        """The activation that a node's output comes out of, by Keras's name; None if none."""
        op = self.ops.get(name)
        return None if op is None else function_of(op)

    def dtype(self, name: str) -> str | None:
        """The type in which a node computes, as far as it can be told."""
        if name in self.known.dtypes:
            return self.known.dtypes[name]
        op = self.ops.get(name)
        if op is None or op.category == "opaque":
            return None
        return COMPUTES_IN.get(op.dtype or "float32", op.dtype or "float32")


def function_of(op: Op) -> str | None:
    """The activation that an op applies last, by Keras's name.

    >>> from opgraph.ops import require
    >>> function_of(require("LeakyReLU")()), function_of(require("Dense")(units=3))
    ('leaky_relu', None)
    """
    if op.category == "activation" and op.kind != "Activation":
        return FUNCTIONS.get(op.kind, op.kind.lower())
    value = op.values().get("activation")
    if isinstance(value, Mapping):
        return "custom"
    return None if value in (None, "linear") else str(value)


FUNCTIONS = {
    "LeakyReLU": "leaky_relu",
    "HardSigmoid": "hard_sigmoid",
    "HardSiLU": "hard_silu",
    "HardTanh": "hard_tanh",
    "HardShrink": "hard_shrink",
    "SoftShrink": "soft_shrink",
    "TanhShrink": "tanh_shrink",
    "LogSigmoid": "log_sigmoid",
    "LogSoftmax": "log_softmax",
    "SparsePlus": "sparse_plus",
    "SparseSigmoid": "sparse_sigmoid",
}
